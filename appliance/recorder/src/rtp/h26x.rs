//! Pictures of H.264 (RFC 6184) and H.265 (RFC 7798) from their packets.
//!
//! A picture ends with the marker, as the RFCs say; as cameras set it too early, too late or never,
//! also where its timestamp ends, or where a unit comes that only begins a picture (H.264,
//! 7.4.1.2.3; H.265, 7.4.2.4.4). A picture that lacks a packet is left out: decoders show grey
//! for it, and worse for those that follow.

use std::collections::VecDeque;

use super::packet::{Packet, Place};
use super::parameter_sets::{Codec, ParameterSets, strip_zeros};
use crate::boxes::TIMESCALE;
use crate::format::VideoFormat;
use crate::part::MAX_PICTURE_BYTES;
use crate::source::Picture;

/// A picture that would be larger than [`MAX_PICTURE_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge;

/// Makes one session's pictures.
#[derive(Debug)]
pub struct Depacketizer {
    codec: Codec,
    clock_rate_hz: u32,
    sets: ParameterSets,
    announced: Option<VideoFormat>,
    building: Building,
    /// Packets, since the last picture that was given.
    lost: u16,
    /// Of the last picture that was given, where its marker ended it.
    ended_by_marker: Option<i64>,
    /// The camera marks every slice, so markers end nothing.
    marks_slices: bool,
}

#[derive(Debug, Default)]
struct Building {
    /// Units, each after its length in four bytes.
    data: Vec<u8>,
    elapsed: i64,
    has_slice: bool,
    is_idr: bool,
    damaged: bool,
    /// Where the length of the unit is that comes in fragments.
    fragments_at: Option<usize>,
}

impl Depacketizer {
    /// Of a stream with this clock, and with the parameter sets of its description.
    pub fn new(codec: Codec, clock_rate_hz: u32, sets: ParameterSets) -> Self {
        Self {
            codec,
            clock_rate_hz: clock_rate_hz.max(1),
            sets,
            announced: None,
            building: Building::default(),
            lost: 0,
            ended_by_marker: None,
            marks_slices: false,
        }
    }

    /// Takes a packet; every finished picture goes to `out`.
    ///
    /// # Errors
    /// [`TooLarge`]: the stream is to be given up.
    pub fn push(
        &mut self,
        packet: &Packet<'_>,
        place: Place,
        out: &mut VecDeque<Picture>,
    ) -> Result<(), TooLarge> {
        if place.lost > 0 {
            self.lost = self.lost.saturating_add(place.lost);
            self.ended_by_marker = None;
            self.building.damaged |= !self.building.data.is_empty();
        }
        if place.elapsed != self.building.elapsed {
            self.end_fragments(out)?;
            if self.building.has_slice || self.building.damaged {
                self.finish(out);
            }
            self.building.elapsed = place.elapsed;
        }
        self.payload(packet.payload, out)?;
        if packet.marker {
            self.end_fragments(out)?;
            if self.building.has_slice && !self.marks_slices {
                self.ended_by_marker = (!self.building.damaged).then_some(place.elapsed);
                self.finish(out);
            }
        }
        Ok(())
    }

    fn payload(&mut self, payload: &[u8], out: &mut VecDeque<Picture>) -> Result<(), TooLarge> {
        let header = self.codec.header_bytes();
        let Some((first, body)) = payload.first().zip(payload.get(header..)) else {
            return Ok(());
        };
        match (self.codec, self.codec.unit_type(*first)) {
            (Codec::H264, 24) | (Codec::H265, 48) => {
                self.end_fragments(out)?;
                self.aggregate(body, out)
            }
            (Codec::H264, 28) | (Codec::H265, 49) => self.fragment(&payload[..header], body, out),
            // Packets with decoding order numbers, or reserved: no camera was seen to send them.
            (Codec::H264, 25..=27 | 29..=31) | (Codec::H265, 50..=63) => Ok(()),
            _ => {
                self.end_fragments(out)?;
                self.unit(payload, out)
            }
        }
    }

    /// RFC 6184, 5.7.1; RFC 7798, 4.4.2.
    fn aggregate(&mut self, mut body: &[u8], out: &mut VecDeque<Picture>) -> Result<(), TooLarge> {
        while let Some((length, rest)) = body.split_first_chunk() {
            let length = usize::from(u16::from_be_bytes(*length));
            let Some((unit, rest)) = rest.split_at_checked(length) else {
                break;
            };
            self.unit(unit, out)?;
            body = rest;
        }
        Ok(())
    }

    /// RFC 6184, 5.8; RFC 7798, 4.4.3.
    fn fragment(
        &mut self,
        header: &[u8],
        body: &[u8],
        out: &mut VecDeque<Picture>,
    ) -> Result<(), TooLarge> {
        let Some((fragment, body)) = body.split_first() else {
            return Ok(());
        };
        if fragment & 0x80 != 0 {
            // A camera may leave out the bit that ends one.
            self.end_fragments(out)?;
            let header = match (self.codec, header) {
                (Codec::H265, [first, second]) => [first & 0x81 | (fragment & 0x3f) << 1, *second],
                _ => [header[0] & 0xe0 | fragment & 0x1f, 0],
            };
            let header = &header[..self.codec.header_bytes()];
            self.meet(header[0], body.first().copied(), out);
            self.building.fragments_at = Some(self.building.data.len());
            self.append(&[0; 4])?;
            self.append(header)?;
        } else if self.building.fragments_at.is_none() {
            // Its beginning was lost, or was sent before this session.
            self.building.damaged = true;
            return Ok(());
        }
        self.append(body)?;
        if fragment & 0x40 != 0 {
            self.end_fragments(out)?;
        }
        Ok(())
    }

