//! Dongles, and licenses that are bound to one or to a list of cameras.

use std::collections::BTreeSet;

use sealgate_license::binding::DonglePublicKey;
use sealgate_license::entitlements::ListedMac;

use super::licenses::{read_term, term_text};
use super::{NONE, Params, SqlRow, SqlTx, counter, get, params, parse, unsigned};
use crate::rules::Counts;
use crate::store::others::{Dongle, MacClaim, OtherFile, OtherLicense, OthersTx};
use crate::store::{DistributorId, ServerId, StoreError};

fn read_key(bytes: &[u8], column: &'static str) -> Result<DonglePublicKey, StoreError> {
    DonglePublicKey::from_sec1(bytes).map_err(|_| StoreError::Unreadable { column })
}

fn read_dongle(row: &SqlRow) -> Result<Dongle, StoreError> {
    Ok(Dongle {
        public_key: read_key(&get::<Vec<u8>>(row, "public_key")?, "public_key")?,
        serial: get(row, "serial")?,
        distributor: parse(row, "distributor_id")?,
        added_utc_s: get(row, "added_utc_s")?,
        retired_utc_s: get(row, "retired_utc_s")?,
    })
}

/// Without its charge and files, which are rows of their own.
fn read_license(row: &SqlRow) -> Result<OtherLicense, StoreError> {
    let key: Option<Vec<u8>> = get(row, "dongle_key")?;
    Ok(OtherLicense {
        license_number: unsigned(row, "license_number")?,
        server: parse(row, "server_id")?,
        dongle: key.map(|key| read_key(&key, "dongle_key")).transpose()?,
        charged: Counts::none(),
        files: Vec::new(),
    })
}

fn read_count(row: &SqlRow) -> Result<(String, u32), StoreError> {
    Ok((get(row, "kind")?, unsigned(row, "count")?))
}

fn read_claim(row: &SqlRow) -> Result<MacClaim, StoreError> {
    Ok(MacClaim {
        mac: parse(row, "mac")?,
        license_number: unsigned(row, "license_number")?,
        distributor: parse(row, "distributor_id")?,
        term: read_term(row)?,
        contested: get(row, "contested")?,
    })
}

/// Every listed address with what is said of its license.
const CLAIMS: &str = "
    SELECT listed_macs.mac, listed_macs.license_number, listed_macs.contested,
           other_files.term, other_files.ends_utc_s, projects.distributor_id
    FROM listed_macs
    JOIN other_files USING (license_number, revision)
    JOIN other_licenses USING (license_number)
    JOIN servers ON servers.id = other_licenses.server_id
    JOIN projects ON projects.id = servers.project_id";

impl SqlTx<'_> {
    fn complete_other(&mut self, mut license: OtherLicense) -> Result<OtherLicense, StoreError> {
        let number = counter(license.license_number);
        license.charged = self
            .all(
                "read a charge",
                "SELECT kind, count FROM other_charges WHERE license_number = ?1",
                [number],
                read_count,
            )?
            .into_iter()
            .collect();
        license.files = self.all(
            "read a license's files",
            "SELECT * FROM other_files WHERE license_number = ?1 ORDER BY revision",
            [number],
            |row| {
                Ok(OtherFile {
                    revision: unsigned(row, "revision")?,
                    counts: Counts::none(),
                    macs: BTreeSet::new(),
                    contested: BTreeSet::new(),
                    term: read_term(row)?,
                    text: get(row, "text")?,
                    issued_utc_s: get(row, "issued_utc_s")?,
                })
            },
        )?;
        for file in &mut license.files {
            file.counts = self
                .all(
                    "read a license's counts",
                    "SELECT kind, count FROM other_counts
                     WHERE license_number = ?1 AND revision = ?2",
                    params![number, file.revision],
                    read_count,
                )?
                .into_iter()
                .collect();
            let listed: Vec<(ListedMac, bool)> = self.all(
                "read a license's list",
                "SELECT mac, contested FROM listed_macs
                 WHERE license_number = ?1 AND revision = ?2",
                params![number, file.revision],
                |row| Ok((parse(row, "mac")?, get(row, "contested")?)),
            )?;
            let flagged = listed.iter().filter(|(_, contested)| *contested);
            file.contested = flagged.map(|(mac, _)| *mac).collect();
            file.macs = listed.into_iter().map(|(mac, _)| mac).collect();
        }
        Ok(license)
    }

    fn others(
        &mut self,
        condition: &str,
        parameters: impl Params,
    ) -> Result<Vec<OtherLicense>, StoreError> {
        let sql = format!("SELECT * FROM other_licenses WHERE {condition} ORDER BY license_number");
        self.all("find a license", &sql, parameters, read_license)?
            .into_iter()
            .map(|license| self.complete_other(license))
            .collect()
    }
}

