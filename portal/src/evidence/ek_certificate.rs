//! An endorsement key's certificate (TCG EK Credential Profile 2.5), from the bytes in
//! the TPM's NV memory up to a pinned root.

use const_oid::db::rfc5280::{
    ID_CE_BASIC_CONSTRAINTS, ID_CE_CERTIFICATE_POLICIES, ID_CE_EXT_KEY_USAGE, ID_CE_KEY_USAGE,
    ID_CE_SUBJECT_ALT_NAME,
};
use sealgate_license::tpm_wire::{TpmKey, TpmPublic};
use sha2::{Digest as _, Sha256};
use spki::ObjectIdentifier;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName};

use super::ek_roots::EkRoots;
use super::x509::{Parsed, serial, split_der, text};
use crate::trust::TrustClass;

/// tcg-kp-EKCertificate: issued for an endorsement key and nothing else.
const EK_CERTIFICATE_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.8.1");
const TPM_MANUFACTURER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.2.1");
const TPM_MODEL: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.2.2");
const TPM_VERSION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.2.3");

/// More intermediate certificates than any chip carries.
const MAX_CHAIN: usize = 8;
/// Authorities between EK certificate and root.
const MAX_DEPTH: usize = 5;
/// Signatures checked for one request: certificates come from outside and may be made
/// to lead in circles.
const MAX_SIGNATURES: usize = 32;

/// What a maker says about an endorsement key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EkIdentity {
    /// The issuer's name (RFC 4514).
    pub issuer: String,
    /// The certificate's serial number, hex.
    pub serial: String,
    /// The certified key.
    pub key: TpmKey,
    /// SHA-256 of the certificate, without wrapper and padding.
    pub sha256: [u8; 32],
    /// By the pinned root.
    pub trust_class: TrustClass,
    /// From the subject alternative name: for example `id:49465800`.
    pub manufacturer: Option<String>,
    /// From the subject alternative name.
    pub model: Option<String>,
    /// From the subject alternative name: firmware at manufacture.
    pub version: Option<String>,
}

/// Why an EK certificate says nothing here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EkCertificateError {
    /// Not an X.509 certificate.
    #[error("the EK certificate can't be read: {part}")]
    Unreadable {
        /// The part that could not be read.
        part: &'static str,
    },
    /// A certificate for something else than an endorsement key.
    #[error("the certificate is not one for an endorsement key: {reason}")]
    NotForEk {
        /// What is wrong.
        reason: &'static str,
    },
    /// A critical extension that is not understood (RFC 5280, 4.2).
    #[error("the EK certificate has the critical extension {oid}, which is not understood")]
    CriticalExtension {
        /// The extension.
        oid: String,
    },
    /// No pinned root stands behind the issuer.
    #[error("no pinned root stands behind the EK certificate's issuer {issuer}")]
    UnknownIssuer {
        /// The issuer's name, shortened to 120 characters.
        issuer: String,
    },
    /// An authority of the right name is there, and did not sign.
    #[error("a signature in the EK certificate's chain does not fit")]
    Signature,
    /// A key that no supported template makes.
    #[error("the EK certificate holds a key that is neither RSA, P-256 nor P-384")]
    KeyKind,
}

impl EkCertificateError {
    /// The code in the words catalog.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "SG-POR-024",
            Self::UnknownIssuer { .. } => "SG-POR-025",
            Self::Signature => "SG-POR-026",
            Self::NotForEk { .. } | Self::CriticalExtension { .. } => "SG-POR-027",
            Self::KeyKind => "SG-POR-029",
        }
    }
}

/// Cuts the certificate out of what NV memory holds: some chips put the header
/// `10 01 00 len` of the PC Client profile in front (TCG_PCCLIENT_STORED_CERT), and many
/// pad the index to its full size.
fn unwrap_nv(nv: &[u8]) -> Result<&[u8], EkCertificateError> {
    let damaged = EkCertificateError::Unreadable {
        part: "the bytes from NV memory",
    };
    let nv = match nv {
        [0x10, 0x01, 0x00, high, low, rest @ ..] => rest
            .get(..usize::from(u16::from_be_bytes([*high, *low])))
            .ok_or(damaged.clone())?,
        _ => nv,
    };
    split_der(nv).map(|(der, _)| der).ok_or(damaged)
}

/// Certificates that stand one after the other, up to padding or rubbish.
fn split_chain(chain: &[Vec<u8>]) -> Vec<Parsed> {
    let mut found = Vec::new();
    for mut bytes in chain.iter().map(Vec::as_slice) {
        while let Some((der, rest)) = split_der(bytes) {
            if found.len() == MAX_CHAIN {
                return found;
            }
            found.extend(Parsed::parse(der));
            bytes = rest;
        }
    }
    found
}

/// Follows issuers up to a pinned root.
struct Search<'a> {
    roots: &'a EkRoots,
    /// From the chip first, then from the portal's store.
    intermediates: Vec<&'a Parsed>,
    signatures_left: usize,
    /// Whether an authority of the right name was there whose signature did not fit.
    bad_signature: bool,
}

impl<'a> Search<'a> {
    fn signed(&mut self, certificate: &Parsed, issuer: &Parsed) -> bool {
        let Some(left) = self.signatures_left.checked_sub(1) else {
            return false;
        };
        self.signatures_left = left;
        let fits = certificate.verify_signature(issuer).is_ok();
        self.bad_signature |= !fits;
        fits
    }

