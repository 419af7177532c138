//! The owner's settings.

use rusqlite::{OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Store, StoreError};

impl Store {
    /// The setting of this key; `None` where it was never set.
    ///
    /// # Errors
    /// The database could not be read, or holds another kind of value there.
    pub fn setting<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StoreError> {
        let text: Option<String> = self
            .lock()
            .query_row("SELECT value FROM setting WHERE key = ?1", [key], |row| {
                row.get(0)
            })
            .optional()
            .map_err(StoreError::query("read a setting"))?;
        text.map(|text| serde_json::from_str(&text).map_err(StoreError::foreign("setting.value")))
            .transpose()
    }

    /// Sets it.
    ///
    /// # Errors
    /// The value is not expressible as JSON, or the database could not be written.
    pub fn set_setting<T: Serialize>(
        &self,
        key: &str,
        value: &T,
        now_utc_ms: i64,
    ) -> Result<(), StoreError> {
        let text = serde_json::to_string(value).map_err(StoreError::foreign("setting.value"))?;
        self.lock()
            .execute(
                "INSERT INTO setting (key, value, changed_utc_ms) VALUES (?1, ?2, ?3)
                 ON CONFLICT (key) DO UPDATE SET value = ?2, changed_utc_ms = ?3",
                params![key, text, now_utc_ms],
            )
            .map(|_| ())
            .map_err(StoreError::query("write a setting"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::in_memory;

    #[test]
    fn reads_what_was_written_last() {
        let store = in_memory();
        assert_eq!(store.setting::<String>("box.name").unwrap(), None);
        store.set_setting("box.name", &"Gate 1", 1).unwrap();
        store.set_setting("box.name", &"Gate 2", 2).unwrap();
        assert_eq!(
            store.setting::<String>("box.name").unwrap().as_deref(),
            Some("Gate 2")
        );
        assert!(store.setting::<u32>("box.name").is_err());
    }
}
