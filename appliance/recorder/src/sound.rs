//! Sound beside pictures: AAC as it is, G.711 as FLAC; and its place on the pictures' timeline.

use bytes::Bytes;

use crate::boxes::TIMESCALE;
use crate::flac::{self, BLOCK};
use crate::g711::Law;
use crate::part::TimedSound;

/// A hole in the camera's sound up to this is filled with silence or a longer frame; a larger
/// one is a new start.
const LARGEST_HOLE_S: i64 = 5;
/// A step back by less than this part of a second is a camera that stamps its packets unsteadily:
/// its sound goes on, as cut or moved it would click and overlap.
const UNSTEADY_PER_S: i64 = 10;
/// Sound this far from the pictures it arrived with is set anew.
const LARGEST_DRIFT_90K: u64 = TIMESCALE as u64;

/// One frame of sound as it goes into a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    /// As the sample entry says.
    pub data: Bytes,
    /// Where it begins in the session's sound, samples from an arbitrary moment.
    pub start_samples: i64,
    /// Its length, samples.
    pub samples: u32,
    /// Samples a second.
    pub rate_hz: u32,
}

/// Turns G.711 packets of any length into FLAC frames of one length.
#[derive(Debug)]
pub struct G711ToFlac {
    law: Law,
    rate_hz: u32,
    waiting: Vec<i16>,
    /// Of the first sample that waits.
    start_samples: i64,
    frames: u32,
}

impl G711ToFlac {
    /// For sound of this law and rate.
    pub fn new(law: Law, rate_hz: u32) -> Self {
        Self {
            law,
            rate_hz,
            waiting: Vec::with_capacity(2 * BLOCK),
            start_samples: 0,
            frames: 0,
        }
    }

    /// Takes a packet that begins at `start_samples`; every finished frame goes to `each`.
    pub fn push(&mut self, octets: &[u8], start_samples: i64, mut each: impl FnMut(Sound)) {
        let waiting = i64::try_from(self.waiting.len()).expect("short");
        let expected = self.start_samples.saturating_add(waiting);
        let hole = start_samples.saturating_sub(expected);
        let begun = self.frames > 0 || !self.waiting.is_empty();
        let unsteady = begun && (-i64::from(self.rate_hz) / UNSTEADY_PER_S..0).contains(&hole);
        if (0..=LARGEST_HOLE_S * i64::from(self.rate_hz)).contains(&hole)
            && !self.waiting.is_empty()
        {
            for _ in 0..hole {
                self.waiting.push(0);
                self.give_full(&mut each);
            }
        } else if hole != 0 && !unsteady {
            self.waiting.clear();
            self.start_samples = start_samples;
        }
        for octet in octets {
            self.waiting.push(self.law.linear(*octet));
            self.give_full(&mut each);
        }
    }

    fn give_full(&mut self, each: &mut impl FnMut(Sound)) {
        let Ok(block) = self.waiting.as_slice().try_into() else {
            return;
        };
        each(Sound {
            data: flac::frame(self.frames, self.rate_hz, block).into(),
            start_samples: self.start_samples,
            samples: BLOCK as u32,
            rate_hz: self.rate_hz,
        });
        self.frames = self.frames.wrapping_add(1);
        self.start_samples = self.start_samples.saturating_add(BLOCK as i64);
        self.waiting.clear();
    }
}

/// Puts a session's sound onto the timeline of its pictures. A camera's two clocks have nothing in
/// common until its first sender report, and many send none: sound is taken to belong to the
/// pictures it arrives with, and then goes by its own samples.
#[derive(Debug, Default)]
pub struct SoundClock {
    anchor: Option<Anchor>,
    end_90k: u64,
}

#[derive(Debug, Clone, Copy)]
struct Anchor {
    start_samples: i64,
    time_90k: u64,
}

impl SoundClock {
    /// The next session's sound begins anew.
    pub fn start_session(&mut self) {
        self.anchor = None;
    }

