//! One problem, as HTTP: the only place that maps codes to statuses.

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

/// A catalog entry as a problem. For codes that stand in the catalog.
pub(crate) fn problem(code: &'static str, values: &[(&str, &str)]) -> Problem {
    catalog::find(code)
        .expect("codes named in this crate are in the catalog: a test walks them")
        .problem(values)
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
