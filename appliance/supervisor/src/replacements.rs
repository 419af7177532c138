//! The journal of replaced cameras: one signed statement for each, chained by hash.
//!
//! It stays on the plain state partition: it moves places on a license's list, so it has to
//! survive a lost data disk, and what is signed needs no secrecy. What comes after a missing
//! or changed statement counts for nothing. Whoever can delete the newest statements gets
//! replacements back, as whoever can write to that partition could load other rules too.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sealgate_base::{DurableError, read_at_most, write_durably};
use sealgate_camera::MacAddress;
use sealgate_gate::Replacement;
use sealgate_license::dsse::MAX_DOCUMENT_BYTES;
use sealgate_license::entitlements::ListedMac;
use sealgate_license::statement_document::{SignedStatement, StatementPayload, Subject};
use sealgate_license::tpm_wire::{TpmName, TpmPublic};

/// More than a site with a thousand cameras replaces in its life.
const MAX_STATEMENTS: u32 = 4096;
const READABLE: u32 = 0o644;

/// The journal, in memory and in its folder.
#[derive(Debug)]
pub struct Replacements {
    folder: PathBuf,
    entries: Mutex<Vec<Entry>>,
}

#[derive(Debug, Clone)]
struct Entry {
    statement: SignedStatement,
    ak_name: TpmName,
    moved: Replacement,
}

impl Replacements {
    /// Reads the journal, as far as it holds.
    pub fn read(folder: impl Into<PathBuf>) -> Self {
        let journal = Self {
            folder: folder.into(),
            entries: Mutex::default(),
        };
        for number in 1..=MAX_STATEMENTS {
            let text = match read_at_most(&journal.path(number), MAX_DOCUMENT_BYTES as u64) {
                Ok(Some(text)) => text,
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the journal of replaced cameras can't be read"
                    );
                    break;
                }
            };
            let entry = SignedStatement::parse(&text)
                .ok()
                .and_then(|statement| journal.continued_by(statement));
            let Some(entry) = entry else {
                tracing::error!(number, "a statement about a replaced camera does not hold");
                break;
            };
            lock(&journal.entries).push(entry);
        }
        journal
    }

    /// Which places moved, in order; for a license that is bound to a TPM, as far as that
    /// very TPM says so.
    pub fn moves(&self, ak: Option<TpmName>) -> Vec<Replacement> {
        lock(&self.entries)
            .iter()
            .filter(|entry| ak.as_ref().is_none_or(|ak| *ak == entry.ak_name))
            .map(|entry| entry.moved)
            .collect()
    }

    /// Every statement, the oldest first.
    pub fn statements(&self) -> Vec<SignedStatement> {
        let entries = lock(&self.entries);
        entries
            .iter()
            .map(|entry| entry.statement.clone())
            .collect()
    }

    /// What the next statement has to say.
    pub fn next(&self, old: MacAddress, new: MacAddress) -> Subject {
        let listed = |mac: MacAddress| {
            ListedMac::from_octets(mac.octets()).expect("a camera's address is one camera's")
        };
        let entries = lock(&self.entries);
        Subject::CameraReplaced {
            old_mac: listed(old),
            new_mac: listed(new),
            number: number_after(&entries),
            previous_sha256: hash_before(&entries),
        }
    }

    /// Adds a statement that the TPM signed; false if it does not continue the journal, as
    /// after another replacement at the same moment.
    ///
    /// # Errors
    /// The disk refuses; the journal is as it was.
    pub fn append(&self, statement: SignedStatement) -> Result<bool, DurableError> {
        let Some(entry) = self.continued_by(statement) else {
            return Ok(false);
        };
        let mut entries = lock(&self.entries);
        let number = number_after(&entries);
        if number > MAX_STATEMENTS {
            return Ok(false);
        }
        let text = entry.statement.to_text();
        write_durably(&self.path(number), text.as_bytes(), READABLE)?;
        entries.push(entry);
        Ok(true)
    }

    fn continued_by(&self, statement: SignedStatement) -> Option<Entry> {
        let entries = lock(&self.entries);
        statement.verify().ok()?;
        let StatementPayload {
            ak_public, subject, ..
        } = statement.unverified_payload();
        let Subject::CameraReplaced {
            old_mac,
            new_mac,
            number,
            previous_sha256,
        } = subject
        else {
            return None;
        };
        let continues =
            *number == number_after(&entries) && *previous_sha256 == hash_before(&entries);
        let mac = |listed: &ListedMac| MacAddress::from_octets(listed.octets()).ok();
        let moved = Replacement {
            old: mac(old_mac)?,
            new: mac(new_mac)?,
        };
        let ak_name = TpmPublic::parse(ak_public).ok()?.name();
        continues.then_some(Entry {
            statement,
            ak_name,
            moved,
        })
    }

    fn path(&self, number: u32) -> PathBuf {
        self.folder.join(format!("{number:04}.sgs"))
    }
}

fn number_after(entries: &[Entry]) -> u32 {
    u32::try_from(entries.len()).map_or(u32::MAX, |length| length + 1)
}

fn hash_before(entries: &[Entry]) -> [u8; 32] {
    entries
        .last()
        .map_or([0; 32], |entry| entry.statement.payload_sha256())
}

fn lock(entries: &Mutex<Vec<Entry>>) -> MutexGuard<'_, Vec<Entry>> {
    entries.lock().unwrap_or_else(PoisonError::into_inner)
}