impl OthersTx for SqlTx<'_> {
    fn may_list_macs(&mut self, id: DistributorId) -> Result<bool, StoreError> {
        let may = self.one(
            "read a permission",
            "SELECT may_list_macs FROM distributors WHERE id = ?1",
            [id.to_string()],
            |row| get(row, "may_list_macs"),
        )?;
        Ok(may.unwrap_or(false))
    }

    fn set_may_list_macs(&mut self, id: DistributorId, may: bool) -> Result<(), StoreError> {
        self.execute(
            "set a permission",
            "UPDATE distributors SET may_list_macs = ?2 WHERE id = ?1",
            params![id.to_string(), may],
        )
    }

    fn insert_dongle(&mut self, dongle: &Dongle) -> Result<(), StoreError> {
        self.insert(
            "add a dongle",
            "a dongle of this serial number or key",
            "INSERT INTO dongles (public_key, serial, distributor_id, added_utc_s,
                                      retired_utc_s)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                dongle.public_key.as_bytes(),
                dongle.serial,
                dongle.distributor.to_string(),
                dongle.added_utc_s,
                dongle.retired_utc_s
            ],
        )
    }

    fn dongle(&mut self, key: &DonglePublicKey) -> Result<Option<Dongle>, StoreError> {
        self.one(
            "find a dongle",
            "SELECT * FROM dongles WHERE public_key = ?1",
            [key.as_bytes()],
            read_dongle,
        )
    }

    fn dongle_of_serial(&mut self, serial: &str) -> Result<Option<Dongle>, StoreError> {
        self.one(
            "find a dongle",
            "SELECT * FROM dongles WHERE serial = ?1 AND retired_utc_s IS NULL",
            [serial],
            read_dongle,
        )
    }

    fn retire_dongle(&mut self, key: &DonglePublicKey, at_utc_s: i64) -> Result<(), StoreError> {
        self.execute(
            "retire a dongle's key",
            "UPDATE dongles SET retired_utc_s = ?2 WHERE public_key = ?1 AND retired_utc_s IS NULL",
            params![key.as_bytes(), at_utc_s],
        )
    }

    fn other_license(&mut self, number: u64) -> Result<Option<OtherLicense>, StoreError> {
        Ok(self.others("license_number = ?1", [counter(number)])?.pop())
    }

    fn license_of_dongle(
        &mut self,
        key: &DonglePublicKey,
    ) -> Result<Option<OtherLicense>, StoreError> {
        Ok(self.others("dongle_key = ?1", [key.as_bytes()])?.pop())
    }

    fn other_licenses(&mut self, server: ServerId) -> Result<Vec<OtherLicense>, StoreError> {
        self.others("server_id = ?1", [server.to_string()])
    }

    fn ended_licenses(
        &mut self,
        of: DistributorId,
        by_utc_s: i64,
    ) -> Result<Vec<OtherLicense>, StoreError> {
        self.others(
            "license_number IN (SELECT license_number FROM other_ends WHERE ends_utc_s <= ?2)
             AND EXISTS (SELECT 1 FROM other_charges
                         WHERE other_charges.license_number = other_licenses.license_number)
             AND EXISTS (SELECT 1 FROM servers
                         JOIN projects ON projects.id = servers.project_id
                         WHERE servers.id = other_licenses.server_id
                           AND projects.distributor_id = ?1)",
            params![of.to_string(), by_utc_s],
        )
    }

    fn put_other_license(&mut self, license: &OtherLicense) -> Result<(), StoreError> {
        let number = counter(license.license_number);
        self.mark(license.server);
        self.execute(
            "add a license",
            "INSERT INTO other_licenses (license_number, server_id, dongle_key)
             VALUES (?1, ?2, ?3) ON CONFLICT (license_number) DO NOTHING",
            params![
                number,
                license.server.to_string(),
                license.dongle.as_ref().map(|key| key.as_bytes().as_slice())
            ],
        )?;
        self.execute(
            "update a charge",
            "DELETE FROM other_charges WHERE license_number = ?1",
            [number],
        )?;
        for (kind, count) in license.charged.iter() {
            self.execute(
                "update a charge",
                "INSERT INTO other_charges (license_number, kind, count) VALUES (?1, ?2, ?3)",
                params![number, kind, count],
            )?;
        }
        Ok(())
    }

    fn insert_other_file(&mut self, number: u64, file: &OtherFile) -> Result<(), StoreError> {
        let number = counter(number);
        self.execute(
            "add a license file",
            "INSERT INTO other_files (license_number, revision, term, ends_utc_s, text,
                                      issued_utc_s)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                number,
                file.revision,
                term_text(file.term),
                file.term.ends_utc_s(),
                file.text,
                file.issued_utc_s
            ],
        )?;
        for (kind, count) in file.counts.iter() {
            self.execute(
                "add a license file",
                "INSERT INTO other_counts (license_number, revision, kind, count)
                 VALUES (?1, ?2, ?3, ?4)",
                params![number, file.revision, kind, count],
            )?;
        }
        for mac in &file.macs {
            self.execute(
                "add a license file",
                "INSERT INTO listed_macs (license_number, revision, mac, contested)
                 VALUES (?1, ?2, ?3, ?4)",
                params![
                    number,
                    file.revision,
                    mac.to_string(),
                    file.contested.contains(mac)
                ],
            )?;
        }
        if let Some(ends_utc_s) = file.term.ends_utc_s() {
            self.execute(
                "add a license's end",
                "INSERT INTO other_ends (ends_utc_s, license_number) VALUES (?1, ?2)
                 ON CONFLICT DO NOTHING",
                params![ends_utc_s, number],
            )?;
        }
        let server = self.one(
            "find a license's server",
            "SELECT server_id FROM other_licenses WHERE license_number = ?1",
            [number],
            |row| parse(row, "server_id"),
        )?;
        if let Some(server) = server {
            self.mark(server);
        }
        Ok(())
    }

    fn mac_claims(&mut self, macs: &BTreeSet<ListedMac>) -> Result<Vec<MacClaim>, StoreError> {
        let sql = format!("{CLAIMS} WHERE listed_macs.mac = ?1");
        let mut claims = Vec::new();
        for mac in macs {
            claims.extend(self.all(
                "find listed addresses",
                &sql,
                [mac.to_string()],
                read_claim,
            )?);
        }
        Ok(claims)
    }

    fn contested_macs(&mut self) -> Result<Vec<MacClaim>, StoreError> {
        let sql = format!("{CLAIMS} WHERE listed_macs.contested = 1 ORDER BY listed_macs.mac");
        self.all("find listed addresses", &sql, NONE, read_claim)
    }
}
