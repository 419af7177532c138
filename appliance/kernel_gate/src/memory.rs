//! What a process put into the kernel, for the one after it: so that what another hand changed
//! while none was there is found.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Admission;

/// Rules of 16 ports and 1024 cameras are about 200 kB.
const MAX_BYTES: u64 = 1 << 20;

/// What was put there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Memory {
    /// Of the ruleset: with another text, nothing of this holds.
    pub marker: String,
    /// By chain, as the kernel listed them when they were first read.
    pub rules: BTreeMap<String, String>,
    /// Who was admitted last. While that changes, before and after: either may be found.
    pub admitted: Vec<BTreeSet<Admission>>,
}

/// A file of it, in a folder that a restart of the machine empties, as it does the kernel.
#[derive(Debug)]
pub(crate) struct MemoryFile {
    path: PathBuf,
    written: Memory,
}

impl MemoryFile {
    /// Reads it; what is there from another ruleset, or can't be read, counts as nothing.
    pub fn open(path: PathBuf, marker: &str) -> (Self, Memory) {
        let found = match read(&path) {
            Ok(found) => found.filter(|found| found.marker == marker),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the gate's memory is not used");
                None
            }
        };
        let known = found.clone().unwrap_or_default();
        let written = found.unwrap_or_default();
        (Self { path, written }, known)
    }

    /// Writes it where it is not what was written last. The folder is memory, not a disk.
    pub fn keep(&mut self, memory: Memory) {
        if self.written == memory {
            return;
        }
        match write(&self.path, &memory) {
            Ok(()) => self.written = memory,
            // Then a change that nobody watched goes unnoticed; it is put right all the same.
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "the gate's memory is not kept");
            }
        }
    }
}

fn read(path: &Path) -> io::Result<Option<Memory>> {
    let length = match std::fs::metadata(path) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if length > MAX_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    serde_json::from_slice(&std::fs::read(path)?)
        .map(Some)
        .map_err(Into::into)
}

/// Whole or not at all.
fn write(path: &Path, memory: &Memory) -> io::Result<()> {
    let new = path.with_extension("new");
    std::fs::write(&new, serde_json::to_vec(memory)?)?;
    std::fs::rename(new, path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn is_read_again_under_the_same_ruleset_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gate.json");
        let (mut file, known) = MemoryFile::open(path.clone(), "ruleset_1");
        assert_eq!(known, Memory::default());
        let memory = Memory {
            marker: "ruleset_1".into(),
            rules: BTreeMap::from([("netdev cam0_ingress".into(), "drop".into())]),
            admitted: vec![BTreeSet::new()],
        };
        file.keep(memory.clone());
        assert_eq!(MemoryFile::open(path.clone(), "ruleset_1").1, memory);
        let (_, other) = MemoryFile::open(path.clone(), "ruleset_2");
        assert_eq!(other, Memory::default());
        for torn in [&b"{"[..], b"", b"{\"marker\":\"ruleset_1\"}"] {
            std::fs::write(&path, torn).unwrap();
            let (_, known) = MemoryFile::open(path.clone(), "ruleset_1");
            assert_eq!(known, Memory::default());
        }
    }
}
