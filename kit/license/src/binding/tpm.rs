//! Binding to a TPM: its keys, and the counter.
//!
//! The counter decides which file is in use. A file leads from the counter in its
//! request (`from`) to a counter of its own (`to`); imports only ever raise the counter.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::BoundLicense;
use super::refusal::{BindRefusal, ImportRefusal, short};
use crate::attestation::{CounterEvidence, verify_counter};
use crate::license_document::{Binding, TpmBinding, VerifiedLicense};
use crate::tpm_wire::TpmPublic;

/// Each `to` is a multiple of this, so that the grace never reaches the next license.
pub const LICENSE_TO_SPACING: u64 = 8;
/// The most that one import raises the counter: bounds the wear on the TPM's NV memory.
pub const IMPORT_MAX_AHEAD: u64 = 512;
/// How far TPM2_Clear or an owner's own increments may carry the counter past `to`
/// while the cameras stay.
pub const GRACE_MAX_AHEAD: u64 = 2;

/// What this box's TPM shows for a license.
#[derive(Debug, Clone, Copy)]
pub struct TpmEvidence<'a> {
    /// The attestation key.
    pub ak_public: &'a TpmPublic,
    /// TPMS_ATTEST from NV_Certify of the counter.
    pub attest: &'a [u8],
    /// TPMT_SIGNATURE from NV_Certify of the counter.
    pub signature: &'a [u8],
    /// What ActivateCredential revealed for this license.
    pub activation_secret: &'a [u8],
}

/// What an import has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportPlan {
    /// NV_Increment, this many times.
    pub increments: u64,
}

impl TpmBinding {
    /// Whether this is what the license's credential blob holds, in constant time.
    pub fn fits_secret(&self, activation_secret: &[u8]) -> bool {
        let digest: [u8; 32] = Sha256::digest(activation_secret).into();
        digest.ct_eq(&self.activation_secret_sha256).into()
    }

    /// Whether the license may be imported at this counter: from <= counter <= to, and
    /// not more than [`IMPORT_MAX_AHEAD`] below `to`.
    pub fn import_check(&self, counter: u64) -> Result<ImportPlan, ImportRefusal> {
        let Self { from, to, .. } = *self;
        let Some(increments) = to.checked_sub(counter) else {
            return Err(ImportRefusal::Older { counter, to });
        };
        if counter < from {
            return Err(ImportRefusal::Later { counter, from });
        }
        if increments > IMPORT_MAX_AHEAD {
            return Err(ImportRefusal::TooFarAhead { counter, to });
        }
        Ok(ImportPlan { increments })
    }

    /// Whether an import that power cut short may go on at this counter: as
    /// [`import_check`](Self::import_check), or in the grace above `to`, where a
    /// TPM2_Clear between the cuts leads.
    pub fn roll_forward_check(&self, counter: u64) -> Result<ImportPlan, ImportRefusal> {
        if self.is_grace(counter) {
            return Ok(ImportPlan { increments: 0 });
        }
        self.import_check(counter)
    }

    fn is_grace(&self, counter: u64) -> bool {
        counter
            .checked_sub(self.to)
            .is_some_and(|ahead| (1..=GRACE_MAX_AHEAD).contains(&ahead))
    }

    /// The earliest that it can be, given the TPM's clock: the date of issue plus the
    /// powered time since the request. Meaningless after TPM2_Clear, which restarts
    /// the clock; then it is the date of issue itself.
    fn earliest_now(&self, issued_at: Timestamp, clock_ms: u64) -> Timestamp {
        let powered_ms = clock_ms.saturating_sub(self.tpm_clock_at_request_ms);
        let powered = SignedDuration::from_millis(i64::try_from(powered_ms).unwrap_or(i64::MAX));
        issued_at.saturating_add(powered).unwrap_or(Timestamp::MAX)
    }
}

impl VerifiedLicense {
    /// The binding to a TPM, if it is one.
    pub fn tpm_binding(&self) -> Result<&TpmBinding, BindRefusal> {
        match &self.payload().binding {
            Binding::Tpm(binding) => Ok(binding),
            other => Err(BindRefusal::unsupported(other)),
        }
    }

    /// See [`TpmBinding::import_check`].
    pub fn import_check(&self, counter: u64) -> Result<ImportPlan, ImportRefusal> {
        self.binding_for_import()?.import_check(counter)
    }

    /// See [`TpmBinding::roll_forward_check`].
    pub fn roll_forward_check(&self, counter: u64) -> Result<ImportPlan, ImportRefusal> {
        self.binding_for_import()?.roll_forward_check(counter)
    }

    fn binding_for_import(&self) -> Result<&TpmBinding, ImportRefusal> {
        match &self.payload().binding {
            Binding::Tpm(binding) => Ok(binding),
            other => Err(ImportRefusal::UnsupportedBinding {
                kind: short(other.kind()),
            }),
        }
    }

    /// Checks everything that ties the license to this box's TPM and to this moment.
    ///
    /// `nonce` must be fresh: random, and given to this NV_Certify alone.
    pub fn bind_tpm(
        &self,
        evidence: &TpmEvidence<'_>,
        nonce: &[u8; 32],
        now: Timestamp,
    ) -> Result<BoundLicense, BindRefusal> {
        let binding = self.tpm_binding()?;
        let ours = evidence.ak_public.name();
        if ours != binding.ak_name {
            return Err(BindRefusal::OtherBox {
                licensed: binding.ak_name.clone(),
                ours,
            });
        }
        // Without the secret the key might live outside a genuine TPM.
        if !binding.fits_secret(evidence.activation_secret) {
            return Err(BindRefusal::ActivationSecret);
        }
        let counter = verify_counter(
            evidence.ak_public,
            evidence.attest,
            evidence.signature,
            nonce,
        )?;
        let to = binding.to;
        let standing = match (counter.counter, counter.counter.checked_sub(to)) {
            (_, Some(0)) => Standing::Exact,
            // TPM2_Clear restarts the TPM's clock, by which the days of a license with an
            // end are measured: it would have them once more.
            (_, Some(ahead @ 1..=GRACE_MAX_AHEAD)) if self.payload().validity.is_perpetual() => {
                Standing::Grace { ahead }
            }
            (counter, Some(_)) => return Err(BindRefusal::Older { counter, to }),
            (counter, None) => return Err(BindRefusal::Later { counter, to }),
        };
        self.check_validity(now)?;
        let tpm = TpmStanding {
            binding: binding.clone(),
            counter,
            standing,
            earliest_now: binding.earliest_now(self.payload().issued_at, counter.clock_ms),
        };
        Ok(BoundLicense::of(self, Some(tpm)))
    }
}

/// Where the counter stands beside a license that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// At `to`.
    Exact,
    /// Past `to` by one or two: TPM2_Clear, or the owner's own increments. The cameras
    /// stay for some days, within which a re-issue is needed.
    Grace {
        /// How far past `to`.
        ahead: u64,
    },
}

/// What this box's TPM showed for a license that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TpmStanding {
    binding: TpmBinding,
    counter: CounterEvidence,
    standing: Standing,
    earliest_now: Timestamp,
}

impl TpmStanding {
    /// The license's binding.
    pub fn binding(&self) -> &TpmBinding {
        &self.binding
    }

    /// What the TPM attested.
    pub fn counter(&self) -> &CounterEvidence {
        &self.counter
    }

    /// Where the counter stands.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// The earliest that it can be now, from the date of issue and the TPM's powered
    /// time since the request: a clock that shows less is wrong.
    pub fn earliest_now(&self) -> Timestamp {
        self.earliest_now
    }
}
