//! Pictures and sound become parts: one `moof` and `mdat` each. Those for the disk hold half a
//! second; those for viewers are made of the same pictures by [`crate::feed`].

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::boxes::{self, PartOutline, Sample, SoundSample, TIMESCALE};
use crate::scan;

/// A part ends before it holds more video than this. Seldom more than
/// two writes a second and camera, into the page cache.
const LONGEST_PART_90K: u64 = TIMESCALE as u64 / 2;
/// A part ends before it holds more bytes than this, unless one picture alone does.
const LARGEST_PART_BYTES: usize = 128 * 1024;
/// Sound is taken into a full part up to this many bytes: 2 Mbit/s for half a second.
const LARGEST_SOUND_BYTES: usize = 128 * 1024;
/// A part ends after this many pictures, so that a flood of tiny ones has short headers.
const MOST_PICTURES: usize = 250;
/// A larger picture is no picture: an 8K key frame is far smaller. Callers leave it out.
pub const MAX_PICTURE_BYTES: usize = 4 * 1024 * 1024;

/// One picture with its place in time.
#[derive(Debug, Clone)]
pub struct TimedPicture {
    /// Length-prefixed NAL units (ISO/IEC 14496-15, 5.3.2).
    pub data: Bytes,
    /// From [`crate::timeline::Timeline`].
    pub decode_time_90k: u64,
    /// No earlier picture is needed to show it.
    pub is_idr: bool,
    /// When it arrived, milliseconds since the Unix epoch.
    pub utc_ms: i64,
}

/// One frame of sound with its place in time.
#[derive(Debug, Clone)]
pub struct TimedSound {
    /// As the sample entry says.
    pub data: Bytes,
    /// On the pictures' timeline.
    pub time_90k: u64,
    /// How long it lasts.
    pub duration_90k: u32,
}

/// Where the time of a part's sound is in its header, and that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SoundPlace {
    offset: usize,
    time_90k: u64,
    /// How long it lasts; not known of a part that was read from a file.
    duration_90k: Option<u64>,
}

/// Half a second of video or less, finished; for viewers a single picture.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    head: Bytes,
    media: Vec<Bytes>,
    media_bytes: usize,
    sound: Option<SoundPlace>,
    /// Counts the channel's parts.
    pub sequence: u32,
    /// Of its first picture, on the camera's timeline.
    pub decode_time_90k: u64,
    /// To the first picture of the next part.
    pub duration_90k: u64,
    /// Its first picture needs no earlier one.
    pub starts_with_idr: bool,
    /// When its first picture arrived, milliseconds since the Unix epoch.
    pub utc_ms: i64,
}

impl Part {
    /// Length, bytes.
    pub fn len(&self) -> usize {
        self.head.len() + self.media_bytes
    }

    /// Never: a part has a header.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The header with another decode time, as every file and viewer counts from 0.
    pub fn head_at(&self, decode_time_90k: u64) -> BytesMut {
        let mut head = BytesMut::from(&self.head[..]);
        let place = boxes::DECODE_TIME_OFFSET..boxes::DECODE_TIME_OFFSET + 8;
        head[place].copy_from_slice(&decode_time_90k.to_be_bytes());
        if let Some(time_90k) = self.sound_time_at(decode_time_90k) {
            self.set_sound_time(&mut head, time_90k);
        }
        head
    }

    /// As [`Self::head_at`], for a file: what of the first frame of sound was before the first
    /// picture of all has no time in it, so that all sound after it is where it was.
    pub fn file_head_at(&self, decode_time_90k: u64) -> BytesMut {
        let mut head = self.head_at(decode_time_90k);
        if let Some(sound) = self.sound {
            let before = self.decode_time_90k.saturating_sub(decode_time_90k);
            let early = before.saturating_sub(sound.time_90k);
            let place = sound.offset + boxes::FIRST_DURATION_AFTER_TIME;
            if early > 0
                && let Some(duration) = head.get_mut(place..place + 4)
                && let Ok(whole) = <[u8; 4]>::try_from(&*duration)
            {
                let whole = u32::from_be_bytes(whole);
                let early = u32::try_from(early).unwrap_or(u32::MAX);
                let left = whole.saturating_sub(early).max(1);
                duration.copy_from_slice(&left.to_be_bytes());
            }
        }
        head
    }

