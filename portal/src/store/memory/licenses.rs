//! TPMs, license files, the ledger.

use std::collections::BTreeMap;

use super::{MemoryTx, must_be_new, must_exist};
use crate::rules::{Counts, Issued};
use crate::store::{
    Balance, DistributorId, FileId, LedgerEntry, LedgerReason, LicenseFile, LicensesTx, ServerId,
    StoreError, Tpm, TpmId, TpmIdentity,
};

impl MemoryTx {
    /// The TPMs that `wanted` picks, oldest first, with their licenses.
    fn tpms_where(&self, wanted: impl Fn(&Tpm) -> bool) -> Vec<Tpm> {
        let complete = |tpm: &Tpm| {
            let mut tpm = tpm.clone();
            tpm.row.issued = (self.files(tpm.id).into_iter())
                .map(|file| Issued {
                    id: file.id.0,
                    from: file.from,
                    to: file.to,
                    counts: file.counts,
                    term: file.term,
                    request_sha256: file.request_sha256,
                })
                .collect();
            tpm
        };
        let mut tpms = self.0.tpms.iter().filter(|tpm| wanted(tpm));
        tpms.by_ref().map(complete).collect()
    }

    fn files(&self, tpm: TpmId) -> Vec<LicenseFile> {
        let mut files: Vec<LicenseFile> = (self.0.files.iter())
            .filter(|file| file.tpm == tpm)
            .cloned()
            .collect();
        files.sort_by_key(|file| file.revision);
        files
    }
}

impl LicensesTx for MemoryTx {
    fn tpm(&mut self, identity: &TpmIdentity) -> Result<Option<Tpm>, StoreError> {
        Ok(self.tpms_where(|tpm| tpm.identity == *identity).pop())
    }

    fn tpms_of_server(&mut self, server: ServerId) -> Result<Vec<Tpm>, StoreError> {
        Ok(self.tpms_where(|tpm| tpm.server == server))
    }

    fn tpms_of_ek(&mut self, ek_name: &str) -> Result<Vec<Tpm>, StoreError> {
        Ok(self.tpms_where(|tpm| tpm.identity.ek_name == ek_name))
    }

    fn tpms(&mut self) -> Result<Vec<Tpm>, StoreError> {
        Ok(self.tpms_where(|_| true))
    }

    fn tpms_with_ended_licenses(
        &mut self,
        distributor: Option<DistributorId>,
        by_utc_s: i64,
    ) -> Result<Vec<Tpm>, StoreError> {
        let ended = |tpm: &Tpm| {
            (self.0.files.iter()).any(|file| {
                file.tpm == tpm.id
                    && file.term.ends_utc_s().is_some_and(|ends| {
                        ends <= by_utc_s && !self.0.settled_ends.contains(&(tpm.id.0, ends))
                    })
            })
        };
        Ok(self.tpms_where(|tpm| {
            !tpm.row.charged.is_empty()
                && (distributor.is_none()
                    || self.0.distributor_of_server(tpm.server) == distributor)
                && ended(tpm)
        }))
    }

    fn insert_tpm(&mut self, tpm: &Tpm) -> Result<TpmId, StoreError> {
        must_exist(self.0.project_of_server(tpm.server).is_some(), "server_id")?;
        let taken = (self.0.tpms.iter()).any(|other| {
            other.identity == tpm.identity || other.license_number == tpm.license_number
        });
        must_be_new(taken, "a TPM of this name")?;
        let newest = (self.0.tpms.iter()).map(|tpm| tpm.id.0).max();
        let id = TpmId(newest.unwrap_or(0) + 1);
        let mut tpm = Tpm { id, ..tpm.clone() };
        tpm.row.issued.clear();
        self.0.tpms.push(tpm);
        Ok(id)
    }

    fn next_license_number(&mut self) -> Result<u64, StoreError> {
        let of_tpms = self.0.tpms.iter().map(|tpm| tpm.license_number);
        let of_others = self.0.others.iter().map(|license| license.license_number);
        let newest = of_tpms.chain(of_others).max();
        Ok(newest.unwrap_or(1000) + 1)
    }