    /// The frame's place, where the pictures that arrive now have the time `now_90k`.
    pub fn place(&mut self, sound: Sound, now_90k: u64) -> TimedSound {
        let rate = i128::from(sound.rate_hz.max(1));
        let anchor = match self.anchor {
            Some(anchor) if drift(anchor, &sound, now_90k) <= LARGEST_DRIFT_90K => anchor,
            _ => {
                let anchor = Anchor {
                    start_samples: sound.start_samples,
                    time_90k: now_90k,
                };
                self.anchor = Some(anchor);
                anchor
            }
        };
        let at = |samples: i64| {
            let since = i128::from(samples) - i128::from(anchor.start_samples);
            let time = i128::from(anchor.time_90k) + since * i128::from(TIMESCALE) / rate;
            u64::try_from(time.max(0)).unwrap_or(u64::MAX)
        };
        let end = at(sound.start_samples.saturating_add(i64::from(sound.samples)));
        // Decode times only ever rise, whatever the camera sends.
        let start = at(sound.start_samples).max(self.end_90k);
        let duration = end.saturating_sub(start).max(1);
        self.end_90k = start.saturating_add(duration);
        TimedSound {
            data: sound.data,
            time_90k: start,
            duration_90k: u32::try_from(duration).unwrap_or(u32::MAX),
        }
    }
}

fn drift(anchor: Anchor, sound: &Sound, now_90k: u64) -> u64 {
    let since = i128::from(sound.start_samples) - i128::from(anchor.start_samples);
    let time = i128::from(anchor.time_90k)
        + since * i128::from(TIMESCALE) / i128::from(sound.rate_hz.max(1));
    u64::try_from((time - i128::from(now_90k)).unsigned_abs()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(packets: &[(i64, usize)]) -> Vec<i64> {
        let mut to_flac = G711ToFlac::new(Law::A, 8000);
        let mut found = Vec::new();
        for (start, length) in packets {
            let octets = vec![0xd5; *length];
            to_flac.push(&octets, *start, |sound| found.push(sound.start_samples));
        }
        found
    }

    #[test]
    fn packets_of_any_length_become_frames_of_one() {
        let packets: Vec<_> = (0..10).map(|count| (1000 + count * 160, 160)).collect();
        assert_eq!(frames(&packets), [1000, 1512, 2024]);
        assert_eq!(frames(&[(5, 1024)]), [5, 517]);
        assert_eq!(frames(&[(0, 511), (511, 1)]), [0]);
        assert_eq!(frames(&[(0, 600), (472, 424)]), [0, 512]);
        assert_eq!(frames(&[(0, 512), (384, 512)]), [0, 512]);
    }

    #[test]
    fn lost_packets_are_silence_and_a_new_time_base_is_a_new_start() {
        assert_eq!(frames(&[(0, 160), (352, 160)]), [0]);
        assert_eq!(frames(&[(0, 160), (1 << 40, 512)]), [1 << 40]);
        assert_eq!(frames(&[(5000, 160), (0, 512)]), [0]);
        assert_eq!(
            frames(&[(i64::MAX - 600, 512), (i64::MIN, 10)]),
            [i64::MAX - 600]
        );
    }

    fn sound(start_samples: i64, rate_hz: u32) -> Sound {
        Sound {
            data: Bytes::from_static(b"x"),
            start_samples,
            samples: 1024,
            rate_hz,
        }
    }

    #[test]
    fn sound_goes_by_its_own_samples_without_rounding_away() {
        let mut clock = SoundClock::default();
        let mut expected = 900;
        for count in 0..1000 {
            let now = 900 + u64::try_from(count).unwrap_or(0) * 2089;
            let placed = clock.place(sound(count * 1024, 44_100), now);
            assert_eq!(placed.time_90k, expected);
            expected += u64::from(placed.duration_90k);
        }
        assert_eq!(expected, 900 + 1000 * 1024 * 90_000 / 44_100);
    }

    #[test]
    fn sound_that_leaves_its_pictures_is_set_anew_and_never_back() {
        let mut clock = SoundClock::default();
        assert_eq!(clock.place(sound(0, 8000), 0).time_90k, 0);
        // A jump of the camera's sound by an hour.
        assert_eq!(
            clock.place(sound(8000 * 3600, 8000), 20_000).time_90k,
            20_000
        );
        assert_eq!(
            clock.place(sound(8000 * 3600, 8000), 20_100).time_90k,
            31_520
        );
        clock.start_session();
        assert_eq!(clock.place(sound(-5, 8000), 500_000).time_90k, 500_000);
        let last = clock.place(sound(i64::MIN, 8000), 0);
        assert!(last.time_90k >= 500_000 && last.duration_90k >= 1);
    }
}
