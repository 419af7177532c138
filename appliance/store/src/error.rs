//! What can go wrong with the database.

use std::io;
use std::path::PathBuf;

/// Why the database could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file can't be made.
    #[error("the database {path} can't be made")]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file can't be opened as a database.
    #[error("the database {path} can't be opened")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// A newer version of the product wrote it.
    #[error("the database has schema {found}; this version knows up to {known}")]
    NewerSchema {
        /// Its schema.
        found: u32,
        /// The newest schema this version knows.
        known: u32,
    },
    /// One migration failed; the schema is as it was before it.
    #[error("migration {number} of the database failed")]
    Migration {
        /// Its number, from 1.
        number: u32,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// One operation failed; nothing of it was done.
    #[error("the database could not {operation}")]
    Query {
        /// What was asked.
        operation: &'static str,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// A value is not what this version writes there.
    #[error("{column} in the database holds what this version does not write there")]
    Foreign {
        /// Table and column.
        column: &'static str,
        /// Why it can't be understood.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// Every one is a fault of the box's own.
    pub fn code(&self) -> &'static str {
        "SG-API-003"
    }

    pub(crate) fn query(operation: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| Self::Query { operation, source }
    }

    pub(crate) fn foreign<E>(column: &'static str) -> impl FnOnce(E) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        move |source| Self::Foreign {
            column,
            source: Box::new(source),
        }
    }
}
