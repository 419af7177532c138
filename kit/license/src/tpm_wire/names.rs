//! Names (TPM 2.0 Part 1, 16): how a TPM says which object or index it means.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha384};

use super::reader::WireError;

/// The hash algorithms that occur as name algorithms of EKs and AKs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HashAlgorithm {
    /// TPM_ALG_SHA256.
    Sha256,
    /// TPM_ALG_SHA384.
    Sha384,
}

impl HashAlgorithm {
    /// From a TPM_ALG_ID (Part 2, 6.3).
    pub fn from_id(id: u16) -> Result<Self, WireError> {
        match id {
            0x000b => Ok(Self::Sha256),
            0x000c => Ok(Self::Sha384),
            value => Err(WireError::Unsupported {
                field: "hash algorithm",
                value,
            }),
        }
    }

    /// The TPM_ALG_ID.
    pub fn id(self) -> u16 {
        match self {
            Self::Sha256 => 0x000b,
            Self::Sha384 => 0x000c,
        }
    }

    /// Bytes in a digest.
    pub fn digest_bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }

    /// Hashes the parts one after the other.
    pub fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Sha256 => {
                let mut hash = Sha256::new();
                parts.iter().for_each(|part| hash.update(part));
                hash.finalize().to_vec()
            }
            Self::Sha384 => {
                let mut hash = Sha384::new();
                parts.iter().for_each(|part| hash.update(part));
                hash.finalize().to_vec()
            }
        }
    }
}

/// A Name: the algorithm's id, then the digest. Prints as lower-case hex.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TpmName(Vec<u8>);

impl TpmName {
    /// Accepts the bytes of a Name with a SHA-256 or SHA-384 digest.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        let (id, digest) = bytes.split_first_chunk().ok_or(WireError::Short)?;
        let algorithm = HashAlgorithm::from_id(u16::from_be_bytes(*id))?;
        match digest.len().cmp(&algorithm.digest_bytes()) {
            std::cmp::Ordering::Less => Err(WireError::Short),
            std::cmp::Ordering::Equal => Ok(Self(bytes.to_vec())),
            std::cmp::Ordering::Greater => Err(WireError::Trailing),
        }
    }

    /// The Name of a public area (TPMT_PUBLIC or TPMS_NV_PUBLIC) under this algorithm.
    pub fn of(algorithm: HashAlgorithm, parts: &[&[u8]]) -> Self {
        let mut bytes = algorithm.id().to_be_bytes().to_vec();
        bytes.extend(algorithm.digest(parts));
        Self(bytes)
    }

    /// As the TPM writes it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for TpmName {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = hex::decode(text).map_err(|_| WireError::Short)?;
        Self::from_bytes(&bytes)
    }
}

impl TryFrom<String> for TpmName {
    type Error = WireError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TpmName> for String {
    fn from(name: TpmName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for TpmName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for TpmName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// TPMA_NV bits (Part 2, 13.4).
pub const NV_AUTHWRITE: u32 = 1 << 2;
/// TPM_NT_COUNTER in the type field of TPMA_NV.
pub const NV_NT_COUNTER: u32 = 1 << 4;
/// The owner's authorization may read.
pub const NV_OWNERREAD: u32 = 1 << 17;
/// The index's own (empty) authorization may read.
pub const NV_AUTHREAD: u32 = 1 << 18;
/// Failures never lead to dictionary-attack lockout.
pub const NV_NO_DA: u32 = 1 << 25;
/// Set by the TPM at the first write.
pub const NV_WRITTEN: u32 = 1 << 29;

/// The NV index of the license counter.
pub const COUNTER_INDEX: u32 = 0x0180_0A10;
/// Attributes with which the counter is defined. Never ORDERLY: such a counter jumps
/// ahead when power is cut. (WRITTEN is added by the TPM.)
pub const COUNTER_ATTRIBUTES: u32 =
    NV_NT_COUNTER | NV_AUTHWRITE | NV_AUTHREAD | NV_OWNERREAD | NV_NO_DA;
/// Size of a counter's data, in bytes.
pub const COUNTER_SIZE_BYTES: u16 = 8;

/// The Name of an NV index with name algorithm SHA-256 (TPMS_NV_PUBLIC, Part 2, 13.5).
fn nv_name(index: u32, attributes: u32, policy: &[u8], size_bytes: u16) -> TpmName {
    let policy_size =
        u16::try_from(policy.len()).expect("a policy digest is at most 64 bytes long");
    TpmName::of(
        HashAlgorithm::Sha256,
        &[
            &index.to_be_bytes(),
            &HashAlgorithm::Sha256.id().to_be_bytes(),
            &attributes.to_be_bytes(),
            &policy_size.to_be_bytes(),
            policy,
            &size_bytes.to_be_bytes(),
        ],
    )
}

/// The Name that the license counter must have: any other attribute, policy or size
/// would let its owner write it, and gives another Name.
pub fn counter_name() -> TpmName {
    nv_name(
        COUNTER_INDEX,
        COUNTER_ATTRIBUTES | NV_WRITTEN,
        &[],
        COUNTER_SIZE_BYTES,
    )
}

/// The Qualified Name of a SHA-256 primary object of the endorsement hierarchy
/// (Part 1, 16.5): what such a key signs attestations as.
pub fn endorsement_primary_qualified_name(name: &TpmName) -> TpmName {
    const TPM_RH_ENDORSEMENT: u32 = 0x4000_000B;
    TpmName::of(
        HashAlgorithm::Sha256,
        &[&TPM_RH_ENDORSEMENT.to_be_bytes(), name.as_bytes()],
    )
}
