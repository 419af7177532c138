//! Updates: what runs, what waits, what was given up and why; and the recovery key.

use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Query, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use sealgate_pages::{
    Button, Cell, Field, FieldKind, Form, Icon, Markup, Step, StepState, Table, Tone, code_text,
    field, form, html, inline_form, notice, panel, pill, problem_panel, stepper, table,
};
use sealgate_words::Problem;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::frame::{Empty, Page, PageResult, Posted, PostedForm, View};
use crate::api::updates::PIECES;
use crate::app::App;
use crate::body;
use crate::errors::{status, unreadable};
use crate::rooms::{UpdatesView, VersionView};

/// What was done just before.
#[derive(Default, Deserialize)]
pub(crate) struct Done {
    #[serde(default)]
    done: String,
}

/// `GET /updates`
pub(crate) async fn show(page: Page, Query(done): Query<Done>) -> Response {
    let updates = page.app.rooms.updates.updates().await;
    let message = match done.done.as_str() {
        "restart" => Some(notice(
            Tone::Info,
            "The box restarts.",
            html! { p { "This page answers again in a minute or two. Recording stops for that long." } },
        )),
        _ => None,
    };
    page.show(view(&page, &updates, message))
}

/// `POST /updates`: the file is handed on as it comes, as it is larger than memory allows.
pub(crate) async fn install(State(_): State<App>, page: Page, mut request: Request) -> PageResult {
    DefaultBodyLimit::disable().apply(&mut request);
    match receive(&page, request).await {
        Ok(_) => Ok(Redirect::to("/updates").into_response()),
        Err(problem) => {
            let updates = page.app.rooms.updates.updates().await;
            let message = problem_panel(&problem, Tone::Bad);
            Ok(page.show_with(status(&problem.code), view(&page, &updates, Some(message))))
        }
    }
}

async fn receive(page: &Page, request: Request) -> Result<String, Problem> {
    let unfit =
        |error: &dyn std::fmt::Display| unreadable(&format!("its form does not fit: {error}"));
    let mut form = Multipart::from_request(request, &())
        .await
        .map_err(|error| unfit(&error))?;
    // The proof stands before the file: nothing is taken from whoever lacks it.
    let proof = match form.next_field().await.map_err(|error| unfit(&error))? {
        Some(mut field) if field.name() == Some("csrf") => {
            let mut proof = Vec::new();
            while let Some(piece) = field.chunk().await.map_err(|error| unfit(&error))? {
                proof.extend_from_slice(&piece);
                if proof.len() > body::SMALL_BYTES {
                    break;
                }
            }
            String::from_utf8_lossy(&proof).into_owned()
        }
        _ => String::new(),
    };
    page.check(&proof)?;
    let file = form.next_field().await.map_err(|error| unfit(&error))?;
    let mut file = file
        .filter(|field| field.name() == Some("file"))
        .ok_or_else(|| unreadable("no file was chosen"))?;
    let (sender, pieces) = mpsc::channel(PIECES);
    let send = async move {
        while let Ok(Some(piece)) = file.chunk().await {
            if sender.send(piece).await.is_err() {
                break;
            }
        }
    };
    let ((), installed) = tokio::join!(send, page.app.rooms.updates.install(pieces));
    installed
}

/// `POST /updates/restart`
pub(crate) async fn restart(posted: Posted<Empty>) -> PageResult {
    let page = posted.page;
    match page.app.rooms.updates.restart().await {
        Ok(()) => Ok(Redirect::to("/updates?done=restart").into_response()),
        Err(problem) => Err(page.problem(&problem).into()),
    }
}

/// The password of whoever wants to see the key.
#[derive(Deserialize)]
pub(crate) struct KeyForm {
    csrf: String,
    present: String,
}

