//! `sealgate-portal serve`.

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use tracing_subscriber::EnvFilter;

use super::{CliError, FlavourArg, PlaceArgs};
use crate::desk::{Desk, system_clock};
use crate::web::{self, WebSettings};

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    places: PlaceArgs,
    /// Address and port. It speaks plain HTTP: put a proxy with TLS in front, and keep
    /// this on loopback. Port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8480")]
    listen: SocketAddr,
    /// Refuse to start unless the portal is of this flavour.
    #[arg(long, value_enum)]
    flavour: Option<FlavourArg>,
    /// People's address of the portal, for example https://license.example.com. With
    /// https, the session cookie is sent over TLS only.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
}

pub(super) fn run(serve: Serve) -> Result<(), CliError> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let places = serve.places.places()?;
    let desk = Arc::new(Desk::open(
        &places,
        serve.flavour.map(Into::into),
        system_clock(),
    )?);
    let settings = WebSettings {
        public_url: serve.public_url,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(io("starting"))?;
    runtime.block_on(async move {
        let listener = tokio::net::TcpListener::bind(serve.listen)
            .await
            .map_err(io(&format!("listening on {}", serve.listen)))?;
        let address = listener.local_addr().map_err(io("listening"))?;
        let flavour = desk.flavour();
        let router = web::router(desk, settings);
        println!("sealgate-portal ({flavour}) ready at http://{address}");
        std::io::stdout().flush().map_err(io("writing"))?;
        axum::serve(
            listener,
            router.into_make_service_with_connect_info::<SocketAddr>(),
        )
        .with_graceful_shutdown(asked_to_stop())
        .await
        .map_err(io("serving"))
    })
}

fn io(what: &str) -> impl FnOnce(std::io::Error) -> CliError {
    let what = what.to_owned();
    move |source| CliError::Io { what, source }
}

/// Resolves on SIGTERM or SIGINT; requests under way are finished.
async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::warn!("signals can't be caught: only a kill ends this process");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
}
