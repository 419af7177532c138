//! What is asked of the vendor, and what a box may fetch by itself.

use super::{ServerId, StoreError, UserId};
use crate::rules::Counts;

/// Lets a box fetch one license by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// SHA-256 of the code, which itself is not kept.
    pub code_sha256: [u8; 32],
    /// For which server.
    pub server: ServerId,
    /// Who ordered.
    pub user: UserId,
    /// What the license gives.
    pub counts: Counts,
    /// Seconds since 1970.
    pub created_utc_s: i64,
    /// Until when it may be used; seconds since 1970.
    pub expires_utc_s: i64,
    /// The Name of the attestation key that used it.
    pub used_by: Option<String>,
}

/// Hardware that a distributor reports as failed or lost, and nobody decided about yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HardwareReport {
    /// Its number.
    pub id: i64,
    /// Which server's box.
    pub server: ServerId,
    /// The server's name.
    pub name: String,
    /// The serial number of its box.
    pub serial: Option<String>,
    /// The name of whose it is.
    pub distributor: String,
    /// Who reports.
    pub by: String,
    /// What happened.
    pub note: String,
    /// Seconds since 1970.
    pub at_utc_s: i64,
}

/// Claims and reports.
pub trait WorkTx {
    /// Adds a claim.
    fn insert_claim(&mut self, claim: &Claim) -> Result<(), StoreError>;
    /// Finds a claim by the hash of its code.
    fn claim(&mut self, code_sha256: &[u8; 32]) -> Result<Option<Claim>, StoreError>;
    /// This attestation key used it.
    fn use_claim(&mut self, code_sha256: &[u8; 32], by: &str) -> Result<(), StoreError>;
    /// Adds a report.
    fn insert_report(
        &mut self,
        server: ServerId,
        user: UserId,
        note: &str,
        at_utc_s: i64,
    ) -> Result<(), StoreError>;
    /// The open reports, oldest first, at most `limit`; of one server, or of all.
    fn open_reports(
        &mut self,
        of: Option<ServerId>,
        limit: u32,
    ) -> Result<Vec<HardwareReport>, StoreError>;
    /// Decides about an open report, and says of which server it is.
    fn decide_report(
        &mut self,
        id: i64,
        approved: bool,
        answer: &str,
        at_utc_s: i64,
    ) -> Result<Option<ServerId>, StoreError>;
}
