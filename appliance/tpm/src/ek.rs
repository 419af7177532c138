//! Endorsement keys: the TCG's templates, the certificates in NV, and activation.

use std::fmt;

use sealgate_license::tpm_wire::{HashAlgorithm, TpmName};
use tss_esapi::{
    Context,
    abstraction::{AsymmetricAlgorithmSelection, ek::create_ek_public_from_default_template_2},
    attributes::SessionAttributesBuilder,
    constants::SessionType,
    handles::{AuthHandle, KeyHandle, ObjectHandle, PersistentTpmHandle, SessionHandle, TpmHandle},
    interface_types::{
        algorithm::HashingAlgorithm,
        ecc::EccCurve,
        key_bits::RsaKeyBits,
        resource_handles::Hierarchy,
        session_handles::{AuthSession, PolicySession},
    },
    structures::{Digest, DigestList, EncryptedSecret, IdObject, Public, SymmetricDefinition},
    traits::Marshall as _,
};
use zeroize::Zeroizing;

use crate::{
    Tpm, TpmError, TpmErrorKind, der,
    tpm::{EMPTY_PASSWORD, NvIndex, create_ak, create_primary, handles},
};

/// The largest certificate read from NV, in bytes. Real ones have 1 to 2 KiB.
const MAX_CERTIFICATE_BYTES: usize = 8 * 1024;
/// The handle at which the TCG provisioning guidance (7.8) keeps a persistent EK.
const PERSISTENT_EK: u32 = 0x8101_0001;

/// The endorsement keys of the TCG EK Credential Profile 2.5 that licenses use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
pub enum EkKind {
    /// Template L-1.
    Rsa2048,
    /// Template L-2.
    P256,
    /// Template H-3.
    P384,
}

impl fmt::Display for EkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa2048 => "RSA-2048",
            Self::P256 => "P-256",
            Self::P384 => "P-384",
        })
    }
}

impl EkKind {
    /// In order of preference.
    pub const ALL: [Self; 3] = [Self::Rsa2048, Self::P256, Self::P384];

    /// Where its certificate lives in NV.
    pub fn certificate_index(self) -> u32 {
        match self {
            Self::Rsa2048 => 0x01C0_0002,
            Self::P256 => 0x01C0_000A,
            Self::P384 => 0x01C0_0016,
        }
    }

    fn template(self) -> tss_esapi::Result<Public> {
        let algorithm = match self {
            Self::Rsa2048 => AsymmetricAlgorithmSelection::Rsa(RsaKeyBits::Rsa2048),
            Self::P256 => AsymmetricAlgorithmSelection::Ecc(EccCurve::NistP256),
            Self::P384 => AsymmetricAlgorithmSelection::Ecc(EccCurve::NistP384),
        };
        create_ek_public_from_default_template_2(algorithm, None)
    }

    fn name_algorithm(self) -> HashAlgorithm {
        match self {
            Self::Rsa2048 | Self::P256 => HashAlgorithm::Sha256,
            Self::P384 => HashAlgorithm::Sha384,
        }
    }
}

/// An endorsement key that is ready for use.
pub(crate) struct LoadedEk {
    kind: EkKind,
    handle: KeyHandle,
    /// TPMT_PUBLIC.
    pub public: Vec<u8>,
    /// Whether it has to be flushed.
    transient: bool,
}

impl LoadedEk {
    /// Takes the persistent key where it is the certified one, and derives it otherwise.
    pub(crate) fn load(
        context: &mut Context,
        kind: EkKind,
        certificate: Option<&[u8]>,
    ) -> Result<Self, TpmError> {
        let failed = |source| TpmError::CreateEk { kind, source };
        let template = kind.template().map_err(failed)?;
        if let Some(certificate) = certificate
            && let Some((handle, public)) = persistent(context, &template, certificate)?
        {
            return Ok(Self {
                kind,
                handle,
                public,
                transient: false,
            });
        }
        let key = create_primary(context, Hierarchy::Endorsement, template).map_err(failed)?;
        Ok(Self {
            kind,
            handle: key.handle,
            public: key.public,
            transient: true,
        })
    }

    pub(crate) fn kind(&self) -> EkKind {
        self.kind
    }

    pub(crate) fn handle(&self) -> KeyHandle {
        self.handle
    }

    pub(crate) fn name(&self) -> TpmName {
        TpmName::of(self.kind.name_algorithm(), &[&self.public])
    }

    pub(crate) fn flush(self, context: &mut Context) -> Result<(), TpmError> {
        if self.transient {
            context
                .flush_context(ObjectHandle::from(self.handle))
                .map_err(TpmError::Flush)?;
        }
        Ok(())
    }
}

