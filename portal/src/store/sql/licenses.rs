//! TPMs, license files, the ledger.

use zeroize::Zeroizing;

use super::{NONE, Params, SqlRow, SqlTx, counter, get, params, parse, parse_optional, unsigned};
use crate::rules::{self, Counts, Custody, Forgotten, Issued, Term};
use crate::store::{
    Balance, DistributorId, FileId, LedgerEntry, LedgerReason, LicenseFile, LicensesTx, ServerId,
    StoreError, Tpm, TpmId, TpmIdentity,
};

fn reason_text(reason: LedgerReason) -> &'static str {
    match reason {
        LedgerReason::Grant => "grant",
        LedgerReason::Charge => "charge",
        LedgerReason::Credit => "credit",
        LedgerReason::WriteOff => "write_off",
    }
}

pub(super) fn read_entry(row: &SqlRow) -> Result<LedgerEntry, StoreError> {
    Ok(LedgerEntry {
        at_utc_ms: get(row, "at_utc_ms")?,
        distributor: parse(row, "distributor_id")?,
        kind: get(row, "kind")?,
        delta: get(row, "delta")?,
        reason: match get::<String>(row, "reason")?.as_str() {
            "grant" => LedgerReason::Grant,
            "charge" => LedgerReason::Charge,
            "credit" => LedgerReason::Credit,
            "write_off" => LedgerReason::WriteOff,
            _ => return Err(StoreError::Unreadable { column: "reason" }),
        },
        tpm: get::<Option<i64>>(row, "tpm_id")?.map(TpmId),
        note: get(row, "note")?,
        actor: parse_optional(row, "actor_id")?,
        idempotency_key: get(row, "idempotency_key")?,
    })
}

fn custody_text(custody: Custody) -> &'static str {
    match custody {
        Custody::Owner => "owner",
        Custody::WrittenOff => "written_off",
    }
}

fn read_custody(row: &SqlRow) -> Result<Custody, StoreError> {
    match get::<String>(row, "custody")?.as_str() {
        "owner" => Ok(Custody::Owner),
        "written_off" => Ok(Custody::WrittenOff),
        _ => Err(StoreError::Unreadable { column: "custody" }),
    }
}

fn read_forgotten(row: &SqlRow) -> Result<Option<Forgotten>, StoreError> {
    let counter = |column| -> Result<Option<u64>, StoreError> {
        get::<Option<i64>>(row, column)?
            .map(u64::try_from)
            .transpose()
            .map_err(|_| StoreError::Unreadable { column })
    };
    let fresh_at = counter("forgotten_fresh_at")?;
    Ok(counter("forgotten_after_to")?.map(|after_to| Forgotten { after_to, fresh_at }))
}

pub(super) fn term_text(term: Term) -> &'static str {
    match term {
        Term::Perpetual => "perpetual",
        Term::Trial { .. } => "trial",
        Term::Dated { .. } => "dated",
        Term::Overlap { .. } => "overlap",
    }
}

pub(super) fn read_term(row: &SqlRow) -> Result<Term, StoreError> {
    let ends: Option<i64> = get(row, "ends_utc_s")?;
    match (get::<String>(row, "term")?.as_str(), ends) {
        ("perpetual", None) => Ok(Term::Perpetual),
        ("trial", Some(ends_utc_s)) => Ok(Term::Trial { ends_utc_s }),
        ("dated", Some(ends_utc_s)) => Ok(Term::Dated { ends_utc_s }),
        ("overlap", Some(ends_utc_s)) => Ok(Term::Overlap { ends_utc_s }),
        _ => Err(StoreError::Unreadable { column: "term" }),
    }
}

/// A TPM without its charge and files, which are rows of their own.
fn read_tpm(row: &SqlRow) -> Result<Tpm, StoreError> {
    Ok(Tpm {
        id: TpmId(get(row, "id")?),
        identity: TpmIdentity {
            ek_name: get(row, "ek_name")?,
            ak_name: get(row, "ak_name")?,
        },
        class: parse(row, "trust_class")?,
        model: get(row, "model")?,
        serial: get(row, "serial")?,
        server: parse(row, "server_id")?,
        license_number: unsigned(row, "license_number")?,
        row: rules::Row {
            attested: unsigned(row, "attested")?,
            proven: unsigned(row, "proven")?,
            credited: unsigned(row, "credited")?,
            void_below: unsigned(row, "void_below")?,
            custody: read_custody(row)?,
            forgotten: read_forgotten(row)?,
            charged: Counts::none(),
            issued: Vec::new(),
        },
    })
}

