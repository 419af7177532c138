//! The lab image in QEMU: one emulated box with a TPM, an owner's port and a camera port.
//!
//! ```text
//! 127.0.0.1:web_port ── user network ── lan0 [guest] cam0 ── tap ── bridge of the cameras
//!                                             │
//!                                       tpm-crb ── swtpm (a state folder)
//! ```
//!
//! The camera tap is made in our own network namespace, where QEMU opens it, and then
//! moves into the cameras': the descriptor stays with QEMU, the interface does not, and
//! QEMU itself needs no place in that namespace.

mod accelerator;
mod hardware;
mod qmp;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

pub use accelerator::Accelerator;
pub use hardware::{DiskController, Hardware};
use qmp::Qmp;

use crate::world::process::{Process, find_line, last_lines, run};

/// The owner's port: PCI slot 3, which the lab image calls `lan0`.
const LAN0_SLOT: u8 = 3;
/// The camera port: PCI slot 4, `cam0`.
const CAM0_SLOT: u8 = 4;
/// QEMU makes its devices within this, whatever executes the guest.
const DEVICES_LIMIT: Duration = Duration::from_secs(20);
/// What a clean shutdown may take in hardware.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(15);

/// What `scripts/image lab` makes, in one folder.
#[derive(Debug, Clone)]
pub struct Image {
    folder: PathBuf,
    command_line: String,
}

impl Image {
    /// The image in `folder`.
    ///
    /// # Errors
    /// There is none.
    pub fn open(folder: &Path) -> Result<Self> {
        let command_line = std::fs::read_to_string(folder.join("cmdline"))
            .with_context(|| format!("no image in {}: scripts/image lab", folder.display()))?;
        Ok(Self {
            folder: folder.to_owned(),
            command_line: command_line.trim().to_owned(),
        })
    }

    /// A disk as it leaves the factory. A box keeps its disk when it is started again.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn copy_disk(&self, to: &Path) -> Result<()> {
        run(Command::new("cp")
            .args(["--sparse=always", "--no-preserve=mode"])
            .arg(self.folder.join("disk.img"))
            .arg(to))
        .context("copy the image's disk")
        .map(drop)
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Puts this image's system on a disk, as an update does: root and its hash tree. The
    /// rest of the disk stays.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_system(&self, disk: &Path) -> Result<()> {
        run(Command::new("dd")
            .arg(format!("if={}", self.folder.join("disk.img").display()))
            .arg(format!("of={}", disk.display()))
            .args([
                "bs=1M",
                "skip=513",
                "seek=513",
                "conv=notrunc",
                "status=none",
            ])
            // 512 MiB of root and 16 MiB of hashes, after the EFI partition: scripts/lib/disk.sh.
            .arg("count=528"))
        .context("write the image's system")
        .map(drop)
    }
}

/// Where the camera port is plugged in.
#[derive(Debug, Clone)]
pub struct CameraNetwork {
    /// Network namespace, as `ip netns` knows it.
    pub namespace: String,
    /// Bridge inside it.
    pub bridge: String,
}

/// One box, ready to be switched on.
#[derive(Debug, Clone)]
pub struct Machine {
    /// What it boots.
    pub image: Image,
    /// Its disk, from [`Image::copy_disk`]; written to.
    pub disk: PathBuf,
    /// State folder of its TPM (made by `swtpm_setup`); `None`: a box without a TPM.
    pub tpm_state: Option<PathBuf>,
    /// The cameras' bridge; `None`: the port is there and nothing is plugged in.
    pub cameras: Option<CameraNetwork>,
    /// Where its pages are reached, on 127.0.0.1; 0 takes a free port.
    pub web_port: u16,
    /// Folder for the logs `serial.log`, `qemu.log`, `swtpm.log`; appended to.
    pub logs: PathBuf,
    /// More words for the kernel's command line; only where QEMU loads the kernel.
    pub append: String,
    /// Starts from its disk by UEFI, as a box does, instead of QEMU loading the kernel.
    pub from_disk: bool,
    /// What it is made of otherwise.
    pub hardware: Hardware,
    /// Where to record each write to the disk, and each command to the TPM.
    pub recording: Option<Recording>,
}

