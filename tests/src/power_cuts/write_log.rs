//! A disk's writes in order, as QEMU's `blklogwrites` records them: the format of Linux's
//! dm-log-writes (Documentation/admin-guide/device-mapper/log-writes.rst). All numbers are
//! little-endian; sector 0 is the super block, each entry is a sector followed by its data.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

const MAGIC: u64 = 0x006a_7366_7773_6872;
const VERSION: u64 = 1;
const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;
const MARK: u64 = 8;

/// One recorded request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Data; `durable`: on the medium when it is answered (force unit access).
    Write {
        /// Where, bytes from the disk's start.
        offset: u64,
        /// What.
        data: Vec<u8>,
        /// Whether it was a forced write.
        durable: bool,
    },
    /// The range may be forgotten.
    Discard {
        /// Where, bytes from the disk's start.
        offset: u64,
        /// How much.
        bytes: u64,
    },
    /// What was answered before is on the medium after this.
    Flush,
}

/// Reads a log.
///
/// # Errors
/// It can't be read, or is none.
pub fn read(file: &Path) -> Result<Vec<Entry>> {
    let bytes = std::fs::read(file).with_context(|| format!("read {}", file.display()))?;
    parse(&bytes).with_context(|| format!("understand {}", file.display()))
}

fn parse(log: &[u8]) -> Result<Vec<Entry>> {
    ensure!(number(log, 0)? == MAGIC, "this is no log of writes");
    ensure!(number(log, 8)? == VERSION, "another version of the format");
    let count = number(log, 16)?;
    let sector = number(log, 24)? & u64::from(u32::MAX);
    ensure!((512..=65536).contains(&sector), "sectors of {sector} bytes");
    let mut entries = Vec::new();
    let mut at = sector;
    for index in 0..count {
        let entry = parse_entry(log, &mut at, sector);
        entries.extend(entry.with_context(|| format!("entry {index} of {count}"))?);
    }
    Ok(entries)
}

/// One or two: a request may be a flush as well as a write.
fn parse_entry(log: &[u8], at: &mut u64, sector: u64) -> Result<Vec<Entry>> {
    let field = |index: u64| number(log, *at + 8 * index);
    let (start, sectors, flags, data_bytes) = (field(0)?, field(1)?, field(2)?, field(3)?);
    *at += sector;
    if flags & MARK != 0 {
        *at += data_bytes.next_multiple_of(sector);
        return Ok(Vec::new());
    }
    let (Some(offset), Some(bytes)) = (start.checked_mul(sector), sectors.checked_mul(sector))
    else {
        bail!("a request beyond all disks");
    };
    let mut entries = Vec::new();
    // A request with the flag asks for the flush before its own data is written.
    if flags & FLUSH != 0 {
        entries.push(Entry::Flush);
    }
    if flags & DISCARD != 0 {
        entries.push(Entry::Discard { offset, bytes });
    } else if bytes > 0 {
        let data = slice(log, *at, bytes)?.to_vec();
        *at += bytes;
        entries.push(Entry::Write {
            offset,
            data,
            durable: flags & FUA != 0,
        });
    }
    Ok(entries)
}

fn number(log: &[u8], at: u64) -> Result<u64> {
    let bytes = slice(log, at, 8)?;
    Ok(u64::from_le_bytes(bytes.try_into().context("8 bytes")?))
}

fn slice(log: &[u8], at: u64, bytes: u64) -> Result<&[u8]> {
    let end = at.checked_add(bytes).context("a length beyond all logs")?;
    let range = usize::try_from(at)?..usize::try_from(end)?;
    log.get(range).context("the log ends within an entry")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(entries: &[([u64; 4], &[u8])]) -> Vec<u8> {
        let mut log: Vec<u8> = [MAGIC, VERSION, entries.len() as u64, 512]
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        for (header, data) in entries {
            log.resize(log.len().next_multiple_of(512), 0);
            log.extend(header.iter().flat_map(|number| number.to_le_bytes()));
            log.resize(log.len().next_multiple_of(512), 0);
            log.extend(*data);
        }
        log.resize(log.len().next_multiple_of(512), 0);
        log
    }

    #[test]
    fn writes_flushes_discards_and_marks() {
        let data = [7; 1024];
        let log = log(&[
            ([4, 2, 0, 0], &data),
            ([0, 0, FLUSH, 0], &[]),
            ([0, 0, MARK, 5], b"hello"),
            ([9, 3, DISCARD, 0], &[]),
            ([1, 1, FLUSH | FUA, 0], &data[..512]),
        ]);
        let write = |offset, data: &[u8], durable| Entry::Write {
            offset,
            data: data.to_vec(),
            durable,
        };
        let expected = vec![
            write(2048, &data, false),
            Entry::Flush,
            Entry::Discard {
                offset: 4608,
                bytes: 1536,
            },
            Entry::Flush,
            write(512, &data[..512], true),
        ];
        assert_eq!(parse(&log).unwrap(), expected);
        assert!(parse(&log[..log.len() - 512]).is_err());
        assert!(parse(&log[1..]).is_err());
        assert!(parse(b"").is_err());
    }
}
