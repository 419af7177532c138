//! The license folder on the state partition. Everything in it is signed or harmless: the
//! partition is not encrypted, and survives neither theft nor copying unread.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sealgate_base::{DurableError, read_at_most, remove_durably, rename_durably, write_durably};
use sealgate_license::{
    clock::{ClockNote, TpmMoment},
    dsse::MAX_DOCUMENT_BYTES,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The license folder: `active.lic`, `pending.lic`, `secret`, and notes.
#[derive(Debug, Clone)]
pub struct LicenseFiles {
    folder: PathBuf,
}

/// The longest secret, in bytes; ActivateCredential reveals at most a digest.
const MAX_SECRET_BYTES: u64 = 64;
/// The longest note, in bytes.
const MAX_NOTE_BYTES: u64 = 1024;
const READABLE: u32 = 0o644;
const PRIVATE: u32 = 0o600;

/// When the grace of the license with this `to` began, and how much of it was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct GraceNote {
    /// `to` of the license.
    pub to: u64,
    /// The first check that met it.
    pub since: Timestamp,
    /// A time server kept the clock then.
    pub is_sure: bool,
    /// The TPM's time when this was written.
    pub at: TpmMoment,
    /// Powered time from the start of the grace until then, in milliseconds.
    pub used_ms: u64,
}

/// That a request waits for its license.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RequestNote {
    /// When the request was made.
    pub created_at: Timestamp,
}

/// That the license with this `to` allows less than the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReducedNote {
    /// `to` of the license.
    pub to: u64,
    /// A request was made since, which proves that this license is in use.
    pub proven: bool,
}

impl LicenseFiles {
    /// Uses this folder, usually `/state/license`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn active(&self) -> Result<Option<Vec<u8>>, DurableError> {
        read_at_most(&self.path("active.lic"), MAX_DOCUMENT_BYTES as u64)
    }

    pub(super) fn pending(&self) -> Result<Option<Vec<u8>>, DurableError> {
        read_at_most(&self.path("pending.lic"), MAX_DOCUMENT_BYTES as u64)
    }

    pub(super) fn write_pending(&self, license: &str) -> Result<(), DurableError> {
        write_durably(&self.path("pending.lic"), license.as_bytes(), READABLE)
    }

    pub(super) fn remove_pending(&self) -> Result<(), DurableError> {
        remove_durably(&self.path("pending.lic"))
    }

    pub(super) fn activate_pending(&self) -> Result<(), DurableError> {
        rename_durably(&self.path("pending.lic"), &self.path("active.lic"))
    }

    pub(super) fn secret(&self) -> Result<Option<Zeroizing<Vec<u8>>>, DurableError> {
        let secret = read_at_most(&self.path("secret"), MAX_SECRET_BYTES)?;
        Ok(secret.map(Zeroizing::new))
    }

    pub(super) fn write_secret(&self, secret: &[u8]) -> Result<(), DurableError> {
        write_durably(&self.path("secret"), secret, PRIVATE)
    }

    /// `None` also for a note that can't be read: it decides only words and a date.
    pub(super) fn grace(&self) -> Option<GraceNote> {
        self.read_note("grace")
    }

    pub(super) fn write_grace(&self, note: GraceNote) -> Result<(), DurableError> {
        self.write_note("grace", &note)
    }

    /// `None` also for a note that can't be read: it decides only words.
    pub(super) fn request(&self) -> Option<RequestNote> {
        self.read_note("request")
    }

    pub(super) fn write_request(&self, note: RequestNote) -> Result<(), DurableError> {
        self.write_note("request", &note)
    }

    /// `None` also for a note that can't be read: it decides only words.
    pub(super) fn reduced(&self) -> Option<ReducedNote> {
        self.read_note("reduced")
    }

    pub(super) fn write_reduced(&self, note: ReducedNote) -> Result<(), DurableError> {
        self.write_note("reduced", &note)
    }

    /// `None` also for a note that can't be read: then the license's own dates are the
    /// floor again.
    pub(super) fn clock(&self) -> Option<ClockNote> {
        self.read_note("clock")
    }

    pub(super) fn write_clock(&self, note: &ClockNote) -> Result<(), DurableError> {
        self.write_note("clock", note)
    }

    /// Forgets what a new license makes meaningless.
    pub(super) fn remove_notes(&self) -> Result<(), DurableError> {
        remove_durably(&self.path("grace"))?;
        remove_durably(&self.path("request"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn read_note<T: for<'de> Deserialize<'de>>(&self, name: &str) -> Option<T> {
        let bytes = read_at_most(&self.path(name), MAX_NOTE_BYTES).ok()??;
        serde_json::from_slice(&bytes).ok()
    }

    fn write_note(&self, name: &str, note: &impl Serialize) -> Result<(), DurableError> {
        let text = serde_json::to_vec(note).expect("numbers and timestamps always serialise");
        write_durably(&self.path(name), &text, READABLE)
    }
}
