//! One disk of recordings: what is known of it, and the marker that makes it one.
//!
//! Invariant: nothing is written to a folder without a marker, so that what belongs on a disk
//! never goes into its empty mount point. A marker is made only where the configuration says so.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use sealgate_base::{DurableError, write_durably};
use sealgate_recorder_link::DiskState;

use crate::index::DiskNumber;
use crate::retention::{Space, space_of};

/// In the recordings folder of each disk: 32 hexadecimal digits and a line feed, so that the
/// disk is known again wherever it is mounted.
pub const MARKER: &str = ".sealgate-disk";
const MARKER_DIGITS: usize = 32;
const TRIAL: &str = ".sealgate-trial";

/// Where a disk is, as the configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskSettings {
    /// For people.
    pub name: String,
    /// The recordings folder.
    pub folder: PathBuf,
    /// Whether a disk without a marker is made one of recordings.
    pub initialize: Initialize,
}

/// Whether a disk without a marker is made one of recordings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initialize {
    /// It is, and its folder is made too: the box's own disk.
    Always,
    /// It is, if it is a file system of its own and not that of the box or of another disk.
    OwnFileSystem,
    /// It is not.
    Never,
}

/// One disk, shared by all who use it.
#[derive(Debug)]
pub struct Disk {
    settings: DiskSettings,
    known: Mutex<Known>,
    woken: Condvar,
    /// Cameras that write to it.
    pub cameras: AtomicUsize,
}

#[derive(Debug)]
struct Known {
    state: DiskState,
    number: Option<DiskNumber>,
    marker: Option<String>,
    space: Space,
    needs_room: bool,
    looked: bool,
    ending: bool,
}

/// Markers of the disks in use, so that none is used twice.
pub type Markers = Mutex<HashMap<String, PathBuf>>;

impl Disk {
    /// Not looked at yet.
    pub fn new(settings: DiskSettings) -> Self {
        Self {
            settings,
            known: Mutex::new(Known {
                state: DiskState::Away,
                number: None,
                marker: None,
                space: Space::default(),
                needs_room: false,
                looked: false,
                ending: false,
            }),
            woken: Condvar::new(),
            cameras: AtomicUsize::new(0),
        }
    }

    /// For people.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// The recordings folder.
    pub fn folder(&self) -> &Path {
        &self.settings.folder
    }

    /// Whether it is used, as far as it was seen.
    pub fn state(&self) -> DiskState {
        self.known().state.clone()
    }

    /// Its number in the index, while it is in use.
    pub fn number(&self) -> Option<DiskNumber> {
        let known = self.known();
        known.number.filter(|_| known.state == DiskState::InUse)
    }

    /// Room on it, as of the last look.
    pub fn space(&self) -> Space {
        self.known().space
    }

    /// Takes over what was seen.
    pub fn set_space(&self, space: Space) {
        self.known().space = space;
    }

    /// It is used from now on.
    pub fn take_into_use(&self, number: DiskNumber) {
        tracing::info!(disk = self.name(), "recordings go to this disk");
        let mut known = self.known();
        known.number = Some(number);
        known.state = DiskState::InUse;
    }

    /// It is not used any more, or for another reason than before.
    pub fn leave_out(&self, state: DiskState) {
        let mut known = self.known();
        if known.state == state {
            return;
        }
        if known.state == DiskState::InUse || known.looked {
            tracing::error!(disk = self.name(), ?state, "this disk is left out");
        }
        known.state = state;
        known.space = Space::default();
        self.woken.notify_all();
    }

    /// Writing failed: the disk is left out where that says something about all of it, and room
    /// is made where that is what is missing.
    pub fn failed(&self, error: &io::Error) {
        match state_after(error) {
            Some(state) => self.leave_out(state),
            None if is_full(error) => {
                self.known().needs_room = true;
                self.woken.notify_all();
            }
            None => {}
        }
    }

    /// Waits for some time, or until the disk needs to be looked at. False once it is to end.
    pub fn wait(&self, time: Duration) -> bool {
        let idle = |known: &mut Known| !known.needs_room && !known.ending;
        let waited = self.woken.wait_timeout_while(self.known(), time, idle);
        let (mut known, _) = waited.unwrap_or_else(PoisonError::into_inner);
        known.needs_room = false;
        !known.ending
    }

