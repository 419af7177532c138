//! AAC in packets (RFC 3640, 3.3.6: mode AAC-hbr), and its configuration (ISO/IEC 14496-3, 1.6.2).

use bytes::Bytes;

use super::bits::{Bits, OutOfBits};
use super::packet::{Packet, Place};
use crate::boxes;
use crate::format::SoundFormat;
use crate::rtsp::description::Media;
use crate::sound::Sound;

/// 1.6.3.3.
const RATES_HZ: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000,
    7350,
];
/// A longer configuration is none.
const MAX_CONFIGURATION_BYTES: usize = 64;

/// What an AudioSpecificConfig says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Configuration {
    object_type: u32,
    /// Of the core, samples a second.
    rate_hz: u32,
    channels: u16,
    /// Of one frame.
    samples: u32,
}

impl Configuration {
    fn parse(bytes: &[u8]) -> Result<Self, OutOfBits> {
        let mut bits = Bits::raw(bytes);
        let mut object_type = bits.bits(5)?;
        if object_type == 31 {
            object_type = 32 + bits.bits(6)?;
        }
        let rate_hz = match bits.bits(4)? {
            15 => bits.bits(24)?,
            index => *RATES_HZ
                .get(usize::try_from(index).unwrap_or(usize::MAX))
                .ok_or(OutOfBits)?,
        };
        let channels = match bits.bits(4)? {
            channels @ 1..=6 => u16::try_from(channels).unwrap_or(1),
            7 => 8,
            _ => return Err(OutOfBits),
        };
        let short = bits.flag()?;
        Ok(Self {
            object_type,
            rate_hz,
            channels,
            samples: if short { 960 } else { 1024 },
        })
    }
}

/// Makes one session's frames of AAC.
#[derive(Debug)]
pub struct Depacketizer {
    rate_hz: u32,
    /// Of one frame, in the stream's clock.
    samples: u32,
    /// Of a frame that comes in several packets: its length, and what is here.
    fragment: Option<(usize, Vec<u8>)>,
}

impl Depacketizer {
    /// Of this stream, and its format; `None` where it can't be recorded.
    pub fn new(media: &Media) -> Option<(Self, SoundFormat)> {
        let standard =
            |name: &str, value: &str| media.parameter(name).is_none_or(|found| found == value);
        let is_hbr = standard("sizelength", "13")
            && standard("indexlength", "3")
            && standard("indexdeltalength", "3");
        let bytes = hex::decode(media.parameter("config")?).ok()?;
        let configuration = Configuration::parse(&bytes).ok()?;
        if !is_hbr
            || bytes.len() > MAX_CONFIGURATION_BYTES
            || configuration.rate_hz == 0
            || media.clock_rate_hz == 0
        {
            return None;
        }
        let samples = u64::from(configuration.samples) * u64::from(media.clock_rate_hz)
            / u64::from(configuration.rate_hz);
        let format = SoundFormat {
            codec: format!("mp4a.40.{}", configuration.object_type),
            sample_entry: boxes::aac_sample_entry(
                configuration.rate_hz,
                configuration.channels,
                &bytes,
            ),
        };
        let depacketizer = Self {
            rate_hz: media.clock_rate_hz,
            samples: u32::try_from(samples).ok()?.max(1),
            fragment: None,
        };
        Some((depacketizer, format))
    }

    /// Takes a packet; every whole frame goes to `each`. What is not understood is left out.
    pub fn push(&mut self, packet: &Packet<'_>, place: Place, mut each: impl FnMut(Sound)) {
        if place.lost > 0 {
            self.fragment = None;
        }
        let Some((sizes, mut data)) = headers(packet.payload) else {
            return;
        };
        let sound = |data: &[u8], count: u32| Sound {
            data: Bytes::copy_from_slice(data),
            start_samples: place
                .elapsed
                .saturating_add(i64::from(count) * i64::from(self.samples)),
            samples: self.samples,
            rate_hz: self.rate_hz,
        };
        if let ([size], true) = (&sizes[..], sizes.first() > Some(&data.len())) {
            // 3.2.3.1: one frame, in packets of one timestamp.
            let (whole, mut collected) = self.fragment.take().unwrap_or((*size, Vec::new()));
            collected.extend_from_slice(data);
            if collected.len() >= whole {
                each(sound(&collected[..whole], 0));
            } else if !packet.marker {
                self.fragment = Some((whole, collected));
            }
            return;
        }
        self.fragment = None;
        for (size, count) in sizes.into_iter().zip(0..) {
            let Some((frame, rest)) = data.split_at_checked(size) else {
                return;
            };
            if !frame.is_empty() {
                each(sound(frame, count));
            }
            data = rest;
        }
    }
}