/// A file without its counts, which are rows of their own.
fn read_file(row: &SqlRow) -> Result<LicenseFile, StoreError> {
    Ok(LicenseFile {
        id: FileId(get(row, "id")?),
        tpm: TpmId(get(row, "tpm_id")?),
        revision: unsigned(row, "revision")?,
        from: unsigned(row, "from_counter")?,
        to: unsigned(row, "to_counter")?,
        counts: Counts::none(),
        term: read_term(row)?,
        activation_secret: Zeroizing::new(get(row, "activation_secret")?),
        request_sha256: get(row, "request_sha256")?,
        text: get(row, "text")?,
        issued_utc_s: get(row, "issued_utc_s")?,
    })
}

fn read_count(row: &SqlRow) -> Result<(String, u32), StoreError> {
    Ok((get(row, "kind")?, unsigned(row, "count")?))
}

impl SqlTx<'_> {
    fn complete(&mut self, mut tpm: Tpm) -> Result<Tpm, StoreError> {
        tpm.row.charged = self
            .all(
                "read a charge",
                "SELECT kind, count FROM tpm_charges WHERE tpm_id = ?1",
                [tpm.id.0],
                read_count,
            )?
            .into_iter()
            .collect();
        let rows = self.all(
            "read a TPM's licenses",
            "SELECT license_files.id, from_counter, to_counter, term, ends_utc_s,
                    request_sha256, license_counts.kind, license_counts.count
             FROM license_files
             LEFT JOIN license_counts ON license_counts.file_id = license_files.id
             WHERE tpm_id = ?1 ORDER BY revision",
            [tpm.id.0],
            |row| {
                let issued = Issued {
                    id: get(row, "id")?,
                    from: unsigned(row, "from_counter")?,
                    to: unsigned(row, "to_counter")?,
                    counts: Counts::none(),
                    term: read_term(row)?,
                    request_sha256: get(row, "request_sha256")?,
                };
                let count = match get::<Option<String>>(row, "kind")? {
                    Some(kind) => Counts::of(&kind, unsigned(row, "count")?),
                    None => Counts::none(),
                };
                Ok((issued, count))
            },
        )?;
        for (issued, count) in rows {
            match tpm.row.issued.last_mut() {
                Some(last) if last.id == issued.id => last.counts = last.counts.plus(&count),
                _ => tpm.row.issued.push(Issued {
                    counts: count,
                    ..issued
                }),
            }
        }
        Ok(tpm)
    }

    fn tpms_where(
        &mut self,
        operation: &'static str,
        sql: &str,
        params: impl Params,
    ) -> Result<Vec<Tpm>, StoreError> {
        self.all(operation, sql, params, read_tpm)?
            .into_iter()
            .map(|tpm| self.complete(tpm))
            .collect()
    }

    fn counts_of_file(&mut self, id: &FileId) -> Result<Counts, StoreError> {
        let pairs = self.all(
            "read a license's counts",
            "SELECT kind, count FROM license_counts WHERE file_id = ?1",
            [&id.0],
            read_count,
        )?;
        Ok(pairs.into_iter().collect())
    }
}

