//! One SQLite file in WAL mode.

mod backup;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, Transaction, TransactionBehavior, params_from_iter};

use super::sql::{self, Refused, SqlRow, SqlTx, Value};
use super::{Store, StoreError, Tx, Verdict};
pub use backup::{back_up, restore};

/// One per schema version, in order. Never edited once released: forward only.
const MIGRATIONS: &[&str] = &[
    include_str!("0001_first.sql"),
    include_str!("0002_terms_and_hardware.sql"),
    include_str!("0003_dongles_and_mac_lists.sql"),
    include_str!("0004_users_by_address.sql"),
    include_str!("0005_people.sql"),
    include_str!("0006_lists.sql"),
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
    move |source| StoreError::Database {
        operation,
        source: Box::new(source),
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
        let store = Self {
            connection: Mutex::new(connection),
        };
        sql::write_stale_summaries(|work| store.in_transaction(work))?;
        Ok(store)
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
        self.in_transaction(&mut |tx| Ok(work(tx)))
    }
}

impl SqliteStore {
    fn in_transaction(&self, work: &mut sql::Work<'_>) -> Result<(), StoreError> {
        let mut connection = self.connection.lock().map_err(|_| StoreError::Poisoned)?;
        let tx = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed("begin a transaction"))?;
        let mut tx = SqliteConnection(tx);
        let mut sql = SqlTx::new(&mut tx);
        let verdict = work(&mut sql)?;
        if verdict == Verdict::Commit {
            sql.refresh()?;
        }
        match verdict {
            Verdict::Commit => tx.0.commit().map_err(failed("commit")),
            Verdict::RollBack => tx.0.rollback().map_err(failed("roll back")),
        }
    }
}

/// A transaction on the file.
struct SqliteConnection<'connection>(Transaction<'connection>);

impl SqliteConnection<'_> {
    fn rows(&self, sql: &str, params: &[Value]) -> rusqlite::Result<Vec<SqlRow>> {
        let mut statement = self.0.prepare_cached(sql)?;
        let columns: Arc<[String]> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query(params_from_iter(params))?;
        let mut result = Vec::new();
        while let Some(row) = rows.next()? {
            let values = (0..columns.len()).map(|index| {
                Ok(match row.get_ref(index)? {
                    ValueRef::Null => Value::Null,
                    ValueRef::Integer(number) => Value::Integer(number),
                    ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
                    ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
                    // No column of ours has fractions.
                    other @ ValueRef::Real(_) => {
                        return Err(rusqlite::Error::InvalidColumnType(
                            index,
                            columns.get(index).cloned().unwrap_or_default(),
                            other.data_type(),
                        ));
                    }
                })
            });
            result.push(SqlRow {
                columns: Arc::clone(&columns),
                values: values.collect::<rusqlite::Result<_>>()?,
            });
        }
        Ok(result)
    }
}

impl sql::Connection for SqliteConnection<'_> {
    fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<SqlRow>, Refused> {
        self.rows(sql, params).map_err(|source| Refused {
            taken: matches!(
                source.sqlite_error().map(|error| error.extended_code),
                Some(
                    rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE
                        | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY
                )
            ),
            source: Box::new(source),
        })
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
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
                 INSERT INTO ledger (at_utc_ms, distributor_id, kind, delta, balance, reason, note)
                 VALUES (0, 'd', 'camera', 5, 5, 'grant', '');
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
