//! Users, tokens for programs, the audit.

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ProblemSchema;
use super::accounts::instant;
use super::body::{Body, Id};
use crate::desk::{AuditLine, AuditQuery, DeskError, NewUser, Right, UserChange, UserView};
use crate::store::people::ApiToken;
use crate::store::{DistributorId, Role, TokenId, User, UserId};
use crate::web::App;
use crate::web::problem::ApiProblem;
use crate::web::session::SignedIn;

/// A user.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserBody {
    id: UserId,
    email: String,
    /// How pages greet it; may be empty.
    name: String,
    role: Role,
    /// None for vendor staff.
    distributor_id: Option<DistributorId>,
    /// It signs in no more.
    disabled: bool,
    /// It signs in with an authenticator app, too; only in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    has_app: Option<bool>,
    /// RFC 3339.
    created_at: String,
    /// The token of the one-time link, `/welcome/TOKEN`; only in the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    link_token: Option<String>,
}

impl From<User> for UserBody {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            email: user.email,
            name: user.name,
            role: user.role,
            distributor_id: user.distributor,
            disabled: user.disabled,
            has_app: None,
            created_at: instant(user.created_utc_s),
            link_token: None,
        }
    }
}

impl From<UserView> for UserBody {
    fn from(view: UserView) -> Self {
        Self {
            has_app: Some(view.has_app),
            ..Self::from(view.user)
        }
    }
}

/// The users that you decide about.
#[utoipa::path(
    get, path = "/api/v1/users",
    responses((status = 200, body = Vec<UserBody>), (status = 403, body = ProblemSchema))
)]
pub(crate) async fn users(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
) -> Result<Json<Vec<UserBody>>, ApiProblem> {
    let all = app.desk(move |desk| desk.users(&signed_in.actor)).await?;
    Ok(Json(all.into_iter().map(UserBody::from).collect()))
}

/// A user to be added.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewUserBody {
    email: String,
    #[serde(default)]
    name: String,
    /// Of vendor staff; a distributor's users have their distributor's.
    role: Option<Role>,
    /// For whom; without one, your own distributor, or vendor staff.
    distributor_id: Option<DistributorId>,
}

/// Adds a user, who gets a one-time link.
#[utoipa::path(
    post, path = "/api/v1/users", request_body = NewUserBody,
    responses(
        (status = 201, body = UserBody), (status = 403, body = ProblemSchema),
        (status = 404, body = ProblemSchema), (status = 409, body = ProblemSchema),
        (status = 422, body = ProblemSchema),
    )
)]
pub(crate) async fn add_user(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Body(new): Body<NewUserBody>,
) -> Result<Response, ApiProblem> {
    let new = NewUser {
        email: new.email,
        name: new.name,
        role: new.role,
        distributor: new.distributor_id,
    };
    let (user, link) = app
        .desk(move |desk| desk.add_user(&signed_in.actor, &new))
        .await?;
    let body = UserBody {
        link_token: Some(link),
        ..UserBody::from(user)
    };
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// What is to become of a user; what is missing stays.
#[derive(Deserialize, ToSchema)]
pub(crate) struct UserChangeBody {
    name: Option<String>,
    role: Option<Role>,
    disabled: Option<bool>,
}

/// Changes a user.
#[utoipa::path(
    put, path = "/api/v1/users/{id}", params(("id" = String, Path)),
    request_body = UserChangeBody,
    responses(
        (status = 200, body = UserBody), (status = 403, body = ProblemSchema),
        (status = 404, body = ProblemSchema), (status = 409, body = ProblemSchema),
        (status = 422, body = ProblemSchema),
    )
)]
pub(crate) async fn change_user(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Id(id): Id<UserId>,
    Body(change): Body<UserChangeBody>,
) -> Result<Json<UserBody>, ApiProblem> {
    let change = UserChange {
        name: change.name,
        role: change.role,
        disabled: change.disabled,
    };
    let user = app
        .desk(move |desk| desk.change_user(&signed_in.actor, id, &change))
        .await?;
    Ok(Json(UserBody::from(user)))
}

/// A one-time link.
#[derive(Serialize, ToSchema)]
pub(crate) struct LinkBody {
    /// For `/welcome/TOKEN`.
    link_token: String,
}

/// Takes a user's password, app and sessions away; answers with a one-time link.
#[utoipa::path(
    post, path = "/api/v1/users/{id}/reset", params(("id" = String, Path)),
    responses(
        (status = 201, body = LinkBody), (status = 403, body = ProblemSchema),
        (status = 404, body = ProblemSchema),
    )
)]
pub(crate) async fn reset_user(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Id(id): Id<UserId>,
) -> Result<Response, ApiProblem> {
    let link_token = app
        .desk(move |desk| desk.reset_user(&signed_in.actor, id))
        .await?;
    Ok((StatusCode::CREATED, Json(LinkBody { link_token })).into_response())
}

