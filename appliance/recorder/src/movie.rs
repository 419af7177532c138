//! The header of a progressive MP4 file (ISO/IEC 14496-12): all sample tables before the media,
//! and an edit list that begins and ends exactly where it was asked for.

use crate::fragments::{Fragment, StoredSample, Track};

/// Ticks per second of the movie's own times.
const MOVIE_TIMESCALE: u32 = 90_000;
/// From 1904, where MP4 counts from, to the Unix epoch.
const MP4_TO_UNIX_S: i64 = 2_082_844_800;
const UNITY_MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];
/// Box header with a 64-bit length.
const MDAT_HEADER_BYTES: u64 = 16;

/// Collects what the header says.
#[derive(Debug)]
pub struct Movie {
    tracks: Vec<(Track, Table)>,
    media_bytes: u64,
}

/// One track's samples.
#[derive(Debug, Default)]
struct Table {
    /// Of the first sample, ticks of the track.
    first_time: u64,
    /// Where the next sample is expected, ticks of the track.
    next_time: u64,
    sizes: Vec<u32>,
    /// Samples in a row, and how long each lasts.
    durations: Vec<(u32, u32)>,
    /// Numbers from 1.
    syncs: Vec<u32>,
    /// Place in the media, and how many samples.
    chunks: Vec<(u64, u32)>,
}

/// What is shown of a movie, in milliseconds from its first picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// From here.
    pub from_ms: u64,
    /// For so long.
    pub duration_ms: u64,
}

impl Movie {
    /// Empty, with these tracks.
    pub fn new(tracks: &[Track]) -> Self {
        let table = |track: &Track| (track.clone(), Table::default());
        Self {
            tracks: tracks.iter().map(table).collect(),
            media_bytes: 0,
        }
    }

    /// Adds a part, whose media is the next in the file; its times are shifted so much.
    pub fn add(&mut self, fragment: &Fragment, shifts: &[i128]) {
        for run in &fragment.runs {
            let time = (i128::from(run.decode_time) + shifts[run.track]).max(0);
            let time = u64::try_from(time).unwrap_or(u64::MAX);
            let table = &mut self.tracks[run.track].1;
            table.add(time, self.media_bytes + run.offset, &run.samples);
        }
        self.media_bytes += fragment.media_bytes;
    }

    /// Samples in all tracks.
    pub fn samples(&self) -> usize {
        self.tracks.iter().map(|(_, table)| table.sizes.len()).sum()
    }

    /// Length of the media, bytes.
    pub fn media_bytes(&self) -> u64 {
        self.media_bytes
    }

    /// How long its pictures last, milliseconds.
    pub fn duration_ms(&self) -> u64 {
        let mut tracks = self.tracks.iter().filter(|(track, _)| track.is_video);
        tracks.next().map_or(0, |(track, table)| {
            u64::try_from(rescale(table.next_time, track.timescale, 1000)).unwrap_or(u64::MAX)
        })
    }

    /// All of the file but its media: `ftyp`, `moov`, and the header of `mdat`.
    pub fn header(&self, created_utc_ms: i64, shown: Shown) -> Vec<u8> {
        let length = self.head(created_utc_ms, shown, 0).len();
        let media_at = u64::try_from(length).expect("memory is smaller") + MDAT_HEADER_BYTES;
        let mut out = self.head(created_utc_ms, shown, media_at);
        u32s(&mut out, &[1]);
        out.extend_from_slice(b"mdat");
        u64s(&mut out, &[MDAT_HEADER_BYTES + self.media_bytes]);
        out
    }

