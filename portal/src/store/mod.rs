//! What the portal remembers, as traits: SQLite and PostgreSQL implement them with the same
//! statements, and memory for tests; one contract suite holds for all, and the rooms above
//! speak no SQL.
//!
//! Everything that changes, changes in one transaction ([`transact`]). All calls block:
//! `web` makes them on tokio's blocking threads.
//!
//! Invariants the store itself keeps: the ledger and the audit are append-only, ids
//! refer to what exists, `to` values of a TPM are unique. Deliberately absent: who may
//! see what (the desk's) and what a license costs (the rules').

pub mod lists;
pub mod memory;
pub mod others;
pub mod people;
pub mod postgres;
mod sql;
pub mod sqlite;
mod types;
pub mod work;

use crate::rules::Counts;
use lists::ListsTx;
use others::OthersTx;
use people::PeopleTx;
pub use types::{
    AuditEntry, Balance, Distributor, DistributorId, EkRootEntry, FileId, LedgerEntry,
    LedgerReason, LicenseFile, Origin, PasswordLink, Project, ProjectId, Role, Server, ServerId,
    Session, TokenHash, TokenId, Tpm, TpmId, TpmIdentity, User, UserId,
};
use work::WorkTx;

/// Why the database did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite or PostgreSQL refused.
    #[error("the database failed to {operation}")]
    Database {
        /// What was tried.
        operation: &'static str,
        /// The database's words.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file can't be opened or made.
    #[error("the database's file can't be opened")]
    File(#[source] std::io::Error),
    /// A column holds what this version never writes.
    #[error("the database holds an unreadable {column}")]
    Unreadable {
        /// The column.
        column: &'static str,
    },
    /// A newer version of the portal migrated it.
    #[error("the database has schema {found}, and this version reads up to {newest}")]
    NewerSchema {
        /// The database's schema.
        found: i64,
        /// The newest schema this version knows.
        newest: i64,
    },
    /// A file is no copy of a portal's database.
    #[error("the file is no whole backup of a portal")]
    NotABackup,
    /// A name that must be unique is taken.
    #[error("{what} exists already")]
    Taken {
        /// Of what kind.
        what: &'static str,
    },
    /// A thread panicked while it held the database.
    #[error("the database was left in the middle of something")]
    Poisoned,
}

/// A database.
pub trait Store: Send + Sync {
    /// Runs `work` in one transaction that excludes every other writer, and keeps what it
    /// did only when it returns [`Verdict::Commit`].
    ///
    /// # Errors
    /// The database failed; nothing of the transaction is kept, except that a failure of
    /// the commit itself may leave either state.
    fn run(&self, work: &mut dyn FnMut(&mut dyn Tx) -> Verdict) -> Result<(), StoreError>;
}

impl<S: Store + ?Sized> Store for Box<S> {
    fn run(&self, work: &mut dyn FnMut(&mut dyn Tx) -> Verdict) -> Result<(), StoreError> {
        (**self).run(work)
    }
}

/// What becomes of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Keep it.
    Commit,
    /// As if nothing had been.
    RollBack,
}

/// Runs `work` in one transaction; an error rolls back.
///
/// # Errors
/// What `work` returned, or the database's own failure.
pub fn transact<T, E: From<StoreError>>(
    store: &dyn Store,
    work: impl FnOnce(&mut dyn Tx) -> Result<T, E>,
) -> Result<T, E> {
    let mut work = Some(work);
    let mut outcome = None;
    store.run(&mut |tx| {
        let Some(work) = work.take() else {
            return Verdict::RollBack;
        };
        let result = work(tx);
        let verdict = match result {
            Ok(_) => Verdict::Commit,
            Err(_) => Verdict::RollBack,
        };
        outcome = Some(result);
        verdict
    })?;
    outcome.expect("a store that returns Ok has run the work")
}

/// Accounts, sessions and the portal's own facts.
pub trait AccountsTx {
    /// A fact about the portal itself.
    fn meta(&mut self, key: &str) -> Result<Option<String>, StoreError>;
    /// Sets it.
    fn set_meta(&mut self, key: &str, value: &str) -> Result<(), StoreError>;
    /// Adds a user; `Taken` when the e-mail address is.
    fn insert_user(&mut self, user: &User) -> Result<(), StoreError>;
    /// Finds a user, whatever the case of the address.
    fn user_by_email(&mut self, email: &str) -> Result<Option<User>, StoreError>;
    /// Finds a user.
    fn user(&mut self, id: UserId) -> Result<Option<User>, StoreError>;
    /// Sets a password, and ends all sessions of the user.
    fn set_password(&mut self, id: UserId, phc: &str) -> Result<(), StoreError>;
    /// Adds a one-time link.
    fn insert_password_link(&mut self, link: &PasswordLink) -> Result<(), StoreError>;
    /// Reads a link that has not expired, without using it up.
    fn password_link(
        &mut self,
        token: &TokenHash,
        now_utc_s: i64,
    ) -> Result<Option<PasswordLink>, StoreError>;
    /// Uses up every link of a user.
    fn delete_password_links(&mut self, user: UserId) -> Result<(), StoreError>;
    /// Adds a session, and forgets the expired ones.
    fn insert_session(&mut self, session: &Session, now_utc_s: i64) -> Result<(), StoreError>;
    /// Reads a session that has not expired, with its user.
    fn session(
        &mut self,
        token: &TokenHash,
        now_utc_s: i64,
    ) -> Result<Option<(Session, User)>, StoreError>;
    /// Ends a session.
    fn delete_session(&mut self, token: &TokenHash) -> Result<(), StoreError>;
    /// Adds to the audit.
    fn append_audit(&mut self, entry: &AuditEntry) -> Result<(), StoreError>;
    /// The audit of one object, newest first, at most `limit` entries.
    fn audit_of(&mut self, object: &str, limit: u32) -> Result<Vec<AuditEntry>, StoreError>;
    /// Adds an EK root, or changes the class of one that is there.
    fn put_ek_root(&mut self, root: &EkRootEntry) -> Result<(), StoreError>;
    /// All EK roots, in the order of their subjects.
    fn ek_roots(&mut self) -> Result<Vec<EkRootEntry>, StoreError>;
}

