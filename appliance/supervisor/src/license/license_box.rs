//! The box's license as a whole: the boot check, which also runs hourly.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealgate_base::{Clock, DurableError};
use sealgate_license::{
    attestation::verify_counter,
    binding::{BindRefusal, BoundLicense, Standing, TpmEvidence},
    entitlements::Entitlements,
    license_document::{SignedLicense, TpmBinding, VerifiedLicense},
    state::LicenseState,
    tpm_wire::TpmPublic,
    vendor::{Revocations, VendorRoots},
};
use sealgate_tpm::{Tpm, TpmAddress, TpmError};
use zeroize::Zeroizing;

use super::{
    budget::{Patience, TransientBudget},
    files::LicenseFiles,
    import::ImportError,
    outcome::{CheckOutcome, Unbound, state_of_refusal, state_of_tpm, unusable},
    tether::{Tether, Tethered},
    time::moment,
};

/// What the box calls itself in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoxNames {
    /// Model.
    pub model: String,
    /// Serial number.
    pub serial: String,
    /// Version of the image.
    pub firmware: String,
}

/// The license of this box.
pub struct LicenseBox {
    pub(super) tpm_address: TpmAddress,
    pub(super) files: LicenseFiles,
    pub(super) roots: VendorRoots,
    pub(super) names: BoxNames,
    pub(super) clock: Arc<dyn Clock>,
    budget: TransientBudget,
    tether: Option<Tether>,
    data_mount: Option<PathBuf>,
    /// The key of the last file that was refused for it. Only in memory: a refused file
    /// leaves no trace on disk.
    pub(super) revoked_key: Option<String>,
}

