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

/// Firmware whose first and last instructions, at the reset vector 16 bytes before its
/// end, write 0x10 to the debug-exit port.
const EXIT_CODE_AT_RESET: [u8; 4] = [0xb0, 0x10, 0xe6, 0xf4];
/// What QEMU then ends with: (0x10 << 1) | 1.
const EXIT_STATUS: i32 = 33;
/// It takes a tenth of a second; a machine that builds beside it may need more.
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

    /// QEMU's own words for it. Translated code runs in one host thread, whatever the number
    /// of the guest's processors: with a thread each, QEMU 7.2 now and then lets one run code
    /// that the other is changing (the kernel's jump labels), and the guest panics. A boot
    /// takes as long either way.
    pub fn arguments(self) -> [&'static str; 2] {
        match self {
            Self::Kvm => ["-accel", "kvm"],
            Self::Tcg => ["-accel", "tcg,thread=single"],
        }
    }

    /// A deadline stretched for this accelerator: `hardware` is what KVM is given.
    pub fn patience(self, hardware: Duration) -> Duration {
        match self {
            Self::Kvm => hardware,
            Self::Tcg => hardware * 6,
        }
    }

    /// Starts a machine with [`EXIT_CODE_AT_RESET`] and sees whether it gets to its exit.
    ///
    /// # Errors
    /// QEMU does not start, or the firmware cannot be written.
    pub async fn runs(self) -> Result<bool> {
        let folder = tempfile::tempdir().context("make a folder for the probe's firmware")?;
        let path = folder.path().join("firmware");
        let mut firmware = vec![0; 64 * 1024];
        let reset = firmware.len() - 16;
        firmware[reset..reset + EXIT_CODE_AT_RESET.len()].copy_from_slice(&EXIT_CODE_AT_RESET);
        std::fs::write(&path, firmware).context("write the probe's firmware")?;

        let mut child = Command::new("qemu-system-x86_64")
            .args(["-machine", "q35,smm=off", "-m", "32", "-nodefaults"])
            .args(["-display", "none", "-no-reboot"])
            .args(self.arguments())
            .args(["-cpu", "max"])
            .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4"])
            .arg("-bios")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("start qemu-system-x86_64")?;
        match timeout(PROBE_LIMIT, child.wait()).await {
            Ok(status) => {
                let status = status.context("wait for the probe")?;
                Ok(status.code() == Some(EXIT_STATUS))
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
