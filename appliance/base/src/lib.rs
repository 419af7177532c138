//! What every process on the box needs: time, shutdown, durable files, logs, the word to systemd.
//!
//! Invariants: no code asks the operating system for the time but through a [`Clock`], so
//! tests never sleep; a file written by [`write_durably`] is either the old or the new one
//! after a power cut, never a mixture. Deliberately absent: configuration and anything that
//! knows what a camera or a license is.

mod clock;
mod durable;
mod logs;
pub mod service;
mod shutdown;

pub use clock::{Clock, FakeClock, SystemClock};
pub use durable::{
    DurableError, read_at_most, remove_durably, rename_durably, sync_folder, write_durably,
};
pub use logs::{LogsError, set_up_logs};
pub use shutdown::{Shutdown, ShutdownTrigger};
