//! Having the TPM sign what the box states.

use sealgate_license::statement_document::{
    SignedStatement, StatementError as StatementRefusal, StatementPayload, Subject,
    UnsignedStatement,
};
use sealgate_license::tpm_wire::WireError;
use sealgate_tpm::{Tpm, TpmError};

use super::license_box::LicenseBox;

/// Why nothing was stated.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// The TPM failed.
    #[error("the TPM can't sign a statement")]
    Tpm(#[from] TpmError),
    /// The TPM's proof can't be put into a statement.
    #[error("the TPM's proof can't be put into a statement")]
    Wire(#[from] WireError),
    /// Nobody would believe what the TPM signed.
    #[error("the TPM signed something that proves nothing")]
    Unproven(#[from] StatementRefusal),
}

impl StatementError {
    /// The code in the catalog of words.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Tpm(error) => error.code(),
            Self::Wire(_) | Self::Unproven(_) => "SG-TPM-008",
        }
    }
}

impl LicenseBox {
    /// States something, signed by the TPM together with its counter.
    ///
    /// # Errors
    /// The TPM failed, or its signature does not hold.
    pub fn state(&mut self, subject: Subject) -> Result<SignedStatement, StatementError> {
        let mut tpm = Tpm::open(&self.tpm_address)?;
        tpm.provision()?;
        let statement = UnsignedStatement::new(StatementPayload {
            format_version: 1,
            model: self.names.model.clone(),
            serial: self.names.serial.clone(),
            firmware: self.names.firmware.clone(),
            ak_public: tpm.ak_public()?,
            subject,
            created_at: self.now(),
        });
        let certified = tpm.certify_counter(&statement.qualifying_data())?;
        let statement = statement.sign(&certified.attest, &certified.signature)?;
        statement.verify()?;
        Ok(statement)
    }
}
