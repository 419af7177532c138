//! The vendor's keys: an offline root certifies dated issuing keys, and images pin roots.
//!
//! All of them are Ed25519 (RFC 8032), verified strictly; a file never chooses the
//! algorithm. Keys are made from seeds that the caller draws, stores and protects.

mod certificate;
mod keys;
mod revocation;
mod roots;

pub(crate) use certificate::SigningCertificate;
pub use certificate::{KeyCertificate, KeyCertificatePayload, VerifyError};
pub use keys::{IssueError, IssuingKey, RootKey, key_id};
pub use revocation::{
    RevocationList, RevocationListError, RevocationListPayload, VerifiedRevocationList,
};
pub use roots::{Flavour, Revocations, RootEntry, VendorRoots, VendorRootsError, VendorRootsFile};
