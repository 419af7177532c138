//! What the box is and how it is, in one answer.

use axum::extract::State;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiResult;
use crate::app::App;
use crate::rooms::{CameraState, RecordingStatus, Right};
use crate::session::{SignedIn, Visitor};

/// How far the box is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BoxState {
    /// The first password is not set yet.
    SetUpNeeded,
    /// Sign in.
    Ready,
}

/// Anybody sees name and state; the rest needs a session, or a token that may see.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatusView {
    /// What the owner calls the box.
    name: String,
    /// How far it is.
    state: BoxState,
    /// Everything else.
    #[serde(flatten)]
    details: Option<StatusDetails>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatusDetails {
    model: String,
    serial: String,
    firmware: String,
    tpm_present: bool,
    license_ok: bool,
    /// `SG-STA-…`
    license_code: String,
    cameras: CameraTotals,
}

/// Cameras, counted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct CameraTotals {
    /// Seen, or with a channel.
    pub(crate) found: usize,
    /// Their video passes.
    pub(crate) admitted: usize,
    /// Their frames are being written.
    pub(crate) recording: usize,
}

impl CameraTotals {
    pub(crate) fn of(cameras: &[crate::rooms::CameraView]) -> Self {
        let admitted = || {
            cameras
                .iter()
                .filter(|camera| camera.state == CameraState::Admitted)
        };
        Self {
            found: cameras.len(),
            admitted: admitted().count(),
            recording: admitted()
                .filter_map(|camera| camera.recording.as_ref())
                .filter(|recording| recording.status == RecordingStatus::Recording)
                .count(),
        }
    }
}

/// Name and state of the box; with a session, everything at a glance.
#[utoipa::path(get, path = "/api/v1/status", tag = "box",
    responses((status = 200, body = StatusView)))]
pub(crate) async fn show(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
) -> ApiResult<Json<StatusView>> {
    let may_see = |session: &SignedIn| session.check(Right::See).is_ok();
    let details = if visitor.session.as_ref().is_some_and(may_see) {
        let license = app.rooms.license.status().await;
        let cameras = app.rooms.cameras.list().await?;
        Some(StatusDetails {
            model: app.rooms.identity.model.clone(),
            serial: app.rooms.identity.serial.clone(),
            firmware: app.rooms.identity.firmware.clone(),
            tpm_present: license.tpm.present,
            license_ok: license.ok,
            license_code: license.state.code,
            cameras: CameraTotals::of(&cameras),
        })
    } else {
        None
    };
    let state = if app.rooms.setup.is_done().await {
        BoxState::Ready
    } else {
        BoxState::SetUpNeeded
    };
    Ok(Json(StatusView {
        name: app.rooms.identity.name.clone(),
        state,
        details,
    }))
}

/// `GET /healthz`: the pages answer.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}
