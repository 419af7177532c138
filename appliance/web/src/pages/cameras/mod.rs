//! The cameras: their list, one camera, and the ways to add some.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use sealgate_camera::CameraId;
use sealgate_pages::{Markup, html};

use super::frame::{Page, Refusal};
use super::words::camera_name;
use crate::errors::missing;
use crate::rooms::{CameraState, CameraView};

pub(crate) mod add;
pub(crate) mod channels;
mod chart;
pub(crate) mod detail;
mod disks;
pub(crate) mod import;
pub(crate) mod list;
pub(crate) mod passwords;
mod plan;
pub(crate) mod settings;
pub(crate) mod stay;

/// A list refreshes itself every few seconds; no camera is asked for a picture that often.
const PICTURE_LASTS: &str = "private, max-age=60";

/// The camera a path names.
pub(super) fn camera_id(page: &Page, id: &str) -> Result<CameraId, Refusal> {
    id.parse()
        .map_err(|_| page.problem(&missing("camera")).into())
}

/// The row of the camera a path names.
pub(super) async fn camera_row(page: &Page, id: &str) -> Result<CameraView, Refusal> {
    let camera = camera_id(page, id)?;
    let cameras = page.app.rooms.cameras.list().await;
    let cameras = cameras.map_err(|problem| page.problem(&problem))?;
    let mut cameras = cameras.into_iter();
    cameras
        .find(|row| row.id == camera)
        .ok_or_else(|| page.problem(&missing("camera")).into())
}

/// `GET /cameras/{camera}/picture`: a small picture for lists, a minute old at most.
pub(crate) async fn picture(page: Page, Path(id): Path<String>) -> Response {
    let picture = match id.parse() {
        Ok(camera) => page.app.rooms.steering.snapshot(camera).await.ok(),
        Err(_) => None,
    };
    let lasts = (CACHE_CONTROL, PICTURE_LASTS);
    match picture {
        Some(picture) => ([lasts, (CONTENT_TYPE, "image/jpeg")], picture).into_response(),
        None => (StatusCode::NOT_FOUND, [lasts]).into_response(),
    }
}

/// The camera's picture, where it may send one.
fn thumbnail(camera: &CameraView) -> Markup {
    html! {
        @if camera.state == CameraState::Admitted {
            img class="thumbnail" src={ "/cameras/" (camera.id) "/picture" } alt="" loading="lazy";
        }
    }
}

/// The camera's name, leading to its page.
fn linked_name(camera: &CameraView) -> Markup {
    html! { a href={ "/cameras/" (camera.id) } { (camera_name(camera)) } }
}
