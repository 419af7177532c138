//! What a check of the license found.

use sealgate_license::{
    attestation::AttestationError,
    binding::{BindRefusal, BoundLicense},
    license_document::LicensePayload,
    state::LicenseState,
};
use sealgate_tpm::{TpmError, TpmErrorKind, TpmFacts};

/// What a check of the license found.
#[derive(Debug, Clone)]
pub struct CheckOutcome {
    /// For people.
    pub state: LicenseState,
    /// For the gate: the license that holds now. `None` closes every channel, unless
    /// [`keep_last_decision`](Self::keep_last_decision) says otherwise.
    pub bound: Option<BoundLicense>,
    /// The license counter, if it could be read.
    pub counter: Option<u64>,
    /// The Name of the attestation key (TPM 2.0 Part 1, 16), hex, if the TPM gave one.
    pub ak_fingerprint: Option<String>,
    /// Who made the TPM, if one answered.
    pub tpm: Option<TpmFacts>,
    /// What was wrong with the TPM, if that is what stood in the way.
    pub tpm_problem: Option<TpmErrorKind>,
    /// The TPM was only busy, and not for too long in total: leave the gate as it is.
    pub keep_last_decision: bool,
    /// What is also to be said; none of these closes anything.
    pub notices: Vec<LicenseState>,
}

/// Why no license could be bound.
#[derive(Debug)]
pub(super) enum Unbound {
    /// The TPM failed.
    Tpm(TpmError),
    /// The license does not hold, or there is none.
    State(LicenseState),
}

impl From<TpmError> for Unbound {
    fn from(error: TpmError) -> Self {
        Self::Tpm(error)
    }
}

/// The state that a failure of the TPM leads to.
pub(super) fn state_of_tpm(kind: TpmErrorKind) -> LicenseState {
    match kind {
        TpmErrorKind::Absent => LicenseState::NoTpm,
        TpmErrorKind::LockedOut => LicenseState::TpmLockedOut,
        TpmErrorKind::HierarchyUnavailable => LicenseState::HierarchyUnavailable,
        TpmErrorKind::Busy | TpmErrorKind::NoNvSpace => LicenseState::TpmBusyOrFull,
        TpmErrorKind::NotProvisioned => LicenseState::NotProvisioned,
        TpmErrorKind::CounterForeign | TpmErrorKind::CounterHalfMade => {
            LicenseState::CounterIndexForeign
        }
        TpmErrorKind::Refused | TpmErrorKind::Garbage => LicenseState::TpmFault,
    }
}

/// The state that a license which does not hold leads to.
pub(super) fn state_of_refusal(refusal: &BindRefusal, license: &LicensePayload) -> LicenseState {
    let license_id = license.license_id.clone();
    let revision = license.revision;
    match refusal {
        BindRefusal::OtherBox { .. } => LicenseState::OtherBoard { license_id },
        BindRefusal::Older { .. } => LicenseState::OlderLicense {
            license_id,
            revision,
        },
        BindRefusal::Later { .. } => LicenseState::CounterBehind {
            license_id,
            revision,
        },
        BindRefusal::NotYetValid { not_before } => LicenseState::NotYetValid {
            license_id,
            not_before: *not_before,
        },
        BindRefusal::Expired { not_after } => LicenseState::Expired {
            license_id,
            not_after: *not_after,
        },
        BindRefusal::Attestation(AttestationError::CounterIndex | AttestationError::Extent) => {
            LicenseState::CounterIndexForeign
        }
        BindRefusal::Attestation(_) => LicenseState::TpmFault,
        BindRefusal::Dongle { .. } => LicenseState::DongleMissing,
        BindRefusal::ActivationSecret
        | BindRefusal::EmptyMacList
        | BindRefusal::UnsupportedBinding { .. } => unusable(refusal.code()),
    }
}

pub(super) fn unusable(code: &str) -> LicenseState {
    LicenseState::StoredLicenseUnusable {
        code: code.to_owned(),
    }
}