    /// When its sound begins, if its pictures begin at this time.
    pub fn sound_time_at(&self, decode_time_90k: u64) -> Option<u64> {
        // The first frame may have begun before the first picture of all.
        let sound = self.sound?;
        Some((sound.time_90k + decode_time_90k).saturating_sub(self.decode_time_90k))
    }

    /// How long its sound lasts, if it has any and that is known.
    pub fn sound_duration_90k(&self) -> Option<u64> {
        self.sound?.duration_90k
    }

    /// Lets its sound begin at another time, in a header from [`Self::head_at`].
    pub fn set_sound_time(&self, head: &mut BytesMut, time_90k: u64) {
        if let Some(sound) = self.sound {
            let place = sound.offset..sound.offset + 8;
            head[place].copy_from_slice(&time_90k.to_be_bytes());
        }
    }

    /// What follows the header: pictures, then sound, as they arrived and never copied.
    pub fn media(&self) -> &[Bytes] {
        &self.media
    }

    /// A part as it is in a recording; `None` for what this recorder did not write.
    pub fn parse(bytes: Bytes, utc_ms: i64) -> Option<Self> {
        let head_bytes = usize::try_from(u32::from_be_bytes(*bytes.first_chunk()?)).ok()? + 8;
        let timing = scan::timing(bytes.get(..head_bytes.checked_sub(8)?)?)?;
        let mut media = bytes;
        let head = media.split_to(head_bytes);
        Some(Self {
            head,
            media_bytes: media.len(),
            media: vec![media],
            sound: timing.sound.map(|(offset, time_90k)| SoundPlace {
                offset,
                time_90k,
                duration_90k: None,
            }),
            sequence: timing.sequence,
            decode_time_90k: timing.decode_time_90k,
            duration_90k: timing.duration_90k,
            starts_with_idr: timing.starts_with_idr,
            utc_ms,
        })
    }
}

/// Collects pictures until they make a part. A clone shares the pictures' bytes.
#[derive(Debug, Clone)]
pub struct PartBuilder {
    sequence: u32,
    samples: Vec<Sample>,
    sound_samples: Vec<SoundSample>,
    media: Vec<Bytes>,
    sound: Vec<Bytes>,
    media_bytes: usize,
    sound_time_90k: u64,
    /// Of the newest frame of sound.
    sound_end_90k: u64,
    first_time_90k: u64,
    last_time_90k: u64,
    first_utc_ms: i64,
}

impl PartBuilder {
    /// Starts with an empty part.
    pub fn new() -> Self {
        Self {
            sequence: 0,
            samples: Vec::new(),
            sound_samples: Vec::new(),
            media: Vec::new(),
            sound: Vec::new(),
            media_bytes: 0,
            sound_time_90k: 0,
            sound_end_90k: 0,
            first_time_90k: 0,
            last_time_90k: 0,
            first_utc_ms: 0,
        }
    }

    /// Takes one picture; gives the part before it if this picture begins another. A picture's
    /// duration is known only when the next arrives, so the last one is always held back.
    pub fn push(&mut self, picture: TimedPicture) -> Option<Part> {
        let length = picture.data.len();
        debug_assert!(length <= MAX_PICTURE_BYTES);
        let full = self.samples.len() >= MOST_PICTURES
            || picture.is_idr
            || picture.decode_time_90k.saturating_sub(self.first_time_90k) >= LONGEST_PART_90K
            || self.media_bytes + length > LARGEST_PART_BYTES;
        let since_last = picture.decode_time_90k.saturating_sub(self.last_time_90k);
        let finished = if full {
            self.finish(u32::try_from(since_last).unwrap_or(u32::MAX))
        } else {
            self.set_last_duration(u32::try_from(since_last).unwrap_or(u32::MAX));
            None
        };
        if self.samples.is_empty() {
            self.first_time_90k = picture.decode_time_90k;
            self.first_utc_ms = picture.utc_ms;
        }
        self.last_time_90k = picture.decode_time_90k;
        self.samples.push(Sample {
            duration_90k: 0,
            size_bytes: u32::try_from(length).expect("a picture has at most 4 MiB"),
            is_idr: picture.is_idr,
        });
        self.media_bytes += length;
        self.media.push(picture.data);
        finished
    }

