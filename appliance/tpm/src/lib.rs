//! The only crate that talks to the TPM: identity, proof, counter.
//!
//! Invariants: every operation opens its own connection and leaves nothing behind in the
//! TPM (keys and sessions are flushed on errors too, so a crash of the box can't fill it);
//! the attestation key is derived from its frozen template each time and never stored;
//! everything made here carries noDA, so power cuts lead to no lockout; one PCR is used, to
//! see whether another box has the same TPM, and nothing else of the platform's state.
//! Answers are untrusted: sizes are bounded, and what is proven is judged by
//! `sealgate-license`, not here.
//!
//! Deliberately absent: TPM2_Clear (but for [`qualify`], where a person asked for it), any change of hierarchy passwords, and the license
//! itself. All calls block; a discrete TPM can take many seconds for an RSA key.

mod address;
mod counter;
mod der;
mod ek;
mod error;
mod identity;
mod pcr;
pub mod qualify;
mod raw;
mod rc;
mod tpm;

pub use address::{AddressError, TpmAddress};
pub use counter::CounterProof;
pub use ek::EkKind;
pub use error::{TpmError, TpmErrorKind};
pub use identity::Identity;
pub use pcr::{PcrQuote, SHARING_PCR};
pub use raw::RawError;
pub use tpm::{Tpm, TpmFacts};
