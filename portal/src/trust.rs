//! How far a TPM's word goes, by the root of its endorsement key's certificate.

use std::fmt;
use std::str::FromStr;

use sealgate_license::vendor::Flavour;
use serde::{Deserialize, Serialize};

/// Who vouches for an endorsement key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrustClass {
    /// A discrete TPM's maker.
    Hardware,
    /// A firmware TPM's maker: its counter is as good as its flash.
    Firmware,
    /// A hypervisor: whoever runs it can copy the TPM.
    Virtual,
    /// The lab's software TPM. Refused by a product portal.
    Lab,
    /// Nobody: the TPM has no certificate, and says itself what it is.
    SelfDeclared,
}

impl TrustClass {
    /// All, from the strongest.
    pub const ALL: [Self; 5] = [
        Self::Hardware,
        Self::Firmware,
        Self::Virtual,
        Self::Lab,
        Self::SelfDeclared,
    ];

    /// The word in files, database and command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hardware => "hardware",
            Self::Firmware => "firmware",
            Self::Virtual => "virtual",
            Self::Lab => "lab",
            Self::SelfDeclared => "self_declared",
        }
    }

    /// May a portal of this flavour believe it at all?
    pub fn admitted_by(self, flavour: Flavour) -> bool {
        self != Self::Lab || flavour == Flavour::Lab
    }

    /// May a maker's root be pinned with this class? There is no maker behind a TPM
    /// without a certificate.
    pub fn has_roots(self) -> bool {
        self != Self::SelfDeclared
    }

    /// Does a return proof credit by itself? A TPM that can be copied proves nothing
    /// about its copy, and one that nobody vouches for may be a program.
    pub fn credits(self) -> bool {
        !matches!(self, Self::Virtual | Self::SelfDeclared)
    }
}

impl fmt::Display for TrustClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not one of the classes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a trust class is one of hardware, firmware, virtual, lab, self_declared")]
pub struct UnknownClass;

impl FromStr for TrustClass {
    type Err = UnknownClass;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|class| class.as_str() == text)
            .ok_or(UnknownClass)
    }
}
