//! What cameras send as video, and what a torn disk gives back of it.

use std::collections::VecDeque;

use sealgate_recorder::fragments::{MAX_PART_BYTES, Recorded};
use sealgate_recorder::part::MAX_PICTURE_BYTES;
use sealgate_recorder::rtsp::connection::{Message, take_messages};
use sealgate_recorder::rtsp::description::Description;
use sealgate_recorder::rtsp::track::Track;
use sealgate_recorder::source::Frame;

/// A session description, a zero byte, and all that comes over the connection: whatever it is,
/// pictures are whole units, and it does not matter where the stream is cut.
pub fn camera_stream(data: &[u8]) {
    let mut halves = data.splitn(2, |byte| *byte == 0);
    let description = Description::parse(halves.next().unwrap_or_default());
    let stream = halves.next().unwrap_or_default();
    let whole = frames(&description, &[stream]);
    let cut = stream.len() / 3;
    assert_eq!(frames(&description, &[&stream[..cut], &stream[cut..]]), whole);
}

/// What the stream's packets become, channel 0 the pictures and channel 2 the sound; each piece is
/// one read.
fn frames(description: &Description, pieces: &[&[u8]]) -> Vec<String> {
    let find = |kind: fn(&sealgate_recorder::rtsp::description::Media) -> Option<Track>| {
        description.media.iter().find_map(kind)
    };
    let mut pictures = find(Track::of_pictures);
    let mut sound = find(|media| Some(Track::of_sound(media)?.0));
    let mut out = VecDeque::new();
    let mut waiting = Vec::new();
    for piece in pieces {
        waiting.extend_from_slice(piece);
        let taken = take_messages(&waiting, |message| {
            if let Message::Packet { channel, bytes } = message {
                let track = match channel {
                    0 => &mut pictures,
                    _ => &mut sound,
                };
                if let Some(track) = track {
                    track.take(bytes, &mut out)?;
                }
            }
            Ok(())
        });
        match taken {
            Ok(taken) => waiting.drain(..taken),
            Err(_) => break,
        };
    }
    out.iter().for_each(check);
    out.iter().map(|frame| format!("{frame:?}")).collect()
}

fn check(frame: &Frame) {
    let Frame::Picture(picture) = frame else {
        return;
    };
    assert!(picture.data.len() <= MAX_PICTURE_BYTES);
    let mut rest = &picture.data[..];
    while let Some((length, units)) = rest.split_first_chunk::<4>() {
        rest = &units[usize::try_from(u32::from_be_bytes(*length)).unwrap()..];
    }
    assert_eq!(rest, b"");
}

/// A recording as a torn disk may have it: what is read of it lies inside, and is bounded.
pub fn recording(data: &[u8]) {
    let path = std::env::temp_dir().join(format!("sealgate-fuzz-{}.mp4", std::process::id()));
    std::fs::write(&path, data).unwrap();
    let length = u64::try_from(data.len()).unwrap();
    if let Ok(mut recorded) = Recorded::open(&path, length) {
        let mut fragments = 0;
        while let Ok(Some(fragment)) = recorded.next_fragment() {
            let _ = fragment.starts_with_idr(&recorded.tracks);
            for run in &fragment.runs {
                assert!(run.size() <= MAX_PART_BYTES);
                let _ = run.duration();
            }
            fragments += 1;
            assert!(fragments <= data.len() / 8, "it goes on for ever");
        }
    }
    let _ = sealgate_recorder::scan::outline(&path);
    std::fs::remove_file(&path).unwrap();
}
