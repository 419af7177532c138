//! What the owner decides about the whole box, and what wants their attention.

use async_trait::async_trait;
use jiff::tz::TimeZone;
use sealgate_words::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::errors::ProblemSchema;

/// Languages that the pages can be shown in: code and name, the first one where nobody chose.
pub const LANGUAGES: &[(&str, &str)] = &[("en", "English")];

/// What the owner set for the whole box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BoxSettings {
    /// The time zone of pages and plans, an IANA name.
    pub zone: String,
    /// The language of the pages, a code of [`LANGUAGES`].
    pub language: String,
}

impl Default for BoxSettings {
    fn default() -> Self {
        Self {
            zone: "UTC".to_owned(),
            language: LANGUAGES[0].0.to_owned(),
        }
    }
}

/// One step of the first start after the password, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartStep {
    /// Language and time zone.
    Time,
    /// Cameras that were found.
    Cameras,
    /// The license.
    License,
}

impl StartStep {
    /// Every step, in order.
    pub const ALL: [Self; 3] = [Self::Time, Self::Cameras, Self::License];
}

/// How far the first start is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstStart {
    /// It was begun and is not over.
    pub is_open: bool,
    /// Steps that were done or left out.
    pub done: Vec<StartStep>,
    /// Every camera that is found is to be recorded once there is a license.
    pub wants_all: bool,
}

impl FirstStart {
    /// The first step that was neither done nor left out.
    pub fn next(&self) -> Option<StartStep> {
        let is_left = |step: &StartStep| !self.done.contains(step);
        StartStep::ALL.into_iter().find(is_left)
    }
}

/// The box's own settings.
#[async_trait]
pub trait SettingsRoom: Send + Sync {
    /// The settings. Asked at each request: kept in memory.
    fn settings(&self) -> BoxSettings;

    /// Their time zone.
    fn zone(&self) -> TimeZone;

    /// Changes them; plans go by the new time zone within seconds.
    ///
    /// # Errors
    /// `SG-SES-032` for a time zone or a language that the box does not know.
    async fn set(&self, by: &str, settings: BoxSettings) -> Result<(), Problem>;

    /// How far the first start is.
    fn first_start(&self) -> FirstStart;

    /// It is this far now.
    ///
    /// # Errors
    /// `SG-API-003` if that could not be written.
    async fn set_first_start(&self, start: FirstStart) -> Result<(), Problem>;
}

/// Something that wants somebody's attention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AlarmView {
    /// By which it is acknowledged.
    pub id: i64,
    /// What is wrong.
    #[schema(value_type = ProblemSchema)]
    pub problem: Problem,
    /// When it was seen first, milliseconds since the Unix epoch.
    pub raised_utc_ms: i64,
    /// When it was over; absent while it lasts.
    pub ended_utc_ms: Option<i64>,
    /// Who acknowledged it.
    pub acknowledged_by: Option<String>,
    /// When, milliseconds since the Unix epoch.
    pub acknowledged_utc_ms: Option<i64>,
}

/// Alarms, until somebody saw them.
#[async_trait]
pub trait AlarmRoom: Send + Sync {
    /// Those that nobody acknowledged first, then the newest first.
    ///
    /// # Errors
    /// `SG-API-003` if they could not be read.
    async fn list(&self) -> Result<Vec<AlarmView>, Problem>;

    /// `by` saw it. What lasts is not raised again; what comes again is.
    ///
    /// # Errors
    /// `SG-API-002` no such alarm, or acknowledged before.
    async fn acknowledge(&self, by: &str, id: i64) -> Result<(), Problem>;
}

/// What kind of event the license's history has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LicenseEventKind {
    /// A license file was imported.
    Import,
    /// A request was made.
    Request,
    /// A request was made that proves a return.
    Proof,
}

/// One line of the license's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LicenseEventView {
    /// When, milliseconds since the Unix epoch.
    pub utc_ms: i64,
    /// What.
    pub kind: LicenseEventKind,
    /// The license; absent where none was installed.
    pub license_id: Option<String>,
    /// Its revision.
    pub revision: Option<u32>,
    /// Its camera places.
    pub places: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_step_is_the_first_that_is_left() {
        let done = |done: &[StartStep]| FirstStart {
            done: done.to_vec(),
            ..FirstStart::default()
        };
        for (steps, next) in [
            (&[][..], Some(StartStep::Time)),
            (&[StartStep::Time], Some(StartStep::Cameras)),
            (&[StartStep::Cameras], Some(StartStep::Time)),
            (&StartStep::ALL, None),
        ] {
            assert_eq!(done(steps).next(), next, "{steps:?}");
        }
    }
}
