//! Every state that a box's license can be in.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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
}

impl LicenseState {
    /// The code in the words catalog.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoTpm => "SG-STA-001",
            Self::TpmLockedOut => "SG-STA-002",
            Self::HierarchyUnavailable => "SG-STA-003",
            Self::TpmBusyOrFull => "SG-STA-004",
            Self::NotProvisioned => "SG-STA-005",
            Self::CounterIndexForeign => "SG-STA-006",
            Self::Provisioned => "SG-STA-007",
            Self::RequestMade { .. } => "SG-STA-008",
            Self::Active { .. } => "SG-STA-009",
            Self::ReducedReturnWaiting { .. } => "SG-STA-010",
            Self::Returned { .. } => "SG-STA-011",
            Self::TpmClearedGrace { .. } => "SG-STA-012",
            Self::OtherBoard { .. } => "SG-STA-013",
            Self::AttestationKeyChanged { .. } => "SG-STA-014",
            Self::OlderLicense { .. } => "SG-STA-015",
            Self::NotYetValid { .. } => "SG-STA-016",
            Self::Expired { .. } => "SG-STA-017",
            Self::ClockUnsure => "SG-STA-018",
            Self::KeyRevoked { .. } => "SG-STA-019",
            Self::DataLocked => "SG-STA-020",
            Self::DongleMissing => "SG-STA-021",
            Self::DongleAndSoftwareLicense => "SG-STA-022",
            Self::MacAndTpmLicense => "SG-STA-023",
            Self::StoredLicenseUnusable { .. } => "SG-STA-024",
            Self::CounterBehind { .. } => "SG-STA-025",
            Self::TpmFault => "SG-STA-026",
        }
    }
}
