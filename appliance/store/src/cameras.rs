//! Cameras that were seen, and the channels they were given.

use std::net::Ipv4Addr;

use rusqlite::{OptionalExtension, Row, params};
use sealgate_camera::{CameraId, StreamUrl};

use crate::{Store, StoreError};

/// A camera as it was seen last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCamera {
    /// Which camera.
    pub id: CameraId,
    /// What it calls itself.
    pub name: Option<String>,
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

/// A camera's channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Which camera.
    pub camera: CameraId,
    /// Where its main stream is; the camera is asked where there is none.
    pub stream_url: Option<StreamUrl>,
    /// When it was given, milliseconds since the Unix epoch.
    pub assigned_utc_ms: i64,
    /// Who gave it.
    pub assigned_by: String,
    /// The model it had then.
    pub pinned_model: Option<String>,
    /// The serial number it had then.
    pub pinned_serial: Option<String>,
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
                                     first_seen_utc_ms, last_seen_utc_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)
                 ON CONFLICT (id) DO UPDATE SET
                     name = coalesce(?2, name),
                     model = coalesce(?3, model),
                     serial = coalesce(?4, serial),
                     ip = coalesce(?5, ip),
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
            "SELECT id, name, model, serial, ip, interface, last_seen_utc_ms
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
                    model: rest.model,
                    serial: rest.serial,
                    interface: rest.interface,
                    last_seen_utc_ms: rest.last_seen_utc_ms,
                })
            })
            .collect()
    }

    /// Gives a camera a channel. One that has it keeps the time it was given and what was
    /// pinned then; only the stream address changes.
    ///
    /// # Errors
    /// The database could not be written.
    pub fn assign(&self, channel: &Channel) -> Result<(), StoreError> {
        self.lock()
            .execute(
                "INSERT INTO channel (camera_id, stream_url, assigned_utc_ms, assigned_by,
                                      pinned_model, pinned_serial)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (camera_id) DO UPDATE SET stream_url = ?2",
                params![
                    channel.camera.to_string(),
                    channel.stream_url.clone().map(String::from),
                    channel.assigned_utc_ms,
                    channel.assigned_by,
                    channel.pinned_model,
                    channel.pinned_serial,
                ],
            )
            .map(|_| ())
            .map_err(StoreError::query("give a channel"))
    }

    /// Pins what a camera says it is to its channel, where nothing was pinned yet.
    ///
    /// # Errors
    /// The database could not be written.
    pub fn pin(
        &self,
        camera: CameraId,
        model: Option<&str>,
        serial: Option<&str>,
    ) -> Result<(), StoreError> {
        self.lock()
            .execute(
                "UPDATE channel SET pinned_model = coalesce(pinned_model, ?2),
                                    pinned_serial = coalesce(pinned_serial, ?3)
                 WHERE camera_id = ?1",
                params![camera.to_string(), model, serial],
            )
            .map(|_| ())
            .map_err(StoreError::query("pin a camera"))
    }

    /// Takes a camera's channel away; false where it had none.
    ///
    /// # Errors
    /// The database could not be written.
    pub fn release(&self, camera: CameraId) -> Result<bool, StoreError> {
        self.lock()
            .execute(
                "DELETE FROM channel WHERE camera_id = ?1",
                [camera.to_string()],
            )
            .map(|removed| removed == 1)
            .map_err(StoreError::query("take a channel away"))
    }

    /// Every channel, the oldest first.
    ///
    /// # Errors
    /// The database could not be read, or holds what no channel is.
    pub fn channels(&self) -> Result<Vec<Channel>, StoreError> {
        let rows = self.rows(
            "list the channels",
            "SELECT camera_id, stream_url, assigned_utc_ms, assigned_by, pinned_model,
                    pinned_serial
             FROM channel ORDER BY assigned_utc_ms, camera_id",
            [],
            channel_row,
        )?;
        rows.into_iter().map(channel).collect()
    }

    /// One camera's channel.
    ///
    /// # Errors
    /// The database could not be read, or holds what no channel is.
    pub fn channel(&self, camera: CameraId) -> Result<Option<Channel>, StoreError> {
        let row = self
            .lock()
            .query_row(
                "SELECT camera_id, stream_url, assigned_utc_ms, assigned_by, pinned_model,
                        pinned_serial
                 FROM channel WHERE camera_id = ?1",
                [camera.to_string()],
                channel_row,
            )
            .optional()
            .map_err(StoreError::query("find a channel"))?;
        row.map(channel).transpose()
    }
}

