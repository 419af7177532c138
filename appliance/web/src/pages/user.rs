//! One user, as an admin sees them.

use axum::extract::Path;
use axum::response::{IntoResponse, Redirect};
use sealgate_pages::{
    Button, Fact, Field, FieldKind, Form, Icon, Markup, Tone, facts, field, form, html,
    inline_form, panel, pill, problem_panel,
};
use sealgate_words::Problem;
use serde::Deserialize;

use super::frame::{Empty, Page, PageResult, Posted, PostedForm, View};
use super::users::role_options;
use super::words::shown_time;
use crate::app::check_password;
use crate::errors::{missing, status};
use crate::rooms::{Role, UserView};

/// Another role.
#[derive(Deserialize)]
pub(crate) struct RoleForm {
    csrf: String,
    role: Role,
}

impl PostedForm for RoleForm {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// Another password.
#[derive(Deserialize)]
pub(crate) struct PasswordForm {
    csrf: String,
    password: String,
}

impl PostedForm for PasswordForm {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// `GET /users/{name}`
pub(crate) async fn show(page: Page, Path(name): Path<String>) -> PageResult {
    answer(&page, &name, None).await
}

/// `POST /users/{name}/role`
pub(crate) async fn set_role(Path(name): Path<String>, posted: Posted<RoleForm>) -> PageResult {
    let Posted { page, form, .. } = posted;
    let by = &page.signed_in()?.user.name;
    let changed = page.app.rooms.users.set_role(by, &name, form.role).await;
    done(&page, &name, changed).await
}

/// `POST /users/{name}/password`
pub(crate) async fn set_password(
    Path(name): Path<String>,
    posted: Posted<PasswordForm>,
) -> PageResult {
    let Posted { page, form, .. } = posted;
    let by = &page.signed_in()?.user.name;
    let changed = async {
        check_password(&form.password)?;
        let users = &page.app.rooms.users;
        users.set_password(by, &name, &form.password).await
    }
    .await;
    done(&page, &name, changed).await
}

/// `POST /users/{name}/app/remove`
pub(crate) async fn remove_app(Path(name): Path<String>, posted: Posted<Empty>) -> PageResult {
    let page = posted.page;
    let by = &page.signed_in()?.user.name;
    let removed = page.app.rooms.users.remove_totp(by, &name).await;
    done(&page, &name, removed).await
}

/// `POST /users/{name}/remove`
pub(crate) async fn remove(Path(name): Path<String>, posted: Posted<Empty>) -> PageResult {
    let page = posted.page;
    let by = &page.signed_in()?.user.name;
    match page.app.rooms.users.remove(by, &name).await {
        Ok(()) => Ok(Redirect::to("/users").into_response()),
        refused @ Err(_) => done(&page, &name, refused).await,
    }
}

async fn done(page: &Page, name: &str, result: Result<(), Problem>) -> PageResult {
    match result {
        Ok(()) => Ok(Redirect::to(&format!("/users/{name}")).into_response()),
        Err(problem) => answer(page, name, Some(problem)).await,
    }
}

async fn answer(page: &Page, name: &str, problem: Option<Problem>) -> PageResult {
    let users = page.app.rooms.users.list().await;
    let users = users.map_err(|problem| page.problem(&problem))?;
    let user = users
        .into_iter()
        .find(|user| user.name == name)
        .ok_or_else(|| page.problem(&missing("user")))?;
    let code = problem.as_ref().map(|problem| status(&problem.code));
    let view = View {
        title: &user.name,
        current: "/settings",
        narrow: true,
        body: body(&user, &page.csrf(), problem.as_ref()),
        ..View::default()
    };
    Ok(match code {
        Some(code) => page.show_with(code, view),
        None => page.show(view),
    })
}

fn body(user: &UserView, csrf: &str, problem: Option<&Problem>) -> Markup {
    let at = |what: &str| format!("/users/{}/{what}", user.name);
    let (role, password, app, remove) =
        (at("role"), at("password"), at("app/remove"), at("remove"));
    let form_to = |action, button| Form {
        action,
        csrf,
        file: false,
        download: false,
        button,
    };
    html! {
        @if let Some(problem) = problem { (problem_panel(problem, Tone::Bad)) }
        (panel("Account", None, html! {}, facts(&[
            Fact { name: "Since", value: Some(html! { (shown_time(user.created_utc_ms)) }) },
            Fact { name: "Signs in with", value: Some(if user.has_totp {
                pill(Tone::Ok, "Password and app")
            } else {
                pill(Tone::Idle, "Password")
            }) },
        ])))
        (panel("Role", None, html! {}, form(
            &form_to(&role, Button::primary("Change the role")),
            role_options(user.role),
        )))
        (panel("Password", None, html! {}, form(
            &form_to(&password, Button::secondary("Set this password").with(Icon::Lock)),
            field(&Field {
                name: "password",
                label: "New password",
                hint: Some("It ends their sessions. Hand it over yourself."),
                kind: FieldKind::Password,
                autocomplete: "new-password",
                ..Field::default()
            }, &[]),
        )))
        @if user.has_totp {
            (panel("Authenticator app", None, html! {}, html! {
                p { "If their phone and recovery codes are lost, remove the app; their password is then enough until they set up another." }
                (inline_form(&form_to(&app, Button::secondary("Remove the app")), &user.name))
            }))
        }
        (panel("Remove", None, html! {}, html! {
            p { "Their sessions and API tokens end at once. What they did stays in the list of what was done." }
            (inline_form(&form_to(&remove, Button::danger("Remove the user").with(Icon::Minus)), &user.name))
        }))
    }
}
