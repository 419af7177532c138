//! From a request file to a license file.

use serde_json::json;

use super::accounts::check_counts;
use super::charge::{Changes, check_balance};
use super::lost_journal::journals_lost;
use super::projects::visible_server;
use super::request::{Admitted, Makers, admit};
use super::roles::Right;
use super::{Actor, Desk, DeskError};
use crate::journal::{ProvenRecord, Record};
use crate::rules::{
    self, Ask, Counts, Custody, Decision, Observation, Refusal, Row, Rules, Term, TrialPolicy,
};
use crate::store::{FileId, LicenseFile, Project, Server, ServerId, StoreError, Tpm, TpmId, Tx};

/// What may be tried for nothing: small, short, once for each TPM.
fn trials() -> TrialPolicy {
    TrialPolicy {
        most: Counts::of(sealgate_license::entitlements::kind::CAMERA, 16),
        most_days: 30,
        times: 1,
    }
}

/// What is wanted for a server.
#[derive(Debug, Clone)]
pub struct Order<'a> {
    /// The server.
    pub server: ServerId,
    /// The request file, as it was uploaded.
    pub request: &'a [u8],
    /// Which license.
    pub ask: Ask,
    /// Only say what would change.
    pub dry_run: bool,
}

/// What came of an order, or would come of it.
#[derive(Debug, Clone)]
pub struct Issuance {
    /// What the server's newest license gave.
    pub current: Counts,
    /// What this one gives.
    pub after: Counts,
    /// What the server's box is charged once this is done.
    pub charged: Counts,
    /// What then waits for the box's proof before it is credited.
    pub waiting_for_return: Counts,
    /// The serial number in the request.
    pub serial: String,
    /// An earlier file is handed out again.
    pub again: bool,
    /// The file; none for a dry run that would make a new one.
    pub file: Option<LicenseFile>,
    /// The license's id; none as [`Self::file`].
    pub license_id: Option<String>,
}

/// What a transaction came to: kept either way, as what a request proves stays known.
type Outcome = Result<Issuance, DeskError>;

/// One order, as far as it does not change.
pub(super) struct Case<'a> {
    pub(super) server: &'a Server,
    pub(super) project: &'a Project,
    /// The TPM's state before the request.
    pub(super) before: &'a Row,
    pub(super) admitted: &'a Admitted,
}

impl Case<'_> {
    /// What the server's newest license gives.
    fn current(&self) -> Counts {
        self.before
            .newest()
            .map(|newest| newest.counts.clone())
            .unwrap_or_default()
    }

    fn issuance(
        &self,
        tpm: &Tpm,
        after: &Counts,
        file: Option<LicenseFile>,
        again: bool,
    ) -> Issuance {
        Issuance {
            current: self.current(),
            after: after.clone(),
            charged: tpm.row.charged.clone(),
            waiting_for_return: tpm.row.waiting_for_return(),
            serial: self.admitted.serial.clone(),
            again,
            license_id: file.is_some().then(|| tpm.license_id()),
            file,
        }
    }
}

impl Desk {
    /// Makes the license for a request, or hands out the one that answers it already.
    ///
    /// # Errors
    /// The request or its TPM is not believed, the rules refuse, the balance is short, or
    /// the box is another server's.
    pub fn issue(&self, actor: &Actor, order: &Order<'_>) -> Result<Issuance, DeskError> {
        match &order.ask {
            Ask::Issue(counts) => check_counts(counts)?,
            Ask::IssueFor(counts, term) => {
                check_counts(counts)?;
                if matches!(term, Term::Overlap { .. }) {
                    // It bridges a conversion, which staff approve.
                    actor.must(Right::Support)?;
                }
            }
            Ask::Reissue => {}
        }
        // Who may not know of the server does not learn what its request is worth.
        let makers = self.transact(|tx| {
            visible_server(tx, actor, order.server)?;
            Ok(Makers::read(tx)?)
        })?;
        let admitted = admit(order.request, &makers, self.flavour)?;

        let outcome: Outcome = self.transact_journaled(|tx, journaled| {
            self.issue_in(tx, actor, order, &admitted, journaled)
        })?;
        outcome
    }

