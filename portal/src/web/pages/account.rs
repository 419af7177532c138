//! What everybody decides about their own account: password, app, sessions, tokens.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use sealgate_pages::{
    Button, Cell, Choice, Fact, Field, FieldError, FieldKind, Form, Icon, Markup, Table, Tone,
    button_link, choices, code_text, empty_state, error_summary, facts, field, form, html,
    inline_form, notice, options, panel, pill, qr_code, table,
};

use super::sign_in::begin;
use super::{Frame, date_words, field_error, problem_page};
use crate::desk::{DeskError, Enrolment, Right, session_id};
use crate::store::people::ApiToken;
use crate::store::{Session, TokenHash};
use crate::web::App;
use crate::web::posted::Posted;
use crate::web::problem::{describe, status};
use crate::web::session::SignedIn;

fn frame<'a>(signed_in: &'a SignedIn, title: &'a str) -> Frame<'a> {
    Frame {
        signed_in: Some(signed_in),
        title,
        current: "",
        narrow: true,
    }
}

fn plain<'a>(action: &'a str, signed_in: &'a SignedIn, button: Button<'a>) -> Form<'a> {
    Form {
        action,
        csrf: &signed_in.csrf,
        file: false,
        download: false,
        button,
    }
}

fn password_field(name: &'static str, label: &str, of: &str, errors: &[FieldError]) -> Markup {
    let password = Field {
        name,
        label,
        kind: FieldKind::Password,
        autocomplete: of,
        ..Field::default()
    };
    field(&password, errors)
}

/// `GET /account`.
pub(crate) async fn show(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
) -> Response {
    account_page(&app, &signed_in, None).await
}

/// With what is wrong with a new password.
async fn account_page(app: &App, signed_in: &SignedIn, wrong: Option<&DeskError>) -> Response {
    let actor = signed_in.actor.clone();
    let read = app
        .desk(move |desk| Ok((desk.sessions(&actor)?, desk.app_state(&actor)?)))
        .await;
    let (sessions, (has_app, codes)) = match read {
        Ok(read) => read,
        Err(error) => return problem_page(Some(signed_in), &error),
    };
    let problem = wrong.map(describe);
    let errors: Vec<FieldError> = (problem.iter())
        .map(|problem| {
            let at = match problem.code.as_str() {
                "SG-SES-006" | "SG-POR-009" => "password",
                "SG-SES-009" => "again",
                _ => "present",
            };
            field_error(at, problem)
        })
        .collect();
    let app_words = if has_app {
        html! {
            (pill(Tone::Ok, "Password and app"))
            " " (codes) @if codes == 1 { " recovery code left" } @else { " recovery codes left" }
        }
    } else {
        pill(Tone::Warn, "Password only")
    };
    let app_link = if has_app {
        "Change the app"
    } else {
        "Set up an app"
    };
    let body = html! {
        (error_summary(&errors))
        (panel("You", None, html! {}, html! {
            (facts(&[
                Fact { name: "E-mail address", value: Some(html! { (signed_in.actor.email) }) },
                Fact { name: "Role", value: Some(html! { (signed_in.actor.role.label()) }) },
                Fact { name: "Signs in with", value: Some(app_words) },
            ]))
            div class="actions" {
                (button_link("/account/app", Button::secondary(app_link).with(Icon::Lock)))
                (button_link("/account/tokens", Button::secondary("Tokens for programs").with(Icon::Chip)))
            }
        }))
        (panel("Where you are signed in", None, html! {}, html! {
            (sessions_table(signed_in, &sessions))
            @if sessions.len() > 1 {
                (inline_form(
                    &plain("/account/sessions/end", signed_in, Button::secondary("Sign out everywhere else")),
                    "",
                ))
            }
        }))
        (panel("Password", None, html! {}, form(
            &plain("/account/password", signed_in, Button::primary("Change password").with(Icon::Lock)),
            html! {
                input type="hidden" name="username" value=(signed_in.actor.email) autocomplete="username";
                (password_field("present", "Present password", "current-password", &errors))
                (password_field("password", "New password, at least 12 characters", "new-password", &errors))
                (password_field("again", "The same again", "new-password", &errors))
            },
        )))
    };
    let lead = html! { "Welcome, " (signed_in.name) "." };
    let mut response = frame(signed_in, "Your account").render(None, Some(lead), body);
    if let Some(problem) = &problem {
        *response.status_mut() = status(&problem.code);
    }
    response
}

