//! Sign in, sign out, choose a first password.

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Redirect, Response};
use sealgate_pages::{Button, Field, FieldKind, Form, field, form, html};
use sealgate_words::Problem;
use serde::Deserialize;

use super::{Frame, problem_page};
use crate::desk::{DeskError, FirstStep, NewSession};
use crate::web::App;
use crate::web::posted::Posted;
use crate::web::problem::describe;
use crate::web::session::{self, SignedIn};

/// Where to go after signing in.
#[derive(Deserialize)]
pub(crate) struct Next {
    #[serde(default)]
    next: String,
}

/// A path of this portal, and nothing that a browser would take for another site.
fn safe_next(next: &str) -> &str {
    let local = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains('\\')
        && next.bytes().all(|byte| (0x21..0x7f).contains(&byte));
    if local { next } else { "/" }
}

pub(crate) async fn show(Query(Next { next }): Query<Next>) -> Response {
    page(None, "", &next)
}

fn page(problem: Option<&Problem>, email: &str, next: &str) -> Response {
    let frame = Frame {
        signed_in: None,
        title: "Sign in",
        current: "",
        narrow: true,
    };
    let fields = html! {
        input type="hidden" name="next" value=(safe_next(next));
        (field(&Field {
            name: "email",
            label: "E-mail address",
            value: email,
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
    };
    let body = form(
        &Form {
            action: "/sign-in",
            csrf: "",
            file: false,
            download: false,
            button: Button::primary("Sign in"),
        },
        fields,
    );
    frame.render(problem, None, body)
}

pub(crate) async fn sign_in(State(app): State<App>, posted: Posted) -> Response {
    let (email, password) = (
        posted.text("email").to_owned(),
        posted.text("password").to_owned(),
    );
    match app.desk(move |desk| desk.sign_in(&email, &password)).await {
        Ok(FirstStep::Begun(new)) => begin(&app, &new, safe_next(posted.text("next"))),
        Ok(FirstStep::WantsCode(step)) => code_page(None, &step, posted.text("next")),
        Err(error) => page(
            Some(&describe(&error)),
            posted.text("email"),
            posted.text("next"),
        ),
    }
}

/// The second step. It carries what stands for the password in a field, as there is no
/// session yet to keep it in.
fn code_page(problem: Option<&Problem>, step: &str, next: &str) -> Response {
    let frame = Frame {
        signed_in: None,
        title: "Type the code of your app",
        current: "",
        narrow: true,
    };
    let fields = html! {
        input type="hidden" name="next" value=(safe_next(next));
        input type="hidden" name="step" value=(step);
        (field(&Field {
            name: "code",
            label: "Six-digit code",
            hint: Some("Without your phone, type one of your recovery codes."),
            autocomplete: "one-time-code",
            ..Field::default()
        }, &[]))
    };
    let body = form(
        &Form {
            action: "/sign-in/code",
            csrf: "",
            file: false,
            download: false,
            button: Button::primary("Sign in"),
        },
        fields,
    );
    frame.render(problem, None, body)
}

/// `POST /sign-in/code`.
pub(crate) async fn second_step(State(app): State<App>, posted: Posted) -> Response {
    let (step, code) = (
        posted.text("step").to_owned(),
        posted.text("code").to_owned(),
    );
    let done = app.desk(move |desk| desk.second_step(&step, &code)).await;
    match done {
        Ok(new) => begin(&app, &new, safe_next(posted.text("next"))),
        Err(error @ (DeskError::WrongCode | DeskError::TooManyAttempts { .. })) => code_page(
            Some(&describe(&error)),
            posted.text("step"),
            posted.text("next"),
        ),
        Err(error) => page(Some(&describe(&error)), "", posted.text("next")),
    }
}

pub(super) fn begin(app: &App, new: &NewSession, next: &str) -> Response {
    let cookie = session::cookie(&new.token, app.settings.over_tls());
    ([(header::SET_COOKIE, cookie)], Redirect::to(next)).into_response()
}

pub(crate) async fn sign_out(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    _: Posted,
) -> Response {
    let (actor, token) = (signed_in.actor.clone(), signed_in.token.clone());
    if let Err(error) = app.desk(move |desk| desk.sign_out(&actor, &token)).await {
        return problem_page(Some(&signed_in), &error);
    }
    let cookie = session::no_cookie(app.settings.over_tls());
    ([(header::SET_COOKIE, cookie)], Redirect::to("/sign-in")).into_response()
}

pub(crate) async fn welcome(State(app): State<App>, Path(token): Path<String>) -> Response {
    let secret = token.clone();
    match app.desk(move |desk| desk.password_link(&secret)).await {
        Ok(email) => welcome_page(None, &token, &email),
        Err(error) => problem_page(None, &error),
    }
}

fn welcome_page(problem: Option<&Problem>, token: &str, email: &str) -> Response {
    let frame = Frame {
        signed_in: None,
        title: "Choose a password",
        current: "",
        narrow: true,
    };
    let password = |name, label, hint| Field {
        name,
        label,
        hint,
        kind: FieldKind::Password,
        autocomplete: "new-password",
        ..Field::default()
    };
    let fields = html! {
        input type="text" name="email" value=(email) autocomplete="username" readonly hidden;
        (field(&password("password", "Password", Some("At least 12 characters.")), &[]))
        (field(&password("again", "The same password again", None), &[]))
    };
    let body = form(
        &Form {
            action: &format!("/welcome/{}", session::url_encode(token)),
            csrf: "",
            file: false,
            download: false,
            button: Button::primary("Set password"),
        },
        fields,
    );
    let lead = html! { "For " (email) ". This page works once." };
    frame.render(problem, Some(lead), body)
}

pub(crate) async fn set_password(
    State(app): State<App>,
    Path(token): Path<String>,
    posted: Posted,
) -> Response {
    let (password, again) = (
        posted.text("password").to_owned(),
        posted.text("again").to_owned(),
    );
    let secret = token.clone();
    let result = app
        .desk(move |desk| {
            if password != again {
                return Err(DeskError::PasswordsDiffer);
            }
            desk.use_password_link(&secret, &password)
        })
        .await;
    match result {
        Ok(new) => begin(&app, &new, "/"),
        Err(error @ (DeskError::PasswordsDiffer | DeskError::PasswordShort { .. })) => {
            let secret = token.clone();
            match app.desk(move |desk| desk.password_link(&secret)).await {
                Ok(email) => welcome_page(Some(&describe(&error)), &token, &email),
                Err(error) => problem_page(None, &error),
            }
        }
        Err(error) => problem_page(None, &error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_come_next() {
        for (next, expected) in [
            ("/servers/1", "/servers/1"),
            ("", "/"),
            ("//evil", "/"),
            ("/\\evil", "/"),
            ("https://evil", "/"),
            ("/a b", "/"),
            ("/a\r\nb", "/"),
        ] {
            assert_eq!(safe_next(next), expected, "{next:?}");
        }
    }
}
