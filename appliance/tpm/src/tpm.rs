//! The handle on a TPM, and what all operations share.

use std::str::FromStr as _;

use sealgate_license::tpm_wire::AK_TEMPLATE;
use tss_esapi::{
    Context, TctiNameConf,
    constants::{CapabilityType, PropertyTag},
    handles::{KeyHandle, NvIndexTpmHandle, ObjectHandle, TpmHandle},
    interface_types::{
        algorithm::HashingAlgorithm,
        resource_handles::{Hierarchy, NvAuth},
        session_handles::AuthSession,
    },
    structures::{CapabilityData, Public},
    traits::{Marshall as _, UnMarshall as _},
};

use crate::{TpmAddress, TpmError};

/// Who made the TPM.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TpmFacts {
    /// TPM_PT_MANUFACTURER as text, for example `IFX`; hex where it is no text.
    pub manufacturer: String,
    /// TPM_PT_FIRMWARE_VERSION_1 and _2, dotted in 16-bit parts.
    pub firmware: String,
}

/// A TPM that answered once. No connection is held between operations.
#[derive(Debug)]
pub struct Tpm {
    pub(crate) address: TpmAddress,
    facts: TpmFacts,
    /// TPMT_PUBLIC of the attestation key, once it was derived.
    pub(crate) ak_public: Option<Vec<u8>>,
}

/// The empty password, for every authorisation.
pub(crate) const EMPTY_PASSWORD: Option<AuthSession> = Some(AuthSession::Password);

impl Tpm {
    /// Connects, and asks who made the TPM.
    ///
    /// # Errors
    /// [`TpmErrorKind::Absent`](crate::TpmErrorKind::Absent) if nothing answers there.
    pub fn open(address: &TpmAddress) -> Result<Self, TpmError> {
        let mut context = connect(address)?;
        let facts = read_facts(&mut context)?;
        check_hierarchies(&mut context)?;
        tracing::debug!(%address, manufacturer = facts.manufacturer, firmware = facts.firmware, "TPM opened");
        Ok(Self {
            address: address.clone(),
            facts,
            ak_public: None,
        })
    }

    /// Who made the TPM.
    pub fn facts(&self) -> &TpmFacts {
        &self.facts
    }

    /// TPMT_PUBLIC of the attestation key.
    ///
    /// # Errors
    /// [`TpmError::CreateAk`], or [`TpmError::AkChanged`] if an earlier call on this handle
    /// saw another key.
    pub fn ak_public(&mut self) -> Result<Vec<u8>, TpmError> {
        let mut context = self.connect()?;
        let ak = create_ak(&mut context)?;
        let public = ak.public.clone();
        ak.flush(&mut context)?;
        self.remember_ak(public)
    }

    pub(crate) fn connect(&self) -> Result<Context, TpmError> {
        connect(&self.address)
    }

    pub(crate) fn remember_ak(&mut self, public: Vec<u8>) -> Result<Vec<u8>, TpmError> {
        match &self.ak_public {
            Some(known) if *known != public => Err(TpmError::AkChanged),
            _ => {
                self.ak_public = Some(public.clone());
                Ok(public)
            }
        }
    }
}

fn connect(address: &TpmAddress) -> Result<Context, TpmError> {
    if let TpmAddress::Device(path) = address {
        // libtss2 says 'input or output error' for a missing node, and says it on stderr.
        std::fs::metadata(path).map_err(|source| TpmError::OpenDevice {
            address: address.clone(),
            source,
        })?;
    }
    TctiNameConf::from_str(&address.to_string())
        .and_then(Context::new)
        .map_err(|source| TpmError::Open {
            address: address.clone(),
            source,
        })
}

fn read_facts(context: &mut Context) -> Result<TpmFacts, TpmError> {
    let mut property = |tag| {
        context
            .get_tpm_property(tag)
            .map_err(TpmError::ReadCapability)
            .map(Option::unwrap_or_default)
    };
    let manufacturer: u32 = property(PropertyTag::Manufacturer)?;
    let firmware: [u32; 2] = [
        property(PropertyTag::FirmwareVersion1)?,
        property(PropertyTag::FirmwareVersion2)?,
    ];
    Ok(TpmFacts {
        manufacturer: manufacturer_text(manufacturer),
        firmware: firmware_text(firmware),
    })
}

/// A disabled hierarchy hides its keys and indices behind answers that say something else.
fn check_hierarchies(context: &mut Context) -> Result<(), TpmError> {
    /// TPMA_STARTUP_CLEAR (Part 2, 8.7): shEnable and ehEnable.
    const OWNER_ENABLED: u32 = 1 << 1;
    const ENDORSEMENT_ENABLED: u32 = 1 << 2;
    let enabled = context
        .get_tpm_property(PropertyTag::StartupClear)
        .map_err(TpmError::ReadCapability)?;
    for (bit, hierarchy) in [
        (OWNER_ENABLED, "owner"),
        (ENDORSEMENT_ENABLED, "endorsement"),
    ] {
        // A TPM that does not tell is taken at its later answers.
        if enabled.is_some_and(|bits| bits & bit == 0) {
            return Err(TpmError::HierarchyDisabled { hierarchy });
        }
    }
    Ok(())
}

/// TCG vendor ids are four ASCII characters, padded with blanks or zeros.
fn manufacturer_text(id: u32) -> String {
    let bytes = id.to_be_bytes();
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_end_matches(['\0', ' ']);
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()) {
        text.to_owned()
    } else {
        format!("{id:#010x}")
    }
}