    fn update_tpm(&mut self, tpm: &Tpm) -> Result<(), StoreError> {
        must_exist(self.0.project_of_server(tpm.server).is_some(), "server_id")?;
        for known in self.0.tpms.iter_mut().filter(|known| known.id == tpm.id) {
            known.server = tpm.server;
            known.row = tpm.row.clone();
            known.row.issued.clear();
        }
        Ok(())
    }

    fn insert_file(&mut self, file: &LicenseFile) -> Result<(), StoreError> {
        must_exist(self.0.has_tpm(file.tpm), "tpm_id")?;
        let taken = (self.0.files.iter()).any(|other| {
            let same = other.revision == file.revision || other.to == file.to;
            other.id == file.id || (other.tpm == file.tpm && same)
        });
        must_be_new(taken, "a license file of this name")?;
        self.0.files.push(file.clone());
        Ok(())
    }

    fn files_of_tpm(&mut self, tpm: TpmId) -> Result<Vec<LicenseFile>, StoreError> {
        Ok(self.files(tpm))
    }

    fn file(&mut self, id: &FileId) -> Result<Option<(LicenseFile, Tpm)>, StoreError> {
        let Some(file) = self.0.files.iter().find(|file| file.id == *id).cloned() else {
            return Ok(None);
        };
        let tpm = self.tpms_where(|tpm| tpm.id == file.tpm).pop();
        Ok(tpm.map(|tpm| (file, tpm)))
    }

    fn append_ledger(&mut self, entry: &LedgerEntry) -> Result<(), StoreError> {
        let known = (self.0.distributors.iter()).any(|other| other.id == entry.distributor);
        must_exist(known, "distributor_id")?;
        must_exist(entry.tpm.is_none_or(|tpm| self.0.has_tpm(tpm)), "tpm_id")?;
        let is_grant = entry.reason == LedgerReason::Grant;
        must_exist(!is_grant || entry.tpm.is_none(), "tpm_id")?;
        let is_write_off = entry.reason == LedgerReason::WriteOff;
        must_exist(!is_write_off || entry.tpm.is_some(), "tpm_id")?;
        must_exist(entry.delta != 0, "delta")?;
        self.0.ledger.push(entry.clone());
        self.chain(entry);
        Ok(())
    }

    fn has_grant(
        &mut self,
        distributor: DistributorId,
        idempotency_key: &str,
    ) -> Result<bool, StoreError> {
        Ok(self.0.ledger.iter().any(|entry| {
            entry.distributor == distributor
                && entry.reason == LedgerReason::Grant
                && entry.idempotency_key.as_deref() == Some(idempotency_key)
        }))
    }

    fn balances(&mut self, distributor: DistributorId) -> Result<Vec<Balance>, StoreError> {
        let mut kinds: BTreeMap<&str, Balance> = BTreeMap::new();
        for entry in (self.0.ledger.iter()).filter(|entry| entry.distributor == distributor) {
            let balance = kinds.entry(&entry.kind).or_insert_with(|| Balance {
                kind: entry.kind.clone(),
                available: 0,
                granted: 0,
                written_off: 0,
            });
            balance.available += entry.delta;
            match entry.reason {
                LedgerReason::Grant => balance.granted += entry.delta,
                LedgerReason::WriteOff => balance.written_off += entry.delta,
                LedgerReason::Charge | LedgerReason::Credit => {}
            }
        }
        Ok(kinds.into_values().collect())
    }

    fn write_off_limit(&mut self, distributor: DistributorId) -> Result<Counts, StoreError> {
        let limits = self.0.write_off_limits.iter();
        let found = limits.rev().find(|(of, _)| *of == distributor);
        Ok(found.map(|(_, limit)| limit.clone()).unwrap_or_default())
    }

    fn set_write_off_limit(
        &mut self,
        distributor: DistributorId,
        limit: &Counts,
    ) -> Result<(), StoreError> {
        let known = (self.0.distributors.iter()).any(|other| other.id == distributor);
        must_exist(known, "distributor_id")?;
        (self.0.write_off_limits).retain(|(of, _)| *of != distributor);
        (self.0.write_off_limits).push((distributor, limit.clone()));
        Ok(())
    }
}
