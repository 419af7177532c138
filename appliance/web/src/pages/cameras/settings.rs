//! How a camera is named, recorded and kept.

use std::collections::BTreeMap;

use axum::extract::Path;
use axum::response::{IntoResponse, Redirect};
use sealgate_pages::{Button, Field, FieldKind, Form, Markup, field, form, html};
use serde::Deserialize;

use super::camera_id;
use super::detail::again;
use super::plan::{TypedDay, day_word, week};
use crate::errors::problem;
use crate::pages::frame::{PageResult, Posted, PostedForm};
use crate::rooms::{CameraSettings, PlanView, StreamTransport};

const DAY_S: u64 = 24 * 3600;
const GB: u64 = 1_000_000_000;

/// The form; days by their numbers.
#[derive(Deserialize)]
pub(crate) struct SettingsForm {
    csrf: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    audio: Option<String>,
    #[serde(default)]
    transport: String,
    #[serde(default)]
    before_s: String,
    #[serde(default)]
    after_s: String,
    #[serde(default)]
    keep_days: String,
    #[serde(default)]
    keep_gb: String,
    #[serde(flatten)]
    days: BTreeMap<String, String>,
}

impl PostedForm for SettingsForm {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

impl SettingsForm {
    fn settings(&self) -> Result<CameraSettings, &'static str> {
        let of = |what: &str, number: usize| {
            let value = self.days.get(&format!("{what}{number}"));
            value.cloned().unwrap_or_default()
        };
        let week = (0..7).map(|number| {
            day_word(&TypedDay {
                choice: of("day", number),
                word: of("word", number),
            })
        });
        let name = Some(self.name.trim().to_owned()).filter(|name| !name.is_empty());
        Ok(CameraSettings {
            name,
            audio: self.audio.is_some(),
            transport: match self.transport.as_str() {
                "udp" => StreamTransport::Udp,
                _ => StreamTransport::Tcp,
            },
            plan: PlanView {
                week: week.collect(),
                before_s: number(&self.before_s, "the seconds before a motion are a number")?
                    .unwrap_or(0),
                after_s: number(&self.after_s, "the seconds after a motion are a number")?
                    .unwrap_or(0),
            },
            keep_age_s: scaled(&self.keep_days, DAY_S, "days are a number")?,
            keep_bytes: scaled(&self.keep_gb, GB, "gigabytes are a number")?,
        })
    }
}

fn number<T: std::str::FromStr>(
    text: &str,
    wrong: &'static str,
) -> Result<Option<T>, &'static str> {
    match text.trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| wrong),
    }
}

/// Of a unit, with a part of it perhaps.
fn scaled(text: &str, unit: u64, wrong: &'static str) -> Result<Option<u64>, &'static str> {
    let Some(value) = number::<f64>(text, wrong)? else {
        return Ok(None);
    };
    let whole = value * unit as f64;
    if whole.is_finite() && whole >= 0.0 {
        Ok(Some(whole.round() as u64))
    } else {
        Err(wrong)
    }
}

/// `POST /cameras/{camera}/settings`
pub(crate) async fn save(Path(id): Path<String>, posted: Posted<SettingsForm>) -> PageResult {
    let Posted { page, form, .. } = posted;
    let camera = camera_id(&page, &id)?;
    let saved = match form.settings() {
        Ok(settings) => page.app.rooms.cameras.configure(camera, settings).await,
        Err(detail) => Err(problem("SG-CAM-055", &[("detail", detail)])),
    };
    match saved {
        Ok(_) => Ok(Redirect::to(&format!("/cameras/{camera}?done=saved")).into_response()),
        Err(problem) => again(&page, &id, &problem).await,
    }
}

/// The form with what is set now.
pub(super) fn settings_form(action: &str, csrf: &str, settings: &CameraSettings) -> Markup {
    let shown = |value: Option<u64>, unit: u64| {
        value.map_or_else(String::new, |value| {
            let value = value as f64 / unit as f64;
            format!("{:.3}", value)
                .trim_end_matches('0')
                .trim_end_matches('.')
                .to_owned()
        })
    };
    let days = shown(settings.keep_age_s, DAY_S);
    let gigabytes = shown(settings.keep_bytes, GB);
    let before = settings.plan.before_s.to_string();
    let after = settings.plan.after_s.to_string();
    let seconds = |name, label, hint, value| {
        field(
            &Field {
                name,
                label,
                hint: Some(hint),
                kind: FieldKind::Number { min: 0 },
                value,
                ..Field::default()
            },
            &[],
        )
    };
    let amount = |name, label, value| {
        field(
            &Field {
                name,
                label,
                hint: Some("Empty: as long as there is room"),
                value,
                required: false,
                ..Field::default()
            },
            &[],
        )
    };
    let asked = Form {
        action,
        csrf,
        file: false,
        download: false,
        button: Button::primary("Save"),
    };
    form(
        &asked,
        html! {
            (field(&Field {
                name: "name",
                label: "Name",
                hint: Some("Up to 64 characters; empty: what the camera calls itself"),
                value: settings.name.as_deref().unwrap_or_default(),
                required: false,
                ..Field::default()
            }, &[]))
            h3 { "When it is recorded" }
            (week(&settings.plan.week))
            div class="pair" {
                (seconds("before_s", "Seconds before a motion", "0 to 10", before.as_str()))
                (seconds("after_s", "Seconds after a motion", "0 to 600", after.as_str()))
            }
            h3 { "How long it is kept" }
            div class="pair" {
                (amount("keep_days", "Days at most", days.as_str()))
                (amount("keep_gb", "Gigabytes at most", gigabytes.as_str()))
            }
            h3 { "Sound and transport" }
            label class="tick" {
                input type="checkbox" name="audio" checked[settings.audio];
                span { "Record and play its sound" }
            }
            div class="field" {
                label for="transport" { "How its packets travel" }
                select id="transport" name="transport" {
                    option value="tcp" selected[settings.transport == StreamTransport::Tcp] { "Inside the connection (TCP): nothing is lost" }
                    option value="udp" selected[settings.transport == StreamTransport::Udp] { "On their own (UDP): for cameras that need it" }
                }
            }
        },
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn amounts_may_have_parts_and_may_be_left_out() {
        assert_eq!(scaled("", DAY_S, "x"), Ok(None));
        assert_eq!(scaled(" 0.5 ", DAY_S, "x"), Ok(Some(43_200)));
        assert_eq!(scaled("2", GB, "x"), Ok(Some(2_000_000_000)));
        for text in ["-1", "inf", "NaN", "two"] {
            assert_eq!(scaled(text, GB, "x"), Err("x"), "{text}");
        }
        let form = settings_form(
            "/x",
            "proof",
            &CameraSettings {
                name: None,
                audio: false,
                transport: StreamTransport::Tcp,
                plan: PlanView {
                    week: vec!["a".repeat(48); 7],
                    before_s: 5,
                    after_s: 10,
                },
                keep_age_s: Some(100 * DAY_S),
                keep_bytes: Some(GB / 2),
            },
        )
        .into_string();
        assert!(
            form.contains("name=\"keep_days\" type=\"text\" value=\"100\""),
            "{form}"
        );
        assert!(form.contains("value=\"0.5\""), "{form}");
    }
}
