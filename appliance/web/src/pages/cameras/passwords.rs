//! A few passwords for many cameras.

use std::collections::BTreeMap;

use axum::response::Response;
use sealgate_camera::MacAddress;
use sealgate_pages::{
    Button, Cell, Field, FieldError, FieldKind, Form, Icon, Markup, Table, Tone, empty_state,
    error_summary, field, form, html, notice, panel, pill, table,
};
use serde::Deserialize;

use super::channels::{back, results};
use crate::api::adding::MAX_PASSWORDS;
use crate::pages::frame::{Page, PageResult, Posted, PostedForm, View};
use crate::pages::words::{camera_name, count, reason};
use crate::rooms::{CameraView, PasswordVerdict, TypedPassword, shown_ip};

/// Passwords, and a tick for each camera that is chosen.
#[derive(Deserialize)]
pub(crate) struct PasswordForm {
    csrf: String,
    #[serde(default)]
    user: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    more: String,
    #[serde(flatten)]
    ticks: BTreeMap<String, String>,
}

impl PostedForm for PasswordForm {
    // A tick for each of a thousand cameras.
    const MAX_BYTES: usize = 64 * 1024;

    fn csrf(&self) -> &str {
        &self.csrf
    }
}

impl PasswordForm {
    fn cameras(&self) -> Vec<MacAddress> {
        let names = self.ticks.keys();
        names
            .filter_map(|name| name.strip_prefix("mac-")?.parse().ok())
            .collect()
    }

    /// The one in its own fields, then one a line.
    fn passwords(&self) -> Result<Vec<TypedPassword>, FieldError> {
        let mut passwords = Vec::new();
        if !self.user.trim().is_empty() {
            passwords.push(TypedPassword {
                user: self.user.trim().to_owned(),
                password: self.password.clone(),
            });
        }
        for (number, line) in (1..).zip(self.more.lines()) {
            if line.trim().is_empty() {
                continue;
            }
            let Some((user, password)) = line.trim_end_matches('\r').split_once([' ', '\t']) else {
                return Err(FieldError {
                    field: "more",
                    message: format!("Line {number} has no blank between user name and password."),
                });
            };
            passwords.push(TypedPassword {
                user: user.to_owned(),
                password: password.to_owned(),
            });
        }
        if passwords.is_empty() {
            return Err(FieldError {
                field: "user",
                message: "Enter a user name.".to_owned(),
            });
        }
        if passwords.len() > MAX_PASSWORDS {
            return Err(FieldError {
                field: "more",
                message: format!("Enter at most {MAX_PASSWORDS} in one go."),
            });
        }
        Ok(passwords)
    }
}

/// `GET /cameras/passwords`
pub(crate) async fn show(page: Page) -> PageResult {
    asking(&page, &[]).await
}

/// `POST /cameras/passwords`
pub(crate) async fn attempt(posted: Posted<PasswordForm>) -> PageResult {
    let Posted { page, form, .. } = posted;
    let cameras = form.cameras();
    let mut errors = Vec::new();
    let passwords = form.passwords().unwrap_or_else(|error| {
        errors.push(error);
        Vec::new()
    });
    if cameras.is_empty() {
        errors.push(FieldError {
            field: "cameras",
            message: "Choose at least one camera.".to_owned(),
        });
    }
    if !errors.is_empty() {
        return asking(&page, &errors).await;
    }
    let adding = &page.app.rooms.adding;
    let verdicts = adding.try_passwords(cameras, passwords).await;
    let verdicts = verdicts.map_err(|problem| page.problem(&problem))?;
    let rows = page.app.rooms.cameras.list().await.unwrap_or_default();
    Ok(answer(&page, &verdicts, &rows))
}

