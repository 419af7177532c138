//! The license counter: made once, only ever incremented, certified on demand.

use sealgate_license::tpm_wire::{
    AK_TEMPLATE, COUNTER_ATTRIBUTES, COUNTER_INDEX, COUNTER_SIZE_BYTES, NV_WRITTEN, counter_name,
};
use tss_esapi::{
    Context,
    attributes::NvIndexAttributes,
    handles::NvIndexTpmHandle,
    interface_types::{
        algorithm::HashingAlgorithm,
        resource_handles::{NvAuth, Provision},
    },
    structures::NvPublic,
};

use crate::{
    Tpm, TpmError, raw,
    tpm::{EMPTY_PASSWORD, NvIndex},
};

/// TPM2_NV_Certify of the counter, as the portal and `VerifiedLicense::bind` check it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterProof {
    /// TPMT_PUBLIC of the key that signed.
    pub ak_public: Vec<u8>,
    /// TPMS_ATTEST, as signed.
    pub attest: Vec<u8>,
    /// TPMT_SIGNATURE.
    pub signature: Vec<u8>,
}

impl Tpm {
    /// Makes the counter and increments it for the first time; finishes what a power cut
    /// interrupted; does nothing if all is there.
    ///
    /// # Errors
    /// [`TpmError::CounterForeign`] if something else lives at the index: it is left alone.
    pub fn provision(&mut self) -> Result<(), TpmError> {
        let mut context = self.connect()?;
        let counter = match Counter::find(&mut context) {
            Ok(counter) if counter.written => return Ok(()),
            Ok(counter) => counter.index,
            Err(TpmError::NotProvisioned) => {
                define(&mut context, COUNTER_INDEX)?;
                Counter::find(&mut context)?.index
            }
            Err(error) => return Err(error),
        };
        increment(&mut context, &counter)?;
        tracing::info!(index = COUNTER_INDEX, "license counter made");
        Ok(())
    }

    /// The counter's value.
    ///
    /// # Errors
    /// [`TpmError::NotProvisioned`], [`TpmError::CounterForeign`],
    /// [`TpmError::CounterHalfMade`], or what the TPM said.
    pub fn counter(&mut self) -> Result<u64, TpmError> {
        let mut context = self.connect()?;
        let counter = Counter::find_written(&mut context)?;
        read(&mut context, &counter)
    }

    /// Increments the counter by one; gives its new value. It never goes back.
    ///
    /// # Errors
    /// As [`Tpm::counter`].
    pub fn increment(&mut self) -> Result<u64, TpmError> {
        let mut context = self.connect()?;
        let counter = Counter::find_written(&mut context)?;
        increment(&mut context, &counter)?;
        read(&mut context, &counter)
    }

    /// Has the TPM sign the counter's value together with `qualifying_data`.
    ///
    /// # Errors
    /// [`TpmError::AkChanged`] if [`Tpm::ak_public`] or [`Tpm::identity`] saw another
    /// attestation key; otherwise as [`Tpm::counter`]. The proof is not verified here.
    pub fn certify_counter(
        &mut self,
        qualifying_data: &[u8; 32],
    ) -> Result<CounterProof, TpmError> {
        {
            let mut context = self.connect()?;
            Counter::find_written(&mut context)?;
            // libtss2's connection is closed here: swtpm serves one client at a time.
        }
        let certified = raw::nv_certify(
            &self.address,
            &AK_TEMPLATE,
            COUNTER_INDEX,
            COUNTER_SIZE_BYTES,
            qualifying_data,
        )
        .map_err(TpmError::Certify)?;
        Ok(CounterProof {
            ak_public: self.remember_ak(certified.ak_public)?,
            attest: certified.attest,
            signature: certified.signature,
        })
    }
}

/// The index, proven to be a license counter by its attributes, size and Name.
struct Counter {
    index: NvIndex,
    written: bool,
}

impl Counter {
    fn find(context: &mut Context) -> Result<Self, TpmError> {
        let index = NvIndex::find(context, COUNTER_INDEX)?.ok_or(TpmError::NotProvisioned)?;
        let written = index.attributes & NV_WRITTEN != 0;
        let ours = index.attributes & !NV_WRITTEN == COUNTER_ATTRIBUTES
            && index.size == usize::from(COUNTER_SIZE_BYTES)
            && index.plain
            // The Name covers all of the above once more; it has WRITTEN only afterwards.
            && (!written || index.name == counter_name().as_bytes());
        if ours {
            Ok(Self { index, written })
        } else {
            Err(TpmError::CounterForeign {
                index: COUNTER_INDEX,
                attributes: index.attributes,
                size: index.size,
            })
        }
    }

    fn find_written(context: &mut Context) -> Result<NvIndex, TpmError> {
        let counter = Self::find(context)?;
        if counter.written {
            Ok(counter.index)
        } else {
            Err(TpmError::CounterHalfMade)
        }
    }
}

/// Defines an index just as the license counter's.
pub(crate) fn define(context: &mut Context, index: u32) -> Result<(), TpmError> {
    let public = || {
        NvPublic::builder()
            .with_nv_index(NvIndexTpmHandle::new(index)?)
            .with_index_name_algorithm(HashingAlgorithm::Sha256)
            .with_index_attributes(NvIndexAttributes::try_from(COUNTER_ATTRIBUTES)?)
            .with_data_area_size(usize::from(COUNTER_SIZE_BYTES))
            .build()
    };
    let public = public().map_err(TpmError::DefineCounter)?;
    context
        .execute_with_session(EMPTY_PASSWORD, |context| {
            context.nv_define_space(Provision::Owner, None, public)
        })
        .map_err(TpmError::DefineCounter)?;
    Ok(())
}

pub(crate) fn increment(context: &mut Context, counter: &NvIndex) -> Result<(), TpmError> {
    context
        .execute_with_session(EMPTY_PASSWORD, |context| {
            context.nv_increment(NvAuth::NvIndex(counter.handle), counter.handle)
        })
        .map_err(TpmError::Increment)
}

pub(crate) fn read(context: &mut Context, counter: &NvIndex) -> Result<u64, TpmError> {
    let data = counter.read(context, usize::from(COUNTER_SIZE_BYTES))?;
    let data = data.try_into().map_err(|_| TpmError::Garbage {
        what: "a counter that has not 8 bytes",
    })?;
    Ok(u64::from_be_bytes(data))
}
