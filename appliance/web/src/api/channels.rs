//! What is done with many channels at once, and what a camera needs besides its stream.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use sealgate_camera::{CameraId, MacAddress};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ApiResult, camera};
use crate::app::App;
use crate::body;
use crate::download::download;
use crate::errors::{ApiProblem, ProblemSchema, missing, unreadable};
use crate::rooms::{CameraSettings, CameraVerdict, CameraView, FileDownload, ReplacementView};

/// The longest user name and password that are taken; ONVIF cameras take fewer.
const MAX_USER_CHARS: usize = 64;
const MAX_PASSWORD_CHARS: usize = 128;

/// What became of each camera.
#[derive(Serialize, ToSchema)]
pub(crate) struct CameraVerdicts {
    verdicts: Vec<CameraVerdict>,
}

/// Gives every camera that is seen and has no channel one, as long as there are places.
#[utoipa::path(post, path = "/api/v1/cameras/assign-all", tag = "cameras", security(("session" = [])),
    responses((status = 200, body = CameraVerdicts), (status = 401, body = ProblemSchema)))]
pub(crate) async fn assign_all(State(app): State<App>) -> ApiResult<Json<CameraVerdicts>> {
    let verdicts = app.rooms.cameras.assign_all().await?;
    Ok(Json(CameraVerdicts { verdicts }))
}

/// The cameras that keep their places.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Preference {
    /// In no order; an empty list leaves it to the longest-held places.
    #[schema(value_type = Vec<String>)]
    cameras: Vec<CameraId>,
}

/// Makes these cameras keep their places before all others when there are fewer places.
#[utoipa::path(post, path = "/api/v1/cameras/prefer", tag = "cameras", security(("session" = [])),
    request_body = Preference,
    responses((status = 204, description = "Chosen"), (status = 400, body = ProblemSchema)))]
pub(crate) async fn prefer(State(app): State<App>, request: Request) -> ApiResult<StatusCode> {
    let asked: Preference = body::required_json(request).await?;
    app.rooms.cameras.prefer(asked.cameras).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a camera wants to be told.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CredentialRequest {
    user: String,
    password: String,
}

/// Remembers the user name and password that a camera wants. They are never shown again.
#[utoipa::path(put, path = "/api/v1/cameras/{mac}/credential", tag = "cameras", security(("session" = [])),
    params(("mac" = String, Path, example = "02:00:00:00:0a:01")),
    request_body = CredentialRequest,
    responses((status = 204, description = "Remembered"), (status = 400, body = ProblemSchema)))]
pub(crate) async fn set_credential(
    State(app): State<App>,
    Path(mac): Path<String>,
    request: Request,
) -> ApiResult<StatusCode> {
    let asked: CredentialRequest = body::required_json(request).await?;
    let fits = (1..=MAX_USER_CHARS).contains(&asked.user.chars().count())
        && asked.password.chars().count() <= MAX_PASSWORD_CHARS;
    if !fits {
        return Err(ApiProblem(unreadable(
            "a user name has 1 to 64 characters, a password up to 128",
        )));
    }
    let credential = Some((asked.user, asked.password));
    app.rooms
        .cameras
        .set_credential(mac_of(&mac)?, credential)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forgets the user name and password of a camera.
#[utoipa::path(delete, path = "/api/v1/cameras/{mac}/credential", tag = "cameras", security(("session" = [])),
    params(("mac" = String, Path, example = "02:00:00:00:0a:01")),
    responses((status = 204, description = "Forgotten")))]
pub(crate) async fn forget_credential(
    State(app): State<App>,
    Path(mac): Path<String>,
) -> ApiResult<StatusCode> {
    app.rooms
        .cameras
        .set_credential(mac_of(&mac)?, None)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The camera that takes over.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplaceRequest {
    /// MAC address of the new camera, which is seen and has no channel.
    #[schema(value_type = String, example = "02:00:00:00:0a:02")]
    by: MacAddress,
}

/// The channels that moved.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReplacedCameras {
    cameras: Vec<CameraView>,
}

