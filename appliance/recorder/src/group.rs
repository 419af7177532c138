//! The newest group of pictures of a recording that grows: what a new viewer sees first.
//!
//! It is read from the file, which the system still has in memory, so that no channel keeps a
//! group in case somebody comes to watch.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use bytes::Bytes;

use crate::box_reader::MAX_HEADER_BYTES;
use crate::part::Part;
use crate::scan::{box_at, timing};

/// A larger group is not shown: the viewer waits for the next one.
const MAX_GROUP_BYTES: u64 = 6 * 1024 * 1024;

/// The parts from the last one that starts with an IDR up to the one with this sequence number;
/// `None` while that one is not in the file, or the group is too large. `utc_ms` is when the
/// file's first picture arrived.
///
/// # Errors
/// The file can't be read.
pub fn newest(path: &Path, sequence: u32, utc_ms: i64) -> io::Result<Option<Vec<Part>>> {
    let mut file = File::open(path)?;
    let file_bytes = file.metadata()?.len();
    let mut position = 0;
    let mut part_at = 0;
    let mut group_at = None;
    let mut header = None;
    while let Some((kind, length)) = box_at(&mut file, position, file_bytes)? {
        match &kind {
            b"moof" if length <= MAX_HEADER_BYTES => {
                header = timing(&read_at(&mut file, position, length)?);
                part_at = position;
            }
            b"mdat" => {
                let Some(found) = header.take() else {
                    return Ok(None);
                };
                if found.starts_with_idr {
                    group_at = Some(part_at);
                }
                let end = position + length;
                if found.sequence == sequence {
                    let group_at = group_at.filter(|start| end - start <= MAX_GROUP_BYTES);
                    return group_at.map_or(Ok(None), |start| {
                        let bytes = read_at(&mut file, start, end - start)?;
                        Ok(parts(bytes.into(), utc_ms))
                    });
                }
            }
            _ => {}
        }
        position += length;
    }
    Ok(None)
}

fn read_at(file: &mut File, position: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.seek(SeekFrom::Start(position))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn parts(mut bytes: Bytes, utc_ms: i64) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        if bytes.get(4..8)? == b"emsg" {
            let header = bytes.first_chunk()?;
            let length = usize::try_from(u32::from_be_bytes(*header)).ok()?;
            drop(bytes.split_to(length.min(bytes.len())));
            continue;
        }
        let mut length = 0;
        for _ in [b"moof", b"mdat"] {
            let header = bytes.get(length..)?.first_chunk()?;
            length += usize::try_from(u32::from_be_bytes(*header)).ok()?;
        }
        if length > bytes.len() {
            return None;
        }
        let part = bytes.split_to(length);
        let mut part = Part::parse(part, utc_ms)?;
        let into_file = crate::part::ms(part.decode_time_90k);
        part.utc_ms += i64::try_from(into_file).unwrap_or(0);
        parts.push(part);
    }
    Some(parts)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::boxes::init_segment;
    use crate::format::test_format;
    use crate::part::{PartBuilder, test_picture};

    #[test]
    fn is_read_from_its_idr_to_the_part_asked_for() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&init_segment(&test_format(), None)).unwrap();
        let mut builder = PartBuilder::new();
        let mut parts = Vec::new();
        for count in 0..=55 {
            parts.extend(builder.push(test_picture(count, 50)));
        }
        for part in &parts {
            file.write_all(&part.head_at(part.decode_time_90k)).unwrap();
            file.write_all(&part.media().concat()).unwrap();
        }
        let start = parts[0].utc_ms;
        let group = |sequence| {
            let found = newest(file.path(), sequence, start).unwrap()?;
            Some(found.iter().map(|part| part.sequence).collect::<Vec<_>>())
        };
        assert_eq!(parts.len(), 11);
        // Groups of 2 s are four parts.
        assert_eq!(group(1), Some(vec![1]));
        assert_eq!(group(4), Some(vec![1, 2, 3, 4]));
        assert_eq!(group(7), Some(vec![5, 6, 7]));
        assert_eq!(group(11), Some(vec![9, 10, 11]));
        assert_eq!(group(12), None);
        let found = newest(file.path(), 10, start).unwrap().unwrap();
        assert!(found[0].starts_with_idr && !found[1].starts_with_idr);
        for (found, part) in found.iter().zip(&parts[8..]) {
            assert_eq!(found.media().concat(), part.media().concat());
            assert_eq!(found.utc_ms, part.utc_ms);
        }
        // A part that is being written is not there yet.
        let length = file.as_file().metadata().unwrap().len();
        file.as_file().set_len(length - 1).unwrap();
        assert_eq!(group(11), None);
    }
}
