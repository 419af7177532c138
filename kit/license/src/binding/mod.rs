//! From a license that the vendor issued to one that holds on this box, now.
//!
//! There is one way for each kind of binding: [`bind_tpm`](VerifiedLicense::bind_tpm),
//! [`bind_dongle`](VerifiedLicense::bind_dongle), [`bind_mac`](VerifiedLicense::bind_mac).

mod dongle;
mod refusal;
mod tpm;

use jiff::Timestamp;

pub use dongle::{DongleEvidence, DongleKeyError, DonglePublicKey};
pub use refusal::{BindRefusal, ImportRefusal};
pub use tpm::{
    GRACE_MAX_AHEAD, IMPORT_MAX_AHEAD, ImportPlan, LICENSE_TO_SPACING, Standing, TpmEvidence,
    TpmStanding,
};

use crate::entitlements::Entitlements;
use crate::license_document::{Binding, Names, Validity, VerifiedLicense};

impl VerifiedLicense {
    /// Whether the license may be used at this time.
    pub fn check_validity(&self, now: Timestamp) -> Result<(), BindRefusal> {
        let Validity {
            not_before,
            not_after,
            term: _,
        } = self.payload().validity;
        if let Some(not_before) = not_before.filter(|not_before| now < *not_before) {
            return Err(BindRefusal::NotYetValid { not_before });
        }
        if let Some(not_after) = not_after.filter(|not_after| now > *not_after) {
            return Err(BindRefusal::Expired { not_after });
        }
        Ok(())
    }

    /// Checks a license that is bound to a list of cameras and to no server: any box may
    /// use it, within its dates.
    pub fn bind_mac(&self, now: Timestamp) -> Result<BoundLicense, BindRefusal> {
        let payload = self.payload();
        if payload.binding != Binding::Mac {
            return Err(BindRefusal::unsupported(&payload.binding));
        }
        if payload.entitlements.mac_list.is_empty() {
            return Err(BindRefusal::EmptyMacList);
        }
        self.check_validity(now)?;
        Ok(BoundLicense::of(self, None))
    }
}

/// A license that holds on this box: vendor, binding and dates were all checked. Only
/// [`VerifiedLicense`]'s `bind_tpm`, `bind_dongle` and `bind_mac` make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundLicense {
    license: VerifiedLicense,
    tpm: Option<TpmStanding>,
}

impl BoundLicense {
    /// The caller has checked everything.
    fn of(license: &VerifiedLicense, tpm: Option<TpmStanding>) -> Self {
        Self {
            license: license.clone(),
            tpm,
        }
    }

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
    pub fn binding(&self) -> &Binding {
        &self.license.payload().binding
    }

    /// What the TPM showed, if the license is bound to one.
    pub fn tpm(&self) -> Option<&TpmStanding> {
        self.tpm.as_ref()
    }

    /// When it may be used.
    pub fn validity(&self) -> Validity {
        self.license.payload().validity
    }

    /// When it was issued.
    pub fn issued_at(&self) -> Timestamp {
        self.license.payload().issued_at
    }

    /// The earliest that it can be now: the date of issue, and with a TPM the powered time
    /// since the request on top. A clock that shows less is wrong.
    pub fn earliest_now(&self) -> Timestamp {
        self.tpm()
            .map_or(self.issued_at(), TpmStanding::earliest_now)
    }

    /// The license as the vendor issued it.
    pub fn verified(&self) -> &VerifiedLicense {
        &self.license
    }
}
