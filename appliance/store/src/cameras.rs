//! Cameras that were seen.

use std::net::Ipv4Addr;

use rusqlite::params;
use sealgate_camera::CameraId;

use crate::{Store, StoreError};

/// A camera as it was seen last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCamera {
    /// Which camera.
    pub id: CameraId,
    /// What it calls itself.
    pub name: Option<String>,
    /// Who it says made it.
    pub manufacturer: Option<String>,
    /// The model it says it is.
    pub model: Option<String>,
    /// The serial number it says it has.
    pub serial: Option<String>,
    /// Its address.
    pub ip: Option<Ipv4Addr>,
    /// The interface it was seen on.
    pub interface: String,
    /// When it was seen last (and, for a new one, first), milliseconds since the Unix epoch.
    pub last_seen_utc_ms: i64,
}

impl Store {
    /// Remembers where a camera was seen. What it did not say this time is kept from
    /// before; so is the time it was seen first.
    ///
    /// # Errors
    /// The database could not be written.
    pub fn camera_seen(&self, camera: &KnownCamera) -> Result<(), StoreError> {
        self.lock()
            .execute(
                "INSERT INTO camera (id, name, model, serial, ip, interface,
                                     first_seen_utc_ms, last_seen_utc_ms, manufacturer)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8)
                 ON CONFLICT (id) DO UPDATE SET
                     name = coalesce(?2, name),
                     model = coalesce(?3, model),
                     serial = coalesce(?4, serial),
                     ip = coalesce(?5, ip),
                     manufacturer = coalesce(?8, manufacturer),
                     interface = ?6,
                     last_seen_utc_ms = ?7",
                params![
                    camera.id.to_string(),
                    camera.name,
                    camera.model,
                    camera.serial,
                    camera.ip.map(|ip| ip.to_string()),
                    camera.interface,
                    camera.last_seen_utc_ms,
                    camera.manufacturer,
                ],
            )
            .map(|_| ())
            .map_err(StoreError::query("remember a camera"))
    }

    /// Every camera that was ever seen, by id.
    ///
    /// # Errors
    /// The database could not be read, or holds what no camera is called.
    pub fn cameras(&self) -> Result<Vec<KnownCamera>, StoreError> {
        let rows = self.rows(
            "list the cameras",
            "SELECT id, name, model, serial, ip, interface, last_seen_utc_ms, manufacturer
             FROM camera ORDER BY id",
            [],
            |row| {
                Ok((
                    row.get::<_, String>(0)?,
                    row.get::<_, Option<String>>(4)?,
                    KnownCameraRest {
                        name: row.get(1)?,
                        model: row.get(2)?,
                        serial: row.get(3)?,
                        interface: row.get(5)?,
                        last_seen_utc_ms: row.get(6)?,
                        manufacturer: row.get(7)?,
                    },
                ))
            },
        )?;
        rows.into_iter()
            .map(|(id, ip, rest)| {
                Ok(KnownCamera {
                    id: id.parse().map_err(StoreError::foreign("camera.id"))?,
                    ip: ip
                        .map(|ip| ip.parse().map_err(StoreError::foreign("camera.ip")))
                        .transpose()?,
                    name: rest.name,
                    manufacturer: rest.manufacturer,
                    model: rest.model,
                    serial: rest.serial,
                    interface: rest.interface,
                    last_seen_utc_ms: rest.last_seen_utc_ms,
                })
            })
            .collect()
    }
}

struct KnownCameraRest {
    name: Option<String>,
    manufacturer: Option<String>,
    model: Option<String>,
    serial: Option<String>,
    interface: String,
    last_seen_utc_ms: i64,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::in_memory;

    #[test]
    fn a_camera_that_says_less_keeps_what_it_said() {
        let store = in_memory();
        let first = KnownCamera {
            id: "02000000000a-1".parse().unwrap(),
            name: Some("Dock".into()),
            manufacturer: Some("Acme".into()),
            model: Some("M1".into()),
            serial: Some("S1".into()),
            ip: Some(Ipv4Addr::new(192, 0, 2, 11)),
            interface: "cam0".into(),
            last_seen_utc_ms: 5,
        };
        store.camera_seen(&first).unwrap();
        store
            .camera_seen(&KnownCamera {
                name: None,
                manufacturer: None,
                model: None,
                serial: None,
                ip: Some(Ipv4Addr::new(192, 0, 2, 12)),
                last_seen_utc_ms: 9,
                ..first.clone()
            })
            .unwrap();
        assert_eq!(
            store.cameras().unwrap(),
            [KnownCamera {
                ip: Some(Ipv4Addr::new(192, 0, 2, 12)),
                last_seen_utc_ms: 9,
                ..first
            }]
        );
    }
}
