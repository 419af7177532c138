//! The few boxes that fragmented MP4 needs (ISO/IEC 14496-12), written byte by byte.
//!
//! Own code rather than a crate's types, as the codec's sample entry arrives as finished bytes
//! for H.264 and H.265 alike, and a part's header is written twice a second per camera:
//! no box is built as a value first. Tests read the result back with a parser that is not ours.

use crate::format::{SoundFormat, VideoFormat};

/// Units of every time in the files, per second: what RTP uses for video (RFC 6184, 5.1). Sound
/// has them too, so that both tracks can be moved in time by the same number.
pub const TIMESCALE: u32 = 90_000;

/// Where [`part_head`] puts the 64-bit decode time, bytes from its start.
pub const DECODE_TIME_OFFSET: usize = 60;

const TRACK: u32 = 1;
const SOUND_TRACK: u32 = 2;
/// 8.3.2.2: full volume, in a track header and a movie header.
const FULL_VOLUME: u32 = 0x0100_0000;
/// 8.8.3.1: depends on no other sample; is a sync sample.
pub const FLAGS_IDR: u32 = 0x0200_0000;
/// 8.8.3.1: depends on others; is no sync sample.
const FLAGS_OTHER: u32 = 0x0101_0000;
/// Version and flags of a run of pictures (8.8.8.1): data offset; each sample's duration, size
/// and flags.
pub const PICTURE_RUN: u32 = 0x0701;
/// Of a run of sound: data offset; each sample's duration and size. Every sample is a sync one.
pub const SOUND_RUN: u32 = 0x0301;
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

/// One frame of a part's sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoundSample {
    /// Until the next frame, in [`TIMESCALE`] units.
    pub duration_90k: u32,
    /// Its length, bytes.
    pub size_bytes: u32,
}

/// The initialization segment: `ftyp` and `moov`.
pub fn init_segment(format: &VideoFormat, sound: Option<&SoundFormat>) -> Vec<u8> {
    let mut out = Vec::with_capacity(1280 + format.sample_entry.len());
    put_box(&mut out, b"ftyp", |out| {
        out.extend_from_slice(b"iso5\0\0\0\x01iso5iso6mp41");
    });
    put_box(&mut out, b"moov", |out| {
        put_box(out, b"mvhd", |out| {
            put_u32s(out, &[0, 0, 0, TIMESCALE, 0, 0x1_0000, 0x0100_0000, 0, 0]);
            put_u32s(out, &UNITY_MATRIX);
            put_u32s(out, &[0, 0, 0, 0, 0, 0, SOUND_TRACK + 1]);
        });
        put_box(out, b"trak", |out| put_track(out, &Track::Pictures(format)));
        if let Some(sound) = sound {
            put_box(out, b"trak", |out| put_track(out, &Track::Sound(sound)));
        }
        put_box(out, b"mvex", |out| {
            put_box(out, b"trex", |out| put_u32s(out, &[0, TRACK, 1, 0, 0, 0]));
            if sound.is_some() {
                put_box(out, b"trex", |out| {
                    put_u32s(out, &[0, SOUND_TRACK, 1, 0, 0, 0]);
                });
            }
        });
    });
    out
}

