//! The license page: one sentence of state, the next step, the places, the way back, and what
//! tells this box from every other.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::{IntoResponse, Redirect, Response};
use sealgate_pages::{
    Button, Fact, Field, FieldKind, Form, Icon, Markup, Tone, button_link, code_text, facts, field,
    form, html, inline_form, notice, panel, problem_panel, qr_code,
};
use serde::Deserialize;

use super::frame::{Empty, Page, PageResult, Posted, View};
use super::license_places::places;
use super::license_return::{history, returning};
use super::words::{license_tone, shown_time};
use crate::download::download;
use crate::rooms::{LicenseView, Right, TpmView};

/// The state that a person ends by confirming the date.
const CLOCK_UNSURE: &str = "SG-STA-018";

/// What was done just before.
#[derive(Default, Deserialize)]
pub(crate) struct Done {
    #[serde(default)]
    done: String,
}

/// `GET /license`
pub(crate) async fn show(page: Page, query: Result<Query<Done>, QueryRejection>) -> Response {
    let done = query.map(|query| query.0.done).unwrap_or_default();
    let message = match done.as_str() {
        "imported" => Some(notice(
            Tone::Ok,
            "The license file was imported.",
            html! { p { "What it allows is in force now. Keep the file: it can be imported here again." } },
        )),
        "clock" => Some(notice(
            Tone::Ok,
            "The date was confirmed.",
            html! { p { "The license goes by the clock of this box again." } },
        )),
        _ => None,
    };
    page.show(view(&page, message).await)
}

/// `POST /license/request`
pub(crate) async fn request(posted: Posted<Empty>) -> PageResult {
    let page = posted.page;
    match page.app.rooms.license.export_request().await {
        Ok(file) => Ok(download(file)),
        Err(problem) => {
            let message = Some(problem_panel(&problem, Tone::Bad));
            let status = crate::errors::status(&problem.code);
            Ok(page.show_with(status, view(&page, message).await))
        }
    }
}

/// `POST /license/clock`
pub(crate) async fn confirm_clock(posted: Posted<Empty>) -> PageResult {
    let page = posted.page;
    match page.app.rooms.license.confirm_clock().await {
        Ok(_) => Ok(Redirect::to("/license?done=clock").into_response()),
        Err(problem) => {
            let message = Some(problem_panel(&problem, Tone::Bad));
            let status = crate::errors::status(&problem.code);
            Ok(page.show_with(status, view(&page, message).await))
        }
    }
}

/// The page; `message` says what was done just before, or why it was not.
pub(crate) async fn view<'a>(page: &Page, message: Option<Markup>) -> View<'a> {
    let license = page.app.rooms.license.status().await;
    let events = page.app.rooms.license.history().await;
    let csrf = page.csrf();
    let may = page.may(Right::License);
    View {
        title: "License",
        current: "/license",
        body: html! {
            @if let Some(message) = message { (message) }
            (problem_panel(&license.state, license_tone(&license)))
            @if license.state.code == CLOCK_UNSURE && may { (clock(page, &csrf)) }
            @for notice in &license.notices { (problem_panel(notice, Tone::Warn)) }
            div class="columns" {
                div class="stack" {
                    (panel("Get or change a license", None, html! {}, if may { steps(&csrf) } else { for_admins() }))
                    (returning(&license, events.as_deref().unwrap_or_default(), may.then_some(csrf.as_str())))
                }
                div class="stack" {
                    (panel("Identity of this box", None, html! {}, identity(page, &license)))
                    (panel("TPM of this box", None, html! {}, tpm(&license.tpm)))
                }
            }
            (places(&license))
            (panel("History", None, html! {}, match &events {
                Ok(events) => history(events),
                Err(problem) => problem_panel(problem, Tone::Bad),
            }))
            div class="actions" {
                (button_link("/license/states", Button::secondary("All states").with(Icon::List)))
                @if page.may(Right::Manage) {
                    (button_link("/support", Button::secondary("Diagnostics").with(Icon::Download)))
                }
            }
        },
        ..View::default()
    }
}

