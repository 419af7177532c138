//! Numbered, forward-only, one transaction each. `user_version` in the file's header
//! holds the number of the last one.

use rusqlite::{Connection, TransactionBehavior};

use crate::StoreError;

/// In order; the first has number 1. Never edit one that was released: add another.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_first.sql"),
    include_str!("../migrations/0002_channels.sql"),
    include_str!("../migrations/0003_people.sql"),
    include_str!("../migrations/0004_owner.sql"),
];

/// The schema this version writes.
pub const SCHEMA_VERSION: u32 = MIGRATIONS.len() as u32;

pub(crate) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let found: u32 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(StoreError::query("say its schema"))?;
    if found > SCHEMA_VERSION {
        return Err(StoreError::NewerSchema {
            found,
            known: SCHEMA_VERSION,
        });
    }
    for (number, sql) in (1..).zip(MIGRATIONS).skip(found as usize) {
        apply(connection, number, sql)
            .map_err(|source| StoreError::Migration { number, source })?;
    }
    Ok(())
}

fn apply(connection: &mut Connection, number: u32, sql: &str) -> Result<(), rusqlite::Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(sql)?;
    transaction.pragma_update(None, "user_version", number)?;
    transaction.commit()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::Store;

    #[test]
    fn a_second_start_changes_nothing_and_the_file_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("box.db");
        drop(Store::open(&path).unwrap());
        drop(Store::open(&path).unwrap());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn refuses_a_newer_schema() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("box.db");
        Connection::open(&path)
            .unwrap()
            .pragma_update(None, "user_version", SCHEMA_VERSION + 1)
            .unwrap();
        assert!(matches!(
            Store::open(&path),
            Err(StoreError::NewerSchema { .. })
        ));
    }

    #[test]
    fn a_channel_from_before_keeps_what_it_had() {
        let mut connection = Connection::open_in_memory().unwrap();
        apply(&mut connection, 1, MIGRATIONS[0]).unwrap();
        connection
            .execute(
                "INSERT INTO channel (camera_id, assigned_utc_ms, assigned_by)
                 VALUES ('02000000000a-1', 5, 'owner')",
                [],
            )
            .unwrap();
        let store = Store::with(connection).unwrap();
        let channels = store.channels().unwrap();
        assert_eq!(channels.len(), 1);
        assert_eq!(channels[0].assigned_utc_ms, 5);
        assert!(!channels[0].preferred && !channels[0].other_brand);
        assert_eq!(channels[0].settings, "{}");
    }

    #[test]
    fn a_failed_migration_leaves_no_trace() {
        let mut connection = Connection::open_in_memory().unwrap();
        assert!(apply(&mut connection, 1, "CREATE TABLE half (x); nonsense;").is_err());
        let tables: u32 = connection
            .query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))
            .unwrap();
        assert_eq!(tables, 0);
    }

    #[test]
    fn refuses_a_file_that_is_no_database() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("box.db");
        std::fs::write(&path, "not a database, whatever its name says".repeat(50)).unwrap();
        assert!(Store::open(&path).is_err());
    }
}
