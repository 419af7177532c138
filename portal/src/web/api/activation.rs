//! Online activation: a box shows its claim code and its request.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::ProblemSchema;
use super::body::Body;
use super::licenses::IssuanceBody;
use crate::web::App;
use crate::web::problem::ApiProblem;

/// A box that fetches its license by itself.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Activation {
    /// From the distributor; spaces, hyphens and case don't matter.
    code: String,
    /// The box's request file, as text.
    request: String,
}

/// Makes the license that was ordered for a claim code. Needs no session: the code is the
/// right. The same box may ask again, and gets the same file for the same request.
#[utoipa::path(
    post, path = "/api/v1/activations", request_body = Activation,
    responses(
        (status = 201, description = "A new license", body = IssuanceBody),
        (status = 200, description = "A file made before", body = IssuanceBody),
        (status = 409, body = ProblemSchema), (status = 413, body = ProblemSchema),
        (status = 422, body = ProblemSchema), (status = 503, body = ProblemSchema),
    )
)]
pub(crate) async fn activate(
    State(app): State<App>,
    Body(activation): Body<Activation>,
) -> Result<Response, ApiProblem> {
    let issuance = app
        .desk(move |desk| desk.activate(&activation.code, activation.request.as_bytes()))
        .await?;
    let status = if issuance.again {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok((status, Json(IssuanceBody::from(issuance))).into_response())
}