    /// `below`: authorities between this certificate and the EK certificate, itself included.
    fn root_of(&mut self, certificate: &Parsed, below: usize) -> Option<TrustClass> {
        let roots = self.roots;
        for root in &roots.roots {
            if certificate.issued_by(&root.certificate)
                && self.signed(certificate, &root.certificate)
            {
                return Some(root.class);
            }
        }
        if below == MAX_DEPTH {
            return None;
        }
        for index in 0..self.intermediates.len() {
            let issuer = self.intermediates[index];
            if certificate.issued_by(issuer)
                && !issuer.self_issued()
                && issuer.may_issue(below)
                && self.signed(certificate, issuer)
                && let Some(class) = self.root_of(issuer, below + 1)
            {
                return Some(class);
            }
        }
        None
    }
}

/// Checks everything that the certificate says about itself.
fn check_leaf(leaf: &Parsed) -> Result<(), EkCertificateError> {
    use EkCertificateError::{NotForEk, Unreadable};
    // The subject alternative name is critical where the subject is empty (RFC 5280,
    // 4.2.1.6); it is read in full below.
    let known = [
        ID_CE_BASIC_CONSTRAINTS,
        ID_CE_KEY_USAGE,
        ID_CE_EXT_KEY_USAGE,
        ID_CE_SUBJECT_ALT_NAME,
        ID_CE_CERTIFICATE_POLICIES,
    ];
    if let Some(oid) = leaf.unknown_critical(&known) {
        return Err(EkCertificateError::CriticalExtension {
            oid: oid.to_string(),
        });
    }
    let constraints = leaf
        .extension::<BasicConstraints>()
        .map_err(|()| Unreadable {
            part: "basic constraints",
        })?;
    if constraints.is_some_and(|constraints| constraints.ca) {
        return Err(NotForEk {
            reason: "it is an authority's",
        });
    }
    let usage = leaf
        .extension::<ExtendedKeyUsage>()
        .map_err(|()| Unreadable {
            part: "extended key usage",
        })?;
    if !usage.is_some_and(|usage| usage.0.contains(&EK_CERTIFICATE_USAGE)) {
        return Err(NotForEk {
            reason: "its extended key usage is not that of an EK",
        });
    }
    let usage = leaf
        .extension::<KeyUsage>()
        .map_err(|()| Unreadable { part: "key usage" })?;
    if usage.is_some_and(|usage| !usage.key_encipherment() && !usage.key_agreement()) {
        return Err(NotForEk {
            reason: "its key may not encipher or agree on keys",
        });
    }
    Ok(())
}

/// Manufacturer, model and version in the subject alternative name (TCG EK Credential
/// Profile 2.5, 3.2.9).
fn tpm_names(leaf: &Parsed) -> Result<[Option<String>; 3], EkCertificateError> {
    let unreadable = EkCertificateError::Unreadable {
        part: "subject alternative name",
    };
    let names = leaf
        .extension::<SubjectAltName>()
        .map_err(|()| unreadable)?;
    let find = |oid| {
        names
            .iter()
            .flat_map(|names| &names.0)
            .filter_map(|name| match name {
                GeneralName::DirectoryName(name) => Some(name),
                _ => None,
            })
            .flat_map(|name| name.iter())
            .find(|attribute| attribute.oid == oid)
            .and_then(|attribute| text(&attribute.value))
    };
    Ok([TPM_MANUFACTURER, TPM_MODEL, TPM_VERSION].map(find))
}

/// Checks an EK certificate as it was read from NV memory, with the intermediate
/// certificates that were read beside it.
pub fn verify_ek(
    certificate_nv: &[u8],
    chain: &[Vec<u8>],
    roots: &EkRoots,
) -> Result<EkIdentity, EkCertificateError> {
    let der = unwrap_nv(certificate_nv)?;
    let leaf = Parsed::parse(der).ok_or(EkCertificateError::Unreadable {
        part: "the certificate",
    })?;
    check_leaf(&leaf)?;
    let [manufacturer, model, version] = tpm_names(&leaf)?;
    let key = leaf.key().ok_or(EkCertificateError::KeyKind)?;

    let from_chip = split_chain(chain);
    let mut search = Search {
        roots,
        intermediates: from_chip.iter().chain(&roots.intermediates).collect(),
        signatures_left: MAX_SIGNATURES,
        bad_signature: false,
    };
    let issuer = leaf.certificate.tbs_certificate().issuer().to_string();
    let Some(trust_class) = search.root_of(&leaf, 0) else {
        return Err(if search.bad_signature {
            EkCertificateError::Signature
        } else {
            EkCertificateError::UnknownIssuer {
                issuer: issuer.chars().take(120).collect(),
            }
        });
    };
    Ok(EkIdentity {
        issuer,
        serial: serial(&leaf),
        key,
        sha256: Sha256::digest(der).into(),
        trust_class,
        manufacturer,
        model,
        version,
    })
}

/// Whether the certificate is about this key.
pub fn same_key(identity: &EkIdentity, ek: &TpmPublic) -> bool {
    let trimmed = |bytes: &[u8]| -> Vec<u8> {
        bytes
            .iter()
            .copied()
            .skip_while(|byte| *byte == 0)
            .collect()
    };
    match (&identity.key, ek.key()) {
        (
            TpmKey::Rsa {
                exponent, modulus, ..
            },
            TpmKey::Rsa {
                exponent: other_exponent,
                modulus: other_modulus,
                ..
            },
        ) => exponent == other_exponent && trimmed(modulus) == trimmed(other_modulus),
        // Points are padded when they are read.
        (certified, ours) => certified == ours,
    }
}
