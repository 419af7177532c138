//! One stream of a session: what its packets become.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as UNPADDED;

use super::description::Media;
use crate::format::SoundFormat;
use crate::g711::Law;
use crate::part::MAX_PICTURE_BYTES;
use crate::rtp::aac;
use crate::rtp::h26x::{self, TooLarge};
use crate::rtp::packet::{Packet, Sequence};
use crate::rtp::parameter_sets::{Codec, ParameterSets};
use crate::sound::G711ToFlac;
use crate::source::{Frame, Picture, SourceError};

/// A stream that is set up.
#[derive(Debug)]
pub struct Track {
    sequence: Sequence,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Pictures(h26x::Depacketizer, VecDeque<Picture>),
    Aac(aac::Depacketizer),
    G711(G711ToFlac),
}

impl Track {
    /// The pictures of this stream; `None` if it has none that can be recorded.
    pub fn of_pictures(media: &Media) -> Option<Self> {
        let codec = match (&*media.kind, &*media.encoding) {
            ("video", "h264") => Codec::H264,
            ("video", "h265") => Codec::H265,
            _ => return None,
        };
        let depacketizer =
            h26x::Depacketizer::new(codec, media.clock_rate_hz, described_sets(codec, media));
        Some(Self {
            sequence: Sequence::new(media.payload_type),
            kind: Kind::Pictures(depacketizer, VecDeque::new()),
        })
    }

    /// The sound of this stream, and its format; `None` if it can't be recorded.
    pub fn of_sound(media: &Media) -> Option<(Self, SoundFormat)> {
        if media.kind != "audio" {
            return None;
        }
        let law = match &*media.encoding {
            "pcma" => Some(Law::A),
            "pcmu" => Some(Law::Mu),
            _ => None,
        };
        let (kind, format) = match law {
            // G.711 of several channels is not known of any camera.
            Some(law) if media.channels == 1 && (1..=192_000).contains(&media.clock_rate_hz) => {
                let rate_hz = media.clock_rate_hz;
                let to_flac = G711ToFlac::new(law, rate_hz);
                (Kind::G711(to_flac), SoundFormat::flac(rate_hz))
            }
            None if media.encoding == "mpeg4-generic" => {
                let (depacketizer, format) = aac::Depacketizer::new(media)?;
                (Kind::Aac(depacketizer), format)
            }
            _ => return None,
        };
        let sequence = Sequence::new(media.payload_type);
        Some((Self { sequence, kind }, format))
    }

    /// Takes a packet. What is none, or too late, is left out.
    ///
    /// # Errors
    /// A picture that is too large.
    pub fn take(&mut self, bytes: &[u8], out: &mut VecDeque<Frame>) -> Result<(), SourceError> {
        let Some(packet) = Packet::parse(bytes) else {
            return Ok(());
        };
        let Some(place) = self.sequence.place(&packet) else {
            return Ok(());
        };
        match &mut self.kind {
            Kind::Pictures(depacketizer, pictures) => {
                depacketizer
                    .push(&packet, place, pictures)
                    .map_err(|TooLarge| {
                        let mib = MAX_PICTURE_BYTES / 1024 / 1024;
                        SourceError::Rtsp(format!("it sends a picture of more than {mib} MiB"))
                    })?;
                out.extend(pictures.drain(..).map(Frame::Picture));
            }
            Kind::Aac(depacketizer) => {
                depacketizer.push(&packet, place, |sound| out.push_back(Frame::Sound(sound)));
            }
            Kind::G711(to_flac) => to_flac.push(packet.payload, place.elapsed, |sound| {
                out.push_back(Frame::Sound(sound));
            }),
        }
        Ok(())
    }
}

/// RFC 6184, 8.1; RFC 7798, 7.1: parameter sets that come with the description.
fn described_sets(codec: Codec, media: &Media) -> ParameterSets {
    let mut sets = ParameterSets::new(codec);
    let names: &[&str] = match codec {
        Codec::H264 => &["sprop-parameter-sets"],
        Codec::H265 => &["sprop-vps", "sprop-sps", "sprop-pps"],
    };
    let texts = names.iter().filter_map(|name| media.parameter(name));
    for text in texts.flat_map(|texts| texts.split(',')) {
        let unpadded = text.trim().trim_end_matches('=');
        let Ok(unit) = UNPADDED.decode(unpadded) else {
            continue;
        };
        // Some cameras put a start code before it.
        let at = unit.iter().position(|byte| *byte != 0).unwrap_or(0);
        let unit = match unit.get(at..) {
            Some([1, unit @ ..]) if at >= 2 => unit,
            _ => &unit,
        };
        if let Some(kind) = unit
            .first()
            .and_then(|first| codec.set_kind(codec.unit_type(*first)))
        {
            sets.take(kind, unit);
        }
    }
    sets
}