/// Gives the channels of a broken camera to another, with name, age and settings.
#[utoipa::path(post, path = "/api/v1/cameras/{mac}/replace", tag = "cameras", security(("session" = [])),
    params(("mac" = String, Path, example = "02:00:00:00:0a:01")),
    request_body = ReplaceRequest,
    responses(
        (status = 200, body = ReplacedCameras),
        (status = 409, description = "SG-CAM-051 to SG-CAM-054", body = ProblemSchema)))]
pub(crate) async fn replace(
    State(app): State<App>,
    Path(mac): Path<String>,
    request: Request,
) -> ApiResult<Json<ReplacedCameras>> {
    let asked: ReplaceRequest = body::required_json(request).await?;
    let cameras = app.rooms.cameras.replace(mac_of(&mac)?, asked.by).await?;
    Ok(Json(ReplacedCameras { cameras }))
}

/// Every camera that was replaced.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReplacementList {
    replacements: Vec<ReplacementView>,
}

/// Every camera that was replaced, the oldest first, each with its signed statement.
#[utoipa::path(get, path = "/api/v1/replacements", tag = "cameras", security(("session" = [])),
    responses((status = 200, body = ReplacementList)))]
pub(crate) async fn replacements(State(app): State<App>) -> Json<ReplacementList> {
    Json(ReplacementList {
        replacements: app.rooms.cameras.replacements(),
    })
}

/// One replacement's statement as a file.
#[utoipa::path(get, path = "/api/v1/replacements/{number}", tag = "cameras", security(("session" = [])),
    params(("number" = u32, Path)),
    responses(
        (status = 200, content_type = "application/vnd.sealgate.statement.v1+json", body = Vec<u8>),
        (status = 404, body = ProblemSchema)))]
pub(crate) async fn statement(
    State(app): State<App>,
    Path(number): Path<String>,
) -> ApiResult<Response> {
    let replacements = app.rooms.cameras.replacements();
    let found = replacements
        .into_iter()
        .find(|replacement| replacement.number.to_string() == number)
        .ok_or_else(|| ApiProblem(missing("replacement")))?;
    Ok(download(FileDownload {
        file_name: format!("replacement-{:04}.sgs", found.number),
        content_type: "application/vnd.sealgate.statement.v1+json",
        bytes: found.statement.into(),
    }))
}

fn mac_of(text: &str) -> Result<MacAddress, ApiProblem> {
    text.parse().map_err(|_| ApiProblem(missing("camera")))
}

/// How a camera with a channel is named, recorded and kept.
#[utoipa::path(get, path = "/api/v1/channels/{camera}/settings", tag = "cameras", security(("session" = [])),
    params(("camera" = String, Path, example = "020000000a01-1")),
    responses(
        (status = 200, body = CameraSettings),
        (status = 409, description = "SG-CAM-051: it has no channel", body = ProblemSchema)))]
pub(crate) async fn settings(
    State(app): State<App>,
    Path(id): Path<String>,
) -> ApiResult<Json<CameraSettings>> {
    Ok(Json(app.rooms.cameras.settings(camera(&id)?).await?))
}

/// Names a camera with a channel, and says how it is recorded and kept.
#[utoipa::path(put, path = "/api/v1/channels/{camera}/settings", tag = "cameras", security(("session" = [])),
    params(("camera" = String, Path, example = "020000000a01-1")),
    request_body = CameraSettings,
    responses(
        (status = 200, body = CameraView),
        (status = 409, description = "SG-CAM-051: it has no channel", body = ProblemSchema),
        (status = 422, description = "SG-CAM-055: settings that can't be", body = ProblemSchema)))]
pub(crate) async fn configure(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> ApiResult<Json<CameraView>> {
    let camera = camera(&id)?;
    let asked: CameraSettings = body::required_json(request).await?;
    Ok(Json(app.rooms.cameras.configure(camera, asked).await?))
}
