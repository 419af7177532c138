//! Power cuts: within an import, of the TPM, and of the whole supervisor.
//!
//! After each the box has either the old or the new license: never none, never both.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed unwrap in a test's helper is a failed test"
)]

#[allow(dead_code, reason = "shared with the tests of the TPM")]
#[path = "../tpm/bench.rs"]
mod bench;
mod disk_errors;
#[allow(dead_code, reason = "shared with the tests of the TPM")]
#[path = "../tpm/proxy.rs"]
mod proxy;
mod stage;
mod system_calls;
mod tpm_kills;
