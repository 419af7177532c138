//! The signing side, used by the portal and by the tools that keep the root.

use std::collections::BTreeSet;

use ed25519_dalek::{Signer as _, SigningKey};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::certificate::{KeyCertificate, KeyCertificatePayload};
use super::revocation::{RevocationList, RevocationListPayload};
use super::roots::Flavour;
use crate::dsse::{DocumentKind, Envelope, EnvelopeSignature, pae, write_payload};

/// Names a vendor key: hex of the first 16 bytes of SHA-256 of its public half.
pub fn key_id(public_key: &[u8; 32]) -> String {
    let digest: [u8; 32] = Sha256::digest(public_key).into();
    hex::encode(&digest[..16])
}

/// Why nothing was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The certificate is for another issuing key.
    #[error("the certificate is for key {certified}, not for {signing}")]
    OtherKey {
        /// The certificate's key.
        certified: String,
        /// The key that was to sign.
        signing: String,
    },
    /// The certificate's dates leave out the date of issue: every box would refuse.
    #[error("the issuing key is certified from {from} to {until}, which leaves out {issued_at}")]
    Dates {
        /// First instant of the certificate.
        from: Timestamp,
        /// Last instant of the certificate.
        until: Timestamp,
        /// The date of issue.
        issued_at: Timestamp,
    },
    /// A term without an end, or an end before the start.
    #[error("the dates of the license contradict each other or its term")]
    Validity,
}

/// Signs one envelope.
fn sign(key: &SigningKey, kind: DocumentKind, payload: Vec<u8>, cert: Option<&str>) -> Envelope {
    let signature = key.sign(&pae(kind.payload_type(), &payload));
    Envelope {
        payload_type: kind.payload_type().to_owned(),
        payload,
        signatures: vec![EnvelopeSignature {
            keyid: key_id(key.verifying_key().as_bytes()),
            sig: signature.to_bytes().to_vec(),
            cert: cert.map(|text| text.as_bytes().to_vec()),
        }],
    }
}

/// The vendor's root: kept offline, signs issuing keys and what revokes them.
pub struct RootKey(SigningKey);

impl RootKey {
    /// From 32 random bytes, which are the whole key. Wiped from memory on drop.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// What images pin.
    pub fn public_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// See [`key_id`].
    pub fn key_id(&self) -> String {
        key_id(&self.public_key())
    }

    /// Certifies an issuing key for licenses issued in `not_before..=not_after`.
    pub fn certify(
        &self,
        name: &str,
        issuing_public_key: [u8; 32],
        class: Flavour,
        not_before: Timestamp,
        not_after: Timestamp,
    ) -> KeyCertificate {
        let payload = KeyCertificatePayload {
            format_version: 1,
            name: name.to_owned(),
            public_key: issuing_public_key,
            class,
            not_before,
            not_after,
        };
        let envelope = sign(
            &self.0,
            DocumentKind::VendorKey,
            write_payload(&payload),
            None,
        );
        KeyCertificate::from_parts(envelope, payload)
    }
}

impl RootKey {
    /// Revokes issuing keys. `sequence` has to be above that of every earlier list, and
    /// the list names every key of the earlier ones too: a box keeps only the newest.
    pub fn revoke(
        &self,
        flavour: Flavour,
        sequence: u64,
        key_ids: BTreeSet<String>,
        issued_at: Timestamp,
    ) -> RevocationList {
        let payload = RevocationListPayload {
            format_version: 1,
            flavour,
            sequence,
            issued_at,
            key_ids,
        };
        let envelope = sign(
            &self.0,
            DocumentKind::RevocationList,
            write_payload(&payload),
            None,
        );
        RevocationList::from_parts(envelope, payload)
    }
}

/// A key that signs licenses, for as long as its certificate says.
pub struct IssuingKey(SigningKey);

impl IssuingKey {
    /// From 32 random bytes, which are the whole key. Wiped from memory on drop.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// What the root certifies.
    pub fn public_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// See [`key_id`].
    pub fn key_id(&self) -> String {
        key_id(&self.public_key())
    }

    /// Signs a license payload, unless boxes would refuse the result anyway.
    pub(crate) fn sign_license(
        &self,
        payload: Vec<u8>,
        issued_at: Timestamp,
        certificate: &KeyCertificate,
    ) -> Result<Envelope, IssueError> {
        let certified = certificate.unverified_payload();
        if certified.public_key != self.public_key() {
            return Err(IssueError::OtherKey {
                certified: key_id(&certified.public_key),
                signing: self.key_id(),
            });
        }
        if !certified.covers(issued_at) {
            return Err(IssueError::Dates {
                from: certified.not_before,
                until: certified.not_after,
                issued_at,
            });
        }
        Ok(sign(
            &self.0,
            DocumentKind::License,
            payload,
            Some(&certificate.to_text()),
        ))
    }
}
