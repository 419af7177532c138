//! `sealgate-portal keys`.

use std::path::PathBuf;

use clap::Subcommand;
use jiff::Timestamp;

use super::{CliError, FlavourArg};
use crate::signer::{self, CERTIFICATE_FILE, ISSUING_KEY_FILE, ROOT_KEY_FILE, ROOTS_FILE};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make the vendor's root key, an issuing key with its certificate, and
    /// vendor-roots.json. Never overwrites.
    Init {
        /// Where to.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// For whom.
        #[arg(long, value_enum)]
        flavour: FlavourArg,
    },
}

pub(super) fn run(command: Command) -> Result<(), CliError> {
    let Command::Init { dir, flavour } = command;
    let made = signer::init(&dir, flavour.into(), Timestamp::now(), &mut rand::rng())?;
    println!(
        "root key     {}  {ROOT_KEY_FILE}: move it offline now",
        made.root_key_id
    );
    println!(
        "issuing key  {}  {ISSUING_KEY_FILE}, {CERTIFICATE_FILE}: signs until {}",
        made.issuing_key_id, made.signs_until
    );
    println!("pinned root  {ROOTS_FILE}: for the recorders' image");
    println!("Keys were made in {}.", dir.display());
    Ok(())
}