    fn issue_in(
        &self,
        tx: &mut dyn Tx,
        actor: &Actor,
        order: &Order<'_>,
        admitted: &Admitted,
        journaled: &mut bool,
    ) -> Result<Outcome, DeskError> {
        let (server, project) = visible_server(tx, actor, order.server)?;
        if self.alarm_if_written_off(tx, actor, server.id, admitted)? {
            return Ok(Err(Refusal::WrittenOff.into()));
        }
        self.end_licenses(tx, Some(project.distributor))?;
        let mut tpm = self.tpm_of(tx, actor, &server, admitted)?;
        let before = tpm.row.clone();
        let proof = proof_of(tx, &tpm, admitted)?;
        let seen = self.seen(admitted, proof, tpm.class.credits());
        let answer = rules::answer(&before, &seen, &order.ask);
        tpm.row = answer.row;
        let proven = self.proven_record(&tpm, &before, &seen);
        let case = Case {
            server: &server,
            project: &project,
            before: &before,
            admitted,
        };
        let decision = match answer.decision {
            Ok(Decision::New(made)) => match self.check_trial(tx, &order.ask, &tpm)? {
                Ok(()) => check_balance(tx, project.distributor, &before, &tpm.row, &made)?
                    .map(|()| Decision::New(made)),
                Err(refusal) => Err(refusal),
            },
            Ok(again) => Ok(again),
            Err(refusal) => Err(refusal.into()),
        };
        let mut changes = Changes {
            before: &before,
            records: proven.into_iter().collect(),
            note: format!("request of {}", tpm.serial),
            actor: actor.user,
        };
        match decision {
            Err(refusal) => {
                // What the request proves stays known; a TPM that never got a license is
                // not remembered.
                if !order.dry_run && tpm.id != TpmId::default() {
                    self.keep(tx, &tpm, changes, journaled)?;
                }
                Ok(Err(refusal))
            }
            Ok(Decision::Again(license)) => {
                let (file, _) = tx
                    .file(&FileId(license.id))?
                    .ok_or(DeskError::NotFound { what: "license" })?;
                if !order.dry_run {
                    self.keep(tx, &tpm, changes, journaled)?;
                }
                Ok(Ok(case.issuance(&tpm, &license.counts, Some(file), true)))
            }
            Ok(Decision::New(made)) if order.dry_run => {
                tpm.row.enter(String::new(), seen.request_sha256, &made);
                Ok(Ok(case.issuance(&tpm, &made.counts, None, false)))
            }
            Ok(Decision::New(made)) => {
                let (file, record) = self.make(tx, &case, &mut tpm, &made)?;
                changes.note = format!("license {}", file.id);
                changes.records.push(record);
                let object = format!("server:{}", server.id);
                let detail = json!({
                    "file": file.id,
                    "serial": tpm.serial,
                    "before": case.current(),
                    "after": file.counts,
                    "charged": tpm.row.charged,
                });
                self.audit(tx, Some(actor.user), "license.issue", object, detail)?;
                self.keep(tx, &tpm, changes, journaled)?;
                tracing::info!(license = %file.id, server = %server.id, "license issued");
                Ok(Ok(case.issuance(&tpm, &made.counts, Some(file), false)))
            }
        }
    }

    /// May this be tried? Repeating a trial that was lost is no new one.
    fn check_trial(
        &self,
        tx: &mut dyn Tx,
        ask: &Ask,
        tpm: &Tpm,
    ) -> Result<Result<(), DeskError>, StoreError> {
        let Ask::IssueFor(counts, Term::Trial { ends_utc_s }) = ask else {
            return Ok(Ok(()));
        };
        let had = (tx.tpms_of_ek(&tpm.identity.ek_name)?.iter())
            .flat_map(|tpm| &tpm.row.issued)
            .filter(|license| matches!(license.term, Term::Trial { .. }))
            .count();
        let now_utc_s = self.now().as_second();
        let checked = trials().check(counts, now_utc_s, *ends_utc_s, had);
        Ok(checked.map_err(DeskError::from))
    }

