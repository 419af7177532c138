//! The index of recordings: what the files say, in a form that can be asked quickly.
//!
//! Invariant: the files are the truth. A lost or damaged index is made anew from them; the
//! causes of gaps and the rules of cameras that are no longer recorded are then lost.

mod events;
mod recordings;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

pub use recordings::{Found, Oldest};

/// Each brings the schema one version further; the first makes version 1.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE recording (
        id INTEGER PRIMARY KEY,
        -- Path below the recordings folder.
        file TEXT NOT NULL UNIQUE,
        -- As in file names: 02000000000a-1.
        camera TEXT NOT NULL,
        -- Arrival of its first picture, milliseconds since the Unix epoch.
        start_utc_ms INTEGER NOT NULL,
        duration_ms INTEGER NOT NULL,
        size_bytes INTEGER NOT NULL,
        -- 1 while it is being written: duration and size are then not yet right.
        growing INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX recording_start ON recording (start_utc_ms);
    CREATE INDEX recording_camera_start ON recording (camera, start_utc_ms);
    -- Video that was not written.
    CREATE TABLE gap (
        id INTEGER PRIMARY KEY,
        camera TEXT NOT NULL,
        -- Arrival of the first picture left out and of the first one written again.
        start_utc_ms INTEGER NOT NULL,
        end_utc_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX gap_camera_start ON gap (camera, start_utc_ms);
    ",
    // Several disks. Recordings are listed anew from the files.
    "
    DROP TABLE recording;
    CREATE TABLE disk (
        id INTEGER PRIMARY KEY,
        -- What its marker file says.
        marker TEXT NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE recording (
        id INTEGER PRIMARY KEY,
        disk INTEGER NOT NULL REFERENCES disk (id),
        -- Path below the disk's recordings folder.
        file TEXT NOT NULL,
        -- As in file names: 02000000000a-1.
        camera TEXT NOT NULL,
        -- Arrival of its first picture, milliseconds since the Unix epoch.
        start_utc_ms INTEGER NOT NULL,
        duration_ms INTEGER NOT NULL,
        size_bytes INTEGER NOT NULL,
        -- 1 while it is being written: duration and size are then not yet right.
        growing INTEGER NOT NULL,
        UNIQUE (disk, file)
    ) STRICT;
    CREATE INDEX recording_disk_start ON recording (disk, start_utc_ms);
    CREATE INDEX recording_camera_start ON recording (camera, start_utc_ms);
    -- disk, camera or plan.
    ALTER TABLE gap ADD COLUMN cause TEXT NOT NULL DEFAULT 'disk';
    CREATE TABLE event (
        id INTEGER PRIMARY KEY,
        camera TEXT NOT NULL,
        -- motion.
        kind TEXT NOT NULL,
        -- Milliseconds since the Unix epoch; the end is its last sign while it lasts.
        start_utc_ms INTEGER NOT NULL,
        end_utc_ms INTEGER NOT NULL,
        UNIQUE (camera, kind, start_utc_ms)
    ) STRICT;
    -- For how long recordings are kept; null for as long as there is room.
    CREATE TABLE rule (
        camera TEXT PRIMARY KEY,
        max_age_s INTEGER,
        max_bytes INTEGER
    ) STRICT;
    ",
];
const SCHEMA_VERSION: i64 = 2;

/// A disk as the index knows it, whatever it is called now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DiskNumber(i64);

/// The index failed.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// SQLite's answer to one operation.
    #[error("the index of recordings could not {operation}")]
    Sql {
        /// What was tried.
        operation: &'static str,
        /// SQLite's reason.
        #[source]
        source: rusqlite::Error,
    },
    /// A damaged index could not be put aside.
    #[error("the damaged index {path} could not be removed")]
    Remove {
        /// The index.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// It was written by a newer version.
    #[error("the index of recordings has schema {found}, which is newer than {SCHEMA_VERSION}")]
    Newer {
        /// Its schema.
        found: i64,
    },
}

impl IndexError {
    /// The catalog's code.
    pub fn code(&self) -> &'static str {
        "SG-REC-004"
    }
}

fn failed(operation: &'static str) -> impl FnOnce(rusqlite::Error) -> IndexError {
    move |source| IndexError::Sql { operation, source }
}

/// One connection to the index. Several may be open at once.
#[derive(Debug)]
pub struct Index {
    sql: Connection,
}

impl Index {
    /// Opens the index; makes a new one where there is none, or only a damaged one.
    ///
    /// # Errors
    /// A damaged index can't be removed, or a new one not be made.
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        let error = match Self::try_open(path) {
            Ok(index) => return Ok(index),
            Err(error) => error,
        };
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the index of recordings is made anew from the files"
        );
        for suffix in ["", "-wal", "-shm"] {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            match std::fs::remove_file(&name) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    let path = name.into();
                    return Err(IndexError::Remove { path, source });
                }
                _ => {}
            }
        }
        Self::try_open(path)
    }

    /// Opens one more connection to an index that [`Index::open`] found good.
    ///
    /// # Errors
    /// It can't be opened.
    pub fn reopen(path: &Path) -> Result<Self, IndexError> {
        let sql = Connection::open(path).map_err(failed("be opened"))?;
        sql.busy_timeout(Duration::from_secs(5))
            .map_err(failed("be set up"))?;
        Ok(Self { sql })
    }

    fn try_open(path: &Path) -> Result<Self, IndexError> {
        let index = Self::reopen(path)?;
        let sql = &index.sql;
        sql.pragma_update(None, "journal_mode", "wal")
            .and_then(|()| sql.pragma_update(None, "synchronous", "normal"))
            .map_err(failed("be set up"))?;
        let damage: String = sql
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(failed("be checked"))?;
        if damage != "ok" {
            let source = rusqlite::Error::InvalidParameterName(damage);
            return Err(failed("be trusted")(source));
        }
        let found: i64 = sql
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(failed("tell its schema"))?;
        if found > SCHEMA_VERSION {
            return Err(IndexError::Newer { found });
        }
        let missing = MIGRATIONS.iter().zip(1_i64..);
        for (migration, version) in missing.filter(|(_, version)| *version > found) {
            sql.execute_batch(&format!(
                "BEGIN; {migration} PRAGMA user_version = {version}; COMMIT;"
            ))
            .map_err(failed("be set up"))?;
        }
        Ok(index)
    }

    /// The number of the disk with this marker; a new one if it was never seen.
    ///
    /// # Errors
    /// SQL.
    pub fn disk(&self, marker: &str) -> Result<DiskNumber, IndexError> {
        self.sql
            .execute(
                "INSERT INTO disk (marker) VALUES (?1) ON CONFLICT DO NOTHING",
                [marker],
            )
            .and_then(|_| {
                let select = "SELECT id FROM disk WHERE marker = ?1";
                self.sql.query_row(select, [marker], |row| row.get(0))
            })
            .map(DiskNumber)
            .map_err(failed("know a disk"))
    }
}

/// SQLite's integers are signed.
fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn natural(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
