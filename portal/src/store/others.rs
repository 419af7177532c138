//! Dongles, and licenses that are bound to one or to a list of cameras.

use std::collections::BTreeSet;

use sealgate_license::binding::DonglePublicKey;
use sealgate_license::entitlements::ListedMac;

use super::{DistributorId, FileId, ServerId, StoreError};
use crate::rules::dongle::{DongleIssued, DongleRow};
use crate::rules::{Counts, Term};

/// A key of a dongle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dongle {
    /// Of its slot 9E.
    pub public_key: DonglePublicKey,
    /// As it is printed on the dongle.
    pub serial: String,
    /// Whose.
    pub distributor: DistributorId,
    /// Seconds since 1970.
    pub added_utc_s: i64,
    /// Check-in made another key; seconds since 1970.
    pub retired_utc_s: Option<i64>,
}

/// A license that is bound to no TPM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherLicense {
    /// N in `L-N`.
    pub license_number: u64,
    /// Whose distributor is charged.
    pub server: ServerId,
    /// The dongle's key; `None` for a list of cameras.
    pub dongle: Option<DonglePublicKey>,
    /// What is charged.
    pub charged: Counts,
    /// Oldest first.
    pub files: Vec<OtherFile>,
}

/// One file of such a license.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherFile {
    /// 1 for the first.
    pub revision: u32,
    /// What it gives, apart from the list.
    pub counts: Counts,
    /// The cameras it lists.
    pub macs: BTreeSet<ListedMac>,
    /// Those of them that somebody else's license listed too.
    pub contested: BTreeSet<ListedMac>,
    /// Until when.
    pub term: Term,
    /// The file.
    pub text: String,
    /// Seconds since 1970.
    pub issued_utc_s: i64,
}

/// An address on somebody's license.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MacClaim {
    /// The address.
    pub mac: ListedMac,
    /// The license.
    pub license_number: u64,
    /// Whose.
    pub distributor: DistributorId,
    /// Until when.
    pub term: Term,
    /// Whether it was flagged when it was issued.
    pub contested: bool,
}

impl OtherLicense {
    /// The license's id, the same through all revisions.
    pub fn license_id(&self) -> String {
        format!("L-{}", self.license_number)
    }

    /// The id of one revision's file.
    pub fn file_id(&self, revision: u32) -> FileId {
        FileId(format!("L-{}-{revision}", self.license_number))
    }

    /// As the rules see a dongle's.
    pub fn dongle_row(&self, retired: bool) -> DongleRow {
        let issued = self.files.iter().map(|file| DongleIssued {
            revision: file.revision,
            counts: file.counts.clone(),
            term: file.term,
        });
        DongleRow {
            retired,
            issued: issued.collect(),
        }
    }
}

/// Dongles and the licenses of this file.
pub trait OthersTx {
    /// May the distributor list cameras instead of naming a box?
    fn may_list_macs(&mut self, id: DistributorId) -> Result<bool, StoreError>;
    /// Sets it.
    fn set_may_list_macs(&mut self, id: DistributorId, may: bool) -> Result<(), StoreError>;
    /// Adds a key; `Taken` when it was there, or its serial number has one in use.
    fn insert_dongle(&mut self, dongle: &Dongle) -> Result<(), StoreError>;
    /// Finds a key, in use or not.
    fn dongle(&mut self, key: &DonglePublicKey) -> Result<Option<Dongle>, StoreError>;
    /// The key in use of the dongle with this serial number.
    fn dongle_of_serial(&mut self, serial: &str) -> Result<Option<Dongle>, StoreError>;
    /// The key is used no more.
    fn retire_dongle(&mut self, key: &DonglePublicKey, at_utc_s: i64) -> Result<(), StoreError>;
    /// Finds a license with its files.
    fn other_license(&mut self, number: u64) -> Result<Option<OtherLicense>, StoreError>;
    /// The license of a dongle's key.
    fn license_of_dongle(
        &mut self,
        key: &DonglePublicKey,
    ) -> Result<Option<OtherLicense>, StoreError>;
    /// The licenses of a server, oldest first.
    fn other_licenses(&mut self, server: ServerId) -> Result<Vec<OtherLicense>, StoreError>;
    /// Licenses of this distributor that are charged and have a file that ended by then.
    fn ended_licenses(
        &mut self,
        of: DistributorId,
        by_utc_s: i64,
    ) -> Result<Vec<OtherLicense>, StoreError>;
    /// Adds a license without files, or writes back what it is charged.
    fn put_other_license(&mut self, license: &OtherLicense) -> Result<(), StoreError>;
    /// Adds a file.
    fn insert_other_file(&mut self, number: u64, file: &OtherFile) -> Result<(), StoreError>;
    /// Every license that lists any of these.
    fn mac_claims(&mut self, macs: &BTreeSet<ListedMac>) -> Result<Vec<MacClaim>, StoreError>;
    /// Every address that was flagged.
    fn contested_macs(&mut self) -> Result<Vec<MacClaim>, StoreError>;
}
