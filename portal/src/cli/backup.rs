//! `sealgate-portal backup`.

use std::path::PathBuf;

use clap::Args;

use super::{CliError, PlaceArgs};
use crate::desk::back_up;

/// Copy the database to a new file, as it stands in one instant, while the portal serves.
/// Keys and journal are not in it: keep the keys' folder apart, and leave the journal where
/// it is, so that `restore` can bring back what was handed out since.
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// Where to; it holds password hashes and activation secrets, so only you can read it.
    file: PathBuf,
    #[command(flatten)]
    places: PlaceArgs,
}

pub(super) fn run(backup: Backup) -> Result<(), CliError> {
    let places = backup.places.places()?;
    if backup.file.exists() {
        return Err(CliError::BackupTaken { path: backup.file });
    }
    back_up(&places, &backup.file)?;
    println!("The database was copied to {}.", backup.file.display());
    Ok(())
}
