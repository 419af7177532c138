#![allow(clippy::unwrap_used)]

use mp4_atom::{Decode, Ftyp, Moov};

use super::*;
use crate::boxes::init_segment;
use crate::format::{SoundFormat, test_format};
use crate::fragments::{Recorded, Run};

fn tracks() -> Vec<Track> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let bytes = init_segment(&test_format(), Some(&SoundFormat::flac(8000)));
    std::fs::write(file.path(), &bytes).unwrap();
    let length = u64::try_from(bytes.len()).unwrap();
    Recorded::open(file.path(), length).unwrap().tracks
}

fn run(track: usize, decode_time: u64, offset: u64, durations: &[u32]) -> Run {
    let sample = |(count, duration): (usize, &u32)| StoredSample {
        duration: *duration,
        size: 10,
        is_sync: track == 1 || count == 0,
    };
    Run {
        track,
        decode_time,
        offset,
        samples: durations.iter().enumerate().map(sample).collect(),
    }
}

fn part(runs: Vec<Run>) -> Fragment {
    Fragment {
        moof: Vec::new(),
        decode_times: Vec::new(),
        media_at: 0,
        media_bytes: runs.iter().map(Run::size).sum(),
        runs,
    }
}

/// What another parser reads of a movie of two parts, shown from 50 ms for 350 ms.
fn moov() -> (Moov, usize) {
    let mut movie = Movie::new(&tracks());
    movie.add(
        &part(vec![run(0, 0, 0, &[9000; 2]), run(1, 13_500, 20, &[9000])]),
        &[0, 0],
    );
    // The pictures come 50 ms later than the last one lasts, the sound 10 ms earlier.
    let second = vec![
        run(0, 22_500, 0, &[9000; 2]),
        run(1, 21_600, 20, &[9000; 2]),
    ];
    movie.add(&part(second), &[0, 0]);
    assert_eq!(
        (movie.samples(), movie.media_bytes(), movie.duration_ms()),
        (7, 70, 450)
    );
    let shown = Shown {
        from_ms: 50,
        duration_ms: 350,
    };
    let header = movie.header(1_795_496_618_123, shown);
    let mut rest = &header[..];
    Ftyp::decode(&mut rest).unwrap();
    let moov = Moov::decode(&mut rest).unwrap();
    let mdat = [&[0, 0, 0, 1][..], b"mdat", &86_u64.to_be_bytes()].concat();
    assert_eq!(rest, mdat);
    (moov, header.len())
}

#[test]
fn another_parser_reads_the_tables() {
    let (moov, header_bytes) = moov();
    assert_eq!((moov.mvhd.timescale, moov.mvhd.duration), (90_000, 31_500));
    assert_eq!(moov.mvhd.creation_time, 1_795_496_618 + 2_082_844_800);
    let [pictures, sound] = &moov.trak[..] else {
        unreachable!("two tracks have samples");
    };
    let table = &pictures.mdia.minf.stbl;
    let rows = |trak: &mp4_atom::Trak| -> Vec<(u32, u32)> {
        let stts = &trak.mdia.minf.stbl.stts;
        stts.entries
            .iter()
            .map(|row| (row.sample_count, row.sample_delta))
            .collect()
    };
    assert_eq!(rows(pictures), [(1, 9000), (1, 13_500), (2, 9000)]);
    assert_eq!(rows(sound), [(1, 8100), (2, 9000)]);
    assert_eq!(table.stss.as_ref().unwrap().entries, [1, 3]);
    assert!(
        sound.mdia.minf.stbl.stss.is_none(),
        "every one is a sync sample"
    );
    let places = |trak: &mp4_atom::Trak| -> Vec<u64> {
        let base = u64::try_from(header_bytes).unwrap();
        let found = trak.mdia.minf.stbl.co64.as_ref().unwrap().entries.iter();
        found.map(|place| place - base).collect()
    };
    assert_eq!(places(pictures), [0, 30]);
    assert_eq!(places(sound), [20, 50]);
    let chunks = &sound.mdia.minf.stbl.stsc.entries;
    let chunks: Vec<_> = chunks
        .iter()
        .map(|row| (row.first_chunk, row.samples_per_chunk))
        .collect();
    assert_eq!(chunks, [(1, 1), (2, 2)]);
    assert_eq!(pictures.mdia.mdhd.duration, 40_500);
    assert_eq!(
        (
            pictures.tkhd.width.integer(),
            pictures.tkhd.height.integer()
        ),
        (640, 360)
    );
}

#[test]
fn edits_show_exactly_what_was_asked_for() {
    let (moov, _) = moov();
    let edits = |trak: &mp4_atom::Trak| -> Vec<(u64, Option<u64>)> {
        let edits = trak.edts.as_ref().unwrap().elst.as_ref().unwrap();
        let edits = edits.entries.iter();
        edits
            .map(|edit| (edit.segment_duration, edit.media_time))
            .collect()
    };
    assert_eq!(edits(&moov.trak[0]), [(31_500, Some(4500))]);
    // The sound begins at 150 ms, 100 ms after what is shown.
    assert_eq!(edits(&moov.trak[1]), [(9000, None), (22_500, Some(0))]);
}
