//! Installing an update, in an order that survives a power cut at any write.
//!
//! The other slot's kernel image goes first, so that nothing names a root that is half
//! written; then root and hash tree; then the kernel image under a name that the loader
//! does not look at; its real name last.

use std::fs::{self, File};
use std::io::{BufRead, Read, Write};
use std::path::PathBuf;

use rustix::fs::{FlockOperation, flock};
use serde::Serialize;

use crate::bundle::{Part, Running, UpdateError, VerifiedHead, read_head, read_part};
use crate::esp::{Entry, Esp, TRIES};
use crate::slots::{Partition, Slot};
use crate::version::Version;

/// Where on the box all of it is; tests have folders of their own.
#[derive(Debug, Clone)]
pub struct Places {
    /// Partitions by name.
    pub partitions: PathBuf,
    /// The mounted EFI system partition.
    pub esp: PathBuf,
    /// Says which slot runs; the initrd wrote it.
    pub slot: PathBuf,
    /// `os-release` of the running image.
    pub os_release: PathBuf,
    /// The image's own facts: flavour, floor, the vendor's key for updates.
    pub facts: PathBuf,
    /// Held while an update is installed.
    pub lock: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            partitions: "/dev/disk/by-partlabel".into(),
            esp: "/efi".into(),
            slot: "/run/sealgate-slot".into(),
            os_release: "/usr/lib/os-release".into(),
            facts: "/usr/share/sealgate".into(),
            lock: "/run/sealgate-update.lock".into(),
        }
    }
}

impl Places {
    /// What runs.
    ///
    /// # Errors
    /// The image lacks one of its own files.
    pub fn running(&self) -> Result<Running, UpdateError> {
        let read = |path: PathBuf| {
            fs::read_to_string(&path).map_err(disk(format!("read {}", path.display())))
        };
        let release = read(self.os_release.clone())?;
        let version = release
            .lines()
            .find_map(|line| line.strip_prefix("IMAGE_VERSION="))
            .and_then(|version| version.trim_matches('"').parse().ok())
            .ok_or(UpdateError::NoSlots)?;
        let floor = read(self.facts.join("security-floor"))?;
        Ok(Running {
            version,
            flavour: read(self.facts.join("flavour"))?.trim().to_owned(),
            floor: floor.trim().parse().map_err(|_| UpdateError::NoSlots)?,
        })
    }
}

/// What is going on; told as it happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Progress {
    /// The signature is the vendor's, and the version suits.
    Checked {
        /// What comes.
        version: String,
    },
    /// So much of it is written.
    Writing {
        /// Of all parts together.
        percent: u64,
    },
    /// All is written; it runs after the next restart.
    Installed {
        /// What was installed.
        version: String,
    },
}

fn disk(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> UpdateError {
    let what = what.into();
    move |source| UpdateError::Disk { what, source }
}

/// Installs what `from` brings, and tells `tell` how it goes.
///
/// # Errors
/// Refused or failed: the running version is untouched and stays the one that starts.
pub fn install(
    from: &mut impl BufRead,
    places: &Places,
    mut tell: impl FnMut(&Progress),
) -> Result<Version, UpdateError> {
    let lock = File::create(&places.lock).map_err(disk("make the updates' lock"))?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| UpdateError::Busy)?;
    let running = places.running()?;
    let slot = fs::read_to_string(&places.slot)
        .ok()
        .and_then(|text| Slot::from_text(&text))
        .ok_or(UpdateError::NoSlots)?;
    let key = fs::read_to_string(places.facts.join("update-key.pem"))
        .map_err(disk("read the vendor's key for updates"))?;
    let head = read_head(from, &key)?;
    head.suits(&running)?;
    let version = head.version();
    tell(&Progress::Checked {
        version: version.to_string(),
    });

    let esp = Esp::at(&places.esp);
    // Where the loader did not start this version, nothing here is what it seems.
    let entries = esp.entries().map_err(|_| UpdateError::NoSlots)?;
    if !entries.iter().any(|entry| entry.version == running.version) {
        return Err(UpdateError::NoSlots);
    }
    // No older or failed kernel image may name a root that is about to be overwritten.
    esp.keep_only(running.version)
        .map_err(disk("clear the EFI partition"))?;
    let [root, verity, kernel] = head.parts();
    let free = esp
        .free_bytes()
        .map_err(disk("ask for room on the EFI partition"))?;
    if kernel.bytes > free {
        return Err(UpdateError::NoRoom { part: kernel.name });
    }
    let mut meter = Meter::new(&head, &mut tell);
    for part in [root, verity] {
        write_partition(from, places, part, slot.other(), &mut meter)?;
    }
    let mut file = esp
        .create_part(version)
        .map_err(disk("make a file on the EFI partition"))?;
    read_part(from, kernel, |piece| {
        file.write_all(piece)
            .map_err(disk("write the kernel image"))?;
        meter.add(piece.len());
        Ok(())
    })?;
    let new = Entry {
        version,
        tries_left: Some(TRIES),
        tries_done: 0,
    };
    esp.publish(file, &new)
        .map_err(disk("name the kernel image"))?;
    if version < running.version {
        step_back(&esp, running.version)?;
    }
    tell(&Progress::Installed {
        version: version.to_string(),
    });
    Ok(version)
}