    /// Ends [`Disk::wait`].
    pub fn end(&self) {
        self.known().ending = true;
        self.woken.notify_all();
    }

    /// It was looked at once.
    pub fn set_looked(&self) {
        self.known().looked = true;
        self.woken.notify_all();
    }

    /// Waits until it was looked at once, or some time is over.
    pub fn wait_for_look(&self, time: Duration) {
        let unseen = |known: &mut Known| !known.looked;
        drop(self.woken.wait_timeout_while(self.known(), time, unseen));
    }

    /// Whether the marker is the one the disk had when it was taken into use. To be asked
    /// before anything is made in the folder.
    pub fn has_its_marker(&self) -> bool {
        let expected = self.known().marker.clone();
        expected.is_some() && read_marker(self.folder()).ok().flatten() == expected
    }

    /// Looks for the marker, makes it where that is to be done, and tries the disk. Gives the
    /// marker of a disk that can be used.
    ///
    /// # Errors
    /// The state of a disk that can't.
    pub fn try_out(&self, markers: &Markers) -> Result<String, DiskState> {
        let folder = self.folder();
        let marker = match read_marker(folder).map_err(|error| state_of(&error))? {
            Some(marker) => marker,
            None => self.initialize(markers)?,
        };
        {
            let mut markers = lock(markers);
            let taken = markers.get(&marker).is_some_and(|other| other != folder);
            if taken {
                return Err(DiskState::Double);
            }
            markers.retain(|_, other| other != folder);
            markers.insert(marker.clone(), folder.to_owned());
        }
        match try_writing(folder) {
            // Room is made by deleting, and the disk must be in use for that.
            Err(error) if !is_full(&error) => return Err(state_of(&error)),
            _ => {}
        }
        self.known().marker = Some(marker.clone());
        Ok(marker)
    }

