//! `sealgate-recorder`: the recorder's process.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use sealgate_base::{Shutdown, SystemClock, service, set_up_logs};
use sealgate_recorder::{Config, Recorder, RtspSource, Server};

/// Records the cameras that the supervisor names, and shows them live.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// The configuration file.
    #[arg(long, default_value = "/etc/sealgate/recorder.toml")]
    config: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let config = Config::read(&options.config)?;
    set_up_logs(&config.log)?;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("the runtime could not be started")?
        .block_on(run(config))
}

async fn run(config: Config) -> anyhow::Result<()> {
    let (_trigger, shutdown) = Shutdown::on_signals().context("signals can't be received")?;
    let recorder = Arc::new(Recorder::start(
        config.settings(),
        Arc::new(SystemClock::new()),
        Box::new(|stream| Arc::new(RtspSource::new(stream))),
    )?);
    let server = Server::bind(&config.socket)?;
    service::ready();
    tracing::info!(socket = %config.socket.display(), "ready");
    tokio::select! {
        () = server.serve(&recorder, shutdown.clone()) => {}
        () = service::feed_watchdog(shutdown, || recorder.is_alive()) => {}
    }
    service::stopping();
    recorder.stop().await;
    tracing::info!("every recording is finished");
    Ok(())
}
