//! Files that survive a power cut.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Why a file could not be written, moved or read.
#[derive(Debug, thiserror::Error)]
pub enum DurableError {
    /// One step failed; the old file, if any, is untouched unless the step is `sync folder`.
    #[error("{operation} {path}")]
    Io {
        /// The step.
        operation: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The file is larger than it may be.
    #[error("{path} is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit_bytes: u64,
    },
}

fn failed<'a>(
    operation: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> DurableError + 'a {
    move |source| DurableError::Io {
        operation,
        path: path.to_owned(),
        source,
    }
}

/// Writes a file so that a power cut leaves the old content or the new, never a mixture:
/// temporary file beside it, fsync, rename, fsync of the folder. `mode` is the permission
/// bits of the new file, for example `0o600`.
///
/// # Errors
/// The failed step. One writer per path at a time: they share the temporary name.
pub fn write_durably(path: &Path, bytes: &[u8], mode: u32) -> Result<(), DurableError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    // A leftover of a cut short write may have other permissions.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove", &temporary)(error));
        }
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)
        .map_err(failed("create", &temporary))?;
    file.write_all(bytes).map_err(failed("write", &temporary))?;
    file.sync_all().map_err(failed("sync", &temporary))?;
    rename_durably(&temporary, path)
}

/// Renames within one folder, and makes that stay.
///
/// # Errors
/// The failed step.
pub fn rename_durably(from: &Path, to: &Path) -> Result<(), DurableError> {
    fs::rename(from, to).map_err(failed("rename", from))?;
    sync_folder(folder_of(to))
}

/// Removes a file, and makes that stay; a file that is not there is no error.
///
/// # Errors
/// The failed step.
pub fn remove_durably(path: &Path) -> Result<(), DurableError> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder(folder_of(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("remove", path)(error)),
    }
}

/// Makes names created in, renamed in or removed from a folder stay.
///
/// # Errors
/// The folder could not be opened or synced.
pub fn sync_folder(folder: &Path) -> Result<(), DurableError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed("sync folder", folder))
}

/// Reads a file of at most `limit_bytes`; `None` if there is none.
///
/// # Errors
/// It could not be read, or is larger.
pub fn read_at_most(path: &Path, limit_bytes: u64) -> Result<Option<Vec<u8>>, DurableError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open", path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(limit_bytes.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(failed("read", path))?;
    if bytes.len() as u64 > limit_bytes {
        return Err(DurableError::TooLarge {
            path: path.to_owned(),
            limit_bytes,
        });
    }
    Ok(Some(bytes))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn replaces_the_whole_file_and_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("active.lic");
        write_durably(&path, b"a long first version", 0o644).unwrap();
        // As a power cut between create and rename leaves it.
        fs::write(folder.path().join("active.lic.new"), b"torn").unwrap();
        write_durably(&path, b"second", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn says_which_step_failed_on_what() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_durably(&folder.path().join("missing/file"), b"", 0o600).unwrap_err();
        assert!(
            matches!(&error, DurableError::Io { operation: "create", path, .. }
                if path.ends_with("missing/file.new")),
            "{error:?}"
        );
    }

    #[test]
    fn reads_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert_eq!(read_at_most(&path, 4).unwrap(), None);
        fs::write(&path, b"1234").unwrap();
        assert_eq!(read_at_most(&path, 4).unwrap().unwrap(), b"1234");
        assert!(matches!(
            read_at_most(&path, 3),
            Err(DurableError::TooLarge { limit_bytes: 3, .. })
        ));
        remove_durably(&path).unwrap();
        remove_durably(&path).unwrap();
        assert_eq!(read_at_most(&path, 4).unwrap(), None);
    }
}
