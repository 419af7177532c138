//! Making a request for a license.

use sealgate_license::{
    request_document::{
        ChannelCounts, EndorsementKey, LicenseInUse, RequestError as RequestRefusal,
        RequestPayload, SignedRequest, TpmDescription, UnsignedRequest, proof,
    },
    tpm_wire::WireError,
};
use sealgate_tpm::{Tpm, TpmError};

use super::{
    files::{ReducedNote, RequestNote},
    license_box::LicenseBox,
};

/// Why no request was made.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The TPM failed.
    #[error("the TPM can't sign a request")]
    Tpm(#[from] TpmError),
    /// The TPM's proof can't be put into a request.
    #[error("the TPM's proof can't be put into a request")]
    Wire(#[from] WireError),
    /// The portal would refuse what the TPM signed.
    #[error("the TPM signed something that proves nothing")]
    Unproven(#[from] RequestRefusal),
}

impl RequestError {
    /// The code in the catalog of words.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Tpm(error) => error.code(),
            Self::Wire(_) | Self::Unproven(_) => "SG-TPM-008",
        }
    }
}

impl LicenseBox {
    /// Makes a request file, signed by the TPM together with its counter. While a license
    /// is in use it carries the proof that this license was imported here.
    ///
    /// # Errors
    /// The TPM failed, or its signature does not hold.
    pub fn export_request(&mut self, used: u32, wanted: u32) -> Result<String, RequestError> {
        let mut tpm = Tpm::open(&self.tpm_address)?;
        tpm.provision()?;
        let identity = tpm.identity()?;
        let nonce: [u8; 32] = rand::random();
        let (license, proof) = self.license_in_use(&mut tpm, &nonce)?;
        let created_at = self.now();
        let request = UnsignedRequest::new(RequestPayload {
            format_version: 1,
            model: self.names.model.clone(),
            serial: self.names.serial.clone(),
            firmware: self.names.firmware.clone(),
            ek: EndorsementKey {
                public: identity.ek_public,
                certificate: identity.ek_certificate,
                chain: identity.ek_chain,
            },
            ak_public: identity.ak_public,
            epoch_name: identity.epoch_name,
            nonce,
            license,
            tpm: TpmDescription {
                manufacturer: identity.manufacturer,
                firmware: identity.firmware,
            },
            channels: ChannelCounts { used, wanted },
            proof,
            created_at,
        });
        let certified = tpm.certify_counter(&request.qualifying_data())?;
        let request = request.sign(&certified.attest, &certified.signature)?;
        // Better refused here than after a week of mail.
        request.verify()?;
        if let Err(error) = self.files.write_request(RequestNote { created_at }) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "that a request was made is not remembered"
            );
        }
        self.remember_proof(&request);
        Ok(request.to_text())
    }

    /// The request carries the proof that a reduced license is in use here: the rest is
    /// the owner's to send.
    fn remember_proof(&self, request: &SignedRequest) {
        let payload = request.unverified_payload();
        let Some(license) = self.active_license() else {
            return;
        };
        let Ok(binding) = license.tpm_binding() else {
            return;
        };
        let note = self.files.reduced();
        let Some(note) = note.filter(|note| note.to == binding.to && !note.proven) else {
            return;
        };
        if payload.proof.is_none() {
            return;
        }
        let note = ReducedNote {
            proven: true,
            ..note
        };
        if let Err(error) = self.files.write_reduced(note) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "that the return was proven is not remembered"
            );
        }
    }

    /// The license in use and the proof of its import; neither if the stored license is
    /// another box's or can't be used.
    fn license_in_use(
        &self,
        tpm: &mut Tpm,
        nonce: &[u8; 32],
    ) -> Result<(Option<LicenseInUse>, Option<Vec<u8>>), TpmError> {
        let Some(license) = self.active_license() else {
            return Ok((None, None));
        };
        let Ok(binding) = license.tpm_binding() else {
            return Ok((None, None));
        };
        if super::license_box::attestation_key(tpm)?.name() != binding.ak_name {
            return Ok((None, None));
        }
        let in_use = LicenseInUse {
            id: license.payload().license_id.clone(),
            revision: license.payload().revision,
        };
        let proof = match self.secret_of(tpm, binding) {
            Ok(secret) => Some(proof(&secret, nonce).to_vec()),
            Err(super::outcome::Unbound::Tpm(error)) => return Err(error),
            Err(super::outcome::Unbound::State(_)) => None,
        };
        Ok((Some(in_use), proof))
    }
}
