//! The box's license as a whole: the boot check, which also runs hourly.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use sealgate_base::{Clock, DurableError};
use sealgate_license::{
    binding::{BoundLicense, Standing, TpmEvidence},
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
    files::{GraceNote, LicenseFiles},
    import::ImportError,
    outcome::{CheckOutcome, Unbound, state_of_refusal, state_of_tpm, unusable},
};

/// How long the cameras stay when the counter is slightly past the license's. Policy, not
/// safety: the older license stays charged at the portal.
const GRACE: SignedDuration = SignedDuration::from_hours(7 * 24);

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
    clock: Arc<dyn Clock>,
    budget: TransientBudget,
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
        }
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
            tpm: None,
            tpm_problem: None,
            keep_last_decision: false,
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
        if self.roll_forward(&mut tpm)? {
            outcome.counter = Some(tpm.counter()?);
        }
        let license = self.stored_license()?;
        let bound = self.bind(&mut tpm, &license)?;
        outcome.counter = bound.tpm().map(|tpm| tpm.counter().counter);
        outcome.state = self.state_of(&bound);
        let over = matches!(outcome.state, LicenseState::TpmClearedGrace { until, .. } if until <= self.now());
        outcome.bound = (!over).then_some(bound);
        Ok(())
    }

    /// The license in use, as the vendor issued it.
    fn stored_license(&self) -> Result<VerifiedLicense, Unbound> {
        let unreadable = |error: DurableError| {
            tracing::error!(error = &error as &dyn std::error::Error, "stored license");
            Unbound::State(unusable("SG-API-003"))
        };
        let Some(document) = self.files.active().map_err(unreadable)? else {
            return Err(Unbound::State(match self.files.request() {
                Some(note) => LicenseState::RequestMade {
                    created_at: note.created_at,
                },
                None => LicenseState::Provisioned,
            }));
        };
        self.verify_active(&document)
            .map_err(|error| Unbound::State(unusable(error.code())))
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
        license
            .bind_tpm(&evidence, &nonce, self.now())
            .map_err(refused)
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
                until: self.grace_end(tpm.binding().to),
            },
            _ => LicenseState::Active {
                license_id,
                revision,
                camera_channels,
            },
        }
    }

    /// When the grace ends that began with the first check past this `to`.
    fn grace_end(&self, to: u64) -> Timestamp {
        let since = match self.files.grace() {
            Some(note) if note.to == to => note.since,
            _ => {
                let since = self.now();
                if let Err(error) = self.files.write_grace(GraceNote { to, since }) {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the start of the grace was not stored"
                    );
                }
                since
            }
        };
        since.saturating_add(GRACE).unwrap_or(Timestamp::MAX)
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.clock.utc_ms()).unwrap_or(Timestamp::MAX)
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
