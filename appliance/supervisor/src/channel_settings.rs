//! How one camera is recorded and kept: as the store has it, as the recorder needs it, as
//! the pages show it.

use std::time::Duration;

use sealgate_recorder_link::{Keep, PlanError, RecordPlan, Transport, Week};
use sealgate_web::rooms::{CameraSettings, PlanView, StreamTransport};
use serde::{Deserialize, Serialize};

/// The longest name, in characters.
const MAX_NAME_CHARS: usize = 64;
/// Ten years; a longer age says nothing a shorter one does not.
const MAX_AGE_S: u64 = 10 * 366 * 24 * 3600;
/// Less could not hold the file that is being written.
const MIN_KEEP_BYTES: u64 = 256 << 20;

/// The JSON object in the store. What it leaves out is as by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChannelSettings {
    /// When it is recorded.
    pub plan: RecordPlan,
    /// For how long its recordings are kept.
    pub keep: Keep,
    /// Its sound is recorded and heard as well.
    pub audio: bool,
    /// How its packets travel.
    pub transport: Transport,
}

/// Why settings can't be.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The name is empty, or too long.
    #[error("a name has 1 to {MAX_NAME_CHARS} characters")]
    Name,
    /// Recordings would be kept too long to count, or not at all.
    #[error("recordings are kept from one minute to ten years")]
    Age,
    /// Less than the recorder writes at once.
    #[error("at least 256 MiB are kept")]
    Bytes,
    /// The plan is not of the agreed form.
    #[error("the plan can't be read")]
    Plan(#[source] PlanError),
}

impl ChannelSettings {
    /// Reads the store's object. One of another version that can't be read counts as the
    /// default: the camera is recorded all the time rather than not at all.
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|error| {
            tracing::warn!(%error, "a camera's settings can't be read: it is recorded always");
            Self::default()
        })
    }

    /// As the store keeps it.
    pub fn to_text(self) -> String {
        serde_json::to_string(&self).expect("settings hold nothing that JSON can't")
    }

    /// As the pages show it, with the owner's name for the camera.
    pub fn view(self, name: Option<String>) -> CameraSettings {
        CameraSettings {
            name,
            audio: self.audio,
            transport: match self.transport {
                Transport::Tcp => StreamTransport::Tcp,
                Transport::Udp => StreamTransport::Udp,
            },
            plan: PlanView {
                week: Vec::from(*self.plan.week()),
                before_s: u8::try_from(self.plan.before().as_secs()).unwrap_or(u8::MAX),
                after_s: u16::try_from(self.plan.after().as_secs()).unwrap_or(u16::MAX),
            },
            keep_age_s: self.keep.max_age_s,
            keep_bytes: self.keep.max_bytes,
        }
    }

    /// What a person asked for, checked; with the name.
    ///
    /// # Errors
    /// [`SettingsError`]: what can't be.
    pub fn asked(view: &CameraSettings) -> Result<(Option<String>, Self), SettingsError> {
        let name = view.name.as_deref().map(str::trim);
        if name.is_some_and(|name| {
            !(1..=MAX_NAME_CHARS).contains(&name.chars().count()) || name.contains(char::is_control)
        }) {
            return Err(SettingsError::Name);
        }
        if view
            .keep_age_s
            .is_some_and(|age| !(60..=MAX_AGE_S).contains(&age))
        {
            return Err(SettingsError::Age);
        }
        if view.keep_bytes.is_some_and(|bytes| bytes < MIN_KEEP_BYTES) {
            return Err(SettingsError::Bytes);
        }
        let week = Week::try_from(view.plan.week.clone()).map_err(SettingsError::Plan)?;
        let around = [view.plan.before_s.into(), view.plan.after_s.into()];
        let [before, after] = around.map(Duration::from_secs);
        let settings = Self {
            plan: RecordPlan::new(week, before, after).map_err(SettingsError::Plan)?,
            keep: Keep {
                max_age_s: view.keep_age_s,
                max_bytes: view.keep_bytes,
            },
            audio: view.audio,
            transport: match view.transport {
                StreamTransport::Tcp => Transport::Tcp,
                StreamTransport::Udp => Transport::Udp,
            },
        };
        Ok((name.map(str::to_owned), settings))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use sealgate_recorder_link::When;

    use super::*;

    #[test]
    fn what_is_left_out_is_as_by_default() {
        assert_eq!(ChannelSettings::read("{}"), ChannelSettings::default());
        assert_eq!(
            ChannelSettings::read(r#"{"of_tomorrow":1}"#),
            ChannelSettings::default()
        );
        let loud = ChannelSettings::read(r#"{"audio":true}"#);
        assert!(loud.audio);
        assert_eq!(ChannelSettings::read(&loud.to_text()), loud);
    }

    #[test]
    fn pages_and_store_mean_the_same() {
        let week = Week::all(When::Motion).with(0, 0..16, When::Never);
        let settings = ChannelSettings {
            plan: RecordPlan::new(week, Duration::from_secs(3), Duration::from_secs(30)).unwrap(),
            keep: Keep {
                max_age_s: Some(86_400),
                max_bytes: Some(1 << 30),
            },
            audio: true,
            transport: Transport::Udp,
        };
        let view = settings.view(Some("Dock".into()));
        assert_eq!(view.plan.week.len(), 7);
        let (name, asked) = ChannelSettings::asked(&view).unwrap();
        assert_eq!((name.as_deref(), asked), (Some("Dock"), settings));
    }

    #[test]
    fn says_what_cannot_be() {
        let good = ChannelSettings::default().view(None);
        assert!(ChannelSettings::asked(&good).is_ok());
        let check = |change: &dyn Fn(&mut CameraSettings), expected: &str| {
            let mut view = good.clone();
            change(&mut view);
            let refused = ChannelSettings::asked(&view).unwrap_err().to_string();
            assert!(refused.contains(expected), "{refused}");
        };
        check(&|view| view.name = Some("  ".into()), "a name");
        check(&|view| view.name = Some("x".repeat(65)), "a name");
        check(&|view| view.name = Some("a\nb".into()), "a name");
        check(&|view| view.keep_age_s = Some(0), "one minute");
        check(&|view| view.keep_age_s = Some(u64::MAX), "one minute");
        check(&|view| view.keep_bytes = Some(1), "256 MiB");
        check(&|view| view.plan.week.truncate(6), "the plan");
        check(&|view| view.plan.before_s = 11, "the plan");
    }
}
