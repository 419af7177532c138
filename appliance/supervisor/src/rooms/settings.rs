//! The box's own settings, over the store; kept in memory, as every page asks for them.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use jiff::tz::TimeZone;
use sealgate_base::Clock;
use sealgate_store::{AuditEntry, Store, StoreError};
use sealgate_web::rooms::{BoxSettings, FirstStart, LANGUAGES, SettingsRoom};
use sealgate_words::Problem;

use crate::rooms::{blocking, entry};

/// Keys of the store's settings.
const SETTINGS: &str = "box.settings";
const FIRST_START: &str = "box.first_start";

/// Settings and first start.
pub struct Settings {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    known: RwLock<Known>,
}

#[derive(Clone)]
struct Known {
    settings: BoxSettings,
    zone: TimeZone,
    start: FirstStart,
}

impl Settings {
    /// Reads what was set. Blocking.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn new(store: Arc<Store>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let settings: BoxSettings = store.setting(SETTINGS)?.unwrap_or_default();
        let known = Known {
            zone: TimeZone::get(&settings.zone).unwrap_or(TimeZone::UTC),
            settings,
            // A box from before the first start was kept is set up.
            start: store.setting(FIRST_START)?.unwrap_or_default(),
        };
        Ok(Self {
            store,
            clock,
            known: RwLock::new(known),
        })
    }

    fn known(&self) -> Known {
        let known = self.known.read();
        known.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The time zone that recording plans go by; none where nobody chose one. Blocking.
///
/// # Errors
/// The store could not be read.
pub fn plan_zone(store: &Store) -> Result<Option<String>, StoreError> {
    let settings: Option<BoxSettings> = store.setting(SETTINGS)?;
    Ok(settings.map(|settings| settings.zone))
}

#[async_trait]
impl SettingsRoom for Settings {
    fn settings(&self) -> BoxSettings {
        self.known().settings
    }

    fn zone(&self) -> TimeZone {
        self.known().zone
    }

    async fn set(&self, by: &str, settings: BoxSettings) -> Result<(), Problem> {
        let unknown = |what, value: &str| entry("SG-SES-032", &[("what", what), ("value", value)]);
        let zone =
            TimeZone::get(&settings.zone).map_err(|_| unknown("time zone", &settings.zone))?;
        let is_known = |(code, _): &(&str, &str)| *code == settings.language;
        if !LANGUAGES.iter().any(is_known) {
            return Err(unknown("language", &settings.language));
        }
        let store = Arc::clone(&self.store);
        let (by, written, now) = (by.to_owned(), settings.clone(), self.clock.utc_ms());
        blocking("keep the settings", move || {
            store.set_setting(SETTINGS, &written, now)?;
            store.audit(&AuditEntry {
                utc_ms: now,
                actor: Some(&by),
                action: "settings",
                object: Some(&written.zone),
                code: None,
            })
        })
        .await?;
        self.change(|known| {
            known.settings = settings;
            known.zone = zone;
        });
        Ok(())
    }

    fn first_start(&self) -> FirstStart {
        self.known().start
    }

    async fn set_first_start(&self, start: FirstStart) -> Result<(), Problem> {
        let store = Arc::clone(&self.store);
        let (written, now) = (start.clone(), self.clock.utc_ms());
        blocking("keep how far the set-up is", move || {
            store.set_setting(FIRST_START, &written, now)
        })
        .await?;
        self.change(|known| known.start = start);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sealgate_base::SystemClock;
    use sealgate_web::rooms::StartStep;

    use super::*;

    #[tokio::test]
    async fn what_was_set_is_there_after_a_restart_and_what_is_unknown_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(&folder.path().join("box.db")).unwrap());
        let settings = || Settings::new(Arc::clone(&store), Arc::new(SystemClock::new())).unwrap();
        let room = settings();
        assert_eq!(plan_zone(&store).unwrap(), None);
        let chosen = |zone: &str, language: &str| BoxSettings {
            zone: zone.into(),
            language: language.into(),
        };
        for wrong in [chosen("Europe/Atlantis", "en"), chosen("UTC", "tlh")] {
            assert_eq!(room.set("ann", wrong).await.unwrap_err().code, "SG-SES-032");
        }
        assert_eq!(room.settings(), BoxSettings::default());
        room.set("ann", chosen("Asia/Taipei", "en")).await.unwrap();
        let start = FirstStart {
            is_open: true,
            done: vec![StartStep::Time],
            wants_all: true,
        };
        room.set_first_start(start.clone()).await.unwrap();
        for room in [room, settings()] {
            assert_eq!(room.settings(), chosen("Asia/Taipei", "en"));
            assert_eq!(room.zone().iana_name(), Some("Asia/Taipei"));
            assert_eq!(room.first_start(), start);
        }
        assert_eq!(plan_zone(&store).unwrap().as_deref(), Some("Asia/Taipei"));
        assert_eq!(store.audit_log(9).unwrap()[0].actor.as_deref(), Some("ann"));
    }
}