fn sessions_table(signed_in: &SignedIn, sessions: &[Session]) -> Markup {
    let own = TokenHash::of(&signed_in.token);
    let row = |session: &Session| {
        let id = session_id(&session.token);
        let end = format!("/account/sessions/{id}/end");
        let from = session.address.as_deref().unwrap_or("an unknown address");
        let is_this = session.token == own;
        vec![
            Cell(html! { (date_words(session.created_utc_s)) }),
            Cell(html! { (code_text(from)) }),
            Cell(html! { (session.user_agent.as_deref().map_or("–", browser_words)) }),
            Cell(if is_this {
                pill(Tone::Info, "This one")
            } else {
                inline_form(
                    &plain(&end, signed_in, Button::secondary("Sign out")),
                    &format!("the session from {from}"),
                )
            }),
        ]
    };
    table(&Table {
        caption: "Sessions, newest first",
        columns: &["Since", "From", "With", ""],
        rows: sessions.iter().map(row).collect(),
    })
}

/// What a browser calls itself, in one word where it is one of the usual. Each names those
/// whose pages it wants to be shown, so the order matters.
pub(super) fn browser_words(user_agent: &str) -> &str {
    ["Edg", "Firefox", "Chrome", "Safari", "curl"]
        .into_iter()
        .find(|name| user_agent.contains(name))
        .map_or(user_agent, |name| if name == "Edg" { "Edge" } else { name })
}

/// `POST /account/password`.
pub(crate) async fn set_password(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    posted: Posted,
) -> Response {
    let actor = signed_in.actor.clone();
    let text = |name| posted.text(name).to_owned();
    let (present, password, again) = (text("present"), text("password"), text("again"));
    let changed = app
        .desk(move |desk| {
            if password != again {
                return Err(DeskError::PasswordsDiffer);
            }
            desk.change_password(&actor, &present, &password)
        })
        .await;
    match changed {
        // All sessions ended with the old password, so this browser begins another.
        Ok(new) => begin(&app, &new, "/account"),
        Err(error) => account_page(&app, &signed_in, Some(&error)).await,
    }
}

/// `POST /account/sessions/end`.
pub(crate) async fn end_others(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    _: Posted,
) -> Response {
    let (actor, token) = (signed_in.actor.clone(), signed_in.token.clone());
    let ended = app
        .desk(move |desk| desk.end_other_sessions(&actor, &token))
        .await;
    done(&signed_in, ended, "/account")
}

/// `POST /account/sessions/{id}/end`.
pub(crate) async fn end_session(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    _: Posted,
) -> Response {
    let actor = signed_in.actor.clone();
    let ended = app.desk(move |desk| desk.end_session(&actor, &id)).await;
    done(&signed_in, ended, "/account")
}

fn done(signed_in: &SignedIn, result: Result<(), DeskError>, next: &str) -> Response {
    match result {
        Ok(()) => Redirect::to(next).into_response(),
        Err(error) => problem_page(Some(signed_in), &error),
    }
}

/// `GET /account/app`.
pub(crate) async fn app(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
) -> Response {
    app_page(&app, &signed_in, None).await
}

async fn app_page(app: &App, signed_in: &SignedIn, wrong: Option<&DeskError>) -> Response {
    let actor = signed_in.actor.clone();
    let enrolment = match app.desk(move |desk| desk.begin_app(&actor)).await {
        Ok(enrolment) => enrolment,
        Err(error) => return problem_page(Some(signed_in), &error),
    };
    let problem = wrong.map(describe);
    let errors: Vec<FieldError> = (problem.iter())
        .map(|problem| {
            let at = if problem.code == "SG-SES-021" {
                "code"
            } else {
                "present"
            };
            field_error(at, problem)
        })
        .collect();
    let lead = if enrolment.has_app {
        html! { "An app is set up. Setting up another replaces it and its recovery codes." }
    } else {
        html! { "Nothing changes before the app has shown a right code." }
    };
    let body = app_body(signed_in, &enrolment, &errors);
    let mut response = frame(signed_in, "Authenticator app").render(None, Some(lead), body);
    if let Some(problem) = &problem {
        *response.status_mut() = status(&problem.code);
    }
    response
}