    /// Adds a frame of sound to the pictures it is heard with. Before the first picture, and
    /// beyond what a part may hold, it is left out.
    pub fn push_sound(&mut self, frame: TimedSound) {
        let full = self.sound_samples.len() >= MOST_PICTURES
            || self.media_bytes + frame.data.len() > LARGEST_PART_BYTES + LARGEST_SOUND_BYTES;
        if self.samples.is_empty() || full {
            return;
        }
        match self.sound_samples.last_mut() {
            None => self.sound_time_90k = frame.time_90k,
            // A hole before this frame is heard as a longer one before it.
            Some(last) => {
                let hole = frame.time_90k.saturating_sub(self.sound_end_90k);
                let hole = u32::try_from(hole).unwrap_or(0);
                last.duration_90k = last.duration_90k.saturating_add(hole);
            }
        }
        self.sound_end_90k = frame.time_90k + u64::from(frame.duration_90k);
        self.media_bytes += frame.data.len();
        self.sound_samples.push(SoundSample {
            duration_90k: frame.duration_90k,
            size_bytes: u32::try_from(frame.data.len()).expect("a few KiB"),
        });
        self.sound.push(frame.data);
    }

    /// Gives what was collected, its last picture lasting for `last_duration_90k`.
    pub fn finish(&mut self, last_duration_90k: u32) -> Option<Part> {
        let first = *self.samples.first()?;
        self.set_last_duration(last_duration_90k.max(1));
        self.sequence = self.sequence.wrapping_add(1);
        let (head, sound_time_at) = boxes::part_head(PartOutline {
            sequence: self.sequence,
            decode_time_90k: self.first_time_90k,
            pictures: &self.samples,
            sound_time_90k: self.sound_time_90k,
            sound: &self.sound_samples,
        });
        let duration_90k = self
            .samples
            .iter()
            .map(|sample| u64::from(sample.duration_90k))
            .sum();
        let sound_duration_90k = self
            .sound_samples
            .iter()
            .map(|sample| u64::from(sample.duration_90k))
            .sum();
        self.samples.clear();
        self.sound_samples.clear();
        let mut media = std::mem::take(&mut self.media);
        media.append(&mut self.sound);
        Some(Part {
            head: head.into(),
            media,
            media_bytes: std::mem::take(&mut self.media_bytes),
            sound: sound_time_at.map(|offset| SoundPlace {
                offset,
                time_90k: self.sound_time_90k,
                duration_90k: Some(sound_duration_90k),
            }),
            sequence: self.sequence,
            decode_time_90k: self.first_time_90k,
            duration_90k,
            starts_with_idr: first.is_idr,
            utc_ms: self.first_utc_ms,
        })
    }

    fn set_last_duration(&mut self, duration_90k: u32) {
        if let Some(last) = self.samples.last_mut() {
            last.duration_90k = duration_90k;
        }
    }
}

impl Default for PartBuilder {
    fn default() -> Self {
        Self::new()
    }
}

/// Ticks of [`TIMESCALE`] as milliseconds.
pub fn ms(ticks_90k: u64) -> u64 {
    ticks_90k / u64::from(TIMESCALE / 1000)
}

/// A duration as ticks of [`TIMESCALE`].
pub fn ticks(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis() * u128::from(TIMESCALE) / 1000).unwrap_or(u64::MAX)
}

