//! Alarms: a queue that somebody acknowledges.

use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use sealgate_pages::{
    Button, Form, Icon, Markup, Tone, button_link, empty_state, event_stream, html, icon,
    inline_form, owner_words, panel, pill, problem_panel,
};
use sealgate_words::Problem;

use super::frame::{Empty, Page, PageResult, Posted, View};
use super::words::shown_time;
use crate::errors::missing;
use crate::rooms::{AlarmView, Right};

/// How often the script refreshes the page, seconds.
const REFRESH_S: u32 = 5;

/// `GET /alarms`
pub(crate) async fn show(page: Page) -> Response {
    let alarms = page.app.rooms.alarms.list().await;
    let body = match &alarms {
        Err(problem) => problem_panel(problem, Tone::Bad),
        Ok(alarms) => {
            let (seen, open): (Vec<_>, Vec<_>) = alarms
                .iter()
                .partition(|alarm| alarm.acknowledged_by.is_some());
            html! {
                div class="stack" data-part="open" {
                    @if open.is_empty() {
                        (empty_state(Icon::Ok, "Nothing waits to be seen", html! {
                            p { "What goes wrong lists here until somebody acknowledges it." }
                        }))
                    }
                    @for alarm in open { (entry(&page, alarm)) }
                }
                @if !seen.is_empty() {
                    (panel("Acknowledged", Some("seen"), html! {}, html! {
                        ul class="queue" { @for alarm in seen { li { (entry(&page, alarm)) } } }
                    }))
                }
            }
        }
    };
    page.show(View {
        title: "Alarms",
        current: "/",
        narrow: true,
        refresh_s: Some(REFRESH_S),
        body: html! { (event_stream("/api/v1/events")) (body) },
        ..View::default()
    })
}

/// `POST /alarms/{id}/acknowledge`
pub(crate) async fn acknowledge(Path(id): Path<String>, posted: Posted<Empty>) -> PageResult {
    let page = posted.page;
    let by = page.signed_in()?.user.name.clone();
    let id: i64 = id.parse().map_err(|_| page.problem(&missing("alarm")))?;
    let done = page.app.rooms.alarms.acknowledge(&by, id).await;
    done.map_err(|problem| page.problem(&problem))?;
    Ok(Redirect::to("/").into_response())
}

/// The alarms that nobody acknowledged, on the home page; nothing where there are none.
pub(super) fn queue(page: &Page, alarms: &Result<Vec<AlarmView>, Problem>) -> Markup {
    const SHOWN: usize = 4;
    let alarms = match alarms {
        Ok(alarms) => alarms,
        Err(problem) => return problem_panel(problem, Tone::Bad),
    };
    let open: Vec<_> = alarms
        .iter()
        .filter(|alarm| alarm.acknowledged_by.is_none())
        .collect();
    html! {
        @for alarm in open.iter().take(SHOWN) { (entry(page, alarm)) }
        @if open.len() > SHOWN {
            p { (button_link("/alarms", Button::secondary(&format!("All {} alarms", open.len())).with(Icon::Warn))) }
        }
    }
}

fn entry(page: &Page, alarm: &AlarmView) -> Markup {
    let problem = &alarm.problem;
    let lasts = alarm.ended_utc_ms.is_none();
    let tone = if lasts && alarm.acknowledged_by.is_none() {
        Tone::Bad
    } else if lasts {
        Tone::Warn
    } else {
        Tone::Idle
    };
    let action = format!("/alarms/{}/acknowledge", alarm.id);
    html! {
        div class={ "problem " (tone.class()) } role="status" data-alarm=(alarm.id) data-code=(problem.code) {
            (icon(if lasts { Icon::Warn } else { Icon::Idle }))
            div {
                p class="row" {
                    strong { (problem.cause) }
                    @if lasts { (pill(tone, "Lasts")) } @else { (pill(Tone::Idle, "Over")) }
                }
                p { (problem.effect) " " (problem.cure) }
                p class="problem-foot" {
                    span { "Since " (shown_time(alarm.raised_utc_ms)) }
                    @if let Some(end) = alarm.ended_utc_ms { span { "Over since " (shown_time(end)) } }
                    span { "Who: " (owner_words(problem.owner)) }
                    span { "Code " span class="mono" { (problem.code) } }
                    @if let (Some(by), Some(when)) = (&alarm.acknowledged_by, alarm.acknowledged_utc_ms) {
                        span { "Seen by " (by) " on " (shown_time(when)) }
                    }
                }
                @if alarm.acknowledged_by.is_none() && page.may(Right::Operate) {
                    (inline_form(&Form {
                        action: &action,
                        csrf: &page.csrf(),
                        file: false,
                        download: false,
                        button: Button::secondary("Acknowledge").with(Icon::Ok),
                    }, &problem.cause))
                }
            }
        }
    }
}
