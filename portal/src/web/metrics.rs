//! What a monitor reads: counts without names, as Prometheus text (exposition format 0.0.4).

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::App;
use super::problem::ApiProblem;
use super::session::SignedIn;
use crate::store::people::Totals;

/// Answers of this process by class: `2xx` to `5xx`.
#[derive(Debug, Default)]
pub(crate) struct Answers([AtomicU64; 4]);

impl Answers {
    pub(super) fn count(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100);
        if let Some(counter) = class.checked_sub(2).and_then(|index| self.0.get(index)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// `GET /metrics`.
pub(crate) async fn show(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
) -> Response {
    let read = app.desk(move |desk| desk.totals(&signed_in.actor)).await;
    match read {
        Ok(totals) => (
            [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
            text(&totals, &app.answers),
        )
            .into_response(),
        Err(error) => ApiProblem::from(error).into_response(),
    }
}

fn text(totals: &Totals, answers: &Answers) -> String {
    let mut text = String::from(
        "# HELP sealgate_portal_stored How many of a kind the database holds.\n\
         # TYPE sealgate_portal_stored gauge\n",
    );
    for (kind, count) in &totals.counts {
        // Writing to a string does not fail.
        let _ = writeln!(text, "sealgate_portal_stored{{kind=\"{kind}\"}} {count}");
    }
    text += "# HELP sealgate_portal_answers_total Answers of this process, by class of status.\n\
             # TYPE sealgate_portal_answers_total counter\n";
    for (class, counter) in (2..).zip(&answers.0) {
        let count = counter.load(Ordering::Relaxed);
        let _ = writeln!(
            text,
            "sealgate_portal_answers_total{{class=\"{class}xx\"}} {count}"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_what_prometheus_reads() {
        let answers = Answers::default();
        for status in [StatusCode::OK, StatusCode::SEE_OTHER, StatusCode::OK] {
            answers.count(status);
        }
        let totals = Totals {
            counts: vec![("servers", 3)],
        };
        let text = text(&totals, &answers);
        for line in [
            "sealgate_portal_stored{kind=\"servers\"} 3",
            "sealgate_portal_answers_total{class=\"2xx\"} 2",
            "sealgate_portal_answers_total{class=\"3xx\"} 1",
            "sealgate_portal_answers_total{class=\"5xx\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert!(text.ends_with('\n'));
    }
}
