//! The journal of what was handed out: a file beside the database, not in its backup.
//!
//! A restored database alone has forgotten licenses that boxes hold, and would count
//! their channels twice. So every license and every proof is written here and on disk
//! (fsync) before its transaction commits and its file leaves the portal; at start, what
//! the database does not know is replayed.
//!
//! One JSON object a line. Each line carries its number and the SHA-256 of the line
//! before it, so that a line that was changed, lost or moved shows; the database notes
//! the newest line, so that a lost journal shows. A last line without its line feed was
//! torn by a power cut before anything was handed out, and is cut off.

mod other_records;
mod record;

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use other_records::{DongleCheckedInRecord, DongleRef, OtherIssuedRecord};
pub use record::{
    BeginRecord, DistributorRef, HardwareRecord, IssuedRecord, ProjectRef, ProvenRecord, Record,
    ServerRef, TpmRef,
};

/// The longest line that is read: a license file and its names fit many times over.
const MAX_LINE_BYTES: usize = 4 * 1024 * 1024;

/// Where the journal ends: number and hash of its newest line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Lines so far.
    pub seq: u64,
    /// SHA-256 of the newest line in hex; of nothing when there is none.
    pub sha256: String,
}

impl Head {
    fn start() -> Self {
        Self {
            seq: 0,
            sha256: hex::encode(Sha256::digest(b"")),
        }
    }

    fn after(seq: u64, line: &[u8]) -> Self {
        Self {
            seq,
            sha256: hex::encode(Sha256::digest(line)),
        }
    }
}

/// Why the journal can't be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system refused.
    #[error("the journal {path} failed to {operation}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        operation: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A line was changed, lost or moved.
    #[error("line {line} of the journal {path} is damaged", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// The database has seen lines that are not there.
    #[error(
        "the journal {path} is not the one the database knows: line {seq} is missing or another",
        path = path.display()
    )]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// The line that the database noted.
        seq: u64,
    },
    /// An earlier write failed halfway; nothing may be added behind it.
    #[error("the journal {path} failed before and takes nothing until the portal restarts", path = path.display())]
    Broken {
        /// The file.
        path: PathBuf,
    },
}

#[derive(Serialize, Deserialize)]
struct Line {
    seq: u64,
    previous_sha256: String,
    record: Record,
}

/// An open journal: the only writer of its file.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    head: Head,
    broken: bool,
}

impl Journal {
    /// Opens the journal, makes it if there is none, checks it from the first line to
    /// the last, and gives each record to `replay`.
    ///
    /// `known` is the head that the database noted last.
    ///
    /// # Errors
    /// The file is unreadable, damaged, or not the one that the database knows; or what
    /// `replay` returned.
    pub fn open<E: From<JournalError>>(
        path: &Path,
        known: Option<&Head>,
        mut replay: impl FnMut(Record, &Head) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut journal = Self::open_file(path)?;
        let mut kept_bytes = 0;
        let mut reader = BufReader::new(&journal.file);
        let mut line = Vec::new();
        let mut known_found = known.is_none_or(|known| *known == Head::start());
        loop {
            line.clear();
            let limit = u64::try_from(MAX_LINE_BYTES).expect("4 MiB fit");
            let read = io::Read::take(&mut reader, limit)
                .read_until(b'\n', &mut line)
                .map_err(|source| journal.failed("read", source))?;
            let number = journal.head.seq + 1;
            if read == 0 || (!line.ends_with(b"\n") && read < MAX_LINE_BYTES) {
                break;
            }
            let damaged = || JournalError::Damaged {
                path: path.to_owned(),
                line: number,
            };
            let text = line.strip_suffix(b"\n").ok_or_else(damaged)?;
            let parsed: Line = serde_json::from_slice(text).map_err(|_| damaged())?;
            if parsed.seq != number || parsed.previous_sha256 != journal.head.sha256 {
                return Err(damaged().into());
            }
            journal.head = Head::after(number, text);
            kept_bytes += u64::try_from(read).expect("4 MiB fit");
            known_found |= known == Some(&journal.head);
            replay(parsed.record, &journal.head)?;
        }
        if let (false, Some(known)) = (known_found, known) {
            return Err(JournalError::NotOurs {
                path: path.to_owned(),
                seq: known.seq,
            }
            .into());
        }
        journal
            .file
            .set_len(kept_bytes)
            .and_then(|()| journal.file.seek(io::SeekFrom::End(0)))
            .and_then(|_| journal.file.sync_all())
            .map_err(|source| journal.failed("cut off a torn line", source))?;
        Ok(journal)
    }

