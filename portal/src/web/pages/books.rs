//! What was done: a distributor's ledger with its running balance, the history of a
//! distributor, a project, a server.

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use sealgate_pages::{Cell, Icon, Markup, Table, empty_state, html, panel, table};
use serde_json::Value;

use super::distributors::distributor_id;
use super::projects::project_id;
use super::server::server_id;
use super::{DISTRIBUTORS, Frame, ListQuery, PROJECTS, counts_words, pager, problem_page};
use crate::desk::{HistoryLine, LedgerLine, Page, date_words, kind_label};
use crate::rules::Counts;
use crate::store::LedgerReason;
use crate::web::App;
use crate::web::session::SignedIn;

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

/// `GET /distributors/{id}/ledger`.
pub(crate) async fn ledger(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    Query(query): Query<ListQuery>,
) -> Response {
    let actor = signed_in.actor.clone();
    let paging = query.paging();
    let read = app
        .desk(move |desk| desk.ledger(&actor, distributor_id(&id)?, &paging))
        .await;
    let (distributor, page) = match read {
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
    let path = format!("/distributors/{}/ledger", distributor.id);
    let body = html! { (ledger_table(&page.rows)) (pager(&path, &query, &page)) };
    frame.render(None, Some(lead), body)
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
            Cell(html! { (line.doer) }),
        ]
    };
    table(&Table {
        caption: "Ledger, newest first",
        columns: &[
            "When",
            "Kind",
            "What",
            "Change",
            "Available after",
            "Note",
            "By",
        ],
        rows: lines.iter().map(row).collect(),
    })
}

/// `GET /servers/{id}/history`.
pub(crate) async fn server_history(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    Query(query): Query<ListQuery>,
) -> Response {
    let actor = signed_in.actor.clone();
    let paging = query.paging();
    let read = app
        .desk(move |desk| desk.server_history(&actor, server_id(&id)?, &paging))
        .await;
    let (server, project, page) = match read {
        Ok(read) => read,
        Err(error) => return problem_page(Some(&signed_in), &error),
    };
    let lead = html! {
        a href="/" { "Projects" } " / "
        a href={ "/projects/" (project.id) } { (project.name) } " / "
        a href={ "/servers/" (server.id) } { (server.name) } " / History"
    };
    let path = format!("/servers/{}/history", server.id);
    history_page(
        &signed_in,
        ("this server", PROJECTS.href),
        lead,
        (&path, &query),
        &page,
    )
}

/// `GET /projects/{id}/history`.
pub(crate) async fn project_history(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    Query(query): Query<ListQuery>,
) -> Response {
    let actor = signed_in.actor.clone();
    let paging = query.paging();
    let read = app
        .desk(move |desk| desk.project_history(&actor, project_id(&id)?, &paging))
        .await;
    let (row, page) = match read {
        Ok(read) => read,
        Err(error) => return problem_page(Some(&signed_in), &error),
    };
    let project = &row.project;
    let lead = html! {
        a href="/" { "Projects" } " / "
        a href={ "/projects/" (project.id) } { (project.name) } " / History"
    };
    let path = format!("/projects/{}/history", project.id);
    history_page(
        &signed_in,
        ("this project", PROJECTS.href),
        lead,
        (&path, &query),
        &page,
    )
}

/// `GET /distributors/{id}/history`.
pub(crate) async fn distributor_history(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    Query(query): Query<ListQuery>,
) -> Response {
    let actor = signed_in.actor.clone();
    let paging = query.paging();
    let read = app
        .desk(move |desk| desk.distributor_history(&actor, distributor_id(&id)?, &paging))
        .await;
    let (distributor, page) = match read {
        Ok(read) => read,
        Err(error) => return problem_page(Some(&signed_in), &error),
    };
    let lead = html! {
        a href="/distributors" { "Distributors" } " / "
        a href={ "/distributors/" (distributor.id) } { (distributor.name) } " / History"
    };
    let path = format!("/distributors/{}/history", distributor.id);
    let about = ("this distributor", DISTRIBUTORS.href);
    history_page(&signed_in, about, lead, (&path, &query), &page)
}

fn history_page(
    signed_in: &SignedIn,
    (of, current): (&str, &'static str),
    lead: Markup,
    (path, query): (&str, &ListQuery),
    page: &Page<HistoryLine>,
) -> Response {
    let frame = Frame {
        signed_in: Some(signed_in),
        title: "History",
        current,
        narrow: false,
    };
    let row = |line: &HistoryLine| {
        vec![
            Cell(html! { (date_words(line.at_utc_ms.div_euclid(1000))) }),
            Cell(html! { (action_words(&line.action)) }),
            Cell(change_words(&line.detail)),
            Cell(html! { (line.doer) }),
        ]
    };
    let body = html! {
        @if page.rows.is_empty() {
            (empty_state(Icon::List, "Nothing was done yet", html! {}))
        } @else {
            (panel(&format!("What was done with {of}"), None, html! {}, table(&Table {
                caption: "History, newest first",
                columns: &["When", "What", "Change", "By"],
                rows: page.rows.iter().map(row).collect(),
            })))
        }
        (pager(path, query, page))
    };
    frame.render(None, Some(lead), body)
}

/// What an action of the audit is called; its own name where it has no other.
fn action_words(action: &str) -> &str {
    match action {
        "distributor.add" => "Distributor added",
        "distributor.change" => "Distributor changed",
        "distributor.grant" => "Channels added",
        "distributor.permissions" => "Permission set",
        "project.add" => "Project added",
        "project.change" => "Project changed",
        "server.add" => "Server added",
        "server.change" => "Server changed",
        "server.move" => "Moved",
        "license.issue" => "License made",
        "return.confirm" => "Return confirmed",
        "license.send" => "License sent",
        "claim.add" => "Claim code made",
        "hardware.report" => "Hardware reported as lost",
        "hardware.decline" => "Report declined",
        "hardware.write_off" => "Hardware written off",
        "hardware.back" => "Hardware came back",
        other => other,
    }
}

/// Before and after, as far as the entry tells.
fn change_words(detail: &Value) -> Markup {
    let text = |field: &str| detail.get(field).and_then(Value::as_str);
    let counts =
        |field: &str| -> Option<Counts> { serde_json::from_value(detail.get(field)?.clone()).ok() };
    let fields = |field: &str| detail.get(field).and_then(Value::as_object);
    html! {
        @if let (Some(from), Some(to)) = (text("from"), text("to")) {
            "From " strong { (from) } " to " strong { (to) }
        } @else if let (Some(was), Some(is)) = (fields("was"), fields("is")) {
            @for (name, new) in is.iter().filter(|(name, new)| was.get(*name) != Some(new)) {
                p { (name) ": " (value_words(was.get(name))) " → " strong { (value_words(Some(new))) } }
            }
        } @else if let (Some(before), Some(after)) = (counts("before"), counts("after")) {
            (counts_words(&before)) " → " (counts_words(&after))
        } @else if let Some(counts) = counts("counts") {
            (counts_words(&counts))
        } @else if let Some(note) = text("note") {
            (note)
        } @else if let Some(name) = text("name") {
            (name)
        } @else {
            span class="muted" { "–" }
        }
        @if let Some(file) = text("file") { " · " (file) ".lic" }
    }
}

/// A value of a change, for people.
fn value_words(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) if !text.is_empty() => text.clone(),
        Some(Value::Bool(yes)) => if *yes { "yes" } else { "no" }.to_owned(),
        _ => "–".to_owned(),
    }
}