fn write_partition(
    from: &mut impl Read,
    places: &Places,
    part: &Part,
    slot: Slot,
    meter: &mut Meter<'_>,
) -> Result<(), UpdateError> {
    let name = format!("{}-{}", part.name, slot.letter());
    let mut partition = Partition::open(&places.partitions, part.name, slot)
        .map_err(disk(format!("open the partition {name}")))?;
    if part.bytes > partition.bytes() {
        return Err(UpdateError::NoRoom { part: part.name });
    }
    read_part(from, part, |piece| {
        (partition.file().write_all(piece)).map_err(disk(format!("write the partition {name}")))?;
        meter.add(piece.len());
        Ok(())
    })?;
    partition
        .sync()
        .map_err(disk(format!("write out the partition {name}")))
}

/// An older version was installed on purpose: the running one, which is newer, goes behind
/// it by having no tries left. It is still started if the older one fails.
fn step_back(esp: &Esp, running: Version) -> Result<(), UpdateError> {
    let entries = esp.entries().map_err(disk("read the EFI partition"))?;
    let Some(entry) = entries.into_iter().find(|entry| entry.version == running) else {
        return Ok(());
    };
    let behind = Entry {
        tries_left: Some(0),
        ..entry.clone()
    };
    esp.rename(&entry, &behind)
        .map_err(disk("rename the running kernel image"))
}

/// Tells each whole percent once.
struct Meter<'a> {
    all: u64,
    written: u64,
    percent: u64,
    tell: &'a mut dyn FnMut(&Progress),
}

impl<'a> Meter<'a> {
    fn new(head: &VerifiedHead, tell: &'a mut dyn FnMut(&Progress)) -> Self {
        Self {
            all: head.parts().iter().map(|part| part.bytes).sum(),
            written: 0,
            percent: 0,
            tell,
        }
    }

