//! Reads a recording's outline: how much of it is whole, and how long it plays.
//!
//! A power cut leaves a file that ends in the middle of a part. All up to its last whole
//! `moof` and `mdat` is good (ISO/IEC 14496-12, 8.8); the rest is cut off.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use sealgate_recorder_link::Event;

use crate::box_reader::{MAX_HEADER_BYTES, bytes_at, child, header_at, placed_boxes, u32_at};
use crate::boxes::{FLAGS_IDR, PICTURE_RUN, SOUND_RUN};
use crate::layout;
use crate::marks::{self, Mark};

/// What a recording holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// Up to the end of the last whole part, bytes; 0 if there is none.
    pub good_bytes: u64,
    /// Length of the file, bytes.
    pub file_bytes: u64,
    /// From the start of the first to the end of the last whole part.
    pub duration_90k: u64,
    /// When its first picture arrived, milliseconds since the Unix epoch, as the file says.
    pub start_utc_ms: Option<i64>,
    /// What happened meanwhile, as far as it was known.
    pub events: Vec<Event>,
}

/// A recording could not be read or mended.
#[derive(Debug, thiserror::Error)]
#[error("the recording {path} could not be {operation}")]
pub struct ScanError {
    path: PathBuf,
    operation: &'static str,
    #[source]
    source: io::Error,
}

/// Reads the outline of a recording; reads headers only, so it takes little time.
///
/// # Errors
/// The file can't be opened or read. A damaged file is no error: see [`Outline::good_bytes`].
pub fn outline(path: &Path) -> Result<Outline, ScanError> {
    File::open(path)
        .and_then(|mut file| outline_of(&mut file, named_utc_ms(path)))
        .map_err(|source| ScanError {
            path: path.to_owned(),
            operation: "read",
            source,
        })
}

/// Cuts a torn file after its last whole part; removes it if it has none. Gives the outline
/// of what is left, or `None` if nothing is.
///
/// # Errors
/// The file can't be read, cut or removed.
pub fn mend(path: &Path) -> Result<Option<Outline>, ScanError> {
    let failed = |operation| {
        move |source| ScanError {
            path: path.to_owned(),
            operation,
            source,
        }
    };
    let mut found = outline(path)?;
    if found.good_bytes == 0 {
        std::fs::remove_file(path).map_err(failed("removed"))?;
        return Ok(None);
    }
    if found.good_bytes < found.file_bytes {
        let file = OpenOptions::new()
            .write(true)
            .open(path)
            .map_err(failed("opened"))?;
        file.set_len(found.good_bytes)
            .and_then(|()| file.sync_all())
            .map_err(failed("cut after its last whole part"))?;
        found.file_bytes = found.good_bytes;
    }
    Ok(Some(found))
}

/// The start that the file's name says; the Unix epoch for other names.
fn named_utc_ms(path: &Path) -> i64 {
    let folders = path.ancestors().nth(3).unwrap_or(Path::new(""));
    let name = path.strip_prefix(folders).ok().and_then(Path::to_str);
    name.and_then(layout::parse_file_name)
        .map_or(0, |(_, start_utc_ms)| start_utc_ms)
}

fn outline_of(file: &mut File, named_utc_ms: i64) -> io::Result<Outline> {
    let file_bytes = file.metadata()?.len();
    let mut outline = Outline {
        file_bytes,
        ..Outline::default()
    };
    let mut position = 0;
    let mut has_moov = false;
    let mut start_90k = None;
    let mut pending: Option<Timing> = None;
    while let Some((kind, length)) = box_at(file, position, file_bytes)? {
        match &kind {
            b"ftyp" if position == 0 => {}
            b"moov" if !has_moov => has_moov = true,
            b"moof" if has_moov && pending.is_none() && length <= MAX_HEADER_BYTES => {
                pending = timing(&bytes_at(file, position, length)?);
                if pending.is_none() {
                    break;
                }
            }
            b"prft" | b"emsg"
                if has_moov && pending.is_none() && length <= marks::MAX_MARK_BYTES =>
            {
                match marks::read(&bytes_at(file, position, length)?, named_utc_ms) {
                    Some(Mark::Start(utc_ms)) => outline.start_utc_ms = Some(utc_ms),
                    Some(Mark::Event(event)) => outline.events.push(event),
                    None => {}
                }
            }
            b"mdat" => match pending.take() {
                Some(part) if part.media_bytes + 8 == length => {
                    let start = *start_90k.get_or_insert(part.decode_time_90k);
                    let end = part.decode_time_90k.saturating_add(part.duration_90k);
                    outline.duration_90k = end.saturating_sub(start);
                    outline.good_bytes = position + length;
                }
                _ => break,
            },
            _ => break,
        }
        position += length;
    }
    Ok(outline)
}

/// Kind and length of the box at this place, if all of it is in the file.
pub(crate) fn box_at(
    file: &mut File,
    position: u64,
    file_bytes: u64,
) -> io::Result<Option<([u8; 4], u64)>> {
    let header = header_at(file, position, file_bytes)?;
    Ok(header.filter(|(_, length)| *length >= 8 && position + length <= file_bytes))
}

/// What a part's header tells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    pub sequence: u32,
    pub decode_time_90k: u64,
    pub duration_90k: u64,
    pub starts_with_idr: bool,
    /// Where the decode time of its sound is, bytes from the start, and that time.
    pub sound: Option<(usize, u64)>,
    media_bytes: u64,
}

