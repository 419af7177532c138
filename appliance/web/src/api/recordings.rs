//! What was recorded.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ApiResult, camera};
use crate::app::App;
use crate::errors::{ProblemSchema, unreadable};
use crate::rooms::{RecordingView, StorageView};

/// How many entries, if the request does not say.
const USUAL: u32 = 100;
/// How many at most.
const MOST: u32 = 1000;

/// Recordings, and the disk that holds them.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecordingList {
    /// Newest first.
    recordings: Vec<RecordingView>,
    storage: StorageView,
}

/// See [`list`].
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordingQuery {
    /// Only this camera's.
    camera: Option<String>,
    /// At most so many; 100 if left out, never more than 1000.
    limit: Option<u32>,
}

/// Recordings, the newest first.
#[utoipa::path(get, path = "/api/v1/recordings", tag = "recordings", security(("session" = [])),
    params(RecordingQuery),
    responses(
        (status = 200, body = RecordingList),
        (status = 503, description = "SG-REC-001: the recorder is not running", body = ProblemSchema)))]
pub(crate) async fn list(
    State(app): State<App>,
    query: Result<Query<RecordingQuery>, QueryRejection>,
) -> ApiResult<Json<RecordingList>> {
    let Query(query) = query.map_err(|error| unreadable(&error.body_text()))?;
    let only = query.camera.as_deref().map(camera).transpose()?;
    let limit = query.limit.unwrap_or(USUAL).min(MOST);
    Ok(Json(RecordingList {
        recordings: app.rooms.recordings.list(only, limit).await?,
        storage: app.rooms.recordings.status().await?,
    }))
}

/// One recording, as MP4; what is still being written, as far as it is whole.
#[utoipa::path(get, path = "/api/v1/recordings/{file}", tag = "recordings", security(("session" = [])),
    params(("file" = String, Path, description = "Its path, as the list says")),
    responses(
        (status = 200, description = "The file", content_type = "video/mp4"),
        (status = 404, description = "SG-REC-006: no such recording", body = ProblemSchema),
        (status = 503, description = "SG-REC-001: the recorder is not running", body = ProblemSchema)))]
pub(crate) async fn download(
    State(app): State<App>,
    Path(file): Path<String>,
) -> ApiResult<Response> {
    let recorded = app.rooms.recordings.open(&file).await?;
    // `<camera>/<day>/<time>.mp4` is unique only as a whole.
    let name = crate::download::plain_name(&file.replace('/', "_"));
    let headers = [
        (CONTENT_TYPE, "video/mp4".to_owned()),
        (CONTENT_LENGTH, recorded.size_bytes.to_string()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    Ok((headers, Body::from_stream(recorded.pieces)).into_response())
}
