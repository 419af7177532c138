//! The kernel gate's counters.

use axum::Json;
use axum::extract::State;

use super::ApiResult;
use crate::app::App;
use crate::errors::ProblemSchema;
use crate::rooms::GateView;

/// What the kernel gate let through and dropped.
#[utoipa::path(get, path = "/api/v1/gate", tag = "gate", security(("session" = [])),
    responses((status = 200, body = GateView), (status = 401, body = ProblemSchema)))]
pub(crate) async fn show(State(app): State<App>) -> ApiResult<Json<GateView>> {
    Ok(Json(app.rooms.gate.counters().await?))
}
