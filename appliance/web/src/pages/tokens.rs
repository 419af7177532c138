//! Tokens for programs: made once, shown once.

use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use sealgate_pages::{
    Button, Cell, Choice, Field, FieldError, Form, Icon, Markup, Table, Tone, button_link, choices,
    empty_state, error_summary, field, form, html, inline_form, notice, options, panel, table,
};
use serde::Deserialize;

use super::frame::{Empty, Page, PageResult, Posted, PostedForm, View};
use super::words::shown_time;
use crate::errors::{missing, status};
use crate::rooms::{ApiTokenView, NewApiToken, Right};
use crate::session::Token;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// How long a token may last, days and in words.
const LIFETIMES: [(&str, &str); 3] = [("30", "30 days"), ("365", "A year"), ("3650", "Ten years")];

/// A token to make; each scope is a field of its own.
#[derive(Deserialize)]
pub(crate) struct AddForm {
    csrf: String,
    name: String,
    days: u16,
    see: Option<String>,
    watch: Option<String>,
    export: Option<String>,
    operate: Option<String>,
    license: Option<String>,
}

impl AddForm {
    fn scopes(&self) -> Vec<Right> {
        let ticked = |right| match right {
            Right::See => self.see.is_some(),
            Right::Watch => self.watch.is_some(),
            Right::Export => self.export.is_some(),
            Right::Operate => self.operate.is_some(),
            Right::License => self.license.is_some(),
            Right::Manage => false,
        };
        Right::SCOPES
            .into_iter()
            .filter(|right| ticked(*right))
            .collect()
    }
}

impl PostedForm for AddForm {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

fn scope_words(right: Right) -> (&'static str, &'static str) {
    match right {
        Right::See => (
            "See",
            "State of the box, its license and its cameras; metrics.",
        ),
        Right::Watch => ("Watch", "Live and recorded video."),
        Right::Export => ("Take away", "Clips and recordings as files."),
        Right::Operate => (
            "Operate",
            "Channels, camera settings and passwords, steering.",
        ),
        Right::License => ("License", "Requests and imports."),
        Right::Manage => ("Manage", "No token has this."),
    }
}

/// `GET /tokens`
pub(crate) async fn show(page: Page) -> PageResult {
    Ok(page.show(view(&page, None, &[]).await?))
}

/// `POST /tokens`
pub(crate) async fn add(posted: Posted<AddForm>) -> PageResult {
    let Posted { page, form, .. } = posted;
    let by = page.signed_in()?.user.name.clone();
    let token = Token::random();
    let scopes = form.scopes();
    let new = NewApiToken {
        token_sha256: token.sha256(),
        name: form.name,
        scopes,
        expires_utc_ms: expiry(page.app.clock.utc_ms(), form.days),
    };
    match page.app.rooms.users.add_token(&by, new).await {
        Ok(made) => Ok(page.show(view(&page, Some((&made, &token)), &[]).await?)),
        Err(problem) => {
            let error = FieldError {
                field: "name",
                message: format!("{} {} ({})", problem.cause, problem.cure, problem.code),
            };
            let view = view(&page, None, std::slice::from_ref(&error)).await?;
            Ok(page.show_with(status(&problem.code), view))
        }
    }
}

/// When a token of so many days ends, milliseconds since the Unix epoch.
pub(crate) fn expiry(now_utc_ms: i64, days: u16) -> i64 {
    now_utc_ms.saturating_add(i64::from(days) * DAY_MS)
}

/// `POST /tokens/{id}/remove`
pub(crate) async fn remove(Path(id): Path<String>, posted: Posted<Empty>) -> PageResult {
    let page = posted.page;
    let by = page.signed_in()?.user.name.clone();
    let removed = match id.parse() {
        Ok(id) => page.app.rooms.users.remove_token(&by, id).await,
        Err(_) => Err(missing("token")),
    };
    removed.map_err(|problem| page.problem(&problem))?;
    Ok(Redirect::to("/tokens").into_response())
}

async fn view<'a>(
    page: &Page,
    made: Option<(&ApiTokenView, &Token)>,
    errors: &[FieldError],
) -> Result<View<'a>, Response> {
    let tokens = page.app.rooms.users.tokens().await;
    let tokens = tokens.map_err(|problem| page.problem(&problem))?;
    let csrf = page.csrf();
    let scopes = Right::SCOPES.map(|right| {
        let (label, hint) = scope_words(right);
        Choice {
            value: right.word(),
            label,
            hint: Some(hint),
            chosen: right == Right::See,
        }
    });
    let lifetimes = LIFETIMES.map(|(value, label)| Choice {
        value,
        label,
        hint: None,
        chosen: value == "365",
    });
    Ok(View {
        title: "API tokens",
        current: "/settings",
        lead: Some(
            html! { "Programs send one as " code class="mono" { "Authorization: Bearer …" } ". A token asks in your name, and never does more than your role." },
        ),
        body: html! {
            @if let Some((view, token)) = made {
                (notice(Tone::Ok, &format!("The token {} was made.", view.name), html! {
                    p { "It is shown only now; the box keeps no more than a hash of it." }
                    p class="secret" { (token.text()) }
                }))
            }
            (error_summary(errors))
            (panel("Tokens", None, button_link("/users", Button::secondary("Users").with(Icon::Person)), tokens_table(&tokens, &csrf)))
            (panel("Make a token", None, html! {}, form(
                &Form {
                    action: "/tokens",
                    csrf: &csrf,
                    file: false,
                    download: false,
                    button: Button::primary("Make the token").with(Icon::Plus),
                },
                html! {
                    (field(&Field {
                        name: "name",
                        label: "What it is for",
                        ..Field::default()
                    }, errors))
                    (choices("What it may do", &scopes))
                    (options("days", "How long", &lifetimes))
                },
            )))
        },
        ..View::default()
    })
}

fn tokens_table(tokens: &[ApiTokenView], csrf: &str) -> Markup {
    if tokens.is_empty() {
        return empty_state(
            Icon::Chip,
            "There is no token",
            html! { p { "Make one for each program that is to ask this box, with no more scopes than it needs." } },
        );
    }
    table(&Table {
        caption: "API tokens, what they may do, and until when",
        columns: &["For", "In the name of", "May", "Until", ""],
        rows: tokens
            .iter()
            .map(|token| {
                let words: Vec<&str> = token
                    .scopes
                    .iter()
                    .map(|right| scope_words(*right).0)
                    .collect();
                let action = format!("/tokens/{}/remove", token.id);
                vec![
                    Cell(html! { (token.name) }),
                    Cell(html! { (token.user) }),
                    Cell(html! { (words.join(", ")) }),
                    Cell(html! { (shown_time(token.expires_utc_ms)) }),
                    Cell(inline_form(
                        &Form {
                            action: &action,
                            csrf,
                            file: false,
                            download: false,
                            button: Button::danger("Remove"),
                        },
                        &token.name,
                    )),
                ]
            })
            .collect(),
    })
}
