//! A license file: checked, shown as before and after, then imported.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use sealgate_license::dsse::MAX_DOCUMENT_BYTES;
use sealgate_pages::{
    Button, DiffRow, Form, Icon, Markup, Tone, button_link, diff_table, form, html, notice, panel,
    problem_panel,
};
use sealgate_words::Problem;
use serde::Deserialize;

use super::frame::{Page, PageResult, Posted, PostedForm, View};
use super::license;
use crate::app::App;
use crate::body;
use crate::errors::{status, unreadable};
use crate::rooms::{ImportView, LicenseView};

/// `POST /license/check`: says what a file would change.
pub(crate) async fn check(State(_): State<App>, page: Page, request: Request) -> PageResult {
    let checked = async {
        let upload = body::upload(request).await?;
        page.check(&upload.csrf)?;
        if upload.file.is_empty() {
            return Err(unreadable("no file was chosen, or the file is empty"));
        }
        let import = page.app.rooms.license.import(&upload.file, true).await?;
        Ok((upload, import))
    };
    match checked.await {
        Ok((upload, import)) => Ok(page.show(confirm(&page, &upload.file, &import))),
        Err(problem) => Ok(refused(&page, &problem).await),
    }
}

/// The file again, as it was shown. The page holds it, so that the box keeps nothing that
/// was not confirmed; everything is checked once more.
#[derive(Deserialize)]
pub(crate) struct ConfirmForm {
    csrf: String,
    document: String,
}

impl PostedForm for ConfirmForm {
    // Base64 is a third longer.
    const MAX_BYTES: usize = MAX_DOCUMENT_BYTES / 3 * 4 + body::SMALL_BYTES;

    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// `POST /license/import`: puts it into use.
pub(crate) async fn import(posted: Posted<ConfirmForm>) -> PageResult {
    let Posted { page, form, .. } = posted;
    let document = BASE64_URL_SAFE_NO_PAD
        .decode(&form.document)
        .map_err(|_| page.problem(&unreadable("the license file in its form is damaged")))?;
    match page.app.rooms.license.import(&document, false).await {
        Ok(_) => Ok(Redirect::to("/license?done=imported").into_response()),
        Err(problem) => Ok(refused(&page, &problem).await),
    }
}

/// The license page again, with the reason above it.
async fn refused(page: &Page, problem: &Problem) -> Response {
    if problem.code == "SG-SES-007" {
        return page.problem(problem);
    }
    let license = page.app.rooms.license.status().await;
    let message = Some(problem_panel(problem, Tone::Bad));
    page.show_with(
        status(&problem.code),
        license::view(page, &license, message),
    )
}

fn confirm<'a>(page: &Page, document: &[u8], import: &ImportView) -> View<'a> {
    let csrf = page.csrf();
    let stops = import.stops_recording.len();
    View {
        title: "Use this license?",
        current: "/license",
        narrow: true,
        lead: Some(html! { "The file fits this box. Nothing has changed yet." }),
        body: html! {
            @if stops > 0 {
                (notice(
                    Tone::Warn,
                    &format!("Confirm and {} no longer recorded.",
                        if stops == 1 { "this camera is".to_owned() } else { format!("these {stops} cameras are") }),
                    html! { ul { @for camera in &import.stops_recording { li class="mono" { (camera.mac()) } } } },
                ))
            }
            (panel("What changes", None, html! {}, html! {
                (diff_table("License now and after the import", &rows(&import.before, &import.after)))
                (confirm_form(&csrf, document))
            }))
        },
        ..View::default()
    }
}

fn confirm_form(csrf: &str, document: &[u8]) -> Markup {
    html! { div class="choice" {
        (form(
            &Form {
                action: "/license/import",
                csrf,
                file: false,
                download: false,
                button: Button::primary("Use this license").with(Icon::Ok),
            },
            html! { input type="hidden" name="document" value=(BASE64_URL_SAFE_NO_PAD.encode(document)); },
        ))
        (button_link("/license", Button::secondary("Discard")))
    } }
}

fn rows(before: &LicenseView, after: &LicenseView) -> Vec<DiffRow<'static>> {
    let row = |name, value: &dyn Fn(&LicenseView) -> String| DiffRow {
        name,
        before: value(before),
        after: value(after),
    };
    let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "–".to_owned());
    vec![
        row("License", &|license| or_dash(&license.license_id)),
        row("Revision", &|license| {
            or_dash(&license.revision.map(|revision| revision.to_string()))
        }),
        row("Camera places", &|license| license.places.total.to_string()),
        row("Places used", &|license| license.places.used.to_string()),
        row("Server", &|license| or_dash(&license.server)),
        row("Project", &|license| or_dash(&license.project)),
        row("Distributor", &|license| or_dash(&license.distributor)),
        row("Cameras may record", &|license| {
            if license.ok { "Yes" } else { "No" }.to_owned()
        }),
    ]
}
