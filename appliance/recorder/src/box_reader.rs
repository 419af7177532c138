//! Finds boxes in files and in other boxes (ISO/IEC 14496-12, 4.2).
//!
//! 64-bit and open-ended boxes are absent, as the recorder writes none.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// A header larger than this is not one the recorder wrote.
pub(crate) const MAX_HEADER_BYTES: u64 = 1024 * 1024;

/// Kind and length of the box at this place, as its header says: perhaps nonsense, and
/// perhaps more than there is. `None` if the header is not whole before `end`.
///
/// # Errors
/// The disk refuses.
pub(crate) fn header_at(
    file: &mut File,
    position: u64,
    end: u64,
) -> io::Result<Option<([u8; 4], u64)>> {
    if position + 8 > end {
        return Ok(None);
    }
    let mut header = [0; 8];
    file.seek(SeekFrom::Start(position))?;
    file.read_exact(&mut header)?;
    let [a, b, c, d, kind @ ..] = header;
    Ok(Some((kind, u64::from(u32::from_be_bytes([a, b, c, d])))))
}

/// Some bytes of a file.
///
/// # Errors
/// The disk refuses, or the file is shorter.
pub(crate) fn bytes_at(file: &mut File, position: u64, length: u64) -> io::Result<Vec<u8>> {
    let length =
        usize::try_from(length).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    let mut bytes = vec![0; length];
    file.seek(SeekFrom::Start(position))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The boxes in the body of another: kind and body of each, as long as they are whole.
pub(crate) fn boxes(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    placed_boxes(bytes).map(|(kind, _, body)| (kind, body))
}

/// The same, with the place of each body.
pub(crate) fn placed_boxes(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], usize, &[u8])> {
    let mut next = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(next..)?;
        let length = usize::try_from(u32_at(rest, 0)?).ok()?;
        let kind = rest.get(4..8)?.try_into().ok()?;
        let body = rest.get(8..length)?;
        let place = next + 8;
        next += length;
        Some((kind, place, body))
    })
}

/// The body of the first box of this kind.
pub(crate) fn child<'a>(bytes: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(bytes).find_map(|(found, body)| (found == *kind).then_some(body))
}

/// A big-endian number, if the bytes reach that far.
pub(crate) fn u32_at(bytes: &[u8], place: usize) -> Option<u32> {
    let bytes = bytes.get(place..place.checked_add(4)?)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}