fn app_body(signed_in: &SignedIn, enrolment: &Enrolment, errors: &[FieldError]) -> Markup {
    html! {
        (error_summary(errors))
        (panel("1. Add the portal to the app", None, html! {}, html! {
            p { "Scan this with the app's camera:" }
            @if let Some(drawn) = qr_code(&enrolment.uri, "QR code for an authenticator app") { (drawn) }
            p { "Or type this key (time-based, six digits):" }
            p class="secret" { (enrolment.key) }
        }))
        (panel("2. Type what it shows", None, html! {}, form(
            &plain("/account/app", signed_in, Button::primary("Set up the app").with(Icon::Lock)),
            html! {
                input type="hidden" name="username" value=(signed_in.actor.email) autocomplete="username";
                (field(&Field {
                    name: "code",
                    label: "Six-digit code",
                    autocomplete: "one-time-code",
                    ..Field::default()
                }, errors))
                (password_field("present", "Your password", "current-password", errors))
            },
        )))
        @if enrolment.has_app {
            (panel("Remove the app", None, html! {}, html! {
                p { "Your password alone will then be enough to sign in." }
                form class="form" method="post" action="/account/app/remove" {
                    input type="hidden" name="csrf" value=(signed_in.csrf);
                    input type="hidden" name="username" value=(signed_in.actor.email) autocomplete="username";
                    div class="field" {
                        label for="present-remove" { "Your password" }
                        input id="present-remove" name="present" type="password" autocomplete="current-password" required;
                    }
                    div class="actions" { button type="submit" class="button danger" { "Remove the app" } }
                }
            }))
        }
    }
}

/// `POST /account/app`.
pub(crate) async fn confirm_app(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    posted: Posted,
) -> Response {
    let actor = signed_in.actor.clone();
    let (present, code) = (
        posted.text("present").to_owned(),
        posted.text("code").to_owned(),
    );
    let confirmed = app
        .desk(move |desk| desk.confirm_app(&actor, &present, &code))
        .await;
    let codes = match confirmed {
        Ok(codes) => codes,
        Err(error) => return app_page(&app, &signed_in, Some(&error)).await,
    };
    let body = html! {
        (notice(Tone::Ok, "The app is set up.", html! {
            p { "From now on signing in takes your password and a code of the app." }
        }))
        (panel("Keep these safe", None, html! {}, html! {
            p { "Each stands in for the app once, if your phone is lost. They are shown only now: print them or write them down, and keep them away from your password." }
            ul class="codes" { @for code in &codes { li class="secret" { (code) } } }
            p { (button_link("/account", Button::primary("I have kept them").with(Icon::Ok))) }
        }))
    };
    frame(&signed_in, "Your recovery codes").render(None, None, body)
}

/// `POST /account/app/remove`.
pub(crate) async fn remove_app(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    posted: Posted,
) -> Response {
    let (actor, present) = (signed_in.actor.clone(), posted.text("present").to_owned());
    let removed = app
        .desk(move |desk| desk.remove_app(&actor, &present))
        .await;
    done(&signed_in, removed, "/account")
}

/// `GET /account/tokens`.
pub(crate) async fn tokens(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
) -> Response {
    tokens_page(&app, &signed_in, None, None).await
}

fn scope_words(right: Right) -> (&'static str, &'static str) {
    match right {
        Right::See => ("See", "Projects, servers, licenses, balances."),
        Right::Work => ("Work", "Add projects and servers, make licenses."),
        Right::Sell => ("Sell", "Add distributors, grant channels."),
        Right::Support => ("Support", "Write-offs, hardware returns, re-issues."),
        Right::People => ("People", "No token has this."),
        Right::Manage => ("Manage", "No token has this."),
    }
}

/// How long a token may last: days, and in words.
const LIFETIMES: [(&str, &str); 3] = [
    ("30", "30 days"),
    ("365", "A year"),
    ("1095", "Three years"),
];

