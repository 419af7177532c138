//! A copy of the file while it is in use, and putting one in its place.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use super::{BUSY_TIMEOUT, StoreError, failed};

/// Copies the database as it stands in one instant; whoever serves from it goes on.
///
/// # Errors
/// There is something at `to`, the disk is full, or the database can't be read. A broken-off
/// copy is removed.
pub fn back_up(database: &Path, to: &Path) -> Result<(), StoreError> {
    // Before SQLite opens it, so that it is nobody else's for no instant.
    let file = new_file(to)?;
    let copied = copy(database, to).and_then(|()| {
        file.sync_all()
            .and_then(|()| sync_folder(to))
            .map_err(StoreError::File)
    });
    if copied.is_err() {
        std::fs::remove_file(to).map_err(StoreError::File)?;
    }
    copied
}

fn new_file(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(StoreError::File)
}

fn sync_folder(of: &Path) -> io::Result<()> {
    match of.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}

fn copy(database: &Path, to: &Path) -> Result<(), StoreError> {
    // Its log is written too, where the portal left one behind.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(database, flags).map_err(failed("open its file"))?;
    source
        .busy_timeout(BUSY_TIMEOUT)
        .map_err(failed("set its time limit"))?;
    let name = to.to_string_lossy();
    source
        .execute("VACUUM INTO ?1", [name.as_ref()])
        .map_err(failed("be copied"))?;
    check(to)
}

/// Is this a whole portal database?
fn check(path: &Path) -> Result<(), StoreError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(failed("open its backup"))?;
    let verdict: String = connection
        .pragma_query_value(None, "integrity_check", |row| row.get(0))
        .map_err(|_| StoreError::NotABackup)?;
    let flavour: Option<String> = connection
        .query_row("SELECT value FROM meta WHERE key = 'flavour'", [], |row| {
            row.get(0)
        })
        .optional()
        .map_err(|_| StoreError::NotABackup)?;
    if verdict == "ok" && flavour.is_some() {
        Ok(())
    } else {
        Err(StoreError::NotABackup)
    }
}

/// Puts a copy in the place of a database that nobody has open. Returns where the one that
/// was there is kept, if there was one.
///
/// # Errors
/// It is no copy of a portal's database, or the files can't be written. What was there stays
/// in its place then.
pub fn restore(
    backup: &Path,
    database: &Path,
    now_utc_s: i64,
) -> Result<Option<PathBuf>, StoreError> {
    let beside = |suffix: &str| {
        let mut name = database.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let fresh = beside(".restoring");
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(StoreError::File(error));
        }
        _ => {}
    }
    let mut file = new_file(&fresh)?;
    let copied = File::open(backup)
        .and_then(|mut from| io::copy(&mut from, &mut file))
        .and_then(|_| file.sync_all())
        .map_err(StoreError::File)
        .and_then(|()| check(&fresh));
    if let Err(error) = copied {
        std::fs::remove_file(&fresh).map_err(StoreError::File)?;
        return Err(error);
    }
    let mut kept = None;
    if database.exists() {
        let aside = beside(&format!(".before-{now_utc_s}"));
        for suffix in ["", "-wal", "-shm"] {
            let from = beside(suffix);
            if from.exists() {
                let mut to = aside.as_os_str().to_owned();
                to.push(suffix);
                std::fs::rename(&from, PathBuf::from(to)).map_err(StoreError::File)?;
            }
        }
        kept = Some(aside);
    }
    std::fs::rename(&fresh, database)
        .and_then(|()| sync_folder(database))
        .map_err(StoreError::File)?;
    Ok(kept)
}
