//! Licenses that are bound to no TPM, and dongles at check-in.

use std::collections::BTreeSet;

use sealgate_license::binding::DonglePublicKey;
use sealgate_license::entitlements::ListedMac;
use serde::{Deserialize, Serialize};

use super::record::{DistributorRef, ProjectRef, ServerRef};
use crate::rules::{Counts, Term};
use crate::store::others::OtherFile;

/// A dongle's key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DongleRef {
    /// Of its slot 9E.
    pub public_key: DonglePublicKey,
    /// As it is printed on the dongle.
    pub serial: String,
}

/// A license that was made for a dongle or a list of cameras.
#[derive(Clone, Serialize, Deserialize)]
pub struct OtherIssuedRecord {
    /// Milliseconds since 1970.
    pub at_utc_ms: i64,
    /// Who is charged.
    pub distributor: DistributorRef,
    /// For which project.
    pub project: ProjectRef,
    /// For which server.
    pub server: ServerRef,
    /// N in `L-N`.
    pub license_number: u64,
    /// For which dongle; none for a list of cameras.
    pub dongle: Option<DongleRef>,
    /// See [`OtherFile::revision`].
    pub revision: u32,
    /// See [`OtherFile::counts`].
    pub counts: Counts,
    /// See [`OtherFile::macs`].
    pub macs: BTreeSet<ListedMac>,
    /// See [`OtherFile::contested`].
    pub contested: BTreeSet<ListedMac>,
    /// See [`OtherFile::term`].
    pub term: Term,
    /// What the license is charged with this file.
    pub charged: Counts,
    /// See [`OtherFile::text`].
    pub text: String,
}

impl std::fmt::Debug for OtherIssuedRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OtherIssuedRecord")
            .field("license_number", &self.license_number)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

impl OtherIssuedRecord {
    /// The file as the database keeps it.
    pub fn to_file(&self) -> OtherFile {
        OtherFile {
            revision: self.revision,
            counts: self.counts.clone(),
            macs: self.macs.clone(),
            contested: self.contested.clone(),
            term: self.term,
            text: self.text.clone(),
            issued_utc_s: self.at_utc_ms.div_euclid(1000),
        }
    }
}

/// A dongle was at the vendor's and has a new key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DongleCheckedInRecord {
    /// Milliseconds since 1970.
    pub at_utc_ms: i64,
    /// The key that is used no more.
    pub old: DongleRef,
    /// The new one.
    pub new: DonglePublicKey,
}
