//! Power loss while an update is written: each state of the disk that a flush bounds, looked
//! at without booting it.
//!
//! Looked at: that nothing was written to the partition table or to the slot that runs, that
//! the EFI partition's folder can be read, and that the version which the loader would start
//! is there whole: its kernel image, its root and its hash tree.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::Value;

use super::disk::partition_at;
use crate::power_cuts::write_log::{self, Entry};
use crate::world::process::run;

const MIB: u64 = 1024 * 1024;

/// What was looked at.
#[derive(Debug, Default)]
pub struct Checked {
    states: usize,
    old: usize,
    new: usize,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, old, new } = self;
        write!(
            f,
            "{states} states: {old} start the old version, {new} the new"
        )
    }
}

/// Replays `writes` on `base`, and looks whenever a flush ends an epoch that wrote to the EFI
/// partition or the second slot. `image` is the folder of the new version's image.
///
/// # Errors
/// A state that would not start, or a log that is none.
pub fn check(base: &Path, writes: &Path, image: &Path) -> Result<Checked> {
    let update = Update::read(&image.join("update.sgu"))?;
    let esp = partition_at(base, "esp")?;
    let running = partition_at(base, "root-a")?;
    let other = partition_at(base, "root-b")?;
    let verity = partition_at(base, "verity-b")?;
    let end = partition_at(base, "mfg")?;
    let mut disk = OpenOptions::new()
        .read(true)
        .write(true)
        .open(base)
        .context("open the disk")?;
    let mut checked = Checked::default();
    let mut touched = false;
    for entry in write_log::read(writes)? {
        match entry {
            Entry::Write { offset, data, .. } => {
                let past = offset + data.len() as u64;
                ensure!(offset >= MIB, "the partition table was written at {offset}");
                ensure!(
                    past <= running || offset >= other,
                    "the running slot was written at {offset}"
                );
                touched |= offset < end;
                disk.seek(SeekFrom::Start(offset))?;
                disk.write_all(&data).context("replay a write")?;
            }
            // What is forgotten is whatever it was; only file systems of data discard.
            Entry::Discard { offset, .. } => {
                ensure!(offset >= end, "a slot was discarded at {offset}");
            }
            Entry::Flush if !touched => {}
            Entry::Flush => {
                touched = false;
                checked.states += 1;
                let names = run(Command::new("mdir")
                    .args(["-b", "-i"])
                    .arg(format!("{}@@{esp}", base.display()))
                    .arg("::EFI/Linux"))
                .context("read the EFI partition's folder")?;
                let new = kernel(&names, super::NEXT);
                let Some(name) = new.or_else(|| kernel(&names, "0.1.0")) else {
                    bail!("state {}: nothing to start in {names:?}", checked.states);
                };
                let expected = if new.is_some() {
                    checked.new += 1;
                    ensure!(
                        same(&mut disk, other, &update.root)?
                            && same(&mut disk, verity, &update.verity)?,
                        "state {}: the new version's name is there before its root",
                        checked.states
                    );
                    update.kernel.clone()
                } else {
                    checked.old += 1;
                    std::fs::read(old_kernel(image)).context("read the old kernel image")?
                };
                let found = Command::new("mtype")
                    .args(["-i", &format!("{}@@{esp}", base.display())])
                    .arg(format!("::EFI/Linux/{name}"))
                    .output()
                    .context("read a kernel image")?;
                ensure!(
                    found.stdout == expected,
                    "state {}: {name} is not whole",
                    checked.states
                );
            }
        }
    }
    ensure!(
        checked.old > 0 && checked.new > 0,
        "the update was not recorded: {checked}"
    );
    Ok(checked)
}

/// The old version's kernel image, in the folder of the image that the box left with.
fn old_kernel(image: &Path) -> PathBuf {
    let build = image.ancestors().nth(2).unwrap_or(image);
    build.join("image/lab/sealgate.efi")
}

/// The file of a version, whatever its counters.
fn kernel<'a>(names: &'a str, version: &str) -> Option<&'a str> {
    names
        .lines()
        .filter_map(|line| line.trim().rsplit('/').next())
        .find(|name| name.starts_with(&format!("sealgate_{version}")) && name.ends_with(".efi"))
}

fn same(disk: &mut File, at: u64, expected: &[u8]) -> Result<bool> {
    let mut found = vec![0; expected.len()];
    disk.seek(SeekFrom::Start(at))?;
    disk.read_exact(&mut found).context("read a slot")?;
    Ok(found == expected)
}

/// The parts of an update; who signed it is the box's business.
struct Update {
    root: Vec<u8>,
    verity: Vec<u8>,
    kernel: Vec<u8>,
}

impl Update {
    fn read(file: &Path) -> Result<Self> {
        let mut from = BufReader::new(File::open(file).context("open the update")?);
        let mut line = String::new();
        from.read_line(&mut line)?;
        let head: Value = serde_json::from_str(&line).context("read the update's head")?;
        let payload = head["payload"].as_str().context("it has a payload")?;
        let payload: Value = serde_json::from_slice(&BASE64_STANDARD.decode(payload)?)?;
        let mut part = |index: usize| -> Result<Vec<u8>> {
            let bytes = payload["parts"][index]["bytes"].as_u64();
            let mut content = vec![0; usize::try_from(bytes.context("a part has a size")?)?];
            from.read_exact(&mut content)?;
            Ok(content)
        };
        Ok(Self {
            root: part(0)?,
            verity: part(1)?,
            kernel: part(2)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_by_its_final_name_alone() {
        let names = "::/EFI/Linux/sealgate_0.1.0.efi\n::/EFI/Linux/sealgate_0.2.0.tmp\n";
        assert_eq!(kernel(names, "0.1.0"), Some("sealgate_0.1.0.efi"));
        assert_eq!(kernel(names, "0.2.0"), None);
        let names = "::/EFI/Linux/sealgate_0.2.0+3.efi\n";
        assert_eq!(kernel(names, "0.2.0"), Some("sealgate_0.2.0+3.efi"));
    }
}