impl LicenseBox {
    /// Opens nothing yet: a box without a TPM has its pages too. The flavour is that of
    /// `roots`.
    pub fn new(
        tpm_address: TpmAddress,
        files: LicenseFiles,
        roots: VendorRoots,
        names: BoxNames,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            tpm_address,
            files,
            roots,
            names,
            clock,
            budget: TransientBudget::default(),
            tether: None,
            data_mount: None,
            revoked_key: None,
        }
    }

    /// Notices another box on the same TPM. The folder must be one that a restart of the
    /// machine empties and a restart of the supervisor keeps.
    #[must_use]
    pub fn with_run_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.tether = Some(Tether::new(folder.into()));
        self
    }

    /// Closes while no data disk is mounted here.
    #[must_use]
    pub fn with_data_mount(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data_mount = Some(folder.into());
        self
    }

    /// The first check after a start: see [`check`](Self::check).
    pub fn boot(&mut self) -> CheckOutcome {
        let outcome = self.check();
        tracing::info!(
            state = outcome.state.code(),
            counter = outcome.counter,
            "license checked at boot"
        );
        outcome
    }

    /// Makes the counter if it is not there (never made, or removed by TPM2_Clear),
    /// finishes an import that was cut short, and checks the license in use with a fresh
    /// proof of the TPM.
    pub fn check(&mut self) -> CheckOutcome {
        let mut outcome = CheckOutcome {
            state: LicenseState::NoTpm,
            bound: None,
            counter: None,
            ak_fingerprint: None,
            tpm: None,
            tpm_problem: None,
            keep_last_decision: false,
            notices: Vec::new(),
        };
        match self.check_into(&mut outcome) {
            Ok(()) => self.budget.proven(),
            Err(Unbound::State(state)) => outcome.state = state,
            Err(Unbound::Tpm(error)) => {
                let kind = error.kind();
                outcome.state = state_of_tpm(kind);
                outcome.tpm_problem = Some(kind);
                if kind.is_transient() {
                    let patience = self.budget.busy(self.clock.monotonic());
                    outcome.keep_last_decision = matches!(patience, Patience::Keep { .. });
                }
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    code = error.code(),
                    keep_last_decision = outcome.keep_last_decision,
                    "the TPM stands in the way of the license check"
                );
            }
        }
        outcome
    }

    /// `Ok` with a bound license in `outcome`, or with a grace that is over.
    fn check_into(&mut self, outcome: &mut CheckOutcome) -> Result<(), Unbound> {
        let mut tpm = Tpm::open(&self.tpm_address)?;
        outcome.tpm = Some(tpm.facts().clone());
        tpm.provision()?;
        outcome.counter = Some(tpm.counter()?);
        // Only shown: what is wrong with it is met again where it matters.
        let ak = attestation_key(&mut tpm).ok();
        outcome.ak_fingerprint = ak.map(|ak| ak.name().to_string());
        if self.roll_forward(&mut tpm)? {
            outcome.counter = Some(tpm.counter()?);
        }
        let license = match self.pending_in_force(&mut tpm)? {
            Some(license) => license,
            None => self.stored_license()?,
        };
        let bound = self.bind(&mut tpm, &license)?;
        outcome.counter = bound.tpm().map(|tpm| tpm.counter().counter);
        outcome.state = self.state_of(&bound);
        self.notice(&bound, outcome);
        self.check_surroundings(&mut tpm, outcome)?;
        let over = matches!(outcome.state, LicenseState::TpmClearedGrace { until, .. } if until <= self.now());
        let empty = matches!(outcome.state, LicenseState::Returned { .. });
        outcome.bound = (!over && !empty).then_some(bound);
        Ok(())
    }

    /// What closes the channels although the license holds.
    fn check_surroundings(&self, tpm: &mut Tpm, outcome: &mut CheckOutcome) -> Result<(), Unbound> {
        if let Some(tether) = &self.tether {
            let ak = attestation_key(tpm)?;
            match tether.check(tpm, &ak)? {
                Tethered::Ours => {}
                Tethered::Shared => return Err(Unbound::State(LicenseState::TpmShared)),
                Tethered::Unseen => outcome.notices.push(LicenseState::TpmSharingUnseen),
            }
        }
        match &self.data_mount {
            Some(folder) if !is_mount_point(folder) => {
                Err(Unbound::State(LicenseState::DataLocked))
            }
            _ => Ok(()),
        }
    }

    /// What is to be said beside the state.
    fn notice(&self, bound: &BoundLicense, outcome: &mut CheckOutcome) {
        let key_id = bound.verified().key_id();
        if self.is_revoked(key_id) {
            outcome.notices.push(LicenseState::KeyRevoked {
                key_id: key_id.to_owned(),
            });
        }
        let told = matches!(outcome.state, LicenseState::ReducedReturnWaiting { .. });
        if !told && self.is_return_unproven(bound) {
            outcome.notices.push(LicenseState::ReducedReturnWaiting {
                license_id: bound.license_id().to_owned(),
                revision: bound.revision(),
                camera_channels: bound.entitlements().camera_channels(),
            });
        }
    }

    fn is_return_unproven(&self, bound: &BoundLicense) -> bool {
        let to = bound.tpm().map(|tpm| tpm.binding().to);
        self.files
            .reduced()
            .is_some_and(|note| !note.proven && Some(note.to) == to)
    }

    /// The pending license, where only its last step is missing: the counter is raised, and
    /// the disk takes no writes any more. The old license is over, so this is the one.
    fn pending_in_force(&self, tpm: &mut Tpm) -> Result<Option<VerifiedLicense>, TpmError> {
        let pending = self.files.pending().ok().flatten();
        let Some(license) = pending.and_then(|pending| self.verify_active(&pending).ok()) else {
            return Ok(None);
        };
        let counter = tpm.counter()?;
        let plan = license.roll_forward_check(counter);
        Ok(plan
            .is_ok_and(|plan| plan.increments == 0)
            .then_some(license))
    }

    /// The license in use, as the vendor issued it.
    fn stored_license(&self) -> Result<VerifiedLicense, Unbound> {
        let unreadable = |error: DurableError| {
            tracing::error!(error = &error as &dyn std::error::Error, "stored license");
            Unbound::State(unusable("SG-API-003"))
        };
        let Some(document) = self.files.active().map_err(unreadable)? else {
            return Err(Unbound::State(self.state_without_license()));
        };
        self.verify_active(&document)
            .map_err(|error| Unbound::State(unusable(error.code())))
    }

    fn state_without_license(&self) -> LicenseState {
        if let Some(key_id) = self.revoked_key.clone() {
            return LicenseState::KeyRevoked { key_id };
        }
        match self.files.request() {
            Some(note) => LicenseState::RequestMade {
                created_at: note.created_at,
            },
            None => LicenseState::Provisioned,
        }
    }

    /// Revocation stops imports, never the license in use.
    fn verify_active(&self, document: &[u8]) -> Result<VerifiedLicense, ImportError> {
        let license = SignedLicense::parse(document)?;
        Ok(license.verify(&self.roots, &Revocations::none())?)
    }

    /// The license in use, unless it is missing or can't be used: for what is only shown.
    pub(super) fn active_license(&self) -> Option<VerifiedLicense> {
        self.verify_active(&self.files.active().ok()??).ok()
    }

    /// What the license in use allows on paper, whatever the TPM says.
    pub(super) fn active_entitlements(&self) -> Option<Entitlements> {
        Some(self.active_license()?.payload().entitlements.clone())
    }

    fn bind(&self, tpm: &mut Tpm, license: &VerifiedLicense) -> Result<BoundLicense, Unbound> {
        let refused = |refusal| Unbound::State(state_of_refusal(&refusal, license.payload()));
        let binding = license.tpm_binding().map_err(refused)?;
        let ak = attestation_key(tpm)?;
        if ak.name() != binding.ak_name {
            let license_id = license.payload().license_id.clone();
            // A slow question, asked only where the answer is bad news either way.
            return Err(Unbound::State(if tpm.has_ek(&binding.ek_name)? {
                LicenseState::AttestationKeyChanged { license_id }
            } else {
                LicenseState::OtherBoard { license_id }
            }));
        }
        let secret = self.secret_of(tpm, binding)?;
        let nonce: [u8; 32] = rand::random();
        let proof = tpm.certify_counter(&nonce)?;
        let evidence = TpmEvidence {
            ak_public: &ak,
            attest: &proof.attest,
            signature: &proof.signature,
            activation_secret: &secret,
        };
        let counter = verify_counter(&ak, &proof.attest, &proof.signature, &nonce)
            .map_err(|error| refused(BindRefusal::Attestation(error)))?;
        let judgement = self.judge(license, moment(&counter));
        let now = judgement.map_or_else(|| self.now(), |judgement| judgement.now);
        let doubt = judgement.and_then(|judgement| judgement.doubt);
        let bound = license.bind_tpm(&evidence, &nonce, now);
        if let Some(judgement) = judgement {
            self.keep_time(&judgement.note);
        }
        match (bound, doubt) {
            (Ok(bound), None) => Ok(bound),
            (
                Ok(_) | Err(BindRefusal::NotYetValid { .. } | BindRefusal::Expired { .. }),
                Some(doubt),
            ) => {
                tracing::warn!(?doubt, "the clock can't be gone by");
                Err(Unbound::State(LicenseState::ClockUnsure))
            }
            (Err(refusal), _) => Err(refused(refusal)),
        }
    }

    /// The license's activation secret: the stored one, or, where that is missing or
    /// another license's, what the TPM reveals once more.
    pub(super) fn secret_of(
        &self,
        tpm: &mut Tpm,
        binding: &TpmBinding,
    ) -> Result<Zeroizing<Vec<u8>>, Unbound> {
        let stored = self.files.secret().unwrap_or_else(|error| {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "activation secret"
            );
            None
        });
        if let Some(secret) = stored.filter(|secret| binding.fits_secret(secret)) {
            return Ok(secret);
        }
        let secret = activate(tpm, binding).map_err(|error| match error {
            ImportError::Tpm(error) => Unbound::Tpm(error),
            error => Unbound::State(unusable(error.code())),
        })?;
        self.keep_secret(&secret);
        Ok(secret)
    }

    /// Keeps a secret for the next check; without it, that check asks the TPM again.
    pub(super) fn keep_secret(&self, secret: &[u8]) {
        if let Err(error) = self.files.write_secret(secret) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the activation secret was not stored"
            );
        }
    }

    fn state_of(&self, bound: &BoundLicense) -> LicenseState {
        let license_id = bound.license_id().to_owned();
        let revision = bound.revision();
        let camera_channels = bound.entitlements().camera_channels();
        match bound.tpm() {
            Some(tpm) if tpm.standing() != Standing::Exact => LicenseState::TpmClearedGrace {
                license_id,
                revision,
                camera_channels,
                until: self.grace_end(tpm.binding().to, moment(tpm.counter())),
            },
            _ if bound.entitlements().is_nothing() => LicenseState::Returned { license_id },
            _ if self.is_return_unproven(bound) => LicenseState::ReducedReturnWaiting {
                license_id,
                revision,
                camera_channels,
            },
            _ => LicenseState::Active {
                license_id,
                revision,
                camera_channels,
            },
        }
    }
}

/// Whether something else than the folder above is mounted here.
pub(crate) fn is_mount_point(folder: &Path) -> bool {
    let device = |path: &Path| std::fs::metadata(path).map(|found| found.dev());
    match (device(folder), device(&folder.join(".."))) {
        (Ok(here), Ok(above)) => here != above,
        _ => false,
    }
}

/// This TPM's attestation key.
pub(super) fn attestation_key(tpm: &mut Tpm) -> Result<TpmPublic, TpmError> {
    TpmPublic::parse(&tpm.ak_public()?).map_err(|_| TpmError::Garbage {
        what: "the public area of the attestation key",
    })
}

/// Has the TPM reveal a license's secret, and checks that it is that.
pub(super) fn activate(
    tpm: &mut Tpm,
    binding: &TpmBinding,
) -> Result<Zeroizing<Vec<u8>>, ImportError> {
    let secret = tpm
        .activate(
            &binding.ek_name,
            &binding.credential_blob,
            &binding.encrypted_secret,
        )
        .map_err(ImportError::of_activation)?;
    if binding.fits_secret(&secret) {
        Ok(secret)
    } else {
        Err(ImportError::OtherSecret)
    }
}
