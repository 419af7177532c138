//! `GET /metrics`: figures in the text format of Prometheus (version 0.0.4).

use std::fmt::Write;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::status::CameraTotals;
use crate::app::App;

/// What can't be read now is left out, so that a graph shows a gap and not a zero.
pub(crate) async fn show(State(app): State<App>) -> Response {
    let mut text = String::new();
    let mut gauge = |name: &str, value: f64| {
        // Writing to a string can't fail.
        let _ = writeln!(text, "# TYPE {name} gauge\n{name} {value}");
    };
    let license = app.rooms.license.status().await;
    gauge("sealgate_license_ok", f64::from(u8::from(license.ok)));
    gauge("sealgate_license_places", license.places.total.into());
    gauge("sealgate_license_places_used", license.places.used.into());
    gauge(
        "sealgate_tpm_present",
        f64::from(u8::from(license.tpm.present)),
    );
    if let Ok(cameras) = app.rooms.cameras.list().await {
        let totals = CameraTotals::of(&cameras);
        gauge("sealgate_cameras_found", totals.found as f64);
        gauge("sealgate_cameras_admitted", totals.admitted as f64);
        gauge("sealgate_cameras_recording", totals.recording as f64);
    }
    if let Ok(storage) = app.rooms.recordings.status().await {
        gauge("sealgate_storage_free_bytes", storage.free_bytes as f64);
        gauge("sealgate_storage_size_bytes", storage.total_bytes as f64);
    }
    if let Ok(gate) = app.rooms.gate.counters().await {
        gauge("sealgate_gate_in_force", f64::from(u8::from(gate.in_force)));
        if !gate.counters.is_empty() {
            let _ = writeln!(text, "# TYPE sealgate_gate_packets_total counter");
        }
        for (name, counter) in &gate.counters {
            let name = name.replace(['"', '\\', '\n'], "_");
            let packets = counter.packets;
            let _ = writeln!(
                text,
                "sealgate_gate_packets_total{{counter=\"{name}\"}} {packets}"
            );
        }
    }
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(CONTENT_TYPE, kind)], text).into_response()
}
