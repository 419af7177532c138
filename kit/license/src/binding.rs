//! From a license that the vendor issued to one that holds on this box, now.
//!
//! The counter decides which file is in use. A file leads from the counter in its
//! request (`from`) to a counter of its own (`to`); imports only ever raise the counter.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::attestation::{AttestationError, CounterEvidence, verify_counter};
use crate::entitlements::Entitlements;
use crate::license_document::{Binding, Names, TpmBinding, Validity, VerifiedLicense};
use crate::tpm_wire::{TpmName, TpmPublic};

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

/// Why a license does not hold on this box now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindRefusal {
    /// A kind of binding that this version can't check.
    #[error("a license bound to {kind:?} can't be checked here")]
    UnsupportedBinding {
        /// `kind` in the file, shortened to 40 characters.
        kind: String,
    },
    /// The license names another attestation key.
    #[error("the license is for attestation key {licensed}, and this box has {ours}")]
    OtherBox {
        /// The license's key.
        licensed: TpmName,
        /// This box's key.
        ours: TpmName,
    },
    /// The secret is not the one that the license's blob holds.
    #[error("the activation secret is not this license's")]
    ActivationSecret,
    /// The attestation does not hold.
    #[error("the TPM's proof of its counter does not hold")]
    Attestation(#[from] AttestationError),
    /// The counter has moved on: a later license was imported.
    #[error("the license is for counter {to}, and this box is at {counter}")]
    Older {
        /// This box's counter.
        counter: u64,
        /// The license's `to`.
        to: u64,
    },
    /// The counter is not there yet: the license was never imported completely.
    #[error("the license is for counter {to}, and this box is only at {counter}")]
    Later {
        /// This box's counter.
        counter: u64,
        /// The license's `to`.
        to: u64,
    },
    /// Before the first instant.
    #[error("the license starts at {not_before}")]
    NotYetValid {
        /// The first instant.
        not_before: Timestamp,
    },
    /// After the last instant.
    #[error("the license ended at {not_after}")]
    Expired {
        /// The last instant.
        not_after: Timestamp,
    },
}

impl BindRefusal {
    /// The code in the words catalog.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OtherBox { .. } => "SG-LIC-010",
            Self::Older { .. } => "SG-LIC-011",
            Self::Later { .. } => "SG-LIC-012",
            Self::ActivationSecret => "SG-LIC-014",
            Self::NotYetValid { .. } => "SG-LIC-015",
            Self::Expired { .. } => "SG-LIC-016",
            Self::UnsupportedBinding { .. } => "SG-LIC-018",
            Self::Attestation(error) => error.code(),
        }
    }
}

/// Why a license can't be imported at this counter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportRefusal {
    /// A kind of binding that this version can't check.
    #[error("a license bound to {kind:?} can't be checked here")]
    UnsupportedBinding {
        /// `kind` in the file, shortened to 40 characters.
        kind: String,
    },
    /// Older than the license in use.
    #[error("the license is for counter {to}, and this box is at {counter}")]
    Older {
        /// This box's counter.
        counter: u64,
        /// The license's `to`.
        to: u64,
    },
    /// Made for a state that this box has not reached.
    #[error("the license starts from counter {from}, and this box is only at {counter}")]
    Later {
        /// This box's counter.
        counter: u64,
        /// The license's `from`.
        from: u64,
    },
    /// More than [`IMPORT_MAX_AHEAD`] increments.
    #[error("the license is for counter {to}, too far from this box's {counter}")]
    TooFarAhead {
        /// This box's counter.
        counter: u64,
        /// The license's `to`.
        to: u64,
    },
}

impl ImportRefusal {
    /// The code in the words catalog.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Older { .. } => "SG-LIC-011",
            Self::Later { .. } => "SG-LIC-012",
            Self::TooFarAhead { .. } => "SG-LIC-013",
            Self::UnsupportedBinding { .. } => "SG-LIC-018",
        }
    }
}

/// What an import has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportPlan {
    /// NV_Increment, this many times.
    pub increments: u64,
}

fn short(kind: &str) -> String {
    kind.chars().take(40).collect()
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
            Binding::Other { kind, .. } => {
                Err(BindRefusal::UnsupportedBinding { kind: short(kind) })
            }
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
            Binding::Other { kind, .. } => {
                Err(ImportRefusal::UnsupportedBinding { kind: short(kind) })
            }
        }
    }

    /// Whether the license may be used at this time.
    pub fn check_validity(&self, now: Timestamp) -> Result<(), BindRefusal> {
        let Validity {
            not_before,
            not_after,
        } = self.payload().validity;
        if let Some(not_before) = not_before.filter(|not_before| now < *not_before) {
            return Err(BindRefusal::NotYetValid { not_before });
        }
        if let Some(not_after) = not_after.filter(|not_after| now > *not_after) {
            return Err(BindRefusal::Expired { not_after });
        }
        Ok(())
    }

    /// Checks everything that ties the license to this box and this moment; the only
    /// way to a [`BoundLicense`].
    ///
    /// `nonce` must be fresh: random, and given to this NV_Certify alone.
    pub fn bind(
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
        let standing = match counter.counter {
            exact if exact == to => Standing::Exact,
            ahead if binding.is_grace(ahead) => Standing::Grace { ahead: ahead - to },
            counter if counter > to => return Err(BindRefusal::Older { counter, to }),
            counter => return Err(BindRefusal::Later { counter, to }),
        };
        self.check_validity(now)?;
        Ok(BoundLicense {
            license: self.clone(),
            binding: binding.clone(),
            counter,
            standing,
        })
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

/// A license that holds on this box: vendor, box, counter and dates were all checked.
/// [`VerifiedLicense::bind`] alone makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundLicense {
    license: VerifiedLicense,
    binding: TpmBinding,
    counter: CounterEvidence,
    standing: Standing,
}

impl BoundLicense {
    /// For example `L-2041`.
    pub fn license_id(&self) -> &str {
        &self.license.payload().license_id
    }

    /// Counts up with each file of this license.
    pub fn revision(&self) -> u32 {
        self.license.payload().revision
    }

    /// What it allows.
    pub fn entitlements(&self) -> &Entitlements {
        &self.license.payload().entitlements
    }

    /// For whom it was made.
    pub fn names(&self) -> &Names {
        &self.license.payload().names
    }

    /// To what it is bound.
    pub fn binding(&self) -> &TpmBinding {
        &self.binding
    }

    /// When it may be used.
    pub fn validity(&self) -> Validity {
        self.license.payload().validity
    }

    /// When it was issued.
    pub fn issued_at(&self) -> Timestamp {
        self.license.payload().issued_at
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
        self.binding
            .earliest_now(self.issued_at(), self.counter.clock_ms)
    }

    /// The license as the vendor issued it.
    pub fn verified(&self) -> &VerifiedLicense {
        &self.license
    }
}
