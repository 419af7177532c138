//! License dongles: PIV tokens (NIST SP 800-73-4) over PC/SC.
//!
//! A dongle license names the public key in a token's slot 9E, card authentication, which
//! signs without a PIN. [`DongleReader`] asks every token that is plugged in for an answer
//! to a challenge, and gives the one that this key made; the kit makes of it a bound
//! license.
//!
//! Invariants: what a token or the PC/SC service says is bounded in size, in rounds and in
//! time, and is believed only as far as a signature proves it; a system without the
//! service, without a reader or without a token is an answer, never a failure to start.
//!
//! Deliberately absent: PINs, the management key and every command that changes a token.

mod error;
mod piv;
mod reader;
mod tlv;
mod token;

pub use error::{DongleError, DongleErrorKind};
pub use reader::DongleReader;
pub use token::{Answer, Token};
