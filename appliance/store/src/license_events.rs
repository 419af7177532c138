//! What became of licenses on this box, in words for people.

use rusqlite::params;

use crate::{Store, StoreError};

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicenseEvent {
    /// When, milliseconds since the Unix epoch.
    pub utc_ms: i64,
    /// `import`, `request`, or `proof`: a request that proves a return.
    pub kind: String,
    /// The license; none where none was installed.
    pub license_id: Option<String>,
    /// Its revision.
    pub revision: Option<u32>,
    /// Its camera places.
    pub places: Option<u32>,
}

impl Store {
    /// Appends an event.
    ///
    /// # Errors
    /// The database could not be written, or does not know the kind.
    pub fn add_license_event(&self, event: &LicenseEvent) -> Result<(), StoreError> {
        self.change(
            "write the license's history",
            "INSERT INTO license_event (utc_ms, kind, license_id, revision, places)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                event.utc_ms,
                event.kind,
                event.license_id,
                event.revision,
                event.places
            ],
        )
        .map(drop)
    }

    /// The newest events first, at most `limit`.
    ///
    /// # Errors
    /// The database could not be read.
    pub fn license_events(&self, limit: u32) -> Result<Vec<LicenseEvent>, StoreError> {
        self.rows(
            "read the license's history",
            "SELECT utc_ms, kind, license_id, revision, places FROM license_event
             ORDER BY id DESC LIMIT ?1",
            [limit],
            |row| {
                Ok(LicenseEvent {
                    utc_ms: row.get(0)?,
                    kind: row.get(1)?,
                    license_id: row.get(2)?,
                    revision: row.get(3)?,
                    places: row.get(4)?,
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
    fn the_newest_comes_first_and_an_unknown_kind_is_refused() {
        let store = in_memory();
        let event = |utc_ms, kind: &str| LicenseEvent {
            utc_ms,
            kind: kind.into(),
            license_id: Some("L-1".into()),
            revision: Some(2),
            places: Some(8),
        };
        store.add_license_event(&event(1, "request")).unwrap();
        store.add_license_event(&event(2, "import")).unwrap();
        assert!(store.add_license_event(&event(3, "theft")).is_err());
        assert_eq!(
            store.license_events(1).unwrap(),
            [event(2, "import")],
            "the newest"
        );
        assert_eq!(store.license_events(9).unwrap().len(), 2);
    }
}