impl PostedForm for KeyForm {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// `POST /updates/recovery-key`
pub(crate) async fn recovery_key(posted: Posted<KeyForm>) -> PageResult {
    let Posted { page, form, peer } = posted;
    let name = page.signed_in()?.user.name.clone();
    let key = async {
        page.app
            .confirm_password(peer, &name, &form.present)
            .await?;
        page.app.rooms.updates.recovery_key().await
    }
    .await;
    let noted = key.as_ref().err().map(|problem| problem.code.clone());
    (page.app.rooms.users)
        .note(Some(&name), "recovery-key", None, noted.as_deref())
        .await;
    let key = key.map_err(|problem| page.problem(&problem))?;
    Ok(page.show(View {
        title: "Recovery key",
        current: "/updates",
        narrow: true,
        body: panel("Keep it safe", None, html! {}, html! {
            p { "It opens the recordings and settings of this box when its TPM can't: after a new mainboard, or changed Secure Boot settings." }
            p class="secret" { (key) }
            p class="muted" { "Write it down and keep it away from the box. Whoever has it and the disk can read everything on it." }
        }),
        ..View::default()
    }))
}

fn view<'a>(page: &Page, updates: &UpdatesView, message: Option<Markup>) -> View<'a> {
    let csrf = page.csrf();
    View {
        title: "Updates",
        current: "/updates",
        // Somebody else's update is followed.
        refresh_s: updates.writing_percent.map(|_| 3),
        body: html! {
            @if let Some(message) = message { (message) }
            @if let Some(problem) = &updates.reverted { (problem_panel(problem, Tone::Warn)) }
            (stepper("Where the update is", &steps(updates)))
            div class="columns" {
                (panel("Install an update", None, html! {}, next(updates, &csrf)))
                div class="stack" {
                    (panel("Versions", None, html! {}, versions(updates)))
                    @if updates.has_recovery_key { (panel("Recovery key", None, html! {}, key_form(&csrf))) }
                }
            }
        },
        ..View::default()
    }
}

fn steps(updates: &UpdatesView) -> [Step<'static>; 3] {
    let now = match (updates.waiting(), trial(updates)) {
        (Some(_), _) => 1,
        (None, true) => 2,
        (None, false) => 0,
    };
    let titles = ["Send the file", "Restart", "Watched until all is well"];
    std::array::from_fn(|index| Step {
        title: titles[index],
        state: match index.cmp(&now) {
            std::cmp::Ordering::Less => StepState::Done,
            std::cmp::Ordering::Equal => StepState::Current,
            std::cmp::Ordering::Greater => StepState::Ahead,
        },
    })
}

/// The running version is not known to be good yet.
fn trial(updates: &UpdatesView) -> bool {
    let running = updates.versions.iter().find(|version| version.running);
    running.is_some_and(|version| version.tries_left.is_some())
}

fn next(updates: &UpdatesView, csrf: &str) -> Markup {
    if let Some(percent) = updates.writing_percent {
        return html! {
            p { "An update is being written: " strong { (percent) " %" } "." }
            p class="muted" { "Recording goes on. A power cut does no harm: this version stays the one that starts." }
        };
    }
    html! {
        @if let Some(waiting) = updates.waiting() {
            p { "Version " strong { (waiting.version) } " is installed and starts with the next restart. Recording stops for a minute or two." }
            (inline_form(&Form {
                action: "/updates/restart",
                csrf,
                file: false,
                download: false,
                button: Button::primary("Restart now"),
            }, ""))
        }
        p class="muted" { "The file's name ends with " span class="mono" { ".sgu" } ". It is checked before anything is changed, and recording goes on while it is written. If the new version does not run well, the box goes back to this one by itself." }
        (form(
            &Form {
                action: "/updates",
                csrf,
                file: true,
                download: false,
                button: Button::primary("Send and install").with(Icon::Upload),
            },
            field(&Field {
                name: "file",
                label: "Update file",
                kind: FieldKind::File { accept: ".sgu" },
                required: true,
                ..Field::default()
            }, &[]),
        ))
    }
}

fn versions(updates: &UpdatesView) -> Markup {
    if updates.versions.is_empty() {
        return html! { p { "This box was not started by its boot loader, so it has no second place to install to." } };
    }
    table(&Table {
        caption: "Versions on this box",
        columns: &["Version", "State"],
        rows: updates
            .versions
            .iter()
            .map(|version| {
                let (tone, words) = state(version);
                vec![Cell(code_text(&version.version)), Cell(pill(tone, words))]
            })
            .collect(),
    })
}

fn state(version: &VersionView) -> (Tone, &'static str) {
    match (version.running, version.tries_left, version.tries_done) {
        (true, None, _) => (Tone::Ok, "Running"),
        (true, Some(_), _) => (Tone::Info, "Running, watched"),
        (false, Some(0), done) if done > 0 => (Tone::Bad, "Given up"),
        (false, Some(1..), 0) => (Tone::Info, "Starts next"),
        (false, Some(1..), _) => (Tone::Warn, "Tried again at the next start"),
        (false, _, _) => (Tone::Idle, "Kept to go back to"),
    }
}

fn key_form(csrf: &str) -> Markup {
    html! {
        p class="muted" { "Opens the data of this box when its TPM can't. Keep it somewhere else." }
        (form(
            &Form {
                action: "/updates/recovery-key",
                csrf,
                file: false,
                download: false,
                button: Button::secondary("Show the recovery key").with(Icon::Lock),
            },
            field(&Field {
                name: "present",
                label: "Your password",
                kind: FieldKind::Password,
                autocomplete: "current-password",
                required: true,
                ..Field::default()
            }, &[]),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_says_what_it_is_for() {
        let check = |running, tries_left, tries_done, expected: &str| {
            let version = VersionView {
                version: "1.0.0".to_owned(),
                running,
                tries_left,
                tries_done,
            };
            assert_eq!(state(&version).1, expected);
        };
        check(true, None, 0, "Running");
        check(true, Some(2), 1, "Running, watched");
        check(false, Some(3), 0, "Starts next");
        check(false, Some(0), 3, "Given up");
        check(false, Some(0), 0, "Kept to go back to");
        check(false, None, 0, "Kept to go back to");
    }
}
