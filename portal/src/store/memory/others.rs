//! Dongles, and licenses that are bound to one or to a list of cameras.

use std::collections::BTreeSet;

use sealgate_license::binding::DonglePublicKey;
use sealgate_license::entitlements::ListedMac;

use super::{MemoryTx, must_be_new, must_exist};
use crate::store::others::{Dongle, MacClaim, OtherFile, OtherLicense, OthersTx};
use crate::store::{DistributorId, ServerId, StoreError};

impl MemoryTx {
    fn others_where(&self, wanted: impl Fn(&OtherLicense) -> bool) -> Vec<OtherLicense> {
        let mut found: Vec<OtherLicense> = (self.0.others.iter())
            .filter(|license| wanted(license))
            .cloned()
            .collect();
        found.sort_by_key(|license| license.license_number);
        found
    }

    fn claims_where(&self, wanted: impl Fn(&MacClaim) -> bool) -> Vec<MacClaim> {
        let mut claims = Vec::new();
        for license in &self.0.others {
            let Some(distributor) = self.0.distributor_of_server(license.server) else {
                continue;
            };
            for file in &license.files {
                claims.extend(file.macs.iter().map(|mac| MacClaim {
                    mac: *mac,
                    license_number: license.license_number,
                    distributor,
                    term: file.term,
                    contested: file.contested.contains(mac),
                }));
            }
        }
        claims.retain(wanted);
        claims.sort_by_key(|claim| (claim.mac, claim.license_number));
        claims
    }
}

impl OthersTx for MemoryTx {
    fn may_list_macs(&mut self, id: DistributorId) -> Result<bool, StoreError> {
        Ok(self.0.mac_listers.contains(&id))
    }

    fn set_may_list_macs(&mut self, id: DistributorId, may: bool) -> Result<(), StoreError> {
        let known = (self.0.distributors.iter()).any(|distributor| distributor.id == id);
        if may && known {
            self.0.mac_listers.insert(id);
        } else {
            self.0.mac_listers.remove(&id);
        }
        Ok(())
    }

    fn insert_dongle(&mut self, dongle: &Dongle) -> Result<(), StoreError> {
        let known = (self.0.distributors.iter()).any(|other| other.id == dongle.distributor);
        must_exist(known, "distributor_id")?;
        let in_use = |dongle: &Dongle| dongle.retired_utc_s.is_none();
        let taken = (self.0.dongles.iter()).any(|other| {
            let same_serial = other.serial == dongle.serial && in_use(other) && in_use(dongle);
            other.public_key == dongle.public_key || same_serial
        });
        must_be_new(taken, "a dongle of this serial number or key")?;
        self.0.dongles.push(dongle.clone());
        Ok(())
    }

    fn dongle(&mut self, key: &DonglePublicKey) -> Result<Option<Dongle>, StoreError> {
        let found = (self.0.dongles.iter()).find(|dongle| dongle.public_key == *key);
        Ok(found.cloned())
    }

    fn dongle_of_serial(&mut self, serial: &str) -> Result<Option<Dongle>, StoreError> {
        let found = (self.0.dongles.iter())
            .find(|dongle| dongle.serial == serial && dongle.retired_utc_s.is_none());
        Ok(found.cloned())
    }

    fn retire_dongle(&mut self, key: &DonglePublicKey, at_utc_s: i64) -> Result<(), StoreError> {
        for dongle in (self.0.dongles.iter_mut()).filter(|dongle| dongle.public_key == *key) {
            dongle.retired_utc_s.get_or_insert(at_utc_s);
        }
        Ok(())
    }

    fn other_license(&mut self, number: u64) -> Result<Option<OtherLicense>, StoreError> {
        let mut found = self.others_where(|license| license.license_number == number);
        Ok(found.pop())
    }

    fn license_of_dongle(
        &mut self,
        key: &DonglePublicKey,
    ) -> Result<Option<OtherLicense>, StoreError> {
        let mut found = self.others_where(|license| license.dongle.as_ref() == Some(key));
        Ok(found.pop())
    }

    fn other_licenses(&mut self, server: ServerId) -> Result<Vec<OtherLicense>, StoreError> {
        Ok(self.others_where(|license| license.server == server))
    }

    fn ended_licenses(
        &mut self,
        of: DistributorId,
        by_utc_s: i64,
    ) -> Result<Vec<OtherLicense>, StoreError> {
        Ok(self.others_where(|license| {
            let ends = |file: &OtherFile| {
                file.term.ends_utc_s().is_some_and(|ends| {
                    let settled = (license.license_number, ends);
                    ends <= by_utc_s && !self.0.settled_other_ends.contains(&settled)
                })
            };
            !license.charged.is_empty()
                && license.files.iter().any(ends)
                && self.0.distributor_of_server(license.server) == Some(of)
        }))
    }

    fn put_other_license(&mut self, license: &OtherLicense) -> Result<(), StoreError> {
        let number = license.license_number;
        if let Some(known) = (self.0.others.iter_mut()).find(|known| known.license_number == number)
        {
            known.charged = license.charged.clone();
            return Ok(());
        }
        let server = self.0.project_of_server(license.server);
        must_exist(server.is_some(), "server_id")?;
        if let Some(key) = &license.dongle {
            must_exist(self.dongle(key)?.is_some(), "dongle_key")?;
            must_exist(self.license_of_dongle(key)?.is_none(), "dongle_key")?;
        }
        self.0.others.push(OtherLicense {
            files: Vec::new(),
            ..license.clone()
        });
        Ok(())
    }

    fn insert_other_file(&mut self, number: u64, file: &OtherFile) -> Result<(), StoreError> {
        let license = (self.0.others.iter_mut()).find(|license| license.license_number == number);
        let license = license.ok_or(StoreError::Unreadable {
            column: "license_number",
        })?;
        let taken = (license.files.iter()).any(|other| other.revision == file.revision);
        must_exist(!taken, "revision")?;
        license.files.push(file.clone());
        license.files.sort_by_key(|file| file.revision);
        Ok(())
    }

    fn mac_claims(&mut self, macs: &BTreeSet<ListedMac>) -> Result<Vec<MacClaim>, StoreError> {
        Ok(self.claims_where(|claim| macs.contains(&claim.mac)))
    }

    fn contested_macs(&mut self) -> Result<Vec<MacClaim>, StoreError> {
        Ok(self.claims_where(|claim| claim.contested))
    }
}
