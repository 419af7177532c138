//! Who did what, when and from where: for vendor admins.

use axum::Extension;
use axum::extract::{Query, State};
use axum::response::Response;
use sealgate_pages::{
    Button, Cell, Field, Icon, Markup, Table, button_link, code_text, empty_state, field, html,
    icon, panel, table,
};
use serde_json::Value;

use super::account::browser_words;
use super::{AUDIT, Frame, date_words, problem_page};
use crate::desk::{AuditLine, MOST_AUDIT_LINES};
use crate::web::App;
use crate::web::api::people::AuditParams;
use crate::web::problem::describe;
use crate::web::session::{SignedIn, url_encode};

/// `GET /audit`.
pub(crate) async fn show(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Query(params): Query<AuditParams>,
) -> Response {
    let frame = Frame {
        signed_in: Some(&signed_in),
        title: "Audit",
        current: AUDIT.href,
        narrow: false,
    };
    let actor = signed_in.actor.clone();
    let query = params.query();
    let read = match query {
        Ok(query) => {
            app.desk(move |desk| desk.search_audit(&actor, &query))
                .await
        }
        Err(error) => Err(error),
    };
    let (lines, problem) = match read {
        Ok(lines) => (lines, None),
        Err(error) if error.is_fault() => return problem_page(Some(&signed_in), &error),
        Err(error) => (Vec::new(), Some(describe(&error))),
    };
    let body = html! {
        (panel("Search", None, html! {}, search_form(&params)))
        (entries(&lines))
        @if lines.len() >= MOST_AUDIT_LINES as usize {
            @if let Some(last) = lines.last() {
                p { (button_link(&next_page(&params, last.seq), Button::secondary("Older entries"))) }
            }
        }
    };
    let lead = html! { "Entries are only ever added. Times are UTC." };
    frame.render(problem.as_ref(), Some(lead), body)
}

fn search_form(params: &AuditParams) -> Markup {
    let text = |name: &'static str, label: &str, hint: Option<&str>, value: &str| {
        let wanted = Field {
            name,
            label,
            hint,
            value,
            required: false,
            ..Field::default()
        };
        field(&wanted, &[])
    };
    html! {
        form class="form" method="get" action="/audit" {
            (text("reference", "Reference", Some("As an error page or the log says it."), &params.reference))
            (text("person", "Person's e-mail address", None, &params.person))
            (text("object", "Object", Some("For example server: and its id."), &params.object))
            (text("from", "From day", Some("For example 2026-11-24."), &params.from))
            (text("until", "To day", None, &params.until))
            div class="actions" {
                button type="submit" class="button primary" { (icon(Icon::Search)) "Search" }
                (button_link("/audit", Button::secondary("Clear")))
            }
        }
    }
}

fn next_page(params: &AuditParams, last: i64) -> String {
    let mut path = format!("/audit?before={last}");
    for (name, value) in [
        ("reference", &params.reference),
        ("person", &params.person),
        ("object", &params.object),
        ("from", &params.from),
        ("until", &params.until),
    ] {
        if !value.is_empty() {
            path += &format!("&{name}={}", url_encode(value));
        }
    }
    path
}

fn entries(lines: &[AuditLine]) -> Markup {
    if lines.is_empty() {
        return empty_state(
            Icon::Search,
            "Nothing matches",
            html! { p { "Leave a field empty to match everything." } },
        );
    }
    let row = |line: &AuditLine| {
        let entry = &line.entry;
        let origin = &entry.origin;
        vec![
            Cell(html! { (date_words(entry.at_utc_ms.div_euclid(1000))) }),
            Cell(html! { (line.person.as_deref().unwrap_or("The portal")) }),
            Cell(html! {
                (code_text(&entry.action)) br;
                a href={ "/audit?object=" (url_encode(&entry.object)) } { (code_text(&short(&entry.object))) }
            }),
            Cell(changes(&entry.detail)),
            Cell(html! {
                (code_text(origin.address.as_deref().unwrap_or("–")))
                @if let Some(user_agent) = &origin.user_agent {
                    br; span class="muted" { (browser_words(user_agent)) }
                }
            }),
            Cell(html! {
                @if let Some(reference) = &origin.reference {
                    a href={ "/audit?reference=" (reference) } { (code_text(reference)) }
                } @else { "–" }
            }),
        ]
    };
    table(&Table {
        caption: "What was done, newest first",
        columns: &["When", "Who", "What", "Change", "From", "Reference"],
        rows: lines.iter().map(row).collect(),
    })
}

/// The kind of an object and the beginning of its id: whole, it would fill the row. The link
/// behind it has all of it.
fn short(object: &str) -> String {
    const SHOWN: usize = 8;
    match object.split_once(':') {
        Some((kind, id)) if id.chars().count() > 2 * SHOWN => {
            format!("{kind}:{}…", id.chars().take(SHOWN).collect::<String>())
        }
        _ => object.to_owned(),
    }
}

/// A value as people read it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) if text.is_empty() => "empty".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What an entry changed: before and after where it says both, else its fields.
fn changes(detail: &str) -> Markup {
    let Ok(Value::Object(fields)) = serde_json::from_str(detail) else {
        return html! { (detail) };
    };
    let pair = (fields.get("before"), fields.get("after"));
    if let (Some(Value::Object(before)), Some(Value::Object(after))) = pair {
        let changed = (after.iter()).filter(|(name, value)| before.get(*name) != Some(value));
        let changed: Vec<_> = changed.collect();
        return html! {
            @if changed.is_empty() { span class="muted" { "Nothing" } }
            @for (name, value) in changed {
                div { (name) ": " (before.get(name).map_or_else(|| "none".to_owned(), shown)) " → " strong { (shown(value)) } }
            }
        };
    }
    html! {
        @if fields.is_empty() { span class="muted" { "–" } }
        @for (name, value) in &fields { div { (name) ": " (shown(value)) } }
    }
}
