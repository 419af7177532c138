//! Users, API tokens, and what was done. For admins who are signed in: no token reaches it.

use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiResult;
use crate::app::{App, check_password};
use crate::body;
use crate::errors::{ApiProblem, ProblemSchema, missing, problem};
use crate::pages::tokens::expiry;
use crate::rooms::{ApiTokenView, AuditView, NewApiToken, Right, Role, UserView};
use crate::session::{Token, Visitor};

/// Entries of the audit log that are given where nothing else is asked for, and at most.
const AUDIT_USUAL: u32 = 100;
const AUDIT_MOST: u32 = 1000;

/// Somebody to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUser {
    /// 1 to 64 letters, digits, dots, dashes and underscores.
    name: String,
    role: Role,
    /// At least 12 characters.
    password: String,
}

/// What changes; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserChange {
    #[serde(default)]
    role: Option<Role>,
    /// It ends the user's sessions.
    #[serde(default)]
    password: Option<String>,
    /// `false` removes the authenticator app; an app is set up by its user alone.
    #[serde(default)]
    has_totp: Option<bool>,
}

/// A token to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewToken {
    /// What it is for.
    name: String,
    /// Not `manage`.
    scopes: Vec<Right>,
    /// How many days it lasts.
    days: u16,
}

/// A token, this once with itself.
#[derive(Serialize, ToSchema)]
pub(crate) struct MadeToken {
    /// To be sent as `Authorization: Bearer …`. Shown only now.
    token: String,
    #[serde(flatten)]
    view: ApiTokenView,
}

#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct AuditQuery {
    /// How many entries at most, the newest first; 100 where absent.
    limit: Option<u32>,
}

fn by(visitor: &Visitor) -> ApiResult<&str> {
    visitor
        .session
        .as_ref()
        .map(|session| session.user.name.as_str())
        .ok_or_else(|| ApiProblem(problem("SG-SES-004", &[])))
}

/// Everybody who may sign in.
#[utoipa::path(get, path = "/api/v1/users", tag = "users", security(("session" = [])),
    responses((status = 200, body = Vec<UserView>), (status = 403, body = ProblemSchema)))]
pub(crate) async fn list(State(app): State<App>) -> ApiResult<Json<Vec<UserView>>> {
    Ok(Json(app.rooms.users.list().await?))
}

/// Adds a user.
#[utoipa::path(post, path = "/api/v1/users", tag = "users", request_body = NewUser,
    security(("session" = [])),
    responses((status = 204),
        (status = 409, description = "SG-SES-023: the name is taken", body = ProblemSchema),
        (status = 422, description = "SG-SES-006, SG-SES-024", body = ProblemSchema)))]
pub(crate) async fn add(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    request: Request,
) -> ApiResult<StatusCode> {
    let new: NewUser = body::required_json(request).await?;
    check_password(&new.password)?;
    let users = &app.rooms.users;
    users
        .add(by(&visitor)?, &new.name, new.role, &new.password)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes role or password, or removes the authenticator app.
#[utoipa::path(put, path = "/api/v1/users/{name}", tag = "users", request_body = UserChange,
    params(("name" = String, Path)), security(("session" = [])),
    responses((status = 204), (status = 404, body = ProblemSchema),
        (status = 409, description = "SG-SES-025: the last admin", body = ProblemSchema)))]
pub(crate) async fn change(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    request: Request,
) -> ApiResult<StatusCode> {
    let change: UserChange = body::required_json(request).await?;
    let by = by(&visitor)?;
    let users = &app.rooms.users;
    if let Some(password) = &change.password {
        check_password(password)?;
    }
    if let Some(role) = change.role {
        users.set_role(by, &name, role).await?;
    }
    if change.has_totp == Some(false) {
        users.remove_totp(by, &name).await?;
    }
    // Last, as it may end the session that is asking.
    if let Some(password) = &change.password {
        users.set_password(by, &name, password).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a user with their sessions and tokens.
#[utoipa::path(delete, path = "/api/v1/users/{name}", tag = "users",
    params(("name" = String, Path)), security(("session" = [])),
    responses((status = 204), (status = 404, body = ProblemSchema),
        (status = 409, description = "SG-SES-025: the last admin", body = ProblemSchema)))]
pub(crate) async fn remove(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> ApiResult<StatusCode> {
    app.rooms.users.remove(by(&visitor)?, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Every API token, without itself.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "users", security(("session" = [])),
    responses((status = 200, body = Vec<ApiTokenView>)))]
pub(crate) async fn tokens(State(app): State<App>) -> ApiResult<Json<Vec<ApiTokenView>>> {
    Ok(Json(app.rooms.users.tokens().await?))
}

/// Makes a token that asks in the name of whoever makes it.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "users", request_body = NewToken,
    security(("session" = [])),
    responses((status = 201, body = MadeToken),
        (status = 422, description = "SG-SES-029", body = ProblemSchema)))]
pub(crate) async fn add_token(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    request: Request,
) -> ApiResult<(StatusCode, Json<MadeToken>)> {
    let asked: NewToken = body::required_json(request).await?;
    let token = Token::random();
    let new = NewApiToken {
        token_sha256: token.sha256(),
        name: asked.name,
        scopes: asked.scopes,
        expires_utc_ms: expiry(app.clock.utc_ms(), asked.days),
    };
    let view = app.rooms.users.add_token(by(&visitor)?, new).await?;
    let made = MadeToken {
        token: token.text(),
        view,
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Removes a token; it ends at once.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "users",
    params(("id" = i64, Path)), security(("session" = [])),
    responses((status = 204), (status = 404, body = ProblemSchema)))]
pub(crate) async fn remove_token(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let id = id.parse().map_err(|_| ApiProblem(missing("token")))?;
    app.rooms.users.remove_token(by(&visitor)?, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What was done, the newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "users", params(AuditQuery),
    security(("session" = [])), responses((status = 200, body = Vec<AuditView>)))]
pub(crate) async fn audit(
    State(app): State<App>,
    Query(query): Query<AuditQuery>,
) -> ApiResult<Json<Vec<AuditView>>> {
    let limit = query.limit.unwrap_or(AUDIT_USUAL).min(AUDIT_MOST);
    Ok(Json(app.rooms.users.audit(limit).await?))
}
