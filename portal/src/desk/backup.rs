//! A backup of the database while it is in use, and bringing it back. Keys and journal have
//! their own keeping: the journal must never go back together with the database.

use std::fs::File;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{Clock, Desk, JOURNAL_FILE, OpenError, Places};
use crate::journal::JournalError;
use crate::store::{StoreError, postgres, sqlite};

/// Copies the database to a new file, as it stands in one instant.
///
/// # Errors
/// No portal is there, there is something at `to`, or the database can't be copied.
pub fn back_up(places: &Places, to: &Path) -> Result<(), OpenError> {
    drop(super::open_store(places)?);
    match &places.postgres {
        None => sqlite::back_up(&places.database(), to)?,
        Some(place) => postgres::back_up(&place.address, to)?,
    }
    Ok(())
}

/// What a restore did.
#[derive(Debug)]
pub struct Restored {
    /// Where the database that was there is kept.
    pub put_aside: Option<PathBuf>,
}

/// Puts a backup in the database's place, and replays what only the journal knows. Into
/// PostgreSQL it goes only while the database is empty.
///
/// # Errors
/// A portal serves from here; the file is no whole backup; the journal does not fit.
pub fn restore_backup(places: &Places, backup: &Path, clock: Clock) -> Result<Restored, OpenError> {
    let put_aside = place_backup(places, backup, clock())?;
    // Opening replays.
    drop(Desk::open(places, None, clock)?);
    Ok(Restored { put_aside })
}

/// Only puts a backup in the database's place: for where the journal is lost. Returns where
/// the database that was there is kept.
///
/// # Errors
/// As [`restore_backup`], but for the journal.
pub fn place_backup(
    places: &Places,
    backup: &Path,
    now: Timestamp,
) -> Result<Option<PathBuf>, OpenError> {
    super::setup::make_folder(&places.data)?;
    match &places.postgres {
        None => {
            let held = hold_journal(places)?;
            let aside = sqlite::restore(backup, &places.database(), now.as_second())?;
            drop(held);
            Ok(aside)
        }
        Some(place) => {
            postgres::restore(backup, &place.address)?;
            Ok(None)
        }
    }
}

/// Makes sure that no portal serves from these places, by the lock that it would hold.
fn hold_journal(places: &Places) -> Result<Option<File>, OpenError> {
    let path = places.journal.join(JOURNAL_FILE);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(OpenError::Store(StoreError::File(error))),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(error) => Err(OpenError::Journal(JournalError::File {
            path,
            operation: "lock: a portal serves from here",
            source: error.into(),
        })),
    }
}
