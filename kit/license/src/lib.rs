//! The wire contract of box and portal: documents, signatures, binding proofs.
//!
//! The types carry what was proven, and each step is the only way to the next:
//! [`SignedLicense`](license_document::SignedLicense) was read,
//! [`VerifiedLicense`](license_document::VerifiedLicense) was issued by the vendor,
//! [`BoundLicense`](binding::BoundLicense) holds on this box now. Likewise
//! [`UnsignedRequest`](request_document::UnsignedRequest),
//! [`SignedRequest`](request_document::SignedRequest),
//! [`VerifiedRequest`](request_document::VerifiedRequest).
//!
//! Invariants: nothing read here panics or grows beyond the file's size; an algorithm
//! is never chosen by the file; every refusal has a stable code.
//!
//! Deliberately absent: I/O, clocks, randomness (all are arguments), async, and any TPM
//! library: the box brings what its TPM answered, and the portal checks it in software.

pub mod attestation;
pub mod attestation_quote;
pub mod binding;
pub mod clock;
mod counter_signature;
pub mod dsse;
mod encoding;
pub mod entitlements;
pub mod license_document;
pub mod request_document;
pub mod state;
pub mod statement_document;
pub mod tpm_wire;
pub mod vendor;
