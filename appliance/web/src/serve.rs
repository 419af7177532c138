//! The HTTPS listener.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::TokioTimer;
use sealgate_base::{Clock, Shutdown};

use crate::rooms::Rooms;
use crate::tls::TlsMaterial;

/// How long open requests get to finish when the box shuts down.
const DRAIN: Duration = Duration::from_secs(3);

/// How long a client may take to send the head of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// Where and how to listen.
#[derive(Clone)]
pub struct WebConfig {
    /// For example `0.0.0.0:443`.
    pub listen: SocketAddr,
    /// Certificate and key.
    pub tls: TlsMaterial,
    /// Ends sessions and times back-off.
    pub clock: Arc<dyn Clock>,
}

/// Why the pages can't be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The certificate or its key can't be used.
    #[error("the certificate for the pages can't be used")]
    Tls(#[source] std::io::Error),
    /// The address can't be listened on.
    #[error("the pages can't be served on {listen}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Serves the pages and the API until the end comes.
///
/// # Errors
/// The certificate can't be used, or the address can't be listened on.
pub async fn serve(config: WebConfig, rooms: Rooms, shutdown: Shutdown) -> Result<(), ServeError> {
    let router = crate::app::router(rooms, Arc::clone(&config.clock), shutdown.clone());
    serve_router(config, router, shutdown).await
}

/// Serves this application until the end comes.
pub(crate) async fn serve_router(
    config: WebConfig,
    router: Router,
    shutdown: Shutdown,
) -> Result<(), ServeError> {
    // Another part of the process may have chosen the provider already; there is only one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let pem = config.tls.pem().to_vec();
    let tls = RustlsConfig::from_pem(pem.clone(), pem)
        .await
        .map_err(ServeError::Tls)?;
    let handle = Handle::new();
    let stop = handle.clone();
    let ending = shutdown.clone();
    tokio::spawn(async move {
        ending.requested().await;
        stop.graceful_shutdown(Some(DRAIN));
    });
    tracing::info!(listen = %config.listen, fingerprint = config.tls.fingerprint_sha256(), "serving the pages");
    // A live picture is one small message: it must not wait for the next one.
    let acceptor = RustlsAcceptor::new(tls).acceptor(NoDelayAcceptor::new());
    let mut server = axum_server::bind(config.listen)
        .acceptor(acceptor)
        .handle(handle);
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT);
    server
        .serve(router.into_make_service_with_connect_info::<SocketAddr>())
        .await
        .map_err(|source| ServeError::Listen {
            listen: config.listen,
            source,
        })
}
