//! Keeps room on the disk: the oldest recordings go before it is full.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::index::{Index, IndexError};

/// Sixty-four cameras write about 64 MByte in this time, which the margin below covers.
const INTERVAL: Duration = Duration::from_secs(2);
/// Deleting begins this much before the limit, bytes.
const MARGIN_BYTES: u64 = 128 * 1024 * 1024;

/// Room on a disk, bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Space {
    /// Free for the recorder.
    pub free_bytes: u64,
    /// In all.
    pub total_bytes: u64,
}

/// Room on the disk that holds this folder.
///
/// # Errors
/// The folder is not there.
pub fn space_of(folder: &Path) -> io::Result<Space> {
    let found = rustix::fs::statvfs(folder)?;
    Ok(Space {
        free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
        total_bytes: found.f_blocks.saturating_mul(found.f_frsize),
    })
}

/// Room could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// How much is free is not known.
    #[error("the free space of {path} is not known")]
    Space {
        /// The recordings folder.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A recording could not be deleted.
    #[error("the recording {path} could not be deleted")]
    Delete {
        /// The recording.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The index failed.
    #[error("the oldest recording could not be found or forgotten")]
    Index(#[source] IndexError),
    /// Everything that may go has gone.
    #[error("only {free_bytes} bytes are free, and there is no finished recording to delete")]
    NothingLeft {
        /// Bytes free.
        free_bytes: u64,
    },
}

/// Deletes finished recordings, oldest first, until `min_free_bytes` are free. Gives how many.
///
/// # Errors
/// See [`RetentionError`]; what was deleted stays deleted and forgotten.
pub fn make_room(
    index: &Index,
    folder: &Path,
    min_free_bytes: u64,
    space: impl Fn() -> io::Result<Space>,
) -> Result<usize, RetentionError> {
    let mut deleted = 0;
    loop {
        let Space { free_bytes, .. } = space().map_err(|source| RetentionError::Space {
            path: folder.to_owned(),
            source,
        })?;
        if free_bytes >= min_free_bytes {
            return Ok(deleted);
        }
        let oldest = index.oldest_finished().map_err(RetentionError::Index)?;
        let Some(file) = oldest else {
            return Err(RetentionError::NothingLeft { free_bytes });
        };
        let path = folder.join(&file);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(RetentionError::Delete { path, source });
            }
            _ => {}
        }
        index.forget(&file).map_err(RetentionError::Index)?;
        // Fails while the day holds more, which is the point.
        if let Some(day) = path.parent() {
            let _ = std::fs::remove_dir(day);
        }
        deleted += 1;
    }
}

/// The thread that makes room every two seconds.
#[derive(Debug)]
pub struct Retention {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Retention {
    /// Starts the thread, which keeps at least `min_free_bytes` free.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(index: Index, folder: PathBuf, min_free_bytes: u64) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("retention".into())
            .spawn(move || {
                let mut failing = false;
                loop {
                    let limit = min_free_bytes.saturating_add(MARGIN_BYTES);
                    let result = make_room(&index, &folder, limit, || space_of(&folder));
                    match &result {
                        Ok(0) => {}
                        Ok(deleted) => tracing::info!(deleted, "the oldest recordings made room"),
                        // Said once, not every two seconds.
                        Err(error) if !failing => tracing::error!(
                            error = error as &dyn std::error::Error,
                            "the disk of recordings may become full"
                        ),
                        Err(_) => {}
                    }
                    failing = result.is_err();
                    match stopped.recv_timeout(INTERVAL) {
                        Err(RecvTimeoutError::Timeout) => {}
                        Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
            })?;
        Ok(Self { stop, thread })
    }

    /// Ends the thread.
    pub fn end(self) {
        let _ = self.stop.send(());
        if self.thread.join().is_err() {
            tracing::error!("the retention thread had failed");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Four finished recordings of 100 bytes and a growing one, on a disk of 600 bytes.
    fn check(min_free_bytes: u64, expected: &[&str], deleted: Option<usize>) {
        let folder = tempfile::tempdir().unwrap();
        let index = Index::open(&folder.path().join("index.db")).unwrap();
        let camera = "02000000000a-1".parse().unwrap();
        let names = ["a/old", "b/2", "a/3", "b/4", "c/growing"];
        for (name, start) in names.iter().zip(0..) {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, [0; 100]).unwrap();
            index.begin(camera, name, start).unwrap();
            if !name.ends_with("growing") {
                index.finish(name, 1000, 100).unwrap();
            }
        }
        let left = || -> Vec<&str> {
            let there = |name: &&str| folder.path().join(name).exists();
            names.into_iter().filter(there).collect()
        };
        let space = || {
            Ok(Space {
                free_bytes: 600 - 100 * u64::try_from(left().len()).unwrap(),
                total_bytes: 600,
            })
        };
        let found = make_room(&index, folder.path(), min_free_bytes, space);
        assert_eq!(found.ok(), deleted);
        assert_eq!(left(), expected);
        assert_eq!(index.newest(None, 9).unwrap().len(), expected.len());
        assert!(!folder.path().join("a").exists() || expected.iter().any(|n| n.starts_with('a')));
    }

    #[test]
    fn deletes_no_more_than_needed_and_the_oldest_first() {
        check(100, &["a/old", "b/2", "a/3", "b/4", "c/growing"], Some(0));
        check(150, &["b/2", "a/3", "b/4", "c/growing"], Some(1));
        check(400, &["b/4", "c/growing"], Some(3));
    }

    #[test]
    fn never_deletes_what_is_being_written() {
        check(600, &["c/growing"], None);
    }

    #[test]
    fn tells_the_space_of_a_disk() {
        let space = space_of(Path::new("/")).unwrap();
        assert!(space.free_bytes <= space.total_bytes && space.total_bytes > 0);
        assert!(space_of(Path::new("/nonexistent")).is_err());
    }
}
