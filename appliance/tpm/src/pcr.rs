//! One SHA-256 PCR: read, extended, quoted. Nothing of a license hangs on its value; it
//! only shows whether another box uses the same TPM.

use tss_esapi::{
    handles::PcrHandle,
    interface_types::algorithm::HashingAlgorithm,
    structures::{Data, Digest, DigestValues, PcrSelectionList, PcrSlot, SignatureScheme},
    traits::Marshall as _,
};

use crate::{
    Tpm, TpmError,
    tpm::{EMPTY_PASSWORD, create_ak},
};

/// The PCR that a box makes its own. systemd-boot measures nothing into it, and it can't
/// be reset without resetting the TPM (PC Client Platform TPM Profile, 4.6.2).
pub const SHARING_PCR: u8 = 8;

/// TPM2_Quote of [`SHARING_PCR`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PcrQuote {
    /// TPMS_ATTEST, as signed.
    pub attest: Vec<u8>,
    /// TPMT_SIGNATURE.
    pub signature: Vec<u8>,
}

fn selection() -> tss_esapi::Result<PcrSelectionList> {
    PcrSelectionList::builder()
        .with_selection(HashingAlgorithm::Sha256, &[PcrSlot::Slot8])
        .build()
}

impl Tpm {
    /// The value of [`SHARING_PCR`]; `None` if the TPM has no SHA-256 PCRs.
    ///
    /// # Errors
    /// What the TPM said.
    pub fn sharing_pcr(&mut self) -> Result<Option<[u8; 32]>, TpmError> {
        let mut context = self.connect()?;
        let (_, _, values) = selection()
            .and_then(|selection| {
                context.execute_without_session(|context| context.pcr_read(selection))
            })
            .map_err(TpmError::Pcr)?;
        match values.value() {
            [] => Ok(None),
            [value] => value
                .value()
                .try_into()
                .map(Some)
                .map_err(|_| TpmError::Garbage {
                    what: "a SHA-256 PCR that has not 32 bytes",
                }),
            _ => Err(TpmError::Garbage {
                what: "more PCRs than asked for",
            }),
        }
    }

    /// Extends [`SHARING_PCR`].
    ///
    /// # Errors
    /// What the TPM said.
    pub fn extend_sharing_pcr(&mut self, by: &[u8; 32]) -> Result<(), TpmError> {
        let mut context = self.connect()?;
        let mut digests = DigestValues::new();
        digests.set(
            HashingAlgorithm::Sha256,
            Digest::try_from(by.to_vec()).map_err(TpmError::Pcr)?,
        );
        context
            .execute_with_session(EMPTY_PASSWORD, |context| {
                context.pcr_extend(PcrHandle::Pcr8, digests)
            })
            .map_err(TpmError::Pcr)
    }

    /// Has the attestation key sign the value of [`SHARING_PCR`] together with
    /// `qualifying_data`.
    ///
    /// # Errors
    /// [`TpmError::AkChanged`], or what the TPM said. Nothing is verified here.
    pub fn quote_sharing_pcr(&mut self, qualifying_data: &[u8; 32]) -> Result<PcrQuote, TpmError> {
        let mut context = self.connect()?;
        let ak = create_ak(&mut context)?;
        let quoted = Data::try_from(qualifying_data.to_vec())
            .and_then(|data| Ok((data, selection()?)))
            .and_then(|(data, selection)| {
                context.execute_with_session(EMPTY_PASSWORD, |context| {
                    context.quote(ak.handle, data, SignatureScheme::Null, selection)
                })
            });
        let public = ak.public.clone();
        // The key goes first, whatever became of the quote.
        ak.flush(&mut context)?;
        let (attest, signature) = quoted.map_err(TpmError::Pcr)?;
        drop(context);
        self.remember_ak(public)?;
        Ok(PcrQuote {
            attest: attest.marshall().map_err(TpmError::Pcr)?,
            signature: signature.marshall().map_err(TpmError::Pcr)?,
        })
    }
}