enum Track<'a> {
    Pictures(&'a VideoFormat),
    Sound(&'a SoundFormat),
}

fn put_track(out: &mut Vec<u8>, track: &Track<'_>) {
    put_box(out, b"tkhd", |out| {
        // Flags: enabled, in movie.
        let (id, volume, width, height) = match track {
            Track::Pictures(format) => (TRACK, 0, format.width, format.height),
            Track::Sound(_) => (SOUND_TRACK, FULL_VOLUME, 0, 0),
        };
        put_u32s(out, &[3, 0, 0, id, 0, 0, 0, 0, 0, volume]);
        put_u32s(out, &UNITY_MATRIX);
        put_u32s(out, &[u32::from(width) << 16, u32::from(height) << 16]);
    });
    put_box(out, b"mdia", |out| {
        put_box(out, b"mdhd", |out| {
            // Language 'und' (8.4.2.3).
            put_u32s(out, &[0, 0, 0, TIMESCALE, 0, 0x55c4_0000]);
        });
        put_box(out, b"hdlr", |out| {
            put_u32s(out, &[0, 0]);
            out.extend_from_slice(match track {
                Track::Pictures(_) => b"vide",
                Track::Sound(_) => b"soun",
            });
            put_u32s(out, &[0, 0, 0]);
            out.extend_from_slice(b"camera\0");
        });
        put_box(out, b"minf", |out| {
            match track {
                Track::Pictures(_) => put_box(out, b"vmhd", |out| put_u32s(out, &[1, 0, 0])),
                Track::Sound(_) => put_box(out, b"smhd", |out| put_u32s(out, &[0, 0])),
            }
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
                    out.extend_from_slice(match track {
                        Track::Pictures(format) => &format.sample_entry,
                        Track::Sound(format) => &format.sample_entry,
                    });
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

/// The sample entry of pictures (ISO/IEC 14496-12, 12.1.3) with the decoder's configuration.
pub fn picture_sample_entry(
    kind: &[u8; 4],
    (width, height): (u16, u16),
    configuration_kind: &[u8; 4],
    configuration: &[u8],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(94 + configuration.len());
    put_box(&mut out, kind, |out| {
        // Reserved; data reference 1; reserved.
        put_u32s(out, &[0, 1, 0, 0, 0, 0]);
        put_u32s(out, &[u32::from(width) << 16 | u32::from(height)]);
        // 72 dots an inch, twice; reserved; one frame a sample.
        put_u32s(out, &[0x48_0000, 0x48_0000, 0]);
        out.extend_from_slice(&[0, 1]);
        // No compressor's name; 24 bits a pixel.
        out.extend_from_slice(&[0; 32]);
        out.extend_from_slice(&[0, 24, 0xff, 0xff]);
        put_box(out, configuration_kind, |out| {
            out.extend_from_slice(configuration);
        });
    });
    out
}

/// The sample entry of AAC (ISO/IEC 14496-14, 6.7.2), with the AudioSpecificConfig of at most 64
/// bytes.
pub fn aac_sample_entry(rate_hz: u32, channels: u16, configuration: &[u8]) -> Vec<u8> {
    let length = u8::try_from(configuration.len().min(64)).expect("at most 64");
    let configuration = &configuration[..usize::from(length)];
    let mut out = Vec::with_capacity(96 + configuration.len());
    put_box(&mut out, b"mp4a", |out| {
        // Reserved; data reference 1; reserved; channels, 16 bits; reserved; rate.
        put_u32s(out, &[0, 1, 0, 0, u32::from(channels) << 16 | 16, 0]);
        put_u32s(out, &[if rate_hz > 0xffff { 0 } else { rate_hz << 16 }]);
        put_box(out, b"esds", |out| {
            put_u32s(out, &[0]);
            // ISO/IEC 14496-1, 7.2.6: ES descriptor without number and flags; decoder
            // configuration of MPEG-4 sound, its rates unknown; its specific information.
            out.extend_from_slice(&[3, 23 + length, 0, 0, 0]);
            out.extend_from_slice(&[4, 15 + length, 0x40, 0x15]);
            out.extend_from_slice(&[0; 11]);
            out.extend_from_slice(&[5, length]);
            out.extend_from_slice(configuration);
            // Sync layer as in MP4 files.
            out.extend_from_slice(&[6, 1, 2]);
        });
    });
    out
}

/// The sample entry of one channel of 16-bit FLAC ("Encapsulation of FLAC in ISO Base Media
/// File Format", 3.3.2 and 3.3.4).
pub fn flac_sample_entry(rate_hz: u32, stream_info: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(96);
    put_box(&mut out, b"fLaC", |out| {
        // Reserved; data reference 1; reserved; one channel, 16 bits; reserved; rate.
        put_u32s(out, &[0, 1, 0, 0, 0x0001_0010, 0]);
        // What does not fit is in the stream information alone.
        put_u32s(out, &[if rate_hz > 0xffff { 0 } else { rate_hz << 16 }]);
        put_box(out, b"dfLa", |out| {
            put_u32s(out, &[0]);
            out.extend_from_slice(stream_info);
        });
    });
    out
}

/// From the decode time of a part's sound, in `tfdt`, to the length of its first frame, in
/// `trun`: bytes.
pub const FIRST_DURATION_AFTER_TIME: usize = 8 + 20;

/// What the header of a part tells.
#[derive(Debug, Clone, Copy)]
pub struct PartOutline<'a> {
    /// Counts a channel's parts.
    pub sequence: u32,
    /// Of the first picture.
    pub decode_time_90k: u64,
    /// Every picture.
    pub pictures: &'a [Sample],
    /// Of the first frame of sound.
    pub sound_time_90k: u64,
    /// Every frame of sound; none is no sound.
    pub sound: &'a [SoundSample],
}

/// All of a part but its pictures and sound: `moof`, and the header of an `mdat`. Gives where the
/// decode time of the sound is as well, bytes from its start, if there is any.
pub fn part_head(part: PartOutline<'_>) -> (Vec<u8>, Option<usize>) {
    let lengths = |sizes: &mut dyn Iterator<Item = u32>| sizes.sum::<u32>();
    let picture_bytes = lengths(&mut part.pictures.iter().map(|sample| sample.size_bytes));
    let sound_bytes = lengths(&mut part.sound.iter().map(|sample| sample.size_bytes));
    let capacity = 180 + part.pictures.len() * 12 + part.sound.len() * 8;
    let mut out = Vec::with_capacity(capacity);
    let mut sound_time_at = None;
    let mut data_offsets = Vec::with_capacity(2);
    put_box(&mut out, b"moof", |out| {
        put_box(out, b"mfhd", |out| put_u32s(out, &[0, part.sequence]));
        put_box(out, b"traf", |out| {
            put_run_start(out, TRACK, part.decode_time_90k);
            debug_assert_eq!(out.len(), DECODE_TIME_OFFSET + 8);
            put_box(out, b"trun", |out| {
                put_u32s(out, &[PICTURE_RUN, count(part.pictures.len())]);
                data_offsets.push((out.len(), 0));
                put_u32s(out, &[0]);
                for sample in part.pictures {
                    let flags = if sample.is_idr {
                        FLAGS_IDR
                    } else {
                        FLAGS_OTHER
                    };
                    put_u32s(out, &[sample.duration_90k, sample.size_bytes, flags]);
                }
            });
        });
        if part.sound.is_empty() {
            return;
        }
        put_box(out, b"traf", |out| {
            put_run_start(out, SOUND_TRACK, part.sound_time_90k);
            sound_time_at = Some(out.len() - 8);
            put_box(out, b"trun", |out| {
                put_u32s(out, &[SOUND_RUN, count(part.sound.len())]);
                data_offsets.push((out.len(), picture_bytes));
                put_u32s(out, &[0]);
                for sample in part.sound {
                    put_u32s(out, &[sample.duration_90k, sample.size_bytes]);
                }
            });
        });
    });
    let media_at = count(out.len()) + 8;
    for (place, offset) in data_offsets {
        out[place..place + 4].copy_from_slice(&(media_at + offset).to_be_bytes());
    }
    put_u32s(&mut out, &[picture_bytes + sound_bytes + 8]);
    out.extend_from_slice(b"mdat");
    (out, sound_time_at)
}

/// `tfhd` and `tfdt` of a track.
fn put_run_start(out: &mut Vec<u8>, track: u32, decode_time_90k: u64) {
    // Flag: offsets count from the start of moof.
    put_box(out, b"tfhd", |out| put_u32s(out, &[0x02_0000, track]));
    put_box(out, b"tfdt", |out| {
        put_u32s(out, &[0x0100_0000]);
        out.extend_from_slice(&decode_time_90k.to_be_bytes());
    });
}

fn count(length: usize) -> u32 {
    u32::try_from(length).expect("a part has a few MiB at most")
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
        let bytes = init_segment(&test_format(), None);
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
        let (mut bytes, sound_time_at) = part_head(PartOutline {
            sequence: 7,
            decode_time_90k: u64::from(u32::MAX) + 1,
            pictures: &samples,
            sound_time_90k: 0,
            sound: &[],
        });
        assert_eq!(sound_time_at, None);
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

    #[test]
    fn another_parser_reads_sound_beside_pictures() {
        let sound = SoundFormat::flac(8000);
        let bytes = init_segment(&test_format(), Some(&sound));
        let mut rest = &bytes[..];
        Ftyp::decode(&mut rest).unwrap();
        let moov = Moov::decode(&mut rest).unwrap();
        assert_eq!(moov.trak[1].tkhd.track_id, SOUND_TRACK);
        let Codec::Flac(entry) = &moov.trak[1].mdia.minf.stbl.stsd.codecs[0] else {
            panic!("no fLaC entry");
        };
        assert_eq!(entry.audio.channel_count, 1);
        assert_eq!(entry.audio.sample_rate.integer(), 8000);

        let (mut bytes, sound_time_at) = part_head(PartOutline {
            sequence: 1,
            decode_time_90k: 5,
            pictures: &[Sample {
                duration_90k: 9000,
                size_bytes: 5,
                is_idr: true,
            }],
            sound_time_90k: 77,
            sound: &[SoundSample {
                duration_90k: 5760,
                size_bytes: 3,
            }],
        });
        let place = sound_time_at.unwrap();
        assert_eq!(bytes[place..place + 8], 77_u64.to_be_bytes());
        bytes.extend_from_slice(b"videosnd");
        let moof = Moof::decode(&mut &bytes[..]).unwrap();
        let run = &moof.traf[1].trun[0];
        let from = usize::try_from(run.data_offset.unwrap()).unwrap();
        assert_eq!(&bytes[from..], b"snd");
        let frame = run.samples.iter().next().unwrap();
        assert_eq!((frame.size, frame.duration), (Some(3), Some(5760)));
    }
}
