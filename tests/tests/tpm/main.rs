//! The TPM and the license on a real software TPM (swtpm).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed unwrap in a test's helper is a failed test"
)]

mod bench;
mod boot;
mod cli;
mod cuts;
mod identity;
mod import;
mod make_credential;
mod other_bindings;
mod owner;
mod proxy;
mod qualify;
mod request;
mod statements;
mod states;
mod troubles;