/// What to quote, and what a distributor scans.
fn identity(page: &Page, license: &LicenseView) -> Markup {
    let identity = &page.app.rooms.identity;
    let fingerprint = license.tpm.ak_fingerprint.as_deref();
    let scanned = fingerprint.and_then(|fingerprint| {
        let text = format!("sealgate:{}:{fingerprint}", identity.serial);
        qr_code(&text, "Serial number and fingerprint of this box, to scan")
    });
    let reference = match (&license.license_id, license.revision) {
        (Some(id), Some(revision)) => format!("{}/{id}/{revision}", identity.serial),
        _ => identity.serial.clone(),
    };
    html! {
        (facts(&[
            Fact { name: "Reference to quote", value: Some(code_text(&reference)) },
            Fact { name: "Fingerprint", value: fingerprint.map(code_text) },
        ]))
        @match scanned {
            Some(code) => {
                (code)
                p class="hint" { "Serial number and fingerprint. The fingerprint is of the TPM's attestation key: it says which box this is and lets nobody in." }
            }
            None => p class="muted" { "The TPM does not answer, so there is no fingerprint to show." },
        }
    }
}

/// What the clock of the box shows, for a person to compare with a watch.
fn clock(page: &Page, csrf: &str) -> Markup {
    let shown = shown_time(page.app.clock.utc_ms());
    panel(
        "Is the date right?",
        None,
        html! {},
        html! {
            p { "The clock of this box shows " strong { (shown) } "." }
            p class="muted" { "If that is right, confirm it. If not, set the clock first." }
            (inline_form(&Form {
                action: "/license/clock",
                csrf,
                file: false,
                download: false,
                button: Button::primary("The date is right"),
            }, ""))
        },
    )
}

fn for_admins() -> Markup {
    html! { p { "An admin of this box creates requests and imports licenses." } }
}

fn steps(csrf: &str) -> Markup {
    html! {
        ol class="steps" {
            li { div {
                h3 { "Create a request" }
                p class="muted" { "A small file in which the TPM proves which box this is. It holds no password and no video." }
                (inline_form(&Form {
                    action: "/license/request",
                    csrf,
                    file: false,
                    download: true,
                    button: Button::primary("Create request").with(Icon::Download),
                }, ""))
            } }
            li { div {
                h3 { "Send it to your distributor" }
                p class="muted" { "By mail or on their portal. You get a license file back, with the ending " span class="mono" { ".lic" } "." }
            } }
            li { div {
                h3 { "Import the license file" }
                p class="muted" { "First you see what would change; nothing changes before you confirm." }
                (form(
                    &Form {
                        action: "/license/check",
                        csrf,
                        file: true,
                        download: false,
                        button: Button::primary("Check the file").with(Icon::Upload),
                    },
                    field(&Field {
                        name: "file",
                        label: "License file",
                        kind: FieldKind::File { accept: ".lic" },
                        ..Field::default()
                    }, &[]),
                ))
            } }
        }
    }
}

fn text(value: Option<&String>) -> Option<Markup> {
    value.map(|value| html! { (value) })
}

fn tpm(tpm: &TpmView) -> Markup {
    html! {
        @if let Some(problem) = &tpm.problem { (problem_panel(problem, Tone::Bad)) }
        (facts(&[
            Fact {
                name: "TPM 2.0",
                value: Some(html! { @if tpm.present { "Present" } @else { "Not found" } }),
            },
            Fact { name: "Manufacturer", value: text(tpm.manufacturer.as_ref()) },
            Fact { name: "Its firmware", value: text(tpm.firmware.as_ref()) },
            Fact { name: "License counter", value: tpm.counter.map(|counter| html! { (counter) }) },
            Fact {
                name: "Fingerprint (EK)",
                value: tpm.ek_fingerprint.as_deref().map(code_text),
            },
        ]))
    }
}
