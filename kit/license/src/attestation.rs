//! Checking TPM2_NV_Certify of the license counter, in software.

use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature, VerifyingKey};

use crate::tpm_wire::{
    Attest, COUNTER_SIZE_BYTES, EccCurve, EcdsaSignature, TpmKey, TpmPublic, WireError,
    counter_name, endorsement_primary_qualified_name,
};

/// What the attestation key proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CounterEvidence {
    /// The counter.
    pub counter: u64,
    /// The TPM's clock: powered time since the last TPM2_Clear, in milliseconds.
    pub clock_ms: u64,
    /// TPM resets since the last TPM2_Clear.
    pub reset_count: u32,
    /// TPM restarts and resumes since the last reset.
    pub restart_count: u32,
    /// Whether the clock certainly never stood higher.
    pub safe: bool,
    /// The TPM's own firmware version, vendor-specific.
    pub firmware_version: u64,
}

/// Why an attestation proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttestationError {
    /// Not the structures that TPM2_NV_Certify returns.
    #[error("the TPM's answer can't be read")]
    Unreadable(#[from] WireError),
    /// The attestation key is no P-256 point.
    #[error("the attestation key is no P-256 key")]
    Key,
    /// Another key signed, or something was changed since.
    #[error("the attestation key's signature does not fit")]
    Signature,
    /// The signer is no primary of the endorsement hierarchy.
    #[error("the attestation was not signed by a primary key of the endorsement hierarchy")]
    Signer,
    /// Made for another question: an old answer, perhaps.
    #[error("the attestation answers another question")]
    QualifyingData,
    /// Another NV index, or ours with other attributes or a policy.
    #[error("the attested NV index is not the license counter")]
    CounterIndex,
    /// Not the 8 bytes at offset 0.
    #[error("the attestation does not hold the whole counter")]
    Extent,
}

impl AttestationError {
    /// The code in the words catalog.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(error) => error.code(),
            Self::CounterIndex | Self::Extent => "SG-TPM-007",
            Self::Key | Self::Signature | Self::Signer | Self::QualifyingData => "SG-LIC-019",
        }
    }
}

/// Checks that `ak` signed, for this `qualifying` data, the license counter's value.
///
/// `attest` is a TPMS_ATTEST and `signature` a TPMT_SIGNATURE, as TPM2_NV_Certify
/// returns them (TPM 2.0 Part 3, 31.16). Whether `ak` lives in a TPM at all is not
/// shown here: ActivateCredential shows that.
pub fn verify_counter(
    ak: &TpmPublic,
    attest: &[u8],
    signature: &[u8],
    qualifying: &[u8; 32],
) -> Result<CounterEvidence, AttestationError> {
    let key = verifying_key(ak)?;
    let signature = EcdsaSignature::parse(signature)?;
    let signature = Signature::from_scalars(signature.r, signature.s)
        .map_err(|_| AttestationError::Signature)?;
    key.verify(attest, &signature)
        .map_err(|_| AttestationError::Signature)?;

    let attest = Attest::parse(attest)?;
    let signer = endorsement_primary_qualified_name(&ak.name());
    if attest.qualified_signer != signer.as_bytes() {
        return Err(AttestationError::Signer);
    }
    if attest.extra_data != qualifying {
        return Err(AttestationError::QualifyingData);
    }
    if attest.nv.index_name != counter_name().as_bytes() {
        return Err(AttestationError::CounterIndex);
    }
    let contents: [u8; COUNTER_SIZE_BYTES as usize] = attest
        .nv
        .contents
        .try_into()
        .map_err(|_| AttestationError::Extent)?;
    if attest.nv.offset != 0 {
        return Err(AttestationError::Extent);
    }
    Ok(CounterEvidence {
        counter: u64::from_be_bytes(contents),
        clock_ms: attest.clock_ms,
        reset_count: attest.reset_count,
        restart_count: attest.restart_count,
        safe: attest.safe,
        firmware_version: attest.firmware_version,
    })
}

pub(crate) fn verifying_key(ak: &TpmPublic) -> Result<VerifyingKey, AttestationError> {
    let TpmKey::Ecc {
        curve: EccCurve::P256,
        x,
        y,
    } = ak.key()
    else {
        return Err(AttestationError::Key);
    };
    // SEC 1, 2.3.3: an uncompressed point.
    let point = [&[0x04], x.as_slice(), y.as_slice()].concat();
    VerifyingKey::from_sec1_bytes(&point).map_err(|_| AttestationError::Key)
}
