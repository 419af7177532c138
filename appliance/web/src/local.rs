//! The license part of the API, and a way back in, for whoever works on the box itself: over
//! a Unix socket,
//! without a session, as the kernel says who asks. The handlers are the API's own, so
//! codes and words are the same.

use std::fs::{Permissions, metadata, remove_file, set_permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, FromRef, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::IncomingStream;
use axum::{Json, Router};
use sealgate_base::Shutdown;
use tokio::net::UnixListener;

use crate::api::license;
use crate::errors::{ApiProblem, missing, problem};
use crate::rooms::{LicenseRoom, Recovery};

/// Why the socket can't be served.
#[derive(Debug, thiserror::Error)]
#[error("the local API can't be served at {path}")]
pub struct LocalError {
    /// Where.
    path: PathBuf,
    /// Why.
    #[source]
    source: io::Error,
}

/// Who connected, as the kernel says (SO_PEERCRED, unix(7)).
#[derive(Debug, Clone, Copy)]
struct Peer {
    /// Root, or the user that serves.
    is_allowed: bool,
}

/// The user id that may ask beside root: the socket's owner.
#[derive(Debug, Clone, Copy)]
struct Owner(u32);

impl Connected<IncomingStream<'_, OwnedListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, OwnedListener>) -> Self {
        let uid = stream.io().peer_cred().map(|peer| peer.uid());
        let Owner(owner) = *stream.remote_addr();
        Self {
            is_allowed: uid.is_ok_and(|uid| uid == 0 || uid == owner),
        }
    }
}

/// A listener that knows whose it is.
struct OwnedListener {
    inner: UnixListener,
    owner: Owner,
}

impl axum::serve::Listener for OwnedListener {
    type Io = tokio::net::UnixStream;
    type Addr = Owner;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, _) = axum::serve::Listener::accept(&mut self.inner).await;
        (stream, self.owner)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.owner)
    }
}

/// Serves the socket until the end comes. A socket that an earlier process left is
/// replaced.
///
/// # Errors
/// The socket could not be made.
pub async fn serve_local(
    path: PathBuf,
    rooms: LocalRooms,
    shutdown: Shutdown,
) -> Result<(), LocalError> {
    let listener = match listen(&path) {
        Ok(listener) => listener,
        Err(source) => return Err(LocalError { path, source }),
    };
    tracing::info!(path = %path.display(), "serving the local API");
    let served = axum::serve(
        listener,
        router(rooms).into_make_service_with_connect_info::<Peer>(),
    )
    .with_graceful_shutdown(async move { shutdown.requested().await })
    .await;
    served.map_err(|source| LocalError { path, source })
}

fn listen(path: &Path) -> io::Result<OwnedListener> {
    match remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let inner = UnixListener::bind(path)?;
    // Who gets in before this is asked for by the peer's credentials all the same.
    set_permissions(path, Permissions::from_mode(0o600))?;
    let owner = Owner(metadata(path)?.uid());
    Ok(OwnedListener { inner, owner })
}

/// What can be asked on the box itself.
#[derive(Clone)]
pub struct LocalRooms {
    /// The license and the TPM it is bound to.
    pub license: Arc<dyn LicenseRoom>,
    /// A way back in for whoever lost the last admin's password.
    pub recovery: Arc<dyn Recovery>,
}

impl FromRef<LocalRooms> for Arc<dyn LicenseRoom> {
    fn from_ref(rooms: &LocalRooms) -> Self {
        Arc::clone(&rooms.license)
    }
}

/// A code that lets the pages restore an admin, as long as it is good.
async fn recover(State(rooms): State<LocalRooms>) -> impl IntoResponse {
    let code = rooms.recovery.begin().await;
    (
        StatusCode::CREATED,
        Json(serde_json::json!({ "code": code })),
    )
}

fn router(rooms: LocalRooms) -> Router {
    Router::new()
        .route("/api/v1/license", get(license::show))
        .route("/api/v1/license/request", post(license::request))
        .route("/api/v1/license/import", post(license::import))
        .route("/api/v1/license/clock", post(license::confirm_clock))
        .route("/api/v1/recovery", post(recover))
        .fallback(async || ApiProblem(missing("route")))
        .layer(from_fn(only_the_owner))
        .with_state(rooms)
}

async fn only_the_owner(
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    if peer.is_allowed {
        next.run(request).await
    } else {
        tracing::warn!("somebody without rights asked the local API");
        ApiProblem(problem("SG-LIC-031", &[])).into_response()
    }
}
