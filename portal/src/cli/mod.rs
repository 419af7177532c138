//! The command line.

mod backup;
mod dongle;
mod keys;
mod ledger;
mod restore;
mod roots;
mod serve;
mod setup;
mod user;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use sealgate_license::vendor::Flavour;

use crate::desk::{DeskError, OpenError, Places, PostgresPlace};
use crate::signer::SignerError;

/// The license portal: distributors, projects, servers and their licenses.
#[derive(Debug, Parser)]
#[command(name = "sealgate-portal", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Copy the database to a file while it is in use.
    Backup(backup::Backup),
    /// License dongles.
    #[command(subcommand)]
    Dongle(dongle::Command),
    /// The vendor's signing keys.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Make a new portal: its database and first admin.
    Init(setup::Init),
    /// Go on after the database came out of a backup.
    Restore(restore::Restore),
    /// The TPM makers whose endorsement key certificates are believed.
    #[command(subcommand)]
    Roots(roots::Command),
    /// Serve pages and API.
    Serve(serve::Serve),
    /// The people who sign in.
    #[command(subcommand)]
    User(user::Command),
    /// Check that every entry of the ledger is as it was written.
    VerifyLedger(ledger::VerifyLedger),
}

/// Where the portal's files are.
#[derive(Debug, Args)]
struct PlaceArgs {
    /// The data folder, which holds the database.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The keys' folder [default: DATA/keys].
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// The folder of the journal of what was handed out [default: DATA/journal]. Best on
    /// another disk than the data, and never restored from a backup together with it.
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
    /// Keep the database in PostgreSQL instead of a file of the data folder: the first line
    /// of FILE is its address, for example postgresql://portal:SECRET@127.0.0.1/portal. The
    /// connection is not encrypted: use loopback, a Unix socket or a tunnel.
    #[arg(long, value_name = "FILE")]
    postgres: Option<PathBuf>,
    /// With --postgres: the name of this portal among those that share the database. Each
    /// has a journal of its own.
    #[arg(long, value_name = "NAME", default_value = "1", requires = "postgres")]
    instance: String,
}

impl PlaceArgs {
    fn places(self) -> Result<Places, CliError> {
        let default = Places::in_folder(&self.data);
        let postgres = match self.postgres {
            None => None,
            Some(path) => {
                let text = std::fs::read_to_string(&path).map_err(|source| CliError::Io {
                    what: format!("reading {}", path.display()),
                    source,
                })?;
                let address = text.lines().next().unwrap_or_default().parse();
                Some(PostgresPlace {
                    address: address.map_err(OpenError::Store)?,
                    instance: self.instance,
                })
            }
        };
        Ok(Places {
            data: self.data,
            keys: self.keys.unwrap_or(default.keys),
            journal: self.journal.unwrap_or(default.journal),
            postgres,
        })
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FlavourArg {
    /// Development and tests.
    Lab,
    /// What customers use: refuses lab keys and lab TPMs.
    Product,
}

impl From<FlavourArg> for Flavour {
    fn from(flavour: FlavourArg) -> Self {
        match flavour {
            FlavourArg::Lab => Self::Lab,
            FlavourArg::Product => Self::Product,
        }
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The portal does not open.
    #[error("the portal does not open")]
    Open(#[from] OpenError),
    /// The keys can't be made.
    #[error("the keys were not made")]
    Keys(#[from] SignerError),
    /// An operation at the desk failed.
    #[error("the portal refused")]
    Desk(#[from] DeskError),
    /// The file system or network refused.
    #[error("{what} failed")]
    Io {
        /// What was tried.
        what: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The backup's place is taken.
    #[error("there is something at {path} already", path = path.display())]
    BackupTaken {
        /// The place.
        path: PathBuf,
    },
    /// The ledger is not what was written.
    #[error("the ledger is broken at entry {seq}: {fault}")]
    LedgerBroken {
        /// The entry.
        seq: i64,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// A head of the ledger is not of the form that is printed.
    #[error("a head of the ledger is of the form NUMBER:HASH")]
    UnfitHead,
    /// A file holds no certificate.
    #[error("{path} holds no certificate in PEM or DER", path = path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
}

impl CliError {
    fn code(&self) -> Option<&'static str> {
        match self {
            Self::Open(error) => Some(error.code()),
            Self::Keys(error) => Some(error.code()),
            Self::Desk(error) => Some(error.code()),
            Self::NoCertificate { .. } => Some("SG-POR-024"),
            Self::BackupTaken { .. } => Some("SG-POR-104"),
            Self::LedgerBroken { .. } => Some("SG-POR-102"),
            Self::Io { .. } | Self::UnfitHead => None,
        }
    }
}

/// Where a one-time link leads.
fn welcome_link(public_url: &str, token: &str) -> String {
    format!("{}/welcome/{token}", public_url.trim_end_matches('/'))
}

/// Runs a command.
///
/// # Errors
/// It failed; [`report`] says so to a person.
pub fn run(cli: Cli) -> Result<(), CliError> {
    match cli.command {
        Command::Backup(command) => backup::run(command),
        Command::Dongle(command) => dongle::run(command),
        Command::Keys(command) => keys::run(command),
        Command::Init(init) => setup::run(init),
        Command::Restore(command) => restore::run(command),
        Command::Roots(command) => roots::run(command),
        Command::Serve(serve) => serve::run(serve),
        Command::User(command) => user::run(command),
        Command::VerifyLedger(command) => ledger::run(command),
    }
}

/// Says on standard error why a command failed, and what to do.
pub fn report(error: &CliError) {
    let mut line = format!("sealgate-portal: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        line = format!("{line}: {cause}");
        source = cause.source();
    }
    match error.code() {
        Some(code) => {
            let values = match error {
                CliError::LedgerBroken { seq, fault } => {
                    vec![("entry", seq.to_string()), ("fault", (*fault).to_owned())]
                }
                _ => Vec::new(),
            };
            let values: Vec<(&str, &str)> = values
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            let problem = crate::desk::problem(code, &values);
            eprintln!("{line}\n{} ({code})", problem.cure);
        }
        None => eprintln!("{line}"),
    }
}
