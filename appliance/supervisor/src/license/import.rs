//! Importing a license so that a power cut at any moment loses nothing.
//!
//! 1. Everything is verified, and the TPM reveals the activation secret.
//! 2. `pending.lic` is written durably.
//! 3. The counter is raised to the license's `to`.
//! 4. `pending.lic` becomes `active.lic`, durably.
//!
//! A refusal happens in step 1, so it changes nothing. From step 2 on the import is
//! finished by the next check, whatever happens in between.

use sealgate_base::DurableError;
use sealgate_dongle::DongleError;
use sealgate_license::{
    binding::{BindRefusal, ImportRefusal},
    clock::TpmMoment,
    dsse::DocumentError,
    entitlements::Entitlements,
    license_document::{Binding, Names, SignedLicense, Validity, VerifiedLicense},
    vendor::{RevocationListError, VerifyError},
};
use sealgate_tpm::{Tpm, TpmError, TpmErrorKind};
use zeroize::Zeroizing;

use super::files::ReducedNote;
use super::license_box::{LicenseBox, activate, attestation_key};
use super::time::ClockError;

/// What an import did, or would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportReport {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// The license.
    pub license_id: String,
    /// Its revision.
    pub revision: u32,
    /// For whom it was made.
    pub names: Names,
    /// What it is bound to.
    pub binding: Binding,
    /// When it may be used.
    pub validity: Validity,
    /// What the license in use allowed; `None` if there was none.
    pub before: Option<Entitlements>,
    /// What the new one allows.
    pub after: Entitlements,
    /// The counter before the import.
    pub counter_before: u64,
    /// The counter after it.
    pub counter_after: u64,
    /// Whether it is then the license in force: another kind may come first.
    pub takes_effect: bool,
}

