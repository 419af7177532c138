//! Keeps room on the disks: the oldest recordings go before one is full, and those that their
//! camera's rule does not keep.

use std::io;
use std::path::{Path, PathBuf};

use sealgate_camera::CameraId;
use sealgate_recorder_link::Keep;

use crate::disks::{Disks, Place};
use crate::index::{DiskNumber, Index, IndexError, Oldest};

/// Deleting begins this much before the limit, bytes: sixty-four cameras write about 64 MByte
/// until the next look.
const MARGIN_BYTES: u64 = 128 * 1024 * 1024;
/// Looked through at a time, of which some may be read just now and stay.
const CANDIDATES: u32 = 64;
/// Deleted at most of one camera by its rule between two looks, so that no clock that jumped
/// ahead deletes much before a person or a time server puts it right.
const MOST_BY_RULE: usize = 16;

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

/// The room that is kept on a disk of this size, and how much earlier deleting begins: what the
/// configuration says, but on a small disk not most of it.
pub fn floor(min_free_bytes: u64, total_bytes: u64) -> u64 {
    min_free_bytes.min(total_bytes / 5) + MARGIN_BYTES.min(total_bytes / 20)
}

/// Deletes finished recordings of one disk, oldest first, until as much is free as there should
/// be. Gives how many.
///
/// # Errors
/// See [`RetentionError`]; what was deleted stays deleted and forgotten.
pub fn make_room(
    index: &Index,
    disks: &Disks,
    place: &Place,
    number: DiskNumber,
    space: Space,
    floor_bytes: u64,
) -> Result<usize, RetentionError> {
    let missing = floor_bytes.saturating_sub(space.free_bytes);
    let (mut deleted, mut made) = (0, 0);
    while made < missing {
        let oldest = index.oldest_of_disk(number, CANDIDATES);
        let oldest = oldest.map_err(RetentionError::Index)?;
        let before = deleted;
        for oldest in oldest {
            if made < missing && !disks.is_pinned(number, &oldest.file) {
                delete(index, place, &oldest)?;
                made += oldest.size_bytes;
                deleted += 1;
            }
        }
        if before == deleted {
            let free_bytes = space.free_bytes + made;
            return Err(RetentionError::NothingLeft { free_bytes });
        }
    }
    Ok(deleted)
}

/// Deletes what one camera's rule does not keep, as far as it is on this disk: another disk's
/// own thread does the rest. Gives how many files that were.
///
/// # Errors
/// See [`RetentionError`].
pub fn keep_rule(
    index: &Index,
    disks: &Disks,
    place: &Place,
    (camera, keep): (CameraId, Keep),
    now_utc_ms: i64,
) -> Result<usize, RetentionError> {
    let Some(number) = place.disk.number() else {
        return Ok(0);
    };
    let readable = disks.readable();
    let mut deleted = 0;
    let old = |before| {
        index
            .oldest_of_camera(&readable, camera, before, CANDIDATES)
            .map_err(RetentionError::Index)
    };
    let here = |oldest: &Oldest| oldest.disk == number && !disks.is_pinned(number, &oldest.file);
    if let Some(age_s) = keep.max_age_s {
        let age_ms = i64::try_from(age_s.saturating_mul(1000)).unwrap_or(i64::MAX);
        for oldest in old(now_utc_ms.saturating_sub(age_ms))?
            .iter()
            .filter(|o| here(o))
        {
            if deleted < MOST_BY_RULE {
                delete(index, place, oldest)?;
                deleted += 1;
            }
        }
    }
    if let Some(max_bytes) = keep.max_bytes {
        let growing: u64 = disks
            .growing(camera)
            .iter()
            .map(|(_, growing)| growing.size_bytes)
            .sum();
        let finished = index.size_of_camera(&readable, camera);
        let mut size = finished.map_err(RetentionError::Index)? + growing;
        for oldest in old(i64::MAX)? {
            if size <= max_bytes || deleted >= MOST_BY_RULE {
                break;
            }
            if here(&oldest) {
                delete(index, place, &oldest)?;
                deleted += 1;
            }
            size = size.saturating_sub(oldest.size_bytes);
        }
    }
    Ok(deleted)
}

fn delete(index: &Index, place: &Place, oldest: &Oldest) -> Result<(), RetentionError> {
    let path = place.disk.folder().join(&oldest.file);
    match std::fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            return Err(RetentionError::Delete { path, source });
        }
        _ => {}
    }
    let forgotten = index.forget(oldest.disk, &oldest.file);
    forgotten.map_err(RetentionError::Index)?;
    // Fails while the day holds more, which is the point.
    if let Some(day) = path.parent() {
        let _ = std::fs::remove_dir(day);
    }
    Ok(())
}

#[cfg(test)]
#[path = "retention_tests.rs"]
mod tests;
