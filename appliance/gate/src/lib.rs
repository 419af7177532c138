//! Decides which cameras may stream, and why the others may not.
//!
//! Invariants, held by property tests: nothing opens without a license; never more
//! cameras open than the license has places; a camera opens only if its owner gave it a
//! place and the kernel's neighbour table ties its MAC address to its address; no two
//! MAC addresses open at one IP address, and no MAC address opens at two. A place that the
//! license gives to one MAC address is never another's, and that camera's first source
//! never takes a place that others could have. Free other-brand channels never hold an
//! own-brand camera, nor camera channels another brand's.
//!
//! The same inputs always give the same answer, whatever their order: when a license
//! shrinks, the cameras that their owner chose keep their places, then those that have
//! held them longest.
//!
//! Deliberately absent: input and output, a clock, state between calls, and every way
//! to open a camera without a [`BoundLicense`](sealgate_license::binding::BoundLicense). Days of
//! validity, grace and countdowns are settled before: while they close the gate, the
//! caller has no bound license to pass.

mod decide;
mod decision;
mod facts;
mod rights;

pub use decide::decide;
pub use decision::{Decision, Decisions, Places, Pool, Pools, Reason};
pub use facts::{Address, Assignment, Fact, Replacement, Whereabouts};
pub use rights::{holders, is_listed, places_of, replacements_left};
pub use sealgate_camera::Brand;
