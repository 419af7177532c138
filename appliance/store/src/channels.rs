//! The channels that cameras were given.

use rusqlite::{OptionalExtension, Row, TransactionBehavior, params};
use sealgate_camera::{CameraId, StreamUrl};

use crate::{Store, StoreError};

/// A camera's channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Which camera.
    pub camera: CameraId,
    /// Where its main stream is; the camera is asked where there is none.
    pub stream_url: Option<StreamUrl>,
    /// Where its small stream is, if it has one.
    pub sub_stream_url: Option<StreamUrl>,
    /// When it was given, milliseconds since the Unix epoch.
    pub assigned_utc_ms: i64,
    /// Who gave it.
    pub assigned_by: String,
    /// The model it had then.
    pub pinned_model: Option<String>,
    /// The serial number it had then.
    pub pinned_serial: Option<String>,
    /// What the owner calls it.
    pub name: Option<String>,
    /// The owner chose that it keeps its place before others.
    pub preferred: bool,
    /// It was of another brand than the vendor's own when it was enrolled.
    pub other_brand: bool,
    /// How it is recorded and kept: a JSON object.
    pub settings: String,
}

/// In the order of [`channel_row`].
const COLUMNS: &str = "camera_id, stream_url, assigned_utc_ms, assigned_by, pinned_model,
     pinned_serial, name, preferred, other_brand, sub_stream_url, settings";

impl Store {
    /// Gives a camera a channel. One that has it keeps everything it had; only the stream
    /// addresses change.
    ///
    /// # Errors
    /// The database could not be written.
    pub fn assign(&self, channel: &Channel) -> Result<(), StoreError> {
        insert(&self.lock(), channel)
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
        self.change(
            "pin a camera",
            "UPDATE channel SET pinned_model = coalesce(pinned_model, ?2),
                                pinned_serial = coalesce(pinned_serial, ?3)
             WHERE camera_id = ?1",
            params![camera.to_string(), model, serial],
        )
        .map(|_| ())
    }

    /// Sets what the owner calls a camera, and how it is recorded and kept; false where it
    /// has no channel.
    ///
    /// # Errors
    /// The database could not be written: also where the settings are no JSON.
    pub fn configure(
        &self,
        camera: CameraId,
        name: Option<&str>,
        settings: &str,
    ) -> Result<bool, StoreError> {
        self.change(
            "configure a camera",
            "UPDATE channel SET name = ?2, settings = ?3 WHERE camera_id = ?1",
            params![camera.to_string(), name, settings],
        )
        .map(|changed| changed == 1)
    }

