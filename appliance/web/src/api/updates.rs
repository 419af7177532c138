//! Updates.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use futures::StreamExt;
use sealgate_words::Problem;
use serde::Serialize;
use tokio::sync::mpsc;
use utoipa::ToSchema;

use super::ApiResult;
use crate::app::App;
use crate::errors::ProblemSchema;
use crate::rooms::{UpdateRoom, UpdatesView};

/// Pieces of an update on their way: a few MiB at most.
pub(crate) const PIECES: usize = 16;

/// What was installed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Installed {
    /// It runs after the next restart.
    version: String,
}

/// The versions on this box, and what became of the last update.
#[utoipa::path(get, path = "/api/v1/updates", tag = "updates", security(("session" = [])),
    responses((status = 200, body = UpdatesView), (status = 401, body = ProblemSchema)))]
pub(crate) async fn show(State(app): State<App>) -> Json<UpdatesView> {
    Json(app.rooms.updates.updates().await)
}

/// Installs an update. It runs after the next restart.
#[utoipa::path(post, path = "/api/v1/updates", tag = "updates", security(("session" = [])),
    request_body(content = Vec<u8>, description = "The update file",
        content_type = "application/octet-stream"),
    responses(
        (status = 200, body = Installed),
        (status = 422, description = "SG-UPD-…: the update can't be used here", body = ProblemSchema)))]
pub(crate) async fn install(
    State(app): State<App>,
    request: Request,
) -> ApiResult<Json<Installed>> {
    let version = stream(&app.rooms.updates, request.into_body()).await?;
    Ok(Json(Installed { version }))
}

/// Hands a body to the room as it comes. A body that breaks off ends early there, and is
/// refused as one that did not come whole.
async fn stream(room: &Arc<dyn UpdateRoom>, body: Body) -> Result<String, Problem> {
    let (sender, pieces) = mpsc::channel(PIECES);
    let send = async move {
        let mut stream = body.into_data_stream();
        while let Some(Ok(piece)) = stream.next().await {
            if sender.send(piece).await.is_err() {
                break;
            }
        }
    };
    let ((), installed) = tokio::join!(send, room.install(pieces));
    installed
}

/// Restarts the box.
#[utoipa::path(post, path = "/api/v1/restart", tag = "updates", security(("session" = [])),
    responses((status = 202, description = "It goes down in a moment"),
        (status = 503, description = "SG-UPD-012, SG-UPD-013", body = ProblemSchema)))]
pub(crate) async fn restart(State(app): State<App>) -> ApiResult<StatusCode> {
    app.rooms.updates.restart().await?;
    Ok(StatusCode::ACCEPTED)
}
