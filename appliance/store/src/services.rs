//! Where the ONVIF services of cameras were found that announce nothing.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use sealgate_camera::MacAddress;

use crate::{Store, StoreError};

/// In front of the MAC address, as in `camera.id`, in the settings' keys.
const KEY: &str = "camera.service.";

/// Writes one, perhaps within a transaction.
pub(crate) fn insert(
    connection: &Connection,
    mac: MacAddress,
    service: &str,
    now_utc_ms: i64,
) -> rusqlite::Result<()> {
    let value = serde_json::Value::from(service).to_string();
    connection
        .execute(
            "INSERT INTO setting (key, value, changed_utc_ms) VALUES (?1, ?2, ?3)
             ON CONFLICT (key) DO UPDATE SET value = ?2, changed_utc_ms = ?3",
            params![format!("{KEY}{}", mac.compact()), value, now_utc_ms],
        )
        .map(|_| ())
}

impl Store {
    /// Remembers where this camera's ONVIF device service answered; `None` forgets it.
    ///
    /// # Errors
    /// The database could not be written.
    pub fn set_service(
        &self,
        mac: MacAddress,
        service: Option<&str>,
        now_utc_ms: i64,
    ) -> Result<(), StoreError> {
        let key = format!("{KEY}{}", mac.compact());
        match service {
            Some(service) => insert(&self.lock(), mac, service, now_utc_ms)
                .map_err(StoreError::query("remember a camera's service")),
            None => self
                .change(
                    "forget a camera's service",
                    "DELETE FROM setting WHERE key = ?1",
                    params![key],
                )
                .map(|_| ()),
        }
    }

    /// Every one that is remembered.
    ///
    /// # Errors
    /// The database could not be read, or holds what no MAC address or text is.
    pub fn services(&self) -> Result<BTreeMap<MacAddress, String>, StoreError> {
        let rows = self.rows(
            "list the cameras' services",
            "SELECT substr(key, length(?1) + 1), value FROM setting
             WHERE substr(key, 1, length(?1)) = ?1",
            [KEY],
            |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)),
        )?;
        rows.into_iter()
            .map(|(mac, service)| {
                let mac = mac.parse().map_err(StoreError::foreign("setting.key"))?;
                let service =
                    serde_json::from_str(&service).map_err(StoreError::foreign("setting.value"))?;
                Ok((mac, service))
            })
            .collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::in_memory;

    #[test]
    fn remembers_changes_and_forgets() {
        let store = in_memory();
        let mac: MacAddress = "02:00:00:00:00:0a".parse().unwrap();
        store.set_setting("camera", &1, 1).unwrap();
        for port in [80, 2020] {
            let service = format!("http://192.0.2.7:{port}/onvif/device_service");
            store.set_service(mac, Some(&service), 1).unwrap();
            assert_eq!(store.services().unwrap(), BTreeMap::from([(mac, service)]));
        }
        store.set_service(mac, None, 2).unwrap();
        assert!(store.services().unwrap().is_empty());
        assert_eq!(store.setting::<u8>("camera").unwrap(), Some(1));
    }
}
