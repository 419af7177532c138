//! Harness and journeys: QEMU, swtpm, cameras, portal, browser.

pub mod attack;
pub mod bench;
pub mod boots;
pub mod browser;
pub mod client;
pub mod dongle;
pub mod evidence;
pub mod import_once;
pub mod journey;
pub mod licensing;
pub mod model;
pub mod never_deactivates;
pub mod power_cuts;
pub mod qemu;
pub mod strace;
pub mod supervisor_kills;
pub mod swtpm;
pub mod tour;
pub mod world;
