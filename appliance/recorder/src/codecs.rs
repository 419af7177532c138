//! What a recording's tracks are called for a browser (RFC 6381).

use std::fmt::Write as _;

use crate::box_reader::{boxes, child};
use crate::fragments::Track;

/// For example `video/mp4; codecs="avc1.42C01E, mp4a.40.2"`.
pub fn mime_type(tracks: &[Track]) -> String {
    let codecs: Vec<String> = tracks.iter().filter_map(codec).collect();
    format!("video/mp4; codecs=\"{}\"", codecs.join(", "))
}

/// The codec of a track's first sample entry.
fn codec(track: &Track) -> Option<String> {
    let (kind, entry) = boxes(track.stsd.get(8..)?).next()?;
    let name = String::from_utf8_lossy(&kind).into_owned();
    match &kind {
        // ISO/IEC 14496-15, 5.4.2.1.2, after the 78 bytes of every visual sample entry.
        b"avc1" | b"avc3" => {
            let [_, profile, constraints, level, ..] = *child(entry.get(78..)?, b"avcC")? else {
                return None;
            };
            Some(format!("{name}.{profile:02X}{constraints:02X}{level:02X}"))
        }
        b"hvc1" | b"hev1" => hevc(&name, child(entry.get(78..)?, b"hvcC")?),
        // ISO/IEC 14496-1, 7.2.6, after the 28 bytes of every audio sample entry.
        b"mp4a" => {
            let esds = child(entry.get(28..)?, b"esds")?;
            Some(format!("mp4a.40.{}", audio_object_type(esds.get(4..)?)?))
        }
        // Browsers know it by this spelling.
        b"fLaC" => Some("flac".into()),
        _ => Some(name),
    }
}

/// ISO/IEC 14496-15, Annex E.3, of a decoder configuration record.
pub fn hevc(name: &str, record: &[u8]) -> Option<String> {
    let [_, general, rest @ ..] = record else {
        return None;
    };
    let compatibility = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?).reverse_bits();
    let constraints = rest.get(4..10)?;
    let level = rest.get(10)?;
    let space = ["", "A", "B", "C"][usize::from(general >> 6)];
    let tier = if general & 0x20 == 0 { 'L' } else { 'H' };
    let profile = general & 0x1f;
    let mut text = format!("{name}.{space}{profile}.{compatibility:X}.{tier}{level}");
    let used = constraints.iter().rposition(|byte| *byte != 0);
    for byte in constraints.iter().take(used.map_or(0, |last| last + 1)) {
        let _ = write!(text, ".{byte:X}");
    }
    Some(text)
}

/// The audio object type of an ES descriptor's decoder-specific info (ISO/IEC 14496-3, 1.6.2.1).
fn audio_object_type(descriptors: &[u8]) -> Option<u8> {
    // ES descriptor, its identifier and flags; decoder configuration and its 13 bytes.
    let es = descriptor(descriptors, 3)?.get(3..)?;
    let configuration = descriptor(es, 4)?.get(13..)?;
    let info = descriptor(configuration, 5)?;
    match info.first()? >> 3 {
        31 => Some(32 + ((info.first()? & 7) << 3 | info.get(1)? >> 5)),
        object_type => Some(object_type),
    }
}

fn descriptor(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let (found, mut rest) = bytes.split_first()?;
    if *found != tag {
        return None;
    }
    let mut length = 0;
    for _ in 0..4 {
        let (byte, after) = rest.split_first()?;
        rest = after;
        length = length << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    rest.get(..length)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_what_a_recording_holds() {
        let hvcc = [1, 0x01, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 93];
        assert_eq!(hevc("hvc1", &hvcc).unwrap(), "hvc1.1.6.L93.90");
        assert_eq!(hevc("hvc1", &hvcc[..12]), None);
        let esds = [
            3, 0x80, 0x80, 0x80, 22, 0, 1, 0, 4, 17, 0x40, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            5, 2, 0x12, 0x10,
        ];
        assert_eq!(audio_object_type(&esds), Some(2));
        for length in 0..esds.len() - 2 {
            assert_eq!(audio_object_type(&esds[..length]), None, "{length}");
        }
    }
}
