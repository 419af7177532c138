//! The command `sealgate`: the license of this box, and a way back in, on its own console.
//!
//! It asks the supervisor over a Unix socket that only root reaches, with the routes of
//! the API, so codes and words are those of the pages. Deliberately absent: the license
//! files, and any rule about them; without a supervisor the command only says so. The TPM
//! itself is spoken with by `tpm qualify` alone.

mod client;
mod clip;
mod qualify;
mod show;

use std::ffi::OsString;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sealgate_license::dsse::MAX_DOCUMENT_BYTES;

use client::{Answer, AskError, ask};
use show::{ImportView, LicenseView, problem_text};

/// What a person on a box's console can ask.
#[derive(Debug, Parser)]
#[command(name = "sealgate", version)]
struct Arguments {
    /// The supervisor's socket.
    #[arg(
        long,
        global = true,
        default_value = "/run/sealgate-supervisor/api.sock"
    )]
    socket: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The license of this box.
    License {
        #[command(subcommand)]
        command: LicenseCommand,
    },
    /// Prints a code, good for 15 minutes and once, by which the box's page at /recover makes
    /// an admin: for when nobody can sign in as one any more.
    Recover,
    /// Clips that a box handed out.
    Clip {
        #[command(subcommand)]
        command: ClipCommand,
    },
    /// The TPM of this box.
    Tpm {
        #[command(subcommand)]
        command: TpmCommand,
    },
}

#[derive(Debug, Subcommand)]
enum ClipCommand {
    /// Says whether a clip is as its box made it. Ends with 0 if it is, 1 if it is not.
    Verify(clip::Arguments),
}

#[derive(Debug, Subcommand)]
enum TpmCommand {
    /// Tries whether this TPM can be trusted with licenses: see docs/qualify-a-tpm.md. Ends
    /// with 0 if it is fit, 1 if it is not, 2 if it was not tried.
    Qualify(qualify::Arguments),
}

#[derive(Debug, Subcommand)]
enum LicenseCommand {
    /// Says how the license stands.
    Status {
        /// Prints JSON as `GET /api/v1/license` answers it.
        #[arg(long)]
        json: bool,
    },
    /// Makes a request file for the distributor.
    Export {
        /// Where to; without it a file of the box's own name in this folder.
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// Imports a license file.
    Import {
        /// The license file.
        file: PathBuf,
        /// Only says what it would change.
        #[arg(long)]
        dry_run: bool,
        /// Prints JSON as `POST /api/v1/license/import` answers it.
        #[arg(long)]
        json: bool,
    },
    /// Says that the clock of this box is right.
    ConfirmClock,
}

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("cannot read {path}")]
    ReadFile {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot write {path}")]
    WriteFile {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot print")]
    Print(#[from] io::Error),
    #[error("the supervisor's answer is not understood")]
    Answer(#[from] serde_json::Error),
    #[error("the TPM can't be tried ({})", .0.code())]
    Tpm(#[from] sealgate_tpm::TpmError),
}

/// The supervisor said no.
const REFUSED: u8 = 1;
/// The command could not be asked, as with wrong arguments.
const NOT_ASKED: u8 = 2;

/// Runs one command. Exit status 0: done; 1: the box said no, with its code and cure on
/// `say` (with `--json` on `out`); 2: it could not be asked.
pub fn run(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    out: &mut dyn Write,
    say: &mut dyn Write,
) -> ExitCode {
    ExitCode::from(status(arguments, out, say))
}

/// As [`run`], with the exit status as a number.
pub fn status(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    out: &mut dyn Write,
    say: &mut dyn Write,
) -> u8 {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nothing can be said about a failure to say something.
            return if error.use_stderr() {
                let _ = write!(say, "{error}");
                NOT_ASKED
            } else {
                let _ = write!(out, "{error}");
                0
            };
        }
    };
    let done = match arguments.command {
        Command::License { command } => license(&arguments.socket, command, out).map(|()| 0),
        Command::Recover => recover(&arguments.socket, out).map(|()| 0),
        Command::Clip {
            command: ClipCommand::Verify(arguments),
        } => clip::verify(&arguments, out),
        Command::Tpm {
            command: TpmCommand::Qualify(arguments),
        } => qualify::run(&arguments, out, say),
    };
    match done {
        Ok(status) => status,
        Err(CommandError::Ask(AskError::Refused { problem, body })) => {
            let _ = match body {
                Some(json) => writeln!(out, "{json}"),
                None => write!(say, "{}", problem_text(&problem)),
            };
            REFUSED
        }
        Err(error) => {
            let _ = writeln!(say, "sealgate: {}", causes(&error));
            NOT_ASKED
        }
    }
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn license(
    socket: &Path,
    command: LicenseCommand,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    match command {
        LicenseCommand::Status { json } => {
            let answer = ask(socket, "GET", "/api/v1/license", Vec::new(), json)?;
            if json {
                return print(out, &answer);
            }
            let view: LicenseView = serde_json::from_slice(&answer.body)?;
            write!(out, "{view}")?;
        }
        LicenseCommand::Export { output } => {
            let answer = ask(socket, "POST", "/api/v1/license/request", Vec::new(), false)?;
            let path = output.unwrap_or_else(|| answer.file_name().into());
            std::fs::write(&path, &answer.body).map_err(|source| CommandError::WriteFile {
                path: path.clone(),
                source,
            })?;
            writeln!(
                out,
                "{} is ready: send it to your distributor.",
                path.display()
            )?;
        }
        LicenseCommand::Import {
            file,
            dry_run,
            json,
        } => {
            let document = read(&file)?;
            let route = format!("/api/v1/license/import?dry_run={dry_run}");
            let answer = ask(socket, "POST", &route, document, json)?;
            if json {
                return print(out, &answer);
            }
            let view: ImportView = serde_json::from_slice(&answer.body)?;
            write!(out, "{view}")?;
        }
        LicenseCommand::ConfirmClock => {
            let answer = ask(socket, "POST", "/api/v1/license/clock", Vec::new(), false)?;
            let view: LicenseView = serde_json::from_slice(&answer.body)?;
            write!(out, "{view}")?;
        }
    }
    Ok(())
}

fn recover(socket: &Path, out: &mut dyn Write) -> Result<(), CommandError> {
    /// As the box answers.
    #[derive(serde::Deserialize)]
    struct Recovery {
        code: String,
    }
    let answer = ask(socket, "POST", "/api/v1/recovery", Vec::new(), false)?;
    let Recovery { code } = serde_json::from_slice(&answer.body)?;
    writeln!(
        out,
        "Recovery code: {code}\nOpen https://ADDRESS-OF-THE-BOX/recover within 15 minutes and type it there."
    )?;
    Ok(())
}

fn print(out: &mut dyn Write, answer: &Answer) -> Result<(), CommandError> {
    out.write_all(&answer.body)?;
    writeln!(out)?;
    Ok(())
}

/// The file, and one byte more than a license may have, so that the box says that.
fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    let failed = |source| CommandError::ReadFile {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .map_err(failed)?
        .take(MAX_DOCUMENT_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}