async fn tokens_page(
    app: &App,
    signed_in: &SignedIn,
    made: Option<(&ApiToken, &str)>,
    wrong: Option<&DeskError>,
) -> Response {
    let actor = signed_in.actor.clone();
    let tokens = match app.desk(move |desk| desk.tokens(&actor)).await {
        Ok(tokens) => tokens,
        Err(error) => return problem_page(Some(signed_in), &error),
    };
    let problem = wrong.map(describe);
    let errors: Vec<FieldError> = (problem.iter())
        .map(|problem| field_error("name", problem))
        .collect();
    let scopes: Vec<Choice<'_>> = (Right::SCOPES.into_iter())
        .filter(|right| signed_in.actor.role.may(*right))
        .map(|right| {
            let (label, hint) = scope_words(right);
            Choice {
                value: right.word(),
                label,
                hint: Some(hint),
                chosen: right == Right::See,
            }
        })
        .collect();
    let lifetimes = LIFETIMES.map(|(value, label)| Choice {
        value,
        label,
        hint: None,
        chosen: value == "365",
    });
    let body = html! {
        @if let Some((token, secret)) = made {
            (notice(Tone::Ok, &format!("The token {} was made.", token.name), html! {
                p { "It is shown only now; the portal keeps no more than a hash of it." }
                p class="secret" { (secret) }
            }))
        }
        (error_summary(&errors))
        (panel("Your tokens", None, html! {}, tokens_table(signed_in, &tokens)))
        (panel("Make a token", None, html! {}, form(
            &plain("/account/tokens", signed_in, Button::primary("Make the token").with(Icon::Plus)),
            html! {
                (field(&Field { name: "name", label: "What it is for", ..Field::default() }, &errors))
                (choices("What it may do", &scopes))
                (options("days", "How long", &lifetimes))
            },
        )))
    };
    let lead = html! {
        "Programs send one as " (code_text("Authorization: Bearer …"))
        ". A token asks in your name, and never does more than your role. "
        a href="/account" { "Your account" }
    };
    let mut response = frame(signed_in, "Tokens for programs").render(None, Some(lead), body);
    if let Some(problem) = &problem {
        *response.status_mut() = status(&problem.code);
    }
    response
}

fn tokens_table(signed_in: &SignedIn, tokens: &[ApiToken]) -> Markup {
    if tokens.is_empty() {
        return empty_state(
            Icon::Chip,
            "There is no token",
            html! { p { "Make one for each program that is to ask the portal, with no more scopes than it needs." } },
        );
    }
    let row = |token: &ApiToken| {
        let remove = format!("/account/tokens/{}/remove", token.id);
        vec![
            Cell(html! { (token.name) }),
            Cell(html! { (token.scopes.join(", ")) }),
            Cell(html! { (date_words(token.expires_utc_s)) }),
            Cell(inline_form(
                &plain(&remove, signed_in, Button::danger("Remove")),
                &token.name,
            )),
        ]
    };
    table(&Table {
        caption: "Tokens, what they may do, and until when",
        columns: &["For", "May", "Until", ""],
        rows: tokens.iter().map(row).collect(),
    })
}

/// `POST /account/tokens`.
pub(crate) async fn add_token(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    posted: Posted,
) -> Response {
    let actor = signed_in.actor.clone();
    let name = posted.text("name").to_owned();
    let scopes: Vec<Right> = (Right::SCOPES.into_iter())
        .filter(|right| !posted.text(right.word()).is_empty())
        .collect();
    let days = posted.text("days").parse().unwrap_or_default();
    let added = app
        .desk(move |desk| desk.add_token(&actor, &name, &scopes, days))
        .await;
    match added {
        // No redirect: the secret is shown in this answer only.
        Ok((token, secret)) => tokens_page(&app, &signed_in, Some((&token, &secret)), None).await,
        Err(error) => tokens_page(&app, &signed_in, None, Some(&error)).await,
    }
}

/// `POST /account/tokens/{id}/remove`.
pub(crate) async fn remove_token(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    _: Posted,
) -> Response {
    let actor = signed_in.actor.clone();
    let removed = app
        .desk(move |desk| {
            let missing = |_| DeskError::NotFound { what: "token" };
            desk.remove_token(&actor, id.parse().map_err(missing)?)
        })
        .await;
    done(&signed_in, removed, "/account/tokens")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_called_by_their_names() {
        for (user_agent, expected) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
                "Firefox",
            ),
            (
                "Mozilla/5.0 AppleWebKit/537.36 Chrome/142.0 Safari/537.36",
                "Chrome",
            ),
            (
                "Mozilla/5.0 AppleWebKit/537.36 Chrome/142.0 Safari/537.36 Edg/142.0",
                "Edge",
            ),
            ("erp/1.0", "erp/1.0"),
        ] {
            assert_eq!(browser_words(user_agent), expected);
        }
    }
}