    fn head(&self, created_utc_ms: i64, shown: Shown, media_at: u64) -> Vec<u8> {
        let mut out = Vec::new();
        let created = created_utc_ms
            .div_euclid(1000)
            .saturating_add(MP4_TO_UNIX_S);
        let created = u64::try_from(created).unwrap_or(0);
        put(&mut out, b"ftyp", |out| {
            out.extend_from_slice(b"isom\0\0\x02\0isomiso2mp41")
        });
        put(&mut out, b"moov", |out| {
            put(out, b"mvhd", |out| {
                u32s(out, &[0x0100_0000]);
                u64s(out, &[created, created]);
                u32s(out, &[MOVIE_TIMESCALE]);
                u64s(out, &[movie_ticks(shown.duration_ms)]);
                u32s(out, &[0x1_0000, 0x0100_0000, 0, 0]);
                u32s(out, &UNITY_MATRIX);
                let next = self.tracks.iter().map(|(track, _)| track.id).max();
                u32s(
                    out,
                    &[0, 0, 0, 0, 0, 0, next.map_or(1, |id| id.saturating_add(1))],
                );
            });
            // A track without samples is no track.
            for (track, table) in self.tracks.iter().filter(|(_, t)| !t.sizes.is_empty()) {
                put(out, b"trak", |out| {
                    put_track(out, track, table, created, shown, media_at)
                });
            }
        });
        out
    }
}

impl Table {
    fn add(&mut self, time: u64, place: u64, samples: &[StoredSample]) {
        if self.sizes.is_empty() {
            self.first_time = time;
            self.next_time = time;
        }
        self.move_next_to(time);
        for sample in samples {
            let number = u32::try_from(self.sizes.len() + 1).unwrap_or(u32::MAX);
            self.sizes.push(sample.size);
            if sample.is_sync {
                self.syncs.push(number);
            }
            self.push_duration(sample.duration);
            self.next_time += u64::from(sample.duration);
        }
        let count = u32::try_from(samples.len()).unwrap_or(u32::MAX);
        self.chunks.push((place, count));
    }

    fn push_duration(&mut self, duration: u32) {
        match self.durations.last_mut() {
            Some((count, same)) if *same == duration => *count += 1,
            _ => self.durations.push((1, duration)),
        }
    }

    /// The last sample lasts until the next one, as far as that can be said.
    fn move_next_to(&mut self, time: u64) {
        let Some(&(_, last)) = self.durations.last() else {
            return;
        };
        let wanted = i128::from(last) + i128::from(time) - i128::from(self.next_time);
        let wanted = u32::try_from(wanted.max(1)).unwrap_or(u32::MAX);
        if wanted == last {
            return;
        }
        self.next_time = self.next_time - u64::from(last) + u64::from(wanted);
        if let Some((count, _)) = self.durations.last_mut() {
            *count -= 1;
            if *count == 0 {
                self.durations.pop();
            }
        }
        self.push_duration(wanted);
    }
}

fn put_track(
    out: &mut Vec<u8>,
    track: &Track,
    table: &Table,
    created: u64,
    shown: Shown,
    media_at: u64,
) {
    let media_duration = table.next_time - table.first_time;
    put(out, b"tkhd", |out| {
        // Version 1; enabled, in movie.
        u32s(out, &[0x0100_0003]);
        u64s(out, &[created, created]);
        u32s(out, &[track.id, 0]);
        u64s(out, &[movie_ticks(shown.duration_ms)]);
        // Layer, group, volume, matrix and size follow the duration in both versions.
        let fields = if track.tkhd.first() == Some(&1) {
            36
        } else {
            24
        };
        out.extend_from_slice(track.tkhd.get(fields..).unwrap_or_default());
    });
    put(out, b"edts", |out| {
        put(out, b"elst", |out| put_edits(out, track, table, shown));
    });
    put(out, b"mdia", |out| {
        put(out, b"mdhd", |out| {
            u32s(out, &[0x0100_0000]);
            u64s(out, &[created, created]);
            u32s(out, &[track.timescale]);
            u64s(out, &[media_duration]);
            // Language 'und' (8.4.2.3).
            u32s(out, &[0x55c4_0000]);
        });
        put(out, b"hdlr", |out| out.extend_from_slice(&track.hdlr));
        put(out, b"minf", |out| {
            out.extend_from_slice(&track.media_header);
            put(out, b"dinf", |out| {
                put(out, b"dref", |out| {
                    u32s(out, &[0, 1]);
                    // Flag: the data is in this file.
                    put(out, b"url ", |out| u32s(out, &[1]));
                });
            });
            put(out, b"stbl", |out| put_tables(out, track, table, media_at));
        });
    });
}

