//! The license of this box: stored, checked against the TPM, requested and imported.
//!
//! Invariants: a [`BoundLicense`](sealgate_license::binding::BoundLicense) comes from a
//! proof that is seconds old; a refused import changes neither a file nor the counter; an
//! import cut short by a power failure is finished by the next check; a stored file that
//! can't be used never takes the pages down.
//!
//! Everything here blocks: run it on a thread of its own. Deliberately absent: async,
//! HTTP, and what the gate makes of the outcome.

mod box_licenses;
mod budget;
mod dongle_watch;
mod files;
mod import;
mod license_box;
mod other_bindings;
mod outcome;
mod request;
mod revocations;
mod statement;
#[cfg(test)]
mod table_doc;
mod tether;
mod time;
mod words;

pub use box_licenses::{BoxLicenses, Verdict};
pub use budget::{Patience, TransientBudget};
pub use dongle_watch::{DONGLE_COUNTDOWN, DongleStanding};
pub use files::LicenseFiles;
pub use import::{ImportError, ImportReport};
pub(crate) use license_box::is_mount_point;
pub use license_box::{BoxNames, LicenseBox};
pub use outcome::CheckOutcome;
pub use request::RequestError;
pub use statement::StatementError;
pub use time::ClockError;
pub use words::{date, state_problem, tpm_problem};
