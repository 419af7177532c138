//! `sealgate-lab`: the whole product on one machine, to look at or to check.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use sealgate_tests::boots;
use sealgate_tests::evidence::Report;
use sealgate_tests::import_once::ImportOnce;
use sealgate_tests::journey::{self, Break};
use sealgate_tests::model::{Configuration, configurations};
use sealgate_tests::never_deactivates;
use sealgate_tests::power_cuts;
use sealgate_tests::supervisor_kills;
use sealgate_tests::tour;
use sealgate_tests::world::namespaces::remove_orphans;
use sealgate_tests::world::process::last_lines;
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
    /// Boots one licensed disk and TPM in ever different boxes; the license must not notice.
    NeverDeactivates(NeverDeactivates),
    /// Records the disk's writes of an import, and replays each moment's power loss.
    PowerCuts(PowerCuts),
    /// Boots the image from its disk, as a box does: Secure Boot, encrypted data, an update.
    Boots(Boots),
    /// Kills the supervisor (as plain processes) again and again while it imports a license.
    SupervisorKills(SupervisorKills),
    /// One import into a license folder; for tests that cut it short.
    #[command(hide = true)]
    ImportOnce(ImportOnce),
    /// Explores what can become of licenses, state by state, under the portal's rules.
    Model(Model),
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

#[derive(Debug, clap::Args)]
struct Model {
    /// Only this world; all by default.
    world: Option<String>,
    /// To this depth, instead of the one that CI explores.
    #[arg(long)]
    depth: Option<usize>,
    /// Stop each world after so many seconds, at whatever depth that is.
    #[arg(long, value_name = "SECONDS")]
    limit: Option<u64>,
}

/// Prints a line for each world, and the shortest way to what must not be.
fn explore(model: &Model) -> Result<ExitCode> {
    let worlds: Vec<Configuration> = (configurations::ALL.into_iter())
        .filter(|world| model.world.as_ref().is_none_or(|name| name == world.name))
        .collect();
    anyhow::ensure!(
        !worlds.is_empty(),
        "the worlds are: {}",
        configurations::ALL.map(|world| world.name).join(" ")
    );
    let limit = model.limit.map(Duration::from_secs);
    let mut sound = true;
    for world in worlds {
        let depth = match (model.depth, limit) {
            (Some(depth), _) => depth,
            (None, Some(_)) => usize::MAX,
            (None, None) => world.depth,
        };
        let report = sealgate_tests::model::explore(&world, &world.rules(), depth, limit);
        sound &= report.found.is_none();
        println!("{report}");
    }
    Ok(if sound {
        println!("The rules held in every state.");
        ExitCode::SUCCESS
    } else {
        println!("The rules did not hold.");
        ExitCode::FAILURE
    })
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        // Without a runtime: its threads would have system calls of their own.
        Command::ImportOnce(import) => import.run(),
        command => run(command),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("sealgate-lab: {error:#}");
        ExitCode::FAILURE
    })
}

#[derive(Debug, clap::Args)]
struct NeverDeactivates {
    /// The repository's build folder.
    #[arg(long, default_value = "build")]
    build: PathBuf,
    /// Each change by itself, instead of one boot with many at once.
    #[arg(long)]
    all: bool,
    /// The folder of an image with another kernel, for the change of kernel.
    #[arg(long, value_name = "DIR")]
    other_kernel: Option<PathBuf>,
    /// Writes the result as a page.
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct PowerCuts {
    /// The repository's build folder.
    #[arg(long, default_value = "build")]
    build: PathBuf,
    /// Random states of the disk for each of its writes, besides the one in order.
    #[arg(long, default_value_t = 2)]
    random_states: u32,
    /// How many different disks are booted.
    #[arg(long, default_value_t = 1)]
    boots: usize,
    /// Seed of the random states.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keeps the recording.
    #[arg(long)]
    keep: bool,
}

#[derive(Debug, clap::Args)]
struct Boots {
    /// The repository's build folder.
    #[arg(long, default_value = "build")]
    build: PathBuf,
    /// What goes wrong too: an update that does not work, a damaged root, a foreign kernel.
    #[arg(long)]
    all: bool,
    /// Writes the result as a page.
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
    /// Keeps logs and state of this run.
    #[arg(long)]
    keep: bool,
}

#[derive(Debug, clap::Args)]
struct SupervisorKills {
    /// The repository's build folder.
    #[arg(long, default_value = "build")]
    build: PathBuf,
    /// How often.
    #[arg(long, default_value_t = 24)]
    kills: u32,
}

#[tokio::main]
async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Run(run) => {
            in_a_folder(&run.build, run.keep, async |places| {
                play(&run, places).await
            })
            .await
        }
        Command::NeverDeactivates(arguments) => {
            in_a_folder(&arguments.build, false, async |places| {
                never_deactivates(&arguments, places).await
            })
            .await
        }
        Command::PowerCuts(arguments) => {
            in_a_folder(&arguments.build, arguments.keep, async |places| {
                power_cuts(&arguments, places).await
            })
            .await
        }
        Command::Boots(arguments) => {
            in_a_folder(&arguments.build, arguments.keep, async |places| {
                let rows = boots::play(places, arguments.all).await?;
                if let Some(file) = &arguments.table {
                    boots::write_table(&rows, file)?;
                }
                let held = rows.iter().filter(|row| row.failure.is_none()).count();
                println!("{held} of {} boot tests hold", rows.len());
                Ok(if held == rows.len() {
                    ExitCode::SUCCESS
                } else {
                    ExitCode::FAILURE
                })
            })
            .await
        }
        Command::SupervisorKills(arguments) => {
            in_a_folder(&arguments.build, false, async |places| {
                let tally = supervisor_kills::play(places, arguments.kills).await?;
                println!(
                    "{} kills: {} old, {} new, none without a license",
                    arguments.kills, tally.old, tally.new
                );
                Ok(ExitCode::SUCCESS)
            })
            .await
        }
        Command::ImportOnce(import) => import.run(),
        Command::Model(model) => explore(&model),
        Command::RelayInside { socket, target } => relay::run_inside(&socket, target)
            .await
            .map(|()| ExitCode::SUCCESS),
    }
}