    /// Makes these cameras keep their places before all others.
    ///
    /// # Errors
    /// The database could not be written; nothing changed then.
    pub fn prefer(&self, cameras: &[CameraId]) -> Result<(), StoreError> {
        let failed = || StoreError::query("choose who keeps a place");
        let mut connection = self.lock();
        let write = |connection: &mut rusqlite::Connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute("UPDATE channel SET preferred = 0", [])?;
            for camera in cameras {
                transaction.execute(
                    "UPDATE channel SET preferred = 1 WHERE camera_id = ?1",
                    [camera.to_string()],
                )?;
            }
            transaction.commit()
        };
        write(&mut connection).map_err(failed())
    }

    /// Takes a camera's channel away; false where it had none.
    ///
    /// # Errors
    /// The database could not be written.
    pub fn release(&self, camera: CameraId) -> Result<bool, StoreError> {
        self.change(
            "take a channel away",
            "DELETE FROM channel WHERE camera_id = ?1",
            params![camera.to_string()],
        )
        .map(|removed| removed == 1)
    }

    /// Gives the channel of a broken camera to another, with its name, its age, its
    /// settings and the owner's choice; false where the broken one had none, or the new
    /// one has its own.
    ///
    /// # Errors
    /// The database could not be written; nothing changed then.
    pub fn replace(&self, old: CameraId, new: &Channel) -> Result<bool, StoreError> {
        let mut connection = self.lock();
        let write = |connection: &mut rusqlite::Connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let changed = transaction.execute(
                "UPDATE OR IGNORE channel
                 SET camera_id = ?2, stream_url = ?3, sub_stream_url = ?4, pinned_model = ?5,
                     pinned_serial = ?6, other_brand = ?7
                 WHERE camera_id = ?1",
                params![
                    old.to_string(),
                    new.camera.to_string(),
                    new.stream_url.clone().map(String::from),
                    new.sub_stream_url.clone().map(String::from),
                    new.pinned_model,
                    new.pinned_serial,
                    new.other_brand,
                ],
            )?;
            transaction.commit()?;
            Ok(changed == 1)
        };
        write(&mut connection).map_err(StoreError::query("replace a camera"))
    }

    /// Every channel, the oldest first.
    ///
    /// # Errors
    /// The database could not be read, or holds what no channel is.
    pub fn channels(&self) -> Result<Vec<Channel>, StoreError> {
        let rows = self.rows(
            "list the channels",
            &format!("SELECT {COLUMNS} FROM channel ORDER BY assigned_utc_ms, camera_id"),
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
                &format!("SELECT {COLUMNS} FROM channel WHERE camera_id = ?1"),
                [camera.to_string()],
                channel_row,
            )
            .optional()
            .map_err(StoreError::query("find a channel"))?;
        row.map(channel).transpose()
    }
}

/// Writes one, perhaps within a transaction.
pub(crate) fn insert(
    connection: &rusqlite::Connection,
    channel: &Channel,
) -> rusqlite::Result<usize> {
    connection.execute(
        &format!(
            "INSERT INTO channel ({COLUMNS})
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (camera_id) DO UPDATE SET stream_url = ?2, sub_stream_url = ?10"
        ),
        params![
            channel.camera.to_string(),
            channel.stream_url.clone().map(String::from),
            channel.assigned_utc_ms,
            channel.assigned_by,
            channel.pinned_model,
            channel.pinned_serial,
            channel.name,
            channel.preferred,
            channel.other_brand,
            channel.sub_stream_url.clone().map(String::from),
            channel.settings,
        ],
    )
}

/// A row, of which only the texts that may be foreign wait to be read.
struct ChannelRow {
    camera_id: String,
    stream_url: Option<String>,
    sub_stream_url: Option<String>,
    rest: Rest,
}

struct Rest {
    assigned_utc_ms: i64,
    assigned_by: String,
    pinned_model: Option<String>,
    pinned_serial: Option<String>,
    name: Option<String>,
    preferred: bool,
    other_brand: bool,
    settings: String,
}

fn channel_row(row: &Row<'_>) -> Result<ChannelRow, rusqlite::Error> {
    Ok(ChannelRow {
        camera_id: row.get(0)?,
        stream_url: row.get(1)?,
        sub_stream_url: row.get(9)?,
        rest: Rest {
            assigned_utc_ms: row.get(2)?,
            assigned_by: row.get(3)?,
            pinned_model: row.get(4)?,
            pinned_serial: row.get(5)?,
            name: row.get(6)?,
            preferred: row.get(7)?,
            other_brand: row.get(8)?,
            settings: row.get(10)?,
        },
    })
}

