//! The portal rules: which license file a request gets, and what it costs.
//!
//! Pure: plain structs in, plain structs out; no SQL, no clock, no signatures. What
//! comes in here was checked before: the counter by the TPM's attestation (which needs
//! no HMAC, as a key outside a genuine TPM never activates a license) and the proof by
//! the license's activation secret. Time is part of an [`Observation`].
//!
//! One [`Row`] is one (endorsement key, attestation key) pair. The invariants, which
//! `tests/rules_world.rs` plays against an owner who keeps every file and every secret,
//! and which `sealgate-lab model` explores state by state:
//!
//! - `charged` is never below what any license gives that the TPM could still import, or
//!   that runs in the box's grace window, unless the portal has forgotten licenses
//!   ([`Forgotten`]) and until it has caught up;
//! - `to` values of one row are multiples of the spacing and strictly increase;
//! - an honest owner who lost his disk always gets his newest license again;
//! - an honest owner who gives channels back is charged for the rest only.
//!
//! Deliberately absent: balances (the ledger's), tenants and accounts (the store's).

mod counts;
mod decide;
pub mod dongle;
mod forgotten;
pub mod mac;
mod row;
mod term;
mod write_off;

pub use counts::Counts;
pub use decide::{Answer, Ask, Decision, NewLicense, answer, decide, upload};
pub use forgotten::Forgotten;
pub use row::{Issued, Observation, Refusal, Row};
pub use term::{TERM_SLACK_S, Term, TrialPolicy, TrialRefusal};
pub use write_off::{Custody, RAISED_ABOVE};

/// `to` values are multiples of this, so that the box's grace of two increments never
/// reaches from one license to the next.
pub const SPACING: u64 = sealgate_license::binding::LICENSE_TO_SPACING;

/// At most this many licenses of a row may wait for import.
pub const MAX_OUTSTANDING: usize = 16;

/// One more may wait when it only repeats what the box had.
pub const REISSUE_SLOTS: usize = 1;

/// A box refuses a license that is further ahead of its counter than this.
pub const MAX_AHEAD: u64 = sealgate_license::binding::IMPORT_MAX_AHEAD;

/// An active license outlives this many further increments of its counter.
pub const GRACE: u64 = sealgate_license::binding::GRACE_MAX_AHEAD;

/// A counter above this is no TPM's: at one increment a second it is 10^11 years away.
/// It leaves the arithmetic here, and SQL's signed integers, room.
pub const MAX_COUNTER: u64 = 1 << 62;

/// The rules at one scale. Their text is the same at every scale; a model in which
/// fewer licenses may wait, nearer together, can be explored further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    spacing: u64,
    max_outstanding: usize,
    reissue_slots: usize,
}

impl Rules {
    /// What the portal uses.
    pub const PRODUCT: Self = Self::scaled(SPACING, MAX_OUTSTANDING);

    /// The rules with other numbers.
    ///
    /// # Panics
    /// The numbers would let a box's grace reach from one license to the next, or leave
    /// no license at all.
    pub const fn scaled(spacing: u64, max_outstanding: usize) -> Self {
        assert!(spacing > GRACE && max_outstanding > 0);
        Self {
            spacing,
            max_outstanding,
            reissue_slots: REISSUE_SLOTS,
        }
    }

    /// How far the highest `to` is above the attested counter at most, as long as nothing
    /// was forgotten: each waiting license is one spacing above the one before.
    pub const fn window(&self) -> u64 {
        (self.max_outstanding + self.reissue_slots) as u64 * self.spacing
    }

    /// How far `to` is above the request's counter at least, once licenses were
    /// forgotten. See [`Forgotten`].
    pub const fn gap(&self) -> u64 {
        self.window()
    }

    /// The first usable `to` above `counter`.
    fn next_to(&self, counter: u64) -> u64 {
        (counter / self.spacing + 1) * self.spacing
    }
}

// The box takes what the rules make, also behind a gap.
const _: () = assert!(Rules::PRODUCT.gap() + Rules::PRODUCT.window() + SPACING <= MAX_AHEAD);
