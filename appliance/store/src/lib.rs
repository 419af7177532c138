//! The supervisor's SQL: users, sessions, settings, cameras, channels, audit.
//!
//! Invariants: the schema changes by numbered migrations only, forwards only, each in one
//! transaction; a database of a newer version is refused, not guessed at; a change that a
//! method reported is on disk (`synchronous = FULL`). Every method blocks: call it where
//! that is allowed. Deliberately absent: licenses (they are files), and password hashing.

mod additions;
mod audit;
mod cameras;
mod channels;
mod credentials;
mod error;
mod migrations;
mod services;
mod sessions;
mod settings;
mod tokens;
mod users;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Params, Row};
use sealgate_camera::MacAddress;

pub use additions::Addition;
pub use audit::{AuditEntry, AuditRecord};
pub use cameras::KnownCamera;
pub use channels::Channel;
pub use credentials::Credential;
pub use error::StoreError;
pub use migrations::SCHEMA_VERSION;
pub use sessions::{FoundSession, Session};
pub use tokens::ApiToken;
pub use users::{KnownUser, User};

/// How long a method waits for another process that holds the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The database. Shared by reference; its methods take turns.
#[derive(Debug)]
pub struct Store {
    connection: Mutex<Connection>,
    /// The table `credential`, once it was read: asked for each time a camera is.
    credentials: Mutex<Option<Arc<BTreeMap<MacAddress, Credential>>>>,
}

impl Store {
    /// Opens the database and brings its schema up to date; makes it if there is none,
    /// readable by this process's user only.
    ///
    /// # Errors
    /// It can't be opened or migrated, or a newer version wrote it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        // SQLite would make it readable for all; its other files take over this mode.
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .map_err(|source| StoreError::Create {
                path: path.to_owned(),
                source,
            })?;
        let connection = Connection::open(path).map_err(|source| StoreError::Open {
            path: path.to_owned(),
            source,
        })?;
        Self::with(connection)
    }

    fn with(mut connection: Connection) -> Result<Self, StoreError> {
        let set_up = |connection: &Connection| {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "foreign_keys", true)
        };
        set_up(&connection).map_err(StoreError::query("set up the connection"))?;
        migrations::migrate(&mut connection)?;
        Ok(Self {
            connection: Mutex::new(connection),
            credentials: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic while it was held rolled its transaction back.
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one changing statement; gives how many rows it changed.
    fn change(
        &self,
        operation: &'static str,
        sql: &str,
        params: impl Params,
    ) -> Result<usize, StoreError> {
        self.lock()
            .execute(sql, params)
            .map_err(StoreError::query(operation))
    }

    fn rows<T>(
        &self,
        operation: &'static str,
        sql: &str,
        params: impl Params,
        map: impl FnMut(&Row<'_>) -> Result<T, rusqlite::Error>,
    ) -> Result<Vec<T>, StoreError> {
        let connection = self.lock();
        let collect = || {
            connection
                .prepare_cached(sql)?
                .query_map(params, map)?
                .collect::<Result<Vec<T>, _>>()
        };
        collect().map_err(StoreError::query(operation))
    }
}

#[cfg(test)]
pub(crate) fn in_memory() -> Store {
    Store::with(Connection::open_in_memory().expect("memory")).expect("a fresh schema")
}
