//! One SQLite file in WAL mode.

mod accounts;
mod licenses;
mod others;
mod projects;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use rusqlite::{Connection, Row, Transaction, TransactionBehavior};

use super::{Store, StoreError, Tx, Verdict};

/// One per schema version, in order. Never edited once released: forward only.
const MIGRATIONS: &[&str] = &[
    include_str!("0001_first.sql"),
    include_str!("0002_terms_and_hardware.sql"),
    include_str!("0003_dongles_and_mac_lists.sql"),
];

/// How long a statement waits for another process (a backup, `roots add`).
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// A portal database in a SQLite file.
///
/// One connection: a transaction takes well under a millisecond, and writers exclude
/// each other in SQLite anyway.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Mutex<Connection>,
}

/// Names the failed operation.
fn failed(operation: &'static str) -> impl FnOnce(rusqlite::Error) -> StoreError {
    move |source| StoreError::Sqlite { operation, source }
}

/// As [`failed`], but a broken UNIQUE rule is the name's fault.
fn failed_or_taken(
    operation: &'static str,
    what: &'static str,
) -> impl FnOnce(rusqlite::Error) -> StoreError {
    move |source| match source.sqlite_error().map(|error| error.extended_code) {
        Some(
            rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY,
        ) => StoreError::Taken { what },
        _ => StoreError::Sqlite { operation, source },
    }
}

impl SqliteStore {
    /// Opens the file, makes it if there is none, and migrates it to this version's
    /// schema.
    ///
    /// # Errors
    /// The file can't be opened or migrated, or a newer version migrated it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        // It holds activation secrets and password hashes. SQLite gives the files beside
        // it (-wal, -shm) the same permissions.
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(StoreError::File)?;
        let connection = Connection::open(path).map_err(failed("open its file"))?;
        Self::prepare(connection)
    }

    fn prepare(mut connection: Connection) -> Result<Self, StoreError> {
        connection
            .busy_timeout(BUSY_TIMEOUT)
            .map_err(failed("set its time limit"))?;
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .and_then(|()| connection.pragma_update(None, "synchronous", "FULL"))
            .and_then(|()| connection.pragma_update(None, "foreign_keys", true))
            .map_err(failed("set its mode"))?;
        migrate(&mut connection)?;
        Ok(Self {
            connection: Mutex::new(connection),
        })
    }
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let newest = i64::try_from(MIGRATIONS.len()).expect("a handful of migrations");
    loop {
        let tx = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed("begin a migration"))?;
        let found: i64 = tx
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(failed("read its schema version"))?;
        if found > newest {
            return Err(StoreError::NewerSchema { found, newest });
        }
        let Some(migration) = usize::try_from(found)
            .ok()
            .and_then(|index| MIGRATIONS.get(index))
        else {
            return Ok(());
        };
        tx.execute_batch(migration).map_err(failed("migrate"))?;
        tx.pragma_update(None, "user_version", found + 1)
            .map_err(failed("note its schema version"))?;
        tx.commit().map_err(failed("commit a migration"))?;
    }
}

impl Store for SqliteStore {
    fn run(&self, work: &mut dyn FnMut(&mut dyn Tx) -> Verdict) -> Result<(), StoreError> {
        let mut connection = self.connection.lock().map_err(|_| StoreError::Poisoned)?;
        let tx = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed("begin a transaction"))?;
        let mut tx = SqliteTx(tx);
        match work(&mut tx) {
            Verdict::Commit => tx.0.commit().map_err(failed("commit")),
            Verdict::RollBack => tx.0.rollback().map_err(failed("roll back")),
        }
    }
}

/// A transaction on the file.
struct SqliteTx<'connection>(Transaction<'connection>);

impl SqliteTx<'_> {
    /// All rows of a query, read by `read`.
    fn all<T>(
        &self,
        operation: &'static str,
        sql: &str,
        params: impl rusqlite::Params,
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.0.prepare_cached(sql).map_err(failed(operation))?;
        let mut rows = statement.query(params).map_err(failed(operation))?;
        let mut result = Vec::new();
        while let Some(row) = rows.next().map_err(failed(operation))? {
            result.push(read(row)?);
        }
        Ok(result)
    }

    /// The only row, or none.
    fn one<T>(
        &self,
        operation: &'static str,
        sql: &str,
        params: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.all(operation, sql, params, read)?.pop())
    }

    fn execute(
        &self,
        operation: &'static str,
        sql: &str,
        params: impl rusqlite::Params,
    ) -> Result<(), StoreError> {
        self.0
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params))
            .map(drop)
            .map_err(failed(operation))
    }
}

