//! What a disk may hold after the power failed, from a recording of its writes.
//!
//! The model is that of a disk with a volatile cache: a flush puts everything answered
//! before it on the medium; of what came since, any part may be there, in any order, and
//! a write may be torn between two sectors.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rand::RngExt as _;
use rand::rngs::StdRng;
use sha2::{Digest as _, Sha256};

use super::trace::Increments;
use super::write_log::Entry;
use crate::world::process::run;

const SECTOR: usize = 512;
/// Granularity in which holes of the image stay holes.
const BLOCK: usize = 4096;

/// The state partition on the disk: scripts/lib/disk.sh.
const STATE_START: u64 = (1 + 512 + 2 * (512 + 16) + 16) << 20;
const STATE_BYTES: usize = 64 << 20;

/// Files of the license folder by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The state partition at one moment.
#[derive(Debug, Clone)]
pub struct StatePartition {
    bytes: Vec<u8>,
}

/// One write to the state partition.
#[derive(Debug, Clone)]
pub struct StateWrite {
    offset: usize,
    data: Vec<u8>,
    /// How often the counter was raised when it began.
    pub raised: u64,
}

/// What was done to the state partition between two flushes of the disk.
#[derive(Debug, Clone, Default)]
pub struct Epoch {
    /// In the log's order, which binds nobody.
    pub writes: Vec<StateWrite>,
    /// How often the counter may be raised before anything after this epoch is written:
    /// until then the power may fail without a trace of it on the disk.
    pub raised_at_most: u64,
}

impl StatePartition {
    /// The partition of this disk.
    ///
    /// # Errors
    /// The disk can't be read.
    pub fn of_disk(disk: &Path) -> Result<Self> {
        let mut bytes = vec![0; STATE_BYTES];
        File::open(disk)
            .and_then(|file| file.read_exact_at(&mut bytes, STATE_START))
            .with_context(|| format!("read {}", disk.display()))?;
        Ok(Self { bytes })
    }

    /// Puts it on a disk.
    ///
    /// # Errors
    /// The disk can't be written.
    pub fn write_to_disk(&self, disk: &Path) -> Result<()> {
        File::options()
            .write(true)
            .open(disk)
            .and_then(|file| file.write_all_at(&self.bytes, STATE_START))
            .with_context(|| format!("write {}", disk.display()))
    }

    /// A write arrives whole.
    pub fn apply(&mut self, write: &StateWrite) {
        self.bytes[write.offset..][..write.data.len()].copy_from_slice(&write.data);
    }

    /// A write arrives in part: its first or its last sectors.
    pub fn apply_torn(&mut self, write: &StateWrite, random: &mut StdRng) {
        let sectors = write.data.len() / SECTOR;
        let cut = random.random_range(0..=sectors) * SECTOR;
        let (start, data) = if random.random() {
            (0, &write.data[..cut])
        } else {
            (cut, &write.data[cut..])
        };
        self.bytes[write.offset + start..][..data.len()].copy_from_slice(data);
    }

    /// Tells equal states.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(&self.bytes).into()
    }

    /// What a box finds in the license folder: the file system is checked and its journal
    /// replayed, as at a boot.
    ///
    /// # Errors
    /// The file system is beyond repair, or the tools are missing.
    pub fn license_files(&self, folder: &Path) -> Result<Files> {
        let image = folder.join("state.ext4");
        self.write_sparse(&image)?;
        let check = Command::new("e2fsck")
            .args(["-f", "-p"])
            .arg(&image)
            .output()
            .context("start e2fsck: is the package e2fsprogs installed?")?;
        // 0: in order; 1: mended by itself. More would stop a boot.
        ensure!(
            matches!(check.status.code(), Some(0 | 1)),
            "e2fsck: {} {}",
            check.status,
            String::from_utf8_lossy(&check.stdout)
        );
        let out = folder.join("files");
        let _ = std::fs::remove_dir_all(&out);
        std::fs::create_dir(&out).context("make a folder for the partition's files")?;
        run(Command::new("debugfs")
            .args(["-R", &format!("rdump /license {}", out.display())])
            .arg(&image))
        .context("read the partition's files")?;
        let mut files = Files::new();
        for entry in std::fs::read_dir(out.join("license")).context("there is no license folder")? {
            let path = entry.context("list the partition's files")?.path();
            if path.is_dir() {
                // The journal of replaced cameras, which no import writes.
                continue;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let bytes = std::fs::read(&path).context("read a file of the partition")?;
            files.insert(name.into_owned(), bytes);
        }
        Ok(files)
    }

    fn write_sparse(&self, image: &Path) -> Result<()> {
        let write = || {
            let file = File::create(image)?;
            file.set_len(STATE_BYTES as u64)?;
            for (index, block) in self.bytes.chunks(BLOCK).enumerate() {
                if block.iter().any(|&byte| byte != 0) {
                    file.write_all_at(block, (index * BLOCK) as u64)?;
                }
            }
            Ok::<_, std::io::Error>(())
        };
        write().with_context(|| format!("write {}", image.display()))
    }
}