/// The persistent key, if it is of this template and the one that `certificate` is about.
/// Deriving an RSA key can take a discrete TPM half a minute.
fn persistent(
    context: &mut Context,
    template: &Public,
    certificate: &[u8],
) -> Result<Option<(KeyHandle, Vec<u8>)>, TpmError> {
    let found = handles(context, PERSISTENT_EK, 1)?;
    if !found
        .iter()
        .any(|handle| u32::from(*handle) == PERSISTENT_EK)
    {
        return Ok(None);
    }
    let read = |context: &mut Context| {
        let handle = TpmHandle::Persistent(PersistentTpmHandle::new(PERSISTENT_EK)?);
        let key: KeyHandle = context
            .execute_without_session(|context| context.tr_from_tpm_public(handle))?
            .into();
        let (public, ..) = context.execute_without_session(|context| context.read_public(key))?;
        let bytes = public.marshall()?;
        Ok((key, public, bytes))
    };
    let (key, public, bytes) = read(context).map_err(TpmError::ReadPublic)?;
    Ok(
        (same_template(&public, template) && certifies(certificate, &public))
            .then_some((key, bytes)),
    )
}

/// Equal but for the unique part.
fn same_template(a: &Public, b: &Public) -> bool {
    match (a, b) {
        (
            Public::Rsa {
                object_attributes: a_attributes,
                name_hashing_algorithm: a_hash,
                auth_policy: a_policy,
                parameters: a_parameters,
                ..
            },
            Public::Rsa {
                object_attributes,
                name_hashing_algorithm,
                auth_policy,
                parameters,
                ..
            },
        ) => {
            (a_attributes, a_hash, a_policy, a_parameters)
                == (
                    object_attributes,
                    name_hashing_algorithm,
                    auth_policy,
                    parameters,
                )
        }
        (
            Public::Ecc {
                object_attributes: a_attributes,
                name_hashing_algorithm: a_hash,
                auth_policy: a_policy,
                parameters: a_parameters,
                ..
            },
            Public::Ecc {
                object_attributes,
                name_hashing_algorithm,
                auth_policy,
                parameters,
                ..
            },
        ) => {
            (a_attributes, a_hash, a_policy, a_parameters)
                == (
                    object_attributes,
                    name_hashing_algorithm,
                    auth_policy,
                    parameters,
                )
        }
        _ => false,
    }
}

/// Whether the certificate's bytes contain the key. Enough to choose between two keys;
/// the portal is the one that checks the certificate.
fn certifies(certificate: &[u8], public: &Public) -> bool {
    let key = match public {
        Public::Rsa { unique, .. } => unique.value(),
        Public::Ecc { unique, .. } => unique.x().value(),
        _ => return false,
    };
    !key.is_empty() && certificate.windows(key.len()).any(|window| window == key)
}

/// The certificate of this key in NV, if there is one.
pub(crate) fn read_certificate(
    context: &mut Context,
    kind: EkKind,
) -> Result<Option<Vec<u8>>, TpmError> {
    let Some(index) = NvIndex::find(context, kind.certificate_index())? else {
        return Ok(None);
    };
    if index.size > MAX_CERTIFICATE_BYTES {
        return Err(TpmError::Garbage {
            what: "an endorsement key certificate larger than 8 KiB",
        });
    }
    let contents = index.read(context, index.size)?;
    Ok(der::certificate(&contents))
}

impl Tpm {
    /// The certificates of endorsement keys that this TPM holds.
    ///
    /// # Errors
    /// [`TpmError::ReadNv`] and the like.
    pub fn ek_certificates(&mut self) -> Result<Vec<(EkKind, Vec<u8>)>, TpmError> {
        let mut context = self.connect()?;
        let mut found = Vec::new();
        for kind in EkKind::ALL {
            if let Some(certificate) = read_certificate(&mut context, kind)? {
                found.push((kind, certificate));
            }
        }
        Ok(found)
    }

