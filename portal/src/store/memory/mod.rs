//! The store in memory: for tests of the desk, and the second opinion that the contract
//! suite asks for. It keeps the same promises as SQLite, and loses everything at the end.

mod accounts;
mod licenses;
mod lists;
mod others;
mod people;
mod projects;
mod work;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;

use uuid::Uuid;

use super::lists::{DistributorFacts, ServerKind};
use super::others::{Dongle, OtherLicense};
use super::people::{ApiToken, Attempts, Authenticator};
use super::work::Claim;
use super::{
    AuditEntry, Distributor, DistributorId, EkRootEntry, LedgerEntry, LicenseFile, PasswordLink,
    Project, ProjectId, Server, ServerId, Session, Store, StoreError, TokenHash, Tpm, TpmId, Tx,
    User, UserId, Verdict,
};
use crate::rules::Counts;

/// A portal database in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    tables: Mutex<Tables>,
}

/// Rows in the order of their insertion.
#[derive(Debug, Clone, Default)]
struct Tables {
    meta: BTreeMap<String, String>,
    users: Vec<User>,
    links: Vec<PasswordLink>,
    sessions: Vec<Session>,
    audit: Vec<AuditEntry>,
    ek_roots: Vec<EkRootEntry>,
    distributors: Vec<Distributor>,
    projects: Vec<Project>,
    servers: Vec<Server>,
    /// Their rows without the licenses, which are the files.
    tpms: Vec<Tpm>,
    files: Vec<LicenseFile>,
    ledger: Vec<LedgerEntry>,
    chain: Vec<[u8; 32]>,
    parents: BTreeMap<DistributorId, DistributorId>,
    second_steps: Vec<(TokenHash, UserId, i64)>,
    authenticators: Vec<(UserId, bool, Authenticator)>,
    recovery_codes: Vec<(UserId, [u8; 32])>,
    api_tokens: Vec<ApiToken>,
    attempts: BTreeMap<[u8; 32], Attempts>,
    write_off_limits: Vec<(DistributorId, Counts)>,
    mac_listers: BTreeSet<DistributorId>,
    dongles: Vec<Dongle>,
    others: Vec<OtherLicense>,
    facts: BTreeMap<DistributorId, DistributorFacts>,
    archived: BTreeSet<ProjectId>,
    intended: HashMap<ServerId, ServerKind>,
    /// Of distributors, projects and servers, once they were changed.
    versions: HashMap<Uuid, i64>,
    answers: HashMap<(UserId, String), ([u8; 32], String)>,
    claims: Vec<Claim>,
    reports: Vec<work::KeptReport>,
    settled_ends: BTreeSet<(i64, i64)>,
    settled_other_ends: BTreeSet<(u64, i64)>,
}

/// A transaction: works on a copy.
struct MemoryTx(Tables);

impl MemoryStore {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Store for MemoryStore {
    fn run(&self, work: &mut dyn FnMut(&mut dyn Tx) -> Verdict) -> Result<(), StoreError> {
        let mut tables = self.tables.lock().map_err(|_| StoreError::Poisoned)?;
        let mut tx = MemoryTx(tables.clone());
        if work(&mut tx) == Verdict::Commit {
            *tables = tx.0;
        }
        Ok(())
    }
}

/// Refuses what a foreign key would refuse in SQL.
fn must_exist(exists: bool, column: &'static str) -> Result<(), StoreError> {
    if exists {
        Ok(())
    } else {
        Err(StoreError::Unreadable { column })
    }
}

/// Refuses what a UNIQUE rule would refuse in SQL.
fn must_be_new(taken: bool, what: &'static str) -> Result<(), StoreError> {
    if taken {
        Err(StoreError::Taken { what })
    } else {
        Ok(())
    }
}

impl Tables {
    fn project_of_server(&self, id: ServerId) -> Option<ProjectId> {
        let server = self.servers.iter().find(|server| server.id == id)?;
        Some(server.project)
    }

    fn distributor_of_server(&self, id: ServerId) -> Option<DistributorId> {
        let project = self.project_of_server(id)?;
        let project = self.projects.iter().find(|other| other.id == project)?;
        Some(project.distributor)
    }

    fn has_tpm(&self, id: TpmId) -> bool {
        self.tpms.iter().any(|tpm| tpm.id == id)
    }
}
