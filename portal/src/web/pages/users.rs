//! Who may come in: for vendor admins and distributors.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use sealgate_pages::{
    Button, Cell, Choice, Fact, Field, Form, Icon, Markup, Table, Tone, code_text, facts, field,
    form, html, inline_form, notice, options, panel, pill, table,
};
use sealgate_words::Problem;

use super::{Frame, USERS, date_words, problem_page};
use crate::desk::{DeskError, NewUser, UserChange, UserView};
use crate::store::{Distributor, Role, UserId};
use crate::web::App;
use crate::web::posted::Posted;
use crate::web::problem::describe;
use crate::web::session::SignedIn;

/// Begins the value of a choice that is a distributor, among choices that are roles.
const OF_DISTRIBUTOR: &str = "of:";

fn user_id(text: &str) -> Result<UserId, DeskError> {
    let missing = DeskError::NotFound { what: "user" };
    text.parse().map_err(|_| missing)
}

fn link_notice(app: &App, title: &str, token: &str) -> Markup {
    let public_url = (app.settings.public_url.as_deref()).unwrap_or_default();
    let link = format!("{}/welcome/{token}", public_url.trim_end_matches('/'));
    notice(
        Tone::Ok,
        title,
        html! {
            p {
                "Send this link to them. It works once, for a day, and is shown only now: "
                (code_text(&link))
            }
        },
    )
}

/// `GET /users`.
pub(crate) async fn show(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
) -> Response {
    page(&app, &signed_in, None, html! {}).await
}

async fn page(
    app: &App,
    signed_in: &SignedIn,
    problem: Option<&Problem>,
    said: Markup,
) -> Response {
    let actor = signed_in.actor.clone();
    let read = app
        .desk(move |desk| Ok((desk.users(&actor)?, desk.distributors(&actor)?)))
        .await;
    let (users, distributors) = match read {
        Ok(read) => read,
        Err(error) => return problem_page(Some(signed_in), &error),
    };
    let frame = Frame {
        signed_in: Some(signed_in),
        title: "Users",
        current: USERS.href,
        narrow: false,
    };
    let add = form(
        &Form {
            action: "/users",
            csrf: &signed_in.csrf,
            file: false,
            download: false,
            button: Button::primary("Add user").with(Icon::Plus),
        },
        html! {
            (field(&Field { name: "email", label: "E-mail address", ..Field::default() }, &[]))
            (field(&Field {
                name: "name",
                label: "Name",
                hint: Some("How the portal greets them."),
                required: false,
                ..Field::default()
            }, &[]))
            (belongs(signed_in, &distributors))
        },
    );
    let body = html! {
        (said)
        (users_table(&users))
        p class="muted" { (users.len()) @if users.len() == 1 { " user" } @else { " users" } }
        (panel("New user", None, html! {}, add))
    };
    frame.render(problem, None, body)
}

/// To whom a new user belongs: for admins also the vendor's own roles.
fn belongs(signed_in: &SignedIn, distributors: &[Distributor]) -> Markup {
    let values: Vec<String> = (distributors.iter())
        .map(|distributor| format!("{OF_DISTRIBUTOR}{}", distributor.id))
        .collect();
    let staff = [Role::Sales, Role::Support, Role::Admin];
    let vendors = staff.map(|role| Choice {
        value: role.word(),
        label: role.label(),
        hint: None,
        chosen: false,
    });
    let mut all: Vec<Choice<'_>> = Vec::new();
    if signed_in.actor.role.is_staff() {
        all.extend(vendors);
    }
    all.extend(
        distributors
            .iter()
            .zip(&values)
            .map(|(distributor, value)| Choice {
                value,
                label: &distributor.name,
                hint: None,
                chosen: signed_in.actor.distributor == Some(distributor.id),
            }),
    );
    options("of", "Role, or whose user it is", &all)
}

fn state_pill(view: &UserView) -> Markup {
    if view.user.disabled {
        pill(Tone::Bad, "Disabled")
    } else if view.user.password_phc.is_none() {
        pill(Tone::Warn, "Has not come yet")
    } else if view.has_app {
        pill(Tone::Ok, "Password and app")
    } else {
        pill(Tone::Idle, "Password")
    }
}

fn users_table(users: &[UserView]) -> Markup {
    let row = |view: &UserView| {
        let user = &view.user;
        vec![
            Cell(html! { a href={ "/users/" (user.id) } { (user.email) } }),
            Cell(
                html! { @if user.name.is_empty() { span class="muted" { "–" } } @else { (user.name) } },
            ),
            Cell(html! { (user.role.label()) }),
            Cell(html! { (view.distributor.as_deref().unwrap_or("The vendor")) }),
            Cell(state_pill(view)),
        ]
    };
    table(&Table {
        caption: "Users, by address",
        columns: &["E-mail address", "Name", "Role", "Of", "Signs in with"],
        rows: users.iter().map(row).collect(),
    })
}