    /// Whether one of this TPM's endorsement keys has this Name. Slow where the answer is
    /// no: every key has to be derived.
    ///
    /// # Errors
    /// The operation that failed.
    pub fn has_ek(&mut self, ek_name: &TpmName) -> Result<bool, TpmError> {
        let mut context = self.connect()?;
        match find_ek(&mut context, ek_name) {
            Ok(ek) => ek.flush(&mut context).map(|()| true),
            Err(TpmError::NoSuchEk) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// TPM2_ActivateCredential: gives the secret that the portal wrapped for this TPM's
    /// endorsement key *and* attestation key.
    ///
    /// `credential_blob` and `encrypted_secret` are the contents of TPM2B_ID_OBJECT and
    /// TPM2B_ENCRYPTED_SECRET, without their sizes.
    ///
    /// # Errors
    /// [`TpmError::NoSuchEk`] if none of this TPM's endorsement keys has the Name `ek_name`;
    /// [`TpmError::Activate`] if the TPM refuses.
    pub fn activate(
        &mut self,
        ek_name: &TpmName,
        credential_blob: &[u8],
        encrypted_secret: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, TpmError> {
        let too_long = |what| move |_| TpmError::CredentialTooLong { what };
        let blob = IdObject::try_from(credential_blob).map_err(too_long("credential blob"))?;
        let secret =
            EncryptedSecret::try_from(encrypted_secret).map_err(too_long("encrypted secret"))?;

        let mut context = self.connect()?;
        let ek = find_ek(&mut context, ek_name)?;
        let ak = create_ak(&mut context)?;
        let session = ek_session(&mut context, ek.kind)?;
        let activated = context
            .execute_with_sessions((EMPTY_PASSWORD, Some(session), None), |context| {
                context.activate_credential(ak.handle, ek.handle, blob, secret)
            });
        context
            .flush_context(ObjectHandle::from(SessionHandle::from(session)))
            .map_err(TpmError::Flush)?;
        ak.flush(&mut context)?;
        ek.flush(&mut context)?;
        let activated = activated.map_err(TpmError::Activate)?;
        Ok(Zeroizing::new(activated.value().to_vec()))
    }
}

/// Loads the endorsement key with this Name, trying those with a certificate first.
fn find_ek(context: &mut Context, name: &TpmName) -> Result<LoadedEk, TpmError> {
    let mut candidates = Vec::new();
    for kind in EkKind::ALL {
        candidates.push((kind, read_certificate(context, kind)?));
    }
    candidates.sort_by_key(|(_, certificate)| certificate.is_none());
    for (kind, certificate) in candidates {
        let ek = match LoadedEk::load(context, kind, certificate.as_deref()) {
            Ok(ek) => ek,
            // Not every TPM knows every curve.
            Err(error) if error.kind() == TpmErrorKind::Refused => continue,
            Err(error) => return Err(error),
        };
        if ek.name() == *name {
            return Ok(ek);
        }
        ek.flush(context)?;
    }
    Err(TpmError::NoSuchEk)
}

/// PolicyA with SHA-384, and PolicyC: the branches of PolicyB, which the high-range
/// templates carry (EK Credential Profile 2.5, B.6).
const POLICY_A_SHA384: [u8; 48] = [
    0x8b, 0xbf, 0x22, 0x66, 0x53, 0x7c, 0x17, 0x1c, 0xb5, 0x6e, 0x40, 0x3c, 0x4d, 0xc1, 0xd4, 0xb6,
    0x4f, 0x43, 0x26, 0x11, 0xdc, 0x38, 0x6e, 0x6f, 0x53, 0x20, 0x50, 0xc3, 0x27, 0x8c, 0x93, 0x0e,
    0x14, 0x3e, 0x8b, 0xb1, 0x13, 0x38, 0x24, 0xcc, 0xb4, 0x31, 0x05, 0x38, 0x71, 0xc6, 0xdb, 0x53,
];
const POLICY_C_SHA384: [u8; 48] = [
    0xd6, 0x03, 0x2c, 0xe6, 0x1f, 0x2f, 0xb3, 0xc2, 0x40, 0xeb, 0x3c, 0xf6, 0xa3, 0x32, 0x37, 0xef,
    0x2b, 0x6a, 0x16, 0xf4, 0x29, 0x3c, 0x22, 0xb4, 0x55, 0xe2, 0x61, 0xcf, 0xfd, 0x21, 0x7a, 0xd5,
    0xb4, 0x94, 0x7c, 0x2d, 0x73, 0xe6, 0x30, 0x05, 0xee, 0xd2, 0xdc, 0x2b, 0x35, 0x93, 0xd1, 0x65,
];

/// A session that satisfies the template's policy: PolicySecret of the endorsement
/// hierarchy (PolicyA), and for P-384 the PolicyOR around it (PolicyB).
///
/// The high-range template would take its empty password as well, but endorsement keys
/// lack noDA: after such a use a power cut counts as a failed authorisation.
fn ek_session(context: &mut Context, kind: EkKind) -> Result<AuthSession, TpmError> {
    let hash = match kind.name_algorithm() {
        HashAlgorithm::Sha256 => HashingAlgorithm::Sha256,
        HashAlgorithm::Sha384 => HashingAlgorithm::Sha384,
    };
    let satisfy = |context: &mut Context| {
        let session = context
            .execute_without_session(|context| {
                context.start_auth_session(
                    None,
                    None,
                    None,
                    SessionType::Policy,
                    SymmetricDefinition::AES_128_CFB,
                    hash,
                )
            })?
            .ok_or(tss_esapi::Error::WrapperError(
                tss_esapi::WrapperErrorKind::WrongValueFromTpm,
            ))?;
        // Otherwise the TPM ends the session after a command that succeeds, and only then.
        let (attributes, mask) = SessionAttributesBuilder::new()
            .with_continue_session(true)
            .build();
        context.tr_sess_set_attributes(session, attributes, mask)?;
        let policy = PolicySession::try_from(session)?;
        context.execute_with_session(EMPTY_PASSWORD, |context| {
            context.policy_secret(
                policy,
                AuthHandle::Endorsement,
                Default::default(),
                Default::default(),
                Default::default(),
                None,
            )
        })?;
        if kind == EkKind::P384 {
            let mut branches = DigestList::new();
            branches.add(Digest::try_from(POLICY_A_SHA384.as_slice())?)?;
            branches.add(Digest::try_from(POLICY_C_SHA384.as_slice())?)?;
            context.execute_without_session(|context| context.policy_or(policy, branches))?;
        }
        Ok(session)
    };
    satisfy(context).map_err(TpmError::EkPolicy)
}
