//! The first password, and sessions for programs.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;
use utoipa::ToSchema;

use super::ApiResult;
use crate::app::App;
use crate::body;
use crate::errors::ProblemSchema;
use crate::guard::peer;
use crate::rooms::{SessionView, User};
use crate::session::Visitor;

/// The first password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetUpRequest {
    /// From the console or the label.
    code: String,
    /// At least 12 characters.
    password: String,
}

/// A name and its password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignInRequest {
    name: String,
    password: String,
    /// Of the authenticator app, or a recovery code, where the account has one.
    #[serde(default)]
    code: Option<String>,
}

/// Sets the first password and begins a session.
#[utoipa::path(post, path = "/api/v1/setup", tag = "session", request_body = SetUpRequest,
    responses(
        (status = 201, body = SessionView),
        (status = 403, description = "SG-SES-002: not the set-up code", body = ProblemSchema),
        (status = 409, description = "SG-SES-003: already done", body = ProblemSchema),
        (status = 422, description = "SG-SES-006: password too short", body = ProblemSchema),
        (status = 429, description = "SG-SES-005: too many attempts", body = ProblemSchema)))]
pub(crate) async fn set_up(
    State(app): State<App>,
    request: Request,
) -> ApiResult<(StatusCode, Json<SessionView>)> {
    let peer = peer(request.extensions());
    let asked: SetUpRequest = body::required_json(request).await?;
    let user = app.set_up(peer, &asked.code, &asked.password).await?;
    begin_for(&app, peer, user).await
}

/// Signs in and begins a session of 24 hours.
#[utoipa::path(post, path = "/api/v1/sessions", tag = "session", request_body = SignInRequest,
    responses(
        (status = 201, body = SessionView),
        (status = 401, description = "SG-SES-001: wrong name or password; SG-SES-020: a code is wanted too", body = ProblemSchema),
        (status = 429, description = "SG-SES-005: too many attempts", body = ProblemSchema)))]
pub(crate) async fn begin(
    State(app): State<App>,
    request: Request,
) -> ApiResult<(StatusCode, Json<SessionView>)> {
    let peer = peer(request.extensions());
    let asked: SignInRequest = body::required_json(request).await?;
    let code = asked.code.as_deref();
    let user = app
        .sign_in(peer, &asked.name, &asked.password, code)
        .await?;
    begin_for(&app, peer, user).await
}

async fn begin_for(
    app: &App,
    peer: IpAddr,
    user: User,
) -> ApiResult<(StatusCode, Json<SessionView>)> {
    let (token, session) = app.begin_session(peer, user).await?;
    let view = SessionView {
        token: token.text(),
        user: session.user.name,
        expires_utc_ms: session.expires_utc_ms,
    };
    Ok((StatusCode::CREATED, Json(view)))
}

/// Ends the session that is asking.
#[utoipa::path(delete, path = "/api/v1/sessions", tag = "session", security(("session" = [])),
    responses((status = 204), (status = 401, body = ProblemSchema)))]
pub(crate) async fn end(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
) -> ApiResult<StatusCode> {
    if let Some(session) = visitor.session {
        app.rooms.sessions.remove(&session.token_sha256).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}
