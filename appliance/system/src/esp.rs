//! Names on the EFI system partition: how the loader knows versions, and how often each may
//! still be tried.
//!
//! `sealgate_V.efi` is good; `sealgate_V+LEFT-DONE.efi` was started DONE times and is tried
//! LEFT times more (systemd's Automatic Boot Assessment). The loader starts the newest that
//! has tries left, and where none has, the newest.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::version::Version;

/// Where kernel images are on the partition.
const FOLDER: &str = "EFI/Linux";
/// How often a new version is tried.
pub const TRIES: u32 = 3;

/// One kernel image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its version.
    pub version: Version,
    /// How often it is tried yet; `None`: it is known to be good.
    pub tries_left: Option<u32>,
    /// How often it was started without being found good.
    pub tries_done: u32,
}

impl Entry {
    /// From a file's name.
    pub fn from_name(name: &str) -> Option<Self> {
        let rest = name.strip_prefix("sealgate_")?.strip_suffix(".efi")?;
        let Some((version, counter)) = rest.split_once('+') else {
            return Some(Self {
                version: rest.parse().ok()?,
                tries_left: None,
                tries_done: 0,
            });
        };
        let (left, done) = counter.split_once('-').unwrap_or((counter, "0"));
        Some(Self {
            version: version.parse().ok()?,
            tries_left: Some(left.parse().ok()?),
            tries_done: done.parse().ok()?,
        })
    }

    /// The file's name.
    pub fn name(&self) -> String {
        let Self {
            version,
            tries_left,
            tries_done,
        } = self;
        match (tries_left, tries_done) {
            (None, _) => format!("sealgate_{version}.efi"),
            (Some(left), 0) => format!("sealgate_{version}+{left}.efi"),
            (Some(left), done) => format!("sealgate_{version}+{left}-{done}.efi"),
        }
    }

    /// Whether all its tries are used up.
    pub fn is_given_up(&self) -> bool {
        self.tries_left == Some(0)
    }
}

/// Which of them the loader starts: those given up come last, and newer before older.
pub fn chosen(entries: &[Entry]) -> Option<&Entry> {
    entries
        .iter()
        .max_by_key(|entry| (!entry.is_given_up(), entry.version))
}

/// The mounted EFI system partition.
#[derive(Debug, Clone)]
pub struct Esp(PathBuf);

impl Esp {
    /// Mounted here.
    pub fn at(mount: &Path) -> Self {
        Self(mount.join(FOLDER))
    }

    /// Our kernel images, newest first.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries: Vec<Entry> = fs::read_dir(&self.0)?
            .filter_map(|file| Entry::from_name(file.ok()?.file_name().to_str()?))
            .collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.version));
        Ok(entries)
    }

    /// Takes away every kernel image but this version's, and what an update left unfinished.
    ///
    /// # Errors
    /// The partition can't be written.
    pub fn keep_only(&self, version: Version) -> io::Result<()> {
        for file in fs::read_dir(&self.0)? {
            let file = file?;
            let name = file.file_name();
            let keep = name.to_str().and_then(Entry::from_name);
            if keep.is_none_or(|entry| entry.version != version) {
                fs::remove_file(file.path())?;
            }
        }
        self.sync()
    }

    /// Room left, bytes.
    ///
    /// # Errors
    /// The partition can't be asked.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let found = rustix::fs::statvfs(&self.0)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    /// A file that the loader does not look at, to write a kernel image into.
    ///
    /// # Errors
    /// It can't be made.
    pub fn create_part(&self, version: Version) -> io::Result<PartFile> {
        let path = self.0.join(format!("sealgate_{version}.tmp"));
        let file = File::create(&path)?;
        Ok(PartFile { path, file })
    }

    /// Gives a written kernel image the name that the loader looks for: the last step.
    ///
    /// # Errors
    /// It can't be written or renamed.
    pub fn publish(&self, part: PartFile, entry: &Entry) -> io::Result<()> {
        part.file.sync_all()?;
        // The folder's entry of the file, before the name that makes it count.
        self.sync()?;
        fs::rename(part.path, self.0.join(entry.name()))?;
        self.sync()
    }

    /// Gives an entry other counters.
    ///
    /// # Errors
    /// It can't be renamed.
    pub fn rename(&self, from: &Entry, to: &Entry) -> io::Result<()> {
        fs::rename(self.0.join(from.name()), self.0.join(to.name()))?;
        self.sync()
    }

    /// FAT has no journal: the whole partition is written out.
    fn sync(&self) -> io::Result<()> {
        let folder = File::open(&self.0)?;
        rustix::fs::syncfs(&folder)?;
        Ok(())
    }
}

/// A kernel image on its way.
#[derive(Debug)]
pub struct PartFile {
    path: PathBuf,
    file: File,
}

impl Write for PartFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> Entry {
        Entry::from_name(name).unwrap()
    }

    #[test]
    fn names_come_back_as_they_were() {
        for name in [
            "sealgate_1.2.3.efi",
            "sealgate_1.2.3+3.efi",
            "sealgate_1.2.3+2-1.efi",
            "sealgate_1.2.3+0-3.efi",
        ] {
            assert_eq!(entry(name).name(), name);
        }
        for name in [
            "sealgate_1.2.3.tmp",
            "other_1.2.3.efi",
            "sealgate_1.2.efi",
            "sealgate_1.2.3+x.efi",
        ] {
            assert_eq!(Entry::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn the_loader_starts_the_newest_that_has_tries_left() {
        let check = |names: &[&str], expected: &str| {
            let entries: Vec<Entry> = names.iter().map(|name| entry(name)).collect();
            assert_eq!(chosen(&entries).unwrap().name(), expected, "{names:?}");
        };
        check(
            &["sealgate_1.0.0.efi", "sealgate_1.1.0+3.efi"],
            "sealgate_1.1.0+3.efi",
        );
        check(
            &["sealgate_1.0.0.efi", "sealgate_1.1.0+0-3.efi"],
            "sealgate_1.0.0.efi",
        );
        // Both given up: the newest, as something must be started.
        check(
            &["sealgate_1.0.0+0-3.efi", "sealgate_1.1.0+0.efi"],
            "sealgate_1.1.0+0.efi",
        );
        // An older version that was installed on purpose.
        check(
            &["sealgate_1.0.0+3.efi", "sealgate_1.1.0+0.efi"],
            "sealgate_1.0.0+3.efi",
        );
    }

    #[test]
    fn an_image_counts_once_it_has_its_name() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join(FOLDER)).unwrap();
        let esp = Esp::at(folder.path());
        for name in [
            "sealgate_1.0.0.efi",
            "sealgate_0.9.0+0-3.efi",
            "sealgate_0.8.0.tmp",
        ] {
            fs::write(folder.path().join(FOLDER).join(name), name).unwrap();
        }
        esp.keep_only("1.0.0".parse().unwrap()).unwrap();
        assert_eq!(esp.entries().unwrap(), [entry("sealgate_1.0.0.efi")]);
        let new = entry("sealgate_1.1.0+3.efi");
        let mut part = esp.create_part(new.version).unwrap();
        part.write_all(b"kernel").unwrap();
        assert_eq!(esp.entries().unwrap().len(), 1);
        esp.publish(part, &new).unwrap();
        assert_eq!(esp.entries().unwrap(), [new, entry("sealgate_1.0.0.efi")]);
        assert_eq!(fs::read_dir(folder.path().join(FOLDER)).unwrap().count(), 2);
    }
}
