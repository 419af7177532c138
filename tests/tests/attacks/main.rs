//! The numbered attacks of `docs/attacks.md`, each played on software TPMs against the
//! supervisor's license code and the portal's desk. Each test shows both sides: nothing
//! opens that is not charged, and the honest owner keeps, or gets back, what is his.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed unwrap in a test's helper is a failed test"
)]

mod counters;
mod disks;
mod files;
mod hardware;
mod keys;
mod limits;
mod portals;
mod table;
mod times;
mod vendors;

use sealgate_portal::desk::DeskError;

/// The code with which the portal refuses.
#[track_caller]
fn refused(result: Result<sealgate_tests::licensing::License, DeskError>) -> &'static str {
    match result {
        Ok(license) => panic!("issued: {license:?}"),
        Err(error) => error.code(),
    }
}
