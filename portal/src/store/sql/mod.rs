//! The statements that every SQL database of the portal runs; what differs between them is
//! behind [`Connection`].
//!
//! Columns are 64-bit integers, text or bytes, on every database: truth values are 0 and 1,
//! ids are text. Parameters are written `?1`, `?2`, ...

mod accounts;
mod licenses;
mod others;
mod people;
mod projects;
mod value;

use std::error::Error;

use super::StoreError;
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

/// A transaction on any of them.
pub(super) struct SqlTx<'connection>(pub(super) &'connection mut dyn Connection);

impl SqlTx<'_> {
    /// All rows of a query, read by `read`.
    fn all<T>(
        &mut self,
        operation: &'static str,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&SqlRow) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = self.0.query(sql, &params.values());
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
        let done = self.0.query(sql, &params.values());
        done.map(drop).map_err(|refused| refused.failed(operation))
    }

    /// As [`Self::execute`], but a broken UNIQUE rule is the name's fault.
    fn insert(
        &mut self,
        operation: &'static str,
        what: &'static str,
        sql: &str,
        params: impl Params,
    ) -> Result<(), StoreError> {
        match self.0.query(sql, &params.values()) {
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
