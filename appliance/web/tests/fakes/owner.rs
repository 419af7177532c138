//! Settings, first start and alarms without a store.

use std::sync::Mutex;

use async_trait::async_trait;
use jiff::tz::TimeZone;
use sealgate_web::rooms::*;
use sealgate_words::Problem;

use super::{FakeBox, NOW_UTC_MS, problem};

#[derive(Default)]
pub struct Owner {
    pub settings: Mutex<BoxSettings>,
    pub start: Mutex<FirstStart>,
    pub alarms: Mutex<Vec<AlarmView>>,
    pub history: Mutex<Vec<LicenseEventView>>,
}

impl Owner {
    /// One alarm that nobody saw.
    pub fn raise(&self, code: &str) -> i64 {
        let mut alarms = self.alarms.lock().unwrap();
        let id = 1 + i64::try_from(alarms.len()).unwrap();
        alarms.insert(
            0,
            AlarmView {
                id,
                problem: problem(code),
                raised_utc_ms: NOW_UTC_MS,
                ended_utc_ms: None,
                acknowledged_by: None,
                acknowledged_utc_ms: None,
            },
        );
        id
    }
}

#[async_trait]
impl SettingsRoom for FakeBox {
    fn settings(&self) -> BoxSettings {
        self.owner.settings.lock().unwrap().clone()
    }

    fn zone(&self) -> TimeZone {
        TimeZone::get(&SettingsRoom::settings(self).zone).unwrap()
    }

    async fn set(&self, _: &str, settings: BoxSettings) -> Result<(), Problem> {
        TimeZone::get(&settings.zone).map_err(|_| problem("SG-SES-032"))?;
        *self.owner.settings.lock().unwrap() = settings;
        Ok(())
    }

    fn first_start(&self) -> FirstStart {
        self.owner.start.lock().unwrap().clone()
    }

    async fn set_first_start(&self, start: FirstStart) -> Result<(), Problem> {
        *self.owner.start.lock().unwrap() = start;
        Ok(())
    }
}

#[async_trait]
impl AlarmRoom for FakeBox {
    async fn list(&self) -> Result<Vec<AlarmView>, Problem> {
        Ok(self.owner.alarms.lock().unwrap().clone())
    }

    async fn acknowledge(&self, by: &str, id: i64) -> Result<(), Problem> {
        let mut alarms = self.owner.alarms.lock().unwrap();
        let alarm = alarms
            .iter_mut()
            .find(|alarm| alarm.id == id && alarm.acknowledged_by.is_none());
        let alarm = alarm.ok_or_else(|| problem("SG-API-002"))?;
        alarm.acknowledged_by = Some(by.into());
        alarm.acknowledged_utc_ms = Some(NOW_UTC_MS);
        Ok(())
    }
}
