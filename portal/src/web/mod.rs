//! The portal over HTTP: pages that work without scripts, and a JSON API.
//!
//! Invariants: every route stands in `routes`, with who may use it, and the router
//! enforces exactly that; every form carries its session's proof; every answer carries
//! the strict headers. HTTP statuses are decided in `problem` and nowhere else.
//!
//! Plain HTTP: a proxy in front speaks TLS, and the portal binds to loopback by default.

mod api;
mod guard;
mod metrics;
mod pages;
mod posted;
mod problem;
mod routes;
mod session;

use std::sync::Arc;

use axum::Router;

use crate::desk::{Desk, DeskError, origin};

pub use routes::{Access, RouteInfo, route_table};

/// The largest body: a document, and a form around it.
pub const MAX_BODY_BYTES: usize = sealgate_license::dsse::MAX_DOCUMENT_BYTES + 64 * 1024;

/// How the portal is reached.
#[derive(Debug, Clone, Default)]
pub struct WebSettings {
    /// People's address of the portal, for example `https://license.example.com`. With
    /// `https` the session cookie is sent over TLS only.
    pub public_url: Option<String>,
}

impl WebSettings {
    fn over_tls(&self) -> bool {
        (self.public_url.as_deref()).is_some_and(|url| url.starts_with("https://"))
    }
}

/// What every handler gets.
#[derive(Clone)]
pub(crate) struct App {
    desk: Arc<Desk>,
    settings: Arc<WebSettings>,
    answers: Arc<metrics::Answers>,
}

impl App {
    /// Does something at the desk, on a thread that may block.
    async fn desk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Desk) -> Result<T, DeskError> + Send + 'static,
    ) -> Result<T, DeskError> {
        let desk = Arc::clone(&self.desk);
        let origin = guard::origin();
        let work = move || origin::during(origin, || work(&desk));
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            // A panic was logged by its hook; to this caller the work was not done.
            Err(_) => Err(DeskError::Crashed),
        }
    }
}

/// The whole portal.
pub fn router(desk: Arc<Desk>, settings: WebSettings) -> Router {
    let app = App {
        desk,
        settings: Arc::new(settings),
        answers: Arc::default(),
    };
    guard::around(routes::router(&app), app)
}
