//! The cameras page: found, admitted or refused, with the reason on each row.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use sealgate_camera::CameraId;
use sealgate_pages::{
    Button, Cell, Form, Icon, Markup, Table, Tone, button_link, code_text, empty_state, html,
    inline_form, notice, panel, problem_panel, table,
};
use sealgate_words::Problem;
use serde::Deserialize;

use super::frame::{Empty, Page, PageResult, Posted, PostedForm, Refusal, View};
use super::words::{
    bytes, camera_name, count, reason, recording_pill, recording_words, state_pill,
};
use crate::api::cameras::stream_url;
use crate::api::status::CameraTotals;
use crate::errors::{missing, status};
use crate::rooms::{CameraState, CameraView};

/// How often the script refreshes the page, seconds.
const REFRESH_S: u32 = 3;

/// What was done just before.
#[derive(Default, Deserialize)]
pub(crate) struct Done {
    #[serde(default)]
    done: String,
}

/// The assignment form; the address may stay empty.
#[derive(Deserialize)]
pub(crate) struct AssignForm {
    csrf: String,
    #[serde(default)]
    stream_url: String,
}

impl PostedForm for AssignForm {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// `GET /cameras`
pub(crate) async fn show(page: Page, query: Result<Query<Done>, QueryRejection>) -> Response {
    let message = match query.map(|query| query.0.done).as_deref().ok() {
        Some("assigned") => Some(notice(
            Tone::Ok,
            "The camera has a channel.",
            html! { p { "Its recording starts within seconds." } },
        )),
        Some("released") => Some(notice(
            Tone::Ok,
            "The camera's channel was taken away.",
            html! { p { "It is no longer recorded; its recordings stay, and its place is free." } },
        )),
        Some("searching") => Some(notice(
            Tone::Info,
            "Looking for cameras.",
            html! { p { "Cameras that answer list here by themselves." } },
        )),
        _ => None,
    };
    let (status, body) = match page.app.rooms.cameras.list().await {
        Ok(cameras) => (axum::http::StatusCode::OK, list(&page, &cameras)),
        Err(problem) => (status(&problem.code), problem_panel(&problem, Tone::Bad)),
    };
    page.show_with(status, view(message, body))
}

/// `POST /cameras/discover`
pub(crate) async fn discover(posted: Posted<Empty>) -> PageResult {
    let page = posted.page;
    match page.app.rooms.cameras.discover_now().await {
        Ok(()) => Ok(Redirect::to("/cameras?done=searching").into_response()),
        Err(problem) => Ok(refused(&page, &problem).await),
    }
}

/// `POST /cameras/{camera}/assign`
pub(crate) async fn assign(Path(id): Path<String>, posted: Posted<AssignForm>) -> PageResult {
    let Posted { page, form, .. } = posted;
    let camera = camera(&page, &id)?;
    let assigned = match stream_url(camera, Some(&form.stream_url)) {
        Ok(stream) => page.app.rooms.cameras.assign(camera, stream).await,
        Err(problem) => Err(problem),
    };
    match assigned {
        Ok(_) => Ok(Redirect::to("/cameras?done=assigned").into_response()),
        Err(problem) => Ok(refused(&page, &problem).await),
    }
}

/// `POST /cameras/{camera}/release`
pub(crate) async fn release(Path(id): Path<String>, posted: Posted<Empty>) -> PageResult {
    let page = posted.page;
    let camera = camera(&page, &id)?;
    match page.app.rooms.cameras.release(camera).await {
        Ok(_) => Ok(Redirect::to("/cameras?done=released").into_response()),
        Err(problem) => Ok(refused(&page, &problem).await),
    }
}

fn camera(page: &Page, id: &str) -> Result<CameraId, Refusal> {
    id.parse()
        .map_err(|_| page.problem(&missing("camera")).into())
}

/// The list again, below what was refused.
async fn refused(page: &Page, problem: &Problem) -> Response {
    let body = match page.app.rooms.cameras.list().await {
        Ok(cameras) => list(page, &cameras),
        Err(problem) => problem_panel(&problem, Tone::Bad),
    };
    let message = Some(problem_panel(problem, Tone::Bad));
    page.show_with(status(&problem.code), view(message, body))
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

fn list(page: &Page, cameras: &[CameraView]) -> Markup {
    let csrf = page.csrf();
    let now = page.app.clock.utc_ms();
    let totals = CameraTotals::of(cameras);
    let search = inline_form(
        &Form {
            action: "/cameras/discover",
            csrf: &csrf,
            file: false,
            download: false,
            button: Button::secondary("Search now").with(Icon::Search),
        },
        "",
    );
    let title = format!(
        "{} found, {} admitted",
        count(totals.found, "camera", "cameras"),
        totals.admitted
    );
    let body = if cameras.is_empty() {
        empty_state(
            Icon::Camera,
            "No camera was found yet",
            html! { p { "Connect cameras to the camera port and switch them on; they list here by themselves within a minute." } },
        )
    } else {
        table(&Table {
            caption: "Cameras, why they are or aren't recorded, and what can be done",
            columns: &["Camera", "Address", "Gate", "Recording", ""],
            rows: cameras
                .iter()
                .map(|camera| row(camera, &csrf, now))
                .collect(),
        })
    };
    panel(&title, Some("cameras"), search, body)
}

fn row(camera: &CameraView, csrf: &str, now_utc_ms: i64) -> Vec<Cell> {
    vec![
        Cell(html! {
            (camera_name(camera))
            @if let (Some(_), Some(model)) = (&camera.name, &camera.model) { p class="small" { (model) } }
        }),
        Cell(html! {
            (code_text(&camera.mac.to_string()))
            p class="small" {
                @match camera.ip { Some(ip) => (ip.to_string()), None => "no IP address yet" }
                @if let Some(interface) = &camera.interface { " on " (interface) }
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
            p class="small" {
                (camera.counters.passed_packets) " packets passed (" (bytes(camera.counters.passed_bytes)) ")"
                @if let Some(dropped) = camera.counters.dropped_packets { ", " (dropped) " dropped" }
            }
        }),
        Cell(actions(camera, csrf)),
    ]
}

fn actions(camera: &CameraView, csrf: &str) -> Markup {
    let name = camera_name(camera);
    let action = |verb: &str| format!("/cameras/{}/{verb}", camera.id);
    if camera.assigned {
        return html! {
            div class="actions" {
                @if camera.state == CameraState::Admitted {
                    (button_link(&format!("/live/{}", camera.id), Button::primary("Live").with(Icon::Play)))
                }
                (inline_form(&Form {
                    action: &action("release"),
                    csrf,
                    file: false,
                    download: false,
                    button: Button::danger("Release").with(Icon::Minus),
                }, &name))
            }
        };
    }
    let assign = action("assign");
    let address = format!("stream-{}", camera.id);
    html! {
        form class="stack" method="post" action=(assign) {
            input type="hidden" name="csrf" value=(csrf);
            div class="actions" {
                button type="submit" class="button primary" {
                    (sealgate_pages::icon(Icon::Plus)) "Assign" span class="unseen" { " " (name) }
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
