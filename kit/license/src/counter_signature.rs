//! How a box signs: its TPM certifies the license counter for the hash of what is signed.
//!
//! A restricted attestation key signs nothing but what the TPM itself says, so the document
//! goes into that answer's qualifying data (TPM 2.0 Part 3, 31.16), and the counter's value
//! comes along.

use sha2::{Digest as _, Sha256};

use crate::attestation::{AttestationError, CounterEvidence, verify_counter};
use crate::dsse::{DocumentKind, Envelope, EnvelopeSignature, pae};
use crate::tpm_wire::{AkError, HashAlgorithm, TpmName, TpmPublic, WireError, check_ak};

/// Why a box's signature proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CounterSignatureError {
    #[error("signed by another key than the one in the document")]
    OtherSigner,
    #[error("the signature can't be read")]
    Signature(#[source] WireError),
    #[error("the attestation key can't be used")]
    UnfitKey(#[source] AkError),
    #[error("the TPM's proof does not hold")]
    Attestation(#[source] AttestationError),
}

/// What TPM2_NV_Certify of the counter has to be given: SHA-256 of the payload's
/// pre-authentication encoding.
pub(crate) fn qualifying_data(kind: DocumentKind, payload: &[u8]) -> [u8; 32] {
    Sha256::digest(pae(kind.payload_type(), payload)).into()
}

/// The envelope of what TPM2_NV_Certify returned: a TPMS_ATTEST (without its size) and a
/// TPMT_SIGNATURE.
pub(crate) fn seal(
    kind: DocumentKind,
    payload: Vec<u8>,
    ak_public: &[u8],
    attest: &[u8],
    signature: &[u8],
) -> Result<Envelope, WireError> {
    let attest_size = u16::try_from(attest.len()).map_err(|_| WireError::TooLong {
        field: "attestation",
        bytes: attest.len(),
        most: usize::from(u16::MAX),
    })?;
    let ak_name = TpmName::of(HashAlgorithm::Sha256, &[ak_public]);
    Ok(Envelope {
        payload_type: kind.payload_type().to_owned(),
        payload,
        signatures: vec![EnvelopeSignature {
            keyid: ak_name.to_string(),
            sig: [&attest_size.to_be_bytes(), attest, signature].concat(),
            cert: None,
        }],
    })
}

/// Checks that `ak`, a key of the license's template, signed this very payload.
pub(crate) fn check(
    kind: DocumentKind,
    envelope: &Envelope,
    ak: &TpmPublic,
) -> Result<CounterEvidence, CounterSignatureError> {
    check_ak(ak).map_err(CounterSignatureError::UnfitKey)?;
    let keyid = ak.name().to_string();
    let signature = envelope
        .signatures
        .iter()
        .find(|signature| signature.keyid == keyid)
        .ok_or(CounterSignatureError::OtherSigner)?;
    let short = || CounterSignatureError::Signature(WireError::Short);
    let (size, rest) = signature.sig.split_first_chunk().ok_or_else(short)?;
    let (attest, tpm_signature) = rest
        .split_at_checked(usize::from(u16::from_be_bytes(*size)))
        .ok_or_else(short)?;
    let qualifying = qualifying_data(kind, &envelope.payload);
    verify_counter(ak, attest, tpm_signature, &qualifying)
        .map_err(CounterSignatureError::Attestation)
}
