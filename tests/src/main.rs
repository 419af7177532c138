//! `sealgate-lab`: the whole product on one machine, to look at or to check.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use sealgate_tests::journey::{self, Break};
use sealgate_tests::world::namespaces::remove_orphans;
use sealgate_tests::world::{Kind, Lab, Places, TpmChoice, relay};

/// The lab; scripts/run builds what it needs and starts it.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts cameras, portal and box; plays the journey if asked to.
    Run(Run),
    /// The half of a relay inside a namespace; started by the lab itself.
    #[command(hide = true)]
    RelayInside {
        /// Unix socket that connections come in by.
        #[arg(long)]
        socket: PathBuf,
        /// Where they go to.
        #[arg(long)]
        target: SocketAddr,
    },
}

#[derive(Debug, clap::Args)]
struct Run {
    /// The repository's build folder.
    #[arg(long, default_value = "build")]
    build: PathBuf,
    /// Plain processes in network namespaces instead of the image in QEMU.
    #[arg(long)]
    host: bool,
    /// Plays the journey without a person.
    #[arg(long)]
    check: bool,
    /// Where each step's evidence goes.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Breaks a part on purpose; the journey must fail at the right step.
    #[arg(long = "break", value_name = "PART")]
    broken: Option<Break>,
    /// Keeps logs and state of this run.
    #[arg(long)]
    keep: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Run(run) => run_lab(&run).await,
        Command::RelayInside { socket, target } => relay::run_inside(&socket, target)
            .await
            .map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("sealgate-lab: {error:#}");
        ExitCode::FAILURE
    })
}

/// Ends everything it started, whether it succeeds, fails or is interrupted: all of it
/// belongs to values that are dropped on the way out.
async fn run_lab(run: &Run) -> Result<ExitCode> {
    remove_orphans();
    let mut folder = tempfile::Builder::new()
        .prefix("sealgate-lab-")
        // Others must get through: the recorder is another user.
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir_in("/var/tmp")
        .context("make this run's folder")?;
    folder.disable_cleanup(run.keep);
    let build = std::path::absolute(&run.build).context("find the build folder")?;
    let binaries = std::env::current_exe().context("find ourselves")?;
    let places = Places {
        build,
        binaries: binaries
            .parent()
            .map_or_else(PathBuf::new, Path::to_path_buf),
        run: folder.path().to_owned(),
    };
    let outcome = tokio::select! {
        outcome = play(run, places) => outcome,
        interrupted = interrupted() => interrupted.map(|()| ExitCode::from(130)),
    };
    if run.keep {
        eprintln!(
            "Logs and state of this run are in {}",
            folder.path().display()
        );
    }
    outcome
}

async fn interrupted() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminated = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed.context("listen for Ctrl-C")?,
        _ = terminated.recv() => {}
    }
    eprintln!("\nStopping everything");
    Ok(())
}

async fn play(run: &Run, places: Places) -> Result<ExitCode> {
    let kind = if run.host { Kind::Host } else { Kind::Qemu };
    let tpm = match run.broken {
        Some(Break::Tpm) => TpmChoice::None,
        _ => TpmChoice::Own,
    };
    let mut lab = Lab::set_up(kind, places, tpm).await?;
    let report = journey::play(&mut lab, run.broken).await?;
    if let Some(file) = &run.json {
        report.write(file)?;
    }
    Ok(ExitCode::SUCCESS)
}
