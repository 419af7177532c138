//! What on the box needs root: updates in two slots, the encrypted data partition, and
//! whether a boot is a good one.
//!
//! The supervisor has no root. It asks over a socket ([`link`]), one request a connection;
//! systemd starts `sealgate-system` for each. All of it can also be asked by hand, from the
//! lab's shell or a recovery system.
//!
//! Invariants: what is written to a slot was signed by the vendor, is not older than the
//! running version's floor, and never touches the slot that runs; the name by which the
//! loader finds it appears last. Data is formatted only where there was never any.
//! Deliberately absent: network, configuration, anything that knows licenses or cameras.

pub mod bundle;
pub mod data;
pub mod esp;
pub mod health;
pub mod link;
pub mod programs;
pub mod report;
pub mod slots;
pub mod update;
pub mod version;
