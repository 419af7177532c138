//! The first start after the password: time zone, cameras, license. Every step can be left
//! out; whoever signs in as an admin, on whatever device, goes on at the first that is left.

use std::collections::BTreeSet;

use axum::response::{IntoResponse, Redirect, Response};
use sealgate_pages::{
    Button, Cell, Choice, Field, FieldKind, Form, Icon, Markup, Step, StepState, Table, Tone,
    button_link, empty_state, event_stream, field, form, html, inline_form, notice, options, panel,
    problem_panel, stepper, table,
};
use sealgate_words::Problem;
use serde::Deserialize;

use super::frame::{Empty, Page, PageResult, Posted, PostedForm, Refusal, View};
use super::words::{camera_name, count, license_tone, reason, recording_pill, state_pill};
use crate::api::status::CameraTotals;
use crate::app::App;
use crate::errors::status;
use crate::rooms::{
    BoxSettings, CameraState, CameraView, FirstStart, LANGUAGES, Right, StartStep, User, shown_ip,
};

/// How often the script looks for cameras and recordings, seconds.
const REFRESH_S: u32 = 2;

/// Where the first start goes on; the home page once nothing is left.
pub(crate) fn goes_on(app: &App, user: &User) -> &'static str {
    let start = app.rooms.settings.first_start();
    if start.is_open && user.role.may(Right::Manage) {
        path(start.next())
    } else {
        "/"
    }
}

fn path(step: Option<StartStep>) -> &'static str {
    match step {
        Some(StartStep::Time) => "/start/time",
        Some(StartStep::Cameras) => "/start/cameras",
        Some(StartStep::License) => "/start/license",
        None => "/start/done",
    }
}

/// `GET /start`
pub(crate) async fn show(page: Page) -> Response {
    let start = page.app.rooms.settings.first_start();
    Redirect::to(path(start.next())).into_response()
}

/// The step is done, or left out: on to the next.
async fn pass(
    page: &Page,
    step: StartStep,
    change: impl FnOnce(&mut FirstStart),
) -> Result<Response, Refusal> {
    let room = &page.app.rooms.settings;
    let mut start = room.first_start();
    if !start.done.contains(&step) {
        start.done.push(step);
    }
    change(&mut start);
    let next = path(start.next());
    room.set_first_start(start)
        .await
        .map_err(|problem| page.problem(&problem))?;
    Ok(Redirect::to(next).into_response())
}

/// A license came into force while the first start waited for one.
pub(crate) async fn licensed(page: &Page) -> PageResult {
    if page.app.rooms.settings.first_start().wants_all {
        // What hinders a camera stands on the last page, on its row.
        if let Err(problem) = page.app.rooms.cameras.assign_all().await {
            return Err(page.problem(&problem).into());
        }
    }
    pass(page, StartStep::License, |_| ()).await
}

/// The page of one step.
fn view<'a>(page: &Page, step: Option<StartStep>, title: &'a str, body: Markup) -> View<'a> {
    let start = page.app.rooms.settings.first_start();
    let state = |this: StartStep| match step {
        Some(step) if step == this => StepState::Current,
        _ if start.done.contains(&this) => StepState::Done,
        _ => StepState::Ahead,
    };
    let steps = [
        Step {
            title: "Password",
            state: StepState::Done,
        },
        Step {
            title: "Language and time",
            state: state(StartStep::Time),
        },
        Step {
            title: "Cameras",
            state: state(StartStep::Cameras),
        },
        Step {
            title: "License",
            state: state(StartStep::License),
        },
    ];
    View {
        title,
        narrow: true,
        body: html! { (stepper("Set-up", &steps)) (body) },
        ..View::default()
    }
}

/// Leaves a step out.
fn skip(action: &str, csrf: &str, label: &str) -> Markup {
    inline_form(
        &Form {
            action,
            csrf,
            file: false,
            download: false,
            button: Button::secondary(label),
        },
        "",
    )
}

/// Language and time zone, as chosen.
#[derive(Deserialize)]
pub(crate) struct TimeForm {
    csrf: String,
    language: String,
    zone: String,
}

impl From<TimeForm> for BoxSettings {
    fn from(form: TimeForm) -> Self {
        Self {
            zone: form.zone,
            language: form.language,
        }
    }
}

