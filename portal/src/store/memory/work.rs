//! What is asked of the vendor, and what a box may fetch by itself.

use super::{MemoryTx, must_be_new};
use crate::store::lists::ListsTx as _;
use crate::store::work::{Claim, HardwareReport, WorkTx};
use crate::store::{ServerId, StoreError, UserId};

/// A report as it is kept.
#[derive(Debug, Clone)]
pub(super) struct KeptReport {
    server: ServerId,
    user: UserId,
    note: String,
    at_utc_s: i64,
    open: bool,
}

impl WorkTx for MemoryTx {
    fn insert_claim(&mut self, claim: &Claim) -> Result<(), StoreError> {
        let taken = self.claim(&claim.code_sha256)?.is_some();
        must_be_new(taken, "a claim of this code")?;
        self.0.claims.push(claim.clone());
        Ok(())
    }

    fn claim(&mut self, code_sha256: &[u8; 32]) -> Result<Option<Claim>, StoreError> {
        let found = (self.0.claims.iter()).find(|claim| claim.code_sha256 == *code_sha256);
        Ok(found.cloned())
    }

    fn use_claim(&mut self, code_sha256: &[u8; 32], by: &str) -> Result<(), StoreError> {
        for claim in (self.0.claims.iter_mut()).filter(|claim| claim.code_sha256 == *code_sha256) {
            claim.used_by = Some(by.to_owned());
        }
        Ok(())
    }

    fn insert_report(
        &mut self,
        server: ServerId,
        user: UserId,
        note: &str,
        at_utc_s: i64,
    ) -> Result<(), StoreError> {
        self.0.reports.push(KeptReport {
            server,
            user,
            note: note.to_owned(),
            at_utc_s,
            open: true,
        });
        Ok(())
    }

    fn open_reports(
        &mut self,
        of: Option<ServerId>,
        limit: u32,
    ) -> Result<Vec<HardwareReport>, StoreError> {
        let open: Vec<(i64, KeptReport)> = (1..)
            .zip(self.0.reports.iter().cloned())
            .filter(|(_, report)| report.open && of.is_none_or(|of| report.server == of))
            .take(limit as usize)
            .collect();
        let mut reports = Vec::new();
        for (id, report) in open {
            let missing = StoreError::Unreadable {
                column: "server_id",
            };
            let row = self.server_row(report.server)?.ok_or(missing)?;
            let project = self.project_row(row.server.project)?;
            let user = self.0.users.iter().find(|user| user.id == report.user);
            reports.push(HardwareReport {
                id,
                server: report.server,
                name: row.server.name,
                serial: row.summary.serial,
                distributor: project.map(|row| row.distributor).unwrap_or_default(),
                by: user.map(|user| user.email.clone()).unwrap_or_default(),
                note: report.note,
                at_utc_s: report.at_utc_s,
            });
        }
        Ok(reports)
    }

    fn decide_report(
        &mut self,
        id: i64,
        _approved: bool,
        _answer: &str,
        _at_utc_s: i64,
    ) -> Result<Option<ServerId>, StoreError> {
        let at = usize::try_from(id - 1).ok();
        let kept = at.and_then(|at| self.0.reports.get_mut(at));
        Ok(kept.filter(|report| report.open).map(|report| {
            report.open = false;
            report.server
        }))
    }
}