/// Ends everything it started, whether it succeeds, fails or is interrupted: all of it
/// belongs to values that are dropped on the way out.
async fn in_a_folder(
    build: &Path,
    keep: bool,
    play: impl AsyncFnOnce(Places) -> Result<ExitCode>,
) -> Result<ExitCode> {
    remove_orphans();
    let mut folder = tempfile::Builder::new()
        .prefix("sealgate-lab-")
        // Others must get through: the recorder is another user.
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir_in("/var/tmp")
        .context("make this run's folder")?;
    folder.disable_cleanup(keep);
    let build = std::path::absolute(build).context("find the build folder")?;
    let binaries = std::env::current_exe().context("find ourselves")?;
    let places = Places {
        build,
        binaries: binaries
            .parent()
            .map_or_else(PathBuf::new, Path::to_path_buf),
        run: folder.path().to_owned(),
    };
    let outcome = tokio::select! {
        outcome = play(places) => outcome,
        interrupted = interrupted() => interrupted.map(|()| ExitCode::from(130)),
    };
    if keep {
        eprintln!(
            "Logs and state of this run are in {}",
            folder.path().display()
        );
    } else {
        folder.close().context("remove this run's folder")?;
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
    eprintln!("Starting two cameras, the license portal and a software TPM");
    let mut lab = Lab::set_up(kind, places, tpm).await?;
    if !run.check && run.broken.is_none() {
        tour::show(&mut lab).await?;
        // Until somebody presses Ctrl-C, which ends the caller's select.
        return std::future::pending().await;
    }
    let report = journey::play(&mut lab, run.broken).await?;
    if let Some(file) = &run.json {
        report.write(file)?;
    }
    let (line, holds) = verdict(&report, run.broken);
    println!("{line}");
    if !holds {
        eprintln!(
            "The end of the box's console ({}):\n{}",
            lab.console().display(),
            last_lines(&lab.console(), 40)
        );
    }
    Ok(if holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn never_deactivates(arguments: &NeverDeactivates, places: Places) -> Result<ExitCode> {
    let plan = never_deactivates::Plan {
        all: arguments.all,
        other_kernel: arguments.other_kernel.clone(),
    };
    let rows = never_deactivates::play(places, &plan).await?;
    if let Some(file) = &arguments.table {
        never_deactivates::write_table(&rows, file).await?;
    }
    let held = rows.iter().filter(|row| row.holds).count();
    println!(
        "{held} of {} boots showed the license as it must be",
        rows.len()
    );
    Ok(if held == rows.len() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn power_cuts(arguments: &PowerCuts, places: Places) -> Result<ExitCode> {
    let plan = power_cuts::Plan {
        random_states: arguments.random_states,
        boots: arguments.boots,
        seed: arguments.seed,
    };
    let summary = power_cuts::play(places, plan).await?;
    for none in &summary.none {
        eprintln!("NEITHER LICENSE: {none}");
    }
    println!(
        "{} writes in {} epochs: {} states of disk and counter, {} of them distinct: {} with the \
         old license, {} with the new one, {} with none; {} booted",
        summary.writes,
        summary.epochs,
        summary.states,
        summary.distinct,
        summary.old,
        summary.new,
        summary.none.len(),
        summary.boots.len()
    );
    Ok(if summary.none.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The one line that says what happened, and whether that is what had to happen.
fn verdict(report: &Report, broken: Option<Break>) -> (String, bool) {
    let seconds = report.seconds;
    match (broken, report.failed_step) {
        (None, None) => (
            format!(
                "The journey holds: {} steps in {seconds:.0} s",
                report.steps.len()
            ),
            true,
        ),
        (None, Some(step)) => (
            format!("The journey does not hold: step {step} failed"),
            false,
        ),
        (Some(part), None) => (
            format!(
                "broken {} was not caught at all (expected {})",
                part.name(),
                part.expected_step()
            ),
            false,
        ),
        (Some(part), Some(step)) => (
            format!(
                "broken {} was caught at step {step} (expected {})",
                part.name(),
                part.expected_step()
            ),
            step == part.expected_step(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(failed_step: Option<u32>, broken: Option<Break>, expected: bool) {
        let report = Report {
            failed_step,
            ..Report::default()
        };
        let (line, holds) = verdict(&report, broken);
        assert_eq!(holds, expected, "{line}");
    }

    #[test]
    fn a_break_must_be_caught_at_its_own_step() {
        check(None, None, true);
        check(Some(6), None, false);
        check(None, Some(Break::Gate), false);
        check(Some(2), Some(Break::Gate), false);
        check(Some(3), Some(Break::Gate), true);
    }
}