/// Reads a whole `moof` of the form this recorder writes: pictures, and perhaps sound.
pub(crate) fn timing(moof: &[u8]) -> Option<Timing> {
    let sequence = u32_at(child(moof.get(8..)?, b"mfhd")?, 4)?;
    let (pictures, after) = child_and_rest(moof.get(8..)?, b"traf")?;
    let (decode_time_90k, samples) = run(pictures, PICTURE_RUN, 12)?;
    let mut found = Timing {
        sequence,
        decode_time_90k,
        duration_90k: 0,
        starts_with_idr: u32_at(samples, 8)? == FLAGS_IDR,
        sound: None,
        media_bytes: 0,
    };
    for sample in samples.chunks_exact(12) {
        found.duration_90k += u64::from(u32_at(sample, 0)?);
        found.media_bytes += u64::from(u32_at(sample, 4)?);
    }
    if let Some(sound) = child(after, b"traf") {
        let (time_90k, samples) = run(sound, SOUND_RUN, 8)?;
        // After the headers of both boxes, tfhd, and tfdt's header and version.
        let offset = moof.len() - after.len() + 8 + 16 + 12;
        found.sound = Some((offset, time_90k));
        for sample in samples.chunks_exact(8) {
            found.media_bytes += u64::from(u32_at(sample, 4)?);
        }
    }
    Some(found)
}

/// Decode time of a `traf`, and its samples of this form and length.
fn run(traf: &[u8], form: u32, sample_bytes: usize) -> Option<(u64, &[u8])> {
    let tfdt = child(traf, b"tfdt")?;
    let trun = child(traf, b"trun")?;
    let decode_time_90k = u64::from_be_bytes(tfdt.get(4..12)?.try_into().ok()?);
    if u32_at(trun, 0)? != form {
        return None;
    }
    let count = usize::try_from(u32_at(trun, 4)?).ok()?;
    let samples = trun.get(12..)?;
    (samples.len() == count.checked_mul(sample_bytes)?).then_some((decode_time_90k, samples))
}

/// The body of the first child box of this kind, and the boxes after it.
fn child_and_rest<'a>(boxes: &'a [u8], kind: &[u8; 4]) -> Option<(&'a [u8], &'a [u8])> {
    let (_, place, body) = placed_boxes(boxes).find(|(found, ..)| found == kind)?;
    Some((body, boxes.get(place + body.len()..)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::boxes::init_segment;
    use crate::format::test_format;
    use crate::part::{PartBuilder, test_picture};

    /// A recording of three parts, and where each ends.
    fn recording() -> (Vec<u8>, Vec<usize>) {
        let mut bytes = init_segment(&test_format(), None);
        let mut ends = Vec::new();
        let mut builder = PartBuilder::new();
        for count in 0..=15 {
            if let Some(part) = builder.push(test_picture(count, 50)) {
                bytes.extend_from_slice(&part.head_at(part.decode_time_90k));
                bytes.extend_from_slice(&part.media().concat());
                ends.push(bytes.len());
            }
        }
        (bytes, ends)
    }

    fn outline_of_bytes(bytes: &[u8]) -> Outline {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        outline(file.path()).unwrap()
    }

    #[test]
    fn a_whole_file_is_good() {
        let (bytes, ends) = recording();
        assert_eq!(ends.len(), 3);
        let length = u64::try_from(bytes.len()).unwrap();
        assert_eq!(
            outline_of_bytes(&bytes),
            Outline {
                good_bytes: length,
                file_bytes: length,
                duration_90k: 15 * 9000,
                ..Outline::default()
            }
        );
    }

    #[test]
    fn a_file_torn_anywhere_is_cut_after_a_whole_part() {
        let (bytes, ends) = recording();
        for length in 0..bytes.len() {
            let whole = ends.iter().filter(|end| **end <= length).count();
            let good = whole.checked_sub(1).map_or(0, |last| ends[last]);
            let found = outline_of_bytes(&bytes[..length]);
            assert_eq!(found.good_bytes, u64::try_from(good).unwrap(), "{length}");
            let duration = u64::try_from(whole).unwrap() * 45_000;
            assert_eq!(found.duration_90k, duration, "{length}");
        }
    }

    #[test]
    fn zeros_and_noise_after_a_part_are_cut_off() {
        let (bytes, ends) = recording();
        for byte in [0_u8, 0x5a, 0xff] {
            let mut spoilt = bytes.clone();
            spoilt[ends[1]..].fill(byte);
            let good = u64::try_from(ends[1]).unwrap();
            assert_eq!(outline_of_bytes(&spoilt).good_bytes, good);
        }
    }

    #[test]
    fn mending_cuts_or_removes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        let (bytes, ends) = recording();
        std::fs::write(&path, &bytes[..ends[2] - 1]).unwrap();
        let left = mend(&path).unwrap().unwrap();
        assert_eq!(left.file_bytes, u64::try_from(ends[1]).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), bytes[..ends[1]]);
        assert_eq!(mend(&path).unwrap(), Some(left.clone()));
        std::fs::write(&path, &bytes[..ends[0] - 1]).unwrap();
        assert_eq!(mend(&path).unwrap(), None);
        assert!(!path.exists());
        assert!(mend(&path).is_err());
    }

    #[test]
    fn survives_any_single_wrong_byte() {
        let (bytes, _) = recording();
        for place in 0..bytes.len() {
            let mut spoilt = bytes.clone();
            spoilt[place] ^= 0xff;
            let found = outline_of_bytes(&spoilt);
            assert!(found.good_bytes <= found.file_bytes);
        }
    }
}
