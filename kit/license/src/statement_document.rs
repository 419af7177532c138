//! A statement, `.sgs`: something a box did or gave out, signed by its TPM.
//!
//! It is evidence for people and for the portal: that a clip left this very box as it is,
//! that a broken camera was replaced by another. It grants nothing.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::attestation::{AttestationError, CounterEvidence};
use crate::counter_signature::{self, CounterSignatureError};
use crate::dsse::{DocumentError, DocumentKind, Envelope, write_payload};
use crate::encoding;
use crate::entitlements::ListedMac;
use crate::tpm_wire::{AkError, TpmPublic, WireError};

/// What a statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Subject {
    /// A broken camera's place went to another camera.
    CameraReplaced {
        /// The camera that had the place.
        old_mac: ListedMac,
        /// The camera that has it now.
        new_mac: ListedMac,
        /// Counts the box's replacements, from 1.
        number: u32,
        /// SHA-256 of the payload of the statement before; zeros in the first.
        #[serde(with = "encoding::base64_array")]
        previous_sha256: [u8; 32],
    },
    /// A clip of a camera's video was handed out.
    Clip {
        /// The camera: MAC address without separators, a dash, the video source.
        camera: String,
        /// Name of the file.
        file: String,
        /// When its first picture arrived at the box.
        from: Timestamp,
        /// When its last picture arrived.
        to: Timestamp,
        /// Length of the file, bytes.
        size_bytes: u64,
        /// SHA-256 of the file.
        #[serde(with = "encoding::base64_array")]
        sha256: [u8; 32],
    },
}

/// What the box's TPM signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementPayload {
    /// 1.
    pub format_version: u32,
    /// The box's model.
    pub model: String,
    /// The box's serial number.
    pub serial: String,
    /// The box's firmware version.
    pub firmware: String,
    /// TPMT_PUBLIC of the attestation key.
    #[serde(with = "encoding::base64_bytes")]
    pub ak_public: Vec<u8>,
    /// What is stated.
    pub subject: Subject,
    /// When, by the box's clock.
    pub created_at: Timestamp,
}

/// A statement whose payload is fixed and waits for the TPM's signature.
#[derive(Debug, Clone)]
pub struct UnsignedStatement {
    payload: StatementPayload,
    bytes: Vec<u8>,
}

impl UnsignedStatement {
    /// Fixes the payload's bytes.
    pub fn new(payload: StatementPayload) -> Self {
        let bytes = write_payload(&payload);
        Self { payload, bytes }
    }

    /// What TPM2_NV_Certify of the counter has to be given.
    pub fn qualifying_data(&self) -> [u8; 32] {
        counter_signature::qualifying_data(DocumentKind::Statement, &self.bytes)
    }

    /// Adds what TPM2_NV_Certify returned: a TPMS_ATTEST (without its size) and a
    /// TPMT_SIGNATURE.
    ///
    /// # Errors
    /// The attestation is longer than any TPM's.
    pub fn sign(self, attest: &[u8], signature: &[u8]) -> Result<SignedStatement, WireError> {
        let envelope = counter_signature::seal(
            DocumentKind::Statement,
            self.bytes,
            &self.payload.ak_public,
            attest,
            signature,
        )?;
        Ok(SignedStatement {
            envelope,
            payload: self.payload,
        })
    }
}

/// Why a statement proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// The signature's key id is not the attestation key's Name.
    #[error("the statement was signed by another key than the one it holds")]
    OtherSigner,
    /// The attestation key is not the one that was asked for.
    #[error("the statement is another box's")]
    OtherBox,
    /// The signature, or the attestation key, can't be read.
    #[error("the statement's signature or key can't be read")]
    Unreadable(#[source] WireError),
    /// The attestation key is not of the license's template.
    #[error("the statement's attestation key can't be used")]
    UnfitAttestationKey(#[source] AkError),
    /// The payload was changed after signing, or the TPM said something else.
    #[error("the TPM's proof in the statement does not hold")]
    Attestation(#[source] AttestationError),
}

impl StatementError {
    /// The code in the words catalog.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OtherBox => "SG-DOC-007",
            Self::OtherSigner
            | Self::Unreadable(_)
            | Self::UnfitAttestationKey(_)
            | Self::Attestation(_) => "SG-DOC-006",
        }
    }
}

impl From<CounterSignatureError> for StatementError {
    fn from(error: CounterSignatureError) -> Self {
        match error {
            CounterSignatureError::OtherSigner => Self::OtherSigner,
            CounterSignatureError::Signature(error) => Self::Unreadable(error),
            CounterSignatureError::UnfitKey(error) => Self::UnfitAttestationKey(error),
            CounterSignatureError::Attestation(error) => Self::Attestation(error),
        }
    }
}

/// A statement that could be read, or was just made. Nothing in it is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedStatement {
    envelope: Envelope,
    payload: StatementPayload,
}

impl SignedStatement {
    /// Reads a statement.
    ///
    /// # Errors
    /// [`DocumentError`]: it is no statement that this version reads.
    pub fn parse(file: impl AsRef<[u8]>) -> Result<Self, DocumentError> {
        let envelope = Envelope::parse_kind(file, DocumentKind::Statement)?;
        let payload = envelope.read_payload()?;
        Ok(Self { envelope, payload })
    }

    /// What the statement says, unproven.
    pub fn unverified_payload(&self) -> &StatementPayload {
        &self.payload
    }

    /// The file.
    pub fn to_text(&self) -> String {
        self.envelope.to_text()
    }

    /// SHA-256 of the envelope's payload.
    pub fn payload_sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.envelope.payload).into()
    }

    /// Checks that the attestation key in the payload signed this very payload, and gives
    /// what the TPM attested besides. Whose TPM that key is in, only a license's
    /// activation or the portal's books can tell.
    ///
    /// # Errors
    /// [`StatementError`]: what does not hold.
    pub fn verify(&self) -> Result<CounterEvidence, StatementError> {
        let ak = TpmPublic::parse(&self.payload.ak_public).map_err(StatementError::Unreadable)?;
        Ok(counter_signature::check(
            DocumentKind::Statement,
            &self.envelope,
            &ak,
        )?)
    }

    /// The same, for the statement of the box with this attestation key.
    ///
    /// # Errors
    /// [`StatementError`]: what does not hold.
    pub fn verify_of(&self, ak: &TpmPublic) -> Result<CounterEvidence, StatementError> {
        let signer =
            TpmPublic::parse(&self.payload.ak_public).map_err(StatementError::Unreadable)?;
        if signer.name() != ak.name() {
            return Err(StatementError::OtherBox);
        }
        self.verify()
    }
}