impl PostedForm for TimeForm {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// `GET /start/time`
pub(crate) async fn show_time(page: Page) -> Response {
    page.show(time_view(&page, None))
}

/// `POST /start/time`
pub(crate) async fn set_time(posted: Posted<TimeForm>) -> PageResult {
    let Posted { page, form, .. } = posted;
    let by = page.signed_in()?.user.name.clone();
    match page.app.rooms.settings.set(&by, form.into()).await {
        Ok(()) => pass(&page, StartStep::Time, |_| ()).await,
        Err(problem) => {
            let view = time_view(&page, Some(&problem));
            Ok(page.show_with(status(&problem.code), view))
        }
    }
}

fn time_view<'a>(page: &Page, refused: Option<&Problem>) -> View<'a> {
    let csrf = page.csrf();
    let asked = Form {
        action: "/start/time",
        csrf: &csrf,
        file: false,
        download: false,
        button: Button::primary("Go on").with(Icon::Arrow),
    };
    let body = html! {
        @if let Some(problem) = refused { (problem_panel(problem, Tone::Bad)) }
        section class="panel" { (form(&asked, time_fields(&page.app.rooms.settings.settings()))) }
    };
    view(page, Some(StartStep::Time), "Language and time zone", body)
}

/// The fields of language and time zone, here and on the page of settings.
pub(crate) fn time_fields(settings: &BoxSettings) -> Markup {
    let languages: Vec<Choice<'_>> = LANGUAGES
        .iter()
        .map(|(value, label)| Choice {
            value,
            label,
            hint: None,
            chosen: settings.language == *value,
        })
        .collect();
    let names = zones();
    let zones: Vec<Choice<'_>> = names
        .iter()
        .map(|name| Choice {
            value: name,
            label: name,
            hint: None,
            chosen: settings.zone == *name,
        })
        .collect();
    html! {
        (options("language", "Language", &languages))
        // The script chooses the browser's own, as long as nobody chose another.
        div data-guess-zone[settings.zone == BoxSettings::default().zone] {
            (options("zone", "Time zone", &zones))
        }
        p class="hint" { "Pages show dates in it, and recording plans go by it." }
    }
}

/// Time zones to choose from: places, and UTC.
fn zones() -> BTreeSet<String> {
    // Older names of the same places, and offsets without a place.
    const LEFT_OUT: [&str; 9] = [
        "Etc/", "SystemV/", "US/", "posix/", "right/", "Brazil/", "Canada/", "Chile/", "Mexico/",
    ];
    jiff::tz::db()
        .available()
        .map(|name| name.to_string())
        .filter(|name| name.contains('/') && !LEFT_OUT.iter().any(|it| name.starts_with(it)))
        .chain(["UTC".to_owned()])
        .collect()
}

/// Whether every camera is to be recorded.
#[derive(Deserialize)]
pub(crate) struct CamerasForm {
    csrf: String,
    #[serde(default)]
    all: String,
}

impl PostedForm for CamerasForm {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// `GET /start/cameras`
pub(crate) async fn show_cameras(page: Page) -> PageResult {
    let cameras = page.app.rooms.cameras.list().await;
    let cameras = cameras.map_err(|problem| page.problem(&problem))?;
    let csrf = page.csrf();
    let found = count(cameras.len(), "camera found", "cameras found");
    let label = match cameras.len() {
        1 => "Record it".to_owned(),
        number => format!("Record all {number}"),
    };
    let everything = Form {
        action: "/start/cameras",
        csrf: &csrf,
        file: false,
        download: false,
        button: Button::primary(&label).with(Icon::Record),
    };
    let body = html! {
        (event_stream("/api/v1/events"))
        (panel(&found, Some("cameras"), html! {}, html! {
            @if cameras.is_empty() {
                (empty_state(Icon::Camera, "No camera was found yet", html! {
                    p { "Connect cameras to the camera port and switch them on. They list here by themselves within a minute." }
                }))
            } @else {
                (camera_table(&cameras, false))
                (form(&everything, html! { input type="hidden" name="all" value="yes"; }))
            }
            p class="muted" {
                "Without a license nothing is recorded yet; what you choose here happens as soon as there is one. "
                "A camera that wants a name and a password is asked for them on the page Cameras."
            }
        }))
        div class="actions" {
            (skip("/start/cameras", &csrf, "Choose cameras later"))
            (button_link("/cameras/import", Button::secondary("Restore a camera list").with(Icon::Upload)))
        }
    };
    let view = view(&page, Some(StartStep::Cameras), "Cameras", body);
    Ok(page.show(View {
        refresh_s: Some(REFRESH_S),
        ..view
    }))
}

/// `POST /start/cameras`: all of them, or later.
pub(crate) async fn choose_cameras(posted: Posted<CamerasForm>) -> PageResult {
    let Posted { page, form, .. } = posted;
    let all = !form.all.is_empty();
    if all
        && page.app.rooms.license.status().await.ok
        && let Err(problem) = page.app.rooms.cameras.assign_all().await
    {
        return Err(page.problem(&problem).into());
    }
    pass(&page, StartStep::Cameras, |start| start.wants_all = all).await
}

fn camera_table(cameras: &[CameraView], recorded: bool) -> Markup {
    let columns = [
        "Camera",
        "Address",
        if recorded { "Recording" } else { "Gate" },
    ];
    table(&Table {
        caption: "Cameras that were found",
        columns: &columns,
        rows: cameras
            .iter()
            .map(|camera| {
                vec![
                    Cell(html! { (camera_name(camera)) }),
                    Cell(html! { span class="mono" { (shown_ip(camera.ip)) } }),
                    Cell(html! {
                        @if recorded && camera.state == CameraState::Admitted {
                            (recording_pill(camera.recording.as_ref()))
                        } @else {
                            (state_pill(camera.state))
                        }
                        @if recorded && let Some(problem) = &camera.reason { (reason(problem)) }
                    }),
                ]
            })
            .collect(),
    })
}

/// `GET /start/license`
pub(crate) async fn show_license(page: Page) -> Response {
    page.show(license_view(&page, None).await)
}

/// The step of the license; `message` says why a file was refused.
pub(crate) async fn license_view<'a>(page: &Page, message: Option<Markup>) -> View<'a> {
    let license = page.app.rooms.license.status().await;
    let csrf = page.csrf();
    let create = Form {
        action: "/license/request",
        csrf: &csrf,
        file: false,
        download: true,
        button: Button::secondary("Create request").with(Icon::Download),
    };
    let upload = Form {
        action: "/start/license/check",
        csrf: &csrf,
        file: true,
        download: false,
        button: Button::primary("Check the file").with(Icon::Upload),
    };
    let body = html! {
        @if let Some(message) = message { (message) }
        @if license.ok {
            (problem_panel(&license.state, license_tone(&license)))
            (skip("/start/license", &csrf, "Go on"))
        } @else {
            (panel("I have a license file", None, html! {}, form(&upload, field(&Field {
                name: "file",
                label: "License file",
                hint: Some("It ends in .lic. A trial comes as such a file too. First you see what it changes."),
                kind: FieldKind::File { accept: ".lic" },
                ..Field::default()
            }, &[]))))
            (panel("I have none yet", None, html! {}, html! {
                p { "Create a request and send it to your distributor, by mail or on their portal: a license file comes back. You can leave this page; the set-up goes on here. If this box had a license before, ask for a new issue of it." }
                (inline_form(&create, ""))
            }))
            (skip("/start/license", &csrf, "Go on without a license"))
        }
    };
    view(page, Some(StartStep::License), "License", body)
}

/// `POST /start/license`: there is one, or it comes later.
pub(crate) async fn pass_license(posted: Posted<Empty>) -> PageResult {
    pass(&posted.page, StartStep::License, |_| ()).await
}

/// `GET /start/done`: what is recorded now, and what is not.
pub(crate) async fn show_done(page: Page) -> PageResult {
    let cameras = page.app.rooms.cameras.list().await;
    let cameras = cameras.map_err(|problem| page.problem(&problem))?;
    let license = page.app.rooms.license.status().await;
    let totals = CameraTotals::of(&cameras);
    let csrf = page.csrf();
    let end = Form {
        action: "/start/done",
        csrf: &csrf,
        file: false,
        download: false,
        button: Button::primary("To the home page").with(Icon::Home),
    };
    let words = format!(
        "Recording {} of {}",
        totals.recording,
        count(totals.admitted, "camera", "cameras")
    );
    let body = html! {
        (event_stream("/api/v1/events"))
        div class="stack" data-part="outcome" {
            @if !license.ok {
                (problem_panel(&license.state, license_tone(&license)))
                p { (button_link("/start/license", Button::secondary("Back to the license").with(Icon::License))) }
            } @else if totals.admitted == 0 {
                (notice(Tone::Info, "No camera has a channel yet.", html! {
                    p { "Give cameras a channel on the page Cameras." }
                }))
            } @else if totals.recording == totals.admitted {
                (notice(Tone::Ok, &words, html! { p { "The box works by itself from here on." } }))
            } @else {
                (notice(Tone::Info, &words, html! { p { "The first picture of a camera takes a few seconds." } }))
            }
        }
        @if !cameras.is_empty() {
            (panel("Cameras", Some("cameras"), html! {}, camera_table(&cameras, true)))
        }
        (inline_form(&end, ""))
    };
    let view = view(&page, None, "The box is set up", body);
    Ok(page.show(View {
        refresh_s: Some(REFRESH_S),
        ..view
    }))
}

/// `POST /start/done`: the set-up is over, whatever was left out.
pub(crate) async fn end(posted: Posted<Empty>) -> PageResult {
    let page = posted.page;
    let room = &page.app.rooms.settings;
    let over = FirstStart {
        is_open: false,
        ..room.first_start()
    };
    room.set_first_start(over)
        .await
        .map_err(|problem| page.problem(&problem))?;
    Ok(Redirect::to("/").into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_offered_as_time_zones_and_each_is_known() {
        let zones = zones();
        for name in ["UTC", "Europe/Berlin", "Asia/Taipei", "America/New_York"] {
            assert!(zones.contains(name), "{name}");
        }
        for name in &zones {
            assert!(jiff::tz::TimeZone::get(name).is_ok(), "{name}");
        }
        assert!(!zones.contains("Etc/GMT+5"));
    }
}
