//! What a request's TPM evidence is worth, judged without a TPM.
//!
//! - [`ek_roots`]: the TPM makers' roots that this portal believes.
//! - [`ek_certificate`]: an endorsement key's certificate, up to one of those roots.
//! - [`ek_template`]: the public areas that an endorsement key may have.
//! - [`make_credential`]: TPM2_MakeCredential in software.
//! - [`request_evidence`]: all of it for one request.
//!
//! Pure: randomness is an argument, and there is no clock. The dates in EK certificates
//! are deliberately not compared with anything. The TCG EK Credential Profile 2.5
//! (3.2.5) wants `notAfter` to outlive the device, 99991231235959Z at best, since the
//! certificate says who made the chip and never that somebody may do something until
//! then; chips with shorter dates are in the field, and their owners must not be locked
//! out of a box that has not changed. A maker's key that was lost is taken out of the
//! pinned roots by command.

pub mod ek_certificate;
pub mod ek_roots;
pub mod ek_template;
mod kdf;
pub mod make_credential;
pub mod request_evidence;
mod x509;

pub use ek_certificate::{EkCertificateError, EkIdentity, same_key, verify_ek};
pub use ek_roots::{EkRootError, EkRoots};
pub use ek_template::{EkTemplateError, canonical_ek};
pub use make_credential::{Credential, MakeCredentialError, make_credential};
pub use request_evidence::{EvidenceError, TpmIdentity, check_request};
