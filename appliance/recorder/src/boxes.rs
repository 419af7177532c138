//! The few boxes that fragmented MP4 needs (ISO/IEC 14496-12), written byte by byte.
//!
//! Own code rather than a crate's types, as the codec's sample entry arrives as finished bytes
//! for H.264 and H.265 alike, and a part's header is written twice a second per camera:
//! no box is built as a value first. Tests read the result back with a parser that is not ours.

use crate::format::VideoFormat;

/// Units of every time in the files, per second: what RTP uses for video (RFC 6184, 5.1).
pub const TIMESCALE: u32 = 90_000;

/// Where [`part_head`] puts the 64-bit decode time, bytes from its start.
pub const DECODE_TIME_OFFSET: usize = 60;

const TRACK: u32 = 1;
/// 8.8.3.1: depends on no other sample; is a sync sample.
const FLAGS_IDR: u32 = 0x0200_0000;
/// 8.8.3.1: depends on others; is no sync sample.
const FLAGS_OTHER: u32 = 0x0101_0000;
const UNITY_MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// One picture of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Until the next picture, in [`TIMESCALE`] units.
    pub duration_90k: u32,
    /// Its length, bytes.
    pub size_bytes: u32,
    /// No earlier picture is needed to show it.
    pub is_idr: bool,
}

/// The initialization segment: `ftyp` and `moov`.
pub fn init_segment(format: &VideoFormat) -> Vec<u8> {
    let mut out = Vec::with_capacity(640 + format.sample_entry.len());
    put_box(&mut out, b"ftyp", |out| {
        out.extend_from_slice(b"iso5\0\0\0\x01iso5iso6mp41");
    });
    put_box(&mut out, b"moov", |out| {
        put_box(out, b"mvhd", |out| {
            put_u32s(out, &[0, 0, 0, TIMESCALE, 0, 0x1_0000, 0x0100_0000, 0, 0]);
            put_u32s(out, &UNITY_MATRIX);
            put_u32s(out, &[0, 0, 0, 0, 0, 0, TRACK + 1]);
        });
        put_box(out, b"trak", |out| put_track(out, format));
        put_box(out, b"mvex", |out| {
            put_box(out, b"trex", |out| put_u32s(out, &[0, TRACK, 1, 0, 0, 0]));
        });
    });
    out
}

fn put_track(out: &mut Vec<u8>, format: &VideoFormat) {
    put_box(out, b"tkhd", |out| {
        // Flags: enabled, in movie.
        put_u32s(out, &[3, 0, 0, TRACK, 0, 0, 0, 0, 0, 0]);
        put_u32s(out, &UNITY_MATRIX);
        put_u32s(
            out,
            &[
                u32::from(format.width) << 16,
                u32::from(format.height) << 16,
            ],
        );
    });
    put_box(out, b"mdia", |out| {
        put_box(out, b"mdhd", |out| {
            // Language 'und' (8.4.2.3).
            put_u32s(out, &[0, 0, 0, TIMESCALE, 0, 0x55c4_0000]);
        });
        put_box(out, b"hdlr", |out| {
            put_u32s(out, &[0, 0]);
            out.extend_from_slice(b"vide");
            put_u32s(out, &[0, 0, 0]);
            out.extend_from_slice(b"camera\0");
        });
        put_box(out, b"minf", |out| {
            put_box(out, b"vmhd", |out| put_u32s(out, &[1, 0, 0]));
            put_box(out, b"dinf", |out| {
                put_box(out, b"dref", |out| {
                    put_u32s(out, &[0, 1]);
                    // Flag: the data is in this file.
                    put_box(out, b"url ", |out| put_u32s(out, &[1]));
                });
            });
            put_box(out, b"stbl", |out| {
                put_box(out, b"stsd", |out| {
                    put_u32s(out, &[0, 1]);
                    out.extend_from_slice(&format.sample_entry);
                });
                // The samples are in the parts, so these tables are empty.
                put_box(out, b"stts", |out| put_u32s(out, &[0, 0]));
                put_box(out, b"stsc", |out| put_u32s(out, &[0, 0]));
                put_box(out, b"stsz", |out| put_u32s(out, &[0, 0, 0]));
                put_box(out, b"stco", |out| put_u32s(out, &[0, 0]));
            });
        });
    });
}

