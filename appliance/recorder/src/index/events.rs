//! Gaps, events and the rules of retention.

use rusqlite::{Row, params};
use sealgate_camera::CameraId;
use sealgate_recorder_link::{Event, EventKind, Gap, GapCause, Keep, Span};

use super::{Index, IndexError, failed, integer, natural};

/// More gaps or events than this are of no interest to anyone: about 20 MByte each.
const MAX_ROWS: i64 = 200_000;

impl Index {
    /// Video of a camera was not written.
    ///
    /// # Errors
    /// SQL.
    pub fn add_gap(&self, camera: CameraId, span: Span, cause: GapCause) -> Result<(), IndexError> {
        self.sql
            .execute(
                "INSERT INTO gap (camera, start_utc_ms, end_utc_ms, cause)
                 VALUES (?1, ?2, ?3, ?4)",
                params![
                    camera.to_string(),
                    span.start_utc_ms,
                    span.end_utc_ms,
                    cause_word(cause)
                ],
            )
            .and_then(|_| {
                self.sql.execute(
                    "DELETE FROM gap WHERE id <= (SELECT max(id) FROM gap) - ?1",
                    [MAX_ROWS],
                )
            })
            .map_err(failed("note a gap"))?;
        Ok(())
    }

    /// The gaps of one camera that reach into this time, oldest first.
    ///
    /// # Errors
    /// SQL.
    pub fn gaps(&self, camera: CameraId, within: Span) -> Result<Vec<Gap>, IndexError> {
        self.rows(
            "SELECT start_utc_ms, end_utc_ms, cause FROM gap
             WHERE camera = ?1 AND start_utc_ms < ?3 AND end_utc_ms > ?2
             ORDER BY start_utc_ms, id",
            camera,
            within,
            |row| {
                Ok(Gap {
                    span: span(row)?,
                    cause: cause(&row.get::<_, String>(2)?),
                })
            },
        )
    }

    /// An event happened, or is seen to go on: its end is moved then.
    ///
    /// # Errors
    /// SQL.
    pub fn note_event(&self, camera: CameraId, event: &Event) -> Result<(), IndexError> {
        note(&self.sql, camera, event)?;
        self.sql
            .execute(
                "DELETE FROM event WHERE id <= (SELECT max(id) FROM event) - ?1",
                [MAX_ROWS],
            )
            .map_err(failed("forget an event"))?;
        Ok(())
    }

    /// The events of one camera that reach into this time, oldest first.
    ///
    /// # Errors
    /// SQL.
    pub fn events(&self, camera: CameraId, within: Span) -> Result<Vec<Event>, IndexError> {
        self.rows(
            "SELECT start_utc_ms, end_utc_ms FROM event
             WHERE camera = ?1 AND start_utc_ms < ?3 AND end_utc_ms >= ?2
             ORDER BY start_utc_ms, id",
            camera,
            within,
            |row| {
                Ok(Event {
                    span: span(row)?,
                    kind: EventKind::Motion,
                })
            },
        )
    }

    fn rows<T>(
        &self,
        sql: &str,
        camera: CameraId,
        within: Span,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, IndexError> {
        let mut statement = self.sql.prepare_cached(sql).map_err(failed("prepare"))?;
        let values = params![camera.to_string(), within.start_utc_ms, within.end_utc_ms];
        let rows = statement
            .query_map(values, read)
            .map_err(failed("be read"))?;
        rows.collect::<Result<_, _>>().map_err(failed("be read"))
    }

    /// From now on these rules hold for these cameras; other cameras' rules stay.
    ///
    /// # Errors
    /// SQL.
    pub fn set_rules(
        &mut self,
        rules: impl Iterator<Item = (CameraId, Keep)>,
    ) -> Result<(), IndexError> {
        let transaction = self.sql.transaction().map_err(failed("begin"))?;
        for (camera, keep) in rules {
            transaction
                .prepare_cached(
                    "INSERT INTO rule (camera, max_age_s, max_bytes) VALUES (?1, ?2, ?3)
                     ON CONFLICT (camera) DO UPDATE SET
                         max_age_s = excluded.max_age_s, max_bytes = excluded.max_bytes",
                )
                .and_then(|mut sql| {
                    sql.execute(params![
                        camera.to_string(),
                        keep.max_age_s.map(integer),
                        keep.max_bytes.map(integer)
                    ])
                })
                .map_err(failed("take a rule over"))?;
        }
        transaction.commit().map_err(failed("commit"))
    }

    /// Every camera's rule that says something.
    ///
    /// # Errors
    /// SQL.
    pub fn rules(&self) -> Result<Vec<(CameraId, Keep)>, IndexError> {
        let mut statement = self
            .sql
            .prepare_cached(
                "SELECT camera, max_age_s, max_bytes FROM rule
                 WHERE max_age_s IS NOT NULL OR max_bytes IS NOT NULL",
            )
            .map_err(failed("prepare"))?;
        let rows = statement
            .query_map([], |row| {
                let camera: String = row.get(0)?;
                let keep = Keep {
                    max_age_s: row.get::<_, Option<i64>>(1)?.map(natural),
                    max_bytes: row.get::<_, Option<i64>>(2)?.map(natural),
                };
                Ok(camera.parse().ok().map(|camera| (camera, keep)))
            })
            .map_err(failed("be read"))?;
        let rules: Result<Vec<_>, _> = rows.collect();
        Ok(rules
            .map_err(failed("be read"))?
            .into_iter()
            .flatten()
            .collect())
    }
}

/// Adds an event, or moves its end.
pub(super) fn note(
    sql: &rusqlite::Connection,
    camera: CameraId,
    event: &Event,
) -> Result<(), IndexError> {
    let EventKind::Motion = event.kind;
    sql.prepare_cached(
        "INSERT INTO event (camera, kind, start_utc_ms, end_utc_ms)
         VALUES (?1, 'motion', ?2, ?3)
         ON CONFLICT (camera, kind, start_utc_ms) DO UPDATE SET
             end_utc_ms = max(end_utc_ms, excluded.end_utc_ms)",
    )
    .and_then(|mut sql| {
        let end = event.span.end_utc_ms.max(event.span.start_utc_ms);
        sql.execute(params![camera.to_string(), event.span.start_utc_ms, end])
    })
    .map_err(failed("note an event"))?;
    Ok(())
}

fn span(row: &Row<'_>) -> rusqlite::Result<Span> {
    Ok(Span {
        start_utc_ms: row.get(0)?,
        end_utc_ms: row.get(1)?,
    })
}

fn cause_word(cause: GapCause) -> &'static str {
    match cause {
        GapCause::Disk => "disk",
        GapCause::Camera => "camera",
        GapCause::Plan => "plan",
        GapCause::DiskAway => "disk_away",
    }
}

fn cause(word: &str) -> Option<GapCause> {
    [
        GapCause::Disk,
        GapCause::Camera,
        GapCause::Plan,
        GapCause::DiskAway,
    ]
    .into_iter()
    .find(|cause| cause_word(*cause) == word)
}
