//! What the pictures of a stream look like, and what its sound is.

use bytes::Bytes;

use crate::{boxes, flac};

/// Codec and size of a stream, as of its newest parameter sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoFormat {
    /// For example `avc1.42C01E` (RFC 6381).
    pub codec: String,
    /// The finished sample entry box, parameter sets included (ISO/IEC 14496-15, 5.4.2).
    pub sample_entry: Vec<u8>,
    /// Pixels shown.
    pub width: u16,
    /// Pixels shown.
    pub height: u16,
}

/// The sound beside the pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoundFormat {
    /// For example `mp4a.40.2` (RFC 6381) or `flac`.
    pub codec: String,
    /// The finished sample entry box.
    pub sample_entry: Vec<u8>,
}

impl SoundFormat {
    /// One channel of 16-bit FLAC in the blocks of [`flac`].
    pub fn flac(rate_hz: u32) -> Self {
        Self {
            codec: "flac".into(),
            sample_entry: boxes::flac_sample_entry(rate_hz, &flac::stream_info(rate_hz)),
        }
    }
}

/// An initialization segment, and the formats it was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitSegment {
    /// Codec and size.
    pub format: VideoFormat,
    /// The sound, if there is any.
    pub sound: Option<SoundFormat>,
    /// The `ftyp` and `moov` boxes.
    pub bytes: Bytes,
}

impl InitSegment {
    /// The segment that announces this format, without sound.
    pub fn new(format: VideoFormat) -> Self {
        Self::with_sound(format, None)
    }

    /// The segment that announces pictures and perhaps sound.
    pub fn with_sound(format: VideoFormat, sound: Option<SoundFormat>) -> Self {
        let bytes = boxes::init_segment(&format, sound.as_ref()).into();
        Self {
            format,
            sound,
            bytes,
        }
    }

    /// For example `video/mp4; codecs="avc1.42C01E, flac"`.
    pub fn mime_type(&self) -> String {
        match &self.sound {
            None => format!("video/mp4; codecs=\"{}\"", self.format.codec),
            Some(sound) => format!(
                "video/mp4; codecs=\"{}, {}\"",
                self.format.codec, sound.codec
            ),
        }
    }
}

/// A small baseline format, with parameter sets that decoders accept.
#[cfg(test)]
pub(crate) fn test_format() -> VideoFormat {
    const AVCC: &[u8] = &[
        1, 0x42, 0xc0, 0x1e, 0xff, 0xe1, 0, 22, 0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f,
        0xf9, 0x61, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00, 0x03, 0x00, 0x14, 0x0f, 0x16, 1, 0,
        5, 0x68, 0xcb, 0x83, 0xcb, 0x20,
    ];
    let mut entry = Vec::new();
    let length = u32::try_from(86 + 8 + AVCC.len()).expect("short");
    entry.extend_from_slice(&length.to_be_bytes());
    entry.extend_from_slice(b"avc1\0\0\0\0\0\0\0\x01");
    entry.extend_from_slice(&[0; 16]);
    entry.extend_from_slice(&[0x02, 0x80, 0x01, 0x68]);
    entry.extend_from_slice(&[0, 0x48, 0, 0, 0, 0x48, 0, 0, 0, 0, 0, 0, 0, 1]);
    entry.extend_from_slice(&[0; 32]);
    entry.extend_from_slice(&[0, 0x18, 0xff, 0xff]);
    let length = u32::try_from(8 + AVCC.len()).expect("short");
    entry.extend_from_slice(&length.to_be_bytes());
    entry.extend_from_slice(b"avcC");
    entry.extend_from_slice(AVCC);
    VideoFormat {
        codec: "avc1.42C01E".into(),
        sample_entry: entry,
        width: 640,
        height: 360,
    }
}
