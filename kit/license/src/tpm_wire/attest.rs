//! Attestations (TPMS_ATTEST, Part 2, 10.12.12) and ECDSA signatures of TPMs.

use super::reader::{Reader, WireError};

/// TPM_GENERATED_VALUE: a restricted key signs nothing from outside that begins so.
const MAGIC: u32 = 0xff54_4347;
/// TPM_ST_ATTEST_NV.
const ATTEST_NV: u16 = 0x8014;
/// Larger than any Name (TPM2B_NAME with SHA-512) or qualifying data (TPM2B_DATA).
const MAX_NAME_BYTES: usize = 66;

/// What TPM2_NV_Certify attests (TPMS_NV_CERTIFY_INFO, Part 2, 10.12.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NvCertifyInfo {
    /// Name of the NV index.
    pub index_name: Vec<u8>,
    /// Offset of the contents in the index, in bytes.
    pub offset: u16,
    /// The contents.
    pub contents: Vec<u8>,
}

/// A parsed TPMS_ATTEST of TPM2_NV_Certify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attest {
    /// Qualified Name of the signing key.
    pub qualified_signer: Vec<u8>,
    /// The caller's qualifying data.
    pub extra_data: Vec<u8>,
    /// Powered time since the last TPM2_Clear, in milliseconds.
    pub clock_ms: u64,
    /// TPM resets since the last TPM2_Clear.
    pub reset_count: u32,
    /// TPM restarts and resumes since the last reset.
    pub restart_count: u32,
    /// Whether the clock certainly never stood higher.
    pub safe: bool,
    /// The TPM's own firmware version, vendor-specific.
    pub firmware_version: u64,
    /// The attested contents.
    pub nv: NvCertifyInfo,
}

impl Attest {
    /// Reads a TPMS_ATTEST of type TPM_ST_ATTEST_NV; any other type is refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        if reader.u32()? != MAGIC {
            return Err(WireError::Magic);
        }
        let kind = reader.u16()?;
        if kind != ATTEST_NV {
            return Err(WireError::Unsupported {
                field: "attestation type",
                value: kind,
            });
        }
        let attest = Self {
            qualified_signer: reader.sized("qualified signer", MAX_NAME_BYTES)?.to_vec(),
            extra_data: reader.sized("qualifying data", MAX_NAME_BYTES)?.to_vec(),
            clock_ms: reader.u64()?,
            reset_count: reader.u32()?,
            restart_count: reader.u32()?,
            safe: reader.u8()? == 1,
            firmware_version: reader.u64()?,
            nv: NvCertifyInfo {
                index_name: reader.sized("index name", MAX_NAME_BYTES)?.to_vec(),
                offset: reader.u16()?,
                contents: reader.sized("contents", 2048)?.to_vec(),
            },
        };
        reader.end()?;
        Ok(attest)
    }
}

/// A TPMT_SIGNATURE of ECDSA with SHA-256 on P-256 (Part 2, 11.3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EcdsaSignature {
    /// Big-endian, padded.
    pub r: [u8; 32],
    /// Big-endian, padded.
    pub s: [u8; 32],
}

impl EcdsaSignature {
    /// Reads a TPMT_SIGNATURE.
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        for (field, expected) in [("signature scheme", 0x0018), ("signature hash", 0x000b)] {
            let value = reader.u16()?;
            if value != expected {
                return Err(WireError::Unsupported { field, value });
            }
        }
        let mut scalar = |field| -> Result<[u8; 32], WireError> {
            let bytes = reader.sized(field, 32)?;
            let mut padded = [0; 32];
            padded[32 - bytes.len()..].copy_from_slice(bytes);
            Ok(padded)
        };
        let signature = Self {
            r: scalar("r")?,
            s: scalar("s")?,
        };
        reader.end()?;
        Ok(signature)
    }
}
