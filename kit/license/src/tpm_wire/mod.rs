//! The few TPM 2.0 structures that cross between box and portal, in their wire form.
//!
//! TPM 2.0 Library, Part 2 (structures). Reading is bounded and never panics; numbers
//! are big-endian. Deliberately absent: commands, sessions, and any structure that the
//! license does not need.

mod attest;
mod names;
mod public;
mod quote;
mod reader;

pub use attest::{Attest, EcdsaSignature, NvCertifyInfo};
pub use names::{
    COUNTER_ATTRIBUTES, COUNTER_INDEX, COUNTER_SIZE_BYTES, HashAlgorithm, NV_AUTHREAD,
    NV_AUTHWRITE, NV_NO_DA, NV_NT_COUNTER, NV_OWNERREAD, NV_WRITTEN, TpmName, counter_name,
    endorsement_primary_qualified_name,
};
pub use public::{
    AK_ATTRIBUTES, AK_TEMPLATE, AK_UNIQUE_X, AkError, EccCurve, FIXED_PARENT, FIXED_TPM, NO_DA,
    RESTRICTED, SENSITIVE_DATA_ORIGIN, SIGN_ENCRYPT, Scheme, TpmKey, TpmPublic, USER_WITH_AUTH,
    check_ak, {ADMIN_WITH_POLICY, DECRYPT},
};
pub use quote::{PcrSelection, QuoteAttest};
pub use reader::WireError;