/// Why a license was not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Not a license file that can be read.
    #[error("the file can't be read as a license")]
    Document(#[from] DocumentError),
    /// Not issued by the vendor, for this flavour of box.
    #[error("the license can't be taken as the vendor's")]
    Verify(#[from] VerifyError),
    /// The list of revoked keys inside is not the vendor's.
    #[error("the license's list of revoked keys can't be used")]
    Revocations(#[from] RevocationListError),
    /// For another box, or another time.
    #[error("the license does not hold on this box")]
    Binding(#[from] BindRefusal),
    /// For another counter.
    #[error("the license does not follow the one in use")]
    Counter(#[from] ImportRefusal),
    /// The license's dongle did not answer.
    #[error("the license's dongle can't be asked")]
    Dongle(#[from] DongleError),
    /// The TPM did not reveal the activation secret.
    #[error("the TPM refused to activate the license")]
    Activation(#[source] TpmError),
    /// The TPM revealed another secret than the license says.
    #[error("the activation secret is not the license's")]
    OtherSecret,
    /// The TPM failed before anything was changed.
    #[error("the license can't be checked with the TPM")]
    Tpm(#[from] TpmError),
    /// The TPM failed after the license was stored: the next check finishes the import.
    #[error("the TPM failed while the counter was being raised")]
    Interrupted(#[source] TpmError),
    /// The license could not be stored.
    #[error("the license can't be stored")]
    Files(#[from] DurableError),
}

impl ImportError {
    /// The code in the catalog of words.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Document(error) => error.code(),
            Self::Verify(error) => error.code(),
            Self::Revocations(error) => error.code(),
            Self::Binding(error) => error.code(),
            Self::Counter(error) => error.code(),
            Self::Activation(_) | Self::OtherSecret => "SG-LIC-014",
            Self::Dongle(error) => error.code(),
            Self::Tpm(error) => error.code(),
            Self::Interrupted(_) => "SG-LIC-017",
            Self::Files(_) => "SG-API-003",
        }
    }

    /// TPM2_ActivateCredential refuses what was wrapped for other keys; any other failure
    /// is the TPM's own.
    pub(super) fn of_activation(error: TpmError) -> Self {
        match error.kind() {
            TpmErrorKind::Refused => Self::Activation(error),
            _ => Self::Tpm(error),
        }
    }

    /// Whether the pending license that met this can never be imported on this box.
    fn is_final(&self) -> bool {
        match self {
            Self::Document(_) | Self::Verify(_) | Self::Revocations(_) => true,
            Self::Counter(_) => true,
            Self::Activation(_) | Self::OtherSecret => true,
            // The disk may be on a visit to another board.
            Self::Binding(BindRefusal::OtherBox { .. }) => false,
            Self::Binding(_) => true,
            Self::Tpm(_) | Self::Interrupted(_) | Self::Files(_) | Self::Dongle(_) => false,
        }
    }
}

/// Step 1 was passed.
struct Prepared {
    license: VerifiedLicense,
    secret: Zeroizing<Vec<u8>>,
    counter: u64,
    to: u64,
}

/// When a license is prepared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Occasion {
    /// A person brought the file.
    Import,
    /// A check finishes what a power cut interrupted.
    RollForward,
}

impl LicenseBox {
    /// Checks a license file and puts it into use; a dry run only says what that would
    /// change. `document` is as it was received.
    ///
    /// # Errors
    /// Nothing has changed, neither file nor counter, unless the error is
    /// [`ImportError::Interrupted`] or [`ImportError::Files`]: then the next check finishes
    /// the import, or the license in use is still the old one.
    pub fn import(&mut self, document: &[u8], dry_run: bool) -> Result<ImportReport, ImportError> {
        // What needs no TPM is said without one.
        let license = match self.read_license(document, Occasion::Import) {
            Err(ImportError::Verify(VerifyError::Revoked { key_id })) => {
                self.revoked_key = Some(key_id.clone());
                return Err(VerifyError::Revoked { key_id }.into());
            }
            license => license?,
        };
        let mut tpm = Tpm::open(&self.tpm_address)?;
        let prepared = self.prepare(&mut tpm, license, Occasion::Import)?;
        let payload = prepared.license.payload();
        let mut report = ImportReport {
            dry_run,
            license_id: payload.license_id.clone(),
            revision: payload.revision,
            names: payload.names.clone(),
            binding: payload.binding.clone(),
            validity: payload.validity,
            before: self.active_entitlements(),
            after: payload.entitlements.clone(),
            counter_before: prepared.counter,
            counter_after: prepared.to,
            takes_effect: true,
        };
        if dry_run {
            return Ok(report);
        }
        if let Err(error) = self.files.write_pending(&prepared.license.to_text()) {
            // Perhaps only the folder's sync failed: a file that stays would be imported.
            let _ = self.files.remove_pending();
            return Err(error.into());
        }
        report.counter_after = self.finish(&mut tpm, &prepared)?;
        self.revoked_key = None;
        tracing::info!(
            license_id = report.license_id,
            revision = report.revision,
            counter = report.counter_after,
            "license imported"
        );
        Ok(report)
    }

    /// Finishes an import that was cut short; says whether it did. A pending license that
    /// can never be imported is removed.
    pub(super) fn roll_forward(&self, tpm: &mut Tpm) -> Result<bool, TpmError> {
        let pending = match self.files.pending() {
            Ok(None) => return Ok(false),
            Ok(Some(pending)) => Ok(pending),
            Err(error) => Err(ImportError::Files(error)),
        };
        let finished = pending
            .and_then(|pending| self.read_license(&pending, Occasion::RollForward))
            .and_then(|license| self.prepare(tpm, license, Occasion::RollForward))
            .and_then(|prepared| self.finish(tpm, &prepared));
        let error = match finished {
            Ok(counter) => {
                tracing::info!(counter, "an interrupted import was finished");
                return Ok(true);
            }
            Err(ImportError::Tpm(error) | ImportError::Interrupted(error)) => return Err(error),
            Err(error) => error,
        };
        let dropped = error.is_final() && self.files.remove_pending().is_ok();
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            code = error.code(),
            dropped,
            "an interrupted import was not finished"
        );
        Ok(false)
    }

    fn read_license(
        &self,
        document: &[u8],
        occasion: Occasion,
    ) -> Result<VerifiedLicense, ImportError> {
        let license = SignedLicense::parse(document)?;
        let license = match occasion {
            Occasion::Import => self.verify_for_import(&license)?,
            Occasion::RollForward => self.verify_begun(&license)?,
        };
        license.tpm_binding()?;
        Ok(license)
    }

    /// Step 1. The epoch is not looked at: a TPM2_Clear between two cuts must not leave the
    /// box without a license.
    fn prepare(
        &self,
        tpm: &mut Tpm,
        license: VerifiedLicense,
        occasion: Occasion,
    ) -> Result<Prepared, ImportError> {
        let binding = license.tpm_binding()?;
        let ours = attestation_key(tpm)?.name();
        if ours != binding.ak_name {
            return Err(ImportError::Binding(BindRefusal::OtherBox {
                licensed: binding.ak_name.clone(),
                ours,
            }));
        }
        let counter = tpm.counter()?;
        match occasion {
            Occasion::Import => {
                license.import_check(counter)?;
                let now = match self.moment_if_dated(tpm, &license)? {
                    Some(moment) => self.judge(&license, moment).map(|judged| judged.now),
                    None => None,
                };
                license.check_validity(now.unwrap_or_else(|| self.now()))?;
            }
            // Time may have passed since; the check that follows says so.
            Occasion::RollForward => {
                license.roll_forward_check(counter)?;
            }
        }
        let secret = activate(tpm, binding)?;
        let to = binding.to;
        Ok(Prepared {
            license,
            secret,
            counter,
            to,
        })
    }

    /// Steps 3 and 4; gives the counter.
    fn finish(&self, tpm: &mut Tpm, prepared: &Prepared) -> Result<u64, ImportError> {
        let mut counter = prepared.counter;
        while counter < prepared.to {
            let raised = tpm.increment().map_err(ImportError::Interrupted)?;
            if raised <= counter {
                return Err(ImportError::Interrupted(TpmError::Garbage {
                    what: "a counter that does not rise",
                }));
            }
            counter = raised;
        }
        self.remember_reduction(&prepared.license, prepared.to);
        self.keep_revocations(&prepared.license);
        self.files.activate_pending()?;
        self.keep_secret(&prepared.secret);
        if let Err(error) = self.files.remove_notes() {
            tracing::warn!(error = &error as &dyn std::error::Error, "old notes stay");
        }
        Ok(counter)
    }

    /// Before the old license is gone: a cut in between leaves a note that fits nothing.
    fn remember_reduction(&self, license: &VerifiedLicense, to: u64) {
        let Some(before) = self.active_entitlements() else {
            return;
        };
        if !license.payload().entitlements.is_less_than(&before) {
            return;
        }
        let note = ReducedNote { to, proven: false };
        if let Err(error) = self.files.write_reduced(note) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "that the license was reduced is not remembered"
            );
        }
    }

    /// The TPM's time, where the license has dates to compare it with.
    fn moment_if_dated(
        &self,
        tpm: &mut Tpm,
        license: &VerifiedLicense,
    ) -> Result<Option<TpmMoment>, ImportError> {
        let validity = license.payload().validity;
        if validity.not_before.is_none() && validity.not_after.is_none() {
            return Ok(None);
        }
        match self.tpm_moment(tpm) {
            Ok(moment) => Ok(Some(moment)),
            Err(ClockError::Tpm(error)) => Err(error.into()),
            Err(ClockError::Proof(error)) => Err(BindRefusal::Attestation(error).into()),
            // Neither is met on the way to the TPM's time.
            Err(ClockError::Behind(_) | ClockError::Files(_)) => Ok(None),
        }
    }
}
