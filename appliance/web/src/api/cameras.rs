//! Cameras and their channels.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use sealgate_camera::{CameraId, StreamUrl};
use sealgate_words::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ApiResult, camera};
use crate::app::App;
use crate::body;
use crate::errors::{ProblemSchema, problem};
use crate::rooms::CameraView;

/// Every camera that was seen or has a channel.
#[derive(Serialize, ToSchema)]
pub(crate) struct CameraList {
    cameras: Vec<CameraView>,
}

/// Every camera that was seen or has a channel.
#[utoipa::path(get, path = "/api/v1/cameras", tag = "cameras", security(("session" = [])),
    responses((status = 200, body = CameraList), (status = 401, body = ProblemSchema)))]
pub(crate) async fn list(State(app): State<App>) -> ApiResult<Json<CameraList>> {
    let cameras = app.rooms.cameras.list().await?;
    Ok(Json(CameraList { cameras }))
}

/// Looks for cameras now.
#[utoipa::path(post, path = "/api/v1/cameras/discover", tag = "cameras", security(("session" = [])),
    responses((status = 202, description = "The search has begun")))]
pub(crate) async fn discover(State(app): State<App>) -> ApiResult<StatusCode> {
    app.rooms.cameras.discover_now().await?;
    Ok(StatusCode::ACCEPTED)
}

/// What a channel may be told.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChannelRequest {
    /// Where the main stream is (`rtsp://…`), where the camera can't be asked. May carry
    /// name and password.
    stream_url: Option<String>,
}

/// The address as typed; nothing where nothing was typed.
pub(crate) fn stream_url(
    camera: CameraId,
    typed: Option<&str>,
) -> Result<Option<StreamUrl>, Problem> {
    let Some(typed) = typed.map(str::trim).filter(|typed| !typed.is_empty()) else {
        return Ok(None);
    };
    typed.parse().map(Some).map_err(|error| {
        let mac = camera.mac().to_string();
        // The words for what is wrong; what was typed may carry a password.
        let error = format!("{error}");
        problem("SG-CAM-006", &[("camera", &mac), ("address", &error)])
    })
}

/// Gives a camera a channel. The body may be left out.
#[utoipa::path(put, path = "/api/v1/channels/{camera}", tag = "cameras", security(("session" = [])),
    params(("camera" = String, Path, example = "020000000a01-1")),
    request_body = ChannelRequest,
    responses(
        (status = 200, body = CameraView),
        (status = 404, description = "SG-CAM-004: never seen", body = ProblemSchema),
        (status = 409, description = "SG-CAM-…: no place, or not identifiable", body = ProblemSchema),
        (status = 422, description = "SG-CAM-006: not a stream address", body = ProblemSchema)))]
pub(crate) async fn assign(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> ApiResult<Json<CameraView>> {
    let camera = camera(&id)?;
    let asked: ChannelRequest = body::json(request).await?.unwrap_or_default();
    let stream = stream_url(camera, asked.stream_url.as_deref())?;
    Ok(Json(app.rooms.cameras.assign(camera, stream).await?))
}

/// Takes a camera's channel away; it is no longer recorded.
#[utoipa::path(delete, path = "/api/v1/channels/{camera}", tag = "cameras", security(("session" = [])),
    params(("camera" = String, Path, example = "020000000a01-1")),
    responses(
        (status = 200, body = CameraView),
        (status = 404, description = "SG-CAM-004: never seen", body = ProblemSchema)))]
pub(crate) async fn release(
    State(app): State<App>,
    Path(id): Path<String>,
) -> ApiResult<Json<CameraView>> {
    Ok(Json(app.rooms.cameras.release(camera(&id)?).await?))
}