/// A column as it is.
fn get<T: rusqlite::types::FromSql>(row: &Row<'_>, column: &'static str) -> Result<T, StoreError> {
    row.get(column)
        .map_err(|_| StoreError::Unreadable { column })
}

/// A column of text that parses.
fn parse<T: std::str::FromStr>(row: &Row<'_>, column: &'static str) -> Result<T, StoreError> {
    get::<String>(row, column)?
        .parse()
        .map_err(|_| StoreError::Unreadable { column })
}

/// A column of text, or NULL, that parses.
fn parse_optional<T: std::str::FromStr>(
    row: &Row<'_>,
    column: &'static str,
) -> Result<Option<T>, StoreError> {
    get::<Option<String>>(row, column)?
        .map(|text| text.parse())
        .transpose()
        .map_err(|_| StoreError::Unreadable { column })
}

/// A column whose number is never below 0.
fn unsigned<T: TryFrom<i64>>(row: &Row<'_>, column: &'static str) -> Result<T, StoreError> {
    T::try_from(get::<i64>(row, column)?).map_err(|_| StoreError::Unreadable { column })
}

/// A counter for a column. The rules refuse any above 2^62.
fn counter(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::store::transact;

    #[test]
    fn reopens_what_it_wrote_and_refuses_a_newer_schema() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("portal.db");
        let store = SqliteStore::open(&path).unwrap();
        transact::<_, StoreError>(&store, |tx| tx.set_meta("flavour", "lab")).unwrap();
        for file in std::fs::read_dir(folder.path()).unwrap() {
            use std::os::unix::fs::PermissionsExt as _;
            let file = file.unwrap();
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{:?}", file.file_name());
        }
        drop(store);
        let store = SqliteStore::open(&path).unwrap();
        let read = transact::<_, StoreError>(&store, |tx| tx.meta("flavour")).unwrap();
        assert_eq!(read.as_deref(), Some("lab"));
        drop(store);
        let raw = Connection::open(&path).unwrap();
        raw.pragma_update(None, "user_version", 999).unwrap();
        drop(raw);
        assert!(matches!(
            SqliteStore::open(&path),
            Err(StoreError::NewerSchema { found: 999, .. })
        ));
    }

    #[test]
    fn an_error_leaves_nothing_behind() {
        let store = SqliteStore::prepare(Connection::open_in_memory().unwrap()).unwrap();
        let result: Result<(), StoreError> = transact(&store, |tx| {
            tx.set_meta("flavour", "lab")?;
            Err(StoreError::Poisoned)
        });
        assert!(result.is_err());
        let read = transact::<_, StoreError>(&store, |tx| tx.meta("flavour")).unwrap();
        assert_eq!(read, None);
    }

    #[test]
    fn ledger_and_audit_are_append_only() {
        let store = SqliteStore::prepare(Connection::open_in_memory().unwrap()).unwrap();
        let connection = store.connection.lock().unwrap();
        connection
            .execute_batch(
                "INSERT INTO distributors (id, name, created_utc_s) VALUES ('d', 'D', 0);
                 INSERT INTO ledger (at_utc_ms, distributor_id, kind, delta, reason, note)
                 VALUES (0, 'd', 'camera', 5, 'grant', '');
                 INSERT INTO audit (at_utc_ms, action, object, detail) VALUES (0, 'a', 'o', '');",
            )
            .unwrap();
        for statement in [
            "UPDATE ledger SET delta = 6",
            "DELETE FROM ledger",
            "UPDATE audit SET action = 'b'",
            "DELETE FROM audit",
        ] {
            let error = connection.execute(statement, []).unwrap_err();
            assert!(
                error.to_string().contains("append-only"),
                "{statement}: {error}"
            );
        }
    }
}
