//! What people do at the portal, without HTTP: sign in, keep projects, fetch licenses.
//!
//! Each operation takes the [`Actor`] who wants it and checks what that person may see:
//! a foreign id answers exactly as one that does not exist. Everything blocks (database,
//! fsync, password hashing); `web` calls from tokio's blocking threads.

mod accounts;
mod attempts;
mod audit;
mod backup;
mod books;
mod chain;
mod charge;
mod claims;
mod demo;
mod distributors;
mod dongles;
mod error;
mod hardware;
mod issue;
mod license_file;
mod licenses;
mod lost_journal;
mod mac_licenses;
mod once;
pub(crate) mod origin;
mod others;
mod pages_of;
mod passwords;
mod people;
mod projects;
mod reach;
mod reports;
mod request;
mod restore;
mod returns;
mod roles;
mod roots;
mod second_factor;
mod setup;
mod sign_in;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;
use sealgate_license::vendor::Flavour;

use crate::journal::Journal;
use crate::signer::Signer;
use crate::store::postgres::PostgresAddress;
use crate::store::{AuditEntry, DistributorId, Role, Store, StoreError, Tx, UserId, transact};

pub use audit::{AuditLine, AuditQuery, MOST_AUDIT_LINES};
pub use backup::{Restored, back_up, place_backup, restore_backup};
pub use books::{Doer, HistoryLine, LedgerLine};
pub use chain::{LedgerFault, LedgerVerdict, verify_ledger};
pub use claims::CLAIM_DAYS;
pub use demo::{Demo, fill_demo};
pub use distributors::DistributorSettings;
pub use dongles::{DongleOrder, add_dongle, parse_dongle_key};
pub use error::{DeskError, OpenError};
pub(crate) use error::{MAC_LABEL, date_words, kind_label, problem};
pub use hardware::{Hardware, WriteOffs};
pub use issue::{Issuance, Order};
pub use licenses::{BoxInfo, HandedOut, Revision, ServerInfo, ServerLicenses};
pub use lost_journal::{JournalLost, restore_without_journal};
pub use mac_licenses::{MacOrder, MacRow, MacVerdict};
pub use others::OtherIssuance;
pub use pages_of::{MOST_ROWS, PAGE_ROWS, Page, Paging};
pub use people::{
    NewUser, UserChange, UserView, add_user_by_command, change_user_by_command, list_users,
    reset_user_by_command,
};
pub use projects::{NewServer, Renamed};
pub use returns::Returned;
pub use roles::Right;
pub use roots::{EkRootFile, add_ek_roots, list_ek_roots, set_self_declared};
pub use second_factor::Enrolment;
pub use setup::{FirstAdmin, Initialised, PASSWORD_LINK_HOURS, initialise, initialise_on};
pub use sign_in::{Caller, FirstStep, NewSession, SESSION_HOURS, session_id};

/// The database's file in the data folder.
pub const DATABASE_FILE: &str = "portal.db";
/// The journal's folder in the data folder, unless another is named.
pub const JOURNAL_FOLDER: &str = "journal";
/// The journal's file in its folder.
pub const JOURNAL_FILE: &str = "handed-out.jsonl";
/// The keys' folder in the data folder, unless another is named.
pub const KEYS_FOLDER: &str = "keys";

/// Facts in the store's `meta`.
mod fact {
    /// `lab` or `product`.
    pub(super) const FLAVOUR: &str = "flavour";
    /// Number and hash of the newest journal line that the database knows; followed by a
    /// dot and the portal's name where several share a database.
    pub(super) const JOURNAL_HEAD: &str = "journal_head";
    /// How many journals were lost; absent while none was.
    pub(super) const JOURNALS_LOST: &str = "journals_lost";
    /// `allowed` where TPMs without a certificate are believed, too.
    pub(super) const SELF_DECLARED_TPMS: &str = "self_declared_tpms";
}

/// Tells the time. Tests bring their own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The system's clock.
pub fn system_clock() -> Clock {
    Arc::new(Timestamp::now)
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The user.
    pub user: UserId,
    /// For people.
    pub email: String,
    /// What the user may do.
    pub role: Role,
    /// For whom; `None` for vendor staff.
    pub distributor: Option<DistributorId>,
    /// Names the request, so that a repeated one does its work once.
    pub request_key: Option<String>,
}

