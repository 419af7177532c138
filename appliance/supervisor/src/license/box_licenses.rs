//! Every license on the box, and which of them is in force.
//!
//! One at a time, never a sum: the license that is bound to the TPM while it gives any
//! place; otherwise the dongle's; otherwise the MAC license. The others stay stored and
//! change nothing but the words. So a conversion has no moment without rights: the new
//! license is imported beside the old one and takes over when the old one is given back.

use std::sync::Arc;
use std::time::Duration;

use sealgate_base::Clock;
use sealgate_dongle::DongleReader;
use sealgate_gate::places_of;
use sealgate_license::{
    entitlements::Entitlements,
    license_document::{Binding, SignedLicense},
    state::LicenseState,
    statement_document::{SignedStatement, Subject},
};

use super::{
    dongle_watch::DongleStanding,
    import::{ImportError, ImportReport},
    license_box::LicenseBox,
    other_bindings::{OtherBindings, OthersOutcome},
    outcome::CheckOutcome,
    request::RequestError,
    statement::StatementError,
    time::ClockError,
};

/// What all licenses of the box come to.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The license in force, its state and the TPM's.
    pub outcome: CheckOutcome,
    /// The dongle of the stored dongle license, if there is one.
    pub dongle: Option<DongleStanding>,
}

/// Every license on the box.
pub struct BoxLicenses {
    tpm: LicenseBox,
    others: OtherBindings,
    /// What the TPM's license came to at its last check.
    checked: Option<CheckOutcome>,
    /// Whether that license is the one in force.
    tpm_in_force: bool,
    /// What is in force.
    in_force: Option<Entitlements>,
}

impl BoxLicenses {
    /// The TPM's license as `tpm` keeps it, the others beside it.
    pub fn new(tpm: LicenseBox, reader: DongleReader, clock: Arc<dyn Clock>) -> Self {
        let folder = tpm.files.folder().to_owned();
        Self {
            tpm,
            others: OtherBindings::new(folder, reader, clock),
            checked: None,
            tpm_in_force: false,
            in_force: None,
        }
    }

    /// The first check after a start.
    pub fn boot(&mut self) -> Verdict {
        let outcome = self.tpm.boot();
        self.settle(outcome)
    }

    /// Checks the TPM's license with a fresh proof, and the others.
    pub fn check(&mut self) -> Verdict {
        let outcome = self.tpm.check();
        self.settle(outcome)
    }

    /// Asks the dongle; of the TPM's license the last check stands.
    pub fn check_dongle(&mut self) -> Verdict {
        match self.checked.take() {
            Some(outcome) => self.settle(outcome),
            None => self.check(),
        }
    }

    /// When [`check_dongle`](Self::check_dongle) is due.
    pub fn next_dongle_check(&self) -> Duration {
        self.others.next_question()
    }

    /// See [`LicenseBox::export_request`].
    ///
    /// # Errors
    /// The TPM's.
    pub fn export_request(&mut self, used: u32, wanted: u32) -> Result<String, RequestError> {
        self.tpm.export_request(used, wanted)
    }

    /// See [`LicenseBox::state`].
    ///
    /// # Errors
    /// The TPM's.
    pub fn state(&mut self, subject: Subject) -> Result<SignedStatement, StatementError> {
        self.tpm.state(subject)
    }

    /// See [`LicenseBox::confirm_clock`].
    ///
    /// # Errors
    /// The clock can't be believed.
    pub fn confirm_clock(&mut self) -> Result<(), ClockError> {
        self.tpm.confirm_clock()
    }

    /// Checks a license file of any kind and stores it; a dry run only says what that
    /// would change.
    ///
    /// # Errors
    /// See [`LicenseBox::import`]. The license of a dongle that does not answer is refused,
    /// and changes nothing.
    pub fn import(&mut self, document: &[u8], dry_run: bool) -> Result<ImportReport, ImportError> {
        let license = SignedLicense::parse(document)?;
        let is_dongle = match license.unverified_payload().binding {
            Binding::Dongle(_) => true,
            Binding::Mac => false,
            _ => {
                let report = self.tpm.import(document, dry_run)?;
                return Ok(ImportReport {
                    before: self.in_force.clone().or(report.before),
                    ..report
                });
            }
        };
        let license = self.tpm.verify_for_import(&license)?;
        self.others.bind(&license)?;
        if !dry_run {
            self.others.store(&license)?;
            self.tpm.keep_revocations(&license);
        }
        let payload = license.payload();
        let counter = self.checked.as_ref().and_then(|last| last.counter);
        tracing::info!(
            license_id = payload.license_id,
            kind = payload.binding.kind(),
            dry_run,
            "license imported"
        );
        Ok(ImportReport {
            dry_run,
            license_id: payload.license_id.clone(),
            revision: payload.revision,
            names: payload.names.clone(),
            binding: payload.binding.clone(),
            validity: payload.validity,
            before: self.in_force.clone(),
            after: payload.entitlements.clone(),
            counter_before: counter.unwrap_or(0),
            counter_after: counter.unwrap_or(0),
            takes_effect: !self.tpm_in_force && (is_dongle || !self.others.holds_dongle()),
        })
    }

    fn settle(&mut self, tpm: CheckOutcome) -> Verdict {
        let others = self.others.check(&self.tpm.roots);
        let mut outcome = tpm.clone();
        self.checked = Some(tpm);
        // A busy TPM says nothing about its license: the last decision is kept.
        self.tpm_in_force = if outcome.keep_last_decision {
            self.tpm_in_force
        } else {
            (outcome.bound.as_ref()).is_some_and(|bound| places_of(bound.entitlements()) > 0)
        };
        if self.tpm_in_force {
            note_the_others(&mut outcome, &others);
        } else {
            self.prefer_the_others(&mut outcome, &others);
        }
        if !outcome.keep_last_decision {
            self.in_force = (outcome.bound.as_ref()).map(|bound| bound.entitlements().clone());
        }
        Verdict {
            outcome,
            dongle: others.dongle,
        }
    }

    fn prefer_the_others(&self, outcome: &mut CheckOutcome, others: &OthersOutcome) {
        outcome.keep_last_decision = false;
        // A license of the TPM that does not hold is the worse news, unless another holds.
        let tpm_has_one = (self.tpm.active_entitlements())
            .is_some_and(|entitlements| places_of(&entitlements) > 0);
        if let Some(state) = &others.state
            && (others.bound.is_some() || !tpm_has_one)
        {
            outcome.state = state.clone();
        }
        if others.bound.is_some() {
            outcome.bound.clone_from(&others.bound);
        }
    }
}

/// What is said of them while they change nothing.
fn note_the_others(outcome: &mut CheckOutcome, others: &OthersOutcome) {
    if others.token_here {
        outcome.notices.push(LicenseState::DongleAndSoftwareLicense);
    }
    if others.mac_here {
        outcome.notices.push(LicenseState::MacAndTpmLicense);
    }
}
