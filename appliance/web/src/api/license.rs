//! The license: state, request, import.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::response::Response;
use serde::Deserialize;

use super::ApiResult;
use crate::app::App;
use crate::body;
use crate::download::download;
use crate::errors::{ProblemSchema, unreadable};
use crate::rooms::{ImportView, LicenseView};

/// The license in use, the places on it, and the TPM.
#[utoipa::path(get, path = "/api/v1/license", tag = "license", security(("session" = [])),
    responses((status = 200, body = LicenseView), (status = 401, body = ProblemSchema)))]
pub(crate) async fn show(State(app): State<App>) -> Json<LicenseView> {
    Json(app.rooms.license.status().await)
}

/// Makes a request file for the distributor.
#[utoipa::path(post, path = "/api/v1/license/request", tag = "license", security(("session" = [])),
    responses(
        (status = 200, description = "The request file",
            content_type = "application/vnd.sealgate.request.v1+json", body = Vec<u8>),
        (status = 503, description = "SG-TPM-…: the TPM can't prove what it must", body = ProblemSchema)))]
pub(crate) async fn request(State(app): State<App>) -> ApiResult<Response> {
    Ok(download(app.rooms.license.export_request().await?))
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
    State(app): State<App>,
    query: Result<Query<ImportQuery>, QueryRejection>,
    request: Request,
) -> ApiResult<Json<ImportView>> {
    let Query(query) = query.map_err(|error| unreadable(&error.body_text()))?;
    let document = body::document(request).await?;
    Ok(Json(
        app.rooms.license.import(&document, query.dry_run).await?,
    ))
}
