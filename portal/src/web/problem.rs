//! One problem becomes JSON or a page, and a status: the only HTTP mapping there is.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sealgate_words::{Owner, Problem};

use crate::desk::DeskError;

/// A problem on its way out of the API.
#[derive(Debug)]
pub(crate) struct ApiProblem(pub(crate) Problem);

impl From<DeskError> for ApiProblem {
    fn from(error: DeskError) -> Self {
        Self(describe(&error))
    }
}

impl IntoResponse for ApiProblem {
    fn into_response(self) -> Response {
        let mut response = (status(&self.0.code), Json(&self.0)).into_response();
        if response.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"portal\""),
            );
        }
        response
    }
}

/// The words for an error. What somebody else has to act on goes to the log, with a
/// reference that leads there: the portal's own faults with their causes.
pub(crate) fn describe(error: &DeskError) -> Problem {
    let mut problem = error.problem();
    let reference = (super::guard::origin().reference)
        .unwrap_or_else(|| hex::encode(rand::random::<[u8; 6]>()));
    if error.is_fault() {
        let mut causes = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            causes = format!("{causes}: {cause}");
            source = cause.source();
        }
        tracing::error!(reference, code = problem.code, "{causes}");
        problem.reference = Some(reference);
    } else if matches!(problem.owner, Owner::Support | Owner::Distributor) {
        tracing::info!(reference, code = problem.code, "refused: {error}");
        problem.reference = Some(reference);
    }
    problem
}

/// The status of a code.
pub(crate) fn status(code: &str) -> StatusCode {
    match code {
        "SG-SES-001" | "SG-SES-004" | "SG-SES-020" | "SG-SES-021" => StatusCode::UNAUTHORIZED,
        "SG-SES-005" => StatusCode::TOO_MANY_REQUESTS,
        "SG-SES-007" | "SG-SES-026" | "SG-SES-030" | "SG-SES-031" | "SG-API-005" | "SG-POR-017"
        | "SG-POR-094" | "SG-POR-100" => StatusCode::FORBIDDEN,
        "SG-API-001" => StatusCode::BAD_REQUEST,
        "SG-API-002" => StatusCode::NOT_FOUND,
        "SG-API-003" => StatusCode::INTERNAL_SERVER_ERROR,
        "SG-API-004" | "SG-DOC-003" => StatusCode::PAYLOAD_TOO_LARGE,
        "SG-API-006" => StatusCode::METHOD_NOT_ALLOWED,
        "SG-POR-011" | "SG-POR-040" => StatusCode::SERVICE_UNAVAILABLE,
        "SG-POR-016" => StatusCode::GONE,
        "SG-POR-001" | "SG-POR-002" | "SG-POR-003" | "SG-POR-004" | "SG-POR-005" | "SG-POR-006"
        | "SG-POR-008" | "SG-POR-010" | "SG-POR-071" | "SG-POR-072" | "SG-POR-073"
        | "SG-POR-075" | "SG-POR-078" | "SG-POR-093" | "SG-POR-095" | "SG-POR-097"
        | "SG-POR-101" | "SG-POR-130" | "SG-POR-135" => StatusCode::CONFLICT,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}
