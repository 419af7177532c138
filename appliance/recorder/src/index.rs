//! The index of recordings: what the files say, in a form that can be asked quickly.
//!
//! Invariant: the files are the truth. A lost or damaged index is made anew from them; only
//! the list of gaps is then lost.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};
use sealgate_camera::CameraId;
use sealgate_recorder_link::Recording;

use crate::layout;
use crate::part::ms;
use crate::scan;

const SCHEMA_VERSION: i64 = 1;
const SCHEMA: &str = "
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
    -- Video that arrived and was not written.
    CREATE TABLE gap (
        id INTEGER PRIMARY KEY,
        camera TEXT NOT NULL,
        -- Arrival of the first picture left out and of the first one written again.
        start_utc_ms INTEGER NOT NULL,
        end_utc_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX gap_camera_start ON gap (camera, start_utc_ms);
";
/// More gaps than this are of no interest to anyone.
const MAX_GAPS: i64 = 10_000;

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
        if found == 0 {
            sql.execute_batch(&format!(
                "BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            ))
            .map_err(failed("be set up"))?;
        }
        Ok(index)
    }

    /// Makes the index say what the files say: torn files are mended, new ones added, lost
    /// ones forgotten. Only files whose size the index does not know are read.
    ///
    /// # Errors
    /// SQL only; a file that can't be read is logged and left out.
    pub fn reconcile(&mut self, folder: &Path) -> Result<(), IndexError> {
        let known = self.sizes()?;
        let files = layout::recordings(folder);
        let transaction = self.sql.transaction().map_err(failed("begin"))?;
        {
            let mut insert = transaction
                .prepare(
                    "INSERT INTO recording
                         (file, camera, start_utc_ms, duration_ms, size_bytes, growing)
                     VALUES (?1, ?2, ?3, ?4, ?5, 0)
                     ON CONFLICT (file) DO UPDATE SET
                         duration_ms = excluded.duration_ms, size_bytes = excluded.size_bytes,
                         growing = 0",
                )
                .map_err(failed("prepare"))?;
            let mut delete = transaction
                .prepare("DELETE FROM recording WHERE file = ?1")
                .map_err(failed("prepare"))?;
            let mut gone = known.clone();
            for file in files {
                gone.remove(&file);
                let path = folder.join(&file);
                let size = path.metadata().map(|data| data.len()).ok();
                if size.is_some() && size == known.get(&file).copied().flatten() {
                    continue;
                }
                let Some((camera, start_utc_ms)) = layout::parse_file_name(&file) else {
                    continue;
                };
                match scan::mend(&path) {
                    Ok(Some(outline)) => {
                        insert
                            .execute(params![
                                file,
                                camera.to_string(),
                                start_utc_ms,
                                integer(ms(outline.duration_90k)),
                                integer(outline.file_bytes)
                            ])
                            .map_err(failed("add a recording"))?;
                    }
                    Ok(None) => {
                        delete.execute([&file]).map_err(failed("forget"))?;
                    }
                    Err(error) => tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "a recording is left out"
                    ),
                }
            }
            for file in gone.keys() {
                delete.execute([file]).map_err(failed("forget"))?;
            }
        }
        transaction.commit().map_err(failed("commit"))
    }

    /// Each file's size, or `None` where it was still growing.
    fn sizes(&self) -> Result<HashMap<String, Option<u64>>, IndexError> {
        let mut statement = self
            .sql
            .prepare("SELECT file, CASE growing WHEN 0 THEN size_bytes END FROM recording")
            .map_err(failed("prepare"))?;
        let rows = statement
            .query_map([], |row| {
                Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?.map(natural)))
            })
            .map_err(failed("be read"))?;
        rows.collect::<Result<_, _>>().map_err(failed("be read"))
    }

    /// A recording begins.
    ///
    /// # Errors
    /// SQL.
    pub fn begin(&self, camera: CameraId, file: &str, start_utc_ms: i64) -> Result<(), IndexError> {
        self.sql
            .prepare_cached(
                "INSERT INTO recording
                     (file, camera, start_utc_ms, duration_ms, size_bytes, growing)
                 VALUES (?1, ?2, ?3, 0, 0, 1)",
            )
            .and_then(|mut sql| sql.execute(params![file, camera.to_string(), start_utc_ms]))
            .map_err(failed("add a recording"))?;
        Ok(())
    }

    /// A recording is finished.
    ///
    /// # Errors
    /// SQL.
    pub fn finish(&self, file: &str, duration_ms: u64, size_bytes: u64) -> Result<(), IndexError> {
        self.sql
            .prepare_cached(
                "UPDATE recording SET duration_ms = ?2, size_bytes = ?3, growing = 0
                 WHERE file = ?1",
            )
            .and_then(|mut sql| {
                sql.execute(params![file, integer(duration_ms), integer(size_bytes)])
            })
            .map_err(failed("finish a recording"))?;
        Ok(())
    }

    /// A recording is gone.
    ///
    /// # Errors
    /// SQL.
    pub fn forget(&self, file: &str) -> Result<(), IndexError> {
        self.sql
            .execute("DELETE FROM recording WHERE file = ?1", [file])
            .map_err(failed("forget a recording"))?;
        Ok(())
    }

    /// Video of a camera was not written.
    ///
    /// # Errors
    /// SQL.
    pub fn add_gap(
        &self,
        camera: CameraId,
        start_utc_ms: i64,
        end_utc_ms: i64,
    ) -> Result<(), IndexError> {
        self.sql
            .execute(
                "INSERT INTO gap (camera, start_utc_ms, end_utc_ms) VALUES (?1, ?2, ?3)",
                params![camera.to_string(), start_utc_ms, end_utc_ms],
            )
            .and_then(|_| {
                self.sql.execute(
                    "DELETE FROM gap WHERE id <= (SELECT max(id) FROM gap) - ?1",
                    [MAX_GAPS],
                )
            })
            .map_err(failed("note a gap"))?;
        Ok(())
    }

    /// The gaps of one camera, as (start, end) in milliseconds since the Unix epoch, oldest first.
    ///
    /// # Errors
    /// SQL.
    pub fn gaps(&self, camera: CameraId) -> Result<Vec<(i64, i64)>, IndexError> {
        let mut statement = self
            .sql
            .prepare("SELECT start_utc_ms, end_utc_ms FROM gap WHERE camera = ?1 ORDER BY id")
            .map_err(failed("prepare"))?;
        let rows = statement
            .query_map([camera.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(failed("be read"))?;
        rows.collect::<Result<_, _>>().map_err(failed("be read"))
    }

    /// The newest recordings of one camera, or of all; newest first.
    ///
    /// # Errors
    /// SQL.
    pub fn newest(
        &self,
        camera: Option<CameraId>,
        limit: u32,
    ) -> Result<Vec<Recording>, IndexError> {
        const COLUMNS: &str = "file, camera, start_utc_ms, duration_ms, size_bytes, growing";
        let camera = camera.map(|camera| camera.to_string());
        let condition = if camera.is_some() {
            "camera = ?2"
        } else {
            "?2 IS NULL"
        };
        let mut statement = self
            .sql
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM recording WHERE {condition}
                 ORDER BY start_utc_ms DESC, id DESC LIMIT ?1"
            ))
            .map_err(failed("prepare"))?;
        let rows = statement
            .query_map(params![limit, camera], recording)
            .map_err(failed("be read"))?;
        rows.collect::<Result<_, _>>().map_err(failed("be read"))
    }

    /// The path of the oldest finished recording.
    ///
    /// # Errors
    /// SQL.
    pub fn oldest_finished(&self) -> Result<Option<String>, IndexError> {
        self.sql
            .query_row(
                "SELECT file FROM recording WHERE growing = 0 ORDER BY start_utc_ms, id LIMIT 1",
                [],
                |row| row.get(0),
            )
            .optional()
            .map_err(failed("be read"))
    }
}

/// SQLite's integers are signed.
fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn natural(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn recording(row: &Row<'_>) -> rusqlite::Result<Recording> {
    let camera: String = row.get(1)?;
    Ok(Recording {
        file: row.get(0)?,
        camera: camera.parse().map_err(|error| {
            let kind = rusqlite::types::Type::Text;
            rusqlite::Error::FromSqlConversionFailure(1, kind, Box::new(error))
        })?,
        start_utc_ms: row.get(2)?,
        duration_ms: natural(row.get(3)?),
        size_bytes: natural(row.get(4)?),
        growing: row.get(5)?,
    })
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
