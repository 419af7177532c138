//! From a request file to a license file.

use jiff::Timestamp;
use rand_core::CryptoRng;
use sealgate_license::entitlements::Entitlements;
use sealgate_license::license_document::{Binding, LicensePayload, Names, TpmBinding, Validity};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::accounts::check_counts;
use super::projects::{visible_project, visible_server};
use super::request::{Admitted, admit};
use super::restore::head_text;
use super::{Actor, Desk, DeskError, fact};
use crate::journal::{
    DistributorRef, IssuedRecord, ProjectRef, ProvenRecord, Record, ServerRef, TpmRef,
};
use crate::rules::{self, Ask, Counts, Decision, NewLicense, Observation, Row};
use crate::store::{
    Distributor, DistributorId, FileId, LedgerEntry, LedgerReason, LicenseFile, Project, Server,
    ServerId, StoreError, Tpm, TpmId, Tx, UserId,
};

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

/// A server's licenses, newest first.
#[derive(Debug, Clone)]
pub struct ServerLicenses {
    /// The files, each with its license's id.
    pub files: Vec<(String, LicenseFile)>,
}

/// What a transaction came to: kept either way, as what a request proves stays known.
type Outcome = Result<Issuance, DeskError>;

impl Desk {
    /// Makes the license for a request, or hands out the one that answers it already.
    ///
    /// # Errors
    /// The request or its TPM is not believed, the rules refuse, the balance is short, or
    /// the box is another server's.
    pub fn issue(&self, actor: &Actor, order: &Order<'_>) -> Result<Issuance, DeskError> {
        if let Ask::Issue(counts) = &order.ask {
            check_counts(counts)?;
        }
        // Who may not know of the server does not learn what its request is worth.
        let roots = self.transact(|tx| {
            visible_server(tx, actor, order.server)?;
            Ok(tx.ek_roots()?)
        })?;
        let admitted = admit(order.request, &roots, self.flavour)?;

        let mut journaled = false;
        let result: Result<Outcome, DeskError> =
            self.transact(|tx| self.issue_in(tx, actor, order, &admitted, &mut journaled));
        if result.is_err() && journaled {
            // The journal holds what the database did not keep: nothing more is issued
            // until a restart has replayed it.
            self.journal().close();
            tracing::error!("the database did not keep an issued license: restart the portal");
        }
        result?
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
        let mut tpm = self.tpm_of(tx, actor, &server, admitted)?;
        let before = tpm.row.clone();
        let current = before
            .newest()
            .map(|newest| newest.counts.clone())
            .unwrap_or_default();
        let seen = Observation {
            counter: admitted.request.counter().counter,
            proof_of: proof_of(tx, &tpm, admitted)?,
            credits: tpm.class.credits(),
            request_sha256: admitted.request.payload_sha256(),
        };
        let answer = rules::answer(&before, &seen, &order.ask);
        tpm.row = answer.row;
        let mut records = Vec::new();
        if let (Some(file_id), true) = (&seen.proof_of, tpm.row != before) {
            records.push(Record::Proven(ProvenRecord {
                at_utc_ms: self.now().as_millisecond(),
                tpm: tpm.identity.clone(),
                file_id: FileId(file_id.clone()),
                counter: seen.counter,
                credits: seen.credits,
                request_sha256: seen.request_sha256,
            }));
        }

        let made = match answer.decision {
            Ok(Decision::New(made)) => {
                match check_balance(tx, project.distributor, &before, &tpm.row, &made)? {
                    Ok(()) => Ok(Some(made)),
                    Err(short) => Err(short),
                }
            }
            Ok(Decision::Again(_)) => Ok(None),
            Err(refusal) => Err(DeskError::Rules(refusal)),
        };
        let issuance =
            |row: &Row, after: Counts, file: Option<LicenseFile>, again: bool| Issuance {
                current: current.clone(),
                after,
                charged: row.charged.clone(),
                waiting_for_return: row.waiting_for_return(),
                serial: admitted.serial.clone(),
                again,
                license_id: file.is_some().then(|| license_id.clone()),
                file,
            };
        match made {
            Err(refusal) => {
                if !order.dry_run && tpm.id != TpmId::default() {
                    self.keep(tx, &before, &tpm, records, Some(actor.user), journaled)?;
                }
                Ok(Err(refusal))
            }
            Ok(None) => {
                let Ok(Decision::Again(license)) = rules::decide(&tpm.row, &seen, &order.ask)
                else {
                    return Err(DeskError::NotFound { what: "license" });
                };
                if !order.dry_run {
                    self.keep(tx, &before, &tpm, records, Some(actor.user), journaled)?;
                }
                let (file, _) = tx
                    .file(&FileId(license.id))?
                    .ok_or(DeskError::NotFound { what: "license" })?;
                Ok(Ok(issuance(
                    &tpm.row,
                    file.counts.clone(),
                    Some(file),
                    true,
                )))
            }
            Ok(Some(made)) if order.dry_run => {
                let mut row = tpm.row.clone();
                row.enter(String::new(), seen.request_sha256, &made);
                Ok(Ok(issuance(&row, made.counts, None, false)))
            }
            Ok(Some(made)) => {
                let distributor =
                    tx.distributor(project.distributor)?
                        .ok_or(DeskError::NotFound {
                            what: "distributor",
                        })?;
                let file = self.make_file(
                    &tpm,
                    admitted,
                    &made,
                    &Names {
                        server: server.name.clone(),
                        project: project.name.clone(),
                        distributor: distributor.name.clone(),
                    },
                    &mut rand::rng(),
                )?;
                if tpm.id == TpmId::default() {
                    tpm.id = tx.insert_tpm(&tpm)?;
                }
                let file = LicenseFile {
                    tpm: tpm.id,
                    ..file
                };
                tx.insert_file(&file)?;
                tpm.row.enter(file.id.0.clone(), seen.request_sha256, &made);
                records.push(self.issued_record(&distributor, &project, &server, &tpm, &file));
                self.keep(tx, &before, &tpm, records, Some(actor.user), journaled)?;
                let object = format!("server:{}", server.id);
                let detail = json!({
                    "license": license_id,
                    "revision": file.revision,
                    "serial": tpm.serial,
                    "before": current,
                    "after": file.counts,
                    "charged": tpm.row.charged,
                });
                self.audit(tx, Some(actor.user), "license.issue", object, detail)?;
                tracing::info!(license = %file.id, server = %server.id, "license issued");
                Ok(Ok(issuance(
                    &tpm.row,
                    file.counts.clone(),
                    Some(file),
                    false,
                )))
            }
        }
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
        // Another TPM at a server that has one is another box, unless only its
        // attestation key is new.
        let others = tx.tpms_of_server(server.id)?;
        if let Some(ours) = others.last()
            && !(others.iter()).any(|other| other.identity.ek_name == admitted.identity.ek_name)
        {
            return Err(DeskError::OtherBox {
                server: server.name.clone(),
                ours: ours.serial.clone(),
                theirs: admitted.serial.clone(),
            });
        }
        Ok(Tpm {
            id: TpmId::default(),
            identity: admitted.identity.clone(),
            class: admitted.class,
            model: admitted.model.clone(),
            serial: admitted.serial.clone(),
            server: server.id,
            license_number: tx.next_license_number()?,
            row: Row::default(),
        })
    }

