//! License dongles on the real PC/SC service, with tokens made of software.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed unwrap in a test's helper is a failed test"
)]

mod reader;
