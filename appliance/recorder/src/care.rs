//! The thread that cares for one disk: finds it, makes room on it, and takes it into use again
//! when it is back.

use std::sync::Arc;
use std::time::Duration;

use sealgate_base::Clock;
use sealgate_recorder_link::DiskState;

use crate::disk::Disk;
use crate::disks::{Disks, Place};
use crate::index::{DiskNumber, Index};
use crate::retention::{self, RetentionError, Space, space_of};
use crate::threads::{Thread, join_within};

/// Between two looks at a disk.
const INTERVAL: Duration = Duration::from_secs(2);
/// Between two attempts to use a disk that failed; a disk that is away is looked for at each
/// look.
const RETRY: Duration = Duration::from_secs(10);
/// A disk that takes a trial and then fails again, as one with bad places does, costs its cameras
/// some seconds each time: it waits twice as long after each failure, up to this.
const RETRY_AT_MOST: Duration = Duration::from_secs(3600);
/// A disk that was good for so long is as good as any.
const PROVEN: Duration = Duration::from_secs(3600);
/// A disk with less that nothing can be deleted from is full.
const FULL_BYTES: u64 = 8 * 1024 * 1024;
/// How long ages of recordings are not believed after a start or a jump of the clock.
const DISTRUST: Duration = Duration::from_secs(600);
/// A step of the wall clock against the monotonic one that counts as a jump.
const JUMP_MS: i64 = 60_000;

/// Threads that care for disks.
#[derive(Debug)]
pub struct Care {
    disks: Arc<Disks>,
    threads: Vec<Thread>,
}

impl Care {
    /// Starts a thread for each disk, with a connection to the index each.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(
        disks: &Arc<Disks>,
        clock: &Arc<dyn Clock>,
        min_free_bytes: u64,
        indexes: Vec<Index>,
    ) -> std::io::Result<Self> {
        let mut threads = Vec::new();
        for (place, index) in disks.places().iter().zip(indexes) {
            let work = Work {
                index,
                disks: Arc::clone(disks),
                place: Arc::clone(place),
                clock: Arc::clone(clock),
                min_free_bytes,
                failing: false,
                number: None,
                tried: None,
                probation: Probation::default(),
                trust: ClockTrust::default(),
            };
            threads.push(Thread::start("disk-care", move || work.run())?);
        }
        Ok(Self {
            disks: Arc::clone(disks),
            threads,
        })
    }

    /// Ends the threads, but for those that hang in their disk for longer than `limit`.
    pub fn end(self, limit: Duration) {
        for place in self.disks.places() {
            place.disk.end();
        }
        join_within(self.threads, limit);
    }
}

struct Work {
    index: Index,
    disks: Arc<Disks>,
    place: Arc<Place>,
    clock: Arc<dyn Clock>,
    min_free_bytes: u64,
    /// Said once, not every two seconds.
    failing: bool,
    /// Of the disk, once it was in use.
    number: Option<DiskNumber>,
    /// The last attempt to use a failed disk, on the monotonic clock.
    tried: Option<Duration>,
    probation: Probation,
    trust: ClockTrust,
}

impl Work {
    fn run(mut self) {
        let place = Arc::clone(&self.place);
        let mut is_first = true;
        loop {
            self.look(&place.disk);
            if std::mem::take(&mut is_first) && place.disk.number().is_none() {
                let state = place.disk.state();
                tracing::error!(disk = place.disk.name(), ?state, "this disk is not used");
            }
            place.disk.set_looked();
            if !place.disk.wait(INTERVAL) {
                return;
            }
        }
    }

    fn look(&mut self, disk: &Disk) {
        let now = self.clock.monotonic();
        let state = disk.state();
        self.probation.saw(&state, now);
        match state {
            DiskState::InUse => {
                if !disk.has_its_marker() {
                    disk.leave_out(DiskState::Away);
                }
            }
            DiskState::Full if !self.has_room_again(disk) => {}
            // Only what is written can tell whether it is good again.
            DiskState::Failed { .. } | DiskState::ReadOnly
                if self.probation.lasts(now)
                    || self
                        .tried
                        .is_some_and(|tried| now.saturating_sub(tried) < RETRY) => {}
            _ => {
                self.tried = Some(now);
                self.find(disk);
            }
        }
        if disk.number().is_some() {
            match space_of(disk.folder()) {
                Ok(space) => {
                    disk.set_space(space);
                    self.keep_room(disk, space);
                }
                Err(error) => disk.failed(&error),
            }
        }
    }

    /// Whether a full disk has room, or something that may be deleted by now.
    fn has_room_again(&self, disk: &Disk) -> bool {
        let space = space_of(disk.folder()).unwrap_or_default();
        disk.set_space(space);
        let deletable = || {
            let number = self.number?;
            Some(!self.index.oldest_of_disk(number, 1).ok()?.is_empty())
        };
        space.free_bytes >= 2 * FULL_BYTES || deletable().unwrap_or(true)
    }

    /// Takes the disk into use, if it is there and good.
    fn find(&mut self, disk: &Disk) {
        let marker = match disk.try_out(&self.disks.markers) {
            Ok(marker) => marker,
            Err(state) => return disk.leave_out(state),
        };
        let number = self.index.disk(&marker);
        let listed = number.and_then(|number| {
            self.index.reconcile(number, disk.folder())?;
            Ok(number)
        });
        match listed {
            Ok(number) => {
                self.number = Some(number);
                disk.take_into_use(number);
            }
            Err(error) => {
                tracing::error!(
                    disk = disk.name(),
                    error = &error as &dyn std::error::Error,
                    "this disk's recordings can't be listed"
                );
                disk.leave_out(DiskState::Failed {
                    reason: error.to_string(),
                });
            }
        }
    }

