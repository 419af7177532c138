//! The license: state, request, import.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::response::Response;
use serde::Deserialize;

use super::ApiResult;
use crate::body;
use crate::download::download;
use crate::errors::{ProblemSchema, unreadable};
use crate::rooms::{ImportView, LicenseEventView, LicenseRoom, LicenseView};

/// The license in use, the places on it, and the TPM.
#[utoipa::path(get, path = "/api/v1/license", tag = "license", security(("session" = [])),
    responses((status = 200, body = LicenseView), (status = 401, body = ProblemSchema)))]
pub(crate) async fn show(State(license): State<Arc<dyn LicenseRoom>>) -> Json<LicenseView> {
    Json(license.status().await)
}

/// What became of licenses on this box.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct LicenseHistory {
    /// The newest first.
    events: Vec<LicenseEventView>,
}

/// Imports and requests of this box.
#[utoipa::path(get, path = "/api/v1/license/history", tag = "license", security(("session" = [])),
    responses((status = 200, body = LicenseHistory), (status = 401, body = ProblemSchema)))]
pub(crate) async fn history(
    State(license): State<Arc<dyn LicenseRoom>>,
) -> ApiResult<Json<LicenseHistory>> {
    let events = license.history().await?;
    Ok(Json(LicenseHistory { events }))
}

/// Makes a request file for the distributor.
#[utoipa::path(post, path = "/api/v1/license/request", tag = "license", security(("session" = [])),
    responses(
        (status = 200, description = "The request file",
            content_type = "application/vnd.sealgate.request.v1+json", body = Vec<u8>),
        (status = 503, description = "SG-TPM-…: the TPM can't prove what it must", body = ProblemSchema)))]
pub(crate) async fn request(State(license): State<Arc<dyn LicenseRoom>>) -> ApiResult<Response> {
    Ok(download(license.export_request().await?))
}

/// See [`import`].
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportQuery {
    /// Only check the file, and say what it would change.
    #[serde(default)]
    dry_run: bool,
}

/// Checks a license file and puts it into use. A refused file changes nothing.
#[utoipa::path(post, path = "/api/v1/license/import", tag = "license", security(("session" = [])),
    params(ImportQuery),
    request_body(content = Vec<u8>, description = "The license file, at most 1 MiB",
        content_type = "application/octet-stream"),
    responses(
        (status = 200, body = ImportView),
        (status = 413, description = "SG-DOC-003: larger than 1 MiB", body = ProblemSchema),
        (status = 422, description = "SG-DOC-…, SG-LIC-…: the file can't be used here", body = ProblemSchema),
        (status = 503, description = "SG-TPM-…: the TPM does not answer as it should", body = ProblemSchema)))]
pub(crate) async fn import(
    State(license): State<Arc<dyn LicenseRoom>>,
    query: Result<Query<ImportQuery>, QueryRejection>,
    request: Request,
) -> ApiResult<Json<ImportView>> {
    let Query(query) = query.map_err(|error| unreadable(&error.body_text()))?;
    let document = body::document(request).await?;
    Ok(Json(license.import(&document, query.dry_run).await?))
}

/// Says that the clock of the box is right. A license with dates is not used while the
/// clock and the TPM's running time disagree; without one, nothing happens.
#[utoipa::path(post, path = "/api/v1/license/clock", tag = "license", security(("session" = [])),
    responses(
        (status = 200, body = LicenseView),
        (status = 422, description = "SG-LIC-030: the clock is behind what the TPM attests", body = ProblemSchema),
        (status = 503, description = "SG-TPM-…: the TPM does not answer as it should", body = ProblemSchema)))]
pub(crate) async fn confirm_clock(
    State(license): State<Arc<dyn LicenseRoom>>,
) -> ApiResult<Json<LicenseView>> {
    Ok(Json(license.confirm_clock().await?))
}
