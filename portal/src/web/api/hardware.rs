//! Hardware that failed or is lost, and hardware that came back.

use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ProblemSchema;
use super::body::{Body, Id};
use crate::desk::{Hardware, WriteOffs};
use crate::rules::Counts;
use crate::store::{DistributorId, ServerId};
use crate::web::App;
use crate::web::problem::ApiProblem;
use crate::web::session::SignedIn;

/// How many channels a distributor may have written off at a time, and has.
#[derive(Serialize, ToSchema)]
pub(crate) struct WriteOffsBody {
    /// At most so many of each kind.
    #[schema(value_type = BTreeMap<String, u32>)]
    limit: Counts,
    /// So many are.
    #[schema(value_type = BTreeMap<String, u32>)]
    written_off: Counts,
}

impl From<WriteOffs> for WriteOffsBody {
    fn from(write_offs: WriteOffs) -> Self {
        Self {
            limit: write_offs.limit,
            written_off: write_offs.written_off,
        }
    }
}

/// A box that was written off or is back.
#[derive(Serialize, ToSchema)]
pub(crate) struct HardwareBody {
    /// Its serial number.
    serial: String,
    /// What it is charged now.
    #[schema(value_type = BTreeMap<String, u32>)]
    charged: Counts,
}

impl From<Hardware> for HardwareBody {
    fn from(hardware: Hardware) -> Self {
        Self {
            serial: hardware.serial,
            charged: hardware.charged,
        }
    }
}

/// How many channels may be written off at a time.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Limit {
    /// Of each kind, for example `{"camera": 64}`.
    #[schema(value_type = BTreeMap<String, u32>)]
    counts: Counts,
}

/// Why a box is written off.
#[derive(Deserialize, ToSchema)]
pub(crate) struct WriteOff {
    /// For people, for example the case's number.
    note: String,
}

/// A box that is back.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Return {
    /// A request that the box made after its counter was raised, as text.
    request: String,
    /// For people.
    note: String,
}

/// What a distributor may have written off, and has.
#[utoipa::path(
    get, path = "/api/v1/distributors/{id}/write-offs", params(("id" = String, Path)),
    responses((status = 200, body = WriteOffsBody), (status = 404, body = ProblemSchema))
)]
pub(crate) async fn write_offs(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Id(id): Id<DistributorId>,
) -> Result<Json<WriteOffsBody>, ApiProblem> {
    let write_offs = app
        .desk(move |desk| desk.write_offs(&signed_in.actor, id))
        .await?;
    Ok(Json(write_offs.into()))
}

/// Sets how much a distributor may have written off. Vendor staff only.
#[utoipa::path(
    put, path = "/api/v1/distributors/{id}/write-offs", params(("id" = String, Path)),
    request_body = Limit,
    responses(
        (status = 200, body = WriteOffsBody), (status = 403, body = ProblemSchema),
        (status = 404, body = ProblemSchema), (status = 422, body = ProblemSchema),
    )
)]
pub(crate) async fn set_limit(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Id(id): Id<DistributorId>,
    Body(limit): Body<Limit>,
) -> Result<Json<WriteOffsBody>, ApiProblem> {
    let write_offs = app
        .desk(move |desk| desk.set_write_off_limit(&signed_in.actor, id, &limit.counts))
        .await?;
    Ok(Json(write_offs.into()))
}

/// Writes off a server's box, so that its channels can be licensed to another one. Vendor
/// staff only.
#[utoipa::path(
    post, path = "/api/v1/servers/{id}/write-off", params(("id" = String, Path)),
    request_body = WriteOff,
    responses(
        (status = 200, body = HardwareBody), (status = 403, body = ProblemSchema),
        (status = 404, body = ProblemSchema), (status = 409, body = ProblemSchema),
        (status = 422, body = ProblemSchema),
    )
)]
pub(crate) async fn write_off(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Id(id): Id<ServerId>,
    Body(write_off): Body<WriteOff>,
) -> Result<Json<HardwareBody>, ApiProblem> {
    let hardware = app
        .desk(move |desk| desk.write_off(&signed_in.actor, id, &write_off.note))
        .await?;
    Ok(Json(hardware.into()))
}

/// Takes back a box that was written off. Vendor staff only.
#[utoipa::path(
    post, path = "/api/v1/hardware-returns", request_body = Return,
    responses(
        (status = 200, body = HardwareBody), (status = 403, body = ProblemSchema),
        (status = 404, body = ProblemSchema), (status = 409, body = ProblemSchema),
        (status = 422, body = ProblemSchema),
    )
)]
pub(crate) async fn back(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Body(back): Body<Return>,
) -> Result<Json<HardwareBody>, ApiProblem> {
    let hardware = app
        .desk(move |desk| desk.hardware_back(&signed_in.actor, back.request.as_bytes(), &back.note))
        .await?;
    Ok(Json(hardware.into()))
}
