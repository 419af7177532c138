//! What was recorded: time line, single pictures, clips to take away.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use axum::response::{IntoResponse, Response};
use sealgate_camera::CameraId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{ApiResult, camera};
use crate::app::App;
use crate::body;
use crate::download::{download, plain_name};
use crate::errors::{ProblemSchema, unreadable};
use crate::rooms::{ClipView, TimelineView};

/// When the picture was taken, milliseconds since the Unix epoch.
const PICTURE_TIME: HeaderName = HeaderName::from_static("sealgate-utc-ms");

/// See [`timeline`].
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimelineQuery {
    /// From here, milliseconds since the Unix epoch.
    from_utc_ms: i64,
    /// Up to here, milliseconds since the Unix epoch.
    to_utc_ms: i64,
}

/// What was recorded of a camera, what was not, and what happened.
#[utoipa::path(get, path = "/api/v1/timeline/{camera}", tag = "recordings", security(("session" = [])),
    params(("camera" = String, Path, example = "020000000a01-1"), TimelineQuery),
    responses(
        (status = 200, body = TimelineView),
        (status = 503, description = "SG-REC-001: the recorder is not running", body = ProblemSchema)))]
pub(crate) async fn timeline(
    State(app): State<App>,
    Path(id): Path<String>,
    query: Result<Query<TimelineQuery>, QueryRejection>,
) -> ApiResult<Json<TimelineView>> {
    let Query(query) = query.map_err(|error| unreadable(&error.body_text()))?;
    let camera = camera(&id)?;
    let recordings = &app.rooms.recordings;
    let timeline = recordings
        .timeline(camera, query.from_utc_ms, query.to_utc_ms)
        .await?;
    Ok(Json(timeline))
}

/// See [`still`].
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct StillQuery {
    /// When, milliseconds since the Unix epoch.
    at_utc_ms: i64,
}

/// The recorded key frame at or before a moment, as an MP4 file of one picture: a browser
/// shows it in a video element, whatever the codec, and nothing is decoded on the box.
#[utoipa::path(get, path = "/api/v1/still/{camera}", tag = "recordings", security(("session" = [])),
    params(("camera" = String, Path, example = "020000000a01-1"), StillQuery),
    responses(
        (status = 200, description = "The picture; its time is in the header sealgate-utc-ms", content_type = "video/mp4"),
        (status = 404, description = "SG-REC-007: nothing was recorded then", body = ProblemSchema)))]
pub(crate) async fn still(
    State(app): State<App>,
    Path(id): Path<String>,
    query: Result<Query<StillQuery>, QueryRejection>,
) -> ApiResult<Response> {
    let Query(query) = query.map_err(|error| unreadable(&error.body_text()))?;
    let (utc_ms, picture) = app
        .rooms
        .recordings
        .still(camera(&id)?, query.at_utc_ms)
        .await?;
    let headers = [
        (CONTENT_TYPE, "video/mp4".to_owned()),
        (PICTURE_TIME, utc_ms.to_string()),
    ];
    Ok((headers, picture).into_response())
}

/// What a clip is to hold.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClipRequest {
    /// Which camera.
    #[schema(value_type = String, example = "020000000a01-1")]
    camera: CameraId,
    /// From here, milliseconds since the Unix epoch.
    from_utc_ms: i64,
    /// Up to here, milliseconds since the Unix epoch.
    to_utc_ms: i64,
}

/// Makes a clip of one MP4 file, and a statement about it that the box's TPM signs. Both can
/// be fetched for an hour.
#[utoipa::path(post, path = "/api/v1/clips", tag = "recordings", security(("session" = [])),
    request_body = ClipRequest,
    responses(
        (status = 201, body = ClipView),
        (status = 404, description = "SG-REC-007: nothing was recorded then", body = ProblemSchema),
        (status = 503, description = "SG-REC-001, SG-REC-012", body = ProblemSchema)))]
pub(crate) async fn make(
    State(app): State<App>,
    request: Request,
) -> ApiResult<(StatusCode, Json<ClipView>)> {
    let asked: ClipRequest = body::required_json(request).await?;
    let clips = &app.rooms.clips;
    let clip = clips
        .make(asked.camera, asked.from_utc_ms, asked.to_utc_ms)
        .await?;
    Ok((StatusCode::CREATED, Json(clip)))
}

/// The clip's file.
#[utoipa::path(get, path = "/api/v1/clips/{id}", tag = "recordings", security(("session" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, content_type = "video/mp4", body = Vec<u8>),
        (status = 404, description = "SG-REC-013: no such clip, or not any more", body = ProblemSchema)))]
pub(crate) async fn open(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Response> {
    let (clip, file) = app.rooms.clips.open(&id).await?;
    let name = plain_name(&clip.file_name);
    let headers = [
        (CONTENT_TYPE, "video/mp4".to_owned()),
        (CONTENT_LENGTH, file.size_bytes.to_string()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    Ok((headers, Body::from_stream(file.pieces)).into_response())
}

/// The signed statement about the clip.
#[utoipa::path(get, path = "/api/v1/clips/{id}/statement", tag = "recordings", security(("session" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, content_type = "application/vnd.sealgate.statement.v1+json", body = Vec<u8>),
        (status = 404, description = "SG-REC-013: no such clip, or not any more", body = ProblemSchema),
        (status = 503, description = "SG-TPM-…: the TPM did not sign", body = ProblemSchema)))]
pub(crate) async fn statement(
    State(app): State<App>,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    Ok(download(app.rooms.clips.statement(&id).await?))
}
