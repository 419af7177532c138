//! `scripts/bench` builds and runs this.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use sealgate_tests::bench;
use sealgate_tests::world::relay;

#[derive(Parser)]
#[command(
    name = "scripts/bench",
    about = "Measures, beside others that do the same."
)]
struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Writes the figures to this file.
    #[arg(long, global = true)]
    json: Option<PathBuf>,
}

#[derive(Subcommand)]
enum What {
    /// Request, import, boot check, verification, the portal's check.
    License,
    /// What a packet pays for the kernel gate, and how fast it opens and closes.
    Gate,
    /// Many cameras recorded, beside ffmpeg and others.
    Record {
        /// How many cameras.
        #[arg(long, default_value_t = 64)]
        cameras: u16,
        /// The counted time, seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Another recorder, as NAME=PATH: mediamtx or moonfire.
        #[arg(long = "peer")]
        peers: Vec<bench::PeerPath>,
    },
    /// Glass to glass, one camera and nine, beside ffmpeg.
    Live {
        /// How long each view is watched, seconds.
        #[arg(long, default_value_t = 30)]
        seconds: u64,
    },
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

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let figures = match arguments.what {
        What::License => bench::license()?,
        What::Gate => bench::gate()?,
        What::Record {
            cameras,
            seconds,
            peers,
        } => bench::record(&bench::RecordOptions {
            cameras,
            seconds,
            peers,
        })?,
        What::Live { seconds } => bench::live(seconds)?,
        What::RelayInside { socket, target } => {
            let runtime = tokio::runtime::Runtime::new().context("start a runtime")?;
            runtime.block_on(relay::run_inside(&socket, target))?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    print!("{}", bench::table(&figures));
    if let Some(path) = arguments.json {
        let text = serde_json::to_string_pretty(&figures).context("write the figures as JSON")?;
        std::fs::write(&path, text + "\n").with_context(|| format!("write {}", path.display()))?;
    }
    let missed = figures.iter().filter(|figure| !figure.is_met()).count();
    println!("{} figures, {missed} goals missed", figures.len());
    Ok(if missed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
