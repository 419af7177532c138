//! The statements that every SQL database of the portal runs; what differs between them is
//! behind [`Connection`].
//!
//! Columns are 64-bit integers, text or bytes, on every database: truth values are 0 and 1,
//! ids are text. Parameters are written `?1`, `?2`, ...

mod accounts;
mod licenses;
mod lists;
mod others;
mod people;
mod projects;
mod summary;
mod value;
mod work;

use std::collections::BTreeSet;
use std::error::Error;

use super::{ServerId, StoreError, Verdict};
pub(super) use value::{NONE, Params, SqlRow, Value};
use value::{ToValue, get, params, parse, parse_optional};

/// Why a database refused a statement.
pub(super) struct Refused {
    /// It would have broken a UNIQUE rule.
    pub(super) taken: bool,
    /// The database's words.
    pub(super) source: Box<dyn Error + Send + Sync>,
}

impl Refused {
    /// Names the failed operation.
    pub(super) fn failed(self, operation: &'static str) -> StoreError {
        StoreError::Database {
            operation,
            source: self.source,
        }
    }
}

/// A database in the middle of a transaction.
pub(super) trait Connection {
    /// Runs a statement to its end, and returns its rows.
    fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<SqlRow>, Refused>;
}

/// What is done in a transaction.
pub(super) type Work<'work> = dyn FnMut(&mut SqlTx<'_>) -> Result<Verdict, StoreError> + 'work;

/// How many summaries one transaction writes when a database is opened.
const STALE_AT_ONCE: u32 = 500;

/// Writes the summaries that a migration left to be written.
pub(super) fn write_stale_summaries(
    mut transact: impl FnMut(&mut Work<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut written = usize::MAX;
    while written > 0 {
        transact(&mut |tx| {
            written = tx.refresh_stale(STALE_AT_ONCE)?;
            Ok(Verdict::Commit)
        })?;
    }
    Ok(())
}

/// A transaction on any of them.
pub(super) struct SqlTx<'connection> {
    connection: &'connection mut dyn Connection,
    /// Servers whose summary is to be written before the transaction ends.
    stale: BTreeSet<ServerId>,
}

impl<'connection> SqlTx<'connection> {
    pub(super) fn new(connection: &'connection mut dyn Connection) -> Self {
        Self {
            connection,
            stale: BTreeSet::new(),
        }
    }

    /// All rows of a query, read by `read`.
    fn all<T>(
        &mut self,
        operation: &'static str,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&SqlRow) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = self.connection.query(sql, &params.values());
        let rows = rows.map_err(|refused| refused.failed(operation))?;
        rows.iter().map(read).collect()
    }

    /// The only row, or none.
    fn one<T>(
        &mut self,
        operation: &'static str,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&SqlRow) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.all(operation, sql, params, read)?.pop())
    }

    fn execute(
        &mut self,
        operation: &'static str,
        sql: &str,
        params: impl Params,
    ) -> Result<(), StoreError> {
        let done = self.connection.query(sql, &params.values());
        done.map(drop).map_err(|refused| refused.failed(operation))
    }

    /// Runs an UPDATE that returns what it changed: whether it changed anything. A broken
    /// UNIQUE rule is the name's fault.
    fn change(
        &mut self,
        operation: &'static str,
        what: &'static str,
        sql: &str,
        params: impl Params,
    ) -> Result<bool, StoreError> {
        match self.connection.query(sql, &params.values()) {
            Err(refused) if refused.taken => Err(StoreError::Taken { what }),
            other => {
                (other.map(|rows| !rows.is_empty())).map_err(|refused| refused.failed(operation))
            }
        }
    }

    /// As [`Self::execute`], but a broken UNIQUE rule is the name's fault.
    fn insert(
        &mut self,
        operation: &'static str,
        what: &'static str,
        sql: &str,
        params: impl Params,
    ) -> Result<(), StoreError> {
        match self.connection.query(sql, &params.values()) {
            Err(refused) if refused.taken => Err(StoreError::Taken { what }),
            other => other.map(drop).map_err(|refused| refused.failed(operation)),
        }
    }
}

/// A column whose number is never below 0.
fn unsigned<T: TryFrom<i64>>(row: &SqlRow, column: &'static str) -> Result<T, StoreError> {
    T::try_from(get::<i64>(row, column)?).map_err(|_| StoreError::Unreadable { column })
}

/// A counter for a column. The rules refuse any above 2^62.
fn counter(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