    /// Stores the TPM's state with its ledger entries; the journal first.
    fn keep(
        &self,
        tx: &mut dyn Tx,
        before: &Row,
        tpm: &Tpm,
        records: Vec<Record>,
        actor: Option<UserId>,
        journaled: &mut bool,
    ) -> Result<(), DeskError> {
        let note = match records.last() {
            Some(Record::Issued(issued)) => format!("license {}", issued.file_id),
            _ => format!("request of {}", tpm.serial),
        };
        settle(tx, before, tpm, self.now().as_millisecond(), actor, &note)?;
        if !records.is_empty() {
            *journaled = true;
            let mut journal = self.journal();
            let head = journal.append(records)?;
            tx.set_meta(fact::JOURNAL_HEAD, &head_text(head))?;
        }
        Ok(())
    }

    fn make_file(
        &self,
        tpm: &Tpm,
        admitted: &Admitted,
        made: &NewLicense,
        names: &Names,
        rng: &mut dyn CryptoRng,
    ) -> Result<LicenseFile, DeskError> {
        let mut activation_secret = Zeroizing::new([0; 32]);
        rng.fill_bytes(activation_secret.as_mut());
        let credential = admitted.seal(&activation_secret, rng)?;
        // Whole seconds: what is signed reads the same in every list.
        let issued_utc_s = self.now().as_second();
        let payload = LicensePayload {
            format_version: 1,
            license_id: tpm.license_id(),
            revision: made.revision,
            names: names.clone(),
            binding: Binding::Tpm(TpmBinding {
                ak_name: admitted.tpm.ak_name.clone(),
                ek_name: admitted.tpm.ek_name.clone(),
                credential_blob: credential.credential_blob,
                encrypted_secret: credential.encrypted_secret,
                activation_secret_sha256: Sha256::digest(activation_secret.as_slice()).into(),
                from: made.from,
                to: made.to,
                tpm_clock_at_request_ms: admitted.request.counter().clock_ms,
            }),
            entitlements: Entitlements {
                counts: made.counts.clone().into(),
                ..Entitlements::default()
            },
            validity: Validity::default(),
            issued_at: Timestamp::from_second(issued_utc_s).unwrap_or_else(|_| self.now()),
        };
        Ok(LicenseFile {
            id: tpm.file_id(made.revision),
            tpm: tpm.id,
            revision: made.revision,
            from: made.from,
            to: made.to,
            counts: made.counts.clone(),
            activation_secret,
            request_sha256: admitted.request.payload_sha256(),
            text: self.signer.sign(payload)?.to_text(),
            issued_utc_s,
        })
    }

