//! A license file: checked, shown as before and after, then imported.

use std::collections::BTreeMap;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use sealgate_camera::CameraId;
use sealgate_license::dsse::MAX_DOCUMENT_BYTES;
use sealgate_pages::{
    Button, DiffRow, Form, Icon, Markup, Tone, button_link, diff_table, form, html, notice, panel,
    problem_panel,
};
use sealgate_words::Problem;
use serde::Deserialize;

use super::frame::{Page, PageResult, Posted, PostedForm, View};
use super::license;
use super::start;
use super::words::{camera_name, shown_time};
use crate::app::App;
use crate::body;
use crate::errors::{status, unreadable};
use crate::rooms::{CameraView, ImportView, LicenseView, StartStep};

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
        Ok((upload, import)) => {
            let assigned = if import.stops_recording.is_empty() {
                Vec::new()
            } else {
                assigned(&page).await
            };
            Ok(page.show(confirm(&page, &upload.file, &import, &assigned)))
        }
        Err(problem) => Ok(refused(&page, &problem).await),
    }
}

/// The file again, as it was shown. The page holds it, so that the box keeps nothing that
/// was not confirmed; everything is checked once more.
#[derive(Deserialize)]
pub(crate) struct ConfirmForm {
    csrf: String,
    document: String,
    /// Boxes that were ticked: `keep-` and a camera.
    #[serde(flatten)]
    others: BTreeMap<String, String>,
}

/// What is always shown of an import.
const PLACES: &str = "Camera places";

/// What a ticked box of a camera is called.
const KEEP: &str = "keep-";

impl ConfirmForm {
    /// The cameras that are to stay, if there was a choice.
    fn kept(&self) -> Option<Vec<CameraId>> {
        let kept: Vec<CameraId> = self
            .others
            .keys()
            .filter_map(|name| name.strip_prefix(KEEP)?.parse().ok())
            .collect();
        (!kept.is_empty()).then_some(kept)
    }
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
    // Chosen first, so that there is no moment with the wrong cameras. A refused file leaves
    // the choice, which changes nothing while there are places for all.
    if let Some(kept) = form.kept()
        && let Err(problem) = page.app.rooms.cameras.prefer(kept).await
    {
        return Ok(refused(&page, &problem).await);
    }
    match page.app.rooms.license.import(&document, false).await {
        Ok(_) if in_first_start(&page) => start::licensed(&page).await,
        Ok(_) => Ok(Redirect::to("/license?done=imported").into_response()),
        Err(problem) => Ok(refused(&page, &problem).await),
    }
}

/// Whether the first start waits for a license.
fn in_first_start(page: &Page) -> bool {
    let start = page.app.rooms.settings.first_start();
    start.is_open && start.next() == Some(StartStep::License)
}

/// The license page again, with the reason above it.
async fn refused(page: &Page, problem: &Problem) -> Response {
    if problem.code == "SG-SES-007" {
        return page.problem(problem);
    }
    let message = Some(problem_panel(problem, Tone::Bad));
    let view = if in_first_start(page) {
        start::license_view(page, message).await
    } else {
        license::view(page, message).await
    };
    page.show_with(status(&problem.code), view)
}

/// The cameras that a choice is between; none if they can't be read: the import shows why.
async fn assigned(page: &Page) -> Vec<CameraView> {
    let cameras = page.app.rooms.cameras.list().await.unwrap_or_default();
    cameras
        .into_iter()
        .filter(|camera| camera.assigned)
        .collect()
}

fn confirm<'a>(
    page: &Page,
    document: &[u8],
    import: &ImportView,
    assigned: &[CameraView],
) -> View<'a> {
    let csrf = page.csrf();
    let stops = import.stops_recording.len();
    let back = if in_first_start(page) {
        "/start/license"
    } else {
        "/license"
    };
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
                (diff_table("What is another after the import than now", &changes(&import.before, &import.after)))
                p class="muted" { "Everything else stays as it is." }
                (confirm_form(&csrf, document, choice(import, assigned), back))
            }))
        },
        ..View::default()
    }
}

/// Who stays when there are fewer places: those that stay by themselves are ticked.
fn choice(import: &ImportView, assigned: &[CameraView]) -> Markup {
    if assigned.is_empty() {
        return html! {};
    }
    let places = import.after.places.total;
    html! {
        fieldset {
            legend { (import.before.places.total) " → " (places) " places: which cameras stay?" }
            p class="hint" {
                "The license has " (places) " places. Of more than that, the ones that have "
                "had a place longest stay; the others keep their settings and recordings."
            }
            @for camera in assigned {
                label class="tick" {
                    input type="checkbox" name={ (KEEP) (camera.id) } value="yes"
                        checked[!import.stops_recording.contains(&camera.id)];
                    " " (camera_name(camera)) " " span class="mono small" { (camera.mac) }
                }
            }
        }
    }
}

fn confirm_form(csrf: &str, document: &[u8], choice: Markup, back: &str) -> Markup {
    html! { div class="choice" {
        (form(
            &Form {
                action: "/license/import",
                csrf,
                file: false,
                download: false,
                button: Button::primary("Use this license").with(Icon::Ok),
            },
            html! {
                input type="hidden" name="document" value=(BASE64_URL_SAFE_NO_PAD.encode(document));
                (choice)
            },
        ))
        (button_link(back, Button::secondary("Discard")))
    } }
}

/// What changes, and the places even where they don't: on a phone the way to the button is
/// short.
fn changes(before: &LicenseView, after: &LicenseView) -> Vec<DiffRow<'static>> {
    let mut rows = rows(before, after);
    rows.retain(|row| row.before != row.after || row.name == PLACES);
    rows
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
        row(PLACES, &|license| license.places.total.to_string()),
        row("Places used", &|license| license.places.used.to_string()),
        row("Camera channels", &|license| {
            license.pools.camera.total.to_string()
        }),
        row("Other-brand channels", &|license| {
            let pools = license.pools;
            format!(
                "{} and {} free",
                pools.other_brand.total, pools.other_brand_free.total
            )
        }),
        row("Further", &|license| {
            let each = license.allowances.iter();
            let each = each.map(|it| format!("{} {}", it.label, it.count));
            let all: Vec<String> = each.collect();
            if all.is_empty() {
                "–".to_owned()
            } else {
                all.join(", ")
            }
        }),
        row("Ends", &|license| {
            license
                .ends_utc_ms
                .map_or_else(|| "Never".to_owned(), shown_time)
        }),
        row("Server", &|license| or_dash(&license.server)),
        row("Project", &|license| or_dash(&license.project)),
        row("Distributor", &|license| or_dash(&license.distributor)),
        row("Cameras may record", &|license| {
            if license.ok { "Yes" } else { "No" }.to_owned()
        }),
    ]
}
