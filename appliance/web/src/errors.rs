//! One problem, as HTTP: the only place that maps codes to statuses.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use sealgate_words::{Problem, catalog};
use utoipa::ToSchema;

/// [`Problem`] as the API description shows it.
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct ProblemSchema {
    /// Stable, for example `SG-LIC-010`.
    code: String,
    /// What is wrong.
    cause: String,
    /// What that does to recording.
    effect: String,
    /// What to do.
    cure: String,
    /// Who can do it: `you`, `distributor`, `support` or `nobody`.
    owner: String,
    /// Finds this occurrence in the log.
    reference: Option<String>,
}

/// The HTTP status of a code.
pub(crate) fn status(code: &str) -> StatusCode {
    match code {
        "SG-SES-001" | "SG-SES-004" | "SG-SES-020" | "SG-SES-021" => StatusCode::UNAUTHORIZED,
        "SG-SES-002" | "SG-SES-007" | "SG-SES-008" | "SG-SES-022" | "SG-SES-028" | "SG-SES-030"
        | "SG-SES-031" => StatusCode::FORBIDDEN,
        "SG-SES-003" | "SG-SES-023" | "SG-SES-025" => StatusCode::CONFLICT,
        "SG-SES-005" | "SG-SES-027" => StatusCode::TOO_MANY_REQUESTS,
        "SG-API-010" => StatusCode::MISDIRECTED_REQUEST,
        "SG-API-001" => StatusCode::BAD_REQUEST,
        "SG-API-002" | "SG-CAM-004" | "SG-REC-006" | "SG-REC-007" | "SG-REC-013" => {
            StatusCode::NOT_FOUND
        }
        "SG-API-003" => StatusCode::INTERNAL_SERVER_ERROR,
        "SG-API-004" | "SG-DOC-003" => StatusCode::PAYLOAD_TOO_LARGE,
        "SG-API-005" | "SG-LIC-031" => StatusCode::FORBIDDEN,
        "SG-API-006" => StatusCode::METHOD_NOT_ALLOWED,
        // The TPM or the recorder does not answer as it should: not the request's fault.
        "SG-API-011" | "SG-LIC-014" | "SG-LIC-017" | "SG-REC-001" | "SG-REC-003" | "SG-REC-009"
        | "SG-REC-012" => StatusCode::SERVICE_UNAVAILABLE,
        "SG-CAM-010" | "SG-REC-004" => StatusCode::INTERNAL_SERVER_ERROR,
        "SG-CAM-005" | "SG-CAM-006" | "SG-CAM-039" | "SG-CAM-055" | "SG-CAM-061" | "SG-REC-008" => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        "SG-UPD-010" => StatusCode::CONFLICT,
        "SG-UPD-011" => StatusCode::INTERNAL_SERVER_ERROR,
        "SG-UPD-012" | "SG-UPD-013" => StatusCode::SERVICE_UNAVAILABLE,
        _ => match code.get(..7) {
            Some("SG-SES-" | "SG-DOC-" | "SG-LIC-" | "SG-UPD-") => StatusCode::UNPROCESSABLE_ENTITY,
            Some("SG-TPM-") => StatusCode::SERVICE_UNAVAILABLE,
            Some("SG-CAM-" | "SG-REC-" | "SG-STA-") => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        },
    }
}

/// A catalog entry as a problem. For codes that stand in the catalog.
pub(crate) fn problem(code: &'static str, values: &[(&str, &str)]) -> Problem {
    catalog::find(code)
        .expect("codes named in this crate are in the catalog: a test walks them")
        .problem(values)
}

/// A request that can't be read (`SG-API-001`).
pub(crate) fn unreadable(detail: &str) -> Problem {
    problem("SG-API-001", &[("detail", detail)])
}

/// There is no such thing (`SG-API-002`).
pub(crate) fn missing(object: &str) -> Problem {
    problem("SG-API-002", &[("object", object)])
}

/// Logs a fault of the box's own and gives the problem (`SG-API-003`) that names the log entry.
pub fn internal_fault(operation: &str, error: &dyn std::error::Error) -> Problem {
    let reference = format!("{:016x}", rand::random::<u64>());
    let mut causes = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        causes.push_str(": ");
        causes.push_str(&error.to_string());
        source = error.source();
    }
    tracing::error!(operation, causes, reference, "an operation failed");
    let mut problem = problem("SG-API-003", &[("operation", operation)]);
    problem.reference = Some(reference);
    problem
}

/// A problem as the API answers it.
#[derive(Debug)]
pub(crate) struct ApiProblem(pub(crate) Problem);

impl From<Problem> for ApiProblem {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for ApiProblem {
    fn into_response(self) -> Response {
        let status = status(&self.0.code);
        let mut response = (status, Json(&self.0)).into_response();
        add_headers(&mut response, status);
        response
    }
}

/// What a status asks for besides the words.
pub(crate) fn add_headers(response: &mut Response, status: StatusCode) {
    let headers = response.headers_mut();
    match status {
        StatusCode::UNAUTHORIZED => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        StatusCode::TOO_MANY_REQUESTS => {
            headers
                .entry(RETRY_AFTER)
                .or_insert(HeaderValue::from_static("5"));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_box_has_a_status_of_an_error() {
        for entry in catalog::all() {
            let status = status(entry.code);
            assert!(
                status.is_client_error() || status.is_server_error(),
                "{}: {status}",
                entry.code
            );
        }
    }

    #[test]
    fn the_codes_named_here_are_in_the_catalog() {
        for code in [
            "SG-SES-001",
            "SG-SES-002",
            "SG-SES-003",
            "SG-SES-004",
            "SG-SES-005",
            "SG-SES-006",
            "SG-SES-007",
            "SG-SES-008",
            "SG-SES-009",
            "SG-SES-020",
            "SG-SES-022",
            "SG-SES-027",
            "SG-SES-029",
            "SG-SES-030",
            "SG-SES-031",
            "SG-API-010",
            "SG-API-011",
            "SG-API-001",
            "SG-API-002",
            "SG-API-003",
            "SG-API-004",
            "SG-API-005",
            "SG-API-006",
            "SG-DOC-003",
            "SG-CAM-006",
            "SG-LIC-031",
        ] {
            assert_eq!(problem(code, &[]).code, code);
        }
    }
}