/// Files that a machine records what it does to its disk and its TPM in.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Every write and flush of the disk, in the format of Linux's dm-log-writes.
    pub writes: PathBuf,
    /// QEMU's trace: the same writes and the TPM's commands, in one order.
    pub trace: PathBuf,
}

impl Machine {
    /// Switches it on.
    ///
    /// # Errors
    /// QEMU, swtpm or the tap could not be had.
    pub async fn start(&self) -> Result<Qemu> {
        let accelerator = Accelerator::probe().await;
        std::fs::create_dir_all(&self.logs).context("make the folder for the box's logs")?;
        // Paths of sockets are limited to 107 bytes: not in the logs' folder.
        let sockets = tempfile::Builder::new()
            .prefix("sealgate-qemu")
            .tempdir()
            .context("make a folder for QEMU's sockets")?;
        let serial = self.logs.join("serial.log");
        let web_port = match self.web_port {
            0 => free_port()?,
            port => port,
        };
        let tpm = match &self.tpm_state {
            Some(state) => Some(start_tpm(state, sockets.path(), &self.logs).await?),
            None => None,
        };
        let tap = match &self.cameras {
            Some(network) => Some(Tap::create(network.clone())?),
            None => None,
        };

        let mut command = Command::new("qemu-system-x86_64");
        command
            .args(accelerator.arguments())
            .args(self.hardware.arguments())
            .args(["-nodefaults", "-display", "none", "-no-reboot"])
            .arg("-chardev")
            .arg(format!(
                "file,id=serial,path={},append=on",
                serial.display()
            ))
            .args(["-serial", "chardev:serial"])
            .arg("-chardev")
            .arg(format!(
                "socket,id=shell,path={}/shell,server=on,wait=off",
                sockets.path().display()
            ))
            .args(["-serial", "chardev:shell"])
            .arg("-qmp")
            .arg(format!(
                "unix:{}/qmp,server=on,wait=off",
                sockets.path().display()
            ))
            .args(self.disk_arguments()?)
            .args(["-device", "virtio-rng-pci,addr=0x6"])
            .arg("-netdev")
            .arg(format!("user,id=lan,hostfwd=tcp:127.0.0.1:{web_port}-:443"))
            .args(["-device", &self.hardware.nic_device("lan", LAN0_SLOT)]);
        if !self.from_disk {
            command
                .arg("-kernel")
                .arg(self.image.folder.join("vmlinuz"))
                .args(["-append", &self.kernel_command_line()])
                .arg("-initrd")
                .arg(self.image.folder.join("initrd"));
        }
        match &tap {
            Some(tap) => command.args([
                "-netdev",
                &format!("tap,id=cam,ifname={},script=no,downscript=no", tap.name),
            ]),
            // A hub with nothing else on it.
            None => command.args(["-netdev", "hubport,id=cam,hubid=0"]),
        };
        command.args(["-device", &self.hardware.nic_device("cam", CAM0_SLOT)]);
        if self.hardware.uefi || self.from_disk {
            command.args(self.firmware_arguments()?);
        }
        if tpm.is_some() {
            command
                .arg("-chardev")
                .arg(format!(
                    "socket,id=tpm,path={}/tpm",
                    sockets.path().display()
                ))
                .args(["-tpmdev", "emulator,id=tpm,chardev=tpm"])
                .args(["-device", &format!("{},tpmdev=tpm", self.hardware.tpm)]);
        }

        let booted_at = length(&serial);
        let mut process = Process::start("QEMU", &command, &self.logs.join("qemu.log"))?;
        let qmp = match Qmp::connect(&sockets.path().join("qmp"), DEVICES_LIMIT).await {
            Ok(qmp) => qmp,
            Err(error) => {
                process.must_be_running()?;
                return Err(error);
            }
        };
        // Devices exist now, so QEMU holds the tap's descriptor.
        if let Some(tap) = &tap {
            tap.plug_in()?;
        }
        Ok(Qemu {
            machine: Self {
                web_port,
                ..self.clone()
            },
            process,
            qmp,
            serial,
            shell: sockets.path().join("shell"),
            booted_at,
            accelerator,
            _tap: tap,
            tpm,
            _sockets: sockets,
        })
    }

