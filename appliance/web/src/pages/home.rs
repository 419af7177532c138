//! The home page: what is recorded, and if not, why.

use axum::response::Response;
use sealgate_pages::{
    Button, Cell, Icon, Markup, Meter, Table, Tone, button_link, empty_state, event_stream, html,
    icon, meter, notice, panel, pill, problem_panel, table,
};
use sealgate_words::Problem;

use super::alarms;
use super::forecast::forecast;
use super::frame::{Page, View};
use super::words::{
    bytes, camera_name, count, license_tone, reason, recording_pill, recording_words, state_pill,
};
use crate::api::status::CameraTotals;
use crate::rooms::{CameraState, CameraView, LicenseView, RecordingView, Right, StorageView};

/// How often the script refreshes the page, seconds.
const REFRESH_S: u32 = 5;

/// The newest recordings, from which the rate of recording is taken.
const RATE_FROM: u32 = 200;

const NO_LICENSE: &str = "SG-STA-007";
const REQUEST_MADE: &str = "SG-STA-008";
const RETURN_UNPROVEN: &str = "SG-STA-010";
const RETURNED: &str = "SG-STA-011";
const CLOCK_UNSURE: &str = "SG-STA-018";

/// `GET /`
pub(crate) async fn show(page: Page) -> Response {
    let rooms = &page.app.rooms;
    let license = rooms.license.status().await;
    let cameras = rooms.cameras.list().await;
    let storage = rooms.recordings.status().await;
    let newest = rooms.recordings.list(None, RATE_FROM).await;
    let gate = rooms.gate.counters().await;
    let alarms = rooms.alarms.list().await;
    let totals = CameraTotals::of(cameras.as_deref().unwrap_or_default());
    let tone = license_tone(&license);
    let title = if totals.admitted == 0 {
        "No camera is recorded".to_owned()
    } else {
        format!(
            "Recording {} of {}",
            totals.recording,
            count(totals.admitted, "camera", "cameras")
        )
    };
    page.show(View {
        title: &title,
        current: "/",
        refresh_s: Some(REFRESH_S),
        body: html! {
            (event_stream("/api/v1/events"))
            div class="stack" data-part="state" {
                (first_start(&page))
                (license_state(&license, tone))
                (alarms::queue(&page, &alarms))
                @match &gate {
                    Ok(gate) if !gate.in_force => (gate_open()),
                    Err(problem) => (problem_panel(problem, Tone::Bad)),
                    Ok(_) => {},
                }
            }
            div class="tiles" data-part="tiles" {
                (license_tile(&license, tone))
                (cameras_tile(totals))
                (storage_tile(&storage, newest.as_deref().unwrap_or_default(), page.app.clock.utc_ms()))
                (tpm_tile(&license))
            }
            (panel(
                "Cameras",
                Some("cameras"),
                button_link("/cameras", Button::secondary("All cameras").with(Icon::Camera)),
                match &cameras {
                    Ok(cameras) => camera_table(cameras, page.app.clock.utc_ms()),
                    Err(problem) => problem_panel(problem, Tone::Bad),
                },
            ))
        },
        ..View::default()
    })
}

/// The way on, as long as the set-up is not over.
fn first_start(page: &Page) -> Markup {
    let start = page.app.rooms.settings.first_start();
    html! {
        @if start.is_open && page.may(Right::Manage) {
            (notice(Tone::Info, "The set-up of this box is not over.", html! {
                p { "It goes on at the first step that is left." }
                div class="actions" { (button_link("/start", Button::primary("Go on").with(Icon::Arrow))) }
            }))
        }
    }
}

/// The state of the license in one sentence, with what comes next.
fn license_state(license: &LicenseView, tone: Tone) -> Markup {
    let next = match license.state.code.as_str() {
        NO_LICENSE | RETURNED => "Get a license",
        REQUEST_MADE => "Import the license",
        RETURN_UNPROVEN => "Create the return file",
        CLOCK_UNSURE => "Confirm the date",
        _ => "Go to the license",
    };
    html! {
        @if tone == Tone::Ok {
            p class="row" { (pill(Tone::Ok, "License")) span { (license.state.cause) } a href="/license" { "License" } }
        } @else {
            (problem_panel(&license.state, tone))
            p { (button_link("/license", Button::primary(next).with(Icon::License))) }
        }
    }
}

/// The gate is watched and mended by the supervisor; until then this is said aloud.
fn gate_open() -> Markup {
    notice(
        Tone::Bad,
        "The gate's rules are not in the kernel as they were written.",
        html! { p { "They are being put back. If this stays for a minute, restart the box; if it comes back, tell support." } },
    )
}

