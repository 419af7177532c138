//! Setting up and removing one's authenticator app.

use axum::response::{IntoResponse, Redirect, Response};
use sealgate_pages::{
    Button, Field, FieldError, FieldKind, Form, Icon, Tone, button_link, error_summary, field,
    form, html, notice, panel, qr_code,
};
use serde::Deserialize;

use super::frame::{Page, PageResult, Posted, PostedForm, View};
use crate::errors::status;

/// The code that proves a new app.
#[derive(Deserialize)]
pub(crate) struct ConfirmForm {
    csrf: String,
    present: String,
    code: String,
}

impl PostedForm for ConfirmForm {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// The password that removing it takes.
#[derive(Deserialize)]
pub(crate) struct RemoveForm {
    csrf: String,
    present: String,
}

impl PostedForm for RemoveForm {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// `GET /account/app`
pub(crate) async fn show(page: Page) -> PageResult {
    Ok(page.show(view(&page, &[]).await?))
}

/// `POST /account/app`
pub(crate) async fn confirm(posted: Posted<ConfirmForm>) -> PageResult {
    let Posted { page, form, peer } = posted;
    let name = page.signed_in()?.user.name.clone();
    let confirmed = async {
        // A browser left open must not become somebody else's second factor.
        page.app
            .confirm_password(peer, &name, &form.present)
            .await?;
        page.app.rooms.users.confirm_totp(&name, &form.code).await
    }
    .await;
    match confirmed {
        Ok(codes) => Ok(page.show(View {
            title: "Your recovery codes",
            narrow: true,
            body: html! {
                (notice(Tone::Ok, "The app is set up.", html! {
                    p { "From now on signing in takes your password and a code of the app." }
                }))
                (panel("Keep these safe", None, html! {}, html! {
                    p { "Each stands in for the app once, if your phone is lost. They are shown only now: print them or write them down, and keep them away from this password." }
                    ul class="codes" { @for code in &codes { li class="secret" { (code) } } }
                    p { (button_link("/account", Button::primary("I have kept them").with(Icon::Ok))) }
                }))
            },
            ..View::default()
        })),
        Err(problem) => {
            let error = FieldError {
                field: if problem.code == "SG-SES-021" { "code" } else { "present" },
                message: format!("{} {} ({})", problem.cause, problem.cure, problem.code),
            };
            let view = view(&page, std::slice::from_ref(&error)).await?;
            Ok(page.show_with(status(&problem.code), view))
        }
    }
}

/// `POST /account/app/remove`
pub(crate) async fn remove(posted: Posted<RemoveForm>) -> PageResult {
    let Posted { page, form, peer } = posted;
    let name = page.signed_in()?.user.name.clone();
    let app = &page.app;
    let removed = async {
        app.confirm_password(peer, &name, &form.present).await?;
        app.rooms.users.remove_totp(&name, &name).await
    }
    .await;
    removed.map_err(|problem| page.problem(&problem))?;
    Ok(Redirect::to("/account").into_response())
}

fn password_field(errors: &[FieldError], name: &'static str) -> sealgate_pages::Markup {
    field(
        &Field {
            name,
            label: "Your password",
            kind: FieldKind::Password,
            autocomplete: "current-password",
            ..Field::default()
        },
        errors,
    )
}

async fn view<'a>(page: &Page, errors: &[FieldError]) -> Result<View<'a>, Response> {
    let users = &page.app.rooms.users;
    let session = page.signed_in().map_err(IntoResponse::into_response)?;
    let name = &session.user.name;
    let enrolment = users.begin_totp(name).await;
    let listed = users.list().await;
    let (enrolment, listed) = enrolment
        .and_then(|enrolment| Ok((enrolment, listed?)))
        .map_err(|problem| page.problem(&problem))?;
    let has_totp = listed
        .iter()
        .any(|user| user.name == *name && user.has_totp);
    let csrf = page.csrf();
    Ok(View {
        title: "Authenticator app",
        narrow: true,
        lead: Some(if has_totp {
            html! { "An app is set up. Setting up another replaces it and its recovery codes." }
        } else {
            html! { "Nothing changes before the app has shown a right code." }
        }),
        body: html! {
            (error_summary(errors))
            (panel("1. Add this box to the app", None, html! {}, html! {
                p { "Scan this with the app's camera:" }
                @if let Some(drawn) = qr_code(&enrolment.uri, "QR code for an authenticator app") { (drawn) }
                p { "Or type this key (time-based, six digits):" }
                p class="secret" { (enrolment.key) }
            }))
            (panel("2. Type what it shows", None, html! {}, form(
                &Form {
                    action: "/account/app",
                    csrf: &csrf,
                    file: false,
                    download: false,
                    button: Button::primary("Set up the app").with(Icon::Lock),
                },
                html! {
                    input type="hidden" name="username" value=(name) autocomplete="username";
                    (field(&Field {
                        name: "code",
                        label: "Six-digit code",
                        autocomplete: "one-time-code",
                        ..Field::default()
                    }, errors))
                    (password_field(errors, "present"))
                },
            )))
            @if has_totp {
                (panel("Remove the app", None, html! {}, html! {
                    p { "Your password alone will then be enough to sign in." }
                    form class="form" method="post" action="/account/app/remove" {
                        input type="hidden" name="csrf" value=(csrf);
                        input type="hidden" name="username" value=(name) autocomplete="username";
                        div class="field" {
                            label for="present-remove" { "Your password" }
                            input id="present-remove" name="present" type="password" autocomplete="current-password" required;
                        }
                        div class="actions" { button type="submit" class="button danger" { "Remove the app" } }
                    }
                }))
            }
        },
        ..View::default()
    })
}
