//! PostgreSQL, for more than one portal on one database.
//!
//! A transaction first takes a lock that all portals on the database share, so that
//! writers exclude each other as they do in SQLite: what was read stays true until the
//! commit, whichever portal reads it. A transaction takes milliseconds.
//!
//! The connection is not encrypted: the server is reached by a Unix socket, on loopback or
//! through a tunnel.

mod backup;

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::BytesMut;
use postgres::error::SqlState;
use postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, Config, NoTls, Statement, Transaction};

use super::sql::{self, Refused, SqlRow, SqlTx, Value};
use super::{Store, StoreError, Tx, Verdict};
pub use backup::{back_up, restore};

/// One per schema version, in order. Never edited once released: forward only.
const MIGRATIONS: &[&str] = &[
    include_str!("0001_first.sql"),
    include_str!("0002_people.sql"),
    include_str!("0003_lists.sql"),
];

/// What every transaction takes first: the letters "sealgate" as a number.
const LOCK: &str = "SELECT pg_advisory_xact_lock(8315161583205803109)";

/// How long a statement waits for another portal; a commit is on disk when it is answered.
const SETTINGS: &str = "SET lock_timeout = '10s'; SET synchronous_commit = 'on';
    SET client_min_messages = 'warning'";

/// How long a server may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a PostgreSQL database is: `postgresql://USER:PASSWORD@HOST/DATABASE`, or the
/// words of libpq (`host=/run/postgresql dbname=portal`).
#[derive(Clone)]
pub struct PostgresAddress(Config);

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It may hold a password.
        f.write_str("PostgresAddress")
    }
}

impl FromStr for PostgresAddress {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.trim().parse().map(Self).map_err(failed("be named"))
    }
}

/// A portal database in PostgreSQL.
///
/// One connection: transactions exclude each other anyway.
pub struct PostgresStore {
    address: PostgresAddress,
    session: Mutex<Option<Session>>,
}

struct Session {
    client: Client,
    /// By their text.
    statements: HashMap<String, Statement>,
}

/// Names the failed operation.
fn failed(operation: &'static str) -> impl FnOnce(postgres::Error) -> StoreError {
    move |source| StoreError::Database {
        operation,
        source: Box::new(source),
    }
}

impl PostgresStore {
    /// Connects, and migrates the database to this version's schema.
    ///
    /// # Errors
    /// It can't be reached or migrated, or a newer version migrated it.
    pub fn open(address: &PostgresAddress) -> Result<Self, StoreError> {
        let mut session = Session::begin(address)?;
        migrate(&mut session.client)?;
        let store = Self {
            address: address.clone(),
            session: Mutex::new(Some(session)),
        };
        sql::write_stale_summaries(|work| store.in_transaction(work))?;
        Ok(store)
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        let held = self.session.get_mut().ok().and_then(Option::take);
        if let Some(session) = held {
            // The client blocks to say goodbye, which the thread of an async task may not.
            let farewell = std::thread::spawn(move || drop(session));
            if farewell.join().is_err() {
                tracing::warn!("the database's session was not closed");
            }
        }
    }
}

impl Session {
    fn begin(address: &PostgresAddress) -> Result<Self, StoreError> {
        let mut config = address.0.clone();
        config.application_name("sealgate-portal");
        let mut client = config.connect(NoTls).map_err(failed("be reached"))?;
        client
            .batch_execute(SETTINGS)
            .map_err(failed("set its limits"))?;
        Ok(Self {
            client,
            statements: HashMap::new(),
        })
    }

    fn run(&mut self, work: &mut sql::Work<'_>) -> Result<(), StoreError> {
        let mut tx = self.transaction().map_err(failed("begin a transaction"))?;
        let mut sql = SqlTx::new(&mut tx);
        let verdict = work(&mut sql)?;
        if verdict == Verdict::Commit {
            sql.refresh()?;
        }
        match verdict {
            Verdict::Commit if tx.refused => Err(StoreError::Poisoned),
            Verdict::Commit => tx.transaction.commit().map_err(failed("commit")),
            Verdict::RollBack => tx.transaction.rollback().map_err(failed("roll back")),
        }
    }

    /// A transaction that excludes every other writer.
    fn transaction(&mut self) -> Result<PostgresConnection<'_>, postgres::Error> {
        let mut transaction = self.client.transaction()?;
        transaction.batch_execute(LOCK)?;
        Ok(PostgresConnection {
            transaction,
            statements: &mut self.statements,
            refused: false,
        })
    }
}

fn migrate(client: &mut Client) -> Result<(), StoreError> {
    let newest = i64::try_from(MIGRATIONS.len()).expect("a handful of migrations");
    migrate_to(client, newest)
}