/// All of a part but its pictures: `moof`, and the header of an `mdat` of `media_bytes`.
pub fn part_head(
    sequence: u32,
    decode_time_90k: u64,
    samples: &[Sample],
    media_bytes: u32,
) -> Vec<u8> {
    let count = u32::try_from(samples.len()).expect("a part holds a few dozen pictures");
    let mut out = Vec::with_capacity(112 + samples.len() * 12);
    let mut data_offset_at = 0;
    put_box(&mut out, b"moof", |out| {
        put_box(out, b"mfhd", |out| put_u32s(out, &[0, sequence]));
        put_box(out, b"traf", |out| {
            // Flag: offsets count from the start of moof.
            put_box(out, b"tfhd", |out| put_u32s(out, &[0x02_0000, TRACK]));
            put_box(out, b"tfdt", |out| {
                put_u32s(out, &[0x0100_0000]);
                debug_assert_eq!(out.len(), DECODE_TIME_OFFSET);
                out.extend_from_slice(&decode_time_90k.to_be_bytes());
            });
            put_box(out, b"trun", |out| {
                // Flags: data offset; each sample's duration, size and flags.
                put_u32s(out, &[0x0701, count]);
                data_offset_at = out.len();
                put_u32s(out, &[0]);
                for sample in samples {
                    let flags = if sample.is_idr {
                        FLAGS_IDR
                    } else {
                        FLAGS_OTHER
                    };
                    put_u32s(out, &[sample.duration_90k, sample.size_bytes, flags]);
                }
            });
        });
    });
    let data_offset = u32::try_from(out.len() + 8).expect("a header is short");
    out[data_offset_at..data_offset_at + 4].copy_from_slice(&data_offset.to_be_bytes());
    put_u32s(&mut out, &[media_bytes + 8]);
    out.extend_from_slice(b"mdat");
    out
}

fn put_u32s(out: &mut Vec<u8>, values: &[u32]) {
    for value in values {
        out.extend_from_slice(&value.to_be_bytes());
    }
}

fn put_box(out: &mut Vec<u8>, kind: &[u8; 4], body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(kind);
    body(out);
    let length = u32::try_from(out.len() - start).expect("a header is short");
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use mp4_atom::{Codec, Decode, Ftyp, Moof, Moov};

    use super::*;
    use crate::format::test_format;

    #[test]
    fn another_parser_reads_the_initialization_segment() {
        let bytes = init_segment(&test_format());
        let mut rest = &bytes[..];
        let ftyp = Ftyp::decode(&mut rest).unwrap();
        assert_eq!(ftyp.major_brand.to_string(), "iso5");
        let moov = Moov::decode(&mut rest).unwrap();
        assert!(rest.is_empty());
        let track = &moov.trak[0];
        assert_eq!(track.tkhd.track_id, TRACK);
        assert_eq!(track.mdia.mdhd.timescale, TIMESCALE);
        assert_eq!(moov.mvex.unwrap().trex[0].track_id, TRACK);
        let Codec::Avc1(entry) = &track.mdia.minf.stbl.stsd.codecs[0] else {
            panic!("no avc1 entry");
        };
        assert_eq!((entry.visual.width, entry.visual.height), (640, 360));
        assert_eq!(entry.avcc.avc_profile_indication, 0x42);
    }

    #[test]
    fn another_parser_reads_a_part() {
        let samples = [
            Sample {
                duration_90k: 9000,
                size_bytes: 5,
                is_idr: true,
            },
            Sample {
                duration_90k: 9001,
                size_bytes: 3,
                is_idr: false,
            },
        ];
        let mut bytes = part_head(7, u64::from(u32::MAX) + 1, &samples, 8);
        let head_length = bytes.len();
        assert_eq!(
            bytes[DECODE_TIME_OFFSET..DECODE_TIME_OFFSET + 8],
            (u64::from(u32::MAX) + 1).to_be_bytes()
        );
        bytes.extend_from_slice(b"picturef");
        let mut rest = &bytes[..];
        let moof = Moof::decode(&mut rest).unwrap();
        assert_eq!(moof.mfhd.sequence_number, 7);
        let traf = &moof.traf[0];
        let run = &traf.trun[0];
        assert_eq!(run.data_offset, Some(i32::try_from(head_length).unwrap()));
        let found: Vec<_> = run
            .samples
            .iter()
            .map(|sample| (sample.duration, sample.size, sample.flags))
            .collect();
        assert_eq!(
            found,
            [
                (Some(9000), Some(5), Some(FLAGS_IDR)),
                (Some(9001), Some(3), Some(FLAGS_OTHER))
            ]
        );
        let mdat = mp4_atom::Mdat::decode(&mut rest).unwrap();
        assert_eq!(mdat.data, b"picturef");
        assert!(rest.is_empty());
    }
}
