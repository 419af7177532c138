//! The files, as the index lists them.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use rusqlite::{OptionalExtension, Row, params};
use sealgate_camera::CameraId;
use sealgate_recorder_link::Recording;

use super::{DiskNumber, Index, IndexError, failed, integer, natural};
use crate::layout;
use crate::part::ms;
use crate::scan;

/// Files read between two transactions, so that nobody else waits long for the index.
const BATCH: usize = 200;

/// One recording and the disk it is on.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Where.
    pub disk: DiskNumber,
    /// What.
    pub recording: Recording,
}

/// A finished recording that may be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oldest {
    /// Where.
    pub disk: DiskNumber,
    /// Path below the disk's recordings folder.
    pub file: String,
    /// Its length, bytes.
    pub size_bytes: u64,
}

impl Index {
    /// Makes the index say what one disk's files say: torn files are mended, new ones added,
    /// lost ones forgotten. Only files whose size the index does not know are read.
    ///
    /// # Errors
    /// SQL only; a file that can't be read is logged and left out.
    pub fn reconcile(&mut self, disk: DiskNumber, folder: &Path) -> Result<(), IndexError> {
        let mut known = self.sizes(disk)?;
        let mut new = Vec::new();
        for file in layout::recordings(folder) {
            let size = folder.join(&file).metadata().map(|data| data.len()).ok();
            let listed = known.remove(&file);
            if size.is_none() || size != listed.flatten() {
                new.push(file);
            }
        }
        for files in new.chunks(BATCH) {
            let read: Vec<_> = files
                .iter()
                .map(|file| (file, scan::mend(&folder.join(file))))
                .collect();
            let transaction = self.sql.transaction().map_err(failed("begin"))?;
            for (file, outline) in read {
                match outline {
                    Ok(Some(outline)) => add(&transaction, disk, file, &outline)?,
                    Ok(None) => forget(&transaction, disk, file)?,
                    Err(error) => tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "a recording is left out"
                    ),
                }
            }
            transaction.commit().map_err(failed("commit"))?;
        }
        let transaction = self.sql.transaction().map_err(failed("begin"))?;
        for file in known.keys() {
            forget(&transaction, disk, file)?;
        }
        transaction.commit().map_err(failed("commit"))
    }

    /// Each file's size, or `None` where it was still growing.
    fn sizes(&self, disk: DiskNumber) -> Result<HashMap<String, Option<u64>>, IndexError> {
        let mut statement = self
            .sql
            .prepare(
                "SELECT file, CASE growing WHEN 0 THEN size_bytes END FROM recording
                 WHERE disk = ?1",
            )
            .map_err(failed("prepare"))?;
        let rows = statement
            .query_map([disk.0], |row| {
                Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?.map(natural)))
            })
            .map_err(failed("be read"))?;
        rows.collect::<Result<_, _>>().map_err(failed("be read"))
    }

    /// A recording begins.
    ///
    /// # Errors
    /// SQL.
    pub fn begin(
        &self,
        disk: DiskNumber,
        camera: CameraId,
        file: &str,
        start_utc_ms: i64,
    ) -> Result<(), IndexError> {
        self.sql
            .prepare_cached(
                "INSERT INTO recording
                     (disk, file, camera, start_utc_ms, duration_ms, size_bytes, growing)
                 VALUES (?1, ?2, ?3, ?4, 0, 0, 1)",
            )
            .and_then(|mut sql| {
                sql.execute(params![disk.0, file, camera.to_string(), start_utc_ms])
            })
            .map_err(failed("add a recording"))?;
        Ok(())
    }

    /// A recording is finished.
    ///
    /// # Errors
    /// SQL.
    pub fn finish(
        &self,
        disk: DiskNumber,
        file: &str,
        duration_ms: u64,
        size_bytes: u64,
    ) -> Result<(), IndexError> {
        self.sql
            .prepare_cached(
                "UPDATE recording SET duration_ms = ?3, size_bytes = ?4, growing = 0
                 WHERE disk = ?1 AND file = ?2",
            )
            .and_then(|mut sql| {
                sql.execute(params![
                    disk.0,
                    file,
                    integer(duration_ms),
                    integer(size_bytes)
                ])
            })
            .map_err(failed("finish a recording"))?;
        Ok(())
    }

    /// A recording is gone.
    ///
    /// # Errors
    /// SQL.
    pub fn forget(&self, disk: DiskNumber, file: &str) -> Result<(), IndexError> {
        forget(&self.sql, disk, file)
    }

    /// The newest recordings of one camera, or of all, on these disks; newest first.
    ///
    /// # Errors
    /// SQL.
    pub fn newest(
        &self,
        disks: &[DiskNumber],
        camera: Option<CameraId>,
        limit: u32,
    ) -> Result<Vec<Recording>, IndexError> {
        let camera = camera.map(|camera| camera.to_string());
        let condition = if camera.is_some() {
            "camera = ?2"
        } else {
            "?2 IS NULL"
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM recording WHERE {condition} AND {}
             ORDER BY start_utc_ms DESC, id DESC LIMIT ?1",
            among(disks)
        );
        let found = self.select(&sql, params![limit, camera])?;
        Ok(found.into_iter().map(|found| found.recording).collect())
    }

    /// What one camera has on these disks that reaches into this time, milliseconds since the
    /// Unix epoch, and all that grows; oldest first.
    ///
    /// # Errors
    /// SQL.
    pub fn between(
        &self,
        disks: &[DiskNumber],
        camera: CameraId,
        from_utc_ms: i64,
        to_utc_ms: i64,
    ) -> Result<Vec<Found>, IndexError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM recording
             WHERE camera = ?1 AND start_utc_ms < ?3
                 AND (growing OR start_utc_ms + duration_ms > ?2) AND {}
             ORDER BY start_utc_ms, id",
            among(disks)
        );
        self.select(&sql, params![camera.to_string(), from_utc_ms, to_utc_ms])
    }

    /// The newest of one camera on these disks that begins at or before this moment.
    ///
    /// # Errors
    /// SQL.
    pub fn at_or_before(
        &self,
        disks: &[DiskNumber],
        camera: CameraId,
        utc_ms: i64,
    ) -> Result<Option<Found>, IndexError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM recording WHERE camera = ?1 AND start_utc_ms <= ?2 AND {}
             ORDER BY start_utc_ms DESC, id DESC LIMIT 1",
            among(disks)
        );
        Ok(self
            .select(&sql, params![camera.to_string(), utc_ms])?
            .pop())
    }

    /// The oldest of one camera on these disks that begins after this moment.
    ///
    /// # Errors
    /// SQL.
    pub fn after(
        &self,
        disks: &[DiskNumber],
        camera: CameraId,
        utc_ms: i64,
    ) -> Result<Option<Found>, IndexError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM recording WHERE camera = ?1 AND start_utc_ms > ?2 AND {}
             ORDER BY start_utc_ms, id LIMIT 1",
            among(disks)
        );
        Ok(self
            .select(&sql, params![camera.to_string(), utc_ms])?
            .pop())
    }

    /// Finished recordings of a disk, oldest first.
    ///
    /// # Errors
    /// SQL.
    pub fn oldest_of_disk(&self, disk: DiskNumber, limit: u32) -> Result<Vec<Oldest>, IndexError> {
        self.select_oldest(
            "SELECT disk, file, size_bytes FROM recording WHERE disk = ?1 AND growing = 0
             ORDER BY start_utc_ms, id LIMIT ?2",
            params![disk.0, limit],
        )
    }

    /// Finished recordings of a camera on these disks that end before this moment, milliseconds
    /// since the Unix epoch; oldest first.
    ///
    /// # Errors
    /// SQL.
    pub fn oldest_of_camera(
        &self,
        disks: &[DiskNumber],
        camera: CameraId,
        before_utc_ms: i64,
        limit: u32,
    ) -> Result<Vec<Oldest>, IndexError> {
        let sql = format!(
            "SELECT disk, file, size_bytes FROM recording
             WHERE camera = ?1 AND growing = 0 AND start_utc_ms + duration_ms < ?2 AND {}
             ORDER BY start_utc_ms, id LIMIT ?3",
            among(disks)
        );
        self.select_oldest(&sql, params![camera.to_string(), before_utc_ms, limit])
    }

    /// What a camera's finished recordings on these disks take, bytes.
    ///
    /// # Errors
    /// SQL.
    pub fn size_of_camera(
        &self,
        disks: &[DiskNumber],
        camera: CameraId,
    ) -> Result<u64, IndexError> {
        let sql = format!(
            "SELECT coalesce(sum(size_bytes), 0) FROM recording WHERE camera = ?1 AND {}",
            among(disks)
        );
        self.sql
            .prepare_cached(&sql)
            .and_then(|mut sql| sql.query_row([camera.to_string()], |row| row.get(0)))
            .map(natural)
            .map_err(failed("be read"))
    }

    fn select(&self, sql: &str, values: impl rusqlite::Params) -> Result<Vec<Found>, IndexError> {
        let mut statement = self.sql.prepare_cached(sql).map_err(failed("prepare"))?;
        let rows = statement
            .query_map(values, found)
            .map_err(failed("be read"))?;
        rows.collect::<Result<_, _>>().map_err(failed("be read"))
    }

    fn select_oldest(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
    ) -> Result<Vec<Oldest>, IndexError> {
        let mut statement = self.sql.prepare_cached(sql).map_err(failed("prepare"))?;
        let rows = statement
            .query_map(values, |row| {
                Ok(Oldest {
                    disk: DiskNumber(row.get(0)?),
                    file: row.get(1)?,
                    size_bytes: natural(row.get(2)?),
                })
            })
            .map_err(failed("be read"))?;
        rows.collect::<Result<_, _>>().map_err(failed("be read"))
    }

    /// The disks, of all that were ever seen, that are not among these.
    ///
    /// # Errors
    /// SQL.
    pub fn other_disks(&self, disks: &[DiskNumber]) -> Result<Vec<DiskNumber>, IndexError> {
        let mut statement = self
            .sql
            .prepare_cached("SELECT id FROM disk")
            .map_err(failed("prepare"))?;
        let rows = statement
            .query_map([], |row| row.get(0).map(DiskNumber))
            .map_err(failed("be read"))?;
        let all: Result<Vec<_>, _> = rows.collect();
        let mut all = all.map_err(failed("be read"))?;
        all.retain(|disk| !disks.contains(disk));
        Ok(all)
    }

    /// The disk and length of the file of this name on one of these disks.
    ///
    /// # Errors
    /// SQL.
    pub fn disk_of(
        &self,
        disks: &[DiskNumber],
        file: &str,
    ) -> Result<Option<DiskNumber>, IndexError> {
        let sql = format!(
            "SELECT disk FROM recording WHERE file = ?1 AND {} LIMIT 1",
            among(disks)
        );
        self.sql
            .query_row(&sql, [file], |row| row.get(0).map(DiskNumber))
            .optional()
            .map_err(failed("be read"))
    }
}