fn answer(page: &Page, verdicts: &[PasswordVerdict], cameras: &[CameraView]) -> Response {
    let name = |mac| {
        let camera = cameras.iter().find(|camera| camera.mac == mac);
        camera.map_or_else(|| mac.to_string(), camera_name)
    };
    let bad = verdicts
        .iter()
        .filter(|verdict| verdict.problem.is_some())
        .count();
    let good = verdicts.len() - bad;
    let head = if bad == 0 {
        notice(Tone::Ok, "Every camera lets the box in.", html! {})
    } else {
        notice(
            Tone::Warn,
            &format!(
                "{good} of {} let the box in.",
                count(verdicts.len(), "camera", "cameras")
            ),
            html! { p { "The others are as they were before." } },
        )
    };
    let rows = verdicts
        .iter()
        .map(|verdict| {
            vec![
                Cell(html! { (name(verdict.mac)) }),
                Cell(match (&verdict.problem, &verdict.accepted_user) {
                    (Some(problem), _) => {
                        html! { (pill(Tone::Bad, "Not let in")) (reason(problem)) }
                    }
                    (None, Some(user)) => html! {
                        (pill(Tone::Ok, "Remembered"))
                        p class="small" { "The password of " (user) " fits." }
                    },
                    (None, None) => html! {
                        (pill(Tone::Info, "Needs none"))
                        p class="small" { "It asks nobody for a password: set one in the camera." }
                    },
                }),
            ]
        })
        .collect();
    let body = panel(
        "Camera by camera",
        None,
        html! {},
        table(&Table {
            caption: "What came of each camera",
            columns: &["Camera", "Result"],
            rows,
        }),
    );
    results(page, "Passwords were tried", head, body)
}

async fn asking(page: &Page, errors: &[FieldError]) -> PageResult {
    let cameras = page.app.rooms.cameras.list().await;
    let mut cameras = cameras.map_err(|problem| page.problem(&problem))?;
    cameras.retain(|camera| camera.id.source().get() == 1);
    let csrf = page.csrf();
    let body = if cameras.is_empty() {
        html! {
            (empty_state(Icon::Camera, "No camera was found yet", html! {
                p { "Connect cameras to the camera port first." }
            }))
            (back())
        }
    } else {
        let asked = Form {
            action: "/cameras/passwords",
            csrf: &csrf,
            file: false,
            download: false,
            button: Button::primary("Try them").with(Icon::Lock),
        };
        html! {
            (error_summary(errors))
            (panel("One user name, or several", None, html! {}, form(&asked, fields(&cameras, errors))))
        }
    };
    Ok(page.show(View {
        title: "Passwords of cameras",
        current: "/cameras",
        narrow: true,
        body,
        ..View::default()
    }))
}

fn fields(cameras: &[CameraView], errors: &[FieldError]) -> Markup {
    html! {
        p class="muted" {
            "Each camera is asked for at most four of them, so that it doesn't lock its account. What fits is remembered for that camera, and never shown again."
        }
        (field(&Field {
            name: "user",
            label: "User name",
            required: false,
            ..Field::default()
        }, errors))
        (field(&Field {
            name: "password",
            label: "Password",
            kind: FieldKind::Password,
            autocomplete: "new-password",
            required: false,
            ..Field::default()
        }, errors))
        details {
            summary { "More of them" }
            (field(&Field {
                name: "more",
                label: "One a line",
                hint: Some("User name, a blank, password; tried in this order after the one above"),
                kind: FieldKind::Lines,
                required: false,
                ..Field::default()
            }, errors))
        }
        fieldset id="cameras" {
            legend { "Cameras" }
            @for camera in cameras { (tick(camera)) }
        }
    }
}

fn tick(camera: &CameraView) -> Markup {
    // One that refused to let the box in is who this page is for.
    let locked_out = |code: &str| matches!(code, "SG-CAM-012" | "SG-CAM-032" | "SG-CAM-041");
    let wanted = camera
        .reason
        .as_ref()
        .is_some_and(|reason| locked_out(&reason.code))
        || camera
            .recording
            .as_ref()
            .is_some_and(|recording| recording.detail.is_some());
    html! {
        label class="tick" {
            input type="checkbox" name={ "mac-" (camera.mac) } checked[wanted];
            span { (camera_name(camera)) span class="hint" { " " (shown_ip(camera.ip)) } }
        }
    }
}