/// Distributors, projects and servers.
pub trait ProjectsTx {
    /// Adds a distributor; `Taken` when the name is.
    fn insert_distributor(&mut self, distributor: &Distributor) -> Result<(), StoreError>;
    /// All distributors, by name.
    fn distributors(&mut self) -> Result<Vec<Distributor>, StoreError>;
    /// Finds a distributor.
    fn distributor(&mut self, id: DistributorId) -> Result<Option<Distributor>, StoreError>;
    /// Adds a project; `Taken` when the distributor has one of this name.
    fn insert_project(&mut self, project: &Project) -> Result<(), StoreError>;
    /// The projects of a distributor, or of all, built-in ones last, then by name.
    fn projects(&mut self, of: Option<DistributorId>) -> Result<Vec<Project>, StoreError>;
    /// Finds a project.
    fn project(&mut self, id: ProjectId) -> Result<Option<Project>, StoreError>;
    /// Adds a server; `Taken` when the project has one of this name.
    fn insert_server(&mut self, server: &Server) -> Result<(), StoreError>;
    /// The servers of a project, by name.
    fn servers(&mut self, of: ProjectId) -> Result<Vec<Server>, StoreError>;
    /// Finds a server.
    fn server(&mut self, id: ServerId) -> Result<Option<Server>, StoreError>;
    /// Puts a server into another project; `Taken` when that has one of its name.
    fn move_server(&mut self, id: ServerId, to: ProjectId) -> Result<(), StoreError>;
    /// What the licenses of a project's servers are charged, in sum.
    fn project_charge(&mut self, id: ProjectId) -> Result<Counts, StoreError>;
}

/// TPMs, license files and the ledger.
pub trait LicensesTx {
    /// Finds the state of an (EK, AK) pair, its files included.
    fn tpm(&mut self, identity: &TpmIdentity) -> Result<Option<Tpm>, StoreError>;
    /// The TPMs that a server had, oldest first.
    fn tpms_of_server(&mut self, server: ServerId) -> Result<Vec<Tpm>, StoreError>;
    /// The pairs of an endorsement key, oldest first.
    fn tpms_of_ek(&mut self, ek_name: &str) -> Result<Vec<Tpm>, StoreError>;
    /// All of them, oldest first.
    fn tpms(&mut self) -> Result<Vec<Tpm>, StoreError>;
    /// The TPMs of the servers of a distributor, or of all, that are charged and had a license
    /// that ended by then.
    fn tpms_with_ended_licenses(
        &mut self,
        distributor: Option<DistributorId>,
        by_utc_s: i64,
    ) -> Result<Vec<Tpm>, StoreError>;
    /// Adds a pair with nothing issued, and returns it.
    fn insert_tpm(&mut self, tpm: &Tpm) -> Result<TpmId, StoreError>;
    /// The license number for the next pair.
    fn next_license_number(&mut self) -> Result<u64, StoreError>;
    /// Writes back all of a row but its licenses, and the server.
    fn update_tpm(&mut self, tpm: &Tpm) -> Result<(), StoreError>;
    /// Adds a file.
    fn insert_file(&mut self, file: &LicenseFile) -> Result<(), StoreError>;
    /// The files of a TPM, oldest first.
    fn files_of_tpm(&mut self, tpm: TpmId) -> Result<Vec<LicenseFile>, StoreError>;
    /// Finds a file, with its TPM.
    fn file(&mut self, id: &FileId) -> Result<Option<(LicenseFile, Tpm)>, StoreError>;
    /// Adds to the ledger.
    fn append_ledger(&mut self, entry: &LedgerEntry) -> Result<(), StoreError>;
    /// Was a grant with this key entered before?
    fn has_grant(
        &mut self,
        distributor: DistributorId,
        idempotency_key: &str,
    ) -> Result<bool, StoreError>;
    /// A distributor's balances, per kind that was ever granted or charged.
    fn balances(&mut self, distributor: DistributorId) -> Result<Vec<Balance>, StoreError>;
    /// How many channels a distributor may have written off at a time.
    fn write_off_limit(&mut self, distributor: DistributorId) -> Result<Counts, StoreError>;
    /// Sets it.
    fn set_write_off_limit(
        &mut self,
        distributor: DistributorId,
        limit: &Counts,
    ) -> Result<(), StoreError>;
}

/// One transaction.
pub trait Tx:
    AccountsTx + ProjectsTx + LicensesTx + OthersTx + PeopleTx + ListsTx + WorkTx
{
}
impl<T: AccountsTx + ProjectsTx + LicensesTx + OthersTx + PeopleTx + ListsTx + WorkTx> Tx for T {}
