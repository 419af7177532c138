//! The cameras page: found, admitted or refused, with the reason on each row.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use axum::response::Response;
use sealgate_pages::{
    Button, Cell, Form, Icon, Markup, Table, Tone, button_link, code_text, empty_state, html, icon,
    inline_form, notice, panel, pill, problem_panel, table,
};
use sealgate_words::Problem;
use serde::Deserialize;

use super::disks::disk_troubles;
use super::{linked_name, thumbnail};
use crate::errors::{problem, status};
use crate::pages::frame::{Page, View};
use crate::pages::words::{bytes, count, reason, recording_pill, recording_words, state_pill};
use crate::rooms::{CameraState, CameraView, GateView, Right, shown_ip};

/// How often the script refreshes the page, seconds.
const REFRESH_S: u32 = 4;

/// Reasons that are alarms: somebody should look at once.
const ALARMS: [&str; 4] = ["SG-CAM-007", "SG-CAM-040", "SG-CAM-041", "SG-CAM-042"];

/// What was done just before, and which cameras are wanted.
#[derive(Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    done: String,
    #[serde(default)]
    q: String,
    #[serde(default)]
    show: String,
}

/// `GET /cameras`
pub(crate) async fn show(page: Page, query: Result<Query<Asked>, QueryRejection>) -> Response {
    let asked = query.map(|query| query.0).unwrap_or_default();
    let message = match asked.done.as_str() {
        "assigned" => Some(notice(
            Tone::Ok,
            "The camera has a channel.",
            html! { p { "Its recording starts within seconds." } },
        )),
        "released" => Some(notice(
            Tone::Ok,
            "The camera's channel was taken away.",
            html! { p { "It is no longer recorded; its recordings stay, and its place is free." } },
        )),
        "stay" => Some(notice(
            Tone::Ok,
            "Your choice was saved.",
            html! { p { "These cameras keep their places whenever there are fewer places." } },
        )),
        "searching" => Some(notice(
            Tone::Info,
            "Looking for cameras.",
            html! { p { "Cameras that answer list here by themselves." } },
        )),
        _ => None,
    };
    let (status, body) = match page.app.rooms.cameras.list().await {
        Ok(cameras) => (StatusCode::OK, body(&page, &cameras, &asked).await),
        Err(problem) => (status(&problem.code), problem_panel(&problem, Tone::Bad)),
    };
    page.show_with(status, view(message, body))
}

/// The list again, below what was refused.
pub(super) async fn refused(page: &Page, refusal: &Problem) -> Response {
    let body = match page.app.rooms.cameras.list().await {
        Ok(cameras) => body(page, &cameras, &Asked::default()).await,
        Err(problem) => problem_panel(&problem, Tone::Bad),
    };
    let message = Some(problem_panel(refusal, Tone::Bad));
    page.show_with(status(&refusal.code), view(message, body))
}

fn view<'a>(message: Option<Markup>, body: Markup) -> View<'a> {
    View {
        title: "Cameras",
        current: "/cameras",
        refresh_s: Some(REFRESH_S),
        body: html! { @if let Some(message) = message { (message) } (body) },
        ..View::default()
    }
}

async fn body(page: &Page, cameras: &[CameraView], asked: &Asked) -> Markup {
    let disks = disk_troubles(&page.app.rooms).await;
    let gate = page.app.rooms.gate.counters().await.ok();
    // Of whoever may change something here; others are shown no button for it.
    let csrf = page.may(Right::Operate).then(|| page.csrf());
    let now = page.app.clock.utc_ms();
    let wanted: Vec<&CameraView> = cameras
        .iter()
        .filter(|camera| camera.matches(&asked.q))
        .collect();
    let groups = [
        (CameraState::Refused, "Refused", "refused"),
        (CameraState::Found, "Found, without a channel", "found"),
        (CameraState::Admitted, "Admitted", "admitted"),
    ];
    let any = groups.iter().any(|(.., word)| *word == asked.show);
    let shown = groups
        .into_iter()
        .filter(|(.., word)| !any || *word == asked.show);
    let rows: Vec<(&str, &str, Vec<&CameraView>)> = shown
        .map(|(state, title, word)| {
            let of_state = wanted.iter().filter(|camera| camera.state == state);
            (title, word, of_state.copied().collect())
        })
        .collect();
    let nothing = rows.iter().all(|(.., rows)| rows.is_empty());
    html! {
        div class="stack" data-part="alarms" { (disks) (alarms(cameras, gate.as_ref())) }
        @if let Some(csrf) = &csrf { (tools(cameras, csrf)) }
        @if !cameras.is_empty() { (filters(cameras, asked)) }
        div class="stack" data-part="cameras" {
            @if cameras.is_empty() {
                (empty_state(
                    Icon::Camera,
                    "No camera was found yet",
                    html! { p { "Connect cameras to the camera port and switch them on; they list here by themselves within a minute." } },
                ))
            } @else if nothing {
                (empty_state(
                    Icon::Search,
                    "No camera fits",
                    html! { p { a href="/cameras" { "Show all cameras" } } },
                ))
            }
            @for (title, word, rows) in &rows {
                @if !rows.is_empty() { (group(title, word, rows, csrf.as_deref(), now)) }
            }
        }
    }
}

/// What somebody should look at at once.
fn alarms(cameras: &[CameraView], gate: Option<&GateView>) -> Markup {
    let doubts = cameras
        .iter()
        .filter_map(|camera| camera.reason.as_ref())
        .filter(|reason| ALARMS.contains(&reason.code.as_str()));
    let mended = gate
        .and_then(|gate| gate.counters.get("gate/mended"))
        .map_or(0, |counter| counter.packets);
    html! {
        @for doubt in doubts { (problem_panel(doubt, Tone::Warn)) }
        @if mended > 0 {
            (problem_panel(&problem("SG-CAM-067", &[("times", &mended.to_string())]), Tone::Warn))
        }
    }
}

