//! The two slots: partitions that hold a root and its hash tree.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// One of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// `root-a`, `verity-a`.
    A,
    /// `root-b`, `verity-b`.
    B,
}

impl Slot {
    /// As the initrd wrote it down.
    pub fn from_text(text: &str) -> Option<Self> {
        match text.trim() {
            "a" => Some(Self::A),
            "b" => Some(Self::B),
            _ => None,
        }
    }

    /// The one that does not run.
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// As in the partitions' names.
    pub fn letter(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

/// A partition that is being written from its beginning.
#[derive(Debug)]
pub struct Partition {
    file: File,
    bytes: u64,
}

impl Partition {
    /// `root` or `verity` of a slot, below the folder of partitions by name.
    ///
    /// # Errors
    /// There is none, or it can't be written.
    pub fn open(by_name: &Path, part: &str, slot: Slot) -> io::Result<Self> {
        let path: PathBuf = by_name.join(format!("{part}-{}", slot.letter()));
        let mut file = OpenOptions::new()
            .write(true)
            .open(fs::canonicalize(path)?)?;
        let bytes = file.seek(SeekFrom::End(0))?;
        file.rewind()?;
        Ok(Self { file, bytes })
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where to write.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Returns when all of it is on the disk.
    ///
    /// # Errors
    /// The disk failed.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}
