//! The box as the lab image in QEMU.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::prelude::{BASE64_STANDARD, Engine};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::namespaces::Switch;
use super::process::resident_kib;
use super::{BootFacts, Expectation, ResidentKib};
use crate::qemu::{Accelerator, CameraNetwork, Hardware, Image, Machine, Qemu};

/// What one look inside may take on real hardware.
const LOOK: Duration = Duration::from_secs(20);

/// A box that is switched on and off; its disk stays.
#[derive(Debug)]
pub struct VmBox {
    running: Option<Qemu>,
    machine: Machine,
    folder: PathBuf,
    web_port: u16,
    accelerator: Accelerator,
}

impl VmBox {
    /// The hardware address of its camera port.
    pub const CAMERA_MAC: &'static str = "52:54:00:5e:a1:04";

    /// A box as it leaves the factory, switched off.
    ///
    /// # Errors
    /// There is no lab image, or no room for its disk.
    pub async fn new(image: &Path, folder: &Path) -> Result<Self> {
        let image = Image::open(image)?;
        let disk = folder.join("disk.img");
        image.copy_disk(&disk)?;
        Ok(Self {
            running: None,
            machine: Machine {
                image,
                disk,
                tpm_state: None,
                cameras: None,
                web_port: 0,
                logs: folder.to_owned(),
                append: String::new(),
                from_disk: false,
                hardware: Hardware::default(),
                recording: None,
            },
            folder: folder.to_owned(),
            web_port: 0,
            accelerator: Accelerator::probe().await,
        })
    }

    /// Switches it on, with its camera port in `switch` and the TPM of this folder, or none.
    ///
    /// # Errors
    /// QEMU does not start.
    pub async fn power_on(&mut self, switch: &Switch, tpm: Option<&Path>) -> Result<()> {
        self.machine.tpm_state = tpm.map(|folder| folder.join("state"));
        self.machine.cameras = Some(CameraNetwork {
            namespace: switch.namespace().name().to_owned(),
            bridge: "bridge".to_owned(),
        });
        let running = self.machine.start().await?;
        self.web_port = running.web_port();
        // The same address after the next start, for whoever has the page open.
        self.machine.web_port = running.web_port();
        self.running = Some(running);
        Ok(())
    }