/// A token for programs.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenBody {
    id: TokenId,
    name: String,
    /// What it may do: of `see`, `work`, `sell` and `support`.
    scopes: Vec<String>,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339.
    expires_at: String,
    /// For `Authorization: Bearer`; only in the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl From<ApiToken> for TokenBody {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id,
            name: token.name,
            scopes: token.scopes,
            created_at: instant(token.created_utc_s),
            expires_at: instant(token.expires_utc_s),
            token: None,
        }
    }
}

/// Your tokens.
#[utoipa::path(
    get, path = "/api/v1/tokens",
    responses((status = 200, body = Vec<TokenBody>), (status = 401, body = ProblemSchema))
)]
pub(crate) async fn tokens(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
) -> Result<Json<Vec<TokenBody>>, ApiProblem> {
    let own = app.desk(move |desk| desk.tokens(&signed_in.actor)).await?;
    Ok(Json(own.into_iter().map(TokenBody::from).collect()))
}

/// A token to be made.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewTokenBody {
    /// What it is for.
    name: String,
    /// What it may do, at most what your role may.
    scopes: Vec<Right>,
    /// How long it lasts.
    days: u16,
}

/// Makes a token, which never does more than your role at the time it is used.
#[utoipa::path(
    post, path = "/api/v1/tokens", request_body = NewTokenBody,
    responses(
        (status = 201, body = TokenBody), (status = 401, body = ProblemSchema),
        (status = 422, body = ProblemSchema),
    )
)]
pub(crate) async fn add_token(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Body(new): Body<NewTokenBody>,
) -> Result<Response, ApiProblem> {
    let (token, secret) = app
        .desk(move |desk| desk.add_token(&signed_in.actor, &new.name, &new.scopes, new.days))
        .await?;
    let body = TokenBody {
        token: Some(secret),
        ..TokenBody::from(token)
    };
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// Removes one of your tokens.
#[utoipa::path(
    delete, path = "/api/v1/tokens/{id}", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ProblemSchema))
)]
pub(crate) async fn remove_token(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Id(id): Id<TokenId>,
) -> Result<Response, ApiProblem> {
    app.desk(move |desk| desk.remove_token(&signed_in.actor, id))
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What is looked for in the audit; what is missing matches everything.
#[derive(Default, Deserialize, utoipa::IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditParams {
    /// The reference of a request.
    pub(crate) reference: String,
    /// The e-mail address of who did it.
    pub(crate) person: String,
    /// With what, for example `server:UUID`.
    pub(crate) object: String,
    /// From the beginning of this day, UTC, for example `2026-11-24`.
    pub(crate) from: String,
    /// To the end of this day.
    pub(crate) until: String,
    /// Only entries before this number: the last one of the page before.
    pub(crate) before: String,
}

impl AuditParams {
    /// As the desk takes it.
    pub(crate) fn query(&self) -> Result<AuditQuery, DeskError> {
        let before = match self.before.trim() {
            "" => None,
            number => Some(number.parse().map_err(|_| DeskError::Unfit {
                field: "entry's number",
                rule: "a whole number",
            })?),
        };
        Ok(AuditQuery {
            reference: self.reference.clone(),
            person: self.person.clone(),
            object: self.object.clone(),
            from: self.from.clone(),
            until: self.until.clone(),
            before,
        })
    }
}

/// An entry of the audit.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditBody {
    number: i64,
    /// Milliseconds since 1970.
    at_utc_ms: i64,
    /// None for the portal itself and its command line.
    person: Option<String>,
    action: String,
    object: String,
    /// What it changed.
    #[schema(value_type = Object)]
    detail: serde_json::Value,
    address: Option<String>,
    user_agent: Option<String>,
    /// Of the request that did it.
    reference: Option<String>,
}

impl From<AuditLine> for AuditBody {
    fn from(line: AuditLine) -> Self {
        let entry = line.entry;
        Self {
            number: line.seq,
            at_utc_ms: entry.at_utc_ms,
            person: line.person,
            action: entry.action,
            object: entry.object,
            detail: serde_json::from_str(&entry.detail).unwrap_or_default(),
            address: entry.origin.address,
            user_agent: entry.origin.user_agent,
            reference: entry.origin.reference,
        }
    }
}

/// Who did what, when and from where, newest first. Vendor admins only.
#[utoipa::path(
    get, path = "/api/v1/audit", params(AuditParams),
    responses(
        (status = 200, body = Vec<AuditBody>), (status = 403, body = ProblemSchema),
        (status = 422, body = ProblemSchema),
    )
)]
pub(crate) async fn audit(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Query(params): Query<AuditParams>,
) -> Result<Json<Vec<AuditBody>>, ApiProblem> {
    let query = params.query()?;
    let lines = app
        .desk(move |desk| desk.search_audit(&signed_in.actor, &query))
        .await?;
    Ok(Json(lines.into_iter().map(AuditBody::from).collect()))
}
