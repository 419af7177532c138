//! What a recording says besides its video: when it was made, and what happened meanwhile.
//!
//! Both are standard boxes before a `moof` that players leave aside: `prft`, the producer's
//! reference time (ISO/IEC 14496-12, 8.16.5), once per file; `emsg`, an event message
//! (ISO/IEC 23009-1, 5.10.3.3), whenever an event begins, goes on or ends.

use sealgate_recorder_link::{Event, EventKind, Span};

/// `prft`: the time has a small, constant offset from the real time of the scene.
const REAL_TIME: u32 = 24;
/// From 1900, where NTP counts from (RFC 5905, 6), to the Unix epoch.
const NTP_TO_UNIX_S: i64 = 2_208_988_800;
const TRACK: u32 = 1;
/// Names our events among those of others.
const SCHEME: &[u8] = b"urn:sealgate:event\0";
const MOTION: &[u8] = b"motion\0";
/// No mark is longer than this, bytes.
pub const MAX_MARK_BYTES: u64 = 256;

/// One mark that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The file's first picture arrived then, milliseconds since the Unix epoch.
    Start(i64),
    /// This happened, as far as it was known then.
    Event(Event),
}

/// The box that says when the first picture of the file arrived.
pub fn start(utc_ms: i64) -> Vec<u8> {
    let seconds = utc_ms.div_euclid(1000) + NTP_TO_UNIX_S;
    let fraction = (utc_ms.rem_euclid(1000).cast_unsigned() << 32).div_ceil(1000);
    // Seconds of NTP's era wrap in 2036 (RFC 5905, 6).
    let ntp = (seconds.cast_unsigned() << 32) | fraction;
    let mut out = Vec::with_capacity(32);
    put(&mut out, b"prft", 1, REAL_TIME, |out| {
        out.extend_from_slice(&TRACK.to_be_bytes());
        out.extend_from_slice(&ntp.to_be_bytes());
        // Media time: that of the first picture.
        out.extend_from_slice(&0_u64.to_be_bytes());
    });
    out
}

/// The box that tells of an event, this long after the file's first picture.
pub fn event(event: &Event, media_time_ms: u64) -> Vec<u8> {
    let EventKind::Motion = event.kind;
    let Span {
        start_utc_ms,
        end_utc_ms,
    } = event.span;
    let length_ms = u32::try_from(end_utc_ms - start_utc_ms).unwrap_or(0);
    let id = u32::try_from(start_utc_ms.rem_euclid(1 << 32)).expect("below 2^32");
    let mut out = Vec::with_capacity(80);
    put(&mut out, b"emsg", 1, 0, |out| {
        out.extend_from_slice(&1000_u32.to_be_bytes());
        out.extend_from_slice(&media_time_ms.to_be_bytes());
        out.extend_from_slice(&length_ms.to_be_bytes());
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(SCHEME);
        out.extend_from_slice(MOTION);
        out.extend_from_slice(&start_utc_ms.to_be_bytes());
        out.extend_from_slice(&end_utc_ms.to_be_bytes());
    });
    out
}

/// Reads a whole box of either kind; `None` for one that this recorder did not write.
/// `near_utc_ms` tells the NTP era: the time in the file's name.
pub fn read(bytes: &[u8], near_utc_ms: i64) -> Option<Mark> {
    let body = bytes.get(12..)?;
    match bytes.get(4..12)? {
        b"prft\x01\0\0\x18" => {
            let ntp = u64::from_be_bytes(body.get(4..12)?.try_into().ok()?);
            let ms = ((ntp & u64::from(u32::MAX)) * 1000) >> 32;
            let seconds = i64::try_from(ntp >> 32).ok()? - NTP_TO_UNIX_S;
            let utc_ms = seconds * 1000 + i64::try_from(ms).ok()?;
            const ERA_MS: i64 = (1 << 32) * 1000;
            let eras = near_utc_ms
                .saturating_sub(utc_ms)
                .saturating_add(ERA_MS / 2);
            Some(Mark::Start(
                utc_ms.saturating_add(eras.div_euclid(ERA_MS) * ERA_MS),
            ))
        }
        b"emsg\x01\0\0\0" => {
            let rest = body.get(20..)?.strip_prefix(SCHEME)?.strip_prefix(MOTION)?;
            let time = |place: usize| {
                let bytes = rest.get(place..place + 8)?.try_into().ok()?;
                Some(i64::from_be_bytes(bytes))
            };
            let span = Span {
                start_utc_ms: time(0)?,
                end_utc_ms: time(8)?,
            };
            let kind = EventKind::Motion;
            Some(Mark::Event(Event { span, kind }))
        }
        _ => None,
    }
}

fn put(
    out: &mut Vec<u8>,
    kind: &[u8; 4],
    version: u8,
    flags: u32,
    body: impl FnOnce(&mut Vec<u8>),
) {
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(kind);
    out.extend_from_slice(&(u32::from(version) << 24 | flags).to_be_bytes());
    body(out);
    let length = u32::try_from(out.len()).expect("a mark is short");
    out[..4].copy_from_slice(&length.to_be_bytes());
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use mp4_atom::{Decode, Emsg, Prft};

    use super::*;

    fn motion(start_utc_ms: i64, end_utc_ms: i64) -> Event {
        let span = Span {
            start_utc_ms,
            end_utc_ms,
        };
        let kind = EventKind::Motion;
        Event { span, kind }
    }

    #[test]
    fn times_survive_also_beyond_2036() {
        for utc_ms in [
            0,
            1,
            999,
            1_795_496_618_123,
            2_085_978_496_000,
            4_102_444_800_001,
            -1,
        ] {
            let found = read(&start(utc_ms), utc_ms + 5000);
            assert_eq!(found, Some(Mark::Start(utc_ms)));
        }
    }

    #[test]
    fn another_parser_reads_the_marks() {
        let prft = Prft::decode(&mut &start(1_795_496_618_500)[..]).unwrap();
        assert_eq!((prft.reference_track_id, prft.media_time), (1, 0));
        assert_eq!(prft.ntp_timestamp >> 32, 1_795_496_618 + 2_208_988_800);
        assert_eq!(prft.ntp_timestamp & 0xffff_ffff, 1 << 31);
        let bytes = event(&motion(1_795_496_618_123, 1_795_496_620_123), 700);
        let emsg = Emsg::decode(&mut &bytes[..]).unwrap();
        assert_eq!(emsg.scheme_id_uri, "urn:sealgate:event");
        assert_eq!((emsg.value.as_str(), emsg.event_duration), ("motion", 2000));
        assert!(bytes.len() < usize::try_from(MAX_MARK_BYTES).unwrap());
    }

    #[test]
    fn events_survive_and_others_are_left_aside() {
        let expected = motion(1_795_496_618_123, 1_795_496_620_123);
        let bytes = event(&expected, 700);
        assert_eq!(read(&bytes, 0), Some(Mark::Event(expected)));
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length], 0), None);
        }
        let mut other = bytes;
        other[40] ^= 1;
        assert_eq!(read(&other, 0), None);
    }
}
