//! RTP packets (RFC 3550, 5.1), and what their numbers tell of one stream.

/// A packet as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The last one of a picture, if the camera marks them rightly.
    pub marker: bool,
    /// What the payload is.
    pub payload_type: u8,
    /// Counts the packets.
    pub sequence: u16,
    /// When it was sampled, in the stream's clock.
    pub timestamp: u32,
    /// Who sends it.
    pub ssrc: u32,
    /// Without padding.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads one; `None` where it is none.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let [first, second, rest @ ..] = bytes.first_chunk::<12>()?;
        if first >> 6 != 2 {
            return None;
        }
        let mut payload = bytes.get(12 + 4 * usize::from(first & 0x0f)..)?;
        if first & 0x10 != 0 {
            let words = u16::from_be_bytes([*payload.get(2)?, *payload.get(3)?]);
            payload = payload.get(4 + 4 * usize::from(words)..)?;
        }
        if first & 0x20 != 0 {
            let padding = usize::from(*payload.last()?);
            payload = payload.get(..payload.len().checked_sub(padding)?)?;
        }
        let [s0, s1, t0, t1, t2, t3, ssrc @ ..] = *rest;
        Some(Self {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes(ssrc),
            payload,
        })
    }
}

/// A step back in the numbers by up to this is a latecomer; a larger one is a new start.
const LATE: i16 = 100;
/// A step ahead by more than this is a new start.
const LARGEST_LOSS: i16 = 3000;

/// Follows one stream's packets: what was lost, and the time beyond 32 bits.
#[derive(Debug)]
pub struct Sequence {
    payload_type: u8,
    payload_type_seen: bool,
    newest: Option<Newest>,
    elapsed: i64,
}

#[derive(Debug, Clone, Copy)]
struct Newest {
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
}

/// What a packet means in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Packets that are missing before it.
    pub lost: u16,
    /// Of its timestamp, since the stream's first; the stream's clock. Jumps where the camera's
    /// does.
    pub elapsed: i64,
}

impl Sequence {
    /// A stream whose packets have this payload type.
    pub fn new(payload_type: u8) -> Self {
        Self {
            payload_type,
            payload_type_seen: false,
            newest: None,
            elapsed: 0,
        }
    }

    /// Where the packet belongs; `None` if it is to be left out: it came too late or twice, or is of
    /// another type (some cameras send their own beside the announced one).
    pub fn place(&mut self, packet: &Packet<'_>) -> Option<Place> {
        if packet.payload_type == self.payload_type {
            self.payload_type_seen = true;
        } else if self.payload_type_seen {
            return None;
        }
        let mut lost = 0;
        if let Some(newest) = self.newest {
            let step = packet.sequence.wrapping_sub(newest.sequence).cast_signed();
            if packet.ssrc != newest.ssrc || !(-LATE..=LARGEST_LOSS).contains(&step) {
                // What was under way is not finished by what follows.
                lost = 1;
            } else if step <= 0 {
                return None;
            } else {
                lost = step.unsigned_abs() - 1;
            }
            let ticks = packet.timestamp.wrapping_sub(newest.timestamp);
            self.elapsed = self.elapsed.saturating_add(ticks.cast_signed().into());
        }
        self.newest = Some(Newest {
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            ssrc: packet.ssrc,
        });
        Some(Place {
            lost,
            elapsed: self.elapsed,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_read_with_all_that_may_precede_its_payload() {
        let mut bytes = vec![0x80, 0xe0, 0, 7, 0, 0, 1, 0, 0, 0, 0, 9, 1, 2];
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.payload, [1, 2]);
        assert_eq!((packet.marker, packet.payload_type), (true, 96));
        assert_eq!(
            (packet.sequence, packet.timestamp, packet.ssrc),
            (7, 256, 9)
        );
        // One contributing source, an extension of one word, three bytes of padding.
        bytes.splice(12..12, [0, 0, 0, 7, 0xbe, 0xde, 0, 1, 1, 2, 3, 4]);
        bytes.extend([0, 0, 3]);
        bytes[0] = 0xb1;
        assert_eq!(Packet::parse(&bytes).unwrap().payload, [1, 2]);
        for length in 0..24 {
            assert_eq!(Packet::parse(&bytes[..length]), None, "{length}");
        }
        assert_eq!(Packet::parse(&[0x40; 20]), None);
        assert_eq!(Packet::parse(&[0xa0; 12]), None);
    }

    fn places(packets: &[(u16, u32, u8)]) -> Vec<Option<(u16, i64)>> {
        let mut sequence = Sequence::new(96);
        let place = |(number, timestamp, payload_type): &(u16, u32, u8)| {
            let packet = Packet {
                marker: false,
                payload_type: *payload_type,
                sequence: *number,
                timestamp: *timestamp,
                ssrc: 1,
                payload: &[],
            };
            let place = sequence.place(&packet)?;
            Some((place.lost, place.elapsed))
        };
        packets.iter().map(place).collect()
    }

    #[test]
    fn numbers_wrap_and_tell_what_is_missing() {
        let found = places(&[
            (65_534, u32::MAX - 99, 96),
            (65_535, 900, 96),
            (2, 1900, 96),
            (2, 1900, 96),
            (1, 900, 96),
            (3, 900, 96),
            (40_000, 0, 96),
        ]);
        let expected = [
            Some((0, 0)),
            Some((0, 1000)),
            Some((2, 2000)),
            None,
            None,
            Some((0, 1000)),
            Some((1, 100)),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn packets_of_another_type_are_left_out_once_the_right_one_was_seen() {
        let found = places(&[(1, 0, 97), (2, 0, 96), (3, 0, 50), (4, 0, 96)]);
        assert_eq!(found, [Some((0, 0)), Some((0, 0)), None, Some((1, 0))]);
    }
}