fn channel(row: ChannelRow) -> Result<Channel, StoreError> {
    let url = |column, text: Option<String>| {
        text.map(|url| {
            url.parse::<StreamUrl>()
                .map_err(StoreError::foreign(column))
        })
        .transpose()
    };
    Ok(Channel {
        camera: row
            .camera_id
            .parse()
            .map_err(StoreError::foreign("channel.camera_id"))?,
        stream_url: url("channel.stream_url", row.stream_url)?,
        sub_stream_url: url("channel.sub_stream_url", row.sub_stream_url)?,
        assigned_utc_ms: row.rest.assigned_utc_ms,
        assigned_by: row.rest.assigned_by,
        pinned_model: row.rest.pinned_model,
        pinned_serial: row.rest.pinned_serial,
        name: row.rest.name,
        preferred: row.rest.preferred,
        other_brand: row.rest.other_brand,
        settings: row.rest.settings,
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
            sub_stream_url: None,
            assigned_utc_ms,
            assigned_by: "owner".into(),
            pinned_model: None,
            pinned_serial: Some("S1".into()),
            name: None,
            preferred: false,
            other_brand: false,
            settings: "{}".into(),
        }
    }

    #[test]
    fn a_second_assignment_changes_the_addresses_only() {
        let store = in_memory();
        store.assign(&given("02000000000b-1", 2)).unwrap();
        store.assign(&given("02000000000a-1", 1)).unwrap();
        let url: StreamUrl = "rtsp://admin:s3cret@192.0.2.11/main".parse().unwrap();
        let sub: StreamUrl = "rtsp://admin:s3cret@192.0.2.11/sub".parse().unwrap();
        store
            .assign(&Channel {
                stream_url: Some(url.clone()),
                sub_stream_url: Some(sub.clone()),
                pinned_serial: Some("another".into()),
                other_brand: true,
                name: Some("another".into()),
                ..given("02000000000a-1", 7)
            })
            .unwrap();
        let expected = Channel {
            stream_url: Some(url),
            sub_stream_url: Some(sub),
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

    #[test]
    fn the_owner_names_configures_and_chooses() {
        let store = in_memory();
        let [a, b] = ["02000000000a-1", "02000000000b-1"].map(id);
        store.assign(&given("02000000000a-1", 1)).unwrap();
        store.assign(&given("02000000000b-1", 2)).unwrap();
        assert!(
            store
                .configure(a, Some("Dock"), r#"{"audio":true}"#)
                .unwrap()
        );
        assert!(store.configure(a, Some("Dock"), "no JSON").is_err());
        assert!(!store.configure(id("02000000000c-1"), None, "{}").unwrap());
        let preferred = || -> Vec<bool> {
            let channels = store.channels().unwrap();
            channels.iter().map(|channel| channel.preferred).collect()
        };
        store.prefer(&[b]).unwrap();
        assert_eq!(preferred(), [false, true]);
        store.prefer(&[a]).unwrap();
        assert_eq!(preferred(), [true, false]);
        let channel = store.channel(a).unwrap().unwrap();
        assert_eq!(channel.name.as_deref(), Some("Dock"));
        assert_eq!(channel.settings, r#"{"audio":true}"#);
    }

    #[test]
    fn a_replacement_takes_over_all_but_what_the_camera_is() {
        let store = in_memory();
        let [a, c] = ["02000000000a-1", "02000000000c-1"].map(id);
        store.assign(&given("02000000000a-1", 1)).unwrap();
        store.assign(&given("02000000000b-1", 2)).unwrap();
        store
            .configure(a, Some("Dock"), r#"{"audio":true}"#)
            .unwrap();
        store.prefer(&[a]).unwrap();
        let new = Channel {
            pinned_model: Some("M2".into()),
            pinned_serial: Some("S2".into()),
            other_brand: true,
            ..given("02000000000c-1", 99)
        };
        assert!(store.replace(a, &new).unwrap());
        assert_eq!(store.channel(a).unwrap(), None);
        let expected = Channel {
            assigned_utc_ms: 1,
            name: Some("Dock".into()),
            preferred: true,
            settings: r#"{"audio":true}"#.into(),
            ..new.clone()
        };
        assert_eq!(store.channel(c).unwrap(), Some(expected));
        assert!(!store.replace(a, &new).unwrap());
        // One that has a channel of its own takes no other's.
        assert!(!store.replace(id("02000000000b-1"), &new).unwrap());
        assert_eq!(store.channels().unwrap().len(), 2);
    }
}