/// `POST /users`.
pub(crate) async fn add(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    posted: Posted,
) -> Response {
    let actor = signed_in.actor.clone();
    let (email, name) = (
        posted.text("email").to_owned(),
        posted.text("name").to_owned(),
    );
    let of = posted.text("of").to_owned();
    let added = app
        .desk(move |desk| {
            let (role, distributor) = match of.strip_prefix(OF_DISTRIBUTOR) {
                Some(id) => {
                    let missing = |_| DeskError::NotFound {
                        what: "distributor",
                    };
                    (None, Some(id.parse().map_err(missing)?))
                }
                None => (Role::of_word(&of), None),
            };
            let new = NewUser {
                email,
                name,
                role,
                distributor,
            };
            desk.add_user(&actor, &new)
        })
        .await;
    match added {
        // No redirect: the link is shown in this answer only.
        Ok((user, token)) => {
            let said = link_notice(&app, &format!("{} was added.", user.email), &token);
            page(&app, &signed_in, None, said).await
        }
        Err(error) => page(&app, &signed_in, Some(&describe(&error)), html! {}).await,
    }
}

/// `GET /users/{id}`.
pub(crate) async fn one(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
) -> Response {
    user_page(&app, &signed_in, &id, None, html! {}).await
}

async fn user_page(
    app: &App,
    signed_in: &SignedIn,
    id: &str,
    problem: Option<&Problem>,
    said: Markup,
) -> Response {
    let (actor, wanted) = (signed_in.actor.clone(), id.to_owned());
    let read = app
        .desk(move |desk| desk.user(&actor, user_id(&wanted)?))
        .await;
    let view = match read {
        Ok(view) => view,
        Err(error) => return problem_page(Some(signed_in), &error),
    };
    let user = &view.user;
    let (change, reset) = (
        format!("/users/{}", user.id),
        format!("/users/{}/reset", user.id),
    );
    let plain = |action, button| Form {
        action,
        csrf: &signed_in.csrf,
        file: false,
        download: false,
        button,
    };
    let roles = [Role::Sales, Role::Support, Role::Admin].map(|role| Choice {
        value: role.word(),
        label: role.label(),
        hint: None,
        chosen: role == user.role,
    });
    let states =
        [("no", "May sign in"), ("yes", "Disabled: signs in no more")].map(|(value, label)| {
            Choice {
                value,
                label,
                hint: None,
                chosen: (value == "yes") == user.disabled,
            }
        });
    let body = html! {
        (said)
        (panel("Account", None, html! {}, facts(&[
            Fact { name: "Role", value: Some(html! { (user.role.label()) }) },
            Fact { name: "Of", value: Some(html! { (view.distributor.as_deref().unwrap_or("The vendor")) }) },
            Fact { name: "Since", value: Some(html! { (date_words(user.created_utc_s)) }) },
            Fact { name: "Signs in with", value: Some(state_pill(&view)) },
        ])))
        (panel("Change", None, html! {}, form(
            &plain(&change, Button::primary("Save")),
            html! {
                (field(&Field {
                    name: "name",
                    label: "Name",
                    value: &user.name,
                    required: false,
                    ..Field::default()
                }, &[]))
                @if user.role.is_staff() { (options("role", "Role", &roles)) }
                (options("disabled", "Signing in", &states))
            },
        )))
        (panel("Reset", None, html! {}, html! {
            p { "Takes password, authenticator app and sessions away, and makes a one-time link to choose a new password. Use it when they are locked out, or when somebody else may know the password." }
            (inline_form(&plain(&reset, Button::danger("Reset and make a link").with(Icon::Lock)), &user.email))
        }))
    };
    let frame = Frame {
        signed_in: Some(signed_in),
        title: &user.email,
        current: USERS.href,
        narrow: true,
    };
    let lead = html! { a href="/users" { "Users" } " / " (user.email) };
    frame.render(problem, Some(lead), body)
}

/// `POST /users/{id}`.
pub(crate) async fn change(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    posted: Posted,
) -> Response {
    let (actor, wanted) = (signed_in.actor.clone(), id.clone());
    let change = UserChange {
        name: Some(posted.text("name").to_owned()),
        role: Role::of_word(posted.text("role")),
        disabled: match posted.text("disabled") {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        },
    };
    let changed = app
        .desk(move |desk| desk.change_user(&actor, user_id(&wanted)?, &change))
        .await;
    match changed {
        Ok(user) => Redirect::to(&format!("/users/{}", user.id)).into_response(),
        Err(error @ DeskError::NotFound { .. }) => problem_page(Some(&signed_in), &error),
        Err(error) => {
            let problem = describe(&error);
            user_page(&app, &signed_in, &id, Some(&problem), html! {}).await
        }
    }
}

/// `POST /users/{id}/reset`.
pub(crate) async fn reset(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    _: Posted,
) -> Response {
    let (actor, wanted) = (signed_in.actor.clone(), id.clone());
    let reset = app
        .desk(move |desk| desk.reset_user(&actor, user_id(&wanted)?))
        .await;
    match reset {
        // No redirect: the link is shown in this answer only.
        Ok(token) => {
            let said = link_notice(&app, "The account was reset.", &token);
            user_page(&app, &signed_in, &id, None, said).await
        }
        Err(error) => problem_page(Some(&signed_in), &error),
    }
}