/// Migrates no further than to `wanted`.
fn migrate_to(client: &mut Client, wanted: i64) -> Result<(), StoreError> {
    let newest = i64::try_from(MIGRATIONS.len()).expect("a handful of migrations");
    if wanted > newest {
        let found = wanted;
        return Err(StoreError::NewerSchema { found, newest });
    }
    let newest = wanted;
    let mut tx = client.transaction().map_err(failed("begin a migration"))?;
    tx.batch_execute(LOCK)
        .and_then(|()| {
            tx.batch_execute("CREATE TABLE IF NOT EXISTS schema_versions (version BIGINT NOT NULL)")
        })
        .map_err(failed("begin a migration"))?;
    let found: i64 = tx
        .query_one("SELECT COALESCE(MAX(version), 0) FROM schema_versions", &[])
        .and_then(|row| row.try_get(0))
        .map_err(failed("read its schema version"))?;
    if found > newest {
        return Err(StoreError::NewerSchema { found, newest });
    }
    for (version, migration) in (1_i64..).zip(MIGRATIONS) {
        if version <= found || version > newest {
            continue;
        }
        tx.batch_execute(migration).map_err(failed("migrate"))?;
        tx.execute("INSERT INTO schema_versions VALUES ($1)", &[&version])
            .map_err(failed("note its schema version"))?;
    }
    tx.commit().map_err(failed("commit a migration"))
}

impl Store for PostgresStore {
    fn run(&self, work: &mut dyn FnMut(&mut dyn Tx) -> Verdict) -> Result<(), StoreError> {
        self.in_transaction(&mut |tx| Ok(work(tx)))
    }
}

impl PostgresStore {
    fn in_transaction(&self, work: &mut sql::Work<'_>) -> Result<(), StoreError> {
        let mut held = self.session.lock().map_err(|_| StoreError::Poisoned)?;
        let mut session = match held.take() {
            Some(session) if !session.client.is_closed() => session,
            _ => Session::begin(&self.address)?,
        };
        // A server that restarted shows here, where nothing was done yet.
        if session.client.is_valid(PATIENCE).is_err() {
            session = Session::begin(&self.address)?;
        }
        session.run(work)?;
        // Kept only after it worked: any failure above begins a new session.
        *held = Some(session);
        Ok(())
    }
}

/// A transaction in the database.
struct PostgresConnection<'session> {
    transaction: Transaction<'session>,
    statements: &'session mut HashMap<String, Statement>,
    /// A statement was refused. PostgreSQL would answer a commit with a silent roll-back.
    refused: bool,
}

impl PostgresConnection<'_> {
    fn rows(&mut self, sql: &str, params: &[Value]) -> Result<Vec<SqlRow>, postgres::Error> {
        let statement = match self.statements.get(sql) {
            Some(known) => known.clone(),
            None => {
                // Ours are written `?1`, PostgreSQL's `$1`; no statement has another `?`.
                let prepared = self.transaction.prepare(&sql.replace('?', "$"))?;
                self.statements.insert(sql.to_owned(), prepared.clone());
                prepared
            }
        };
        let columns: Arc<[String]> = (statement.columns().iter())
            .map(|column| column.name().to_owned())
            .collect();
        let params: Vec<&(dyn ToSql + Sync)> = params
            .iter()
            .map(|value| value as &(dyn ToSql + Sync))
            .collect();
        let rows = self.transaction.query(&statement, &params)?;
        rows.iter()
            .map(|row| {
                let values = (0..columns.len()).map(|index| row.try_get(index));
                Ok(SqlRow {
                    columns: Arc::clone(&columns),
                    values: values.collect::<Result<_, postgres::Error>>()?,
                })
            })
            .collect()
    }
}

impl sql::Connection for PostgresConnection<'_> {
    fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<SqlRow>, Refused> {
        self.rows(sql, params).map_err(|source| {
            self.refused = true;
            Refused {
                taken: source.code() == Some(&SqlState::UNIQUE_VIOLATION),
                source: Box::new(source),
            }
        })
    }
}

impl ToSql for Value {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) => number.to_sql_checked(ty, out),
            Self::Text(text) => text.to_sql_checked(ty, out),
            Self::Bytes(bytes) => bytes.to_sql_checked(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT8 | Type::TEXT | Type::BYTEA)
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(
        ty: &Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        match *ty {
            Type::INT8 => i64::from_sql(ty, raw).map(Self::Integer),
            Type::BYTEA => Vec::from_sql(ty, raw).map(Self::Bytes),
            _ => String::from_sql(ty, raw).map(Self::Text),
        }
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(ty: &Type) -> bool {
        <Self as ToSql>::accepts(ty)
    }
}
