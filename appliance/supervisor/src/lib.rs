//! The licensing supervisor: the process that decides what a box may record.
//!
//! It wires the rooms of the box: the license desk (TPM), the camera desk (gate and
//! recorder), the pages. Invariants: the pages come up whatever is wrong with TPM, license
//! or recorder, and say so; nothing opens before the first license check has ended.
//! Deliberately absent: video (the recorder's), and rules about licenses (the kit's).

pub mod alarm_desk;
pub mod camera_desk;
mod camera_facts;
pub mod channel_settings;
pub mod config;
pub mod license;
pub mod license_desk;
pub mod locked;
mod motion_desk;
pub mod onvif_desk;
mod passwords;
pub mod replacements;
pub mod rooms;
pub mod setup_code;
pub mod traffic_desk;
mod wiring;

pub use wiring::{close_gate, run};
