//! Why a license does not hold, or can't be imported.

use jiff::Timestamp;

use crate::attestation::AttestationError;
use crate::license_document::Binding;
use crate::tpm_wire::TpmName;

/// What a file says, shortened to 40 characters for a message.
pub(super) fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Why a license does not hold on this box now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindRefusal {
    /// A kind of binding that this version can't check, or another than was to be checked.
    #[error("a license bound to {kind:?} can't be checked here")]
    UnsupportedBinding {
        /// `kind` in the file, shortened to 40 characters.
        kind: String,
    },
    /// The license names another attestation key.
    #[error("the license is for attestation key {licensed}, and this box has {ours}")]
    OtherBox {
        /// The license's key.
        licensed: TpmName,
        /// This box's key.
        ours: TpmName,
    },
    /// The secret is not the one that the license's blob holds.
    #[error("the activation secret is not this license's")]
    ActivationSecret,
    /// The attestation does not hold.
    #[error("the TPM's proof of its counter does not hold")]
    Attestation(#[from] AttestationError),
    /// The counter has moved on: a later license was imported.
    #[error("the license is for counter {to}, and this box is at {counter}")]
    Older {
        /// This box's counter.
        counter: u64,
        /// The license's `to`.
        to: u64,
    },
    /// The counter is not there yet: the license was never imported completely.
    #[error("the license is for counter {to}, and this box is only at {counter}")]
    Later {
        /// This box's counter.
        counter: u64,
        /// The license's `to`.
        to: u64,
    },
    /// The dongle's answer was not made by the license's dongle, or not to this question.
    #[error("the answer is not that of dongle {serial:?}")]
    Dongle {
        /// The license's dongle, shortened to 40 characters.
        serial: String,
    },
    /// A MAC license without a list of cameras.
    #[error("the license is bound to a list of cameras that is empty")]
    EmptyMacList,
    /// Before the first instant.
    #[error("the license starts at {not_before}")]
    NotYetValid {
        /// The first instant.
        not_before: Timestamp,
    },
    /// After the last instant.
    #[error("the license ended at {not_after}")]
    Expired {
        /// The last instant.
        not_after: Timestamp,
    },
}

impl BindRefusal {
    pub(super) fn unsupported(binding: &Binding) -> Self {
        Self::UnsupportedBinding {
            kind: short(binding.kind()),
        }
    }

    /// The code in the words catalog.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OtherBox { .. } => "SG-LIC-010",
            Self::Older { .. } => "SG-LIC-011",
            Self::Later { .. } => "SG-LIC-012",
            Self::ActivationSecret => "SG-LIC-014",
            Self::NotYetValid { .. } => "SG-LIC-015",
            Self::Expired { .. } => "SG-LIC-016",
            Self::UnsupportedBinding { .. } => "SG-LIC-018",
            Self::Dongle { .. } => "SG-LIC-020",
            Self::EmptyMacList => "SG-LIC-021",
            Self::Attestation(error) => error.code(),
        }
    }
}

/// Why a license can't be imported at this counter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportRefusal {
    /// A kind of binding that this version can't check.
    #[error("a license bound to {kind:?} can't be checked here")]
    UnsupportedBinding {
        /// `kind` in the file, shortened to 40 characters.
        kind: String,
    },
    /// Older than the license in use.
    #[error("the license is for counter {to}, and this box is at {counter}")]
    Older {
        /// This box's counter.
        counter: u64,
        /// The license's `to`.
        to: u64,
    },
    /// Made for a state that this box has not reached.
    #[error("the license starts from counter {from}, and this box is only at {counter}")]
    Later {
        /// This box's counter.
        counter: u64,
        /// The license's `from`.
        from: u64,
    },
    /// More than [`IMPORT_MAX_AHEAD`](super::IMPORT_MAX_AHEAD) increments.
    #[error("the license is for counter {to}, too far from this box's {counter}")]
    TooFarAhead {
        /// This box's counter.
        counter: u64,
        /// The license's `to`.
        to: u64,
    },
}

impl ImportRefusal {
    /// The code in the words catalog.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Older { .. } => "SG-LIC-011",
            Self::Later { .. } => "SG-LIC-012",
            Self::TooFarAhead { .. } => "SG-LIC-013",
            Self::UnsupportedBinding { .. } => "SG-LIC-018",
        }
    }
}
