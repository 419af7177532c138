//! Harness and journeys: QEMU, swtpm, cameras, portal, browser.

pub mod attack;
pub mod browser;
pub mod client;
pub mod dongle;
pub mod evidence;
pub mod journey;
pub mod model;
pub mod qemu;
pub mod swtpm;
pub mod tour;
pub mod world;