/// Pictures at 10 a second with an IDR every 20, of `bytes` each.
#[cfg(test)]
pub(crate) fn test_picture(count: u64, bytes: usize) -> TimedPicture {
    TimedPicture {
        data: vec![u8::try_from(count % 251).expect("below 251"); bytes].into(),
        decode_time_90k: count * 9000,
        is_idr: count.is_multiple_of(20),
        utc_ms: 1_795_000_000_000 + i64::try_from(count * 100).expect("small"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parts(count: u64, bytes: usize) -> Vec<Part> {
        let mut builder = PartBuilder::new();
        let mut parts: Vec<_> = (0..count)
            .filter_map(|count| builder.push(test_picture(count, bytes)))
            .collect();
        parts.extend(builder.finish(9000));
        parts
    }

    #[test]
    fn parts_are_half_a_second_and_end_before_an_idr() {
        let parts = parts(47, 1000);
        let starts: Vec<_> = parts
            .iter()
            .map(|part| part.decode_time_90k / 9000)
            .collect();
        assert_eq!(starts, [0, 5, 10, 15, 20, 25, 30, 35, 40, 45]);
        let idrs: Vec<_> = parts.iter().map(|part| part.starts_with_idr).collect();
        assert_eq!(
            idrs,
            [
                true, false, false, false, true, false, false, false, true, false
            ]
        );
        for pair in parts.windows(2) {
            assert_eq!(
                pair[0].decode_time_90k + pair[0].duration_90k,
                pair[1].decode_time_90k
            );
        }
        assert_eq!(parts[9].duration_90k, 18_000);
        assert_eq!(parts[1].utc_ms, 1_795_000_000_500);
    }

    #[test]
    fn large_pictures_end_a_part_early() {
        for part in parts(30, 60_000) {
            assert!(part.len() <= LARGEST_PART_BYTES + 512, "{}", part.len());
        }
        let huge = parts(3, MAX_PICTURE_BYTES);
        assert_eq!(huge.len(), 3);
    }

    #[test]
    fn a_flood_of_tiny_pictures_has_short_headers() {
        let mut builder = PartBuilder::new();
        for count in 0..10_000 {
            let mut picture = test_picture(count, 1);
            picture.decode_time_90k = count;
            picture.is_idr = false;
            if let Some(part) = builder.push(picture) {
                assert!(part.len() < 4096, "{}", part.len());
            }
        }
    }

    #[test]
    fn a_head_can_be_moved_in_time() {
        let part = parts(6, 10).swap_remove(1);
        let moved = part.head_at(0x0102);
        assert_eq!(
            moved.len() + part.media().iter().map(Bytes::len).sum::<usize>(),
            part.len()
        );
        let place = boxes::DECODE_TIME_OFFSET;
        assert_eq!(moved[place..place + 8], [0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(moved[..place], part.head[..place]);
    }

    #[test]
    fn sound_goes_with_its_pictures_and_is_moved_with_them() {
        let frame = |time_90k| TimedSound {
            data: b"snd".as_slice().into(),
            time_90k,
            duration_90k: 5760,
        };
        let mut builder = PartBuilder::new();
        // Before the first picture it has no place.
        builder.push_sound(frame(0));
        let mut parts = Vec::new();
        for count in 0..11 {
            parts.extend(builder.push(test_picture(count, 10)));
            builder.push_sound(frame(count * 9000 + 100));
        }
        let part = &parts[1];
        assert_eq!(part.len(), part.head.len() + 5 * 13);
        assert_eq!(part.media().concat()[50..], *b"sndsndsndsndsnd");
        let mut bytes = part.head_at(7).to_vec();
        bytes.extend(part.media().concat());
        let moved = Part::parse(bytes.into(), part.utc_ms).unwrap();
        assert_eq!(moved.decode_time_90k, 7);
        assert_eq!(moved.sound.unwrap().time_90k, 107);
        assert_eq!(moved.head_at(part.decode_time_90k), part.head[..]);
        assert_eq!(
            (moved.sequence, moved.duration_90k, moved.starts_with_idr),
            (part.sequence, part.duration_90k, false)
        );
    }

    #[test]
    fn endless_sound_is_bounded() {
        let mut builder = PartBuilder::new();
        builder.push(test_picture(0, 10));
        for time_90k in 0..10_000 {
            builder.push_sound(TimedSound {
                data: vec![0; 1400].into(),
                time_90k,
                duration_90k: 1,
            });
        }
        let part = builder.finish(1).unwrap();
        assert!(part.len() < 300 * 1024, "{}", part.len());
    }
}
