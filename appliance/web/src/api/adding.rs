//! Cameras added by hand or by a list, passwords for many, one camera's facts.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use sealgate_camera::MacAddress;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{ApiResult, camera};
use crate::app::App;
use crate::body;
use crate::download::download;
use crate::errors::{ProblemSchema, unreadable};
use crate::rooms::{
    AddedList, CameraDetails, CheckView, PasswordVerdicts, TypedCamera, TypedPassword,
};

/// Passwords in one go.
pub(crate) const MAX_PASSWORDS: usize = 16;
/// Cameras in one go.
pub(crate) const MAX_CAMERAS: usize = 1024;

/// Asks a camera that is typed, and changes nothing.
#[utoipa::path(post, path = "/api/v1/cameras/check", tag = "cameras", security(("session" = [])),
    request_body = TypedCamera,
    responses((status = 200, body = CheckView), (status = 400, body = ProblemSchema)))]
pub(crate) async fn check(State(app): State<App>, request: Request) -> ApiResult<Json<CheckView>> {
    let typed: TypedCamera = body::required_json(request).await?;
    Ok(Json(app.rooms.adding.check_one(typed).await?))
}

/// Reads a list of cameras and changes nothing.
///
/// The body is CSV (RFC 4180), at most 1 MiB and 1024 lines: address or stream URL, name,
/// user name, password; or a first line that names the columns.
#[utoipa::path(post, path = "/api/v1/cameras/check-list", tag = "cameras", security(("session" = [])),
    request_body(content = String, content_type = "text/csv"),
    responses(
        (status = 200, body = CheckView),
        (status = 422, description = "SG-CAM-039: too long", body = ProblemSchema)))]
pub(crate) async fn check_list(
    State(app): State<App>,
    request: Request,
) -> ApiResult<Json<CheckView>> {
    let list = body::list(request).await?;
    Ok(Json(app.rooms.adding.check_list(&list).await?))
}

/// Which check is to be used.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddRequest {
    /// Its `id`.
    check: String,
}

/// How long a program waits for the end of a list: a thousand cameras, none of which answers.
const LONGEST_LIST: Duration = Duration::from_secs(3600);

/// Adds the cameras of a check that can be added; once. Answers when all were asked and all
/// that answered are added.
#[utoipa::path(post, path = "/api/v1/cameras/add", tag = "cameras", security(("session" = [])),
    request_body = AddRequest,
    responses(
        (status = 200, body = AddedList),
        (status = 409, description = "SG-CAM-062: used already, or too old", body = ProblemSchema)))]
pub(crate) async fn add(State(app): State<App>, request: Request) -> ApiResult<Json<AddedList>> {
    let asked: AddRequest = body::required_json(request).await?;
    app.rooms.adding.add(&asked.check).await?;
    let came = app.rooms.adding.added(&asked.check, LONGEST_LIST).await?;
    let added = came.added.unwrap_or_default();
    Ok(Json(AddedList { added }))
}

/// Every camera as a list that can be read again, without passwords.
#[utoipa::path(get, path = "/api/v1/cameras/list", tag = "cameras", security(("session" = [])),
    responses((status = 200, content_type = "text/csv", body = String)))]
pub(crate) async fn export(State(app): State<App>) -> ApiResult<Response> {
    Ok(download(app.rooms.adding.export().await?))
}

/// What is tried where.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordRequest {
    /// MAC addresses, at most 1024.
    #[schema(value_type = Vec<String>)]
    cameras: Vec<MacAddress>,
    /// At most 16, tried in this order.
    passwords: Vec<TypedPassword>,
}

/// Tries passwords at cameras, at most four that are refused at each, and remembers each that
/// fits.
#[utoipa::path(post, path = "/api/v1/cameras/passwords", tag = "cameras", security(("session" = [])),
    request_body = PasswordRequest,
    responses((status = 200, body = PasswordVerdicts), (status = 400, body = ProblemSchema)))]
pub(crate) async fn passwords(
    State(app): State<App>,
    request: Request,
) -> ApiResult<Json<PasswordVerdicts>> {
    let asked: PasswordRequest = body::required_json(request).await?;
    let (cameras, passwords) = (asked.cameras.len(), asked.passwords.len());
    if cameras > MAX_CAMERAS || !(1..=MAX_PASSWORDS).contains(&passwords) {
        return Err(unreadable("it takes up to 1024 cameras and 1 to 16 passwords").into());
    }
    let verdicts = app
        .rooms
        .adding
        .try_passwords(asked.cameras, asked.passwords)
        .await?;
    Ok(Json(PasswordVerdicts { verdicts }))
}

/// What is known of a camera besides its row.
#[utoipa::path(get, path = "/api/v1/channels/{camera}/details", tag = "cameras", security(("session" = [])),
    params(("camera" = String, Path, example = "020000000a01-1")),
    responses(
        (status = 200, body = CameraDetails),
        (status = 404, description = "SG-CAM-004: never seen", body = ProblemSchema)))]
pub(crate) async fn details(
    State(app): State<App>,
    Path(id): Path<String>,
) -> ApiResult<Json<CameraDetails>> {
    Ok(Json(app.rooms.adding.details(camera(&id)?).await?))
}
