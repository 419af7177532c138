//! One camera added by hand: asked first, saved when somebody says so.

use axum::response::Response;
use sealgate_pages::{
    Button, Cell, Fact, Field, FieldKind, Form, Icon, Markup, Table, Tone, button_link, code_text,
    facts, field, form, html, notice, panel, pill, problem_panel, table,
};
use serde::Deserialize;

use crate::errors::status;
use crate::pages::frame::{Page, PageResult, Posted, PostedForm, View};
use crate::pages::words::{count, stream_words};
use crate::rooms::{CheckView, CheckedRow, FoundView, StreamUse, TypedCamera};

/// What is typed.
#[derive(Default, Deserialize)]
pub(crate) struct TypedForm {
    csrf: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    user: String,
    #[serde(default)]
    password: String,
}

impl PostedForm for TypedForm {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// `GET /cameras/add`
pub(crate) async fn show(page: Page) -> Response {
    let body = html! {
        (asking(&page, &TypedForm::default()))
        p class="muted" { "Many cameras at once: " a href="/cameras/import" { "import a list" } "." }
    };
    page.show(View { body, ..view() })
}

/// `POST /cameras/check`
pub(crate) async fn check(posted: Posted<TypedForm>) -> PageResult {
    let Posted { page, form, .. } = posted;
    let typed = TypedCamera {
        address: form.address.clone(),
        name: form.name.clone(),
        user: form.user.clone(),
        password: form.password.clone(),
    };
    let check = match page.app.rooms.adding.check_one(typed).await {
        Ok(check) => check,
        Err(problem) => {
            let body = html! { (problem_panel(&problem, Tone::Bad)) (asking(&page, &form)) };
            return Ok(page.show_with(status(&problem.code), View { body, ..view() }));
        }
    };
    Ok(page.show(View {
        body: checked(&page, &check, &form),
        ..view()
    }))
}

fn view<'a>() -> View<'a> {
    View {
        title: "Add a camera by hand",
        current: "/cameras",
        narrow: true,
        ..View::default()
    }
}

fn asking(page: &Page, typed: &TypedForm) -> Markup {
    let csrf = page.csrf();
    let fields = html! {
        (field(&Field {
            name: "address",
            label: "Address",
            hint: Some("An IP address, for example 192.168.77.11 or 192.168.77.11:8000; or the stream's address, rtsp://192.168.77.11/stream1"),
            value: &typed.address,
            ..Field::default()
        }, &[]))
        (field(&Field {
            name: "name",
            label: "Name",
            hint: Some("What you call it, for example Dock 3"),
            value: &typed.name,
            required: false,
            ..Field::default()
        }, &[]))
        (field(&Field {
            name: "user",
            label: "User name in the camera",
            value: &typed.user,
            required: false,
            ..Field::default()
        }, &[]))
        (field(&Field {
            name: "password",
            label: "Password in the camera",
            kind: FieldKind::Password,
            required: false,
            autocomplete: "new-password",
            ..Field::default()
        }, &[]))
    };
    let asked = Form {
        action: "/cameras/check",
        csrf: &csrf,
        file: false,
        download: false,
        button: Button::primary("Try it").with(Icon::Search),
    };
    panel(
        "Where it is",
        None,
        html! {},
        html! {
            p class="muted" { "The camera is asked first; nothing is saved before you say so." }
            (form(&asked, fields))
        },
    )
}

fn checked(page: &Page, check: &CheckView, typed: &TypedForm) -> Markup {
    let csrf = page.csrf();
    html! {
        @for row in &check.rows {
            @for problem in &row.problems { (problem_panel(problem, Tone::Bad)) }
            @if row.problems.is_empty() { (answer(row)) }
        }
        @match &check.id {
            Some(id) => (form(&Form {
                action: "/cameras/add",
                csrf: &csrf,
                file: false,
                download: false,
                button: Button::primary("Add the camera").with(Icon::Plus),
            }, html! { input type="hidden" name="check" value=(id); }))
            None => (asking(page, typed))
        }
        p { (button_link("/cameras/add", Button::secondary("Start again"))) }
    }
}

fn answer(row: &CheckedRow) -> Markup {
    let address = row.address.as_str();
    let mac = row.camera.map(|camera| camera.mac().to_string());
    html! {
        @match &row.found {
            Some(found) => {
                (notice(Tone::Ok, &format!("The camera at {address} answers."), html! {
                    p { "It took the user name and password, or wants none." }
                    @if found.sources > 1 {
                        p { "It has " (found.sources) " video sources, and each needs a channel: the first is added now, the others list by themselves." }
                    }
                }))
                (panel("What it says", None, html! {}, html! {
                    (facts(&about(found, mac.as_deref())))
                    (streams(found))
                }))
            }
            None => (notice(Tone::Info, &format!("A device is at {address}."), html! {
                p {
                    @if let Some(mac) = &mac { "Its MAC address is " (code_text(mac)) ". " }
                    "Its stream is tried once the camera has a channel: until then the gate stops all video."
                }
            }))
        }
    }
}

/// Maker, model and the like.
pub(super) fn about<'a>(found: &FoundView, mac: Option<&str>) -> Vec<Fact<'a>> {
    let text = |text: &Option<String>| text.as_ref().map(|text| html! { (text) });
    vec![
        Fact {
            name: "MAC address",
            value: mac.map(code_text),
        },
        Fact {
            name: "Maker",
            value: text(&found.maker),
        },
        Fact {
            name: "Model",
            value: text(&found.model),
        },
        Fact {
            name: "Serial number",
            value: text(&found.serial),
        },
        Fact {
            name: "Firmware",
            value: text(&found.firmware),
        },
    ]
}

/// Its streams, and what the box does with each.
pub(super) fn streams(found: &FoundView) -> Markup {
    if found.streams.is_empty() {
        return html! { p class="muted" { "It names no streams." } };
    }
    let rows = (1..)
        .zip(&found.streams)
        .map(|(number, stream)| {
            let name = stream.name.clone();
            vec![
                Cell(html! { (name.unwrap_or_else(|| format!("Stream {number}"))) }),
                Cell(html! { (stream_words(stream)) }),
                Cell(match stream.used {
                    StreamUse::Recorded => pill(Tone::Ok, "Recorded"),
                    StreamUse::Grid => pill(Tone::Ok, "In the grid"),
                    StreamUse::Spare => pill(Tone::Idle, "Not used"),
                    StreamUse::Unreadable => pill(Tone::Warn, "Can't be recorded"),
                }),
            ]
        })
        .collect();
    html! {
        h3 { (count(found.streams.len(), "stream", "streams")) }
        (table(&Table {
            caption: "The camera's streams",
            columns: &["Stream", "Picture", "Use"],
            rows,
        }))
    }
}
