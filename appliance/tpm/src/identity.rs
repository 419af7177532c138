//! Everything about a TPM that a request for a license carries.

use sealgate_license::tpm_wire::{HashAlgorithm, TpmName};
use tss_esapi::{
    Context,
    attributes::ObjectAttributesBuilder,
    interface_types::{
        algorithm::{HashingAlgorithm, PublicAlgorithm},
        ecc::EccCurve,
        resource_handles::Hierarchy,
    },
    structures::{
        EccParameter, EccPoint, EccScheme, KeyDerivationFunctionScheme, Public, PublicBuilder,
        PublicEccParametersBuilder, SymmetricDefinitionObject,
    },
};

use crate::{
    EkKind, Tpm, TpmError, TpmErrorKind, der,
    ek::{LoadedEk, read_certificate},
    tpm::{NvIndex, create_ak, create_primary, handles},
};

/// Where TPMs keep the certificates between theirs and the root (EK Credential Profile
/// 2.5, 2.2.1.5.2): one stream of certificates, cut at index borders.
const CHAIN_INDICES: std::ops::RangeInclusive<u32> = 0x01C0_0100..=0x01C0_01FF;
/// The longest chain read, in bytes and in certificates.
const MAX_CHAIN_BYTES: usize = 32 * 1024;
const MAX_CHAIN_CERTIFICATES: usize = 8;

/// Who this TPM is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Which endorsement key was taken.
    pub ek_kind: EkKind,
    /// TPMT_PUBLIC of the endorsement key.
    pub ek_public: Vec<u8>,
    /// Its certificate, DER; `None` if the TPM holds none.
    pub ek_certificate: Option<Vec<u8>>,
    /// Certificates between that and the maker's root, DER, as found in NV.
    pub ek_chain: Vec<Vec<u8>>,
    /// TPMT_PUBLIC of the attestation key.
    pub ak_public: Vec<u8>,
    /// The Name of the owner hierarchy's storage primary: TPM2_Clear changes it.
    pub epoch_name: TpmName,
    /// See [`crate::TpmFacts::manufacturer`].
    pub manufacturer: String,
    /// See [`crate::TpmFacts::firmware`].
    pub firmware: String,
}

impl Tpm {
    /// Reads who this TPM is, with the first endorsement key that has a certificate
    /// (RSA-2048, P-256, P-384); without any, with the first key that it can derive of
    /// RSA-2048 and P-256.
    ///
    /// # Errors
    /// The operation that failed.
    pub fn identity(&mut self) -> Result<Identity, TpmError> {
        let mut context = self.connect()?;
        for kind in EkKind::ALL {
            if let Some(certificate) = read_certificate(&mut context, kind)? {
                let ek = LoadedEk::load(&mut context, kind, Some(&certificate))?;
                return self.identity_with(context, ek, Some(certificate));
            }
        }
        let ek = match LoadedEk::load(&mut context, EkKind::Rsa2048, None) {
            Err(error) if error.kind() == TpmErrorKind::Refused => {
                LoadedEk::load(&mut context, EkKind::P256, None)?
            }
            ek => ek?,
        };
        self.identity_with(context, ek, None)
    }

    /// As [`Tpm::identity`], with the endorsement key of this kind.
    ///
    /// # Errors
    /// The operation that failed.
    pub fn identity_of(&mut self, kind: EkKind) -> Result<Identity, TpmError> {
        let mut context = self.connect()?;
        let certificate = read_certificate(&mut context, kind)?;
        let ek = LoadedEk::load(&mut context, kind, certificate.as_deref())?;
        self.identity_with(context, ek, certificate)
    }

    fn identity_with(
        &mut self,
        mut context: Context,
        ek: LoadedEk,
        ek_certificate: Option<Vec<u8>>,
    ) -> Result<Identity, TpmError> {
        let ek_kind = ek.kind();
        let ek_public = ek.public.clone();
        ek.flush(&mut context)?;
        let ek_chain = match ek_certificate {
            Some(_) => read_chain(&mut context)?,
            None => Vec::new(),
        };
        let ak = create_ak(&mut context)?;
        let ak_public = ak.public.clone();
        ak.flush(&mut context)?;
        let epoch_name = read_epoch(&mut context)?;
        drop(context);
        Ok(Identity {
            ek_kind,
            ek_public,
            ek_certificate,
            ek_chain,
            ak_public: self.remember_ak(ak_public)?,
            epoch_name,
            manufacturer: self.facts().manufacturer.clone(),
            firmware: self.facts().firmware.clone(),
        })
    }
}

fn read_chain(context: &mut Context) -> Result<Vec<Vec<u8>>, TpmError> {
    let found = handles(context, *CHAIN_INDICES.start(), 64)?;
    let mut contents = Vec::new();
    for handle in found {
        let index = u32::from(handle);
        if !CHAIN_INDICES.contains(&index) {
            break;
        }
        let Some(index) = NvIndex::find(context, index)? else {
            continue;
        };
        if contents.len() + index.size > MAX_CHAIN_BYTES {
            return Err(TpmError::Garbage {
                what: "a certificate chain larger than 32 KiB",
            });
        }
        contents.extend(index.read(context, index.size)?);
    }
    Ok(der::certificates(&contents, MAX_CHAIN_CERTIFICATES))
}

/// The Name of the storage primary of the owner hierarchy.
fn read_epoch(context: &mut Context) -> Result<TpmName, TpmError> {
    let primary = epoch_template()
        .and_then(|template| create_primary(context, Hierarchy::Owner, template))
        .map_err(TpmError::CreateEpoch)?;
    let name = TpmName::of(HashAlgorithm::Sha256, &[&primary.public]);
    primary.flush(context)?;
    Ok(name)
}

/// The storage root key template for P-256 of the TCG provisioning guidance (7.5.1), with
/// `unique` padded to 32 bytes, which some chips insist on.
fn epoch_template() -> tss_esapi::Result<Public> {
    let attributes = ObjectAttributesBuilder::new()
        .with_fixed_tpm(true)
        .with_fixed_parent(true)
        .with_sensitive_data_origin(true)
        .with_user_with_auth(true)
        .with_no_da(true)
        .with_restricted(true)
        .with_decrypt(true)
        .build()?;
    let parameters = PublicEccParametersBuilder::new()
        .with_symmetric(SymmetricDefinitionObject::AES_128_CFB)
        .with_ecc_scheme(EccScheme::Null)
        .with_curve(EccCurve::NistP256)
        .with_key_derivation_function_scheme(KeyDerivationFunctionScheme::Null)
        .with_is_decryption_key(true)
        .with_restricted(true)
        .build()?;
    let zeros = || EccParameter::try_from(vec![0; 32]);
    PublicBuilder::new()
        .with_public_algorithm(PublicAlgorithm::Ecc)
        .with_name_hashing_algorithm(HashingAlgorithm::Sha256)
        .with_object_attributes(attributes)
        .with_ecc_parameters(parameters)
        .with_ecc_unique_identifier(EccPoint::new(zeros()?, zeros()?))
        .build()
}
