//! The request file, `.req`: what a box says about itself, signed by its TPM.

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::attestation::{AttestationError, CounterEvidence};
use crate::counter_signature::{self, CounterSignatureError};
use crate::dsse::{DocumentError, DocumentKind, Envelope, write_payload};
use crate::encoding;
use crate::tpm_wire::{AkError, TpmName, TpmPublic, WireError};

/// The endorsement key, with what its maker says about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndorsementKey {
    /// TPMT_PUBLIC.
    #[serde(with = "encoding::base64_bytes")]
    pub public: Vec<u8>,
    /// The EK certificate as it was read from NV: DER, perhaps wrapped and padded.
    #[serde(
        default,
        with = "encoding::base64_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub certificate: Option<Vec<u8>>,
    /// Certificates of intermediate authorities from NV, DER.
    #[serde(
        default,
        with = "encoding::base64_list",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub chain: Vec<Vec<u8>>,
}

/// The license in use when the request was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenseInUse {
    /// Its id.
    pub id: String,
    /// Its revision.
    pub revision: u32,
}

/// The TPM as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TpmDescription {
    /// TPM_PT_MANUFACTURER, as text.
    pub manufacturer: String,
    /// Firmware version, as text.
    pub firmware: String,
}

/// Camera channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelCounts {
    /// In use.
    pub used: u32,
    /// What the owner asks for.
    pub wanted: u32,
}

/// What the box's TPM signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestPayload {
    /// 1.
    pub format_version: u32,
    /// The box's model.
    pub model: String,
    /// The box's serial number.
    pub serial: String,
    /// The box's firmware version.
    pub firmware: String,
    /// The endorsement key.
    pub ek: EndorsementKey,
    /// TPMT_PUBLIC of the attestation key.
    #[serde(with = "encoding::base64_bytes")]
    pub ak_public: Vec<u8>,
    /// Name of a storage primary, which changes with TPM2_Clear; tells the story, decides nothing.
    pub epoch_name: TpmName,
    /// Makes each request unlike every other.
    #[serde(with = "encoding::base64_array")]
    pub nonce: [u8; 32],
    /// The license in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<LicenseInUse>,
    /// The TPM.
    pub tpm: TpmDescription,
    /// Channels.
    pub channels: ChannelCounts,
    /// [`proof`] that the license in use was imported into this TPM.
    #[serde(
        default,
        with = "encoding::base64_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub proof: Option<Vec<u8>>,
    /// When, by the box's clock.
    pub created_at: Timestamp,
}

/// A request whose payload is fixed and waits for the TPM's signature.
#[derive(Debug, Clone)]
pub struct UnsignedRequest {
    payload: RequestPayload,
    bytes: Vec<u8>,
}

impl UnsignedRequest {
    /// Fixes the payload's bytes.
    pub fn new(payload: RequestPayload) -> Self {
        let bytes = write_payload(&payload);
        Self { payload, bytes }
    }

    /// What TPM2_NV_Certify of the counter has to be given: SHA-256 of the payload's
    /// pre-authentication encoding.
    pub fn qualifying_data(&self) -> [u8; 32] {
        counter_signature::qualifying_data(DocumentKind::Request, &self.bytes)
    }

    /// Adds what TPM2_NV_Certify returned: a TPMS_ATTEST (without its size) and a
    /// TPMT_SIGNATURE.
    pub fn sign(self, attest: &[u8], signature: &[u8]) -> Result<SignedRequest, WireError> {
        let envelope = counter_signature::seal(
            DocumentKind::Request,
            self.bytes,
            &self.payload.ak_public,
            attest,
            signature,
        )?;
        Ok(SignedRequest {
            envelope,
            payload: self.payload,
        })
    }
}