/// The log's requests to the state partition, by epoch. A forced write and a discard end
/// their epoch: nothing later may overtake them here.
pub fn epochs(log: &[Entry], increments: &Increments) -> Vec<Epoch> {
    let mut epochs = vec![Epoch::default()];
    let mut disk_writes = 0;
    for entry in log {
        // Where the epoch before has ended, this is the first that comes after it.
        let next = increments.at(disk_writes);
        let (place, ends) = match entry {
            Entry::Flush => (None, true),
            Entry::Discard { offset, bytes } => {
                let zeros = vec![0; usize::try_from(*bytes).unwrap_or(0)];
                (Some((*offset, zeros)), true)
            }
            Entry::Write {
                offset,
                data,
                durable,
            } => {
                disk_writes += 1;
                (Some((*offset, data.clone())), *durable)
            }
        };
        let Some(epoch) = epochs.last_mut() else {
            continue;
        };
        epoch.writes.extend(
            place.and_then(|(offset, data)| StateWrite::to_partition(offset, data, next.done)),
        );
        if ends {
            epoch.raised_at_most = increments.at(disk_writes).asked;
            if !epoch.writes.is_empty() {
                epochs.push(Epoch::default());
            }
        }
    }
    // Without a flush after it, what is last may come at any time.
    if let Some(last) = epochs.last_mut() {
        last.raised_at_most = increments.total();
    }
    epochs.retain(|epoch| !epoch.writes.is_empty());
    epochs
}

impl StateWrite {
    /// A write to the disk, if it is one to the state partition.
    fn to_partition(offset: u64, data: Vec<u8>, raised: u64) -> Option<Self> {
        let offset = usize::try_from(offset.checked_sub(STATE_START)?).ok()?;
        // A request never crosses a partition's end.
        (offset < STATE_BYTES).then_some(Self {
            offset,
            data,
            raised,
        })
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    fn write(offset: u64) -> Entry {
        Entry::Write {
            offset,
            data: vec![1; 1024],
            durable: false,
        }
    }

    #[test]
    fn flushes_divide_and_other_partitions_do_not_count() {
        let log = [
            write(STATE_START),
            write(4096),
            write(STATE_START + 1024),
            Entry::Flush,
            Entry::Flush,
            write(8192),
            write(STATE_START + 2048),
        ];
        let increments = Increments::new([0, 0, 1, 3, 5].map(|n| (n + 1, n)).to_vec(), 6);
        let epochs: Vec<_> = epochs(&log, &increments)
            .iter()
            .map(|epoch| {
                let raised: Vec<u64> = epoch.writes.iter().map(|write| write.raised).collect();
                (raised, epoch.raised_at_most)
            })
            .collect();
        assert_eq!(epochs, [(vec![0, 1], 4), (vec![5], 6)]);
    }

    #[test]
    fn a_torn_write_is_whole_sectors_of_one_end() {
        let write = StateWrite {
            offset: 512,
            data: vec![7; 1024],
            raised: 0,
        };
        let mut random = StdRng::seed_from_u64(1);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..100 {
            let mut partition = StatePartition {
                bytes: vec![0; 2048],
            };
            partition.apply_torn(&write, &mut random);
            let sectors: Vec<u8> = partition
                .bytes
                .chunks(512)
                .map(|sector| sector[0])
                .collect();
            assert!(
                partition
                    .bytes
                    .chunks(512)
                    .all(|sector| sector.iter().all(|&b| b == sector[0]))
            );
            seen.insert(sectors);
        }
        let expected = [[0, 0, 0, 0], [0, 0, 7, 0], [0, 7, 0, 0], [0, 7, 7, 0]];
        assert_eq!(seen, expected.map(|sectors| sectors.to_vec()).into());
    }
}
