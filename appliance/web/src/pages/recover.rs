//! The way back in, for whoever stands at the box.

use axum::response::Response;
use sealgate_pages::{
    Button, Field, FieldError, Form, Icon, error_summary, field, form, html, panel,
};
use sealgate_words::Problem;
use serde::Deserialize;

use super::frame::{Page, PageResult, Posted, PostedForm, View};
use super::new_password::new_password;
use super::sign_in::begin_for;
use crate::errors::{problem, status};
use crate::rooms::FIRST_USER;

/// The code from the console, and who is to be an admin.
#[derive(Deserialize)]
pub(crate) struct RecoverForm {
    csrf: String,
    code: String,
    name: String,
    password: String,
    again: String,
}

impl PostedForm for RecoverForm {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// `GET /recover`
pub(crate) async fn show(page: Page) -> Response {
    page.show(view(&page, FIRST_USER, &[]))
}

/// `POST /recover`
pub(crate) async fn complete(posted: Posted<RecoverForm>) -> PageResult {
    let Posted { page, form, peer } = posted;
    let app = &page.app;
    let result = if form.password == form.again {
        app.recover(peer, &form.code, &form.name, &form.password)
            .await
    } else {
        Err(problem("SG-SES-009", &[]))
    };
    match result {
        Ok(user) => begin_for(&page, peer, user, "/users").await,
        Err(problem) => {
            let error = field_error(&problem);
            let view = view(&page, &form.name, std::slice::from_ref(&error));
            Ok(page.show_with(status(&problem.code), view))
        }
    }
}

fn field_error(problem: &Problem) -> FieldError {
    FieldError {
        field: match problem.code.as_str() {
            "SG-SES-006" | "SG-API-004" => "password",
            "SG-SES-009" => "again",
            "SG-SES-024" => "name",
            _ => "code",
        },
        message: format!("{} {} ({})", problem.cause, problem.cure, problem.code),
    }
}

fn view<'a>(page: &Page, name: &str, errors: &[FieldError]) -> View<'a> {
    let csrf = page.csrf();
    View {
        title: "Restore an admin",
        narrow: true,
        lead: Some(
            html! { "For when nobody can sign in as an admin any more. Recording goes on meanwhile." },
        ),
        body: html! {
            (error_summary(errors))
            (panel("1. Get a code from the box", None, html! {}, html! {
                p { "On the box's own console, as root, run " code class="mono" { "sealgate recover" } ". It prints a code that is good once, for 15 minutes." }
            }))
            (panel("2. Say who is to be an admin", None, html! {}, form(
                &Form {
                    action: "/recover",
                    csrf: &csrf,
                    file: false,
                    download: false,
                    button: Button::primary("Set the password and sign in").with(Icon::Lock),
                },
                html! {
                    (field(&Field {
                        name: "code",
                        label: "Recovery code",
                        hint: Some("Ten characters. Capital letters don't matter."),
                        autocomplete: "one-time-code",
                        ..Field::default()
                    }, errors))
                    (field(&Field {
                        name: "name",
                        label: "Name",
                        hint: Some("This user becomes an admin with the password below; their authenticator app, sessions and tokens are removed. A user that doesn't exist yet is added."),
                        value: name,
                        autocomplete: "username",
                        ..Field::default()
                    }, errors))
                    (new_password("", errors))
                },
            )))
        },
        ..View::default()
    }
}