    fn add(&mut self, bytes: usize) {
        self.written += bytes as u64;
        let percent = self.written * 100 / self.all.max(1);
        if percent > self.percent {
            self.percent = percent;
            (self.tell)(&Progress::Writing { percent });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::tests::{key, made, public_pem};

    const KIND: &str = "application/vnd.sealgate.update.v1+json";

    struct Box {
        folder: tempfile::TempDir,
        places: Places,
    }

    /// Runs 1.0.0 in slot A; partitions of 64 bytes.
    fn a_box() -> Box {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let places = Places {
            partitions: at("partitions"),
            esp: at("esp"),
            slot: at("slot"),
            os_release: at("os-release"),
            facts: at("facts"),
            lock: at("lock"),
        };
        for made in ["partitions", "esp/EFI/Linux", "facts"] {
            fs::create_dir_all(at(made)).unwrap();
        }
        for name in ["root-a", "verity-a", "root-b", "verity-b"] {
            fs::write(at("partitions").join(name), [b'.'; 64]).unwrap();
        }
        let files: [(&str, &str); 6] = [
            ("slot", "a\n"),
            ("os-release", "ID=sealgate\nIMAGE_VERSION=1.0.0\n"),
            ("facts/flavour", "lab\n"),
            ("facts/security-floor", "0.5.0\n"),
            ("facts/update-key.pem", &public_pem(&key())),
            ("esp/EFI/Linux/sealgate_1.0.0.efi", "old kernel"),
        ];
        for (name, content) in files {
            fs::write(at(name), content).unwrap();
        }
        Box { folder, places }
    }

    impl Box {
        fn install(&self, update: &[u8]) -> Result<Vec<Progress>, &'static str> {
            let mut told = Vec::new();
            install(&mut &update[..], &self.places, |step| {
                told.push(step.clone())
            })
            .map_err(|error| error.code())?;
            Ok(told)
        }

        fn names(&self) -> Vec<String> {
            let entries = Esp::at(&self.places.esp).entries().unwrap();
            entries.iter().map(Entry::name).collect()
        }

        fn partition(&self, name: &str) -> Vec<u8> {
            fs::read(self.folder.path().join("partitions").join(name)).unwrap()
        }
    }

    #[test]
    fn goes_into_the_other_slot_and_is_named_last() {
        let this = a_box();
        let told = this
            .install(&made("1.1.0", [b"root", b"tree", b"kernel"], KIND, &key()))
            .unwrap();
        assert_eq!(this.names(), ["sealgate_1.1.0+3.efi", "sealgate_1.0.0.efi"]);
        assert!(this.partition("root-b").starts_with(b"root..."));
        assert!(this.partition("verity-b").starts_with(b"tree..."));
        assert_eq!(this.partition("root-a"), [b'.'; 64]);
        let version = "1.1.0".to_owned();
        assert_eq!(told.last(), Some(&Progress::Installed { version }));
        assert!(told.contains(&Progress::Writing { percent: 100 }));
    }

    #[test]
    fn an_older_version_that_was_installed_on_purpose_starts() {
        let this = a_box();
        this.install(&made("0.9.0", [b"root", b"tree", b"kernel"], KIND, &key()))
            .unwrap();
        assert_eq!(
            this.names(),
            ["sealgate_1.0.0+0.efi", "sealgate_0.9.0+3.efi"]
        );
    }

    #[test]
    fn a_refused_update_leaves_what_runs() {
        let room = [b'x'; 65];
        let whole = made("1.1.0", [b"root", b"tree", b"kernel"], KIND, &key());
        let check = |update: &[u8], expected: &str| {
            let this = a_box();
            assert_eq!(this.install(update), Err(expected));
            assert_eq!(this.names(), ["sealgate_1.0.0.efi"]);
            assert_eq!(this.partition("root-a"), [b'.'; 64]);
        };
        check(&whole[..whole.len() - 1], "SG-UPD-007");
        let mut damaged = whole.clone();
        *damaged.last_mut().unwrap() ^= 1;
        check(&damaged, "SG-UPD-006");
        check(
            &made("1.1.0", [&room, b"tree", b"kernel"], KIND, &key()),
            "SG-UPD-008",
        );
        check(
            &made("0.4.0", [b"root", b"tree", b"kernel"], KIND, &key()),
            "SG-UPD-004",
        );
    }

    #[test]
    fn one_at_a_time() {
        let this = a_box();
        let lock = File::create(&this.places.lock).unwrap();
        flock(&lock, FlockOperation::LockExclusive).unwrap();
        let update = made("1.1.0", [b"root", b"tree", b"kernel"], KIND, &key());
        assert_eq!(this.install(&update), Err("SG-UPD-010"));
    }

    #[test]
    fn without_a_loader_there_are_no_slots() {
        let this = a_box();
        fs::remove_file(&this.places.slot).unwrap();
        let update = made("1.1.0", [b"root", b"tree", b"kernel"], KIND, &key());
        assert_eq!(this.install(&update), Err("SG-UPD-009"));
    }
}
