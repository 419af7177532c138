//! Whether a boot is a good one, which the loader is told once it is.
//!
//! Data mounted, identity readable, the gate's rules in the kernel, the pages answering. A
//! version on trial that does not get there in time says why and is restarted; after its
//! last try the loader starts the one before.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::programs::run;

const PAUSE: Duration = Duration::from_secs(2);

/// What does not hold, from the words catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unwell {
    /// Licenses can't be read.
    #[error("the state partition is not mounted")]
    NoState,
    /// Nothing records.
    #[error("the data partition is not mounted")]
    NoData,
    /// Cameras are not held back.
    #[error("the gate's rules are not in the kernel")]
    NoGate,
    /// License and identity don't answer.
    #[error("the supervisor does not answer about its license")]
    NoLicense,
    /// Nobody can see the box.
    #[error("the pages do not answer")]
    NoPages,
}

impl Unwell {
    /// The code in the words catalog.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoState => "SG-UPD-021",
            Self::NoData => "SG-UPD-022",
            Self::NoGate => "SG-UPD-023",
            Self::NoLicense => "SG-UPD-024",
            Self::NoPages => "SG-UPD-025",
        }
    }
}

/// Looks once.
///
/// # Errors
/// The first thing that does not hold.
pub fn look() -> Result<(), Unwell> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    if !is_mounted(&mounts, "/state") {
        return Err(Unwell::NoState);
    }
    if !is_mounted(&mounts, "/var") {
        return Err(Unwell::NoData);
    }
    let tables = run("nft", &["list", "tables"], b"").unwrap_or_default();
    if !tables.contains(" sealgate") {
        return Err(Unwell::NoGate);
    }
    run("sealgate", &["license", "status", "--json"], b"").map_err(|_| Unwell::NoLicense)?;
    TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, 443).into(), PAUSE)
        .map(drop)
        .map_err(|_| Unwell::NoPages)
}

/// Looks until all holds, or for so long.
///
/// # Errors
/// What did not hold at the end.
#[expect(
    clippy::disallowed_methods,
    reason = "a program that does this alone, and no event tells that all is well"
)]
pub fn wait(patience: Duration) -> Result<(), Unwell> {
    let began = Instant::now();
    loop {
        match look() {
            Err(_) if began.elapsed() < patience => sleep(PAUSE),
            outcome => return outcome,
        }
    }
}

fn is_mounted(mounts: &str, place: &str) -> bool {
    mounts
        .lines()
        .any(|line| line.split(' ').nth(4) == Some(place))
}

/// Whether the loader counts this boot: the running version is on trial.
pub fn on_trial() -> bool {
    Path::new("/sys/firmware/efi/efivars/LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f")
        .exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_found_by_its_place() {
        let mounts = "28 1 252:0 / / ro - erofs /dev/dm-0 ro\n\
                      40 28 252:1 / /var rw,nosuid - ext4 /dev/mapper/data rw\n";
        assert!(is_mounted(mounts, "/var"));
        assert!(!is_mounted(mounts, "/state"));
        assert!(!is_mounted("", "/var"));
    }
}