fn add(
    sql: &rusqlite::Connection,
    disk: DiskNumber,
    file: &str,
    outline: &scan::Outline,
) -> Result<(), IndexError> {
    let Some((camera, named_utc_ms)) = layout::parse_file_name(file) else {
        return Ok(());
    };
    sql.prepare_cached(
        "INSERT INTO recording
             (disk, file, camera, start_utc_ms, duration_ms, size_bytes, growing)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)
         ON CONFLICT (disk, file) DO UPDATE SET
             duration_ms = excluded.duration_ms, size_bytes = excluded.size_bytes, growing = 0",
    )
    .and_then(|mut sql| {
        sql.execute(params![
            disk.0,
            file,
            camera.to_string(),
            outline.start_utc_ms.unwrap_or(named_utc_ms),
            integer(ms(outline.duration_90k)),
            integer(outline.file_bytes)
        ])
    })
    .map_err(failed("add a recording"))?;
    for event in &outline.events {
        super::events::note(sql, camera, event)?;
    }
    Ok(())
}

fn forget(sql: &rusqlite::Connection, disk: DiskNumber, file: &str) -> Result<(), IndexError> {
    sql.prepare_cached("DELETE FROM recording WHERE disk = ?1 AND file = ?2")
        .and_then(|mut sql| sql.execute(params![disk.0, file]))
        .map_err(failed("forget a recording"))?;
    Ok(())
}

/// Only numbers go into the text.
fn among(disks: &[DiskNumber]) -> String {
    let mut text = String::from("disk IN (");
    for (count, disk) in disks.iter().enumerate() {
        let comma = if count == 0 { "" } else { ", " };
        let _ = write!(text, "{comma}{}", disk.0);
    }
    text.push(')');
    text
}

const COLUMNS: &str = "disk, file, camera, start_utc_ms, duration_ms, size_bytes, growing";

fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    let camera: String = row.get(2)?;
    Ok(Found {
        disk: DiskNumber(row.get(0)?),
        recording: Recording {
            file: row.get(1)?,
            camera: camera.parse().map_err(|error| {
                let kind = rusqlite::types::Type::Text;
                rusqlite::Error::FromSqlConversionFailure(2, kind, Box::new(error))
            })?,
            start_utc_ms: row.get(3)?,
            duration_ms: natural(row.get(4)?),
            size_bytes: natural(row.get(5)?),
            growing: row.get(6)?,
        },
    })
}
