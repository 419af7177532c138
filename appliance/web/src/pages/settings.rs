//! The box's own settings: language and time zone.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::{IntoResponse, Redirect, Response};
use sealgate_pages::{
    Button, Form, Icon, Markup, Tone, button_link, form, html, notice, panel, problem_panel,
};
use serde::Deserialize;

use super::frame::{Page, PageResult, Posted, View};
use super::start::{TimeForm, time_fields};
use super::words::shown_time;
use crate::errors::status;

/// What was done just before.
#[derive(Default, Deserialize)]
pub(crate) struct Done {
    #[serde(default)]
    done: String,
}

/// `GET /settings`
pub(crate) async fn show(page: Page, query: Result<Query<Done>, QueryRejection>) -> Response {
    let done = query.map(|query| query.0.done).unwrap_or_default();
    let saved = (done == "saved").then(|| {
        notice(
            Tone::Ok,
            "The settings were saved.",
            html! { p { "Recording plans go by them within seconds." } },
        )
    });
    page.show(view(&page, saved))
}

/// `POST /settings`
pub(crate) async fn save(posted: Posted<TimeForm>) -> PageResult {
    let Posted { page, form, .. } = posted;
    let by = page.signed_in()?.user.name.clone();
    match page.app.rooms.settings.set(&by, form.into()).await {
        Ok(()) => Ok(Redirect::to("/settings?done=saved").into_response()),
        Err(problem) => {
            let view = view(&page, Some(problem_panel(&problem, Tone::Bad)));
            Ok(page.show_with(status(&problem.code), view))
        }
    }
}

fn view<'a>(page: &Page, message: Option<Markup>) -> View<'a> {
    let csrf = page.csrf();
    let asked = Form {
        action: "/settings",
        csrf: &csrf,
        file: false,
        download: false,
        button: Button::primary("Save").with(Icon::Ok),
    };
    View {
        title: "Settings",
        current: "/settings",
        narrow: true,
        body: html! {
            @if let Some(message) = message { (message) }
            (panel("Language and time zone", None, html! {}, html! {
                p { "The clock of this box shows " strong { (shown_time(page.app.clock.utc_ms())) } "." }
                (form(&asked, time_fields(&page.app.rooms.settings.settings())))
            }))
            (panel("More", None, html! {}, html! {
                div class="actions" {
                    (button_link("/users", Button::secondary("Users").with(Icon::Person)))
                    (button_link("/support", Button::secondary("Support").with(Icon::Download)))
                    (button_link("/audit", Button::secondary("What was done").with(Icon::List)))
                    (button_link("/start", Button::secondary("Set-up step by step").with(Icon::Arrow)))
                }
            }))
        },
        ..View::default()
    }
}
