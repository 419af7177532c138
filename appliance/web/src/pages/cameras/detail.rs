//! One camera: what it is, what it sends, how it is recorded, and who takes its place.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use sealgate_camera::MacAddress;
use sealgate_pages::{
    Button, Cell, Fact, Field, FieldKind, Form, Icon, Markup, Table, Tone, button_link, code_text,
    facts, field, form, html, inline_form, notice, panel, problem_panel, table,
};
use sealgate_words::Problem;
use serde::Deserialize;

use super::add::{about, streams};
use super::chart::chart;
use super::settings::settings_form;
use super::{camera_id, camera_row, thumbnail};
use crate::errors::{problem, status};
use crate::pages::files::PLAN;
use crate::pages::frame::{Page, PageResult, Posted, PostedForm, View};
use crate::pages::words::{
    bytes, camera_name, recording_pill, recording_words, shown_time, state_pill,
};
use crate::rooms::{CameraDetails, CameraState, CameraView, ReplacementView, Right, shown_ip};

/// How often figures and the chart are refreshed, seconds.
const REFRESH_S: u32 = 10;
/// The longest user name and password, as the API has it.
const MAX_USER_CHARS: usize = 64;
const MAX_PASSWORD_CHARS: usize = 128;

/// What was done just before.
#[derive(Default, Deserialize)]
pub(crate) struct Done {
    #[serde(default)]
    done: String,
}

/// `GET /cameras/{camera}`
pub(crate) async fn show(
    page: Page,
    Path(id): Path<String>,
    query: Result<Query<Done>, QueryRejection>,
) -> PageResult {
    let message = match query.map(|query| query.0.done).as_deref() {
        Ok("saved") => Some(notice(
            Tone::Ok,
            "Saved.",
            html! {
                p { "The recorder goes by it from now on." }
            },
        )),
        Ok("credential") => Some(notice(
            Tone::Ok,
            "The password was saved.",
            html! {
                p { "The camera is asked with it at once." }
            },
        )),
        Ok("forgotten") => Some(notice(Tone::Ok, "The password was forgotten.", html! {})),
        Ok("replaced") => Some(notice(
            Tone::Ok,
            "This camera took over.",
            html! {
                p { "Name, age and settings of the broken camera are its own now." }
            },
        )),
        _ => None,
    };
    draw(&page, &id, StatusCode::OK, message).await
}

/// The page again, below what was refused.
pub(super) async fn again(page: &Page, id: &str, refusal: &Problem) -> PageResult {
    let message = problem_panel(refusal, Tone::Bad);
    draw(page, id, status(&refusal.code), Some(message)).await
}

async fn draw(page: &Page, id: &str, status: StatusCode, message: Option<Markup>) -> PageResult {
    let camera = camera_row(page, id).await?;
    let details = page.app.rooms.adding.details(camera.id).await;
    let details = details.map_err(|problem| page.problem(&problem))?;
    let all = page.app.rooms.cameras.list().await.unwrap_or_default();
    let title = camera_name(&camera);
    let settings = if camera.assigned {
        page.app.rooms.cameras.settings(camera.id).await.ok()
    } else {
        None
    };
    let may = page.may(Right::Operate);
    let csrf = page.csrf();
    let action = |verb: &str| format!("/cameras/{}/{verb}", camera.id);
    Ok(page.show_with(status, View {
        title: &title,
        current: "/cameras",
        refresh_s: Some(REFRESH_S),
        scripts: &[&PLAN],
        body: html! {
            @if let Some(message) = message { (message) }
            div data-part="reason" {
                @if let Some(problem) = &camera.reason { (problem_panel(problem, Tone::Warn)) }
            }
            (ways(&camera, may.then_some(&*csrf)))
            div class="columns" {
                (panel("What it is", Some("what"), html! {}, html! {
                    div class="what" { (thumbnail(&camera)) }
                    (facts(&what(&camera, &details)))
                }))
                (panel("What it sends", Some("sends"), html! {}, sends(page, &camera, &details)))
            }
            @if let (Some(settings), true) = (&settings, may) {
                (panel("How it is recorded", None, html! {}, settings_form(&action("settings"), &csrf, settings)))
            }
            @if may {
                (panel("User name and password", None, html! {}, credential_form(&camera, &details, &csrf)))
            }
            @if camera.assigned && may {
                (panel("Replace a broken camera", None, html! {}, replacing(page, &camera, &details, &all, &csrf)))
            }
        },
        ..View::default()
    }))
}

