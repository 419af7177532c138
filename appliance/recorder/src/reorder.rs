//! Puts RTP packets back into their order (RFC 3550, 5.1 and A.1).
//!
//! A packet that is ahead waits for the missing ones: for a short time, and in small numbers.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

/// A missing packet that is not there by then is lost.
pub const PATIENCE: Duration = Duration::from_millis(200);
/// Packets that wait, at most: 200 ms of 16 Mbit/s.
const MOST_WAITING: usize = 512;
/// A sequence number further away than this is a new start, not reordering.
const NEW_START: i64 = 3000;

/// One stream of packets.
#[derive(Debug, Default)]
pub struct Reorder {
    /// The sequence number to be given next, counted on beyond 16 bits.
    next: Option<i64>,
    ssrc: u32,
    waiting: BTreeMap<i64, Waiting>,
    /// Packets that came too late or twice.
    late: u64,
}

#[derive(Debug)]
struct Waiting {
    packet: Bytes,
    since: Duration,
}

impl Reorder {
    /// Takes a packet that arrived at `now`, and appends to `out` what can be given in order.
    /// What is no RTP packet is left out.
    pub fn push(&mut self, packet: Bytes, now: Duration, out: &mut Vec<Bytes>) {
        let Some((sequence, ssrc)) = header(&packet) else {
            return;
        };
        let mut next = *self.next.get_or_insert_with(|| {
            self.ssrc = ssrc;
            i64::from(sequence)
        });
        // The nearest number with these 16 bits.
        let low = u16::try_from(next & 0xffff).expect("16 bits");
        let mut ahead = i64::from(sequence.wrapping_sub(low).cast_signed());
        if ahead.abs() > NEW_START || ssrc != self.ssrc {
            self.flush(out);
            next = i64::from(sequence);
            self.next = Some(next);
            self.ssrc = ssrc;
            ahead = 0;
        }
        if ahead < 0 {
            self.late += 1;
            return;
        }
        let since = now;
        if self
            .waiting
            .insert(next + ahead, Waiting { packet, since })
            .is_some()
        {
            self.late += 1;
        }
        if self.waiting.len() > MOST_WAITING {
            self.skip_hole();
        }
        self.give(out);
    }

    /// Gives up on what has been missing for too long at `now`.
    pub fn expire(&mut self, now: Duration, out: &mut Vec<Bytes>) {
        while self
            .waiting
            .values()
            .any(|waiting| now.saturating_sub(waiting.since) >= PATIENCE)
        {
            self.skip_hole();
            self.give(out);
        }
    }

    /// A packet waits for a missing one.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Packets left out so far, as they came too late or twice.
    pub fn late(&self) -> u64 {
        self.late
    }

    fn skip_hole(&mut self) {
        if let Some(first) = self.waiting.keys().next() {
            self.next = Some(*first);
        }
    }

    fn give(&mut self, out: &mut Vec<Bytes>) {
        while let Some(entry) = self.waiting.first_entry() {
            if Some(*entry.key()) != self.next {
                return;
            }
            self.next = Some(entry.key() + 1);
            out.push(entry.remove().packet);
        }
    }

    fn flush(&mut self, out: &mut Vec<Bytes>) {
        out.extend(
            std::mem::take(&mut self.waiting)
                .into_values()
                .map(|waiting| waiting.packet),
        );
    }
}

/// Sequence number and synchronisation source.
fn header(packet: &[u8]) -> Option<(u16, u32)> {
    let [first, _, a, b, _, _, _, _, ssrc @ ..] = packet.first_chunk::<12>()?;
    (first >> 6 == 2).then_some((u16::from_be_bytes([*a, *b]), u32::from_be_bytes(*ssrc)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16, ssrc: u32) -> Bytes {
        let mut bytes = vec![0x80, 96];
        bytes.extend(sequence.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(ssrc.to_be_bytes());
        bytes.into()
    }

    fn numbers(packets: &[Bytes]) -> Vec<u16> {
        packets
            .iter()
            .filter_map(|packet| Some(header(packet)?.0))
            .collect()
    }

    /// One packet a millisecond.
    fn check(arriving: &[u16], expected: &[u16]) -> u64 {
        let (mut reorder, mut out) = (Reorder::default(), Vec::new());
        for (sequence, ms) in arriving.iter().zip(0..) {
            let now = Duration::from_millis(ms);
            reorder.push(packet(*sequence, 7), now, &mut out);
            reorder.expire(now, &mut out);
        }
        assert_eq!(numbers(&out), expected, "{arriving:?}");
        reorder.late()
    }

    #[test]
    fn order_is_restored_also_where_numbers_wrap() {
        assert_eq!(check(&[1, 2, 3], &[1, 2, 3]), 0);
        assert_eq!(check(&[1, 3, 4, 2, 6, 5], &[1, 2, 3, 4, 5, 6]), 0);
        check(&[65534, 0, 1, 65535, 2], &[65534, 65535, 0, 1, 2]);
    }

    #[test]
    fn copies_and_latecomers_are_left_out() {
        assert_eq!(check(&[5, 6, 6, 4, 8, 8, 7], &[5, 6, 7, 8]), 3);
    }

    #[test]
    fn a_lost_packet_holds_the_others_up_for_a_short_time() {
        let (mut reorder, mut out) = (Reorder::default(), Vec::new());
        reorder.push(packet(1, 7), Duration::ZERO, &mut out);
        reorder.push(packet(3, 7), Duration::from_millis(10), &mut out);
        reorder.push(packet(6, 7), Duration::from_millis(50), &mut out);
        reorder.expire(Duration::from_millis(209), &mut out);
        assert_eq!(numbers(&out), [1]);
        assert!(reorder.is_waiting());
        reorder.expire(Duration::from_millis(210), &mut out);
        assert_eq!(numbers(&out), [1, 3]);
        reorder.expire(Duration::from_millis(250), &mut out);
        assert_eq!(numbers(&out), [1, 3, 6]);
        assert!(!reorder.is_waiting());
    }

    #[test]
    fn what_waits_is_bounded() {
        let (mut reorder, mut out) = (Reorder::default(), Vec::new());
        reorder.push(packet(0, 7), Duration::ZERO, &mut out);
        for sequence in 2..2000 {
            reorder.push(packet(sequence, 7), Duration::ZERO, &mut out);
            assert!(reorder.waiting.len() <= MOST_WAITING);
        }
        assert_eq!(out.len(), 1999);
    }

    #[test]
    fn a_new_start_is_followed_and_noise_is_not() {
        check(&[1, 3, 20_000, 20_001], &[1, 3, 20_000, 20_001]);
        let (mut reorder, mut out) = (Reorder::default(), Vec::new());
        reorder.push(packet(1, 7), Duration::ZERO, &mut out);
        reorder.push(packet(500, 8), Duration::ZERO, &mut out);
        for noise in [&b""[..], b"short", &[0xff; 40], &[0; 40]] {
            reorder.push(noise.into(), Duration::ZERO, &mut out);
        }
        assert_eq!(numbers(&out), [1, 500]);
    }
}