    pub(super) fn proven_record(
        &self,
        tpm: &Tpm,
        before: &Row,
        seen: &Observation,
    ) -> Option<Record> {
        let file_id = seen.proof_of.as_ref().filter(|_| tpm.row != *before)?;
        Some(Record::Proven(ProvenRecord {
            at_utc_ms: self.now().as_millisecond(),
            tpm: tpm.identity.clone(),
            file_id: FileId(file_id.clone()),
            counter: seen.counter,
            credits: seen.credits,
            request_sha256: seen.request_sha256,
        }))
    }

    /// The state of the request's TPM: known, or new for this server.
    fn tpm_of(
        &self,
        tx: &mut dyn Tx,
        actor: &Actor,
        server: &Server,
        admitted: &Admitted,
    ) -> Result<Tpm, DeskError> {
        if let Some(tpm) = tx.tpm(&admitted.identity)? {
            if tpm.server == server.id {
                return Ok(tpm);
            }
            if tpm.row.void_below > 0 && tpm.row.newest().is_none() {
                // Hardware that came back, and was sold again.
                self.check_vacant(tx, server, admitted)?;
                return Ok(Tpm {
                    server: server.id,
                    ..tpm
                });
            }
            let serial = admitted.serial.clone();
            return Err(match visible_server(tx, actor, tpm.server) {
                Ok((other, _)) => DeskError::BoxOfServer {
                    serial,
                    server: other.name,
                },
                Err(DeskError::NotFound { .. }) => DeskError::BoxElsewhere { serial },
                Err(error) => error,
            });
        }
        self.check_vacant(tx, server, admitted)?;
        let mut row = Row::default();
        if journals_lost(tx)? > 0 {
            // It may have had licenses that are forgotten.
            Rules::PRODUCT.forget(&mut row);
        }
        Ok(Tpm {
            id: TpmId::default(),
            identity: admitted.identity.clone(),
            class: admitted.class,
            model: admitted.model.clone(),
            serial: admitted.serial.clone(),
            server: server.id,
            license_number: tx.next_license_number()?,
            row,
        })
    }

    /// Another TPM at a server that has one is another box, unless only its attestation key
    /// is new, or the box before it was written off.
    fn check_vacant(
        &self,
        tx: &mut dyn Tx,
        server: &Server,
        admitted: &Admitted,
    ) -> Result<(), DeskError> {
        let mut others = tx.tpms_of_server(server.id)?;
        others.retain(|other| {
            other.row.custody == Custody::Owner
                && (other.row.void_below == 0 || other.row.newest().is_some())
        });
        let same = |other: &Tpm| other.identity.ek_name == admitted.identity.ek_name;
        match others.last() {
            Some(ours) if !others.iter().any(same) => Err(DeskError::OtherBox {
                server: server.name.clone(),
                ours: ours.serial.clone(),
                theirs: admitted.serial.clone(),
            }),
            _ => Ok(()),
        }
    }
}

/// The license whose activation secret made the request's HMAC.
pub(super) fn proof_of(
    tx: &mut dyn Tx,
    tpm: &Tpm,
    admitted: &Admitted,
) -> Result<Option<String>, StoreError> {
    if admitted.request.payload().proof.is_none() || tpm.id == TpmId::default() {
        return Ok(None);
    }
    let files = tx.files_of_tpm(tpm.id)?;
    let file = (files.iter().rev())
        .find(|file| admitted.request.proves(file.activation_secret.as_slice()));
    Ok(file.map(|file| file.id.0.clone()))
}
