//! Whether this machine can run guest code in hardware, found out by running some.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::time::timeout;

/// How QEMU executes the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// In hardware.
    Kvm,
    /// Translated by QEMU, many times slower: deadlines scale with [`Self::patience`].
    Tcg,
}

/// A boot sector of two instructions: it writes 0x10 to the debug-exit port.
const EXIT_SECTOR: [u8; 4] = [0xb0, 0x10, 0xe6, 0xf4];
/// What QEMU then ends with: (0x10 << 1) | 1.
const EXIT_CODE: i32 = 33;
/// The firmware needs well under a second in hardware and about one under TCG.
const PROBE_LIMIT: Duration = Duration::from_secs(15);

impl Accelerator {
    /// The best that works here; tried once per process. `/dev/kvm` proves nothing: on
    /// some nested machines it opens and makes a virtual machine that dies at its first
    /// instruction.
    pub async fn probe() -> Self {
        static FOUND: OnceCell<Accelerator> = OnceCell::const_new();
        *FOUND
            .get_or_init(|| async {
                if Path::new("/dev/kvm").exists() && Self::Kvm.runs().await.unwrap_or(false) {
                    Self::Kvm
                } else {
                    Self::Tcg
                }
            })
            .await
    }

    /// QEMU's own words for it.
    pub fn arguments(self) -> [&'static str; 4] {
        match self {
            Self::Kvm => ["-accel", "kvm", "-cpu", "max"],
            Self::Tcg => ["-accel", "tcg,thread=multi", "-cpu", "max"],
        }
    }

    /// A deadline stretched for this accelerator: `hardware` is what KVM is given.
    pub fn patience(self, hardware: Duration) -> Duration {
        match self {
            Self::Kvm => hardware,
            Self::Tcg => hardware * 6,
        }
    }

    /// Boots [`EXIT_SECTOR`] and sees whether it got as far as its exit.
    ///
    /// # Errors
    /// QEMU does not start, or the sector cannot be written.
    pub async fn runs(self) -> Result<bool> {
        let folder = tempfile::tempdir().context("make a folder for the probe's disk")?;
        let disk = folder.path().join("disk");
        let mut sector = [0; 512];
        sector[..EXIT_SECTOR.len()].copy_from_slice(&EXIT_SECTOR);
        sector[510..].copy_from_slice(&[0x55, 0xaa]);
        std::fs::write(&disk, sector).context("write the probe's disk")?;

        let mut child = Command::new("qemu-system-x86_64")
            .args(["-machine", "q35,smm=off", "-m", "32", "-nodefaults"])
            .args(["-display", "none", "-no-reboot"])
            .args(self.arguments())
            .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4"])
            .arg("-drive")
            .arg(format!("file={},format=raw", disk.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("start qemu-system-x86_64")?;
        match timeout(PROBE_LIMIT, child.wait()).await {
            Ok(status) => {
                let status = status.context("wait for the probe")?;
                Ok(status.code() == Some(EXIT_CODE))
            }
            // A guest that hangs runs no guest code either; dropping ends it.
            Err(_) => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_probe_tells_a_guest_that_runs_from_one_that_does_not() {
        assert!(Accelerator::Tcg.runs().await.unwrap());
    }

    #[tokio::test]
    async fn something_works_here() {
        let found = Accelerator::probe().await;
        assert!(found.runs().await.unwrap(), "{found:?}");
    }
}