fn tools(cameras: &[CameraView], csrf: &str) -> Markup {
    let button = |action, button| {
        let form = Form {
            action,
            csrf,
            file: false,
            download: false,
            button,
        };
        inline_form(&form, "")
    };
    let without = cameras.iter().any(|camera| !camera.assigned);
    html! {
        div class="actions" {
            @if without {
                (button("/cameras/assign-all", Button::primary("Assign all").with(Icon::Plus)))
            }
            (button("/cameras/discover", Button::secondary("Search now").with(Icon::Search)))
            (button_link("/cameras/add", Button::secondary("Add by hand").with(Icon::Plus)))
            details class="menu" {
                summary { "More" }
                div class="actions" {
                    (button_link("/cameras/import", Button::secondary("Import a list").with(Icon::Upload)))
                    (button_link("/cameras/list.csv", Button::secondary("Export the list").with(Icon::Download)))
                    (button_link("/cameras/passwords", Button::secondary("Passwords").with(Icon::Lock)))
                    (button_link("/cameras/stay", Button::secondary("Who stays").with(Icon::List)))
                }
            }
        }
    }
}

fn filters(cameras: &[CameraView], asked: &Asked) -> Markup {
    let of = |state| {
        cameras
            .iter()
            .filter(|camera| camera.state == state)
            .count()
    };
    let choices = [
        ("", format!("All states ({})", cameras.len())),
        ("refused", format!("Refused ({})", of(CameraState::Refused))),
        ("found", format!("Found ({})", of(CameraState::Found))),
        (
            "admitted",
            format!("Admitted ({})", of(CameraState::Admitted)),
        ),
    ];
    html! {
        form class="filters" method="get" action="/cameras" role="search" {
            div class="field wide" {
                label for="q" { "Name, MAC address, IP address or maker" }
                input id="q" name="q" type="search" value=(asked.q) autocomplete="off" spellcheck="false";
            }
            div class="field" {
                label for="show" { "State" }
                select id="show" name="show" {
                    @for (value, words) in &choices {
                        option value=(value) selected[*value == asked.show] { (words) }
                    }
                }
            }
            button type="submit" class="button secondary" { (icon(Icon::Search)) "Show" }
        }
    }
}

fn group(title: &str, word: &str, rows: &[&CameraView], csrf: Option<&str>, now: i64) -> Markup {
    let title = format!("{title}: {}", count(rows.len(), "camera", "cameras"));
    let part = format!("cameras-{word}");
    let body = table(&Table {
        caption: "Cameras, why they are or aren't recorded, and what can be done",
        columns: &["Camera", "Address", "Gate", "Recording", ""],
        rows: rows.iter().map(|camera| row(camera, csrf, now)).collect(),
    });
    html! { div id=(part) { (panel(&title, None, html! {}, body)) } }
}

fn row(camera: &CameraView, csrf: Option<&str>, now_utc_ms: i64) -> Vec<Cell> {
    let made: Vec<&str> = [camera.maker.as_deref(), camera.model.as_deref()]
        .into_iter()
        .flatten()
        .collect();
    vec![
        Cell(html! {
            (thumbnail(camera))
            (linked_name(camera))
            @if !made.is_empty() { p class="small" { (made.join(" ")) } }
        }),
        Cell(html! {
            (code_text(&camera.mac.to_string()))
            p class="small" {
                (shown_ip(camera.ip))
                @if let Some(interface) = &camera.interface { " on " (interface) }
            }
        }),
        Cell(html! {
            (state_pill(camera.state))
            @if camera.preferred { " " (pill(Tone::Info, "Stays")) }
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
            p class="small" {
                (camera.counters.passed_packets) " packets passed (" (bytes(camera.counters.passed_bytes)) ")"
                @if let Some(dropped) = camera.counters.dropped_packets { ", " (dropped) " dropped" }
            }
        }),
        Cell(actions(camera, csrf)),
    ]
}

fn actions(camera: &CameraView, csrf: Option<&str>) -> Markup {
    let name = crate::pages::words::camera_name(camera);
    if camera.assigned {
        return html! {
            div class="actions" {
                @if camera.state == CameraState::Admitted {
                    (button_link(&format!("/live/{}", camera.id), Button::primary("Live").with(Icon::Play)))
                }
                (button_link(&format!("/playback/{}", camera.id), Button::secondary("Playback").with(Icon::Record)))
                @if csrf.is_some() {
                    (button_link(&format!("/cameras/{}/release", camera.id), Button::danger("Release").with(Icon::Minus)))
                }
            }
        };
    }
    let Some(csrf) = csrf else {
        return html! {};
    };
    let address = format!("stream-{}", camera.id);
    html! {
        form class="stack" method="post" action={ "/cameras/" (camera.id) "/assign" } {
            input type="hidden" name="csrf" value=(csrf);
            div class="actions" {
                button type="submit" class="button primary" {
                    (icon(Icon::Plus)) "Assign" span class="unseen" { " " (name) }
                }
            }
            details {
                summary { "Stream address" }
                div class="field" {
                    label class="unseen" for=(address) { "Stream address of " (name) " (optional)" }
                    p class="hint" id={ (address) "-hint" } {
                        "Only for a camera that can't be asked, for example rtsp://192.168.77.11/stream1"
                    }
                    input id=(address) name="stream_url" type="text" inputmode="url" autocomplete="off"
                        autocapitalize="none" spellcheck="false" aria-describedby={ (address) "-hint" };
                }
            }
        }
    }
}
