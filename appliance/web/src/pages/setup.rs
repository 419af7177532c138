//! The first start: set-up code and first password.

use axum::response::{IntoResponse, Redirect, Response};
use sealgate_pages::{
    Button, Field, FieldError, Form, Icon, Step, StepState, error_summary, field, form, html,
    stepper,
};
use sealgate_words::Problem;
use serde::Deserialize;

use super::frame::{Page, PageResult, Posted, PostedForm, View};
use super::new_password::new_password;
use crate::errors::{problem, status};
use crate::pages::sign_in::begin_for;
use crate::rooms::FIRST_USER;

/// The set-up form.
#[derive(Deserialize)]
pub(crate) struct SetUpForm {
    csrf: String,
    code: String,
    password: String,
    again: String,
}

impl PostedForm for SetUpForm {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// `GET /setup`
pub(crate) async fn show(page: Page) -> Response {
    page.show(view(&page, "", &[]))
}

/// `POST /setup`
pub(crate) async fn complete(posted: Posted<SetUpForm>) -> PageResult {
    let Posted { page, form, peer } = posted;
    let result = if form.password == form.again {
        page.app.set_up(peer, &form.code, &form.password).await
    } else {
        Err(problem("SG-SES-009", &[]))
    };
    match result {
        Ok(user) => begin_for(&page, peer, user, "/").await,
        Err(problem) if problem.code == "SG-SES-003" => {
            Ok(Redirect::to("/sign-in").into_response())
        }
        Err(problem) => {
            let error = field_error(&problem);
            let body = view(&page, &form.code, std::slice::from_ref(&error));
            Ok(page.show_with(status(&problem.code), body))
        }
    }
}

fn field_error(problem: &Problem) -> FieldError {
    FieldError {
        field: match problem.code.as_str() {
            "SG-SES-006" | "SG-API-004" => "password",
            "SG-SES-009" => "again",
            _ => "code",
        },
        message: format!("{} {} ({})", problem.cause, problem.cure, problem.code),
    }
}

fn view<'a>(page: &Page, code: &str, errors: &[FieldError]) -> View<'a> {
    let csrf = page.csrf();
    let steps = [
        Step {
            title: "Password",
            state: StepState::Current,
        },
        Step {
            title: "Language and time",
            state: StepState::Ahead,
        },
        Step {
            title: "Cameras",
            state: StepState::Ahead,
        },
        Step {
            title: "License",
            state: StepState::Ahead,
        },
    ];
    View {
        title: "Set up this box",
        narrow: true,
        lead: Some(html! { "Whoever sets this password decides what the box records." }),
        body: html! {
            (stepper("Set-up", &steps))
            (error_summary(errors))
            section class="panel" {
                (form(
                    &Form {
                        action: "/setup",
                        csrf: &csrf,
                        file: false,
                        download: false,
                        button: Button::primary("Set password and sign in").with(Icon::Lock),
                    },
                    html! {
                        (field(&Field {
                            name: "code",
                            label: "Set-up code",
                            hint: Some("Eight characters, on the box's console or its label. Capital letters don't matter."),
                            value: code,
                            autocomplete: "one-time-code",
                            ..Field::default()
                        }, errors))
                        p class="muted" { "You will sign in as " strong class="mono" { (FIRST_USER) } "." }
                        // Tells password keepers whose password it is.
                        input type="hidden" name="username" value=(FIRST_USER) autocomplete="username";
                        (new_password("Several words are easy to remember and hard to guess.", errors))
                    },
                ))
            }
            details {
                summary { "This box takes another one's place" }
                p { "Set a password first. The step Cameras takes the camera list that the other box saved (Cameras, Save the list); the step License makes a request, with which your distributor moves its license here. Disks with recordings keep them." }
            }
        },
        ..View::default()
    }
}