struct KnownCameraRest {
    name: Option<String>,
    model: Option<String>,
    serial: Option<String>,
    interface: String,
    last_seen_utc_ms: i64,
}

struct ChannelRow {
    camera_id: String,
    stream_url: Option<String>,
    assigned_utc_ms: i64,
    assigned_by: String,
    pinned_model: Option<String>,
    pinned_serial: Option<String>,
}

fn channel_row(row: &Row<'_>) -> Result<ChannelRow, rusqlite::Error> {
    Ok(ChannelRow {
        camera_id: row.get(0)?,
        stream_url: row.get(1)?,
        assigned_utc_ms: row.get(2)?,
        assigned_by: row.get(3)?,
        pinned_model: row.get(4)?,
        pinned_serial: row.get(5)?,
    })
}

fn channel(row: ChannelRow) -> Result<Channel, StoreError> {
    Ok(Channel {
        camera: row
            .camera_id
            .parse()
            .map_err(StoreError::foreign("channel.camera_id"))?,
        stream_url: row
            .stream_url
            .map(|url| {
                url.parse()
                    .map_err(StoreError::foreign("channel.stream_url"))
            })
            .transpose()?,
        assigned_utc_ms: row.assigned_utc_ms,
        assigned_by: row.assigned_by,
        pinned_model: row.pinned_model,
        pinned_serial: row.pinned_serial,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::in_memory;

    fn id(text: &str) -> CameraId {
        text.parse().unwrap()
    }

    fn given(camera: &str, assigned_utc_ms: i64) -> Channel {
        Channel {
            camera: id(camera),
            stream_url: None,
            assigned_utc_ms,
            assigned_by: "owner".into(),
            pinned_model: None,
            pinned_serial: Some("S1".into()),
        }
    }

    #[test]
    fn a_camera_that_says_less_keeps_what_it_said() {
        let store = in_memory();
        let first = KnownCamera {
            id: id("02000000000a-1"),
            name: Some("Dock".into()),
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

    #[test]
    fn a_second_assignment_changes_the_address_only() {
        let store = in_memory();
        store.assign(&given("02000000000b-1", 2)).unwrap();
        store.assign(&given("02000000000a-1", 1)).unwrap();
        let url: StreamUrl = "rtsp://admin:s3cret@192.0.2.11/main".parse().unwrap();
        store
            .assign(&Channel {
                stream_url: Some(url.clone()),
                pinned_serial: Some("another".into()),
                ..given("02000000000a-1", 7)
            })
            .unwrap();
        let expected = Channel {
            stream_url: Some(url),
            ..given("02000000000a-1", 1)
        };
        assert_eq!(
            store.channels().unwrap(),
            [expected.clone(), given("02000000000b-1", 2)]
        );
        assert_eq!(
            store.channel(expected.camera).unwrap(),
            Some(expected.clone())
        );
        assert!(store.release(expected.camera).unwrap());
        assert!(!store.release(expected.camera).unwrap());
        assert_eq!(store.channel(expected.camera).unwrap(), None);
    }

    #[test]
    fn what_was_pinned_stays() {
        let store = in_memory();
        let camera = id("02000000000a-1");
        store.assign(&given("02000000000a-1", 1)).unwrap();
        store.pin(camera, Some("M1"), Some("S2")).unwrap();
        store.pin(camera, Some("M2"), None).unwrap();
        let channel = store.channel(camera).unwrap().unwrap();
        assert_eq!(channel.pinned_model.as_deref(), Some("M1"));
        assert_eq!(channel.pinned_serial.as_deref(), Some("S1"));
    }
}