    fn open_file(path: &Path) -> Result<Self, JournalError> {
        let failed = |operation, source| JournalError::File {
            path: path.to_owned(),
            operation,
            source,
        };
        // It holds activation secrets.
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(|source| failed("open", source))?;
        // Two portals on one journal would each miss what the other hands out.
        file.try_lock()
            .map_err(|error| failed("lock: another portal uses it", error.into()))?;
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|source| failed("sync its folder", source))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            head: Head::start(),
            broken: false,
        })
    }

    /// Writes records and waits until they are on disk.
    ///
    /// # Errors
    /// Not written, or not known to be: then nothing more is taken.
    pub fn append(&mut self, records: Vec<Record>) -> Result<&Head, JournalError> {
        if self.broken {
            return Err(JournalError::Broken {
                path: self.path.clone(),
            });
        }
        let mut head = self.head.clone();
        let mut text = Vec::new();
        for record in records {
            let line = serde_json::to_vec(&Line {
                seq: head.seq + 1,
                previous_sha256: head.sha256,
                record,
            })
            .expect("records hold nothing that JSON can't");
            head = Head::after(head.seq + 1, &line);
            text.extend_from_slice(&line);
            text.push(b'\n');
        }
        // After a failed write or fsync the file's end is unknown (the kernel may have
        // dropped the pages): only a restart, which reads the file again, is safe.
        self.broken = true;
        self.file
            .write_all(&text)
            .map_err(|source| self.failed("write", source))?;
        self.file
            .sync_all()
            .map_err(|source| self.failed("sync", source))?;
        self.broken = false;
        self.head = head;
        Ok(&self.head)
    }

    /// Where it ends.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Takes nothing more: the database did not keep what the newest lines say.
    pub fn close(&mut self) {
        self.broken = true;
    }

    fn failed(&self, operation: &'static str, source: io::Error) -> JournalError {
        JournalError::File {
            path: self.path.clone(),
            operation,
            source,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::TpmIdentity;

    fn proven(counter: u64) -> Record {
        Record::Proven(ProvenRecord {
            at_utc_ms: 0,
            tpm: TpmIdentity {
                ek_name: "000b01".into(),
                ak_name: "000b02".into(),
            },
            file_id: crate::store::FileId("L-1-1".into()),
            counter,
            credits: true,
            request_sha256: [7; 32],
        })
    }

    fn read(path: &Path, known: Option<&Head>) -> Result<(Vec<u64>, Head), JournalError> {
        let mut counters = Vec::new();
        let journal = Journal::open::<JournalError>(path, known, |record, _| {
            if let Record::Proven(proof) = record {
                counters.push(proof.counter);
            }
            Ok(())
        })?;
        Ok((counters, journal.head.clone()))
    }

    fn three_lines(folder: &Path) -> (PathBuf, Head) {
        let path = folder.join("journal");
        let mut journal = Journal::open::<JournalError>(&path, None, |_, _| Ok(())).unwrap();
        journal.append(vec![proven(1), proven(2)]).unwrap();
        let head = journal.append(vec![proven(3)]).unwrap().clone();
        (path, head)
    }

    #[test]
    fn reads_what_it_wrote() {
        let folder = tempfile::tempdir().unwrap();
        let (path, head) = three_lines(folder.path());
        assert_eq!(read(&path, Some(&head)).unwrap(), (vec![1, 2, 3], head));
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn a_torn_last_line_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = three_lines(folder.path());
        let text = fs::read(&path).unwrap();
        fs::write(&path, &text[..text.len() - 5]).unwrap();
        let (counters, head) = read(&path, None).unwrap();
        assert_eq!((counters, head.seq), (vec![1, 2], 2));
        let mut journal = Journal::open::<JournalError>(&path, None, |_, _| Ok(())).unwrap();
        journal.append(vec![proven(9)]).unwrap();
        drop(journal);
        assert_eq!(read(&path, None).unwrap().0, vec![1, 2, 9]);
    }

    #[test]
    fn a_changed_or_missing_line_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = three_lines(folder.path());
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for changed in [
            text.replace("\"counter\":2", "\"counter\":5"),
            format!("{}\n{}\n", lines[0], lines[2]),
            format!("{}\n{}\n", lines[1], lines[2]),
            format!("{}\n\n{}\n", lines[0], lines[1]),
        ] {
            fs::write(&path, &changed).unwrap();
            assert!(
                matches!(read(&path, None), Err(JournalError::Damaged { .. })),
                "{changed}"
            );
        }
    }

    #[test]
    fn a_journal_that_the_database_does_not_know_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (path, head) = three_lines(folder.path());
        let other = Head {
            sha256: "00".repeat(32),
            ..head.clone()
        };
        assert!(matches!(
            read(&path, Some(&other)),
            Err(JournalError::NotOurs { seq: 3, .. })
        ));
        fs::remove_file(&path).unwrap();
        assert!(matches!(
            read(&path, Some(&head)),
            Err(JournalError::NotOurs { seq: 3, .. })
        ));
    }

    #[test]
    fn only_one_portal_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let _first = Journal::open::<JournalError>(&path, None, |_, _| Ok(())).unwrap();
        assert!(matches!(read(&path, None), Err(JournalError::File { .. })));
    }
}
