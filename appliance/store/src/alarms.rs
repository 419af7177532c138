//! Alarms: raised once for each time that something goes wrong, until somebody saw them.

use rusqlite::{Row, params};

use crate::{Store, StoreError};

/// So many alarms that are over and seen are kept.
const KEPT: u32 = 200;

/// One alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Rises with each alarm.
    pub id: i64,
    /// What is wrong with what, as the box compares it.
    pub cause: String,
    /// The problem in words, JSON.
    pub problem: String,
    /// When it was seen first, milliseconds since the Unix epoch.
    pub raised_utc_ms: i64,
    /// When it was over; none while it lasts.
    pub ended_utc_ms: Option<i64>,
    /// Who acknowledged it, and when.
    pub acknowledged: Option<(String, i64)>,
}

impl Store {
    /// Ends the alarms whose cause is not among these any more, and raises those that are
    /// new: each is a cause and its problem in words. Gives the causes that were raised.
    ///
    /// # Errors
    /// The database could not be read or written.
    pub fn settle_alarms(
        &self,
        lasting: &[(String, String)],
        now_utc_ms: i64,
    ) -> Result<Vec<String>, StoreError> {
        let failed = StoreError::query("settle the alarms");
        let mut connection = self.lock();
        let mut settle = || -> Result<Vec<String>, rusqlite::Error> {
            let transaction = connection.transaction()?;
            let before: Vec<(i64, String)> = transaction
                .prepare_cached("SELECT id, cause FROM alarm WHERE ended_utc_ms IS NULL")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?;
            let is_lasting = |cause: &str| lasting.iter().any(|(it, _)| it == cause);
            let over: Vec<_> = before.iter().filter(|(_, it)| !is_lasting(it)).collect();
            for (id, _) in &over {
                transaction.execute(
                    "UPDATE alarm SET ended_utc_ms = ?2 WHERE id = ?1",
                    params![id, now_utc_ms],
                )?;
            }
            let mut raised = Vec::new();
            for (cause, problem) in lasting {
                if before.iter().any(|(_, it)| it == cause) {
                    continue;
                }
                let inserted = transaction.execute(
                    "INSERT OR IGNORE INTO alarm (cause, problem, raised_utc_ms)
                     VALUES (?1, ?2, ?3)",
                    params![cause, problem, now_utc_ms],
                )?;
                if inserted > 0 {
                    raised.push(cause.clone());
                }
            }
            if !raised.is_empty() || !over.is_empty() {
                transaction.execute(
                    "DELETE FROM alarm WHERE ended_utc_ms IS NOT NULL
                     AND acknowledged_utc_ms IS NOT NULL AND id <=
                     (SELECT id FROM alarm ORDER BY id DESC LIMIT 1 OFFSET ?1)",
                    [KEPT],
                )?;
            }
            transaction.commit()?;
            Ok(raised)
        };
        settle().map_err(failed)
    }

    /// The alarms, those that nobody acknowledged first, then the newest first; at most
    /// `limit`.
    ///
    /// # Errors
    /// The database could not be read.
    pub fn alarms(&self, limit: u32) -> Result<Vec<Alarm>, StoreError> {
        self.rows(
            "read the alarms",
            "SELECT id, cause, problem, raised_utc_ms, ended_utc_ms, acknowledged_by,
                    acknowledged_utc_ms
             FROM alarm ORDER BY acknowledged_utc_ms IS NOT NULL, id DESC LIMIT ?1",
            [limit],
            alarm,
        )
    }

    /// Somebody saw it. False where there is no such alarm, or somebody else was first.
    ///
    /// # Errors
    /// The database could not be written.
    pub fn acknowledge_alarm(
        &self,
        id: i64,
        by: &str,
        now_utc_ms: i64,
    ) -> Result<bool, StoreError> {
        self.change(
            "acknowledge an alarm",
            "UPDATE alarm SET acknowledged_by = ?2, acknowledged_utc_ms = ?3
             WHERE id = ?1 AND acknowledged_utc_ms IS NULL",
            params![id, by, now_utc_ms],
        )
        .map(|changed| changed > 0)
    }
}

fn alarm(row: &Row<'_>) -> Result<Alarm, rusqlite::Error> {
    let by: Option<String> = row.get(5)?;
    let when: Option<i64> = row.get(6)?;
    Ok(Alarm {
        id: row.get(0)?,
        cause: row.get(1)?,
        problem: row.get(2)?,
        raised_utc_ms: row.get(3)?,
        ended_utc_ms: row.get(4)?,
        acknowledged: by.zip(when),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::in_memory;

    fn causes(causes: &[&str]) -> Vec<(String, String)> {
        let words = |cause: &&str| ((*cause).to_owned(), "{}".to_owned());
        causes.iter().map(words).collect()
    }

    #[test]
    fn an_alarm_is_raised_once_for_each_time_that_its_cause_comes() {
        let store = in_memory();
        let settle = |lasting: &[&str], now| store.settle_alarms(&causes(lasting), now).unwrap();
        assert_eq!(settle(&["disk", "gate"], 1), ["disk", "gate"]);
        assert!(settle(&["disk", "gate"], 2).is_empty());
        let [gate, disk] = &store.alarms(9).unwrap()[..] else {
            panic!("two alarms");
        };
        assert_eq!((disk.raised_utc_ms, disk.ended_utc_ms), (1, None));

        assert!(store.acknowledge_alarm(disk.id, "ann", 3).unwrap());
        assert!(!store.acknowledge_alarm(disk.id, "bob", 4).unwrap());
        assert!(!store.acknowledge_alarm(99, "bob", 4).unwrap());
        // It lasts and was seen: nothing new. Gone and back: new, and to be seen again.
        assert!(settle(&["disk", "gate"], 5).is_empty());
        assert!(settle(&[], 6).is_empty());
        assert_eq!(settle(&["disk"], 7), ["disk"]);
        let alarms = store.alarms(9).unwrap();
        let seen: Vec<_> = alarms
            .iter()
            .map(|alarm| {
                (
                    alarm.cause.as_str(),
                    alarm.ended_utc_ms,
                    alarm.acknowledged.clone(),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("disk", None, None),
                ("gate", Some(6), None),
                ("disk", Some(6), Some(("ann".to_owned(), 3))),
            ]
        );
        assert_eq!(alarms[1].id, gate.id);
    }

    #[test]
    fn only_old_alarms_that_somebody_saw_are_forgotten() {
        let store = in_memory();
        for now in 0..i64::from(KEPT) + 50 {
            store.settle_alarms(&causes(&["disk"]), now).unwrap();
            let newest = store.alarms(1).unwrap()[0].id;
            if now > 0 {
                store.acknowledge_alarm(newest, "ann", now).unwrap();
            }
            store.settle_alarms(&[], now).unwrap();
        }
        let alarms = store.alarms(1000).unwrap();
        assert_eq!(alarms.len() as u32, KEPT + 1);
        // The first was never seen.
        assert_eq!(alarms[0].raised_utc_ms, 0);
    }
}
