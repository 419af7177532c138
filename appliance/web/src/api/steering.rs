//! A picture now, and steering.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::{ApiResult, camera};
use crate::app::App;
use crate::body;
use crate::errors::ProblemSchema;
use crate::rooms::{PresetView, Steering};

/// The camera's own picture of this moment.
#[utoipa::path(get, path = "/api/v1/snapshot/{camera}", tag = "cameras", security(("session" = [])),
    params(("camera" = String, Path, example = "020000000a01-1")),
    responses(
        (status = 200, content_type = "image/jpeg", body = Vec<u8>),
        (status = 409, description = "SG-REC-002: not admitted; SG-CAM-033: gives no pictures", body = ProblemSchema)))]
pub(crate) async fn snapshot(
    State(app): State<App>,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    let picture = app.rooms.steering.snapshot(camera(&id)?).await?;
    Ok(([(CONTENT_TYPE, "image/jpeg")], picture).into_response())
}

/// Places that the camera has stored.
#[derive(Serialize, ToSchema)]
pub(crate) struct PresetList {
    presets: Vec<PresetView>,
}

/// The places that the camera has stored.
#[utoipa::path(get, path = "/api/v1/ptz/{camera}", tag = "cameras", security(("session" = [])),
    params(("camera" = String, Path, example = "020000000a01-1")),
    responses(
        (status = 200, body = PresetList),
        (status = 409, description = "SG-CAM-033: it can't be steered", body = ProblemSchema)))]
pub(crate) async fn presets(
    State(app): State<App>,
    Path(id): Path<String>,
) -> ApiResult<Json<PresetList>> {
    let presets = app.rooms.steering.presets(camera(&id)?).await?;
    Ok(Json(PresetList { presets }))
}

/// Steers the camera. A movement ends by itself after five seconds.
#[utoipa::path(post, path = "/api/v1/ptz/{camera}", tag = "cameras", security(("session" = [])),
    params(("camera" = String, Path, example = "020000000a01-1")),
    request_body = Steering,
    responses(
        (status = 204, description = "The camera took the order"),
        (status = 409, description = "SG-CAM-033: it can't be steered", body = ProblemSchema)))]
pub(crate) async fn steer(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> ApiResult<StatusCode> {
    let camera = camera(&id)?;
    let steering: Steering = body::required_json(request).await?;
    app.rooms.steering.steer(camera, steering).await?;
    Ok(StatusCode::NO_CONTENT)
}
