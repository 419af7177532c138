//! Checking TPM2_Quote of one PCR, in software.
//!
//! The value decides nothing about a license's rights: it only tells whether somebody
//! else uses this TPM as a box of their own.

use p256::ecdsa::Signature;
use p256::ecdsa::signature::Verifier as _;
use sha2::{Digest as _, Sha256};

use crate::attestation::{AttestationError, verifying_key};
use crate::tpm_wire::{
    EcdsaSignature, QuoteAttest, TpmPublic, WireError, endorsement_primary_qualified_name,
};

/// TPM_ALG_SHA256.
const SHA256: u16 = 0x000b;

/// What the attestation key said of one SHA-256 PCR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PcrEvidence {
    digest: [u8; 32],
    /// TPM resets since the last TPM2_Clear.
    pub reset_count: u32,
    /// TPM restarts and resumes since the last reset.
    pub restart_count: u32,
}

impl PcrEvidence {
    /// Whether the PCR holds this value: a quote carries the hash of what it quotes.
    pub fn holds(&self, value: &[u8; 32]) -> bool {
        self.digest == <[u8; 32]>::from(Sha256::digest(value))
    }
}

/// TPM2_PCR_Extend of a SHA-256 PCR (Part 1, 17.4): what it makes of a value.
pub fn extended(value: &[u8; 32], by: &[u8; 32]) -> [u8; 32] {
    Sha256::new()
        .chain_update(value)
        .chain_update(by)
        .finalize()
        .into()
}

/// Checks that `ak` signed, for this `qualifying` data, what the SHA-256 PCR `pcr` holds.
///
/// `attest` is a TPMS_ATTEST and `signature` a TPMT_SIGNATURE, as TPM2_Quote returns them
/// (TPM 2.0 Part 3, 18.4).
///
/// # Errors
/// [`AttestationError`]: what does not hold.
pub fn verify_quote(
    ak: &TpmPublic,
    attest: &[u8],
    signature: &[u8],
    qualifying: &[u8; 32],
    pcr: u8,
) -> Result<PcrEvidence, AttestationError> {
    let key = verifying_key(ak)?;
    let signature = EcdsaSignature::parse(signature)?;
    let signature = Signature::from_scalars(signature.r, signature.s)
        .map_err(|_| AttestationError::Signature)?;
    key.verify(attest, &signature)
        .map_err(|_| AttestationError::Signature)?;

    let attest = QuoteAttest::parse(attest)?;
    let signer = endorsement_primary_qualified_name(&ak.name());
    if attest.qualified_signer != signer.as_bytes() {
        return Err(AttestationError::Signer);
    }
    if attest.extra_data != qualifying {
        return Err(AttestationError::QualifyingData);
    }
    let asked = matches!(attest.selections.as_slice(),
        [only] if only.hash == SHA256 && only.is_only(pcr));
    let digest = <[u8; 32]>::try_from(attest.pcr_digest).ok();
    let Some(digest) = digest.filter(|_| asked) else {
        return Err(AttestationError::Unreadable(WireError::Unsupported {
            field: "quoted PCRs, bank",
            value: attest.selections.first().map_or(0, |first| first.hash),
        }));
    };
    Ok(PcrEvidence {
        digest,
        reset_count: attest.reset_count,
        restart_count: attest.restart_count,
    })
}
