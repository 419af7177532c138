//! Decode times that only ever rise, whatever a camera sends.
//!
//! A camera's timestamps repeat, go back or jump when its clock is set. Recording never stops
//! for that: small steps back are clamped, large ones re-anchor the camera's time to ours.
//! Pictures are taken in the order they arrive; composition offsets (B-frames, which network
//! cameras do not send live) are deliberately absent.

use std::time::Duration;

use crate::boxes::TIMESCALE;

/// A step back by more than this is a new time base, not reordering.
const LARGEST_STEP_BACK_90K: i64 = 90_000;
/// A step ahead by more than this is a jump: the watchdog would have ended a real silence.
const LARGEST_STEP_AHEAD_90K: i64 = 900_000;
/// Timestamps that stand still for longer are no longer believed.
const LONGEST_STANDSTILL: Duration = Duration::from_secs(1);
/// Between pictures when nothing better is known.
const DEFAULT_STEP_90K: i64 = 3600;

/// Maps one camera's timestamps to decode times. Lives as long as the camera is desired, so
/// decode times go on rising from session to session.
#[derive(Debug)]
pub struct Timeline {
    last_90k: Option<i64>,
    step_90k: i64,
    anchor: Option<Anchor>,
}

#[derive(Debug)]
struct Anchor {
    /// Decode time minus the camera's time.
    offset_90k: i64,
    /// The decode time at which the camera's time last moved on, and our clock then.
    progress_90k: i64,
    progress_at: Duration,
}

impl Timeline {
    /// Starts at decode time 0.
    pub fn new() -> Self {
        Self {
            last_90k: None,
            step_90k: DEFAULT_STEP_90K,
            anchor: None,
        }
    }

    /// The camera's time base changes: the next picture follows the last one by one step.
    pub fn start_session(&mut self) {
        self.anchor = None;
    }

    /// The usual time between two pictures.
    pub fn step_90k(&self) -> u32 {
        u32::try_from(self.step_90k).expect("a step is between 1 tick and 1 s")
    }

    /// The decode time of a picture with this timestamp of the camera, arrived at `arrival` on
    /// our monotonic clock. Always greater than the last.
    pub fn decode_time_90k(&mut self, camera_90k: i64, arrival: Duration) -> u64 {
        let time = self.next(camera_90k, arrival);
        self.last_90k = Some(time);
        u64::try_from(time).expect("times start at 0 and rise")
    }

    fn next(&mut self, camera_90k: i64, arrival: Duration) -> i64 {
        let (Some(last), Some(anchor)) = (self.last_90k, &mut self.anchor) else {
            let time = self.last_90k.map_or(0, |last| last + self.step_90k);
            self.anchor = Some(Anchor {
                offset_90k: time.saturating_sub(camera_90k),
                progress_90k: time,
                progress_at: arrival,
            });
            return time;
        };
        let since_progress = arrival.saturating_sub(anchor.progress_at);
        let wanted = camera_90k.saturating_add(anchor.offset_90k);
        let step = wanted.saturating_sub(last);
        let stands_still = step <= 0 && since_progress > LONGEST_STANDSTILL;
        let believed = (-LARGEST_STEP_BACK_90K..=LARGEST_STEP_AHEAD_90K).contains(&step);
        let time = if !believed || stands_still {
            let ours = anchor.progress_90k.saturating_add(ticks(since_progress));
            let time = ours.clamp(last + 1, last + LARGEST_STEP_AHEAD_90K);
            anchor.offset_90k = time.saturating_sub(camera_90k);
            time
        } else if step <= 0 {
            return last + 1;
        } else {
            if step <= i64::from(TIMESCALE) {
                self.step_90k = step;
            }
            wanted
        };
        anchor.progress_90k = time;
        anchor.progress_at = arrival;
        time
    }
}

impl Default for Timeline {
    fn default() -> Self {
        Self::new()
    }
}

fn ticks(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis() * u128::from(TIMESCALE) / 1000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pictures arrive every 100 ms with these timestamps of the camera.
    fn check(camera_90k: &[i64], expected: &[u64]) {
        let mut timeline = Timeline::new();
        let found: Vec<u64> = camera_90k
            .iter()
            .zip(0_u64..)
            .map(|(time, count)| {
                timeline.decode_time_90k(*time, Duration::from_millis(100 * count))
            })
            .collect();
        assert_eq!(found, expected, "for {camera_90k:?}");
    }

    #[test]
    fn follows_a_well_behaved_camera() {
        check(&[500, 9500, 18_500], &[0, 9000, 18_000]);
    }

    #[test]
    fn clamps_small_steps_back_without_drifting() {
        check(
            &[0, 27_000, 9000, 18_000, 36_000],
            &[0, 27_000, 27_001, 27_002, 36_000],
        );
        check(&[0, 0, 9000], &[0, 1, 9000]);
    }

    #[test]
    fn takes_our_clock_when_the_cameras_jumps() {
        check(
            &[0, 9000, 1 << 40, (1 << 40) + 9000],
            &[0, 9000, 18_000, 27_000],
        );
        check(&[1 << 40, 0, 9000], &[0, 9000, 18_000]);
        check(&[i64::MAX, i64::MIN, 0], &[0, 9000, 18_000]);
    }

    #[test]
    fn a_camera_without_time_is_recorded_in_ours() {
        let mut timeline = Timeline::new();
        let mut last = 0;
        for count in 0..100 {
            last = timeline.decode_time_90k(77, Duration::from_millis(100 * count));
        }
        // 9.9 s on our clock, at most a standstill behind.
        assert!((792_000..=891_000).contains(&last), "{last}");
    }

    #[test]
    fn goes_on_rising_in_the_next_session() {
        let mut timeline = Timeline::new();
        timeline.decode_time_90k(0, Duration::ZERO);
        timeline.decode_time_90k(9000, Duration::from_millis(100));
        timeline.start_session();
        assert_eq!(timeline.decode_time_90k(5, Duration::from_secs(60)), 18_000);
    }

    #[test]
    fn always_rises() {
        let mut timeline = Timeline::new();
        let mut state = 1_u64;
        let mut last = None;
        for count in 0..10_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let camera = (state >> 33).cast_signed() >> (state % 33);
            let time = timeline.decode_time_90k(camera, Duration::from_millis(40 * count));
            assert!(last.is_none_or(|last| time > last));
            last = Some(time);
        }
    }
}
