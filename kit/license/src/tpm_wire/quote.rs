//! Attestations of TPM2_Quote (TPMS_ATTEST with TPMS_QUOTE_INFO, Part 2, 10.12.4).

use super::reader::{Reader, WireError};

/// TPM_GENERATED_VALUE.
const MAGIC: u32 = 0xff54_4347;
/// TPM_ST_ATTEST_QUOTE.
const ATTEST_QUOTE: u16 = 0x8018;
/// Larger than any Name or qualifying data.
const MAX_NAME_BYTES: usize = 66;
/// More banks of PCRs than any TPM has (TPM2_NUM_PCR_BANKS is 16 in the library).
const MAX_SELECTIONS: u32 = 16;

/// Which PCRs of one bank (TPMS_PCR_SELECTION, Part 2, 10.6.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PcrSelection {
    /// TPM_ALG_ID of the bank.
    pub hash: u16,
    /// Bit 0 of byte 0 is PCR 0.
    pub bitmap: Vec<u8>,
}

impl PcrSelection {
    /// Whether exactly this one PCR is selected.
    pub fn is_only(&self, pcr: u8) -> bool {
        let byte = usize::from(pcr / 8);
        self.bitmap.len() > byte
            && self
                .bitmap
                .iter()
                .enumerate()
                .all(|(at, bits)| *bits == if at == byte { 1 << (pcr % 8) } else { 0 })
    }
}

/// A parsed TPMS_ATTEST of TPM2_Quote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuoteAttest {
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
    /// What was quoted.
    pub selections: Vec<PcrSelection>,
    /// The hash of all selected values, one after the other.
    pub pcr_digest: Vec<u8>,
}

impl QuoteAttest {
    /// Reads a TPMS_ATTEST of type TPM_ST_ATTEST_QUOTE; any other type is refused.
    ///
    /// # Errors
    /// [`WireError`]: what does not fit.
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        if reader.u32()? != MAGIC {
            return Err(WireError::Magic);
        }
        let kind = reader.u16()?;
        if kind != ATTEST_QUOTE {
            return Err(WireError::Unsupported {
                field: "attestation type",
                value: kind,
            });
        }
        let qualified_signer = reader.sized("qualified signer", MAX_NAME_BYTES)?.to_vec();
        let extra_data = reader.sized("qualifying data", MAX_NAME_BYTES)?.to_vec();
        let clock_ms = reader.u64()?;
        let reset_count = reader.u32()?;
        let restart_count = reader.u32()?;
        // Whether the clock ever stood higher, and the firmware's version: not looked at.
        reader.u8()?;
        reader.u64()?;
        let count = reader.u32()?;
        if count > MAX_SELECTIONS {
            return Err(WireError::Unsupported {
                field: "number of PCR banks",
                value: u16::try_from(count).unwrap_or(u16::MAX),
            });
        }
        let mut selections = Vec::new();
        for _ in 0..count {
            let hash = reader.u16()?;
            let length = reader.u8()?;
            let bitmap = (0..length)
                .map(|_| reader.u8())
                .collect::<Result<_, WireError>>()?;
            selections.push(PcrSelection { hash, bitmap });
        }
        let pcr_digest = reader.sized("PCR digest", MAX_NAME_BYTES)?.to_vec();
        reader.end()?;
        Ok(Self {
            qualified_signer,
            extra_data,
            clock_ms,
            reset_count,
            restart_count,
            selections,
            pcr_digest,
        })
    }
}
