//! A list of cameras in, and out.

use std::time::Duration;

use axum::extract::{Path, Request};
use axum::response::{IntoResponse as _, Redirect, Response};
use sealgate_pages::{
    Button, Cell, Field, FieldKind, Form, Icon, Markup, Meter, Table, Tone, button_link, code_text,
    field, form, html, meter, notice, panel, pill, problem_panel, table,
};
use serde::Deserialize;

use super::channels::results;
use crate::body;
use crate::download::download;
use crate::errors::status;
use crate::pages::frame::{Page, PageResult, Posted, PostedForm, View};
use crate::pages::words::{count, reason};
use crate::rooms::{AddedView, CheckView, CheckedRow};

/// A list that is added within this gets its answer at once.
const AT_ONCE: Duration = Duration::from_secs(3);
/// How often the page looks how far a longer one has come, seconds.
const REFRESH_S: u32 = 2;

/// Which check is used.
#[derive(Deserialize)]
pub(crate) struct AddForm {
    csrf: String,
    check: String,
}

impl PostedForm for AddForm {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// `GET /cameras/import`
pub(crate) async fn show(page: Page) -> Response {
    page.show(View {
        body: asking(&page),
        ..view()
    })
}

/// `POST /cameras/check-list`
pub(crate) async fn check(page: Page, request: Request) -> PageResult {
    let upload = body::upload(request).await;
    let upload = upload.map_err(|problem| page.problem(&problem))?;
    page.check(&upload.csrf)
        .map_err(|problem| page.problem(&problem))?;
    let list = if upload.file.is_empty() {
        upload.text.as_bytes()
    } else {
        &upload.file[..]
    };
    match page.app.rooms.adding.check_list(list).await {
        Ok(check) => Ok(page.show(View {
            body: checked(&page, &check),
            narrow: false,
            ..view()
        })),
        Err(problem) => {
            let body = html! { (problem_panel(&problem, Tone::Bad)) (asking(&page)) };
            Ok(page.show_with(status(&problem.code), View { body, ..view() }))
        }
    }
}

/// `POST /cameras/add`
pub(crate) async fn add(posted: Posted<AddForm>) -> PageResult {
    let Posted { page, form, .. } = posted;
    let begun = page.app.rooms.adding.add(&form.check).await;
    begun.map_err(|problem| page.problem(&problem))?;
    let came = page.app.rooms.adding.added(&form.check, AT_ONCE).await;
    let came = came.map_err(|problem| page.problem(&problem))?;
    Ok(match came.added {
        Some(added) => became(&page, &added),
        None => Redirect::to(&format!("/cameras/adding/{}", form.check)).into_response(),
    })
}

/// `GET /cameras/adding/{id}`
pub(crate) async fn adding(page: Page, Path(id): Path<String>) -> PageResult {
    let came = page.app.rooms.adding.added(&id, Duration::ZERO).await;
    let came = came.map_err(|problem| page.problem(&problem))?;
    if let Some(added) = &came.added {
        return Ok(became(&page, added));
    }
    let value = format!("{} of {} asked", came.asked, came.total);
    let share = came.asked as f64 / came.total.max(1) as f64;
    let progress = panel(
        "Asking the cameras",
        None,
        html! {},
        html! {
            (meter(Meter { label: "Cameras", value: &value, share, tone: Tone::Info }))
            p class="muted" { "All that answer are added together at the end; nothing is changed before. You may leave this page, and come back to it." }
            noscript { p { (button_link("", Button::secondary("Look again"))) } }
        },
    );
    Ok(page.show(View {
        refresh_s: Some(REFRESH_S),
        body: html! { div data-part="became" { (progress) } },
        ..view()
    }))
}

/// What became of each camera of a list.
fn became(page: &Page, added: &[AddedView]) -> Response {
    let failed = added.iter().filter(|row| row.problem.is_some()).count();
    let message = match (added.len() - failed, failed) {
        (good, 0) => notice(
            Tone::Ok,
            &format!("{} added.", count(good, "camera was", "cameras were")),
            html! { p { "Recording starts within seconds." } },
        ),
        (good, _) => notice(
            Tone::Warn,
            &format!(
                "{} added, {failed} not.",
                count(good, "camera was", "cameras were")
            ),
            html! { p { "Those that were not added are as they were before." } },
        ),
    };
    let rows = added
        .iter()
        .map(|row| {
            vec![
                Cell(html! {
                    @match row.camera {
                        Some(camera) => a href={ "/cameras/" (camera) } { (row.address) }
                        None => (row.address)
                    }
                }),
                Cell(html! { (row.line) }),
                Cell(match &row.problem {
                    None => pill(Tone::Ok, "Added"),
                    Some(problem) => html! { (pill(Tone::Bad, "Not added")) (reason(problem)) },
                }),
            ]
        })
        .collect();
    let body = panel(
        "What became of each",
        None,
        html! {},
        table(&Table {
            caption: "What became of each camera",
            columns: &["Camera", "Line", "Result"],
            rows,
        }),
    );
    results(
        page,
        "Cameras were added",
        html! {},
        html! { div data-part="became" { (message) (body) } },
    )
}

/// `GET /cameras/list.csv`
pub(crate) async fn export(page: Page) -> PageResult {
    let list = page.app.rooms.adding.export().await;
    Ok(download(list.map_err(|problem| page.problem(&problem))?))
}

fn view<'a>() -> View<'a> {
    View {
        title: "Import a list of cameras",
        current: "/cameras",
        narrow: true,
        ..View::default()
    }
}

fn asking(page: &Page) -> Markup {
    let csrf = page.csrf();
    let fields = html! {
        (field(&Field {
            name: "text",
            label: "Paste the list",
            hint: Some("One camera a line: address, name, user name, password. The last three may be left out."),
            kind: FieldKind::Lines,
            required: false,
            ..Field::default()
        }, &[]))
        (field(&Field {
            name: "file",
            label: "Or choose a file",
            hint: Some("CSV as spreadsheets save it, with commas or semicolons; at most 1024 lines"),
            kind: FieldKind::File { accept: ".csv,text/csv,text/plain" },
            required: false,
            ..Field::default()
        }, &[]))
    };
    let asked = Form {
        action: "/cameras/check-list",
        csrf: &csrf,
        file: true,
        download: false,
        button: Button::primary("Check the list").with(Icon::Search),
    };
    panel(
        "Your list",
        None,
        html! {},
        html! {
            p class="muted" { "Every line gets its verdict first; nothing is added before you say so." }
            (form(&asked, fields))
            details {
                summary { "An example" }
                pre class="sample" { "192.168.77.11,Dock 3,admin,secret\n192.168.77.12:8000,Gate,admin,secret\nrtsp://192.168.77.13/stream1,Yard" }
            }
        },
    )
}

fn checked(page: &Page, check: &CheckView) -> Markup {
    let csrf = page.csrf();
    let bad = check
        .rows
        .iter()
        .filter(|row| !row.problems.is_empty())
        .count();
    let good = check.rows.len() - bad;
    let label = format!("Add {}", count(good, "camera", "cameras"));
    let head = match (good, bad) {
        (0, 0) => notice(Tone::Warn, "The list is empty.", html! {}),
        (_, 0) => notice(
            Tone::Ok,
            "Every line can be added.",
            html! { p { "Each camera is asked before it is saved." } },
        ),
        (good, bad) => notice(
            Tone::Warn,
            &format!(
                "{} can't be added, {good} can.",
                count(bad, "line", "lines")
            ),
            html! { p { "Put the lines right and check again, or add the others without them. Nothing was changed yet." } },
        ),
    };
    html! {
        (head)
        @if !check.rows.is_empty() {
            (panel("Line by line", None, html! {}, table(&Table {
                caption: "The verdict on each line",
                columns: &["Address", "Line", "Name", "Verdict"],
                rows: check.rows.iter().map(verdict).collect(),
            })))
        }
        @if let Some(id) = &check.id {
            (form(&Form {
                action: "/cameras/add",
                csrf: &csrf,
                file: false,
                download: false,
                button: Button::primary(&label).with(Icon::Plus),
            }, html! { input type="hidden" name="check" value=(id); }))
        }
        p { (button_link("/cameras/import", Button::secondary("Another list"))) }
    }
}

fn verdict(row: &CheckedRow) -> Vec<Cell> {
    vec![
        Cell(
            html! { @if row.address.is_empty() { span class="muted" { "–" } } @else { (code_text(&row.address)) } },
        ),
        Cell(html! { (row.line) }),
        Cell(
            html! { @match &row.name { Some(name) => (name), None => span class="muted" { "–" } } },
        ),
        Cell(html! {
            @if row.problems.is_empty() {
                (pill(Tone::Ok, "Ready"))
                @if let Some(camera) = row.camera { p class="small" { (code_text(&camera.mac().to_string())) } }
            } @else {
                (pill(Tone::Bad, "Can't be added"))
                @for problem in &row.problems { (reason(problem)) }
            }
        }),
    ]
}