    fn issued_record(
        &self,
        distributor: &Distributor,
        project: &Project,
        server: &Server,
        tpm: &Tpm,
        file: &LicenseFile,
    ) -> Record {
        Record::Issued(Box::new(IssuedRecord {
            at_utc_ms: self.now().as_millisecond(),
            distributor: DistributorRef {
                id: distributor.id,
                name: distributor.name.clone(),
            },
            project: ProjectRef {
                id: project.id,
                name: project.name.clone(),
                built_in: project.built_in,
            },
            server: ServerRef {
                id: server.id,
                name: server.name.clone(),
            },
            tpm: TpmRef::of(tpm),
            file_id: file.id.clone(),
            revision: file.revision,
            from: file.from,
            to: file.to,
            counts: file.counts.clone(),
            activation_secret: *file.activation_secret,
            request_sha256: file.request_sha256,
            text: file.text.clone(),
        }))
    }

    /// The licenses of a server, newest first.
    ///
    /// # Errors
    /// There is no such server, or none that this person may know of.
    pub fn licenses(&self, actor: &Actor, server: ServerId) -> Result<ServerLicenses, DeskError> {
        self.transact(|tx| {
            visible_server(tx, actor, server)?;
            let mut files = Vec::new();
            for tpm in tx.tpms_of_server(server)? {
                for file in tx.files_of_tpm(tpm.id)? {
                    files.push((tpm.license_id(), file));
                }
            }
            files.reverse();
            Ok(ServerLicenses { files })
        })
    }

    /// A license file, to be downloaded once more.
    ///
    /// # Errors
    /// There is none, or none that this person may know of.
    pub fn license_file(&self, actor: &Actor, id: &FileId) -> Result<LicenseFile, DeskError> {
        let missing = || DeskError::NotFound { what: "license" };
        self.transact(|tx| {
            let (file, server) = tx.file(id)?.ok_or_else(missing)?;
            let (server, _) = visible_server(tx, actor, server).map_err(|_| missing())?;
            visible_project(tx, actor, server.project).map_err(|_| missing())?;
            Ok(file)
        })
    }
}

/// The license whose activation secret made the request's HMAC.
fn proof_of(tx: &mut dyn Tx, tpm: &Tpm, admitted: &Admitted) -> Result<Option<String>, StoreError> {
    if admitted.request.payload().proof.is_none() || tpm.id == TpmId::default() {
        return Ok(None);
    }
    let files = tx.files_of_tpm(tpm.id)?;
    let file = (files.iter().rev())
        .find(|file| admitted.request.proves(file.activation_secret.as_slice()));
    Ok(file.map(|file| file.id.0.clone()))
}

/// Does the distributor have what the row's charge rises by? What this very request
/// credits counts.
fn check_balance(
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