    fn keep_room(&mut self, disk: &Disk, space: Space) {
        let result = self.delete_what_goes(disk, space);
        match &result {
            Ok(0) => {}
            Ok(deleted) => {
                tracing::info!(
                    disk = disk.name(),
                    deleted,
                    "the oldest recordings made room"
                );
                if let Ok(space) = space_of(disk.folder()) {
                    disk.set_space(space);
                }
            }
            Err(RetentionError::NothingLeft { free_bytes }) if *free_bytes < FULL_BYTES => {
                disk.leave_out(DiskState::Full);
            }
            Err(error) if !self.failing => tracing::error!(
                disk = disk.name(),
                error = error as &dyn std::error::Error,
                "the disk of recordings may become full"
            ),
            Err(_) => {}
        }
        if let Err(RetentionError::Delete { source, .. }) = &result {
            disk.failed(source);
        }
        self.failing = result.is_err();
    }

    fn delete_what_goes(&mut self, disk: &Disk, space: Space) -> Result<usize, RetentionError> {
        let Some(number) = disk.number() else {
            return Ok(0);
        };
        let utc_ms = self.clock.utc_ms();
        let is_trusted = self.trust.is_trusted(utc_ms, self.clock.monotonic());
        let mut deleted = 0;
        for (camera, mut keep) in self.index.rules().map_err(RetentionError::Index)? {
            if !is_trusted {
                keep.max_age_s = None;
            }
            let rule = (camera, keep);
            deleted += retention::keep_rule(&self.index, &self.disks, &self.place, rule, utc_ms)?;
        }
        let floor = retention::floor(self.min_free_bytes, space.total_bytes);
        let place = &self.place;
        deleted += retention::make_room(&self.index, &self.disks, place, number, space, floor)?;
        Ok(deleted)
    }
}

/// How long a disk that failed while it was used is left alone, by how often it did.
#[derive(Debug, Default)]
struct Probation {
    failures: u32,
    /// It is in use since then, on the monotonic clock.
    used_since: Option<Duration>,
    /// When it failed last.
    failed: Option<Duration>,
}

impl Probation {
    /// The disk is in this state now.
    fn saw(&mut self, state: &DiskState, now: Duration) {
        match state {
            DiskState::InUse => {
                let since = *self.used_since.get_or_insert(now);
                if now.saturating_sub(since) >= PROVEN {
                    self.failures = 0;
                }
            }
            // Pulled out and put back, or mounted anew: somebody saw to it.
            DiskState::Away => *self = Self::default(),
            DiskState::Failed { .. } | DiskState::ReadOnly => {
                let was_used = self.used_since.take().is_some();
                self.failures = self.failures.saturating_add(u32::from(was_used));
                self.failed = if was_used { Some(now) } else { self.failed };
            }
            _ => {}
        }
    }

    fn lasts(&self, now: Duration) -> bool {
        let wait = RETRY * 2_u32.pow(self.failures.saturating_sub(1).min(9));
        self.failed
            .is_some_and(|failed| now.saturating_sub(failed) < wait.min(RETRY_AT_MOST))
    }
}

/// Whether the wall clock may decide what is old: a clock that jumped may jump back.
#[derive(Debug, Default)]
struct ClockTrust {
    /// The wall clock less the monotonic one, milliseconds, and since when that holds.
    steady: Option<(i64, Duration)>,
}

impl ClockTrust {
    fn is_trusted(&mut self, utc_ms: i64, monotonic: Duration) -> bool {
        let elapsed = i64::try_from(monotonic.as_millis()).unwrap_or(i64::MAX);
        let offset = utc_ms.saturating_sub(elapsed);
        match self.steady {
            Some((known, since)) if known.abs_diff(offset) < JUMP_MS.unsigned_abs() => {
                self.steady = Some((offset, since));
                monotonic.saturating_sub(since) >= DISTRUST
            }
            _ => {
                self.steady = Some((offset, monotonic));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_fails_again_waits_twice_as_long() {
        let failed = DiskState::Failed {
            reason: "Input/output error".into(),
        };
        let mut probation = Probation::default();
        let mut now = Duration::ZERO;
        // It was never used: only the trials' own pace counts.
        probation.saw(&failed, now);
        assert!(!probation.lasts(now));
        for wait_s in [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600] {
            probation.saw(&DiskState::InUse, now);
            now += Duration::from_secs(60);
            probation.saw(&failed, now);
            now += Duration::from_secs(wait_s - 1);
            probation.saw(&failed, now);
            assert!(probation.lasts(now), "{wait_s}");
            now += Duration::from_secs(1);
            assert!(!probation.lasts(now), "{wait_s}");
        }
        probation.saw(&DiskState::InUse, now);
        probation.saw(&DiskState::InUse, now + PROVEN);
        probation.saw(&failed, now + PROVEN);
        assert!(!probation.lasts(now + PROVEN + RETRY));
        probation.saw(&DiskState::Away, now + PROVEN);
        assert!(!probation.lasts(now + PROVEN));
    }

    #[test]
    fn a_clock_that_jumped_is_not_believed_for_ten_minutes() {
        let mut trust = ClockTrust::default();
        let start = 1_795_000_000_000;
        let year = 365 * 86_400_000;
        for (second, jumped_ms, expected) in [
            (0_i64, 0, false),
            (599, 0, false),
            (600, 0, true),
            (700, 59_000, true),
            (702, year, false),
            (1301, year, false),
            (1302, year, true),
            (1303, 0, false),
        ] {
            let utc_ms = start + second * 1000 + jumped_ms;
            let monotonic = Duration::from_secs(second.unsigned_abs());
            assert_eq!(trust.is_trusted(utc_ms, monotonic), expected, "at {second}");
        }
    }
}
