//! What a license costs, written down: TPM state, ledger, journal.

use super::restore::head_text;
use super::{Desk, DeskError};
use crate::journal::Record;
use crate::rules::{Counts, NewLicense, Row, TERM_SLACK_S};
use crate::store::{DistributorId, LedgerEntry, LedgerReason, StoreError, Tpm, Tx, UserId};

/// What changed for a TPM.
pub(super) struct Changes<'a> {
    /// Its state before.
    pub(super) before: &'a Row,
    /// What the journal has to know.
    pub(super) records: Vec<Record>,
    /// For the ledger's readers.
    pub(super) note: String,
    /// Who did it.
    pub(super) actor: UserId,
}

impl Desk {
    /// Stores the TPM's state with its ledger entries. The journal comes last: once it
    /// has been written, only the commit may still fail.
    pub(super) fn keep(
        &self,
        tx: &mut dyn Tx,
        tpm: &Tpm,
        changes: Changes<'_>,
        journaled: &mut bool,
    ) -> Result<(), DeskError> {
        let at_utc_ms = self.now().as_millisecond();
        let actor = Some(changes.actor);
        settle(tx, changes.before, tpm, at_utc_ms, actor, &changes.note)?;
        if !changes.records.is_empty() {
            *journaled = true;
            let mut journal = self.journal();
            let head = journal.append(changes.records)?;
            tx.set_meta(&self.journal_fact, &head_text(head))?;
        }
        Ok(())
    }

    /// Frees what the licenses of a distributor, or of all, held that are over by now. Nothing is journaled:
    /// the end stands in each license.
    pub(super) fn end_licenses(
        &self,
        tx: &mut dyn Tx,
        distributor: Option<DistributorId>,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let ended_by = now.as_second().saturating_sub(TERM_SLACK_S);
        for mut tpm in tx.tpms_with_ended_licenses(distributor, ended_by)? {
            let before = tpm.row.clone();
            tpm.row.settle(now.as_second());
            if tpm.row != before {
                let at_utc_ms = now.as_millisecond();
                settle(
                    tx,
                    &before,
                    &tpm,
                    at_utc_ms,
                    None,
                    "the license's time is over",
                )?;
            }
        }
        tx.ends_were_settled(distributor, ended_by)
    }

    /// Runs a transaction that may write the journal. If the journal was written and the
    /// database did not keep it, nothing more is journaled until a restart has replayed it.
    pub(super) fn transact_journaled<T>(
        &self,
        work: impl FnOnce(&mut dyn Tx, &mut bool) -> Result<T, DeskError>,
    ) -> Result<T, DeskError> {
        let mut journaled = false;
        let result = self.transact(|tx| work(tx, &mut journaled));
        if result.is_err() && journaled {
            self.journal().close();
            tracing::error!("the database did not keep what was journaled: restart the portal");
        }
        result
    }
}

/// Does the distributor have what the row's charge rises by? What this very request
/// credits counts.
pub(super) fn check_balance(
    tx: &mut dyn Tx,
    distributor: DistributorId,
    before: &Row,
    seen: &Row,
    made: &NewLicense,
) -> Result<Result<(), DeskError>, StoreError> {
    let balances = tx.balances(distributor)?;
    for (kind, now, then) in seen.charged.side_by_side(&made.charged) {
        let needed = i64::from(then) - i64::from(now);
        let credited = i64::from(before.charged.get(kind)) - i64::from(now);
        let available = balances
            .iter()
            .find(|balance| balance.kind == kind)
            .map_or(0, |balance| balance.available)
            + credited;
        if needed > 0 && needed > available {
            return Ok(Err(DeskError::Balance {
                kind: kind.to_owned(),
                available,
                needed,
            }));
        }
    }
    Ok(Ok(()))
}

/// Writes back a TPM's state, and what its charge and its write-off changed to the ledger
/// of the distributor whose server it is.
pub(super) fn settle(
    tx: &mut dyn Tx,
    before: &Row,
    tpm: &Tpm,
    at_utc_ms: i64,
    actor: Option<UserId>,
    note: &str,
) -> Result<(), StoreError> {
    tx.update_tpm(tpm)?;
    let missing = StoreError::Unreadable {
        column: "server_id",
    };
    let Some(server) = tx.server(tpm.server)? else {
        return Err(missing);
    };
    let Some(project) = tx.project(server.project)? else {
        return Err(missing);
    };
    let charged = changes(&tpm.row.charged, &before.charged, |delta| {
        if delta < 0 {
            LedgerReason::Charge
        } else {
            LedgerReason::Credit
        }
    });
    // What is written off may be licensed again; what is back may not.
    let written_off = changes(&before.written_off(), &tpm.row.written_off(), |_| {
        LedgerReason::WriteOff
    });
    for (kind, delta, reason) in charged.into_iter().chain(written_off) {
        tx.append_ledger(&LedgerEntry {
            at_utc_ms,
            distributor: project.distributor,
            kind,
            delta,
            reason,
            tpm: Some(tpm.id),
            note: note.to_owned(),
            actor,
            idempotency_key: None,
        })?;
    }
    Ok(())
}

/// Per kind what `more` has more than `fewer`, where they differ.
fn changes(
    fewer: &Counts,
    more: &Counts,
    reason: impl Fn(i64) -> LedgerReason,
) -> Vec<(String, i64, LedgerReason)> {
    fewer
        .side_by_side(more)
        .into_iter()
        .map(|(kind, was, is)| (kind.to_owned(), i64::from(is) - i64::from(was)))
        .filter(|(_, delta)| *delta != 0)
        .map(|(kind, delta)| (kind, delta, reason(delta)))
        .collect()
}
