//! Signing in and out.

use std::net::IpAddr;

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Redirect, Response};
use sealgate_pages::{
    Button, Field, FieldKind, Form, Icon, Markup, Tone, field, form, html, problem_panel,
};
use serde::Deserialize;

use super::frame::{Empty, Page, PageResult, Posted, PostedForm, View};
use crate::errors::status;
use crate::rooms::{FIRST_USER, User};
use crate::session::{end_session_cookie, set_session_cookie};

/// Where to go afterwards.
#[derive(Default, Deserialize)]
pub(crate) struct Next {
    #[serde(default)]
    next: String,
}

/// The sign-in form.
#[derive(Deserialize)]
pub(crate) struct SignInForm {
    csrf: String,
    name: String,
    password: String,
    #[serde(default)]
    next: String,
}

impl PostedForm for SignInForm {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// `GET /sign-in`
pub(crate) async fn show(page: Page, query: Result<Query<Next>, QueryRejection>) -> Response {
    if page
        .visitor()
        .is_some_and(|visitor| visitor.session.is_some())
    {
        return Redirect::to("/").into_response();
    }
    let next = query.map(|query| query.0.next).unwrap_or_default();
    page.show(view(&page, FIRST_USER, local(&next), None))
}

/// `POST /sign-in`
pub(crate) async fn sign_in(posted: Posted<SignInForm>) -> PageResult {
    let Posted { page, form, peer } = posted;
    let next = local(&form.next);
    let app = &page.app;
    match app.sign_in(peer, &form.name, &form.password, None).await {
        Ok(user) => begin_for(&page, peer, user, next).await,
        Err(problem) if problem.code == "SG-SES-020" => {
            let token = app.second_steps.begin(form.name);
            Ok(page.show(code_view(&page, &token.text(), next, None)))
        }
        Err(problem) => {
            let view = view(
                &page,
                &form.name,
                next,
                Some(problem_panel(&problem, Tone::Bad)),
            );
            Ok(page.show_with(status(&problem.code), view))
        }
    }
}

/// The form for the code of an authenticator app.
#[derive(Deserialize)]
pub(crate) struct CodeForm {
    csrf: String,
    step: String,
    code: String,
    #[serde(default)]
    next: String,
}

impl PostedForm for CodeForm {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// `POST /sign-in/code`
pub(crate) async fn second_step(posted: Posted<CodeForm>) -> PageResult {
    let Posted { page, form, peer } = posted;
    let next = local(&form.next);
    match page.app.second_step(peer, &form.step, &form.code).await {
        Ok(user) => begin_for(&page, peer, user, next).await,
        Err(problem) => {
            let panel = Some(problem_panel(&problem, Tone::Bad));
            let view = if problem.code == "SG-SES-031" {
                view(&page, "", next, panel)
            } else {
                code_view(&page, &form.step, next, panel)
            };
            Ok(page.show_with(status(&problem.code), view))
        }
    }
}

/// `POST /sign-out`
pub(crate) async fn sign_out(posted: Posted<Empty>) -> PageResult {
    let page = posted.page;
    if let Some(session) = page.visitor().and_then(|visitor| visitor.session.as_ref()) {
        page.app
            .rooms
            .sessions
            .remove(&session.token_sha256)
            .await
            .map_err(|problem| page.problem(&problem))?;
    }
    let cookie = [(SET_COOKIE, end_session_cookie())];
    Ok((cookie, Redirect::to("/sign-in")).into_response())
}

/// Begins a session in this browser and goes on.
/// To the home page means: to the next step of a first start that is not over.
pub(crate) async fn begin_for(page: &Page, peer: IpAddr, user: User, next: &str) -> PageResult {
    let next = match next {
        "/" => super::start::goes_on(&page.app, &user),
        next => next,
    };
    let (token, _) = page
        .app
        .begin_session(peer, user)
        .await
        .map_err(|problem| page.problem(&problem))?;
    let cookie = [(SET_COOKIE, set_session_cookie(&token))];
    Ok((cookie, Redirect::to(next)).into_response())
}

/// A path on this box, or home: a link must not lead from our sign-in to somewhere else.
fn local(next: &str) -> &str {
    let plain = next.starts_with('/')
        && !next.starts_with("//")
        && next
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte));
    if plain { next } else { "/" }
}

fn code_view<'a>(page: &Page, step: &str, next: &str, problem: Option<Markup>) -> View<'a> {
    let csrf = page.csrf();
    View {
        title: "Sign in: the second step",
        narrow: true,
        body: html! {
            @if let Some(problem) = problem { (problem) }
            section class="panel" {
                (form(
                    &Form {
                        action: "/sign-in/code",
                        csrf: &csrf,
                        file: false,
                        download: false,
                        button: Button::primary("Sign in").with(Icon::Arrow),
                    },
                    html! {
                        input type="hidden" name="next" value=(next);
                        input type="hidden" name="step" value=(step);
                        (field(&Field {
                            name: "code",
                            label: "Code",
                            hint: Some("The six digits that your authenticator app shows now, or one of your recovery codes."),
                            autocomplete: "one-time-code",
                            ..Field::default()
                        }, &[]))
                    },
                ))
            }
        },
        ..View::default()
    }
}

fn view<'a>(page: &Page, name: &str, next: &str, problem: Option<Markup>) -> View<'a> {
    let csrf = page.csrf();
    View {
        title: "Sign in",
        narrow: true,
        body: html! {
            @if let Some(problem) = problem { (problem) }
            section class="panel" {
                (form(
                    &Form {
                        action: "/sign-in",
                        csrf: &csrf,
                        file: false,
                        download: false,
                        button: Button::primary("Sign in").with(Icon::Arrow),
                    },
                    html! {
                        input type="hidden" name="next" value=(next);
                        (field(&Field {
                            name: "name",
                            label: "Name",
                            value: name,
                            autocomplete: "username",
                            ..Field::default()
                        }, &[]))
                        (field(&Field {
                            name: "password",
                            label: "Password",
                            kind: FieldKind::Password,
                            autocomplete: "current-password",
                            ..Field::default()
                        }, &[]))
                    },
                ))
            }
            p { a href="/recover" { "Nobody can sign in as an admin any more" } }
        },
        ..View::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leads_nowhere_else() {
        for (next, expected) in [
            ("/live/020000000a01-1", "/live/020000000a01-1"),
            ("", "/"),
            ("https://evil.example", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("/\r\nset-cookie: a=b", "/"),
        ] {
            assert_eq!(local(next), expected);
        }
    }
}