    /// The machine, to change while it is off: parts, command line, recording.
    pub fn machine(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// The power fails: nothing is written any more.
    pub fn cut_power(&mut self) {
        if let Some(running) = self.running.take() {
            running.cut_power();
        }
    }

    /// Waits until it restarts by itself; it is off then.
    ///
    /// # Errors
    /// It is off, or does not restart in time.
    pub async fn goes_down(&mut self, within: Duration) -> Result<()> {
        let running = self.running.take().context("the box is off")?;
        running.ended(within).await
    }

    /// Shuts it down the clean way.
    ///
    /// # Errors
    /// It did not go down in time.
    pub async fn power_off(&mut self) -> Result<()> {
        match self.running.take() {
            Some(running) => running.power_off().await,
            None => Ok(()),
        }
    }

    /// Restarts it the clean way, the machine staying on.
    ///
    /// # Errors
    /// It did not go down in time, or is off.
    pub async fn reboot(&mut self) -> Result<()> {
        self.running()?.reboot().await
    }

    /// Fails with the end of QEMU's log if it is not on.
    ///
    /// # Errors
    /// QEMU ended, or was never started.
    pub fn must_be_running(&mut self) -> Result<()> {
        self.running()?.must_be_running()
    }

    /// What executes the guest.
    pub fn accelerator(&self) -> Accelerator {
        self.accelerator
    }

    /// Where a browser on this machine finds the pages.
    pub fn pages_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.web_port)
    }

    /// The rest of the first console line of this boot that has `prefix` in it.
    ///
    /// # Errors
    /// The box ended or panicked, or the line did not come in time.
    pub async fn console_says(&mut self, prefix: &str, within: Duration) -> Result<String> {
        self.running()?.wait_for_line(prefix, within).await
    }

    /// The serial console's log.
    pub fn console(&self) -> PathBuf {
        self.folder.join("serial.log")
    }

    fn running(&mut self) -> Result<&mut Qemu> {
        self.running.as_mut().context("the box is off")
    }

    /// Runs a command inside, as root, over the lab image's own shell; what it said.
    ///
    /// # Errors
    /// The box is off, does not answer, or the command failed.
    pub async fn look(&mut self, command: &str) -> Result<String> {
        let within = self.accelerator.patience(LOOK);
        let socket = self.running()?.shell().to_owned();
        let answer = async {
            let stream = UnixStream::connect(&socket)
                .await
                .context("connect to the box's lab shell")?;
            let mut stream = BufReader::new(stream);
            let line = format!("{command}\n");
            stream
                .write_all(line.as_bytes())
                .await
                .context("write to the box's lab shell")?;
            let mut answer = String::new();
            loop {
                answer.clear();
                let read = stream.read_line(&mut answer).await;
                ensure!(
                    read.context("read from the box's lab shell")? > 0,
                    "the box's lab shell closed"
                );
                // Whatever stood in the line's buffer before us is not ours.
                if let Some((_, answer)) = answer.trim().split_once("lab ") {
                    return Ok(answer.to_owned());
                }
            }
        };
        let answer = tokio::time::timeout(within, answer)
            .await
            .with_context(|| format!("the box did not answer {command:?} within {within:?}"))??;
        let (status, said) = answer.split_once(' ').unwrap_or((&answer, ""));
        let said = BASE64_STANDARD
            .decode(said)
            .context("decode what the box said")?;
        let said = String::from_utf8_lossy(&said).into_owned();
        ensure!(
            status == "0",
            "in the box, {command:?} failed ({status}): {said}"
        );
        Ok(said)
    }

    /// What the boot shows about itself: root, TPM, and the order of gate and link.
    ///
    /// # Errors
    /// The box does not answer.
    pub async fn boot_facts(&mut self, with_tpm: bool) -> Result<BootFacts> {
        // Both times are microseconds since the kernel started; networkd logs the moment
        // the port comes up.
        let closed = self
            .look("systemctl show -P ExecMainExitTimestampMonotonic sealgate-gate.service")
            .await?;
        let network = self
            .look("journalctl -o json -u systemd-networkd --output-fields=MESSAGE")
            .await?;
        let kernel = self.look("dmesg").await?;
        let verity = kernel.contains("device-mapper: verity: sha256");
        let mut expectations = vec![Expectation {
            what: "dm-verity in the kernel's log",
            found: if verity { "there" } else { "none" }.to_owned(),
            expected: "there",
        }];
        let looks = [
            ("init", "cat /proc/1/comm", "systemd"),
            ("root file system", "findmnt -n -o FSTYPE /", "erofs"),
            ("root device", "cat /sys/block/dm-0/dm/name", "sealgate"),
            (
                "camera port's unit",
                "systemctl is-active sealgate-port@cam0.service",
                "active",
            ),
            (
                "time for cameras",
                "systemctl is-active sealgate-time.service",
                "active",
            ),
            (
                "failed units",
                "systemctl list-units --failed -q --plain",
                "",
            ),
            (
                "TPM device",
                "test -c /dev/tpmrm0 && echo there || echo none",
                if with_tpm { "there" } else { "none" },
            ),
        ];
        for (what, command, expected) in looks {
            let found = self.look(command).await?;
            expectations.push(Expectation {
                what,
                found: found.trim().to_owned(),
                expected,
            });
        }
        Ok(BootFacts {
            gate_closed_at_us: closed.trim().parse().ok(),
            camera_link_up_at_us: logged_at_us(&network, "cam0: Link UP"),
            expectations,
        })
    }

    /// Takes the gate's rules out of the kernel, as somebody with root might.
    ///
    /// # Errors
    /// The box does not answer.
    pub async fn flush_gate_rules(&mut self) -> Result<()> {
        self.look("nft flush ruleset").await.map(drop)
    }

    /// Does so again and again until the box is switched off: quicker than they are put back.
    ///
    /// # Errors
    /// The box does not answer.
    pub async fn keep_flushing_gate_rules(&mut self) -> Result<()> {
        let flushing = format!("({}) >/dev/null 2>&1 &", super::FLUSHING);
        self.look(&flushing).await.map(drop)
    }

    /// Resident memory of its two processes.
    ///
    /// # Errors
    /// The box does not answer.
    pub async fn resident_kib(&mut self) -> Result<ResidentKib> {
        let mut kib = [0; 2];
        for (kib, unit) in kib.iter_mut().zip(["supervisor", "recorder"]) {
            let command = format!("cat /proc/$(systemctl show -P MainPID sealgate-{unit})/status");
            let status = self.look(&command).await?;
            *kib = resident_kib(&status).context("read a process's memory")?;
        }
        Ok(ResidentKib {
            supervisor: kib[0],
            recorder: kib[1],
        })
    }
}

/// When the first log entry with this message was made, from `journalctl -o json`.
fn logged_at_us(entries: &str, message: &str) -> Option<u64> {
    entries
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find(|entry| entry["MESSAGE"] == message)?["__MONOTONIC_TIMESTAMP"]
        .as_str()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_first_time_of_a_message() {
        let entries = r#"{"MESSAGE":"lan0: Link UP","__MONOTONIC_TIMESTAMP":"37690058"}
{"MESSAGE":"cam0: Link UP","__MONOTONIC_TIMESTAMP":"37838438"}
{"MESSAGE":"cam0: Link UP","__MONOTONIC_TIMESTAMP":"99999999"}"#;
        assert_eq!(logged_at_us(entries, "cam0: Link UP"), Some(37_838_438));
        assert_eq!(logged_at_us(entries, "cam1: Link UP"), None);
    }
}
