//! What is done to a disk between two boots, by its partitions' names.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::world::process::run;

const SECTOR: u64 = 512;

/// Where a partition begins, bytes (UEFI 2.10, 5.3.3: an entry's first block is at 32 in it,
/// its name at 56 in UTF-16).
pub fn partition_at(disk: &Path, name: &str) -> Result<u64> {
    let mut file = File::open(disk).context("open the disk")?;
    let mut table = [0; 128 * 128];
    file.seek(SeekFrom::Start(2 * SECTOR))?;
    file.read_exact(&mut table).context("read the partitions")?;
    let wanted: Vec<u8> = (name.encode_utf16().chain([0]))
        .flat_map(u16::to_le_bytes)
        .collect();
    let entry = table
        .chunks_exact(128)
        .find(|entry| entry[56..].starts_with(&wanted))
        .with_context(|| format!("the disk has no partition {name}"))?;
    let block = u64::from_le_bytes(entry[32..40].try_into().context("8 bytes")?);
    Ok(block * SECTOR)
}

fn overwrite(disk: &Path, at: u64, bytes: &[u8]) -> Result<()> {
    let mut file = OpenOptions::new().write(true).open(disk)?;
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes).context("write to the disk")
}

/// As a product's disk leaves the factory: nothing on the data partition.
pub fn blank_data(disk: &Path) -> Result<()> {
    let at = partition_at(disk, "data")?;
    overwrite(disk, at, &vec![0; 8 * 1024 * 1024])
}

/// Noise over what a root's beginning holds.
pub fn damage_root(disk: &Path, name: &str) -> Result<()> {
    let at = partition_at(disk, name)?;
    let noise: Vec<u8> = (0..1024 * 1024_u32)
        .map(|index| index.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    overwrite(disk, at, &noise)
}

/// Puts a kernel image beside the others on the EFI partition.
pub fn replace_kernel(disk: &Path, kernel: &Path, name: &str) -> Result<()> {
    let at = partition_at(disk, "esp")?;
    run(Command::new("mcopy")
        .args(["-o", "-i"])
        .arg(format!("{}@@{at}", disk.display()))
        .arg(kernel)
        .arg(format!("::EFI/Linux/{name}")))
    .context("write to the EFI partition")
    .map(drop)
}

/// A PE file whose certificate table is taken out (PE Format, optional header data
/// directories: the fifth entry, at 112 + 4 * 8 in a PE32+ optional header).
pub fn without_signature(signed: &Path, to: &Path) -> Result<()> {
    let mut bytes = std::fs::read(signed).context("read a kernel image")?;
    let number = |bytes: &[u8], at: usize| -> Result<usize> {
        let field = bytes.get(at..at + 4).context("a PE file is longer")?;
        Ok(u32::from_le_bytes(field.try_into()?) as usize)
    };
    let header = number(&bytes, 0x3c)?;
    ensure!(
        bytes.get(header..header + 4) == Some(b"PE\0\0"),
        "no PE file"
    );
    let entry = header + 24 + 112 + 4 * 8;
    let table = number(&bytes, entry)?;
    ensure!(table > 0 && table < bytes.len(), "it is not signed");
    bytes[entry..entry + 8].fill(0);
    bytes.truncate(table);
    std::fs::write(to, bytes).context("write a kernel image")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_found_by_its_whole_name() {
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path().join("disk");
        let mut bytes = vec![0; 1024 + 128 * 128];
        for (index, (name, block)) in [("root-a2", 5_u64), ("root-a", 9)].iter().enumerate() {
            let entry = 1024 + 128 * index;
            bytes[entry + 32..entry + 40].copy_from_slice(&block.to_le_bytes());
            let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
            bytes[entry + 56..entry + 56 + name.len()].copy_from_slice(&name);
        }
        std::fs::write(&disk, bytes).unwrap();
        assert_eq!(partition_at(&disk, "root-a").unwrap(), 9 * 512);
        assert!(partition_at(&disk, "data").is_err());
    }
}
