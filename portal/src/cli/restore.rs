//! `sealgate-portal restore`.

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;

use super::{CliError, PlaceArgs};
use crate::desk::{Places, restore_backup, restore_without_journal, system_clock};

/// Put a backup in the database's place, while no portal serves, and replay from the journal
/// what was handed out since. With the journal in its place that is all.
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The backup; without one, the database that is there is taken.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The journal is lost for good. What was handed out after the backup is forgotten: no
    /// box gets a credit until it has imported and proven three new licenses.
    #[arg(long, required_unless_present = "from")]
    journal_lost: bool,
    #[command(flatten)]
    places: PlaceArgs,
}

pub(super) fn run(restore: Restore) -> Result<(), CliError> {
    let places = restore.places.places()?;
    if let Some(backup) = &restore.from {
        let aside = if restore.journal_lost {
            crate::desk::place_backup(&places, backup, Timestamp::now())?
        } else {
            restore_backup(&places, backup, system_clock())?.put_aside
        };
        say_restored(backup, aside.as_deref());
    }
    if restore.journal_lost {
        forget(&places)?;
    }
    Ok(())
}

fn say_restored(backup: &Path, aside: Option<&Path>) {
    if let Some(aside) = aside {
        println!(
            "The database that was there was kept as {}.",
            aside.display()
        );
    }
    println!("{} is in its place.", backup.display());
}

fn forget(places: &Places) -> Result<(), CliError> {
    let done = restore_without_journal(places, Timestamp::now())?;
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