/// Why a request proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The signature's key id is not the attestation key's Name.
    #[error("the request was signed by another key than the one it holds")]
    OtherSigner,
    /// The signature is not an attestation with a signature.
    #[error("the request's signature can't be read")]
    Signature(#[source] WireError),
    /// The endorsement key can't be read.
    #[error("the request's endorsement key can't be read")]
    EndorsementKey(#[source] WireError),
    /// The attestation key can't be read.
    #[error("the request's attestation key can't be read")]
    AttestationKey(#[source] WireError),
    /// The attestation key is not of the license's template.
    #[error("the request's attestation key can't be used")]
    UnfitAttestationKey(#[from] AkError),
    /// The counter is not attested, or the payload was changed after signing.
    #[error("the TPM's proof in the request does not hold")]
    Attestation(#[from] AttestationError),
}

impl RequestError {
    /// The code in the words catalog. Requests are judged at the portal, so these are
    /// the portal's.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Attestation(AttestationError::CounterIndex | AttestationError::Extent) => {
                "SG-POR-022"
            }
            Self::OtherSigner | Self::Signature(_) | Self::Attestation(_) => "SG-POR-020",
            Self::EndorsementKey(_) => "SG-POR-030",
            Self::AttestationKey(_) => "SG-POR-021",
            Self::UnfitAttestationKey(error) => error.code(),
        }
    }
}

impl From<CounterSignatureError> for RequestError {
    fn from(error: CounterSignatureError) -> Self {
        match error {
            CounterSignatureError::OtherSigner => Self::OtherSigner,
            CounterSignatureError::Signature(error) => Self::Signature(error),
            CounterSignatureError::UnfitKey(error) => Self::UnfitAttestationKey(error),
            CounterSignatureError::Attestation(error) => Self::Attestation(error),
        }
    }
}

/// A request file that could be read, or was just made. Nothing in it is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRequest {
    envelope: Envelope,
    payload: RequestPayload,
}

impl SignedRequest {
    /// Reads a request file.
    pub fn parse(file: impl AsRef<[u8]>) -> Result<Self, DocumentError> {
        let envelope = Envelope::parse_kind(file, DocumentKind::Request)?;
        let payload = envelope.read_payload()?;
        Ok(Self { envelope, payload })
    }

    /// What the file says, unproven.
    pub fn unverified_payload(&self) -> &RequestPayload {
        &self.payload
    }

    /// The file.
    pub fn to_text(&self) -> String {
        self.envelope.to_text()
    }

    /// SHA-256 of the envelope's payload: the same for the same request, however the
    /// file was reformatted on its way.
    pub fn payload_sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.envelope.payload).into()
    }

    /// Checks that the attestation key in the payload signed this very payload together
    /// with the license counter.
    ///
    /// That key may still be software beside a genuine EK: nobody but the TPM that
    /// holds both can open the license's credential blob, and only that proves it.
    pub fn verify(&self) -> Result<VerifiedRequest, RequestError> {
        let ek = TpmPublic::parse(&self.payload.ek.public).map_err(RequestError::EndorsementKey)?;
        let ak = TpmPublic::parse(&self.payload.ak_public).map_err(RequestError::AttestationKey)?;
        let counter = counter_signature::check(DocumentKind::Request, &self.envelope, &ak)?;
        Ok(VerifiedRequest {
            request: self.clone(),
            counter,
            ek,
            ak,
        })
    }
}

/// A request that its attestation key signed, with the counter's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedRequest {
    request: SignedRequest,
    counter: CounterEvidence,
    ek: TpmPublic,
    ak: TpmPublic,
}

impl VerifiedRequest {
    /// What the box says.
    pub fn payload(&self) -> &RequestPayload {
        &self.request.payload
    }

    /// What the TPM attested.
    pub fn counter(&self) -> &CounterEvidence {
        &self.counter
    }

    /// The endorsement key, unproven: its certificate is judged at the portal.
    pub fn ek(&self) -> &TpmPublic {
        &self.ek
    }

    /// The attestation key.
    pub fn ak(&self) -> &TpmPublic {
        &self.ak
    }

    /// See [`SignedRequest::payload_sha256`].
    pub fn payload_sha256(&self) -> [u8; 32] {
        self.request.payload_sha256()
    }

    /// The file.
    pub fn to_text(&self) -> String {
        self.request.to_text()
    }

    /// Whether the request proves, in constant time, that this activation secret was
    /// revealed by its TPM.
    pub fn proves(&self, activation_secret: &[u8]) -> bool {
        self.payload()
            .proof
            .as_ref()
            .is_some_and(|proof| verify_proof(activation_secret, &self.payload().nonce, proof))
    }
}

fn proof_mac(activation_secret: &[u8], nonce: &[u8; 32]) -> Hmac<Sha256> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(activation_secret).expect("HMAC takes keys of any length");
    mac.update(b"imported");
    mac.update(nonce);
    mac
}

/// HMAC-SHA256(activation secret, "imported" || nonce): shows that the license with this
/// secret was imported, as only the TPM that holds EK and AK reveals the secret.
pub fn proof(activation_secret: &[u8], nonce: &[u8; 32]) -> [u8; 32] {
    proof_mac(activation_secret, nonce)
        .finalize()
        .into_bytes()
        .into()
}

/// Compares a proof in constant time.
pub fn verify_proof(activation_secret: &[u8], nonce: &[u8; 32], proof: &[u8]) -> bool {
    proof_mac(activation_secret, nonce)
        .verify_slice(proof)
        .is_ok()
}
