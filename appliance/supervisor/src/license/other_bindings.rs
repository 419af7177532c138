//! Licenses that are bound to a dongle, or to nothing but a list of cameras.
//!
//! They lie beside the TPM's license in files of their own and are independent of it.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use sealgate_base::{Clock, DurableError, read_at_most, write_durably};
use sealgate_dongle::DongleReader;
use sealgate_license::{
    binding::{BindRefusal, BoundLicense, DongleEvidence},
    dsse::MAX_DOCUMENT_BYTES,
    license_document::{Binding, DongleBinding, SignedLicense, VerifiedLicense},
    state::LicenseState,
    vendor::{Revocations, VendorRoots},
};

use super::{
    dongle_watch::{Countdown, DongleStanding, next_question},
    import::ImportError,
    outcome::{state_of_refusal, unusable},
};

const READABLE: u32 = 0o644;

/// What these licenses come to.
#[derive(Debug, Default)]
pub(super) struct OthersOutcome {
    /// The license that would be in force if the TPM had none.
    pub bound: Option<BoundLicense>,
    /// For people, if there is anything to say.
    pub state: Option<LicenseState>,
    /// The dongle of the stored dongle license.
    pub dongle: Option<DongleStanding>,
    /// A token is plugged in that could carry a license, or does.
    pub token_here: bool,
    /// A MAC license is stored.
    pub mac_here: bool,
}

/// Both kinds of license on this box.
pub(super) struct OtherBindings {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    reader: DongleReader,
    countdown: Countdown,
    /// The dongle's license as it was bound last, since this start.
    held: Option<BoundLicense>,
    missing: bool,
}

impl OtherBindings {
    pub fn new(folder: PathBuf, reader: DongleReader, clock: Arc<dyn Clock>) -> Self {
        Self {
            folder,
            clock,
            reader,
            countdown: Countdown::default(),
            held: None,
            missing: false,
        }
    }

    /// When the dongle is to be asked again.
    pub fn next_question(&self) -> std::time::Duration {
        next_question(self.missing)
    }

    /// Whether a dongle's license is in force, or would be.
    pub fn holds_dongle(&self) -> bool {
        self.held.is_some()
    }

    /// Checks what is stored, and asks the dongle.
    pub fn check(&mut self, roots: &VendorRoots) -> OthersOutcome {
        let mut found = OthersOutcome::default();
        self.missing = false;
        match self.stored("dongle.lic", roots) {
            Ok(Some(license)) => self.check_dongle(&license, &mut found),
            Ok(None) => {
                self.held = None;
                // Somebody may expect something of it.
                found.token_here = self.reader.survey().is_ok_and(|tokens| !tokens.is_empty());
            }
            Err(error) => found.state = Some(unusable(error.code())),
        }
        match self.stored("mac.lic", roots) {
            Ok(Some(license)) => {
                found.mac_here = true;
                if found.bound.is_none() {
                    self.check_mac(&license, &mut found);
                }
            }
            Ok(None) => {}
            Err(error) => {
                found.state.get_or_insert(unusable(error.code()));
            }
        }
        found
    }

    /// Whether it holds now: its dongle answers, its dates allow it.
    pub fn bind(&mut self, license: &VerifiedLicense) -> Result<BoundLicense, ImportError> {
        if license.payload().binding == Binding::Mac {
            return Ok(license.bind_mac(self.now())?);
        }
        self.ask(license.dongle_binding()?, license)
    }

    /// Puts it in the place of its kind.
    pub fn store(&mut self, license: &VerifiedLicense) -> Result<(), DurableError> {
        let name = match license.payload().binding {
            Binding::Mac => "mac.lic",
            _ => "dongle.lic",
        };
        write_durably(
            &self.folder.join(name),
            license.to_text().as_bytes(),
            READABLE,
        )
    }