/// 8.6.6: the part of the track that is shown, after nothing where it begins later.
fn put_edits(out: &mut Vec<u8>, track: &Track, table: &Table, shown: Shown) {
    let from = rescale(shown.from_ms, 1000, track.timescale);
    let first = i128::from(table.first_time);
    let mut edits = Vec::new();
    let mut duration = movie_ticks(shown.duration_ms);
    if first > from {
        let late = u64::try_from(first - from).unwrap_or(u64::MAX);
        let late = rescale(late, track.timescale, MOVIE_TIMESCALE);
        let late = u64::try_from(late).unwrap_or(u64::MAX).min(duration);
        edits.push((late, -1));
        duration -= late;
    }
    let media_time = i64::try_from((from - first).max(0)).unwrap_or(i64::MAX);
    edits.push((duration, media_time));
    u32s(out, &[0x0100_0000, count(edits.len())]);
    for (duration, media_time) in edits {
        u64s(out, &[duration, media_time.cast_unsigned()]);
        // Rate: 1.
        u32s(out, &[0x1_0000]);
    }
}

fn put_tables(out: &mut Vec<u8>, track: &Track, table: &Table, media_at: u64) {
    put(out, b"stsd", |out| out.extend_from_slice(&track.stsd));
    put(out, b"stts", |out| {
        u32s(out, &[0, count(table.durations.len())]);
        for (samples, duration) in &table.durations {
            u32s(out, &[*samples, *duration]);
        }
    });
    // Left out where every sample is one (8.6.2).
    if table.syncs.len() < table.sizes.len() {
        put(out, b"stss", |out| {
            u32s(out, &[0, count(table.syncs.len())]);
            u32s(out, &table.syncs);
        });
    }
    put(out, b"stsc", |out| {
        let mut rows: Vec<(u32, u32)> = Vec::new();
        for ((_, samples), number) in table.chunks.iter().zip(1..) {
            if rows.last().is_none_or(|(_, same)| same != samples) {
                rows.push((number, *samples));
            }
        }
        u32s(out, &[0, count(rows.len())]);
        for (first_chunk, samples) in rows {
            u32s(out, &[first_chunk, samples, 1]);
        }
    });
    put(out, b"stsz", |out| {
        u32s(out, &[0, 0, count(table.sizes.len())]);
        u32s(out, &table.sizes);
    });
    put(out, b"co64", |out| {
        u32s(out, &[0, count(table.chunks.len())]);
        for (place, _) in &table.chunks {
            u64s(out, &[media_at + place]);
        }
    });
}

fn movie_ticks(ms: u64) -> u64 {
    ms.saturating_mul(u64::from(MOVIE_TIMESCALE / 1000))
}

fn rescale(ticks: u64, from: u32, to: u32) -> i128 {
    i128::from(ticks) * i128::from(to) / i128::from(from)
}

fn count(length: usize) -> u32 {
    u32::try_from(length).expect("an export has a few million samples at most")
}

fn u32s(out: &mut Vec<u8>, values: &[u32]) {
    for value in values {
        out.extend_from_slice(&value.to_be_bytes());
    }
}

fn u64s(out: &mut Vec<u8>, values: &[u64]) {
    for value in values {
        out.extend_from_slice(&value.to_be_bytes());
    }
}

fn put(out: &mut Vec<u8>, kind: &[u8; 4], body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(kind);
    body(out);
    let length = u32::try_from(out.len() - start).expect("an export's header has some MByte");
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

#[cfg(test)]
#[path = "movie_tests.rs"]
mod tests;
