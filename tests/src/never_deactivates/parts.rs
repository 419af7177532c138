//! What is changed about a box.

use std::path::{Path, PathBuf};

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use sealgate_base::{Clock as _, SystemClock};

use crate::qemu::{DiskController, Image, Machine};

/// One change.
#[derive(Debug, Clone)]
pub struct Change {
    name: &'static str,
    how: fn(&mut Machine),
    /// The folder of the image whose system is installed.
    system: Option<PathBuf>,
}

/// Everything that can be changed at once.
pub fn everything() -> Change {
    change(
        "board, firmware tables, memory, processors, display, network cards, disk \
         controller, TPM interface, command line, time zone, clock + 5 years: all at once",
        |machine| {
            let hardware = &mut machine.hardware;
            hardware.machine = "pc";
            hardware.memory_mib = 1536;
            hardware.cpu = "Nehalem";
            hardware.cpus = 1;
            hardware.display = Some("VGA,addr=0x2");
            hardware.nic = "vmxnet3";
            hardware.nic_batch = 0xb7;
            hardware.disk = DiskController::VirtioScsi;
            hardware.tpm = "tpm-tis";
            hardware.clock = Some(years_ahead(5));
            hardware.smbios = OTHER_BOARD.to_vec();
            machine.append += LOCALE;
        },
    )
}

const OTHER_BOARD: [&str; 3] = [
    "type=0,vendor=Other BIOS,version=9.9",
    "type=1,manufacturer=Other,product=Mainboard 2,serial=X-99,\
     uuid=11111111-2222-3333-4444-555555555555",
    "type=2,manufacturer=Other,product=Board 2,serial=Y-77",
];
const LOCALE: &str = " locale.LANG=ja_JP.UTF-8 systemd.setenv=TZ=Asia/Tokyo";

fn change(name: &'static str, how: fn(&mut Machine)) -> Change {
    Change {
        name,
        how,
        system: None,
    }
}

/// Each change by itself, then all together; `own` and `other_kernel` are folders of
/// images, of which the second has another kernel.
pub fn changes(own: &Path, other_kernel: Option<&Path>) -> Vec<Change> {
    let mut changes = vec![
        change("nothing: switched off and on", |_| {}),
        change("memory doubled", |m| m.hardware.memory_mib = 2048),
        change("memory reduced", |m| m.hardware.memory_mib = 768),
        change("processor of another maker, one core", |m| {
            m.hardware.cpu = "Nehalem";
            m.hardware.cpus = 1;
        }),
        change("processor of another model, four cores", |m| {
            m.hardware.cpu = "Opteron_G3";
            m.hardware.cpus = 4;
        }),
        change("network cards of the same model replaced", |m| {
            m.hardware.nic_batch = 0xc3;
        }),
        change("network cards of another model", |m| {
            m.hardware.nic = "vmxnet3";
            m.hardware.nic_batch = 0xd4;
        }),
        change("a display device (VGA)", |m| {
            m.hardware.display = Some("VGA,addr=0x2");
        }),
        change("another display device (virtio)", |m| {
            m.hardware.display = Some("virtio-vga,addr=0x2");
        }),
        change("disk on NVMe", |m| m.hardware.disk = DiskController::Nvme),
        change("disk on SATA (AHCI)", |m| {
            m.hardware.disk = DiskController::Onboard;
        }),
        change("disk on virtio-scsi", |m| {
            m.hardware.disk = DiskController::VirtioScsi;
        }),
        change("disk on a paravirtual SCSI adapter", |m| {
            m.hardware.disk = DiskController::PvScsi;
        }),
        change("chipset i440FX with IDE instead of Q35", |m| {
            m.hardware.machine = "pc";
            m.hardware.disk = DiskController::Onboard;
        }),
        change("board and BIOS names, serial numbers and UUID", |m| {
            m.hardware.smbios = OTHER_BOARD.to_vec();
        }),
        change("UEFI firmware instead of BIOS", |m| m.hardware.uefi = true),
        change("TPM on the TIS interface instead of CRB", |m| {
            m.hardware.tpm = "tpm-tis";
        }),
        change("kernel's command line", |m| {
            m.append += " mitigations=off nokaslr loglevel=6 panic=60";
        }),
        change("boot order", |m| {
            m.hardware.more = vec!["-boot", "order=nac"]
        }),
        change("language and time zone", |m| m.append += LOCALE),
        change("clock one year ahead", |m| {
            m.hardware.clock = Some(years_ahead(1));
        }),
        change("clock ten years ahead", |m| {
            m.hardware.clock = Some(years_ahead(10));
        }),
        everything(),
    ];
    if let Some(other) = other_kernel {
        for (name, folder) in [
            ("system replaced by one with another kernel", other),
            ("its own system installed again", own),
        ] {
            changes.push(Change {
                system: Some(folder.to_owned()),
                ..change(name, |_| {})
            });
        }
    }
    changes
}

/// For QEMU's `-rtc base=`.
fn years_ahead(years: i64) -> String {
    let ahead = SignedDuration::from_hours(years * 365 * 24);
    let then = now().saturating_add(ahead).unwrap_or(Timestamp::MAX);
    then.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

pub(super) fn now() -> Timestamp {
    Timestamp::from_millisecond(SystemClock::new().utc_ms()).unwrap_or(Timestamp::MAX)
}

impl Change {
    /// In words.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Changes a machine that is off.
    ///
    /// # Errors
    /// There is no such image, or the disk can't be written.
    pub fn apply(&self, machine: &mut Machine) -> Result<()> {
        (self.how)(machine);
        if let Some(folder) = &self.system {
            machine.image = Image::open(folder)?;
            machine.image.write_system(&machine.disk)?;
        }
        Ok(())
    }
}
