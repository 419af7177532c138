//! `sealgate-portal serve`.

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use sealgate_license::vendor::Flavour;
use tracing_subscriber::EnvFilter;

use super::{CliError, FlavourArg, PlaceArgs, welcome_link};
use crate::desk::{
    Desk, FirstAdmin, OpenError, PASSWORD_LINK_HOURS, Places, fill_demo, initialise, system_clock,
};
use crate::signer::{self, Signer};
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
    /// At the first start: a lab portal with keys of its own, and distributors, projects,
    /// servers and licenses to look at.
    #[arg(long)]
    demo: bool,
}

pub(super) fn run(serve: Serve) -> Result<(), CliError> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let places = serve.places.places()?;
    let flavour = serve.flavour.map(Into::into);
    let desk = match Desk::open(&places, flavour, system_clock()) {
        Err(OpenError::NotInitialised { .. }) => {
            let url = serve.public_url.clone();
            let url = url.unwrap_or_else(|| format!("http://{}", serve.listen));
            first_start(&places, flavour, serve.demo, &url)?
        }
        other => other?,
    };
    let desk = Arc::new(desk);
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

/// The address of the first admin where none was named.
const FIRST_ADMIN: &str = "admin@localhost";

/// Makes the database, and prints where the first admin chooses a password.
fn first_start(
    places: &Places,
    flavour: Option<Flavour>,
    demo: bool,
    url: &str,
) -> Result<Desk, CliError> {
    let now = Timestamp::now();
    let mut rng = rand::rng();
    let flavour = match (demo, flavour) {
        (true, Some(Flavour::Product)) => {
            return Err(OpenError::OtherFlavour {
                expected: Flavour::Product,
                found: Flavour::Lab,
            }
            .into());
        }
        (true, _) => Flavour::Lab,
        (false, flavour) => flavour.unwrap_or(Flavour::Product),
    };
    if demo && !places.keys.join(signer::ISSUING_KEY_FILE).exists() {
        signer::init(&places.keys, flavour, now, &mut rng)?;
    }
    // Without keys nothing is made: a portal that can't sign is none.
    drop(Signer::open(&places.keys, flavour)?);
    let first = FirstAdmin::ByLink;
    let made = initialise(places, flavour, FIRST_ADMIN, &first, now, &mut rng)?;
    let desk = Desk::open(places, Some(flavour), system_clock())?;
    let token = made.link_token.unwrap_or_default();
    println!("First start. {FIRST_ADMIN} chooses a password within {PASSWORD_LINK_HOURS} hours at");
    println!("  {}", welcome_link(url, &token));
    if demo {
        for (email, token) in fill_demo(&desk, FIRST_ADMIN)?.links {
            println!("Demo data: {email} chooses one at");
            println!("  {}", welcome_link(url, &token));
        }
    }
    Ok(desk)
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
