//! `sealgate-portal restore`.

use clap::Args;
use jiff::Timestamp;

use super::{CliError, PlaceArgs};
use crate::desk::restore_without_journal;

/// Bring the portal back after its database came out of a backup. With the journal in its
/// place nothing has to be done: start the portal, and it replays what the database does
/// not know.
#[derive(Debug, Args)]
pub(super) struct Restore {
    #[command(flatten)]
    places: PlaceArgs,
    /// The journal is lost for good. What was handed out after the backup is forgotten: no
    /// box gets a credit until it has imported and proven three new licenses.
    #[arg(long, required = true)]
    journal_lost: bool,
}

pub(super) fn run(restore: Restore) -> Result<(), CliError> {
    let places = restore.places.places()?;
    let done = restore_without_journal(&places, Timestamp::now())?;
    if let Some(aside) = &done.put_aside {
        println!(
            "The journal that does not fit was kept as {}.",
            aside.display()
        );
    }
    println!("LICENSES WERE FORGOTTEN. What was handed out after the backup is not known here:");
    println!("  - its channels are charged to nobody until the boxes come with a new request;");
    println!("  - a box's first three exchanges from now on give no credit for what it returns;");
    println!("  - enter again what was granted since the backup.");
    println!(
        "{} boxes have to catch up. Journals lost so far, as far as this database knows: {}.",
        done.boxes, done.journals_lost
    );
    Ok(())
}