    fn initialize(&self, markers: &Markers) -> Result<String, DiskState> {
        let folder = self.folder();
        match self.settings.initialize {
            Initialize::Always => {
                std::fs::create_dir_all(folder).map_err(|error| state_of(&error))?;
            }
            Initialize::OwnFileSystem if folder.is_dir() => {
                let device = |path: &Path| path.metadata().ok().map(|data| data.dev());
                let own = device(folder);
                let others = lock(markers).values().cloned().collect::<Vec<_>>();
                let mut others = others.iter().map(PathBuf::as_path);
                if own == device(Path::new("/")) || others.any(|other| own == device(other)) {
                    return Err(DiskState::Away);
                }
            }
            Initialize::Never if folder.is_dir() => return Err(DiskState::NotInitialized),
            Initialize::OwnFileSystem | Initialize::Never => return Err(DiskState::Away),
        }
        tracing::info!(disk = self.name(), "this disk is made one of recordings");
        let marker = format!("{:0MARKER_DIGITS$x}", rand::random::<u128>());
        // Whole or not at all: a marker that is cut short would lock the disk out.
        match write_durably(
            &folder.join(MARKER),
            format!("{marker}\n").as_bytes(),
            0o640,
        ) {
            Ok(()) => Ok(marker),
            Err(DurableError::Io { source, .. }) => Err(state_of(&source)),
            Err(error @ DurableError::TooLarge { .. }) => Err(DiskState::Failed {
                reason: error.to_string(),
            }),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }

    /// One camera more or less writes to it.
    pub fn count_camera(&self, arrives: bool) {
        if arrives {
            self.cameras.fetch_add(1, Ordering::Relaxed);
        } else {
            self.cameras.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// The marker in this folder, if there is one.
fn read_marker(folder: &Path) -> io::Result<Option<String>> {
    let mut text = String::new();
    match File::open(folder.join(MARKER)) {
        Ok(file) => file.take(64).read_to_string(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let marker = text.trim_end();
    let is_ours =
        marker.len() == MARKER_DIGITS && marker.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_ours {
        return Ok(Some(marker.to_owned()));
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        "its marker file is not one of ours",
    ))
}

/// Writes a little, and sees it through to the disk.
fn try_writing(folder: &Path) -> io::Result<()> {
    let path = folder.join(TRIAL);
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(MARKER.as_bytes())?;
        file.sync_all()
    });
    let removed = std::fs::remove_file(&path);
    // First what came first: nothing is there to remove where nothing could be made.
    written?;
    removed?;
    space_of(folder).map(|_| ())
}

/// The file system has no room, or the owner's share of it.
pub fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// The state of a disk on which something failed like this; `None` if it says nothing about
/// the whole disk.
fn state_after(error: &io::Error) -> Option<DiskState> {
    match Errno::from_io_error(error)? {
        Errno::ROFS => Some(DiskState::ReadOnly),
        // The device, its file system's integrity, or the server behind it.
        Errno::IO | Errno::NODEV | Errno::NXIO | Errno::UCLEAN | Errno::STALE | Errno::NOTCONN => {
            Some(state_of(error))
        }
        _ => None,
    }
}

fn state_of(error: &io::Error) -> DiskState {
    match error.kind() {
        io::ErrorKind::NotFound => DiskState::Away,
        _ if is_full(error) => DiskState::Full,
        io::ErrorKind::ReadOnlyFilesystem => DiskState::ReadOnly,
        _ => DiskState::Failed {
            reason: error.to_string(),
        },
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn disk(folder: &Path, initialize: Initialize) -> Disk {
        Disk::new(DiskSettings {
            name: "one".into(),
            folder: folder.to_owned(),
            initialize,
        })
    }

    #[test]
    fn only_the_boxes_own_disk_is_made_on_the_boxes_file_system() {
        let folder = tempfile::tempdir().unwrap();
        let markers = Markers::default();
        let path = folder.path().join("recordings");
        for (initialize, expected) in [
            (Initialize::Never, DiskState::Away),
            (Initialize::OwnFileSystem, DiskState::Away),
        ] {
            assert_eq!(disk(&path, initialize).try_out(&markers), Err(expected));
            assert!(!path.exists());
        }
        let first = disk(&path, Initialize::Always).try_out(&markers).unwrap();
        assert_eq!(first.len(), MARKER_DIGITS);
        // An empty mount point is on the file system of another disk.
        let mount_point = folder.path().join("disk2");
        std::fs::create_dir(&mount_point).unwrap();
        for (initialize, expected) in [
            (Initialize::Never, DiskState::NotInitialized),
            (Initialize::OwnFileSystem, DiskState::Away),
        ] {
            assert_eq!(
                disk(&mount_point, initialize).try_out(&markers),
                Err(expected)
            );
            assert_eq!(std::fs::read_dir(&mount_point).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_disk_is_known_again_by_its_marker_and_used_once() {
        let folder = tempfile::tempdir().unwrap();
        let (here, there) = (folder.path().join("here"), folder.path().join("there"));
        let made = disk(&here, Initialize::Always).try_out(&Markers::default());
        std::fs::rename(&here, &there).unwrap();
        let markers = Markers::default();
        let found = disk(&there, Initialize::Never);
        assert_eq!(found.try_out(&markers), made);
        assert!(found.has_its_marker());
        assert_eq!(found.try_out(&markers), made);
        std::fs::create_dir(&here).unwrap();
        std::fs::copy(there.join(MARKER), here.join(MARKER)).unwrap();
        let copy = disk(&here, Initialize::Never);
        assert_eq!(copy.try_out(&markers), Err(DiskState::Double));
        std::fs::remove_file(there.join(MARKER)).unwrap();
        assert!(!found.has_its_marker());
    }

    #[test]
    fn a_foreign_marker_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(MARKER), "something else").unwrap();
        let found = disk(folder.path(), Initialize::Always).try_out(&Markers::default());
        assert!(matches!(found, Err(DiskState::Failed { .. })), "{found:?}");
    }

    #[test]
    fn errors_say_whether_the_whole_disk_failed() {
        for (errno, expected) in [
            (Errno::IO, Some("failed")),
            (Errno::ROFS, Some("read only")),
            (Errno::NOTDIR, None),
            (Errno::NOSPC, None),
        ] {
            let found = match state_after(&errno.into()) {
                Some(DiskState::ReadOnly) => Some("read only"),
                Some(_) => Some("failed"),
                None => None,
            };
            assert_eq!(found, expected, "{errno:?}");
        }
        assert!(is_full(&Errno::NOSPC.into()) && is_full(&Errno::DQUOT.into()));
    }
}
