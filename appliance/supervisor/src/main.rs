//! `sealgate-supervisor`: runs the box, or closes its camera ports before the network is up.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sealgate_base::{Shutdown, set_up_logs};
use sealgate_supervisor::config::Config;
use sealgate_supervisor::{close_gate, run};

/// The licensing supervisor of a Sealgate box.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file.
    #[arg(long, default_value = "/etc/sealgate/supervisor.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Closes the gate on every camera port and ends. A gate that is set already keeps
    /// its admitted cameras.
    CloseGate,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match start(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sealgate-supervisor: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &Arguments) -> anyhow::Result<()> {
    let config = Config::read(&arguments.config)?;
    set_up_logs("info,tss_esapi=warn")?;
    // Two threads do: the TPM has a thread of its own, and so have blocking calls.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match arguments.command {
            Some(Command::CloseGate) => close_gate(&config).await,
            None => {
                let (_trigger, shutdown) = Shutdown::on_signals()?;
                run(config, shutdown).await
            }
        }
    })
}
