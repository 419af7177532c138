//! Who may come in, and adding somebody.

use axum::response::{IntoResponse, Redirect, Response};
use sealgate_pages::{
    Button, Cell, Choice, Field, FieldError, FieldKind, Form, Icon, Markup, Table, Tone,
    button_link, error_summary, field, form, html, options, panel, pill, table,
};
use sealgate_words::Problem;
use serde::Deserialize;

use super::frame::{Page, PageResult, Posted, PostedForm, View};
use super::words::shown_time;
use crate::app::check_password;
use crate::errors::status;
use crate::rooms::{MIN_PASSWORD_CHARS, Role, UserView};

/// Somebody to add.
#[derive(Deserialize)]
pub(crate) struct AddForm {
    csrf: String,
    name: String,
    role: Role,
    password: String,
}

impl PostedForm for AddForm {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// What a role is, in a sentence.
pub(crate) fn role_words(role: Role) -> &'static str {
    match role {
        Role::Viewer => "Viewer: watches live and recorded video",
        Role::Operator => "Operator: also runs the cameras and takes video away",
        Role::Admin => "Admin: also licenses, users and everything else",
    }
}

/// The roles to choose from.
pub(crate) fn role_options(chosen: Role) -> Markup {
    let choices = Role::ALL.map(|role| Choice {
        value: role.word(),
        label: role_words(role),
        hint: None,
        chosen: role == chosen,
    });
    options("role", "Role", &choices)
}

/// `GET /users`
pub(crate) async fn show(page: Page) -> PageResult {
    Ok(page.show(view(&page, "", Role::Viewer, &[]).await?))
}

/// `POST /users`
pub(crate) async fn add(posted: Posted<AddForm>) -> PageResult {
    let Posted { page, form, .. } = posted;
    let by = page.signed_in()?.user.name.clone();
    let users = &page.app.rooms.users;
    let added = async {
        check_password(&form.password)?;
        users.add(&by, &form.name, form.role, &form.password).await
    }
    .await;
    match added {
        Ok(()) => Ok(Redirect::to("/users").into_response()),
        Err(problem) => {
            let error = field_error(&problem);
            let view = view(&page, &form.name, form.role, std::slice::from_ref(&error)).await?;
            Ok(page.show_with(status(&problem.code), view))
        }
    }
}

fn field_error(problem: &Problem) -> FieldError {
    FieldError {
        field: match problem.code.as_str() {
            "SG-SES-006" | "SG-API-004" => "password",
            _ => "name",
        },
        message: format!("{} {} ({})", problem.cause, problem.cure, problem.code),
    }
}

async fn view<'a>(
    page: &Page,
    name: &str,
    role: Role,
    errors: &[FieldError],
) -> Result<View<'a>, Response> {
    let users = page.app.rooms.users.list().await;
    let users = users.map_err(|problem| page.problem(&problem))?;
    let csrf = page.csrf();
    let hint = format!(
        "At least {MIN_PASSWORD_CHARS} characters. Hand it over yourself; they can change it on their own page."
    );
    Ok(View {
        title: "Users",
        current: "/settings",
        body: html! {
            (error_summary(errors))
            (panel(
                "Who may sign in",
                None,
                html! {
                    div class="actions" {
                        (button_link("/tokens", Button::secondary("API tokens").with(Icon::Chip)))
                        (button_link("/audit", Button::secondary("What was done").with(Icon::List)))
                    }
                },
                users_table(&users),
            ))
            (panel("Add a user", None, html! {}, form(
                &Form {
                    action: "/users",
                    csrf: &csrf,
                    file: false,
                    download: false,
                    button: Button::primary("Add the user").with(Icon::Plus),
                },
                html! {
                    (field(&Field {
                        name: "name",
                        label: "Name",
                        hint: Some("Letters, digits, dots, dashes and underscores. They sign in with it."),
                        value: name,
                        ..Field::default()
                    }, errors))
                    (role_options(role))
                    (field(&Field {
                        name: "password",
                        label: "First password",
                        hint: Some(&hint),
                        kind: FieldKind::Password,
                        autocomplete: "new-password",
                        ..Field::default()
                    }, errors))
                },
            )))
        },
        ..View::default()
    })
}

fn users_table(users: &[UserView]) -> Markup {
    table(&Table {
        caption: "Users, what they may do, and how they sign in",
        columns: &["Name", "Role", "Signs in with", "Since"],
        rows: users
            .iter()
            .map(|user| {
                vec![
                    Cell(html! { a href={ "/users/" (user.name) } { (user.name) } }),
                    Cell(html! { (user.role.word()) }),
                    Cell(if user.has_totp {
                        pill(Tone::Ok, "Password and app")
                    } else {
                        pill(Tone::Idle, "Password")
                    }),
                    Cell(html! { (shown_time(user.created_utc_ms)) }),
                ]
            })
            .collect(),
    })
}