/// Where one goes from here; with `csrf` also what changes it.
fn ways(camera: &CameraView, csrf: Option<&str>) -> Markup {
    let (live, playback) = (
        format!("/live/{}", camera.id),
        format!("/playback/{}", camera.id),
    );
    let (release, assign) = (
        format!("/cameras/{}/release", camera.id),
        format!("/cameras/{}/assign", camera.id),
    );
    html! {
        div class="actions" {
            @if camera.state == CameraState::Admitted {
                (button_link(&live, Button::primary("Live").with(Icon::Play)))
            }
            @if camera.assigned {
                (button_link(&playback, Button::secondary("Playback").with(Icon::Record)))
                @if csrf.is_some() {
                    (button_link(&release, Button::danger("Release").with(Icon::Minus)))
                }
            } @else if let Some(csrf) = csrf {
                (inline_form(&Form {
                    action: &assign,
                    csrf,
                    file: false,
                    download: false,
                    button: Button::primary("Assign").with(Icon::Plus),
                }, ""))
            }
            (button_link("/cameras", Button::secondary("All cameras").with(Icon::Camera)))
        }
    }
}

fn what<'a>(camera: &CameraView, details: &CameraDetails) -> Vec<Fact<'a>> {
    let mac = camera.mac.to_string();
    let mut list = about(&details.about, Some(&mac));
    let port = details.port.map(|port| format!(", port {port}"));
    let address = format!("{}{}", shown_ip(camera.ip), port.unwrap_or_default());
    list.insert(1, Fact {
        name: "IP address",
        value: Some(html! { (address) @if let Some(interface) = &camera.interface { " on " (interface) } }),
    });
    list.insert(2, Fact {
        name: "Counts as",
        value: Some(html! {
            @if details.other_brand { "another brand" } @else { "own brand" }
            @if let Some(maker) = &details.oui_maker { span class="muted" { " · address of " (maker) } }
        }),
    });
    list
}

fn sends(page: &Page, camera: &CameraView, details: &CameraDetails) -> Markup {
    let now = page.app.clock.utc_ms();
    let counters = camera.counters;
    html! {
        p class="row" {
            (state_pill(camera.state))
            (recording_pill(camera.recording.as_ref()))
        }
        @if let Some(recording) = &camera.recording {
            p class="muted" {
                (recording_words(recording, now))
                @if let Some(detail) = &recording.detail { ". " (detail) }
            }
        }
        (chart(&details.traffic))
        p class="muted" {
            (counters.passed_packets) " packets passed (" (bytes(counters.passed_bytes)) ")"
            @if let Some(dropped) = counters.dropped_packets { ", " (dropped) " dropped" }
            " since it was admitted"
        }
        (streams(&details.about))
        @if let Some(url) = &camera.stream_url { p class="muted" { "Recorded from " (code_text(url)) } }
    }
}

fn credential_form(camera: &CameraView, details: &CameraDetails, csrf: &str) -> Markup {
    let action = format!("/cameras/{}/credential", camera.id);
    let user = details.user.as_deref().unwrap_or_default();
    html! {
        p class="muted" {
            @match &details.user {
                Some(user) => { "The box signs in as " strong { (user) } ". The password is never shown." }
                None => "The box knows none; the camera may not want any."
            }
        }
        (form(&Form {
            action: &action,
            csrf,
            file: false,
            download: false,
            button: Button::secondary("Save the password").with(Icon::Lock),
        }, html! {
            (field(&Field { name: "user", label: "User name", value: user, hint: Some("Empty: forget user name and password"), required: false, ..Field::default() }, &[]))
            (field(&Field { name: "password", label: "Password", kind: FieldKind::Password, autocomplete: "new-password", required: false, ..Field::default() }, &[]))
        }))
    }
}

