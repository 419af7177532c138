//! All disks of recordings, and which of them a camera's next file goes to.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use jiff::tz::TimeZone;
use sealgate_camera::CameraId;
use sealgate_recorder_link::{DiskState, DiskStatus};

use crate::disk::{Disk, Markers};
use crate::index::DiskNumber;
use crate::preroll;
use crate::writer::{Progress, Writer};

/// A writing thread that was not seen for longer hangs in its disk: it is left out.
const HANGING: Duration = Duration::from_secs(10);
/// All threads hang for longer: a restart may help.
const DEAD: Duration = Duration::from_secs(60);
/// Another disk must be this much better before a camera moves to it.
const WORTH_MOVING_PERCENT: u64 = 125;
/// With less to spare on every disk, all count as full, bytes.
const ROOMY_BYTES: u64 = 1 << 30;

/// One disk and the thread that writes to it.
#[derive(Debug)]
pub struct Place {
    /// The disk.
    pub disk: Arc<Disk>,
    /// Its thread.
    pub writer: Writer,
}

impl Place {
    /// Whether files can go there now.
    pub fn is_usable(&self) -> bool {
        self.disk.number().is_some() && !self.writer.hangs(HANGING)
    }

    fn state(&self) -> DiskState {
        match self.disk.state() {
            DiskState::InUse if self.writer.hangs(HANGING) => DiskState::Hanging,
            state => state,
        }
    }
}

/// All disks.
#[derive(Debug)]
pub struct Disks {
    places: Vec<Arc<Place>>,
    min_free_bytes: u64,
    /// Of the disks in use.
    pub markers: Markers,
    /// What each camera that waits for motion may hold in memory, bytes.
    pub held_share_bytes: AtomicUsize,
    /// The time zone that plans go by.
    zone: RwLock<TimeZone>,
    /// Files that are being read, which are not deleted.
    pinned: Mutex<Pinned>,
}

#[derive(Debug, Default)]
struct Pinned {
    files: HashSet<(u64, DiskNumber, String)>,
    next: u64,
}

/// Keeps files from being deleted until it is dropped.
#[derive(Debug)]
pub struct Pin {
    disks: Arc<Disks>,
    number: u64,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let number = self.number;
        let mut pinned = self.disks.pinned();
        pinned.files.retain(|(pin, _, _)| *pin != number);
    }
}

impl Disks {
    /// These disks, in the order of the configuration.
    pub fn new(places: Vec<Place>, min_free_bytes: u64) -> Self {
        Self {
            places: places.into_iter().map(Arc::new).collect(),
            min_free_bytes,
            markers: Mutex::default(),
            held_share_bytes: AtomicUsize::new(preroll::share_bytes(1)),
            zone: RwLock::new(TimeZone::system()),
            pinned: Mutex::default(),
        }
    }

    /// The time zone that plans go by.
    pub fn zone(&self) -> TimeZone {
        self.zone
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Plans go by the time zone of this name from the next part on; by the same as before
    /// where there is no such.
    pub fn set_zone(&self, name: &str) {
        match TimeZone::get(name) {
            Ok(zone) => *self.zone.write().unwrap_or_else(PoisonError::into_inner) = zone,
            Err(error) => tracing::warn!(%error, "plans keep their time zone"),
        }
    }

    /// Each disk.
    pub fn places(&self) -> &[Arc<Place>] {
        &self.places
    }

    /// Those that can be read now, as the index knows them.
    pub fn readable(&self) -> Vec<DiskNumber> {
        let usable = self.places.iter().filter(|place| place.is_usable());
        usable.filter_map(|place| place.disk.number()).collect()
    }

    /// The disk with this number, if it can be read now.
    pub fn find(&self, number: DiskNumber) -> Option<&Arc<Place>> {
        let mut places = self.places.iter();
        places.find(|place| place.is_usable() && place.disk.number() == Some(number))
    }

    /// Where a camera that writes to `current` writes its next file.
    pub fn choose(&self, current: Option<&Arc<Place>>) -> Option<Arc<Place>> {
        let usable = || self.places.iter().filter(|place| place.is_usable());
        let spare = |place: &Arc<Place>| {
            let space = place.disk.space();
            space.free_bytes.saturating_sub(self.min_free_bytes)
        };
        // Once all are full, each takes as much as it is large.
        let roomy = usable().any(|place| spare(place) >= ROOMY_BYTES);
        let score = |place: &Arc<Place>| {
            let is_current = current.is_some_and(|current| Arc::ptr_eq(current, place));
            let others = place.disk.cameras.load(Ordering::Relaxed) - usize::from(is_current);
            let weight = if roomy {
                spare(place)
            } else {
                place.disk.space().total_bytes
            };
            weight / (u64::try_from(others).unwrap_or(u64::MAX) + 1)
        };
        let best = usable().max_by_key(|place| score(place))?;
        match current {
            Some(current)
                if current.is_usable()
                    && score(best) <= score(current) / 100 * WORTH_MOVING_PERCENT =>
            {
                Some(Arc::clone(current))
            }
            _ => Some(Arc::clone(best)),
        }
    }

    /// What each disk is doing.
    pub fn status(&self) -> Vec<DiskStatus> {
        let status = |place: &Arc<Place>| {
            let space = place.disk.space();
            DiskStatus {
                name: place.disk.name().to_owned(),
                path: place.disk.folder().display().to_string(),
                state: place.state(),
                free_bytes: space.free_bytes,
                total_bytes: space.total_bytes,
            }
        };
        self.places.iter().map(status).collect()
    }

    /// The file that a camera writes now, and the disk it is on.
    pub fn growing(&self, camera: CameraId) -> Vec<(DiskNumber, Progress)> {
        let growing = |place: &Arc<Place>| {
            let progress = place.writer.growing(camera)?;
            Some((place.disk.number()?, progress))
        };
        self.places.iter().filter_map(growing).collect()
    }

    /// Keeps these files from being deleted.
    pub fn pin(self: &Arc<Self>, files: impl Iterator<Item = (DiskNumber, String)>) -> Pin {
        let mut pinned = self.pinned();
        let number = pinned.next;
        pinned.next += 1;
        pinned
            .files
            .extend(files.map(|(disk, file)| (number, disk, file)));
        Pin {
            disks: Arc::clone(self),
            number,
        }
    }

    /// Whether somebody reads this file.
    pub fn is_pinned(&self, disk: DiskNumber, file: &str) -> bool {
        let pinned = self.pinned();
        let mut files = pinned.files.iter();
        files.any(|(_, pinned, name)| *pinned == disk && name == file)
    }

    /// False once no disk takes anything for a reason that a restart may cure.
    pub fn is_alive(&self) -> bool {
        let gone = self.places.iter().any(|place| place.writer.is_gone());
        let hangs = |place: &Arc<Place>| place.writer.hangs(DEAD);
        !gone && !self.places.iter().all(hangs)
    }

    fn pinned(&self) -> std::sync::MutexGuard<'_, Pinned> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