/// Where the portal's files are.
#[derive(Debug, Clone)]
pub struct Places {
    /// The data folder, which holds the database.
    pub data: PathBuf,
    /// The keys' folder.
    pub keys: PathBuf,
    /// The journal's folder: best on another disk than the database, and never in its
    /// backup.
    pub journal: PathBuf,
    /// The database, where it is not a file in the data folder.
    pub postgres: Option<PostgresPlace>,
}

/// A portal on a PostgreSQL database, which it may share with others.
#[derive(Debug, Clone)]
pub struct PostgresPlace {
    /// The database.
    pub address: PostgresAddress,
    /// Tells this portal's journal from the journals of others on the same database.
    pub instance: String,
}

impl Places {
    /// Everything in one data folder.
    pub fn in_folder(data: &Path) -> Self {
        Self {
            data: data.to_owned(),
            keys: data.join(KEYS_FOLDER),
            journal: data.join(JOURNAL_FOLDER),
            postgres: None,
        }
    }

    /// Where the database notes the head of this portal's journal.
    fn journal_fact(&self) -> String {
        match &self.postgres {
            None => fact::JOURNAL_HEAD.to_owned(),
            Some(postgres) => format!("{}.{}", fact::JOURNAL_HEAD, postgres.instance),
        }
    }

    fn database(&self) -> PathBuf {
        self.data.join(DATABASE_FILE)
    }
}

/// An open portal.
pub struct Desk {
    store: Box<dyn Store>,
    journal: Mutex<Journal>,
    journal_fact: String,
    signer: Signer,
    flavour: Flavour,
    clock: Clock,
    hashing: passwords::Hashing,
}

impl Desk {
    /// Opens an initialised portal: database, keys, journal, and replays onto the
    /// database what the journal knows better.
    ///
    /// `flavour` is what the caller expects; `None` takes the database's word.
    ///
    /// # Errors
    /// Not initialised, of another flavour, or one of the three is unfit.
    pub fn open(
        places: &Places,
        flavour: Option<Flavour>,
        clock: Clock,
    ) -> Result<Self, OpenError> {
        let store = setup::open_store(places)?;
        Self::on(store, places, flavour, clock)
    }

    /// As [`Self::open`], on a store of the caller's that [`initialise_on`] made a portal
    /// of.
    ///
    /// # Errors
    /// As there.
    pub fn on(
        store: Box<dyn Store>,
        places: &Places,
        flavour: Option<Flavour>,
        clock: Clock,
    ) -> Result<Self, OpenError> {
        let found = setup::flavour_of(store.as_ref())?;
        if let Some(expected) = flavour.filter(|expected| *expected != found) {
            return Err(OpenError::OtherFlavour { expected, found });
        }
        let signer = Signer::open(&places.keys, found)?;
        transact::<_, StoreError>(store.as_ref(), |tx| tx.begin_ledger_chain())?;
        let journal = restore::open_journal(store.as_ref(), places)?;
        Ok(Self {
            store,
            journal: Mutex::new(journal),
            journal_fact: places.journal_fact(),
            signer,
            flavour: found,
            clock,
            hashing: passwords::Hashing::default(),
        })
    }

    /// The portal's flavour.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// The issuing key.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Does the database answer?
    ///
    /// # Errors
    /// It does not.
    pub fn healthy(&self) -> Result<(), DeskError> {
        self.transact(|tx| Ok(tx.meta(fact::FLAVOUR).map(drop)?))
    }

    fn transact<T>(
        &self,
        work: impl FnOnce(&mut dyn Tx) -> Result<T, DeskError>,
    ) -> Result<T, DeskError> {
        transact(self.store.as_ref(), work)
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        // A journal marks itself as broken before it writes: a panic in between is safe.
        self.journal
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn audit(
        &self,
        tx: &mut dyn Tx,
        actor: Option<UserId>,
        action: &str,
        object: String,
        detail: serde_json::Value,
    ) -> Result<(), StoreError> {
        tx.append_audit(&AuditEntry {
            at_utc_ms: self.now().as_millisecond(),
            actor,
            action: action.to_owned(),
            object,
            detail: detail.to_string(),
            origin: origin::current(),
        })
    }
}

/// Opens the store of a data folder for the command line, beside a running portal.
///
/// # Errors
/// Not initialised, or the database is unfit.
pub fn open_store(places: &Places) -> Result<(Box<dyn Store>, Flavour), OpenError> {
    let store = setup::open_store(places)?;
    let flavour = setup::flavour_of(store.as_ref())?;
    Ok((store, flavour))
}