    /// The disk as a drive or, where its writes are recorded, as a chain of block nodes.
    fn disk_arguments(&self) -> Result<Vec<String>> {
        let disk = self.disk.display();
        let mut words: Vec<String> = match &self.recording {
            None => vec![
                "-drive".to_owned(),
                format!("file={disk},format=raw,if=none,id=disk,cache=writeback"),
            ],
            Some(recording) => {
                std::fs::File::create(&recording.writes).context("make the log of writes")?;
                let log = recording.writes.display();
                let node = format!(
                    "driver=blklogwrites,node-name=disk,log-sector-size=512,\
                     file.driver=file,file.filename={disk},\
                     log.driver=file,log.filename={log}"
                );
                let trace = recording.trace.display().to_string();
                [
                    ["-blockdev", node.as_str()],
                    ["-trace", "enable=blk_co_pwritev"],
                    ["-trace", "enable=tpm_util_show_buffer"],
                    ["-D", trace.as_str()],
                ]
                .concat()
                .into_iter()
                .map(str::to_owned)
                .collect()
            }
        };
        words.extend(self.hardware.disk_arguments());
        Ok(words)
    }

    /// UEFI, with variables that stay with the machine's logs.
    fn firmware_arguments(&self) -> Result<Vec<String>> {
        let variables = self.logs.join("uefi-variables");
        if !variables.exists() {
            std::fs::copy(hardware::UEFI_VARIABLES, &variables)
                .context("copy UEFI's variables: is the package ovmf installed?")?;
        }
        let flash = |file: &Path, more: &str| {
            let file = file.display();
            [
                "-drive".to_owned(),
                format!("if=pflash,format=raw,file={file}{more}"),
            ]
        };
        Ok([
            flash(Path::new(hardware::UEFI_CODE), ",readonly=on"),
            flash(&variables, ""),
        ]
        .concat())
    }

    fn kernel_command_line(&self) -> String {
        format!("{} {}", self.image.command_line, self.append)
            .trim()
            .to_owned()
    }
}

/// A running box; dropping it cuts its power.
#[derive(Debug)]
pub struct Qemu {
    machine: Machine,
    process: Process,
    qmp: Qmp,
    serial: PathBuf,
    shell: PathBuf,
    /// Where in the serial log the present boot begins, bytes.
    booted_at: u64,
    accelerator: Accelerator,
    // Dropped after QEMU, in this order.
    _tap: Option<Tap>,
    tpm: Option<Process>,
    _sockets: TempDir,
}

impl Qemu {
    /// Port of the pages on 127.0.0.1.
    pub fn web_port(&self) -> u16 {
        self.machine.web_port
    }

    /// What executes the guest; deadlines scale with it.
    pub fn accelerator(&self) -> Accelerator {
        self.accelerator
    }

    /// Fails with the end of QEMU's log if it is no longer there.
    ///
    /// # Errors
    /// QEMU ended.
    pub fn must_be_running(&mut self) -> Result<()> {
        self.process.must_be_running()
    }

    /// QEMU's process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The socket of its second serial port: the lab image's shell, where asked for.
    pub fn shell(&self) -> &Path {
        &self.shell
    }

    /// The serial console's log, of this boot and earlier ones.
    pub fn serial(&self) -> &Path {
        &self.serial
    }

