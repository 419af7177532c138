//! Alarms for programs.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiResult;
use crate::app::App;
use crate::errors::{ApiProblem, ProblemSchema, missing, problem};
use crate::rooms::AlarmView;
use crate::session::Visitor;

/// Every alarm that is kept.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Alarms {
    /// Those that nobody acknowledged first, then the newest first.
    alarms: Vec<AlarmView>,
}

/// What wants attention, and what did.
#[utoipa::path(get, path = "/api/v1/alarms", tag = "alarms", security(("session" = [])),
    responses((status = 200, body = Alarms), (status = 401, body = ProblemSchema)))]
pub(crate) async fn list(State(app): State<App>) -> ApiResult<Json<Alarms>> {
    let alarms = app.rooms.alarms.list().await?;
    Ok(Json(Alarms { alarms }))
}

/// Says that somebody saw an alarm.
#[utoipa::path(post, path = "/api/v1/alarms/{id}/acknowledge", tag = "alarms", security(("session" = [])),
    params(("id" = i64, Path, description = "The alarm")),
    responses(
        (status = 204, description = "It is acknowledged"),
        (status = 404, description = "SG-API-002: no such alarm, or acknowledged before", body = ProblemSchema)))]
pub(crate) async fn acknowledge(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let session = visitor
        .session
        .ok_or_else(|| ApiProblem(problem("SG-SES-004", &[])))?;
    let id: i64 = id.parse().map_err(|_| missing("alarm"))?;
    app.rooms.alarms.acknowledge(&session.user.name, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
