//! The application: every route, who may use it, and what stands around them.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use sealgate_base::{Clock, Shutdown};

use crate::rooms::Rooms;

/// The whole application.
pub fn router(_rooms: Rooms, _clock: Arc<dyn Clock>, _shutdown: Shutdown) -> Router {
    Router::new().route("/healthz", get(|| async { "ok\n" }))
}