impl LicensesTx for SqlTx<'_> {
    fn tpm(&mut self, identity: &TpmIdentity) -> Result<Option<Tpm>, StoreError> {
        self.one(
            "find a TPM",
            "SELECT * FROM tpms WHERE ek_name = ?1 AND ak_name = ?2",
            params![identity.ek_name, identity.ak_name],
            read_tpm,
        )?
        .map(|tpm| self.complete(tpm))
        .transpose()
    }

    fn tpms_of_server(&mut self, server: ServerId) -> Result<Vec<Tpm>, StoreError> {
        self.tpms_where(
            "find a server's TPMs",
            "SELECT * FROM tpms WHERE server_id = ?1 ORDER BY id",
            [server.to_string()],
        )
    }

    fn tpms_of_ek(&mut self, ek_name: &str) -> Result<Vec<Tpm>, StoreError> {
        self.tpms_where(
            "find an endorsement key's TPMs",
            "SELECT * FROM tpms WHERE ek_name = ?1 ORDER BY id",
            [ek_name],
        )
    }

    fn tpms(&mut self) -> Result<Vec<Tpm>, StoreError> {
        self.tpms_where("read the TPMs", "SELECT * FROM tpms ORDER BY id", NONE)
    }

    fn tpms_with_ended_licenses(
        &mut self,
        distributor: Option<DistributorId>,
        by_utc_s: i64,
    ) -> Result<Vec<Tpm>, StoreError> {
        self.tpms_where(
            "find ended licenses",
            "SELECT tpms.* FROM tpms
             JOIN servers ON servers.id = tpms.server_id
             JOIN projects ON projects.id = servers.project_id
             WHERE tpms.id IN (SELECT tpm_id FROM license_ends WHERE ends_utc_s <= ?2)
               AND (CAST(?1 AS TEXT) IS NULL OR projects.distributor_id = ?1)
               AND EXISTS (SELECT 1 FROM tpm_charges WHERE tpm_id = tpms.id)
             ORDER BY tpms.id",
            params![distributor.map(|id| id.to_string()), by_utc_s],
        )
    }

    fn insert_tpm(&mut self, tpm: &Tpm) -> Result<TpmId, StoreError> {
        let id = self.one(
            "add a TPM",
            "INSERT INTO tpms (ek_name, ak_name, trust_class, model, serial, server_id,
                               license_number, attested, proven)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0) RETURNING id",
            params![
                tpm.identity.ek_name,
                tpm.identity.ak_name,
                tpm.class.as_str(),
                tpm.model,
                tpm.serial,
                tpm.server.to_string(),
                counter(tpm.license_number),
            ],
            |row| get(row, "id"),
        )?;
        let id = TpmId(id.ok_or(StoreError::Unreadable { column: "id" })?);
        self.update_tpm(&Tpm { id, ..tpm.clone() })?;
        Ok(id)
    }

    fn next_license_number(&mut self) -> Result<u64, StoreError> {
        let next = self.one(
            "find the next license number",
            "SELECT COALESCE(MAX(newest), 1000) + 1 AS next FROM
                 (SELECT MAX(license_number) AS newest FROM tpms
                  UNION ALL SELECT MAX(license_number) FROM other_licenses) AS newest_of_each",
            NONE,
            |row| unsigned(row, "next"),
        )?;
        next.ok_or(StoreError::Unreadable {
            column: "license_number",
        })
    }

    fn update_tpm(&mut self, tpm: &Tpm) -> Result<(), StoreError> {
        let row = &tpm.row;
        let stood = self.one(
            "find a TPM's server",
            "SELECT server_id FROM tpms WHERE id = ?1",
            [tpm.id.0],
            |row| parse(row, "server_id"),
        )?;
        for server in stood.into_iter().chain([tpm.server]) {
            self.mark(server);
        }
        self.execute(
            "update a TPM",
            "UPDATE tpms SET server_id = ?2, attested = ?3, proven = ?4, credited = ?5,
                 void_below = ?6, custody = ?7, forgotten_after_to = ?8,
                 forgotten_fresh_at = ?9 WHERE id = ?1",
            params![
                tpm.id.0,
                tpm.server.to_string(),
                counter(row.attested),
                counter(row.proven),
                counter(row.credited),
                counter(row.void_below),
                custody_text(row.custody),
                row.forgotten.map(|forgotten| counter(forgotten.after_to)),
                (row.forgotten.and_then(|forgotten| forgotten.fresh_at)).map(counter),
            ],
        )?;
        self.execute(
            "update a charge",
            "DELETE FROM tpm_charges WHERE tpm_id = ?1",
            [tpm.id.0],
        )?;
        for (kind, count) in tpm.row.charged.iter() {
            self.execute(
                "update a charge",
                "INSERT INTO tpm_charges (tpm_id, kind, count) VALUES (?1, ?2, ?3)",
                params![tpm.id.0, kind, count],
            )?;
        }
        Ok(())
    }

    fn insert_file(&mut self, file: &LicenseFile) -> Result<(), StoreError> {
        self.execute(
            "add a license file",
            "INSERT INTO license_files (id, tpm_id, revision, from_counter, to_counter,
                 activation_secret, request_sha256, text, issued_utc_s, term, ends_utc_s)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                file.id.0,
                file.tpm.0,
                file.revision,
                counter(file.from),
                counter(file.to),
                *file.activation_secret,
                file.request_sha256,
                file.text,
                file.issued_utc_s,
                term_text(file.term),
                file.term.ends_utc_s(),
            ],
        )?;
        for (kind, count) in file.counts.iter() {
            self.execute(
                "add a license file",
                "INSERT INTO license_counts (file_id, kind, count) VALUES (?1, ?2, ?3)",
                params![file.id.0, kind, count],
            )?;
        }
        if let Some(ends_utc_s) = file.term.ends_utc_s() {
            self.execute(
                "add a license's end",
                "INSERT INTO license_ends (ends_utc_s, tpm_id) VALUES (?1, ?2)
                 ON CONFLICT DO NOTHING",
                params![ends_utc_s, file.tpm.0],
            )?;
        }
        let server = self.one(
            "find a TPM's server",
            "SELECT server_id FROM tpms WHERE id = ?1",
            [file.tpm.0],
            |row| parse(row, "server_id"),
        )?;
        if let Some(server) = server {
            self.mark(server);
        }
        Ok(())
    }

    fn files_of_tpm(&mut self, tpm: TpmId) -> Result<Vec<LicenseFile>, StoreError> {
        let mut files = self.all(
            "read a TPM's license files",
            "SELECT * FROM license_files WHERE tpm_id = ?1 ORDER BY revision",
            [tpm.0],
            read_file,
        )?;
        let counts: Vec<(String, String, u32)> = self.all(
            "read the counts of licenses",
            "SELECT file_id, kind, count FROM license_counts
             WHERE file_id IN (SELECT id FROM license_files WHERE tpm_id = ?1)",
            [tpm.0],
            |row| {
                Ok((
                    get(row, "file_id")?,
                    get(row, "kind")?,
                    unsigned(row, "count")?,
                ))
            },
        )?;
        for file in &mut files {
            file.counts = (counts.iter())
                .filter(|(id, _, _)| *id == file.id.0)
                .map(|(_, kind, count)| (kind.clone(), *count))
                .collect();
        }
        Ok(files)
    }

    fn file(&mut self, id: &FileId) -> Result<Option<(LicenseFile, Tpm)>, StoreError> {
        let found = self.one(
            "find a license file",
            "SELECT * FROM license_files WHERE id = ?1",
            [&id.0],
            read_file,
        )?;
        let Some(mut file) = found else {
            return Ok(None);
        };
        file.counts = self.counts_of_file(&file.id)?;
        let tpm = self
            .tpms_where(
                "find a file's TPM",
                "SELECT * FROM tpms WHERE id = ?1",
                [file.tpm.0],
            )?
            .pop();
        Ok(tpm.map(|tpm| (file, tpm)))
    }

    fn append_ledger(&mut self, entry: &LedgerEntry) -> Result<(), StoreError> {
        let only = |reason| {
            if entry.reason == reason {
                entry.delta
            } else {
                0
            }
        };
        let balance = self.one(
            "add up a balance",
            "INSERT INTO balances (distributor_id, kind, available, granted, written_off)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (distributor_id, kind) DO UPDATE SET
                 available = balances.available + excluded.available,
                 granted = balances.granted + excluded.granted,
                 written_off = balances.written_off + excluded.written_off
             RETURNING available",
            params![
                entry.distributor.to_string(),
                entry.kind,
                entry.delta,
                only(LedgerReason::Grant),
                only(LedgerReason::WriteOff),
            ],
            |row| get::<i64>(row, "available"),
        )?;
        let seq = self.one(
            "write the ledger",
            "INSERT INTO ledger (at_utc_ms, distributor_id, kind, delta, balance, reason, tpm_id,
                                 note, actor_id, idempotency_key)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) RETURNING seq",
            params![
                entry.at_utc_ms,
                entry.distributor.to_string(),
                entry.kind,
                entry.delta,
                balance,
                reason_text(entry.reason),
                entry.tpm.map(|id| id.0),
                entry.note,
                entry.actor.map(|id| id.to_string()),
                entry.idempotency_key
            ],
            |row| get(row, "seq"),
        )?;
        let seq = seq.ok_or(StoreError::Unreadable { column: "seq" })?;
        self.chain(seq, entry)
    }

    fn has_grant(
        &mut self,
        distributor: DistributorId,
        idempotency_key: &str,
    ) -> Result<bool, StoreError> {
        let found = self.one(
            "find a grant",
            "SELECT seq FROM ledger WHERE distributor_id = ?1 AND idempotency_key = ?2
             AND reason = 'grant' LIMIT 1",
            params![distributor.to_string(), idempotency_key],
            |row| get::<i64>(row, "seq"),
        )?;
        Ok(found.is_some())
    }

    fn balances(&mut self, distributor: DistributorId) -> Result<Vec<Balance>, StoreError> {
        self.all(
            "add up a balance",
            "SELECT kind, available, granted, written_off FROM balances
             WHERE distributor_id = ?1
             ORDER BY kind",
            [distributor.to_string()],
            |row| {
                Ok(Balance {
                    kind: get(row, "kind")?,
                    available: get(row, "available")?,
                    granted: get(row, "granted")?,
                    written_off: get(row, "written_off")?,
                })
            },
        )
    }

    fn write_off_limit(&mut self, distributor: DistributorId) -> Result<Counts, StoreError> {
        let pairs = self.all(
            "read a write-off limit",
            "SELECT kind, count FROM write_off_limits WHERE distributor_id = ?1",
            [distributor.to_string()],
            read_count,
        )?;
        Ok(pairs.into_iter().collect())
    }

    fn set_write_off_limit(
        &mut self,
        distributor: DistributorId,
        limit: &Counts,
    ) -> Result<(), StoreError> {
        let id = distributor.to_string();
        self.execute(
            "set a write-off limit",
            "DELETE FROM write_off_limits WHERE distributor_id = ?1",
            [&id],
        )?;
        for (kind, count) in limit.iter() {
            self.execute(
                "set a write-off limit",
                "INSERT INTO write_off_limits (distributor_id, kind, count) VALUES (?1, ?2, ?3)",
                params![id, kind, count],
            )?;
        }
        Ok(())
    }
}