fn tile(drawing: Icon, name: &str, value: &Markup, foot: &Markup) -> Markup {
    html! {
        section class="tile" {
            h2 class="tile-head" { (icon(drawing)) (name) }
            p class="tile-value" { (value) }
            div class="tile-foot" { (foot) }
        }
    }
}

fn license_tile(license: &LicenseView, tone: Tone) -> Markup {
    let places = license.places;
    let value = match (&license.license_id, license.ok) {
        (Some(_), true) => html! { (places.used) " of " (places.total) " used" },
        (Some(_), false) => html! { "Not in force" },
        (None, _) => html! { "Not licensed" },
    };
    tile(
        Icon::License,
        "License",
        &value,
        &html! {
            @match (tone, &license.license_id) {
                (Tone::Ok, _) => (pill(Tone::Ok, "Active")),
                (Tone::Warn, _) => (pill(Tone::Warn, "Needs attention")),
                (_, None) => (pill(Tone::Idle, "None installed")),
                (_, Some(_)) => (pill(Tone::Bad, "Not in force")),
            }
            a href="/license" { "License and request" }
        },
    )
}

fn cameras_tile(totals: CameraTotals) -> Markup {
    tile(
        Icon::Camera,
        "Cameras",
        &html! { (count(totals.found, "camera", "cameras")) " found, " (totals.admitted) " admitted" },
        &html! {
            @if totals.admitted == 0 {
                (pill(Tone::Idle, "None recorded"))
            } @else if totals.recording == totals.admitted {
                (pill(Tone::Ok, "All recording"))
            } @else {
                (pill(Tone::Warn, &format!("{} not recording", totals.admitted - totals.recording)))
            }
            a href="/cameras" { "Cameras and channels" }
        },
    )
}

fn storage_tile(
    storage: &Result<StorageView, Problem>,
    newest: &[RecordingView],
    now_utc_ms: i64,
) -> Markup {
    match storage {
        Ok(storage) => {
            let used = storage.total_bytes.saturating_sub(storage.free_bytes);
            let share = used as f64 / storage.total_bytes.max(1) as f64;
            let total = bytes(storage.total_bytes);
            tile(
                Icon::Disk,
                "Storage",
                &html! { (bytes(storage.free_bytes)) " free" },
                &html! {
                    (meter(Meter {
                        label: "Used",
                        value: &format!("{} of {total}", bytes(used)),
                        share,
                        tone: Tone::Info,
                    }))
                    @if let Some(words) = forecast(storage, newest, now_utc_ms) { p { (words) } }
                },
            )
        }
        Err(problem) => tile(
            Icon::Disk,
            "Storage",
            &html! { "Not known" },
            &html! { (pill(Tone::Bad, "No answer")) (reason(problem)) },
        ),
    }
}

fn tpm_tile(license: &LicenseView) -> Markup {
    let tpm = &license.tpm;
    tile(
        Icon::Chip,
        "TPM",
        &html! { @if tpm.present { "TPM present" } @else { "No TPM" } },
        &html! {
            @match (&tpm.problem, tpm.present) {
                (Some(problem), _) => { (pill(Tone::Bad, "Can't be used")) (reason(problem)) },
                (None, true) => {
                    (pill(Tone::Ok, "Answers"))
                    @if let Some(manufacturer) = &tpm.manufacturer {
                        span { (manufacturer) @if let Some(firmware) = &tpm.firmware { " " (firmware) } }
                    }
                },
                (None, false) => (pill(Tone::Bad, "Missing")),
            }
        },
    )
}

fn camera_table(cameras: &[CameraView], now_utc_ms: i64) -> Markup {
    if cameras.is_empty() {
        return empty_state(
            Icon::Camera,
            "No camera was found yet",
            html! { p { "Connect cameras to the camera port and switch them on; they list here by themselves within a minute." } },
        );
    }
    table(&Table {
        caption: "Cameras, what the gate does with them, and whether they are recorded",
        columns: &["Camera", "Gate", "Recording"],
        rows: cameras
            .iter()
            .map(|camera| {
                vec![
                    Cell(html! {
                        @if camera.state == CameraState::Admitted {
                            a href={ "/live/" (camera.id) } { (camera_name(camera)) }
                        } @else {
                            (camera_name(camera))
                        }
                    }),
                    Cell(html! {
                        (state_pill(camera.state))
                        @if let Some(problem) = &camera.reason { (reason(problem)) }
                    }),
                    Cell(html! {
                        (recording_pill(camera.recording.as_ref()))
                        @if let Some(recording) = &camera.recording {
                            p class="small" {
                                (recording_words(recording, now_utc_ms))
                                @if let Some(detail) = &recording.detail { ". " (detail) }
                            }
                        }
                    }),
                ]
            })
            .collect(),
    })
}