    /// The unit that came in fragments is whole.
    fn end_fragments(&mut self, out: &mut VecDeque<Picture>) -> Result<(), TooLarge> {
        let Some(at) = self.building.fragments_at.take() else {
            return Ok(());
        };
        let is_slice = self.is_slice(self.building.data[at + 4]);
        let data = &mut self.building.data;
        if is_slice {
            let length = u32::try_from(data.len() - at - 4).unwrap_or(u32::MAX);
            data[at..at + 4].copy_from_slice(&length.to_be_bytes());
            return Ok(());
        }
        let unit = data.split_off(at);
        self.other_unit(&unit[4..], out)
    }

    /// A unit that came whole.
    fn unit(&mut self, unit: &[u8], out: &mut VecDeque<Picture>) -> Result<(), TooLarge> {
        // A start code has no place here; cameras send it.
        let unit = match unit {
            [0, 0, 0, 1, unit @ ..] | [0, 0, 1, unit @ ..] => unit,
            unit => unit,
        };
        let header = self.codec.header_bytes();
        match unit.get(..header) {
            Some([first, ..]) if self.is_slice(*first) => {
                self.meet(*first, unit.get(header).copied(), out);
                self.append_unit(unit)
            }
            Some(_) => self.other_unit(unit, out),
            None => Ok(()),
        }
    }

    /// What is no slice. Cameras join several units there, with start codes between them.
    fn other_unit(&mut self, unit: &[u8], out: &mut VecDeque<Picture>) -> Result<(), TooLarge> {
        if let Some(at) = unit.windows(3).position(|three| three == [0, 0, 1]) {
            let (first, rest) = (&unit[..at], &unit[at + 3..]);
            self.other_unit(strip_zeros(first), out)?;
            return self.unit(rest, out);
        }
        let (Some(first), true) = (unit.first(), unit.len() > self.codec.header_bytes()) else {
            return Ok(());
        };
        self.meet(*first, None, out);
        match self.codec.set_kind(self.codec.unit_type(*first)) {
            Some(kind) => {
                self.sets.take(kind, unit);
                Ok(())
            }
            None => self.append_unit(unit),
        }
    }

    /// Notices what the beginning of a unit tells of pictures: the last one may be finished.
    fn meet(&mut self, header: u8, first_byte: Option<u8>, out: &mut VecDeque<Picture>) {
        let unit_type = self.codec.unit_type(header);
        if !self.is_slice(header) {
            if self.building.has_slice && begins_picture(self.codec, unit_type) {
                self.finish(out);
            }
            return;
        }
        // `first_mb_in_slice` is 0; `first_slice_segment_in_pic_flag` is set.
        let is_first = first_byte.is_some_and(|byte| byte & 0x80 != 0);
        if is_first && self.building.has_slice {
            self.finish(out);
        } else if !is_first && !self.building.has_slice {
            if self.ended_by_marker == Some(self.building.elapsed) {
                tracing::info!("the camera marks every slice as the end of a picture");
                self.marks_slices = true;
            }
            self.building.damaged = true;
        }
        self.building.has_slice = true;
        self.building.is_idr |= match self.codec {
            Codec::H264 => unit_type == 5,
            // Pictures that depend on none before them (H.265, 7.4.2.2).
            Codec::H265 => (16..=21).contains(&unit_type),
        };
    }

    fn is_slice(&self, header: u8) -> bool {
        match (self.codec, self.codec.unit_type(header)) {
            (Codec::H264, unit_type) => (1..=5).contains(&unit_type),
            (Codec::H265, unit_type) => unit_type < 32,
        }
    }

    fn append_unit(&mut self, unit: &[u8]) -> Result<(), TooLarge> {
        let length = u32::try_from(unit.len()).map_err(|_| TooLarge)?;
        self.append(&length.to_be_bytes())?;
        self.append(unit)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
        let data = &mut self.building.data;
        if data.len() + bytes.len() > MAX_PICTURE_BYTES {
            return Err(TooLarge);
        }
        data.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&mut self, out: &mut VecDeque<Picture>) {
        let elapsed = self.building.elapsed;
        let finished = std::mem::take(&mut self.building);
        self.building.elapsed = elapsed;
        if finished.damaged {
            return;
        }
        let mut new_format = None;
        if finished.is_idr
            && let Some(format) = self.sets.new_format()
            && self.announced.as_ref() != Some(&format)
        {
            self.announced = Some(format.clone());
            new_format = Some(format);
        }
        let camera_90k =
            i128::from(elapsed) * i128::from(TIMESCALE) / i128::from(self.clock_rate_hz);
        out.push_back(Picture {
            // Without what it had in reserve.
            data: finished.data.into_boxed_slice().into(),
            camera_90k: i64::try_from(camera_90k).unwrap_or(i64::MAX),
            is_idr: finished.is_idr,
            new_format,
            lost_packets: std::mem::take(&mut self.lost),
        });
    }
}

/// An access unit delimiter. Parameter sets and SEI ought to come before a picture's slices too, but
/// some send them before every slice.
fn begins_picture(codec: Codec, unit_type: u8) -> bool {
    match codec {
        Codec::H264 => unit_type == 9,
        Codec::H265 => unit_type == 35,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "h26x_tests.rs"]
mod tests;
