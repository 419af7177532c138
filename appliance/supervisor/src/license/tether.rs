//! Whether another box uses this TPM.
//!
//! At the first check after a start of the machine the box extends a PCR by a random
//! value, and each later check has the TPM quote it. A second box that does the same on the
//! same TPM changes the value for the first. What is expected is kept in a folder that a
//! restart of the machine empties, and written before the PCR is extended, so that a
//! supervisor that dies in between raises no alarm.
//!
//! A TPM that was reset, as by waking from hibernation, starts its PCRs anew: that is no
//! alarm either, and known by its counts of resets.

use std::path::PathBuf;

use sealgate_base::{DurableError, read_at_most, write_durably};
use sealgate_license::{
    attestation_quote::{PcrEvidence, extended, verify_quote},
    tpm_wire::TpmPublic,
};
use sealgate_tpm::{SHARING_PCR, Tpm, TpmError, TpmErrorKind};
use serde::{Deserialize, Serialize};

/// The longest note, in bytes.
const MAX_NOTE_BYTES: u64 = 1024;
const PRIVATE: u32 = 0o600;
/// Somebody else may extend between a reading and an extension.
const ATTEMPTS: usize = 3;

/// What the PCR tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tethered {
    /// Only this box extended it.
    Ours,
    /// Somebody else did.
    Shared,
    /// It can't be used.
    Unseen,
}

/// The PCR, and what this box expects in it.
#[derive(Debug, Clone)]
pub(super) struct Tether {
    folder: PathBuf,
}

/// What this box did, written before it was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct TetherNote {
    /// Whose PCR: the Name of the attestation key.
    ak_name: String,
    reset_count: u32,
    restart_count: u32,
    before: [u8; 32],
    by: [u8; 32],
}

impl TetherNote {
    fn is_of(&self, ak: &TpmPublic) -> bool {
        self.ak_name == ak.name().to_string()
    }

    fn is_of_start(&self, evidence: &PcrEvidence) -> bool {
        (self.reset_count, self.restart_count) == (evidence.reset_count, evidence.restart_count)
    }

    fn after(&self) -> [u8; 32] {
        extended(&self.before, &self.by)
    }
}

impl Tether {
    /// Keeps its note in this folder, which a restart of the machine must empty.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Looks at the PCR, and extends it where this box has not done so since the TPM's
    /// last reset.
    ///
    /// # Errors
    /// The TPM is busy or gone, or its signature does not hold. A TPM that refuses is
    /// [`Tethered::Unseen`]: that proves nothing against the owner.
    pub(super) fn check(&self, tpm: &mut Tpm, ak: &TpmPublic) -> Result<Tethered, TpmError> {
        match self.look(tpm, ak) {
            Err(error) if error.kind() == TpmErrorKind::Refused => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the TPM refuses its PCR"
                );
                Ok(Tethered::Unseen)
            }
            result => result,
        }
    }

    fn look(&self, tpm: &mut Tpm, ak: &TpmPublic) -> Result<Tethered, TpmError> {
        let Some(value) = tpm.sharing_pcr()? else {
            return Ok(Tethered::Unseen);
        };
        let evidence = quote(tpm, ak)?;
        let note = self.read().filter(|note| note.is_of(ak));
        match note {
            Some(note) if evidence.holds(&note.after()) => {
                // A machine that slept: its TPM kept the PCR, and counts on.
                if !note.is_of_start(&evidence) {
                    self.write(&note.counted(&evidence));
                }
                Ok(Tethered::Ours)
            }
            Some(note) if !note.is_of_start(&evidence) => self.tie(tpm, ak, value, evidence),
            Some(note) if evidence.holds(&note.before) => {
                // The supervisor died between the note and the extension.
                tpm.extend_sharing_pcr(&note.by)?;
                if quote(tpm, ak)?.holds(&note.after()) {
                    Ok(Tethered::Ours)
                } else {
                    Ok(Tethered::Shared)
                }
            }
            Some(_) => Ok(Tethered::Shared),
            None => self.tie(tpm, ak, value, evidence),
        }
    }

    /// Extends the PCR for the first time since the TPM's last reset.
    fn tie(
        &self,
        tpm: &mut Tpm,
        ak: &TpmPublic,
        mut before: [u8; 32],
        mut evidence: PcrEvidence,
    ) -> Result<Tethered, TpmError> {
        for _ in 0..ATTEMPTS {
            let note = TetherNote {
                ak_name: ak.name().to_string(),
                reset_count: evidence.reset_count,
                restart_count: evidence.restart_count,
                before,
                by: rand::random(),
            };
            if !self.write(&note) {
                return Ok(Tethered::Unseen);
            }
            tpm.extend_sharing_pcr(&note.by)?;
            evidence = quote(tpm, ak)?;
            if evidence.holds(&note.after()) {
                tracing::info!(pcr = SHARING_PCR, "the TPM is marked as this box's");
                return Ok(Tethered::Ours);
            }
            let Some(value) = tpm.sharing_pcr()? else {
                break;
            };
            before = value;
        }
        // It never held what this box made of it, so a change later proves nothing.
        self.forget();
        Ok(Tethered::Unseen)
    }

    fn path(&self) -> PathBuf {
        self.folder.join("pcr")
    }

    /// `None` also for a note that can't be read: then the PCR is extended once more.
    fn read(&self) -> Option<TetherNote> {
        let bytes = read_at_most(&self.path(), MAX_NOTE_BYTES).ok()??;
        serde_json::from_slice(&bytes).ok()
    }

    fn write(&self, note: &TetherNote) -> bool {
        let text = serde_json::to_vec(note).expect("numbers and text always serialise");
        let written = write_durably(&self.path(), &text, PRIVATE);
        said(&written);
        written.is_ok()
    }

    fn forget(&self) {
        said(&sealgate_base::remove_durably(&self.path()));
    }
}

impl TetherNote {
    fn counted(&self, evidence: &PcrEvidence) -> Self {
        Self {
            reset_count: evidence.reset_count,
            restart_count: evidence.restart_count,
            ..self.clone()
        }
    }
}

fn said(result: &Result<(), DurableError>) {
    if let Err(error) = result {
        tracing::warn!(
            error = error as &dyn std::error::Error,
            "what is expected in the PCR"
        );
    }
}

fn quote(tpm: &mut Tpm, ak: &TpmPublic) -> Result<PcrEvidence, TpmError> {
    let nonce: [u8; 32] = rand::random();
    let quote = tpm.quote_sharing_pcr(&nonce)?;
    verify_quote(ak, &quote.attest, &quote.signature, &nonce, SHARING_PCR).map_err(|_| {
        TpmError::Garbage {
            what: "a quote that its attestation key did not sign so",
        }
    })
}
