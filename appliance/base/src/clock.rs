//! Time as an interface.

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Wall-clock time, milliseconds since the Unix epoch. May jump when the clock is set.
    fn utc_ms(&self) -> i64;

    /// Time since some moment before the first call; never goes back.
    fn monotonic(&self) -> Duration;

    /// Whether a time server keeps the wall clock.
    fn is_synchronised(&self) -> bool;

    /// Wall-clock time, whole seconds since the Unix epoch.
    fn utc_s(&self) -> i64 {
        self.utc_ms().div_euclid(1000)
    }
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Monotonic time counts from here.
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the system"
    )]
    fn utc_ms(&self) -> i64 {
        // A box whose battery failed may stand before 1970.
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
        }
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn is_synchronised(&self) -> bool {
        touched_lately(Path::new(SYNCHRONISED))
    }
}

/// What systemd-timesyncd touches at each answer of a time server
/// (systemd-timesyncd.service(8)). The kernel's own flag, adjtimex(2), is not to be had
/// without unsafe code: neither rustix nor nix wraps it.
const SYNCHRONISED: &str = "/run/systemd/timesync/synchronized";
/// timesyncd asks every 34 minutes at most; a clock that was set by hand since then makes
/// the file's date stand out.
const SYNCHRONISED_FOR: Duration = Duration::from_hours(2);

#[expect(
    clippy::disallowed_methods,
    reason = "the file's date is by the same clock"
)]
fn touched_lately(file: &Path) -> bool {
    std::fs::metadata(file)
        .and_then(|file| file.modified())
        .is_ok_and(|at| {
            SystemTime::now()
                .duration_since(at)
                .is_ok_and(|age| age < SYNCHRONISED_FOR)
        })
}

/// A clock that tests move.
#[derive(Debug)]
pub struct FakeClock {
    now: Mutex<Now>,
}

#[derive(Debug, Clone, Copy)]
struct Now {
    utc_ms: i64,
    monotonic: Duration,
    synchronised: bool,
}

impl FakeClock {
    /// Stands still at this wall-clock time, milliseconds since the Unix epoch, as if a
    /// time server had set it.
    pub fn at_utc_ms(utc_ms: i64) -> Self {
        Self {
            now: Mutex::new(Now {
                utc_ms,
                monotonic: Duration::ZERO,
                synchronised: true,
            }),
        }
    }

    /// Connects or disconnects the time server.
    pub fn set_synchronised(&self, synchronised: bool) {
        self.lock().synchronised = synchronised;
    }

    /// Lets time pass, on both clocks.
    pub fn advance(&self, by: Duration) {
        let mut now = self.lock();
        now.monotonic += by;
        now.utc_ms += i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
    }

    /// Sets the wall clock, as an owner or a time server does; monotonic time goes on.
    pub fn set_utc_ms(&self, utc_ms: i64) {
        self.lock().utc_ms = utc_ms;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Now> {
        // Two plain numbers: a panic elsewhere can't leave them half-written.
        self.now
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for FakeClock {
    fn utc_ms(&self) -> i64 {
        self.lock().utc_ms
    }

    fn monotonic(&self) -> Duration {
        self.lock().monotonic
    }

    fn is_synchronised(&self) -> bool {
        self.lock().synchronised
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fake_moves_only_when_told() {
        let clock = FakeClock::at_utc_ms(1_000_500);
        assert_eq!(clock.utc_s(), 1000);
        clock.advance(Duration::from_millis(600));
        assert_eq!(clock.utc_ms(), 1_001_100);
        assert_eq!(clock.monotonic(), Duration::from_millis(600));
        clock.set_utc_ms(-1);
        assert_eq!(clock.utc_s(), -1);
        assert_eq!(clock.monotonic(), Duration::from_millis(600));
    }

    #[test]
    #[allow(clippy::unwrap_used)]
    fn a_time_server_that_answered_lately_keeps_the_clock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("synchronized");
        assert!(!touched_lately(&path));
        let file = std::fs::File::create(&path).unwrap();
        assert!(touched_lately(&path));
        for wrong in [
            SystemTime::UNIX_EPOCH,
            file.metadata().unwrap().modified().unwrap() + Duration::from_hours(1),
        ] {
            file.set_modified(wrong).unwrap();
            assert!(!touched_lately(&path));
        }
    }

    #[test]
    fn the_system_clock_is_past_2025() {
        assert!(SystemClock::new().utc_s() > 1_735_689_600);
    }
}
