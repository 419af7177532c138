//! A new license: signed, entered for its TPM, and as the journal keeps it.

use jiff::Timestamp;
use rand_core::CryptoRng;
use sealgate_license::entitlements::Entitlements;
use sealgate_license::license_document::{
    self, Binding, LicensePayload, Names, TpmBinding, Validity,
};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::issue::Case;
use super::request::Admitted;
use super::{Desk, DeskError};
use crate::journal::{DistributorRef, IssuedRecord, ProjectRef, Record, ServerRef, TpmRef};
use crate::rules::{NewLicense, Term};
use crate::store::{Distributor, LicenseFile, Tpm, TpmId, Tx};

/// A term as the license says it.
fn validity(term: Term) -> Validity {
    let ends = (term.ends_utc_s()).and_then(|ends| Timestamp::from_second(ends).ok());
    Validity {
        not_before: None,
        not_after: ends,
        term: match term {
            Term::Perpetual => None,
            Term::Trial { .. } => Some(license_document::Term::Trial),
            Term::Dated { .. } => Some(license_document::Term::Dated),
            Term::Overlap { .. } => Some(license_document::Term::Overlap),
        },
    }
}

impl Desk {
    /// Signs a new license and enters it for its TPM.
    pub(super) fn make(
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
            validity: validity(made.term),
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