/// 3.2.1: the sizes of a packet's frames, bytes, and the frames.
fn headers(payload: &[u8]) -> Option<(Vec<usize>, &[u8])> {
    let (bits, rest) = payload.split_first_chunk()?;
    let bytes = usize::from(u16::from_be_bytes(*bits)).div_ceil(8);
    let (headers, data) = rest.split_at_checked(bytes)?;
    let sizes = headers
        .chunks_exact(2)
        .map(|header| usize::from(u16::from_be_bytes([header[0], header[1]]) >> 3));
    Some((sizes.collect(), data))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::rtsp::description::Description;

    fn media(parameters: &str) -> Media {
        let text = format!(
            "m=audio 0 RTP/AVP 97\na=rtpmap:97 MPEG4-GENERIC/16000/1\na=fmtp:97 {parameters}\n"
        );
        Description::parse(text.as_bytes()).media.remove(0)
    }

    const GOOD: &str = "streamtype=5;mode=AAC-hbr;config=1408;SizeLength=13;indexlength=3";

    fn frames(packets: &[(bool, i64, &[u8])]) -> Vec<(i64, Vec<u8>)> {
        let (mut depacketizer, _) = Depacketizer::new(&media(GOOD)).unwrap();
        let mut found = Vec::new();
        for (marker, elapsed, payload) in packets {
            let packet = Packet {
                marker: *marker,
                payload_type: 97,
                sequence: 0,
                timestamp: 0,
                ssrc: 1,
                payload,
            };
            let place = Place {
                lost: 0,
                elapsed: *elapsed,
            };
            depacketizer.push(&packet, place, |sound| {
                found.push((sound.start_samples, sound.data.to_vec()));
            });
        }
        found
    }

    #[test]
    fn the_configuration_names_the_format() {
        let (_, format) = Depacketizer::new(&media(GOOD)).unwrap();
        assert_eq!(format.codec, "mp4a.40.2");
        let configuration = Configuration::parse(&[0x14, 0x08]).unwrap();
        assert_eq!((configuration.rate_hz, configuration.channels), (16_000, 1));
        for bad in [
            "config=",
            "config=14",
            "config=xyz0",
            "config=1408;sizelength=6",
            "mode=AAC-hbr",
        ] {
            assert!(Depacketizer::new(&media(bad)).is_none(), "{bad}");
        }
    }

    #[test]
    fn frames_share_packets_and_packets_share_frames() {
        // Two frames of 1 and 2 bytes.
        let two: &[u8] = &[0, 32, 0, 8, 0, 16, 7, 8, 9];
        assert_eq!(
            frames(&[(true, 100, two)]),
            [(100, vec![7]), (1124, vec![8, 9])]
        );
        // One frame of 4 bytes in two packets.
        let (first, last): (&[u8], &[u8]) = (&[0, 16, 0, 32, 1, 2], &[0, 16, 0, 32, 3, 4]);
        assert_eq!(
            frames(&[(false, 5, first), (true, 5, last)]),
            [(5, vec![1, 2, 3, 4])]
        );
        assert_eq!(
            frames(&[(true, 5, first), (true, 9, &[0, 16, 0, 8, 7])]),
            [(9, vec![7])]
        );
    }

    #[test]
    fn what_is_not_whole_is_left_out() {
        for payload in [
            &b""[..],
            &[0],
            &[0, 16],
            &[0, 16, 0],
            &[255, 255, 1],
            &[0, 32, 0, 8, 1, 0],
        ] {
            assert_eq!(frames(&[(true, 0, payload)]), [], "{payload:?}");
        }
    }
}
