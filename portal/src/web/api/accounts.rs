//! Sessions, status, distributors.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ProblemSchema;
use super::body::{Body, Id};
use crate::desk::{DeskError, FirstStep};
use crate::rules::Counts;
use crate::store::{Balance, Distributor, DistributorId, Role};
use crate::web::App;
use crate::web::problem::ApiProblem;
use crate::web::session::{self, SignedIn};

/// Who signs in.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SignIn {
    email: String,
    password: String,
    /// Of the authenticator app, or a recovery code, where the account has one.
    code: Option<String>,
}

/// A session that began. The same token is set as a cookie for browsers.
#[derive(Serialize, ToSchema)]
pub(crate) struct Session {
    /// For `Authorization: Bearer`.
    token: String,
    user: Person,
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
pub(crate) struct Person {
    email: String,
    role: Role,
    /// None for vendor staff.
    distributor_id: Option<DistributorId>,
}

impl From<&crate::desk::Actor> for Person {
    fn from(actor: &crate::desk::Actor) -> Self {
        Self {
            email: actor.email.clone(),
            role: actor.role,
            distributor_id: actor.distributor,
        }
    }
}

/// Signs in.
#[utoipa::path(
    post, path = "/api/v1/sessions", request_body = SignIn, security(()),
    responses(
        (status = 201, body = Session),
        (status = 401, body = ProblemSchema), (status = 429, body = ProblemSchema),
    )
)]
pub(crate) async fn sign_in(
    State(app): State<App>,
    Body(SignIn {
        email,
        password,
        code,
    }): Body<SignIn>,
) -> Result<Response, ApiProblem> {
    let new = app
        .desk(move |desk| match desk.sign_in(&email, &password)? {
            FirstStep::Begun(new) => Ok(new),
            FirstStep::WantsCode(step) => {
                let code = code.ok_or(DeskError::WantsCode)?;
                desk.second_step(&step, &code)
            }
        })
        .await?;
    let cookie = session::cookie(&new.token, app.settings.over_tls());
    let body = Session {
        user: Person::from(&new.actor),
        token: new.token,
    };
    Ok((
        StatusCode::CREATED,
        [(header::SET_COOKIE, cookie)],
        Json(body),
    )
        .into_response())
}

/// Signs out.
#[utoipa::path(
    delete, path = "/api/v1/sessions",
    responses((status = 204), (status = 401, body = ProblemSchema))
)]
pub(crate) async fn sign_out(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
) -> Result<Response, ApiProblem> {
    app.desk(move |desk| desk.sign_out(&signed_in.actor, &signed_in.token))
        .await?;
    let cookie = session::no_cookie(app.settings.over_tls());
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// The portal, and who is signed in.
#[derive(Serialize, ToSchema)]
pub(crate) struct Status {
    version: &'static str,
    /// `lab` or `product`.
    flavour: String,
    /// Names the key that signs licenses.
    issuing_key_id: String,
    /// The last instant at which it signs, RFC 3339.
    issuing_key_signs_until: String,
    user: Person,
}

/// What the portal is, and who you are.
#[utoipa::path(
    get, path = "/api/v1/status",
    responses((status = 200, body = Status), (status = 401, body = ProblemSchema))
)]
pub(crate) async fn status(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
) -> Json<Status> {
    Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        flavour: app.desk.flavour().to_string(),
        issuing_key_id: app.desk.signer().key_id(),
        issuing_key_signs_until: app.desk.signer().signs_until().to_string(),
        user: Person::from(&signed_in.actor),
    })
}

/// A distributor.
#[derive(Serialize, ToSchema)]
pub(crate) struct DistributorBody {
    id: DistributorId,
    name: String,
    /// RFC 3339.
    created_at: String,
    /// The token of the first user's one-time link, `/welcome/TOKEN`; only in the answer
    /// that made the distributor, and only if no password was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    link_token: Option<String>,
}

impl From<Distributor> for DistributorBody {
    fn from(distributor: Distributor) -> Self {
        Self {
            id: distributor.id,
            name: distributor.name,
            created_at: instant(distributor.created_utc_s),
            link_token: None,
        }
    }
}

