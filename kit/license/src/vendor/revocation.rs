//! The vendor's list of issuing keys that sign no more.
//!
//! A list is signed by a root, made offline, and says everything: a later one, known by
//! its higher sequence number, names the keys of the earlier ones too. It reaches boxes in
//! license files and in firmware. Revocation stops imports, never a license in use.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::certificate::{VerifyError, vouched_for};
use super::roots::{Flavour, VendorRoots};
use crate::dsse::{DocumentError, DocumentKind, Envelope};

/// What a root says about issuing keys that it certified once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationListPayload {
    /// 1.
    pub format_version: u32,
    /// A product box refuses a lab list.
    pub flavour: Flavour,
    /// Counts up with each list of the vendor.
    pub sequence: u64,
    /// When it was made.
    pub issued_at: Timestamp,
    /// Key ids (see [`key_id`](super::key_id)) of the issuing keys.
    pub key_ids: BTreeSet<String>,
}

/// A parsed list; nothing in it is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationList {
    envelope: Envelope,
    payload: RevocationListPayload,
}

/// Why a list is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevocationListError {
    /// It can't be read.
    #[error("the list of revoked keys can't be read")]
    Document(#[from] DocumentError),
    /// It is not the vendor's, or is for the other flavour of box.
    #[error("the list of revoked keys can't be taken as the vendor's")]
    Verify(#[from] VerifyError),
}

impl RevocationListError {
    /// The code in the words catalog.
    pub fn code(&self) -> &'static str {
        "SG-LIC-022"
    }
}

impl RevocationList {
    pub(super) fn from_parts(envelope: Envelope, payload: RevocationListPayload) -> Self {
        Self { envelope, payload }
    }

    /// Reads a list.
    pub fn parse(file: impl AsRef<[u8]>) -> Result<Self, DocumentError> {
        let envelope = Envelope::parse_kind(file, DocumentKind::RevocationList)?;
        let payload = envelope.read_payload()?;
        Ok(Self { envelope, payload })
    }

    /// What the list says, unproven.
    pub fn unverified_payload(&self) -> &RevocationListPayload {
        &self.payload
    }

    /// The file.
    pub fn to_text(&self) -> String {
        self.envelope.to_text()
    }

    /// Checks that a pinned root signed, and that the list is for these roots' flavour.
    pub fn verify(&self, roots: &VendorRoots) -> Result<VerifiedRevocationList, VerifyError> {
        vouched_for(&self.envelope, self.payload.flavour, roots)?;
        Ok(VerifiedRevocationList(self.clone()))
    }
}

/// A list that the vendor made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedRevocationList(RevocationList);

impl VerifiedRevocationList {
    /// Reads a list and checks it.
    pub fn read(file: impl AsRef<[u8]>, roots: &VendorRoots) -> Result<Self, RevocationListError> {
        Ok(RevocationList::parse(file)?.verify(roots)?)
    }

    /// The higher, the newer.
    pub fn sequence(&self) -> u64 {
        self.0.payload.sequence
    }

    /// When it was made.
    pub fn issued_at(&self) -> Timestamp {
        self.0.payload.issued_at
    }

    /// Key ids of the issuing keys that sign no more.
    pub fn key_ids(&self) -> &BTreeSet<String> {
        &self.0.payload.key_ids
    }

    /// The file.
    pub fn to_text(&self) -> String {
        self.0.to_text()
    }
}
