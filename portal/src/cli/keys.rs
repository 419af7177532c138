//! `sealgate-portal keys`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use jiff::Timestamp;
use sealgate_license::vendor::Flavour;

use super::{CliError, FlavourArg};
use crate::signer::{
    self, CERTIFICATE_FILE, ISSUING_KEY_FILE, REVOCATIONS_FILE, ROOT_KEY_FILE, ROOTS_FILE,
};

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
    /// Make the next issuing key in a new folder, certified by the root. Offline.
    Renew {
        /// The folder with root.key and vendor-roots.json.
        #[arg(long, value_name = "DIR")]
        root_dir: PathBuf,
        /// Where to: a new folder, which then goes to the portal.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
    },
    /// Add issuing keys to the list of those that sign no more. Offline. Boxes refuse to
    /// import what such a key signed; licenses in use go on.
    Revoke {
        /// The folder with root.key and vendor-roots.json.
        #[arg(long, value_name = "DIR")]
        root_dir: PathBuf,
        /// Key ids, as `keys init` and `keys renew` print them.
        #[arg(required = true, value_name = "KEY_ID")]
        key_ids: Vec<String>,
    },
}

pub(super) fn run(command: Command) -> Result<(), CliError> {
    let now = Timestamp::now();
    match command {
        Command::Init { dir, flavour } => init(&dir, flavour.into(), now),
        Command::Renew { root_dir, dir } => {
            let made = signer::renew(&root_dir, &dir, now, &mut rand::rng())?;
            println!(
                "issuing key  {}  signs until {}",
                made.issuing_key_id, made.signs_until
            );
            println!(
                "The next issuing key was made in {}: give it to the portal as its keys' folder.",
                dir.display()
            );
            Ok(())
        }
        Command::Revoke { root_dir, key_ids } => {
            let made = signer::revoke(&root_dir, key_ids, now)?;
            for key_id in &made.key_ids {
                println!("revoked      {key_id}");
            }
            println!(
                "List {} was made: copy {REVOCATIONS_FILE} to the portal's keys, and {ROOTS_FILE} \
                 to the recorders' next image.",
                made.sequence
            );
            Ok(())
        }
    }
}

fn init(dir: &Path, flavour: Flavour, now: Timestamp) -> Result<(), CliError> {
    let made = signer::init(dir, flavour, now, &mut rand::rng())?;
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
