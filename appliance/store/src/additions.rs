//! Many cameras that are added in one go.

use rusqlite::{TransactionBehavior, params};
use sealgate_camera::CameraId;

use crate::{
    AuditEntry, Channel, Credential, Store, StoreError, audit, channels, credentials, services,
};

/// A camera that gets a channel, with all that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addition {
    /// Its channel. One that is there keeps what it has but its stream addresses, and its name
    /// where this has none.
    pub channel: Channel,
    /// What it wants to be told.
    pub credential: Option<Credential>,
    /// Where its ONVIF device service answered.
    pub service: Option<String>,
}

impl Store {
    /// Gives many cameras their channels, with passwords, services and what the audit log says
    /// of it: all of them, or none.
    ///
    /// # Errors
    /// The database could not be written; nothing changed then.
    pub fn add_all(&self, additions: &[Addition], now_utc_ms: i64) -> Result<(), StoreError> {
        let mut read = self.read_credentials();
        *read = None;
        let mut connection = self.lock();
        let write = |connection: &mut rusqlite::Connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for addition in additions {
                let channel = &addition.channel;
                let camera = channel.camera.to_string();
                let mac = channel.camera.mac();
                channels::insert(&transaction, channel)?;
                transaction.execute(
                    "UPDATE channel SET name = coalesce(?2, name) WHERE camera_id = ?1",
                    params![camera, channel.name],
                )?;
                let mut entries = vec![("channel.assign", camera)];
                if let Some(credential) = &addition.credential {
                    credentials::insert(&transaction, mac, credential, now_utc_ms)?;
                    let device = CameraId::first_source(mac).to_string();
                    entries.push(("camera.credential", device));
                }
                if let Some(service) = &addition.service {
                    services::insert(&transaction, mac, service, now_utc_ms)?;
                }
                for (action, object) in &entries {
                    let entry = AuditEntry {
                        utc_ms: now_utc_ms,
                        actor: None,
                        action,
                        object: Some(object),
                        code: None,
                    };
                    audit::insert(&transaction, &entry)?;
                }
            }
            transaction.commit()
        };
        write(&mut connection).map_err(StoreError::query("add cameras"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::in_memory;

    fn given() -> Channel {
        Channel {
            camera: "02000000000a-1".parse().unwrap(),
            stream_url: Some("rtsp://192.0.2.7/main".parse().unwrap()),
            sub_stream_url: None,
            assigned_utc_ms: 5,
            assigned_by: "owner".into(),
            pinned_model: None,
            pinned_serial: None,
            name: None,
            preferred: false,
            other_brand: false,
            settings: "{}".into(),
        }
    }

    #[test]
    fn many_are_added_or_none() {
        let store = in_memory();
        let addition = |n: usize| Addition {
            channel: Channel {
                camera: format!("02000000{n:04x}-1").parse().unwrap(),
                name: Some(format!("Camera {n}")),
                ..given()
            },
            credential: Some(Credential {
                user: "admin".into(),
                password: "s3cret".into(),
            }),
            service: Some(format!("http://192.0.2.7:{n}/onvif/device_service")),
        };
        let mut many: Vec<Addition> = (1..=1000).map(addition).collect();
        let started = std::time::Instant::now();
        store.add_all(&many, 5).unwrap();
        println!("1000 cameras were added in {:?}", started.elapsed());
        let found = store.channels().unwrap();
        assert_eq!(found.len(), 1000);
        assert_eq!(store.credentials().unwrap().len(), 1000);
        assert_eq!(store.services().unwrap().len(), 1000);
        assert_eq!(store.audit_log(5000).unwrap().len(), 2000);

        // One that is there keeps its name where none is given; one that is refused, here by
        // the length of its name, takes all others with it.
        many.truncate(1);
        many[0].channel.name = None;
        many[0].credential = None;
        store.add_all(&many, 6).unwrap();
        let first = store.channel(many[0].channel.camera).unwrap().unwrap();
        assert_eq!(first.name.as_deref(), Some("Camera 1"));
        let mut wrong = vec![addition(2000), addition(2001)];
        wrong[1].channel.name = Some("x".repeat(65));
        assert!(store.add_all(&wrong, 7).is_err());
        assert_eq!(store.channels().unwrap().len(), 1000);
        assert_eq!(store.credentials().unwrap().len(), 1000);
    }
}
