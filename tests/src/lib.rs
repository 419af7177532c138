//! Harness and journeys: QEMU, swtpm, cameras, portal, browser.

pub mod swtpm;
