//! What was recorded.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
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
