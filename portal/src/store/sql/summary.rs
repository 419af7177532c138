//! What lists show, written in the transaction that changes what it follows from.

use super::{SqlTx, get, params, unsigned};
use crate::rules::Counts;
use crate::store::lists::{ListsTx as _, ServerKind, Summary};
use crate::store::others::OthersTx as _;
use crate::store::{LicensesTx as _, ProjectsTx as _, ServerId, StoreError};

impl SqlTx<'_> {
    /// The server's summary is to be written before the transaction ends.
    pub(super) fn mark(&mut self, server: ServerId) {
        self.stale.insert(server);
    }

    /// Writes what is to be written.
    pub(in crate::store) fn refresh(&mut self) -> Result<(), StoreError> {
        while let Some(server) = self.stale.pop_first() {
            self.refresh_server(server)?;
        }
        Ok(())
    }

    /// Writes the summaries that a migration left to be written, at most so many; how many
    /// it were.
    pub(in crate::store) fn refresh_stale(&mut self, limit: u32) -> Result<usize, StoreError> {
        let stale: Vec<ServerId> = self.all(
            "find stale summaries",
            "SELECT server_id FROM stale_servers ORDER BY server_id LIMIT ?1",
            [limit],
            |row| super::parse(row, "server_id"),
        )?;
        for server in &stale {
            self.refresh_server(*server)?;
            self.execute(
                "note a summary",
                "DELETE FROM stale_servers WHERE server_id = ?1",
                [server.to_string()],
            )?;
        }
        Ok(stale.len())
    }

    fn summary(&mut self, server: ServerId) -> Result<Summary, StoreError> {
        let mut tpms = Vec::new();
        for tpm in self.tpms_of_server(server)? {
            let issued = self.issued_to_tpm(tpm.id)?;
            tpms.push((tpm, issued));
        }
        let others = self.other_licenses(server)?;
        let newest_dongle = (others.iter())
            .filter(|other| other.dongle.is_some())
            .max_by_key(|other| other.files.last().map(|file| file.issued_utc_s));
        let serial = match newest_dongle.and_then(|other| other.dongle.as_ref()) {
            Some(key) => self.dongle(key)?.map(|dongle| dongle.serial),
            None => None,
        };
        Ok(Summary::of(&tpms, &others, serial))
    }

    fn refresh_server(&mut self, id: ServerId) -> Result<(), StoreError> {
        let Some(server) = self.server(id)? else {
            return Ok(());
        };
        let key = id.to_string();
        let was = self.counts_of(&key)?;
        let summary = self.summary(id)?;
        let serial = summary.serial.as_deref().unwrap_or_default();
        let modified = (summary.issued_utc_s.unwrap_or_default()).max(server.created_utc_s);
        self.execute(
            "write a summary",
            "UPDATE servers SET binding = ?2, serial = ?3, search = ?4, modified_utc_s = ?5,
                 waiting_since_utc_s = ?6 WHERE id = ?1",
            params![
                key,
                summary.binding.map(ServerKind::as_str),
                summary.serial,
                format!("{}\n{serial}", server.name).to_lowercase(),
                modified,
                summary.waiting_since_utc_s,
            ],
        )?;
        self.execute(
            "write a summary",
            "DELETE FROM server_counts WHERE server_id = ?1",
            [&key],
        )?;
        let all = (summary.licensed.plus(&summary.charged)).plus(&summary.waiting);
        for (kind, _) in all.iter() {
            self.execute(
                "write a summary",
                "INSERT INTO server_counts (server_id, kind, licensed, charged, waiting)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    key,
                    kind,
                    summary.licensed.get(kind),
                    summary.charged.get(kind),
                    summary.waiting.get(kind),
                ],
            )?;
        }
        let project = server.project.to_string();
        self.add_to_project(&project, &was, (&summary.charged, &summary.waiting))?;
        self.execute(
            "write a summary",
            "UPDATE projects SET modified_utc_s = ?2 WHERE id = ?1 AND modified_utc_s < ?2",
            params![project, modified],
        )
    }

    /// What a server is charged and waits for, as it is written down.
    pub(super) fn counts_of(&mut self, server: &str) -> Result<(Counts, Counts), StoreError> {
        let rows: Vec<(String, u32, u32)> = self.all(
            "read a summary",
            "SELECT kind, charged, waiting FROM server_counts WHERE server_id = ?1",
            [server],
            |row| {
                Ok((
                    get(row, "kind")?,
                    unsigned(row, "charged")?,
                    unsigned(row, "waiting")?,
                ))
            },
        )?;
        let charged = rows
            .iter()
            .map(|(kind, charged, _)| (kind.clone(), *charged));
        let waiting = rows
            .iter()
            .map(|(kind, _, waiting)| (kind.clone(), *waiting));
        Ok((charged.collect(), waiting.collect()))
    }

    /// A server of the project was charged `was.0` and gave back `was.1`, and now others.
    pub(super) fn add_to_project(
        &mut self,
        project: &str,
        was: &(Counts, Counts),
        now: (&Counts, &Counts),
    ) -> Result<(), StoreError> {
        let delta = |was: &Counts, now: &Counts, kind: &str| {
            i64::from(now.get(kind)) - i64::from(was.get(kind))
        };
        let kinds = (was.0.plus(&was.1)).plus(&now.0.plus(now.1));
        for (kind, _) in kinds.iter() {
            let charged = delta(&was.0, now.0, kind);
            let waiting = delta(&was.1, now.1, kind);
            if charged == 0 && waiting == 0 {
                continue;
            }
            self.execute(
                "add up a project",
                "INSERT INTO project_counts (project_id, kind, charged, waiting)
                 VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (project_id, kind) DO UPDATE SET
                     charged = project_counts.charged + excluded.charged,
                     waiting = project_counts.waiting + excluded.waiting",
                params![project, kind, charged, waiting],
            )?;
            if waiting != 0 {
                self.execute(
                    "add up a distributor",
                    "INSERT INTO balances
                         (distributor_id, kind, available, granted, written_off, waiting)
                     SELECT distributor_id, CAST(?2 AS TEXT), 0, 0, 0, CAST(?3 AS BIGINT)
                     FROM projects WHERE id = ?1
                     ON CONFLICT (distributor_id, kind) DO UPDATE SET
                         waiting = balances.waiting + excluded.waiting",
                    params![project, kind, waiting],
                )?;
            }
        }
        Ok(())
    }
}
