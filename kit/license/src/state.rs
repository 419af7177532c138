//! Every state that a box's license can be in, and how one leads to another.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

mod table;

pub use table::{Channels, Event, StateKind, TRANSITIONS, Transition};

/// The box's license, as pages, API and command line show it. Each state has its words
/// in the catalog under [`code`](Self::code).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum LicenseState {
    /// The box has no TPM that answers.
    NoTpm,
    /// The TPM refuses for a while after failed authorizations.
    TpmLockedOut,
    /// A TPM hierarchy is disabled, or has an owner's authorization.
    HierarchyUnavailable,
    /// The TPM is busy, or has no room in NV memory.
    TpmBusyOrFull,
    /// The license counter was never made.
    NotProvisioned,
    /// The counter's index belongs to something else, or was left half-made.
    CounterIndexForeign,
    /// Ready for a first license.
    Provisioned,
    /// A request was made and waits for its license.
    RequestMade {
        /// When it was made.
        created_at: Timestamp,
    },
    /// The license holds.
    Active {
        /// The license.
        license_id: String,
        /// Its revision.
        revision: u32,
        /// Camera channels.
        camera_channels: u32,
    },
    /// A smaller license is in use, and its proof has not reached the portal.
    ReducedReturnWaiting {
        /// The license.
        license_id: String,
        /// Its revision.
        revision: u32,
        /// Camera channels.
        camera_channels: u32,
    },
    /// The license was given back.
    Returned {
        /// The license.
        license_id: String,
    },
    /// The TPM was cleared, or its counter raised by hand; the cameras stay until then.
    TpmClearedGrace {
        /// The license.
        license_id: String,
        /// Its revision.
        revision: u32,
        /// Camera channels.
        camera_channels: u32,
        /// When the cameras stop, unless a re-issue is imported.
        until: Timestamp,
    },
    /// The license is for another board: replaced, or the disk was cloned.
    OtherBoard {
        /// The license.
        license_id: String,
    },
    /// The same TPM shows another attestation key.
    AttestationKeyChanged {
        /// The license.
        license_id: String,
    },
    /// The file is older than what the counter shows, as from a restored backup.
    OlderLicense {
        /// The license.
        license_id: String,
        /// The revision in the file.
        revision: u32,
    },
    /// The license starts later.
    NotYetValid {
        /// The license.
        license_id: String,
        /// The first instant.
        not_before: Timestamp,
    },
    /// The license has ended.
    Expired {
        /// The license.
        license_id: String,
        /// The last instant.
        not_after: Timestamp,
    },
    /// The clock disagrees with what the TPM attests.
    ClockUnsure,
    /// The key that signed the file is revoked.
    KeyRevoked {
        /// The key.
        key_id: String,
    },
    /// The data partition is locked.
    DataLocked,
    /// The dongle with the license is not plugged in.
    DongleMissing,
    /// A dongle is plugged in beside a software license.
    DongleAndSoftwareLicense,
    /// A MAC license stands beside a TPM license.
    MacAndTpmLicense,
    /// The stored license file can't be used: damaged, changed, or by an unknown key.
    StoredLicenseUnusable {
        /// The code of the reason, for example `SG-LIC-001`.
        code: String,
    },
    /// The counter stands below the license's: the file was copied here without its
    /// import, or the TPM was set back, as a virtual one can be.
    CounterBehind {
        /// The license.
        license_id: String,
        /// The revision in the file.
        revision: u32,
    },
    /// The TPM answers, but not as the specification says.
    TpmFault,
    /// Another box uses the same TPM.
    TpmShared,
    /// Whether another box uses the same TPM can't be seen: it has no SHA-256 PCRs.
    TpmSharingUnseen,
}

impl LicenseState {
    /// Which state it is, without what it names.
    pub fn kind(&self) -> StateKind {
        match self {
            Self::NoTpm => StateKind::NoTpm,
            Self::TpmLockedOut => StateKind::TpmLockedOut,
            Self::HierarchyUnavailable => StateKind::HierarchyUnavailable,
            Self::TpmBusyOrFull => StateKind::TpmBusyOrFull,
            Self::NotProvisioned => StateKind::NotProvisioned,
            Self::CounterIndexForeign => StateKind::CounterIndexForeign,
            Self::Provisioned => StateKind::Provisioned,
            Self::RequestMade { .. } => StateKind::RequestMade,
            Self::Active { .. } => StateKind::Active,
            Self::ReducedReturnWaiting { .. } => StateKind::ReducedReturnWaiting,
            Self::Returned { .. } => StateKind::Returned,
            Self::TpmClearedGrace { .. } => StateKind::TpmClearedGrace,
            Self::OtherBoard { .. } => StateKind::OtherBoard,
            Self::AttestationKeyChanged { .. } => StateKind::AttestationKeyChanged,
            Self::OlderLicense { .. } => StateKind::OlderLicense,
            Self::NotYetValid { .. } => StateKind::NotYetValid,
            Self::Expired { .. } => StateKind::Expired,
            Self::ClockUnsure => StateKind::ClockUnsure,
            Self::KeyRevoked { .. } => StateKind::KeyRevoked,
            Self::DataLocked => StateKind::DataLocked,
            Self::DongleMissing => StateKind::DongleMissing,
            Self::DongleAndSoftwareLicense => StateKind::DongleAndSoftwareLicense,
            Self::MacAndTpmLicense => StateKind::MacAndTpmLicense,
            Self::StoredLicenseUnusable { .. } => StateKind::StoredLicenseUnusable,
            Self::CounterBehind { .. } => StateKind::CounterBehind,
            Self::TpmFault => StateKind::TpmFault,
            Self::TpmShared => StateKind::TpmShared,
            Self::TpmSharingUnseen => StateKind::TpmSharingUnseen,
        }
    }

    /// The code in the words catalog.
    pub fn code(&self) -> &'static str {
        self.kind().code()
    }
}