fn firmware_text(version: [u32; 2]) -> String {
    let [high, low] = version;
    format!(
        "{}.{}.{}.{}",
        high >> 16,
        high & 0xFFFF,
        low >> 16,
        low & 0xFFFF
    )
}

/// A primary key in the TPM's memory.
pub(crate) struct Primary {
    pub handle: KeyHandle,
    /// TPMT_PUBLIC.
    pub public: Vec<u8>,
}

impl Primary {
    pub(crate) fn flush(self, context: &mut Context) -> Result<(), TpmError> {
        context
            .flush_context(ObjectHandle::from(self.handle))
            .map_err(TpmError::Flush)
    }
}

/// Derives a primary key. On an error nothing stays loaded: `Context` flushes what it
/// knows when it is dropped.
pub(crate) fn create_primary(
    context: &mut Context,
    hierarchy: Hierarchy,
    template: Public,
) -> tss_esapi::Result<Primary> {
    let created = context.execute_with_session(EMPTY_PASSWORD, |context| {
        context.create_primary(hierarchy, template, None, None, None, None)
    })?;
    Ok(Primary {
        handle: created.key_handle,
        public: created.out_public.marshall()?,
    })
}

/// The attestation key: a primary of the endorsement hierarchy, so it survives TPM2_Clear.
pub(crate) fn create_ak(context: &mut Context) -> Result<Primary, TpmError> {
    Public::unmarshall(&AK_TEMPLATE)
        .and_then(|template| create_primary(context, Hierarchy::Endorsement, template))
        .map_err(TpmError::CreateAk)
}

/// Defined handles from `first` on, at most `most`, in ascending order.
pub(crate) fn handles(
    context: &mut Context,
    first: u32,
    most: u32,
) -> Result<Vec<TpmHandle>, TpmError> {
    let (capability, _) = context
        .execute_without_session(|context| {
            context.get_capability(CapabilityType::Handles, first, most)
        })
        .map_err(TpmError::ReadCapability)?;
    match capability {
        CapabilityData::Handles(handles) => Ok(handles.into_inner()),
        _ => Err(TpmError::Garbage {
            what: "another capability than handles",
        }),
    }
}

/// The public area of an NV index that exists, and its ESYS handle.
pub(crate) struct NvIndex {
    pub handle: tss_esapi::handles::NvIndexHandle,
    pub index: u32,
    pub attributes: u32,
    pub size: usize,
    pub name: Vec<u8>,
    /// No policy, and SHA-256 for the Name.
    pub plain: bool,
}

impl NvIndex {
    /// `None` if the index is not defined.
    pub(crate) fn find(context: &mut Context, index: u32) -> Result<Option<Self>, TpmError> {
        let failed = |source| TpmError::ReadNvPublic { index, source };
        // Asking for the index itself would make libtss2 print an error when it is absent.
        let found = handles(context, index, 1)?;
        if !found.iter().any(|handle| u32::from(*handle) == index) {
            return Ok(None);
        }
        let tpm_handle = NvIndexTpmHandle::new(index).map_err(failed)?;
        let handle = context
            .execute_without_session(|context| context.tr_from_tpm_public(tpm_handle.into()))
            .map_err(failed)?;
        let handle = handle.into();
        let (public, name) = context
            .execute_without_session(|context| context.nv_read_public(handle))
            .map_err(failed)?;
        Ok(Some(Self {
            handle,
            index,
            attributes: public.attributes().try_into().map_err(failed)?,
            size: public.data_size(),
            name: name.value().to_vec(),
            plain: public.authorization_policy().value().is_empty()
                && public.name_algorithm() == HashingAlgorithm::Sha256,
        }))
    }

    /// Reads `size` bytes in pieces that every TPM gives at once.
    pub(crate) fn read(&self, context: &mut Context, size: usize) -> Result<Vec<u8>, TpmError> {
        use sealgate_license::tpm_wire::NV_AUTHREAD;
        /// Below the NV buffer size (TPM_PT_NV_BUFFER_MAX) of all known chips.
        const PIECE: usize = 512;
        let auth = if self.attributes & NV_AUTHREAD != 0 {
            NvAuth::NvIndex(self.handle)
        } else {
            NvAuth::Owner
        };
        let mut data = Vec::with_capacity(size);
        while data.len() < size {
            let wanted = (size - data.len()).min(PIECE);
            let range = u16::try_from(wanted)
                .ok()
                .zip(u16::try_from(data.len()).ok());
            let Some((wanted, offset)) = range else {
                return Err(TpmError::Garbage {
                    what: "an NV index larger than 64 KiB",
                });
            };
            let piece = context
                .execute_with_session(EMPTY_PASSWORD, |context| {
                    context.nv_read(auth, self.handle, wanted, offset)
                })
                .map_err(|source| TpmError::ReadNv {
                    index: self.index,
                    source,
                })?;
            if piece.value().len() != usize::from(wanted) {
                return Err(TpmError::Garbage {
                    what: "an NV read of another length than asked",
                });
            }
            data.extend(piece.value());
        }
        Ok(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_become_text() {
        for (id, text) in [
            (0x4946_5800, "IFX"),
            (0x4942_4D20, "IBM"),
            (0x4E54_4320, "NTC"),
            (0, "0x00000000"),
            (0x0001_0203, "0x00010203"),
        ] {
            assert_eq!(manufacturer_text(id), text);
        }
        assert_eq!(firmware_text([0x0007_0055, 0x0011_0900]), "7.85.17.2304");
    }
}
