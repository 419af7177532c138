//! The portal rules: which license file a request gets, and what it costs.
//!
//! Pure: plain structs in, plain structs out; no SQL, no clock, no signatures. What
//! comes in here was checked before: the counter by the TPM's attestation (which needs
//! no HMAC, as a key outside a genuine TPM never activates a license) and the proof by
//! the license's activation secret.
//!
//! One [`Row`] is one (endorsement key, attestation key) pair. The invariants, which
//! `tests/rules_world.rs` plays against an owner who keeps every file and every secret:
//!
//! - `charged` is never below what any license gives that the TPM could still import, or
//!   that runs in the box's grace window;
//! - `to` values of one row are multiples of [`SPACING`] and strictly increase;
//! - an honest owner who lost his disk always gets his newest license again.
//!
//! Deliberately absent: balances (the ledger's), tenants and accounts (the store's).

mod counts;
mod decide;
mod row;

pub use counts::Counts;
pub use decide::{Answer, Ask, Decision, NewLicense, answer, decide, upload};
pub use row::{Issued, Observation, Refusal, Row};

/// `to` values are multiples of this, so that the box's grace of two increments never
/// reaches from one license to the next.
pub const SPACING: u64 = 8;

/// At most this many licenses of a row may wait for import.
pub const MAX_OUTSTANDING: usize = 16;

/// One more may wait when it only repeats what the box had.
pub const REISSUE_SLOTS: usize = 1;

/// A box refuses a license that is further ahead of its counter than this.
pub const MAX_AHEAD: u64 = 512;

/// A counter above this is no TPM's: at one increment a second it is 10^11 years away.
/// It leaves the arithmetic here, and SQL's signed integers, room.
pub const MAX_COUNTER: u64 = 1 << 62;
