//! Which cameras keep their places when there are fewer places.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Redirect};
use sealgate_pages::{Button, Form, Icon, Tone, empty_state, form, html, notice, panel};
use serde::Deserialize;

use super::channels::back;
use super::list::refused;
use crate::pages::frame::{Page, PageResult, Posted, PostedForm, View};
use crate::pages::words::{camera_name, count};
use crate::rooms::shown_ip;

/// A tick for each camera that stays.
#[derive(Deserialize)]
pub(crate) struct StayForm {
    csrf: String,
    #[serde(flatten)]
    ticks: BTreeMap<String, String>,
}

impl PostedForm for StayForm {
    // A tick for each of a thousand cameras.
    const MAX_BYTES: usize = 64 * 1024;

    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// `GET /cameras/stay`
pub(crate) async fn show(page: Page) -> PageResult {
    let cameras = page.app.rooms.cameras.list().await;
    let mut cameras = cameras.map_err(|problem| page.problem(&problem))?;
    cameras.retain(|camera| camera.assigned);
    let places = page.app.rooms.license.status().await.places;
    let csrf = page.csrf();
    let asked = Form {
        action: "/cameras/stay",
        csrf: &csrf,
        file: false,
        download: false,
        button: Button::primary("Save the choice"),
    };
    let title = format!(
        "{} with a channel, {} on the license",
        count(cameras.len(), "camera", "cameras"),
        count(places.total as usize, "place", "places")
    );
    let short = cameras.len() > places.total as usize;
    Ok(page.show(View {
        title: "Who stays",
        current: "/cameras",
        narrow: true,
        body: html! {
            @if short {
                (notice(Tone::Warn, "There are fewer places than cameras.", html! {
                    p { "Those you choose come first; the places that are left go to the cameras that have held theirs longest." }
                }))
            }
            @if cameras.is_empty() {
                (empty_state(Icon::Camera, "No camera has a channel yet", html! {}))
            } @else {
                (panel(&title, None, html! {}, form(&asked, html! {
                    p class="muted" { "These cameras keep their places before all others, now and whenever a license has fewer places." }
                    fieldset {
                        legend { "Cameras that stay" }
                        @for camera in &cameras {
                            label class="tick" {
                                input type="checkbox" name={ "stay-" (camera.id) } checked[camera.preferred];
                                span { (camera_name(camera)) span class="hint" { " " (shown_ip(camera.ip)) } }
                            }
                        }
                    }
                })))
            }
            (back())
        },
        ..View::default()
    }))
}

/// `POST /cameras/stay`
pub(crate) async fn choose(posted: Posted<StayForm>) -> PageResult {
    let Posted { page, form, .. } = posted;
    let names = form.ticks.keys();
    let chosen = names.filter_map(|name| name.strip_prefix("stay-")?.parse().ok());
    match page.app.rooms.cameras.prefer(chosen.collect()).await {
        Ok(()) => Ok(Redirect::to("/cameras?done=stay").into_response()),
        Err(problem) => Ok(refused(&page, &problem).await),
    }
}
