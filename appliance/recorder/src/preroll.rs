//! The newest parts of a camera, held in memory in case there is motion.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::format::InitSegment;
use crate::part::{self, Part};

/// Of all cameras that wait for motion, bytes.
const MAX_HELD_BYTES: usize = 128 * 1024 * 1024;
/// Of one of them, bytes: ten seconds of 8 Mbit/s. Less time is held of what sends more.
const MOST_OF_ONE_BYTES: usize = 10 * 1024 * 1024;

/// What each of so many cameras may hold, bytes: 5 s of 3 Mbit/s with 64 of them.
pub fn share_bytes(cameras: usize) -> usize {
    (MAX_HELD_BYTES / cameras.max(1)).min(MOST_OF_ONE_BYTES)
}

/// Parts from one IDR on, without a hole.
#[derive(Debug, Default)]
pub struct PreRoll {
    parts: VecDeque<(Arc<InitSegment>, Arc<Part>)>,
    bytes: usize,
}

impl PreRoll {
    /// Holds one more part, and lets go what is not needed for `before` any more, or what is
    /// more than `max_bytes`.
    pub fn push(
        &mut self,
        init: &Arc<InitSegment>,
        part: &Arc<Part>,
        before: Duration,
        max_bytes: usize,
    ) {
        if self.parts.is_empty() && !part.starts_with_idr {
            return;
        }
        self.bytes += part.len();
        self.parts.push_back((Arc::clone(init), Arc::clone(part)));
        let end_90k = part.decode_time_90k + part.duration_90k;
        let needed_90k = end_90k.saturating_sub(part::ticks(before));
        // The next group reaches back far enough, or this one is too large.
        while let Some(next) = self.next_group()
            && (self.bytes > max_bytes || self.parts[next].1.decode_time_90k <= needed_90k)
        {
            for (_, part) in self.parts.drain(..next) {
                self.bytes -= part.len();
            }
        }
        if self.bytes > max_bytes {
            self.clear();
        }
    }

    fn next_group(&self) -> Option<usize> {
        let mut parts = self.parts.iter().enumerate().skip(1);
        parts.find_map(|(place, (_, part))| part.starts_with_idr.then_some(place))
    }

    /// All of it, oldest first; nothing is held then.
    pub fn take(&mut self) -> VecDeque<(Arc<InitSegment>, Arc<Part>)> {
        self.bytes = 0;
        std::mem::take(&mut self.parts)
    }

    /// Lets everything go.
    pub fn clear(&mut self) {
        self.parts.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::test_format;
    use crate::part::{PartBuilder, test_picture};

    /// Pictures of `bytes` each, 10 a second and an IDR every 2 s: seconds that are held then.
    fn held(pictures: std::ops::RangeInclusive<u64>, bytes: usize, before_s: u64) -> Vec<u64> {
        let init = Arc::new(InitSegment::new(test_format()));
        let mut pre_roll = PreRoll::default();
        let mut builder = PartBuilder::new();
        for count in pictures {
            if let Some(part) = builder.push(test_picture(count, bytes)) {
                let before = Duration::from_secs(before_s);
                pre_roll.push(&init, &Arc::new(part), before, share_bytes(1));
                assert!(pre_roll.bytes <= MOST_OF_ONE_BYTES);
            }
        }
        let parts = pre_roll.take();
        assert!(parts.front().is_none_or(|(_, part)| part.starts_with_idr));
        parts
            .iter()
            .map(|(_, part)| part.decode_time_90k / 45_000)
            .collect()
    }

    #[test]
    fn holds_whole_groups_that_reach_back_far_enough() {
        // Half seconds; up to 9 s, of which 5 s are wanted: from 4 s.
        assert_eq!(held(0..=90, 100, 5), (8..18).collect::<Vec<_>>());
        assert_eq!(held(0..=90, 100, 0), (16..18).collect::<Vec<_>>());
        assert_eq!(held(0..=60, 100, 10), (0..12).collect::<Vec<_>>());
    }

    #[test]
    fn begins_at_an_idr() {
        assert_eq!(held(5..=30, 100, 5), (4..6).collect::<Vec<_>>());
        assert_eq!(held(5..=19, 100, 5), [0; 0]);
    }

    #[test]
    fn all_cameras_share_what_is_held() {
        for cameras in [0, 1, 12, 64, 1000] {
            assert!(share_bytes(cameras) <= MOST_OF_ONE_BYTES);
            assert!(share_bytes(cameras) * cameras <= MAX_HELD_BYTES);
        }
        assert_eq!(share_bytes(64), 2 << 20);
    }

    #[test]
    fn is_bounded_in_bytes() {
        // Groups of 6 MByte: one and the beginning of the next fit.
        let mut halves = held(0..=90, 300_000, 10);
        halves.dedup();
        assert_eq!(halves, (12..18).collect::<Vec<_>>());
        // Groups of 12 MByte: none does.
        assert!(held(0..=39, 600_000, 10).is_empty());
    }
}
