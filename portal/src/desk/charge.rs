//! What a license costs, written down: TPM state, ledger, journal.

use super::restore::head_text;
use super::{Desk, DeskError, fact};
use crate::journal::Record;
use crate::rules::{NewLicense, Row};
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
            tx.set_meta(fact::JOURNAL_HEAD, &head_text(head))?;
        }
        Ok(())
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

/// Writes back a TPM's state, and what its charge changed to the ledger of the
/// distributor whose server it is.
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
    for (kind, was, is) in before.charged.side_by_side(&tpm.row.charged) {
        let delta = i64::from(was) - i64::from(is);
        if delta == 0 {
            continue;
        }
        tx.append_ledger(&LedgerEntry {
            at_utc_ms,
            distributor: project.distributor,
            kind: kind.to_owned(),
            delta,
            reason: if delta < 0 {
                LedgerReason::Charge
            } else {
                LedgerReason::Credit
            },
            tpm: Some(tpm.id),
            note: note.to_owned(),
            actor,
            idempotency_key: None,
        })?;
    }
    Ok(())
}
