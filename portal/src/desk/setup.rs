//! Making a portal: database, flavour, first admin.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use jiff::Timestamp;
use rand_core::CryptoRng;
use sealgate_license::vendor::Flavour;
use zeroize::Zeroizing;

use super::accounts::{check_email, random_token};
use super::restore::head_text;
use super::{DeskError, JOURNAL_FILE, OpenError, Places, fact, origin, passwords};
use crate::journal::{BeginRecord, Journal, JournalError, Record};
use crate::store::postgres::PostgresStore;
use crate::store::sqlite::SqliteStore;
use crate::store::{
    AuditEntry, PasswordLink, Role, Store, StoreError, TokenHash, User, UserId, transact,
};

/// How long a one-time link may be used.
pub const PASSWORD_LINK_HOURS: i64 = 24;

/// How the first admin gets a password.
pub enum FirstAdmin {
    /// By a one-time link, which [`initialise`] returns.
    ByLink,
    /// At once: for automation.
    WithPassword(Zeroizing<String>),
}

/// What [`initialise`] made.
#[derive(Debug)]
pub struct Initialised {
    /// The token of the first admin's one-time link; none where a password was given.
    pub link_token: Option<String>,
}

/// Makes the database of a new portal and its first admin.
///
/// # Errors
/// There is one already, or the folder or database can't be made.
pub fn initialise(
    places: &Places,
    flavour: Flavour,
    email: &str,
    first: &FirstAdmin,
    now: Timestamp,
    rng: &mut dyn CryptoRng,
) -> Result<Initialised, OpenError> {
    make_folder(&places.data)?;
    let store = connect(places)?;
    initialise_on(&store, places, flavour, email, first, now, rng)
}

/// As [`initialise`], on a store of the caller's.
///
/// # Errors
/// As there.
pub fn initialise_on(
    store: &dyn Store,
    places: &Places,
    flavour: Flavour,
    email: &str,
    first: &FirstAdmin,
    now: Timestamp,
    rng: &mut dyn CryptoRng,
) -> Result<Initialised, OpenError> {
    make_folder(&places.journal)?;
    let email = check_email(email).map_err(first_admin)?;
    let password_phc = match first {
        FirstAdmin::ByLink => None,
        FirstAdmin::WithPassword(password) => {
            Some(passwords::hash(password, rng).map_err(first_admin)?)
        }
    };
    let link_token = password_phc.is_none().then(|| random_token(rng));
    let admin = User {
        id: UserId::random(rng),
        email,
        name: String::new(),
        role: Role::Admin,
        distributor: None,
        password_phc,
        disabled: false,
        created_utc_s: now.as_second(),
    };
    let link = link_token.as_ref().map(|token| PasswordLink {
        token: TokenHash::of(token),
        user: admin.id,
        expires_utc_s: now.as_second() + PASSWORD_LINK_HOURS * 3600,
    });
    let made = transact::<_, StoreError>(store, |tx| {
        if tx.meta(fact::FLAVOUR)?.is_some() {
            return Ok(false);
        }
        tx.set_meta(fact::FLAVOUR, &flavour.to_string())?;
        tx.insert_user(&admin)?;
        if let Some(link) = &link {
            tx.insert_password_link(link)?;
        }
        tx.append_audit(&AuditEntry {
            at_utc_ms: now.as_millisecond(),
            actor: None,
            action: "portal.init".to_owned(),
            object: format!("user:{}", admin.id),
            detail: serde_json::json!({ "flavour": flavour, "email": admin.email }).to_string(),
            origin: origin::current(),
        })?;
        Ok(true)
    })?;
    if !made {
        return Err(OpenError::AlreadyInitialised {
            path: places.data.clone(),
        });
    }
    begin_journal(store, places, now)?;
    Ok(Initialised { link_token })
}

/// Writes the journal's first line and notes it, so that a journal that is missing later
/// shows even if no license was made yet. A journal that is there already is replayed when
/// the portal opens: that brings back a portal whose database is lost.
fn begin_journal(store: &dyn Store, places: &Places, now: Timestamp) -> Result<(), OpenError> {
    let path = places.journal.join(JOURNAL_FILE);
    if path.exists() {
        return Ok(());
    }
    let mut journal = Journal::open::<JournalError>(&path, None, |_, _| Ok(()))?;
    let begin = Record::Begun(BeginRecord {
        at_utc_ms: now.as_millisecond(),
        journals_lost: 0,
    });
    let head = head_text(journal.append(vec![begin])?);
    transact::<_, StoreError>(store, |tx| tx.set_meta(&places.journal_fact(), &head))?;
    Ok(())
}

fn first_admin(error: DeskError) -> OpenError {
    OpenError::FirstAdmin(Box::new(error))
}

pub(super) fn make_folder(path: &Path) -> Result<(), OpenError> {
    // Activation secrets and password hashes: nobody else's.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| OpenError::Folder {
            path: path.to_owned(),
            source,
        })
}

/// The database, made and migrated if need be.
fn connect(places: &Places) -> Result<Box<dyn Store>, StoreError> {
    Ok(match &places.postgres {
        None => Box::new(SqliteStore::open(&places.database())?),
        Some(postgres) => Box::new(PostgresStore::open(&postgres.address)?),
    })
}

pub(super) fn open_store(places: &Places) -> Result<Box<dyn Store>, OpenError> {
    if places.postgres.is_none() && !places.database().exists() {
        return Err(OpenError::NotInitialised {
            path: places.data.clone(),
        });
    }
    let store = connect(places)?;
    let initialised =
        transact::<_, StoreError>(&store, |tx| Ok(tx.meta(fact::FLAVOUR)?.is_some()))?;
    if !initialised {
        return Err(OpenError::NotInitialised {
            path: places.data.clone(),
        });
    }
    Ok(store)
}

pub(super) fn flavour_of(store: &dyn Store) -> Result<Flavour, StoreError> {
    let word = transact::<_, StoreError>(store, |tx| tx.meta(fact::FLAVOUR))?;
    match word.as_deref() {
        Some("lab") => Ok(Flavour::Lab),
        Some("product") => Ok(Flavour::Product),
        _ => Err(StoreError::Unreadable { column: "flavour" }),
    }
}
