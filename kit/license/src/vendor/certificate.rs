//! An issuing key's certificate, and the way from a pinned root to a signed license.

use ed25519_dalek::{Signature, VerifyingKey};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys::key_id;
use super::roots::{Flavour, Revocations, VendorRoots};
use crate::dsse::{DocumentError, DocumentKind, Envelope, EnvelopeSignature};
use crate::encoding;

/// What a root says about an issuing key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyCertificatePayload {
    /// 1.
    pub format_version: u32,
    /// For people.
    pub name: String,
    /// Ed25519.
    #[serde(with = "encoding::base64_array")]
    pub public_key: [u8; 32],
    /// A product box refuses lab keys.
    pub class: Flavour,
    /// Licenses issued before this are not this key's.
    pub not_before: Timestamp,
    /// Licenses issued after this are not this key's.
    pub not_after: Timestamp,
}

impl KeyCertificatePayload {
    /// Whether the key may have issued a license at this time.
    pub fn covers(&self, issued_at: Timestamp) -> bool {
        (self.not_before..=self.not_after).contains(&issued_at)
    }
}

/// A parsed certificate; nothing in it is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyCertificate {
    envelope: Envelope,
    payload: KeyCertificatePayload,
}

/// Why a license is not the vendor's, or can't be taken as such here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The license or its key's certificate can't be read.
    #[error("the document can't be read")]
    Document(#[from] DocumentError),
    /// The content is not what was signed.
    #[error("the signature by key {key_id} does not fit: the document was changed")]
    Changed {
        /// The key that is said to have signed.
        key_id: String,
    },
    /// No pinned root stands behind the signing key.
    #[error("vendor key {key_id} is not known here")]
    UnknownKey {
        /// The key that is said to have signed.
        key_id: String,
    },
    /// The vendor has withdrawn the key.
    #[error("vendor key {key_id} was revoked")]
    Revoked {
        /// The key.
        key_id: String,
    },
    /// The license claims a date of issue outside the key's dates.
    #[error(
        "vendor key {key_id} is certified from {from} to {until}, which leaves out {issued_at}"
    )]
    KeyDates {
        /// The key.
        key_id: String,
        /// First instant of the certificate.
        from: Timestamp,
        /// Last instant of the certificate.
        until: Timestamp,
        /// The license's date of issue.
        issued_at: Timestamp,
    },
    /// A lab key's license, and this is a product.
    #[error("the license was signed by a lab key, and this is a product")]
    LabKey,
}

impl VerifyError {
    /// The code in the words catalog.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Document(error) => error.code(),
            Self::Changed { .. } => "SG-LIC-001",
            Self::UnknownKey { .. } => "SG-LIC-002",
            Self::Revoked { .. } => "SG-LIC-003",
            Self::KeyDates { .. } => "SG-LIC-004",
            Self::LabKey => "SG-LIC-005",
        }
    }
}

fn verify_strict(key: &VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
    Signature::from_slice(signature)
        .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok())
}

impl KeyCertificate {
    pub(super) fn from_parts(envelope: Envelope, payload: KeyCertificatePayload) -> Self {
        Self { envelope, payload }
    }

    /// Reads a certificate file.
    pub fn parse(file: impl AsRef<[u8]>) -> Result<Self, DocumentError> {
        let envelope = Envelope::parse_kind(file, DocumentKind::VendorKey)?;
        let payload = envelope.read_payload()?;
        Ok(Self { envelope, payload })
    }

    /// What the certificate says, unproven.
    pub fn unverified_payload(&self) -> &KeyCertificatePayload {
        &self.payload
    }

    /// The file.
    pub fn to_text(&self) -> String {
        self.envelope.to_text()
    }

    /// Checks that a pinned root signed, and that the key is fit for these roots'
    /// flavour. Dates and revocation are judged with the license's date of issue.
    pub fn verify(&self, roots: &VendorRoots) -> Result<&KeyCertificatePayload, VerifyError> {
        vouched_for(&self.envelope, self.payload.class, roots)?;
        Ok(&self.payload)
    }
}

/// Checks that one of the envelope's signatures is a pinned root's, and that it is fit for
/// these roots' flavour; `class` is what the signed payload says of itself.
pub(super) fn vouched_for(
    envelope: &Envelope,
    class: Flavour,
    roots: &VendorRoots,
) -> Result<(), VerifyError> {
    // Before the root is looked up: a product does not know the lab's root, and
    // 'a lab license' says more than 'an unknown key'. It is refused either way.
    if roots.flavour() == Flavour::Product && class == Flavour::Lab {
        return Err(VerifyError::LabKey);
    }
    let signed = envelope.signed_bytes();
    let mut refusal = None;
    for signature in &envelope.signatures {
        let key_id = signature.keyid.chars().take(64).collect();
        match roots.find(&signature.keyid) {
            None => drop(refusal.get_or_insert(VerifyError::UnknownKey { key_id })),
            Some(root) if !verify_strict(&root.key, &signed, &signature.sig) => {
                refusal = Some(VerifyError::Changed { key_id });
            }
            // A lab root may not vouch for what is a product's.
            Some(root) if root.class == Flavour::Lab && class != Flavour::Lab => {
                refusal = Some(VerifyError::UnknownKey { key_id });
            }
            Some(_) => return Ok(()),
        }
    }
    Err(
        refusal.unwrap_or(VerifyError::Document(DocumentError::Damaged {
            part: "the root's signatures",
        })),
    )
}

/// The certificate that travels with a license's signature.
pub(crate) struct SigningCertificate(KeyCertificate);

impl SigningCertificate {
    pub(crate) fn of(signature: &EnvelopeSignature) -> Result<Self, VerifyError> {
        let text = signature
            .cert
            .as_ref()
            .ok_or_else(|| VerifyError::UnknownKey {
                key_id: signature.keyid.chars().take(64).collect(),
            })?;
        Ok(Self(KeyCertificate::parse(text)?))
    }

    /// Root, key, signature, revocation, dates: in this order, so that each refusal is
    /// about something that has been proven.
    pub(crate) fn verify_license(
        &self,
        signed: &[u8],
        signature: &EnvelopeSignature,
        issued_at: Timestamp,
        roots: &VendorRoots,
        revocations: &Revocations,
    ) -> Result<String, VerifyError> {
        let certified = self.0.verify(roots)?;
        let key_id = key_id(&certified.public_key);
        let fits = signature.keyid == key_id
            && VerifyingKey::from_bytes(&certified.public_key)
                .is_ok_and(|key| verify_strict(&key, signed, &signature.sig));
        if !fits {
            return Err(VerifyError::Changed { key_id });
        }
        if revocations.contains(&key_id) {
            return Err(VerifyError::Revoked { key_id });
        }
        if !certified.covers(issued_at) {
            return Err(VerifyError::KeyDates {
                key_id,
                from: certified.not_before,
                until: certified.not_after,
                issued_at,
            });
        }
        Ok(key_id)
    }
}
