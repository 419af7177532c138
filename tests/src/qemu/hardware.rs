//! What an emulated box is made of, besides its disk and its TPM.
//!
//! None of this may matter to a license. PCI slots are part of the harness: the lab image
//! names its ports by slot, 3 for the owner's and 4 for the cameras', whatever is in it.

/// Where the disk is plugged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskController {
    /// virtio-blk on PCI.
    VirtioBlk,
    /// virtio-scsi on PCI.
    VirtioScsi,
    /// VMware's paravirtual SCSI.
    PvScsi,
    /// NVM Express.
    Nvme,
    /// The SATA ports of the chipset (q35), or its IDE ports (pc).
    Onboard,
}

/// A box's parts.
#[derive(Debug, Clone)]
pub struct Hardware {
    /// QEMU's machine type, for example `q35`.
    pub machine: &'static str,
    /// QEMU's processor model; one that the accelerator can run.
    pub cpu: &'static str,
    /// Processors.
    pub cpus: u32,
    /// Memory, MiB.
    pub memory_mib: u32,
    /// QEMU's model of both network cards.
    pub nic: &'static str,
    /// The last byte but one of both cards' hardware addresses.
    pub nic_batch: u8,
    /// The disk's controller.
    pub disk: DiskController,
    /// A display device, as in QEMU's `-device`.
    pub display: Option<&'static str>,
    /// The TPM's interface: `tpm-crb` or `tpm-tis`.
    pub tpm: &'static str,
    /// UEFI firmware (Debian's package ovmf) instead of QEMU's own BIOS.
    pub uefi: bool,
    /// What the firmware says about the board, QEMU's `-smbios` words.
    pub smbios: Vec<&'static str>,
    /// The clock at power-on, as in QEMU's `-rtc base=`; `None`: the machine's.
    pub clock: Option<String>,
    /// More words for QEMU.
    pub more: Vec<&'static str>,
}

impl Default for Hardware {
    fn default() -> Self {
        Self {
            machine: "q35",
            cpu: "max",
            cpus: 2,
            memory_mib: 1024,
            nic: "virtio-net-pci",
            nic_batch: 0xa1,
            disk: DiskController::VirtioBlk,
            display: None,
            tpm: "tpm-crb",
            uefi: false,
            smbios: Vec::new(),
            clock: None,
            more: Vec::new(),
        }
    }
}

/// Debian's UEFI firmware; variables are in a file that a machine writes to.
pub const UEFI_CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
/// Its variables as they are when new.
pub const UEFI_VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

impl Hardware {
    /// QEMU's words for the machine itself.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut words = vec![
            "-machine".to_owned(),
            format!("{},smm=off", self.machine),
            "-cpu".to_owned(),
            self.cpu.to_owned(),
            "-smp".to_owned(),
            self.cpus.to_string(),
            "-m".to_owned(),
            self.memory_mib.to_string(),
        ];
        for table in &self.smbios {
            words.extend(["-smbios".to_owned(), (*table).to_owned()]);
        }
        if let Some(clock) = &self.clock {
            words.extend(["-rtc".to_owned(), format!("base={clock}")]);
        }
        if let Some(display) = self.display {
            words.extend(["-device".to_owned(), display.to_owned()]);
        }
        words.extend(self.more.iter().map(|&word| word.to_owned()));
        words
    }

    /// QEMU's words for the disk of the drive or block node `disk`.
    pub(super) fn disk_arguments(&self) -> Vec<String> {
        let devices: &[&str] = match self.disk {
            DiskController::VirtioBlk => &["virtio-blk-pci,drive=disk,addr=0x5"],
            DiskController::VirtioScsi => &[
                "virtio-scsi-pci,id=scsi,addr=0x5",
                "scsi-hd,drive=disk,bus=scsi.0",
            ],
            DiskController::PvScsi => &["pvscsi,id=scsi,addr=0x5", "scsi-hd,drive=disk,bus=scsi.0"],
            DiskController::Nvme => &["nvme,drive=disk,serial=disk,addr=0x5"],
            DiskController::Onboard => &["ide-hd,drive=disk,bus=ide.0"],
        };
        devices
            .iter()
            .flat_map(|device| ["-device".to_owned(), (*device).to_owned()])
            .collect()
    }

    /// The device of a network card for QEMU's network `netdev` in PCI slot `slot`.
    pub(super) fn nic_device(&self, netdev: &str, slot: u8) -> String {
        format!(
            "{},netdev={netdev},romfile=,addr={slot:#x},mac=52:54:00:5e:{:02x}:{slot:02x}",
            self.nic, self.nic_batch
        )
    }
}
