//! Bounded reading of big-endian TPM structures.

/// Why bytes are not the TPM structure they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The bytes end inside a field.
    #[error("the TPM structure ends early")]
    Short,
    /// Bytes follow the structure's end.
    #[error("bytes follow the TPM structure")]
    Trailing,
    /// A size is beyond what the field can hold.
    #[error("{field} has {bytes} bytes, more than {most}")]
    TooLong {
        /// The field.
        field: &'static str,
        /// What the size field says.
        bytes: usize,
        /// The most that is read.
        most: usize,
    },
    /// An algorithm, curve or type that the license does not use.
    #[error("{field} {value:#06x} is not used by licenses")]
    Unsupported {
        /// The field.
        field: &'static str,
        /// Its value (TPM 2.0 Part 2, 6.3).
        value: u16,
    },
    /// A TPMS_ATTEST that does not begin with TPM_GENERATED_VALUE: not made by a TPM.
    #[error("the attestation does not begin with TPM_GENERATED_VALUE")]
    Magic,
}

impl WireError {
    /// The code in the words catalog.
    pub fn code(&self) -> &'static str {
        "SG-TPM-008"
    }
}

/// What is left to read.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(WireError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(WireError::Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, WireError> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, WireError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, WireError> {
        self.array().map(u64::from_be_bytes)
    }

    /// A TPM2B: a 16-bit size, then that many bytes, at most `most`.
    pub(super) fn sized(
        &mut self,
        field: &'static str,
        most: usize,
    ) -> Result<&'a [u8], WireError> {
        let bytes = usize::from(self.u16()?);
        if bytes > most {
            return Err(WireError::TooLong { field, bytes, most });
        }
        self.take(bytes)
    }

    pub(super) fn end(self) -> Result<(), WireError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(WireError::Trailing)
        }
    }
}
