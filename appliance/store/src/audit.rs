//! What was done, by whom.

use rusqlite::{Connection, params};

use crate::{Store, StoreError};

/// Something that was done, or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditEntry<'a> {
    /// When, milliseconds since the Unix epoch.
    pub utc_ms: i64,
    /// Who; `None` for what the box did by itself.
    pub actor: Option<&'a str>,
    /// What, for example `license.import`.
    pub action: &'a str,
    /// To what.
    pub object: Option<&'a str>,
    /// The refusal's code; `None` where it succeeded.
    pub code: Option<&'a str>,
}

/// An entry as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Rises with each entry.
    pub id: i64,
    /// See [`AuditEntry::utc_ms`].
    pub utc_ms: i64,
    /// See [`AuditEntry::actor`].
    pub actor: Option<String>,
    /// See [`AuditEntry::action`].
    pub action: String,
    /// See [`AuditEntry::object`].
    pub object: Option<String>,
    /// See [`AuditEntry::code`].
    pub code: Option<String>,
}

/// Appends an entry, perhaps within a transaction.
pub(crate) fn insert(connection: &Connection, entry: &AuditEntry<'_>) -> rusqlite::Result<()> {
    connection
        .execute(
            "INSERT INTO audit (utc_ms, actor, action, object, code)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                entry.utc_ms,
                entry.actor,
                entry.action,
                entry.object,
                entry.code
            ],
        )
        .map(|_| ())
}

impl Store {
    /// Appends an entry.
    ///
    /// # Errors
    /// The database could not be written.
    pub fn audit(&self, entry: &AuditEntry<'_>) -> Result<(), StoreError> {
        insert(&self.lock(), entry).map_err(StoreError::query("write the audit log"))
    }

    /// The newest entries first, at most `limit`.
    ///
    /// # Errors
    /// The database could not be read.
    pub fn audit_log(&self, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
        self.rows(
            "read the audit log",
            "SELECT id, utc_ms, actor, action, object, code FROM audit ORDER BY id DESC LIMIT ?1",
            [limit],
            |row| {
                Ok(AuditRecord {
                    id: row.get(0)?,
                    utc_ms: row.get(1)?,
                    actor: row.get(2)?,
                    action: row.get(3)?,
                    object: row.get(4)?,
                    code: row.get(5)?,
                })
            },
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::in_memory;

    #[test]
    fn newest_first() {
        let store = in_memory();
        for (utc_ms, code) in [(1, None), (2, Some("SG-LIC-010"))] {
            store
                .audit(&AuditEntry {
                    utc_ms,
                    actor: Some("owner"),
                    action: "license.import",
                    object: None,
                    code,
                })
                .unwrap();
        }
        let log = store.audit_log(1).unwrap();
        assert_eq!(log.len(), 1);
        assert_eq!(log[0].code.as_deref(), Some("SG-LIC-010"));
        assert_eq!(store.audit_log(10).unwrap().len(), 2);
    }
}