/// Seconds since 1970 as RFC 3339.
pub(crate) fn instant(utc_s: i64) -> String {
    Timestamp::from_second(utc_s)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_string()
}

/// The distributors you may see.
#[utoipa::path(
    get, path = "/api/v1/distributors",
    responses((status = 200, body = Vec<DistributorBody>), (status = 401, body = ProblemSchema))
)]
pub(crate) async fn distributors(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
) -> Result<Json<Vec<DistributorBody>>, ApiProblem> {
    let all = app
        .desk(move |desk| desk.distributors(&signed_in.actor))
        .await?;
    Ok(Json(all.into_iter().map(DistributorBody::from).collect()))
}

/// A distributor to be made, with its first user.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewDistributor {
    name: String,
    /// The first user's address.
    email: String,
    /// The first user's password; without one, a one-time link is made.
    password: Option<String>,
    /// Whose sub-distributor it is; none for the vendor's own.
    parent_id: Option<DistributorId>,
}

/// Adds a distributor with its first user and the project `Ungroup`. Sales only.
#[utoipa::path(
    post, path = "/api/v1/distributors", request_body = NewDistributor,
    responses(
        (status = 201, body = DistributorBody), (status = 403, body = ProblemSchema),
        (status = 409, body = ProblemSchema), (status = 422, body = ProblemSchema),
    )
)]
pub(crate) async fn add_distributor(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Body(new): Body<NewDistributor>,
) -> Result<Response, ApiProblem> {
    let (distributor, link_token) = app
        .desk(move |desk| {
            let password = new.password.as_deref();
            desk.add_distributor_under(
                &signed_in.actor,
                new.parent_id,
                &new.name,
                &new.email,
                password,
            )
        })
        .await?;
    let body = DistributorBody {
        link_token,
        ..DistributorBody::from(distributor)
    };
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// What a distributor has of one kind.
#[derive(Serialize, ToSchema)]
pub(crate) struct BalanceBody {
    /// What may still be licensed.
    available: i64,
    /// All that was ever granted.
    granted: i64,
}

fn balance_body(balances: Vec<Balance>) -> Json<BTreeMap<String, BalanceBody>> {
    let pairs = balances.into_iter().map(|balance| {
        let body = BalanceBody {
            available: balance.available,
            granted: balance.granted,
        };
        (balance.kind, body)
    });
    Json(pairs.collect())
}

/// What a distributor has, by kind of channel.
#[utoipa::path(
    get, path = "/api/v1/distributors/{id}/balance", params(("id" = String, Path)),
    responses(
        (status = 200, body = BTreeMap<String, BalanceBody>), (status = 404, body = ProblemSchema),
    )
)]
pub(crate) async fn balance(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Id(id): Id<DistributorId>,
) -> Result<Json<BTreeMap<String, BalanceBody>>, ApiProblem> {
    let balances = app
        .desk(move |desk| desk.balances(&signed_in.actor, id))
        .await?;
    Ok(balance_body(balances))
}

/// Channels for a distributor.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Grant {
    /// How many of each kind, for example `{"camera": 100}`.
    #[schema(value_type = BTreeMap<String, u32>)]
    counts: Counts,
    /// For people, for example the order's number.
    #[serde(default)]
    note: String,
    /// The same key counts once, however often it is sent.
    idempotency_key: Option<String>,
}

/// Gives channels to a distributor; answers with its balance. Sales only.
#[utoipa::path(
    post, path = "/api/v1/distributors/{id}/grants", params(("id" = String, Path)),
    request_body = Grant,
    responses(
        (status = 201, body = BTreeMap<String, BalanceBody>), (status = 403, body = ProblemSchema),
        (status = 404, body = ProblemSchema), (status = 422, body = ProblemSchema),
    )
)]
pub(crate) async fn grant(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Id(id): Id<DistributorId>,
    Body(grant): Body<Grant>,
) -> Result<Response, ApiProblem> {
    let balances = app
        .desk(move |desk| {
            let key = grant.idempotency_key.as_deref();
            desk.grant(&signed_in.actor, id, &grant.counts, &grant.note, key)
        })
        .await?;
    Ok((StatusCode::CREATED, balance_body(balances)).into_response())
}
