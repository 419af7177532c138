//! What is asked of the vendor, and what a box may fetch by itself.

use super::{SqlTx, get, params, parse};
use crate::store::work::{Claim, HardwareReport, WorkTx};
use crate::store::{ServerId, StoreError, UserId};

impl WorkTx for SqlTx<'_> {
    fn insert_claim(&mut self, claim: &Claim) -> Result<(), StoreError> {
        let counts = serde_json::to_string(&claim.counts)
            .map_err(|_| StoreError::Unreadable { column: "counts" })?;
        self.insert(
            "add a claim",
            "a claim of this code",
            "INSERT INTO claim_codes (code_sha256, server_id, user_id, counts, created_utc_s,
                                      expires_utc_s, used_by)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                claim.code_sha256,
                claim.server.to_string(),
                claim.user.to_string(),
                counts,
                claim.created_utc_s,
                claim.expires_utc_s,
                claim.used_by
            ],
        )
    }

    fn claim(&mut self, code_sha256: &[u8; 32]) -> Result<Option<Claim>, StoreError> {
        self.one(
            "find a claim",
            "SELECT * FROM claim_codes WHERE code_sha256 = ?1",
            [*code_sha256],
            |row| {
                Ok(Claim {
                    code_sha256: get(row, "code_sha256")?,
                    server: parse(row, "server_id")?,
                    user: parse(row, "user_id")?,
                    counts: serde_json::from_str(&get::<String>(row, "counts")?)
                        .map_err(|_| StoreError::Unreadable { column: "counts" })?,
                    created_utc_s: get(row, "created_utc_s")?,
                    expires_utc_s: get(row, "expires_utc_s")?,
                    used_by: get(row, "used_by")?,
                })
            },
        )
    }

    fn use_claim(&mut self, code_sha256: &[u8; 32], by: &str) -> Result<(), StoreError> {
        self.execute(
            "use a claim",
            "UPDATE claim_codes SET used_by = ?2 WHERE code_sha256 = ?1",
            params![*code_sha256, by],
        )
    }

    fn insert_report(
        &mut self,
        server: ServerId,
        user: UserId,
        note: &str,
        at_utc_s: i64,
    ) -> Result<(), StoreError> {
        self.execute(
            "add a report",
            "INSERT INTO hardware_reports (server_id, user_id, note, at_utc_s)
             VALUES (?1, ?2, ?3, ?4)",
            params![server.to_string(), user.to_string(), note, at_utc_s],
        )
    }

    fn open_reports(
        &mut self,
        of: Option<ServerId>,
        limit: u32,
    ) -> Result<Vec<HardwareReport>, StoreError> {
        self.refresh()?;
        self.all(
            "read the open reports",
            "SELECT hardware_reports.id, hardware_reports.server_id, hardware_reports.note,
                    hardware_reports.at_utc_s, servers.name, servers.serial,
                    distributors.name AS distributor_name, users.email
             FROM hardware_reports
             JOIN servers ON servers.id = hardware_reports.server_id
             JOIN projects ON projects.id = servers.project_id
             JOIN distributors ON distributors.id = projects.distributor_id
             JOIN users ON users.id = hardware_reports.user_id
             WHERE hardware_reports.decision IS NULL
               AND (CAST(?1 AS TEXT) IS NULL OR hardware_reports.server_id = ?1)
             ORDER BY hardware_reports.at_utc_s, hardware_reports.id LIMIT ?2",
            params![of.map(|of| of.to_string()), limit],
            |row| {
                Ok(HardwareReport {
                    id: get(row, "id")?,
                    server: parse(row, "server_id")?,
                    name: get(row, "name")?,
                    serial: get(row, "serial")?,
                    distributor: get(row, "distributor_name")?,
                    by: get(row, "email")?,
                    note: get(row, "note")?,
                    at_utc_s: get(row, "at_utc_s")?,
                })
            },
        )
    }

    fn decide_report(
        &mut self,
        id: i64,
        approved: bool,
        answer: &str,
        at_utc_s: i64,
    ) -> Result<Option<ServerId>, StoreError> {
        let decision = if approved { "approved" } else { "declined" };
        self.one(
            "decide about a report",
            "UPDATE hardware_reports SET decision = ?2, answer = ?3, decided_utc_s = ?4
             WHERE id = ?1 AND decision IS NULL RETURNING server_id",
            params![id, decision, answer, at_utc_s],
            |row| parse(row, "server_id"),
        )
    }
}