    fn check_dongle(&mut self, license: &VerifiedLicense, found: &mut OthersOutcome) {
        let Ok(binding) = license.dongle_binding() else {
            found.state = Some(unusable("SG-LIC-018"));
            return;
        };
        let mut standing = DongleStanding {
            serial: binding.serial.clone(),
            problem: None,
            closes_at: None,
        };
        // Another file than the one that was bound has no countdown to use.
        if (self.held.as_ref()).is_some_and(|held| held.verified() != license) {
            self.held = None;
        }
        match self.ask(binding, license) {
            Ok(bound) => {
                self.countdown.present(self.clock.monotonic());
                found.token_here = true;
                self.held = Some(bound.clone());
                self.settle(bound, found);
            }
            Err(ImportError::Binding(refusal))
                if !matches!(refusal, BindRefusal::Dongle { .. }) =>
            {
                found.token_here = true;
                self.held = None;
                found.state = Some(state_of_refusal(&refusal, license.payload()));
            }
            Err(error) => {
                self.missing = true;
                if let ImportError::Dongle(error) = &error {
                    standing.problem = Some(error.kind());
                }
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    code = error.code(),
                    "the license's dongle does not answer"
                );
                self.count_down(license, &mut standing, found);
            }
        }
        found.dongle = Some(standing);
    }

    /// The dongle is away: its license stays for a while, if it was here since the start.
    fn count_down(
        &mut self,
        license: &VerifiedLicense,
        standing: &mut DongleStanding,
        found: &mut OthersOutcome,
    ) {
        found.state = Some(LicenseState::DongleMissing);
        let left = self.countdown.absent(self.clock.monotonic());
        if left.is_zero() || license.check_validity(self.now()).is_err() {
            self.held = None;
        }
        found.bound = self.held.clone();
        if found.bound.is_some() {
            let left = jiff::SignedDuration::try_from(left).unwrap_or(jiff::SignedDuration::MAX);
            standing.closes_at = Some(self.now().saturating_add(left).unwrap_or(Timestamp::MAX));
        }
    }

    fn check_mac(&self, license: &VerifiedLicense, found: &mut OthersOutcome) {
        match license.bind_mac(self.now()) {
            Ok(bound) => self.settle(bound, found),
            Err(refusal) => {
                let state = state_of_refusal(&refusal, license.payload());
                found.state.get_or_insert(state);
            }
        }
    }

    /// A license with an end is not used on a box whose clock stands before its issue:
    /// nobody knows then whether it has ended.
    fn settle(&self, bound: BoundLicense, found: &mut OthersOutcome) {
        if bound.validity().not_after.is_some() && self.now() < bound.earliest_now() {
            found.state = Some(LicenseState::ClockUnsure);
            return;
        }
        found.state = Some(LicenseState::Active {
            license_id: bound.license_id().to_owned(),
            revision: bound.revision(),
            camera_channels: sealgate_gate::places_of(bound.entitlements()),
        });
        found.bound = Some(bound);
    }

    fn ask(
        &mut self,
        binding: &DongleBinding,
        license: &VerifiedLicense,
    ) -> Result<BoundLicense, ImportError> {
        let nonce: [u8; 32] = rand::random();
        let answer = self.reader.answer(&binding.public_key, &nonce)?;
        let evidence = DongleEvidence {
            signature: &answer.signature,
        };
        Ok(license.bind_dongle(&evidence, &nonce, self.now())?)
    }

    /// Revocation stops imports, never a license that is here.
    fn stored(
        &self,
        name: &str,
        roots: &VendorRoots,
    ) -> Result<Option<VerifiedLicense>, ImportError> {
        let path = self.folder.join(name);
        let Some(document) = read_at_most(&path, MAX_DOCUMENT_BYTES as u64)? else {
            return Ok(None);
        };
        let license = SignedLicense::parse(document)?;
        Ok(Some(license.verify(roots, &Revocations::none())?))
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.clock.utc_ms()).unwrap_or(Timestamp::MAX)
    }
}