fn replacing(
    page: &Page,
    camera: &CameraView,
    details: &CameraDetails,
    all: &[CameraView],
    csrf: &str,
) -> Markup {
    let action = format!("/cameras/{}/replace", camera.id);
    let free: Vec<&CameraView> = all
        .iter()
        .filter(|other| !other.assigned && other.id.source().get() == 1)
        .collect();
    let history = page.app.rooms.cameras.replacements();
    let history: Vec<&ReplacementView> = history
        .iter()
        .filter(|moved| moved.old == camera.mac || moved.new == camera.mac)
        .collect();
    html! {
        p class="muted" {
            "The new camera takes over name, settings and place. "
            @match details.replacements_left {
                None => "The license doesn't name its cameras, so this can be done as often as needed.",
                Some(left) => { "The license names its cameras and allows " (left) " more of these." }
            }
        }
        @if free.is_empty() {
            p { "Connect the new camera first: it shows here when it is found." }
        } @else {
            (form(&Form {
                action: &action,
                csrf,
                file: false,
                download: false,
                button: Button::danger("Replace"),
            }, html! {
                div class="field" {
                    label for="by" { "New camera" }
                    select id="by" name="by" {
                        @for other in &free {
                            option value=(other.mac) { (camera_name(other)) " · " (other.mac) " · " (shown_ip(other.ip)) }
                        }
                    }
                }
            }))
        }
        @if !history.is_empty() { (past(&history)) }
    }
}

fn past(history: &[&ReplacementView]) -> Markup {
    let rows = history
        .iter()
        .map(|moved| {
            let file = format!("/api/v1/replacements/{}", moved.number);
            vec![
                Cell(html! { (shown_time(moved.utc_ms)) }),
                Cell(code_text(&moved.old.to_string())),
                Cell(code_text(&moved.new.to_string())),
                Cell(button_link(
                    &file,
                    Button::secondary("Statement").with(Icon::Download),
                )),
            ]
        })
        .collect();
    html! {
        h3 { "Earlier replacements" }
        (table(&Table {
            caption: "Replacements with their signed statements",
            columns: &["When", "Old camera", "New camera", ""],
            rows,
        }))
    }
}

/// The password's form.
#[derive(Deserialize)]
pub(crate) struct CredentialForm {
    csrf: String,
    #[serde(default)]
    user: String,
    #[serde(default)]
    password: String,
}

impl PostedForm for CredentialForm {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// `POST /cameras/{camera}/credential`
pub(crate) async fn credential(
    Path(id): Path<String>,
    posted: Posted<CredentialForm>,
) -> PageResult {
    let Posted { page, form, .. } = posted;
    let camera = camera_id(&page, &id)?;
    let user = form.user.trim().to_owned();
    if user.chars().count() > MAX_USER_CHARS || form.password.chars().count() > MAX_PASSWORD_CHARS {
        let detail = "a user name has up to 64 characters, a password up to 128";
        return again(&page, &id, &problem("SG-CAM-055", &[("detail", detail)])).await;
    }
    let credential = (!user.is_empty()).then_some((user, form.password));
    let done = if credential.is_some() {
        "credential"
    } else {
        "forgotten"
    };
    let cameras = &page.app.rooms.cameras;
    match cameras.set_credential(camera.mac(), credential).await {
        Ok(()) => Ok(to(&camera.to_string(), done)),
        Err(problem) => again(&page, &id, &problem).await,
    }
}

/// Who takes over.
#[derive(Deserialize)]
pub(crate) struct ReplaceForm {
    csrf: String,
    by: String,
}

impl PostedForm for ReplaceForm {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// `POST /cameras/{camera}/replace`
pub(crate) async fn replace(Path(id): Path<String>, posted: Posted<ReplaceForm>) -> PageResult {
    let Posted { page, form, .. } = posted;
    let camera = camera_id(&page, &id)?;
    let Ok(by) = form.by.parse::<MacAddress>() else {
        return Err(page.problem(&crate::errors::missing("camera")).into());
    };
    match page.app.rooms.cameras.replace(camera.mac(), by).await {
        Ok(rows) => {
            let new = rows.first().map_or(camera, |row| row.id);
            Ok(to(&new.to_string(), "replaced"))
        }
        Err(problem) => again(&page, &id, &problem).await,
    }
}

fn to(camera: &str, done: &str) -> Response {
    Redirect::to(&format!("/cameras/{camera}?done={done}")).into_response()
}
