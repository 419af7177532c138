//! Parameter sets of H.264 and H.265, and the sample entry they make (ISO/IEC 14496-15, 5.3.3
//! and 8.3.3).

use super::picture_size::{self, SequenceFacts};
use crate::boxes;
use crate::codecs;
use crate::format::VideoFormat;

use super::bits::Bits;

/// A longer one is none: the longest known has some 200 bytes.
const MAX_SET_BYTES: usize = 4096;
/// Sets of pictures that are kept, by their numbers.
const MAX_PICTURE_SETS: usize = 4;

/// How pictures are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// ITU-T H.264.
    H264,
    /// ITU-T H.265.
    H265,
}

/// What kind of parameter set a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetKind {
    /// H.265 only.
    Video,
    /// Of a sequence.
    Sequence,
    /// Of pictures.
    Picture,
}

impl Codec {
    /// The NAL unit's header.
    pub fn header_bytes(self) -> usize {
        match self {
            Self::H264 => 1,
            Self::H265 => 2,
        }
    }

    /// H.264, 7.3.1; H.265, 7.3.1.2.
    pub fn unit_type(self, first: u8) -> u8 {
        match self {
            Self::H264 => first & 0x1f,
            Self::H265 => first >> 1 & 0x3f,
        }
    }

    /// Whether units of this type are parameter sets.
    pub fn set_kind(self, unit_type: u8) -> Option<SetKind> {
        match (self, unit_type) {
            (Self::H265, 32) => Some(SetKind::Video),
            (Self::H264, 7) | (Self::H265, 33) => Some(SetKind::Sequence),
            (Self::H264, 8) | (Self::H265, 34) => Some(SetKind::Picture),
            _ => None,
        }
    }
}

/// The newest sets of one stream.
#[derive(Debug)]
pub struct ParameterSets {
    codec: Codec,
    video: Vec<u8>,
    sequence: Vec<u8>,
    pictures: Vec<(u32, Vec<u8>)>,
    changed: bool,
}

impl ParameterSets {
    /// None yet.
    pub fn new(codec: Codec) -> Self {
        Self {
            codec,
            video: Vec::new(),
            sequence: Vec::new(),
            pictures: Vec::new(),
            changed: false,
        }
    }

    /// Keeps one, header included. What can't be one is left out.
    pub fn take(&mut self, kind: SetKind, unit: &[u8]) {
        let unit = strip_zeros(unit);
        let header = self.codec.header_bytes();
        if unit.len() < header + 2 || unit.len() > MAX_SET_BYTES {
            return;
        }
        let slot = match kind {
            SetKind::Video => &mut self.video,
            SetKind::Sequence => &mut self.sequence,
            SetKind::Picture => {
                let Ok(number) = Bits::new(&unit[header..]).unsigned() else {
                    return;
                };
                let known = self.pictures.iter().position(|(known, _)| *known == number);
                let place = known.unwrap_or_else(|| {
                    self.pictures.truncate(MAX_PICTURE_SETS - 1);
                    self.pictures.push((number, Vec::new()));
                    self.pictures.len() - 1
                });
                &mut self.pictures[place].1
            }
        };
        if *slot != unit {
            slot.clear();
            slot.extend_from_slice(unit);
            self.changed = true;
        }
    }

    /// The format they make, if any has changed since it was last asked for and they are whole.
    pub fn new_format(&mut self) -> Option<VideoFormat> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let format = self.format();
        if format.is_none() {
            tracing::debug!(codec = ?self.codec, "parameter sets that are not whole, or not understood");
        }
        format
    }

    fn format(&self) -> Option<VideoFormat> {
        if self.sequence.is_empty() || self.pictures.is_empty() {
            return None;
        }
        let body = &self.sequence[self.codec.header_bytes()..];
        match self.codec {
            Codec::H264 => {
                let facts = picture_size::h264(body).ok()?;
                let [profile, constraints, level] = *body.first_chunk()?;
                Some(entry(
                    format!("avc1.{profile:02X}{constraints:02X}{level:02X}"),
                    (b"avc1", b"avcC"),
                    &facts,
                    &self.avc_configuration([profile, constraints, level], &facts),
                ))
            }
            Codec::H265 => {
                if self.video.is_empty() {
                    return None;
                }
                let facts = picture_size::h265(body).ok()?;
                let configuration = self.hevc_configuration(&facts);
                let codec = codecs::hevc("hvc1", &configuration)?;
                Some(entry(codec, (b"hvc1", b"hvcC"), &facts, &configuration))
            }
        }
    }

    /// ISO/IEC 14496-15, 5.3.3.1.2.
    fn avc_configuration(
        &self,
        [profile, constraints, level]: [u8; 3],
        facts: &SequenceFacts,
    ) -> Vec<u8> {
        // Lengths of four bytes; one set of a sequence.
        let mut out = vec![1, profile, constraints, level, 0xff, 0xe1];
        put_unit(&mut out, &self.sequence);
        out.push(u8::try_from(self.pictures.len()).unwrap_or(0));
        for (_, set) in &self.pictures {
            put_unit(&mut out, set);
        }
        if matches!(profile, 100 | 110 | 122 | 144) {
            out.extend_from_slice(&[
                0xfc | facts.chroma_format,
                0xf8 | facts.luma_depth_minus_8,
                0xf8 | facts.chroma_depth_minus_8,
                0,
            ]);
        }
        out
    }

    /// ISO/IEC 14496-15, 8.3.3.1.2.
    fn hevc_configuration(&self, facts: &SequenceFacts) -> Vec<u8> {
        let mut out = vec![1];
        out.extend_from_slice(&facts.general);
        let (layers, nested) = facts.temporal;
        // Segmentation and parallelism are not known, nor is the rate of pictures.
        out.extend_from_slice(&[0xf0, 0, 0xfc]);
        out.extend_from_slice(&[
            0xfc | facts.chroma_format,
            0xf8 | facts.luma_depth_minus_8,
            0xf8 | facts.chroma_depth_minus_8,
            0,
            0,
            layers << 3 | u8::from(nested) << 2 | 3,
            3,
        ]);
        let pictures = self.pictures.iter().map(|(_, set)| set);
        let arrays: [(u8, Vec<&Vec<u8>>); 3] = [
            (32, vec![&self.video]),
            (33, vec![&self.sequence]),
            (34, pictures.collect()),
        ];
        for (kind, sets) in arrays {
            // All of them are here.
            out.extend_from_slice(&[0x80 | kind, 0, u8::try_from(sets.len()).unwrap_or(0)]);
            for set in sets {
                put_unit(&mut out, set);
            }
        }
        out
    }
}

fn entry(
    codec: String,
    (kind, configuration_kind): (&[u8; 4], &[u8; 4]),
    facts: &SequenceFacts,
    configuration: &[u8],
) -> VideoFormat {
    let size = (facts.width, facts.height);
    VideoFormat {
        codec,
        sample_entry: boxes::picture_sample_entry(kind, size, configuration_kind, configuration),
        width: facts.width,
        height: facts.height,
    }
}

/// A unit without the zeros behind it, which belong to no unit (H.264, B.1; H.265, B.2).
pub(super) fn strip_zeros(unit: &[u8]) -> &[u8] {
    let last = unit.iter().rposition(|byte| *byte != 0);
    &unit[..last.map_or(0, |last| last + 1)]
}

/// With its length in 16 bits; [`ParameterSets::take`] keeps none that is longer.
fn put_unit(out: &mut Vec<u8>, unit: &[u8]) {
    let length = u16::try_from(unit.len()).unwrap_or(0);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(unit);
}