    /// The rest of the first console line of this boot that has `part` in it.
    ///
    /// # Errors
    /// The box ended or panicked, or the line did not come in time.
    pub async fn wait_for_line(&mut self, part: &str, within: Duration) -> Result<String> {
        let end = Instant::now() + within;
        loop {
            if let Some(rest) = find_line(&self.serial, part, self.booted_at) {
                return Ok(rest);
            }
            if let Some(why) = find_line(&self.serial, "Kernel panic", self.booted_at) {
                bail!(
                    "the box's kernel panicked {why}. The end of {}:\n{}",
                    self.serial.display(),
                    last_lines(&self.serial, 40)
                );
            }
            self.process.must_be_running()?;
            if Instant::now() > end {
                bail!(
                    "the box did not say {part:?} within {within:?}. The end of {}:\n{}",
                    self.serial.display(),
                    last_lines(&self.serial, 25)
                );
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until it ends by itself, as it does where a box restarts.
    ///
    /// # Errors
    /// It does not end in time.
    pub async fn ended(mut self, within: Duration) -> Result<()> {
        let end = Instant::now() + within;
        while self.process.must_be_running().is_ok() {
            if Instant::now() > end {
                bail!(
                    "the box did not restart within {within:?}. The end of {}:\n{}",
                    self.serial.display(),
                    last_lines(&self.serial, 25)
                );
            }
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Restarts it the clean way: services end, file systems are unmounted, and a new
    /// QEMU takes over disk, TPM, ports and logs. (After a reset inside the same QEMU,
    /// TCG runs the second boot at half the speed.) Returns when the new boot begins.
    ///
    /// # Errors
    /// It did not go down in time, or did not come up.
    pub async fn reboot(&mut self) -> Result<()> {
        self.go_down().await?;
        *self = self.machine.start().await?;
        Ok(())
    }

    /// Shuts it down the clean way; the disk can be used for another machine then.
    ///
    /// # Errors
    /// It did not go down in time.
    pub async fn power_off(mut self) -> Result<()> {
        self.go_down().await
    }

    /// systemd answers these keys with a clean restart (a power button would need
    /// logind), and QEMU ends where a machine restarts.
    async fn go_down(&mut self) -> Result<()> {
        let keys: Vec<_> = ["ctrl", "alt", "delete"]
            .iter()
            .map(|key| json!({"type": "qcode", "data": key}))
            .collect();
        self.qmp.execute("send-key", json!({"keys": keys})).await?;
        self.qmp
            .event("SHUTDOWN", self.accelerator.patience(SHUTDOWN_LIMIT))
            .await?;
        self.process.stop();
        if let Some(tpm) = &mut self.tpm {
            tpm.stop();
        }
        Ok(())
    }

    /// The power fails: nothing is written any more.
    pub fn cut_power(mut self) {
        self.process.cut_off();
    }
}

/// A tap interface; removing it is part of dropping it.
#[derive(Debug)]
struct Tap {
    name: String,
    network: CameraNetwork,
}

impl Tap {
    /// In our own namespace, with a name that no other lab uses.
    fn create(network: CameraNetwork) -> Result<Self> {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sgt{}x{number}", std::process::id());
        run(Command::new("ip").args(["tuntap", "add", "dev", &name, "mode", "tap"]))
            .context("make a tap interface (this needs root)")?;
        Ok(Self { name, network })
    }

    fn plug_in(&self) -> Result<()> {
        let CameraNetwork { namespace, bridge } = &self.network;
        run(Command::new("ip").args(["link", "set", &self.name, "netns", namespace]))?;
        run(Command::new("ip").args([
            "-n", namespace, "link", "set", &self.name, "master", bridge, "up",
        ]))
        .context("plug the box's camera port into the cameras' bridge")
        .map(drop)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        for place in [&["-n", self.network.namespace.as_str()][..], &[]] {
            let _ = Command::new("ip")
                .args(place)
                .args(["link", "del", &self.name])
                .output();
        }
    }
}

/// One swtpm per QEMU: it keeps its state in the folder, and ends with its machine.
async fn start_tpm(state: &Path, sockets: &Path, logs: &Path) -> Result<Process> {
    let mut command = Command::new("swtpm");
    command
        .args(["socket", "--tpm2", "--flags", "startup-clear"])
        .arg("--tpmstate")
        .arg(format!("dir={}", state.display()))
        .arg("--ctrl")
        .arg(format!("type=unixio,path={}/tpm", sockets.display()));
    let mut tpm = Process::start("swtpm", &command, &logs.join("swtpm.log"))?;
    let end = Instant::now() + DEVICES_LIMIT;
    while !sockets.join("tpm").exists() {
        tpm.must_be_running()?;
        if Instant::now() > end {
            bail!("swtpm made no socket: {}", last_lines(tpm.log(), 10));
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(tpm)
}

fn length(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |data| data.len())
}

/// A port nobody listens on. QEMU binds it a moment later; its own refusal says so if
/// another process was quicker.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("look for a free port")?;
    Ok(listener.local_addr().context("ask for the port")?.port())
}
