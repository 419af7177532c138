//! What viewers get of a session: each picture at once, as a part of its own.
//!
//! How long a picture lasts is known only when the next one arrives, which is too late for
//! whoever watches live. So its duration is told from the ones before it, and the next picture's
//! puts right what was wrong. Viewers' times have no holes (see [`crate::live`]), so a picture that
//! comes late is one the player waits for, never one it would look for elsewhere.
//!
//! Nothing of this exists while nobody watches, and nothing of it changes what goes to disk.

use crate::part::{Part, PartBuilder, TimedPicture, TimedSound};

/// Sound that waits for the next picture, frames: some seconds of it.
const MOST_SOUND: usize = 64;

/// Makes viewers' parts.
#[derive(Debug, Default)]
pub struct Feed {
    builder: PartBuilder,
    sound: Vec<TimedSound>,
    /// When the newest part ends, as viewers were told, on the camera's timeline.
    end_90k: Option<u64>,
}

impl Feed {
    /// The session ended, or its format changes.
    pub fn reset(&mut self) {
        self.sound.clear();
        self.end_90k = None;
    }

    /// Somebody watches from here on: all that is held back for the disk, its newest picture
    /// included.
    pub fn begin(&mut self, held: &PartBuilder, newest_90k: u64, step_90k: u32) -> Option<Part> {
        self.reset();
        self.end_90k = Some(newest_90k.saturating_add(u64::from(step_90k)));
        held.clone().finish(step_90k)
    }

    /// Sound, to go with the next picture.
    pub fn push_sound(&mut self, frame: TimedSound) {
        if self.sound.len() < MOST_SOUND {
            self.sound.push(frame);
        }
    }

    /// One picture, and the sound since the last one. Pictures are `step_90k` apart as a rule.
    pub fn push(&mut self, picture: TimedPicture, step_90k: u32) -> Option<Part> {
        let time_90k = picture.decode_time_90k;
        let told_90k = self.end_90k.unwrap_or(time_90k);
        let (duration_90k, end_90k) = told(told_90k, time_90k, step_90k);
        self.end_90k = Some(end_90k);
        self.builder.push(picture);
        for frame in self.sound.drain(..) {
            self.builder.push_sound(frame);
        }
        self.builder.finish(duration_90k)
    }
}

/// How long a picture is said to last, and when it ends on the camera's timeline, if the one before
/// was said to end at `told_90k` and this one begins at `time_90k`.
fn told(told_90k: u64, time_90k: u64, step_90k: u32) -> (u32, u64) {
    let step = i64::from(step_90k.max(1));
    let late =
        i64::try_from(time_90k).unwrap_or(i64::MAX) - i64::try_from(told_90k).unwrap_or(i64::MAX);
    if late > step {
        // Viewers have waited for it meanwhile: to show it for longer would make them wait twice.
        return (
            step_90k.max(1),
            time_90k.saturating_add(u64::from(step_90k.max(1))),
        );
    }
    let duration = step.saturating_add(late).max((step / 4).max(1));
    let duration = u32::try_from(duration).unwrap_or(step_90k);
    (duration, told_90k.saturating_add(u64::from(duration)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::part::test_picture;

    #[test]
    fn what_was_told_wrong_is_put_right_by_the_next_picture() {
        for (told_at, time, step, expected) in [
            // As it should be.
            (9000, 9000, 9000, (9000, 18_000)),
            // A little late, a little early: the end is right again.
            (9000, 9900, 9000, (9900, 18_900)),
            (9000, 8100, 9000, (8100, 17_100)),
            // Far too early, as after a step that was an exception: a quarter of a step at least.
            (90_000, 9000, 3600, (900, 90_900)),
            // A pause is waited for, not made up for.
            (9000, 900_000, 9000, (9000, 909_000)),
            // No step is known.
            (5, 5, 0, (1, 6)),
        ] {
            assert_eq!(
                told(told_at, time, step),
                expected,
                "{told_at} {time} {step}"
            );
        }
    }

    #[test]
    fn told_time_follows_an_uneven_camera() {
        let mut end = 0;
        let mut sum = 0;
        for count in 0_u64..1000 {
            let time = count * 3600 + [0, 900, 300, 1200][usize::try_from(count % 4).unwrap()];
            let (duration, next) = told(end, time, 3600);
            sum += u64::from(duration);
            end = next;
        }
        assert!(sum.abs_diff(1000 * 3600) < 2 * 3600, "{sum}");
    }

    #[test]
    fn each_picture_is_a_part_with_the_sound_since_the_last() {
        let mut held = PartBuilder::new();
        for count in 0..3 {
            assert_eq!(held.push(test_picture(count, 10)), None);
        }
        let mut feed = Feed::default();
        let first = feed.begin(&held, 2 * 9000, 9000).unwrap();
        assert!(first.starts_with_idr);
        assert_eq!(first.duration_90k, 3 * 9000);
        // What is held is still there for the disk.
        assert_eq!(held.finish(9000).unwrap().duration_90k, 3 * 9000);
        for time_90k in [20_000, 25_760] {
            feed.push_sound(TimedSound {
                data: b"snd".as_slice().into(),
                time_90k,
                duration_90k: 5760,
            });
        }
        let next = feed.push(test_picture(3, 10), 9000).unwrap();
        assert_eq!(next.media().concat().len(), 10 + 6);
        assert_eq!((next.decode_time_90k, next.duration_90k), (27_000, 9000));
        let after = feed.push(test_picture(4, 10), 9000).unwrap();
        assert_eq!(after.media().concat().len(), 10);
    }

    #[test]
    fn sound_without_pictures_is_bounded() {
        let mut feed = Feed::default();
        for time_90k in 0..10_000 {
            feed.push_sound(TimedSound {
                data: vec![0; 100].into(),
                time_90k,
                duration_90k: 1,
            });
        }
        let part = feed.push(test_picture(0, 10), 9000).unwrap();
        assert!(part.len() < 10_000, "{}", part.len());
    }
}
