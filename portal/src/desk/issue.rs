//! From a request file to a license file.

use jiff::Timestamp;
use rand_core::CryptoRng;
use sealgate_license::entitlements::Entitlements;
use sealgate_license::license_document::{Binding, LicensePayload, Names, TpmBinding, Validity};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::accounts::check_counts;
use super::charge::{Changes, check_balance};
use super::projects::visible_server;
use super::request::{Admitted, Makers, admit};
use super::{Actor, Desk, DeskError};
use crate::journal::{
    DistributorRef, IssuedRecord, ProjectRef, ProvenRecord, Record, ServerRef, TpmRef,
};
use crate::rules::{self, Ask, Counts, Decision, NewLicense, Observation, Row};
use crate::store::{
    Distributor, FileId, LicenseFile, Project, Server, ServerId, StoreError, Tpm, TpmId, Tx,
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

/// What a transaction came to: kept either way, as what a request proves stays known.
type Outcome = Result<Issuance, DeskError>;

/// One order, as far as it does not change.
struct Case<'a> {
    server: &'a Server,
    project: &'a Project,
    /// The TPM's state before the request.
    before: &'a Row,
    admitted: &'a Admitted,
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
        if let Ask::Issue(counts) = &order.ask {
            check_counts(counts)?;
        }
        // Who may not know of the server does not learn what its request is worth.
        let makers = self.transact(|tx| {
            visible_server(tx, actor, order.server)?;
            Ok(Makers::read(tx)?)
        })?;
        let admitted = admit(order.request, &makers, self.flavour)?;

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
        let seen = Observation {
            at_utc_s: self.now().as_second(),
            counter: admitted.request.counter().counter,
            proof_of: proof_of(tx, &tpm, admitted)?,
            credits: tpm.class.credits(),
            request_sha256: admitted.request.payload_sha256(),
        };
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
            Ok(Decision::New(made)) => {
                check_balance(tx, project.distributor, &before, &tpm.row, &made)?
                    .map(|()| Decision::New(made))
            }
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

    fn proven_record(&self, tpm: &Tpm, before: &Row, seen: &Observation) -> Option<Record> {
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

    /// Signs a new license and enters it for its TPM.
    fn make(
        &self,
        tx: &mut dyn Tx,
        case: &Case<'_>,
        tpm: &mut Tpm,
        made: &NewLicense,
    ) -> Result<(LicenseFile, Record), DeskError> {
        let distributor = tx
            .distributor(case.project.distributor)?
            .ok_or(DeskError::NotFound {
                what: "distributor",
            })?;
        let names = Names {
            server: case.server.name.clone(),
            project: case.project.name.clone(),
            distributor: distributor.name.clone(),
        };
        if tpm.id == TpmId::default() {
            tpm.id = tx.insert_tpm(tpm)?;
        }
        let file = self.make_file(tpm, case.admitted, made, &names, &mut rand::rng())?;
        tx.insert_file(&file)?;
        tpm.row.enter(file.id.0.clone(), file.request_sha256, made);
        let record = self.issued_record(&distributor, case, tpm, &file);
        Ok((file, record))
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
            revocation_list: None,
        };
        Ok(LicenseFile {
            id: tpm.file_id(made.revision),
            tpm: tpm.id,
            revision: made.revision,
            from: made.from,
            to: made.to,
            counts: made.counts.clone(),
            term: made.term,
            activation_secret,
            request_sha256: admitted.request.payload_sha256(),
            text: self.signer.sign(payload)?.to_text(),
            issued_utc_s,
        })
    }

    fn issued_record(
        &self,
        distributor: &Distributor,
        case: &Case<'_>,
        tpm: &Tpm,
        file: &LicenseFile,
    ) -> Record {
        let (server, project) = (case.server, case.project);
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
            term: file.term,
            activation_secret: *file.activation_secret,
            request_sha256: file.request_sha256,
            text: file.text.clone(),
        }))
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
