#![allow(clippy::unwrap_used)]

use super::*;
use crate::boxes::init_segment;
use crate::format::{SoundFormat, test_format};
use crate::marks;
use crate::part::{PartBuilder, TimedSound, test_picture};

/// Two seconds with sound, and where each part ends.
fn recording() -> (Vec<u8>, Vec<usize>) {
    let sound = SoundFormat::flac(8000);
    let mut bytes = init_segment(&test_format(), Some(&sound));
    bytes.extend_from_slice(&marks::start(5000));
    let mut builder = PartBuilder::new();
    let mut ends = Vec::new();
    for count in 0..=20 {
        if let Some(part) = builder.push(test_picture(count, 50)) {
            bytes.extend_from_slice(&part.head_at(part.decode_time_90k));
            bytes.extend_from_slice(&part.media().concat());
            ends.push(bytes.len());
        }
        builder.push_sound(TimedSound {
            data: vec![7; 30].into(),
            time_90k: count * 9000 + 100,
            duration_90k: 9000,
        });
    }
    (bytes, ends)
}

fn open(bytes: &[u8], whole: usize) -> io::Result<(Recorded, tempfile::NamedTempFile)> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let recorded = Recorded::open(file.path(), u64::try_from(whole).unwrap())?;
    Ok((recorded, file))
}

#[test]
fn reads_pictures_and_sound() {
    let (bytes, ends) = recording();
    let (mut recorded, _file) = open(&bytes, bytes.len()).unwrap();
    assert_eq!(recorded.tracks.len(), 2);
    assert!(recorded.tracks[0].is_video && !recorded.tracks[1].is_video);
    assert_eq!(recorded.tracks[1].timescale, 90_000);
    assert!(bytes.starts_with(&recorded.init));
    for count in 0..ends.len() {
        let fragment = recorded.next_fragment().unwrap().unwrap();
        let [pictures, sound] = &fragment.runs[..] else {
            unreachable!("both are in every part");
        };
        let time = 45_000 * u64::try_from(count).unwrap();
        assert_eq!((pictures.decode_time, pictures.duration()), (time, 45_000));
        assert_eq!((sound.decode_time, sound.duration()), (time + 100, 45_000));
        assert_eq!((pictures.offset, pictures.size()), (0, 250));
        assert_eq!((sound.offset, sound.size()), (250, 150));
        assert_eq!(fragment.starts_with_idr(&recorded.tracks), count == 0);
        let media = recorded.read(fragment.media_at + 250, 150).unwrap();
        assert_eq!(media, [7; 150]);
        for (place, track) in &fragment.decode_times {
            let time = fragment.moof[*place..*place + 8].try_into().unwrap();
            assert_eq!(u64::from_be_bytes(time), fragment.runs[*track].decode_time);
        }
    }
    assert_eq!(recorded.next_fragment().unwrap(), None);
}

#[test]
fn what_grows_is_read_as_far_as_it_is_whole() {
    let (bytes, ends) = recording();
    let (mut recorded, _file) = open(&bytes, ends[1] - 1).unwrap();
    assert!(recorded.next_fragment().unwrap().is_some());
    assert_eq!(recorded.next_fragment().unwrap(), None);
    recorded.grow_to(u64::try_from(ends[1]).unwrap());
    let second = recorded.next_fragment().unwrap().unwrap();
    assert_eq!(second.runs[0].decode_time, 45_000);
    assert_eq!(recorded.next_fragment().unwrap(), None);
}

#[test]
fn survives_any_single_wrong_byte() {
    let (bytes, _) = recording();
    for place in 0..bytes.len() {
        for wrong in [0, 0xff, bytes[place] ^ 0x80, bytes[place].wrapping_add(1)] {
            let mut spoilt = bytes.clone();
            spoilt[place] = wrong;
            let Ok((mut recorded, _file)) = open(&spoilt, spoilt.len()) else {
                continue;
            };
            let mut retimer = Retimer::default();
            while let Ok(Some(fragment)) = recorded.next_fragment() {
                assert!(fragment.runs.iter().all(|run| !run.samples.is_empty()));
                retimer.shifts(&fragment, &recorded.tracks);
                let _ = crate::codecs::mime_type(&recorded.tracks);
            }
        }
    }
}

#[test]
fn takes_defaults_and_first_flags_of_other_writers() {
    let put = |kind: &[u8; 4], body: &[&[u8]]| {
        let body = body.concat();
        let length = u32::try_from(body.len() + 8).unwrap();
        [&length.to_be_bytes(), &kind[..], &body].concat()
    };
    let words =
        |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|word| word.to_be_bytes()).collect() };
    let (bytes, _) = recording();
    let (recorded, _file) = open(&bytes, bytes.len()).unwrap();
    // Default duration and flags; the first sample's own flags; sizes.
    let tfhd = put(b"tfhd", &[&words(&[0x02_0028, 1, 3000, 0x0101_0000])]);
    let tfdt = put(b"tfdt", &[&words(&[0x0100_0000, 0, 77])]);
    let trun = put(b"trun", &[&words(&[0x0205, 2, 8, 0x0200_0000, 10, 20])]);
    let traf = put(b"traf", &[&tfhd, &tfdt, &trun]);
    let moof = put(b"moof", &[&traf]);
    let mut fragment = Fragment {
        moof,
        decode_times: Vec::new(),
        runs: Vec::new(),
        media_at: 0,
        media_bytes: 30,
    };
    assert_eq!(read_moof(&mut fragment, &recorded.tracks, 8), Some(()));
    let samples = [(10, true), (20, false)].map(|(size, is_sync)| StoredSample {
        duration: 3000,
        size,
        is_sync,
    });
    assert_eq!(fragment.runs[0].samples, samples);
    assert_eq!(fragment.runs[0].decode_time, 77);
    fragment.media_bytes = 29;
    assert_eq!(read_moof(&mut fragment, &recorded.tracks, 8), None);
}

/// Parts of one second at these times, in files that begin where told: times given to them.
fn check(parts: &[(bool, u64)], expected: &[i128]) {
    let (bytes, _) = recording();
    let (mut recorded, _file) = open(&bytes, bytes.len()).unwrap();
    let fragment = recorded.next_fragment().unwrap().unwrap();
    let mut retimer = Retimer::default();
    let mut found = Vec::new();
    for (new_file, time) in parts {
        if *new_file {
            retimer.start_file();
        }
        let mut fragment = fragment.clone();
        fragment.runs[0].decode_time = *time;
        let shifts = retimer.shifts(&fragment, &recorded.tracks);
        assert_eq!(shifts[0], shifts[1]);
        found.push(i128::from(*time) + shifts[0]);
    }
    assert_eq!(found, expected, "{parts:?}");
}

#[test]
fn times_go_on_without_holes() {
    const PART: u64 = 45_000;
    let even = [0, 45_000, 90_000];
    check(&[(true, 0), (false, PART), (false, 2 * PART)], &even);
    check(&[(true, 5 * PART), (false, 6 * PART), (true, 0)], &even);
    check(&[(true, 0), (false, 9 * PART), (false, 10 * PART)], &even);
    check(
        &[(true, 3 * PART), (false, PART), (true, u64::MAX / 2)],
        &even,
    );
}
