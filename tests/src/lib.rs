//! Harness and journeys: QEMU, swtpm, cameras, portal, browser.

pub mod attack;
pub mod client;
pub mod evidence;
pub mod qemu;
pub mod world;
