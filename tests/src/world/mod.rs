//! What a journey happens in: cameras, a portal, a box, and the networks between.

pub mod another_box;
pub mod cameras;
pub mod host_box;
pub(crate) mod lab;
pub mod licensed_vm;
pub mod namespaces;
pub mod portal;
pub mod process;
pub mod relay;
pub mod vm_box;

pub(crate) use lab::tpm_folder;
pub use lab::{Kind, Lab, Places, TpmChoice};

use serde::Serialize;

/// Takes the gate's rules away for as long as it runs.
const FLUSHING: &str = "while nft flush ruleset; do sleep 0.01; done";

/// What a boot shows about itself.
#[derive(Debug, Clone, Default, Serialize)]
pub struct BootFacts {
    /// When the gate was closed, microseconds on one clock.
    pub gate_closed_at_us: Option<u64>,
    /// When the camera port came up, microseconds on the same clock.
    pub camera_link_up_at_us: Option<u64>,
    /// What else was looked at.
    pub expectations: Vec<Expectation>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Expectation {
    /// What.
    pub what: &'static str,
    /// What was there.
    pub found: String,
    /// What must be there.
    pub expected: &'static str,
}

/// Memory of the box's processes.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ResidentKib {
    /// The supervisor's.
    pub supervisor: u64,
    /// The recorder's.
    pub recorder: u64,
}
