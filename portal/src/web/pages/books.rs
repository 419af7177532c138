//! What was done: a distributor's ledger with its running balance, a server's history.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use sealgate_pages::{Cell, Icon, Markup, Table, empty_state, html, panel, table};
use serde_json::Value;

use super::distributors::distributor_id;
use super::server::server_id;
use super::{DISTRIBUTORS, Frame, PROJECTS, counts_words, date_words, problem_page};
use crate::desk::{Doer, HistoryLine, LedgerLine, MOST_LINES, kind_label};
use crate::rules::Counts;
use crate::store::LedgerReason;
use crate::web::App;
use crate::web::session::SignedIn;

fn doer_words(doer: &Doer) -> &str {
    match doer {
        Doer::Portal => "The portal",
        Doer::Vendor => "The vendor",
        Doer::Person(email) => email,
    }
}

fn reason_words(reason: LedgerReason) -> &'static str {
    match reason {
        LedgerReason::Grant => "Bought",
        LedgerReason::Charge => "Licensed",
        LedgerReason::Credit => "Came back",
        LedgerReason::WriteOff => "Written off",
    }
}

/// A minus sign as wide as the plus.
fn signed(delta: i64) -> String {
    if delta < 0 {
        format!("−{}", delta.unsigned_abs())
    } else {
        format!("+{delta}")
    }
}

fn only_the_newest(lines: usize) -> Markup {
    html! {
        @if lines >= MOST_LINES as usize {
            p class="muted" { "The newest " (MOST_LINES) " lines are shown." }
        }
    }
}

/// `GET /distributors/{id}/ledger`.
pub(crate) async fn ledger(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
) -> Response {
    let actor = signed_in.actor.clone();
    let read = app
        .desk(move |desk| desk.ledger(&actor, distributor_id(&id)?))
        .await;
    let (distributor, lines) = match read {
        Ok(read) => read,
        Err(error) => return problem_page(Some(&signed_in), &error),
    };
    let is_staff = signed_in.actor.role.is_staff();
    let frame = Frame {
        signed_in: Some(&signed_in),
        title: "Ledger",
        current: if is_staff {
            DISTRIBUTORS.href
        } else {
            PROJECTS.href
        },
        narrow: false,
    };
    let lead = html! {
        @if is_staff {
            a href="/distributors" { "Distributors" } " / "
            a href={ "/distributors/" (distributor.id) } { (distributor.name) } " / Ledger"
        } @else {
            a href="/" { "Projects" } " / Ledger"
        }
    };
    frame.render(None, Some(lead), ledger_table(&lines))
}

fn ledger_table(lines: &[LedgerLine]) -> Markup {
    if lines.is_empty() {
        return empty_state(
            Icon::List,
            "Nothing was entered yet",
            html! { p { "Channels that are bought, licensed or given back are entered here." } },
        );
    }
    let row = |line: &LedgerLine| {
        let entry = &line.entry;
        vec![
            Cell(html! { (date_words(entry.at_utc_ms.div_euclid(1000))) }),
            Cell(html! { (kind_label(&entry.kind)) }),
            Cell(html! { (reason_words(entry.reason)) }),
            Cell(html! { span class="figures" { (signed(entry.delta)) } }),
            Cell(html! { span class="figures" { (line.balance) } }),
            Cell(html! { @if entry.note.is_empty() { "–" } @else { (entry.note) } }),
            Cell(html! { (doer_words(&line.doer)) }),
        ]
    };
    html! {
        (table(&Table {
            caption: "Ledger, newest first",
            columns: &["When", "Kind", "What", "Change", "Available after", "Note", "By"],
            rows: lines.iter().map(row).collect(),
        }))
        (only_the_newest(lines.len()))
    }
}

/// `GET /servers/{id}/history`.
pub(crate) async fn server_history(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
) -> Response {
    let actor = signed_in.actor.clone();
    let read = app
        .desk(move |desk| desk.server_history(&actor, server_id(&id)?))
        .await;
    let (server, project, lines) = match read {
        Ok(read) => read,
        Err(error) => return problem_page(Some(&signed_in), &error),
    };
    let frame = Frame {
        signed_in: Some(&signed_in),
        title: "History",
        current: PROJECTS.href,
        narrow: false,
    };
    let lead = html! {
        a href="/" { "Projects" } " / "
        a href={ "/projects/" (project.id) } { (project.name) } " / "
        a href={ "/servers/" (server.id) } { (server.name) } " / History"
    };
    let row = |line: &HistoryLine| {
        vec![
            Cell(html! { (date_words(line.at_utc_ms.div_euclid(1000))) }),
            Cell(html! { (action_words(&line.action)) }),
            Cell(change_words(&line.detail)),
            Cell(html! { (doer_words(&line.doer)) }),
        ]
    };
    let body = html! {
        (panel("What was done with this server", None, html! {}, table(&Table {
            caption: "History, newest first",
            columns: &["When", "What", "Change", "By"],
            rows: lines.iter().map(row).collect(),
        })))
        (only_the_newest(lines.len()))
    };
    frame.render(None, Some(lead), body)
}

/// What an action of the audit is called; its own name where it has no other.
fn action_words(action: &str) -> &str {
    match action {
        "server.add" => "Server added",
        "server.move" => "Moved",
        "license.issue" => "License made",
        other => other,
    }
}

/// Before and after, as far as the entry tells.
fn change_words(detail: &Value) -> Markup {
    let text = |field: &str| detail.get(field).and_then(Value::as_str);
    let counts =
        |field: &str| -> Option<Counts> { serde_json::from_value(detail.get(field)?.clone()).ok() };
    html! {
        @if let (Some(from), Some(to)) = (text("from"), text("to")) {
            "From " strong { (from) } " to " strong { (to) }
        } @else if let (Some(before), Some(after)) = (counts("before"), counts("after")) {
            (counts_words(&before)) " → " (counts_words(&after))
        } @else if let Some(counts) = counts("counts") {
            (counts_words(&counts))
        } @else {
            span class="muted" { "–" }
        }
        @if let Some(file) = text("file") { " · " (file) ".lic" }
    }
}
