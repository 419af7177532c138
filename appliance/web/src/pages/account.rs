//! What everybody decides about their own account: password, app, sessions.

use axum::response::{IntoResponse, Redirect, Response};
use sealgate_pages::{
    Button, Cell, Field, FieldError, FieldKind, Form, Icon, Markup, Table, Tone, button_link,
    error_summary, field, form, html, inline_form, panel, pill, table,
};
use sealgate_words::Problem;
use serde::Deserialize;

use super::frame::{Empty, Page, PageResult, Posted, PostedForm, View};
use super::new_password::new_password;
use super::sign_in::begin_for;
use super::words::shown_time;
use crate::app::check_password;
use crate::errors::{problem, status};
use crate::rooms::{StoredSession, UserView};

/// The form for a new password of one's own.
#[derive(Deserialize)]
pub(crate) struct PasswordForm {
    csrf: String,
    present: String,
    password: String,
    again: String,
}

impl PostedForm for PasswordForm {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// `GET /account`
pub(crate) async fn show(page: Page) -> PageResult {
    Ok(page.show(view(&page, &[]).await?))
}

/// `POST /account/password`
pub(crate) async fn set_password(posted: Posted<PasswordForm>) -> PageResult {
    let Posted { page, form, peer } = posted;
    let user = page.signed_in()?.user.clone();
    let changed = async {
        check_password(&form.password)?;
        if form.password != form.again {
            return Err(problem("SG-SES-009", &[]));
        }
        let app = &page.app;
        app.confirm_password(peer, &user.name, &form.present)
            .await?;
        app.rooms
            .users
            .set_password(&user.name, &user.name, &form.password)
            .await
    }
    .await;
    match changed {
        // All sessions ended with the old password, so this browser begins another.
        Ok(()) => begin_for(&page, peer, user, "/account").await,
        Err(problem) => {
            let error = password_error(&problem);
            let view = view(&page, std::slice::from_ref(&error)).await?;
            Ok(page.show_with(status(&problem.code), view))
        }
    }
}

/// `POST /account/sessions/end`
pub(crate) async fn end_others(posted: Posted<Empty>) -> PageResult {
    let page = posted.page;
    let session = page.signed_in()?;
    page.app
        .rooms
        .sessions
        .end_others(&session.user.name, &session.token_sha256)
        .await
        .map_err(|problem| page.problem(&problem))?;
    Ok(Redirect::to("/account").into_response())
}

/// What is wrong with a password, beside the field it is about.
fn password_error(problem: &Problem) -> FieldError {
    FieldError {
        field: match problem.code.as_str() {
            "SG-SES-006" | "SG-API-004" => "password",
            "SG-SES-009" => "again",
            _ => "present",
        },
        message: format!("{} {} ({})", problem.cause, problem.cure, problem.code),
    }
}

async fn view<'a>(page: &Page, errors: &[FieldError]) -> Result<View<'a>, Response> {
    let rooms = &page.app.rooms;
    let session = page.signed_in().map_err(IntoResponse::into_response)?;
    let name = session.user.name.clone();
    let users = rooms.users.list().await;
    let sessions = rooms.sessions.of_user(&name).await;
    let (users, sessions) = users
        .and_then(|users| Ok((users, sessions?)))
        .map_err(|problem| page.problem(&problem))?;
    let user = users.iter().find(|user| user.name == name);
    let csrf = page.csrf();
    Ok(View {
        title: "Your account",
        narrow: true,
        lead: Some(html! {
            "Signed in as " strong class="mono" { (name) } ", " (session.user.role.word()) "."
        }),
        body: html! {
            (error_summary(errors))
            (app_panel(user))
            (panel("Password", None, html! {}, form(
                &Form {
                    action: "/account/password",
                    csrf: &csrf,
                    file: false,
                    download: false,
                    button: Button::primary("Change the password").with(Icon::Lock),
                },
                html! {
                    input type="hidden" name="username" value=(name) autocomplete="username";
                    (field(&Field {
                        name: "present",
                        label: "Present password",
                        kind: FieldKind::Password,
                        autocomplete: "current-password",
                        ..Field::default()
                    }, errors))
                    (new_password("It ends every session but this one.", errors))
                },
            )))
            (panel("Sessions", None, html! {}, html! {
                (sessions_table(&sessions, &session.token_sha256))
                @if sessions.len() > 1 {
                    (inline_form(&Form {
                        action: "/account/sessions/end",
                        csrf: &csrf,
                        file: false,
                        download: false,
                        button: Button::danger("Sign out everywhere else").with(Icon::SignOut),
                    }, ""))
                }
            }))
        },
        ..View::default()
    })
}

fn app_panel(user: Option<&UserView>) -> Markup {
    let has_totp = user.is_some_and(|user| user.has_totp);
    let left = user.map_or(0, |user| user.recovery_codes);
    panel(
        "Authenticator app",
        None,
        if has_totp {
            pill(Tone::Ok, "Set up")
        } else {
            pill(Tone::Idle, "Not set up")
        },
        html! {
            @if has_totp {
                p { "Signing in takes your password and a code of the app. " (left) " of your recovery codes are left." }
            } @else {
                p { "With an authenticator app on your phone, a stolen password alone opens nothing." }
            }
            p { (button_link("/account/app", Button::secondary(
                if has_totp { "Change or remove the app" } else { "Set up an app" },
            ).with(Icon::Lock))) }
        },
    )
}

fn sessions_table(sessions: &[StoredSession], own: &[u8; 32]) -> Markup {
    table(&Table {
        caption: "Where you are signed in",
        columns: &["From", "Since", "Until"],
        rows: sessions
            .iter()
            .map(|session| {
                vec![
                    Cell(html! {
                        span class="mono" { (session.address.as_deref().unwrap_or("not known")) }
                        @if session.token_sha256 == *own { " " (pill(Tone::Info, "This one")) }
                    }),
                    Cell(html! { (shown_time(session.created_utc_ms)) }),
                    Cell(html! { (shown_time(session.expires_utc_ms)) }),
                ]
            })
            .collect(),
    })
}
