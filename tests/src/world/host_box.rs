//! The box as plain processes: the same supervisor and recorder as on the image, in a
//! network namespace of their own, beside a software TPM.
//!
//! What the image's units do is done here in the same order: the gate is closed before a
//! link is up; supervisor and recorder are different users. What only an image has
//! (verified root, sandboxes, systemd) is not here: the journey in QEMU covers that.

use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::cameras::BOX_PORT;
use super::namespaces::{Namespace, Port, Switch, bring_up};
use super::process::{Process, run};
use super::relay::Relay;
use super::{BootFacts, ResidentKib};
use crate::swtpm::{Swtpm, Transport};

/// The recorder's user, as in `overlay/usr/lib/sysusers.d/sealgate.conf`.
const RECORDER_UID: u32 = 971;
/// The box's port on the owner's network.
const OWNER_PORT: Port<'_> = Port {
    interface: "lan0",
    mac: "02:00:00:00:01:01",
    address: Some("192.168.50.1/24"),
};
/// Where the owner sits.
const OWNER: Port<'_> = Port {
    interface: "eth0",
    mac: "02:00:00:00:01:02",
    address: Some("192.168.50.2/24"),
};
/// Where the pages are, on the owner's network.
const PAGES: &str = "192.168.50.1:443";
/// Where a box without a TPM looks for one in vain.
const NO_TPM: &str = "swtpm:host=127.0.0.1,port=9";

/// A box that is switched on and off.
#[derive(Debug)]
pub struct HostBox {
    running: Option<Running>,
    relay: Relay,
    owner: Namespace,
    binaries: PathBuf,
    folder: PathBuf,
    vendor_roots: PathBuf,
    /// Where in the console's log the present boot begins, bytes.
    booted_at: u64,
}

/// What exists while it is on. Processes end before their namespace goes.
#[derive(Debug)]
struct Running {
    supervisor: Process,
    recorder: Process,
    tpm: Option<Swtpm>,
    flushing: Option<Process>,
    namespace: Namespace,
}

impl HostBox {
    /// A box as it leaves the factory, switched off. `folder` gets its disk and its logs;
    /// everybody must be able to go through it.
    ///
    /// # Errors
    /// Folders or the owner's network could not be made.
    pub async fn new(binaries: &Path, folder: &Path, vendor_roots: &Path) -> Result<Self> {
        for (name, owner) in [
            ("state/license", 0),
            ("data", 0),
            ("recorder", RECORDER_UID),
            ("run", RECORDER_UID),
        ] {
            let path = folder.join(name);
            std::fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
            chown(&path, Some(owner), Some(owner)).context("hand a folder to its user")?;
        }
        std::fs::write(folder.join("state/serial"), "LAB-0001\n").context("write a serial")?;
        // The recorder's user may not be able to reach a checkout in somebody's home.
        let recorder = folder.join("sealgate-recorder");
        std::fs::copy(binaries.join("sealgate-recorder"), &recorder)
            .context("copy the recorder: cargo build first")?;
        let owner = Namespace::create("owner")?;
        let pages: SocketAddr = PAGES.parse().context("the address of the pages")?;
        let relay = Relay::start(&owner, pages, folder).await?;
        Ok(Self {
            running: None,
            relay,
            owner,
            binaries: binaries.to_owned(),
            folder: folder.to_owned(),
            vendor_roots: vendor_roots.to_owned(),
            booted_at: 0,
        })
    }

    /// Switches it on, with its camera port in `switch` and the TPM of this folder, or none.
    ///
    /// # Errors
    /// Something did not start.
    pub async fn power_on(&mut self, switch: &Switch, tpm: Option<&Path>) -> Result<BootFacts> {
        self.booted_at = std::fs::metadata(self.console()).map_or(0, |log| log.len());
        // As a restart of the machine empties it.
        let run_dir = self.folder.join("run-supervisor");
        if run_dir.exists() {
            std::fs::remove_dir_all(&run_dir).context("empty the run folder")?;
        }
        let namespace = Namespace::create("box")?;
        let prefix = [
            "setpriv",
            "--pdeathsig",
            "TERM",
            "ip",
            "netns",
            "exec",
            namespace.name(),
        ];
        let tpm = tpm
            .map(|folder| Swtpm::start_with(folder, Transport::Tcp, &prefix))
            .transpose()?;
        let config = self.write_config(tpm.as_ref())?;
        self.apply_kernel_parameters(&namespace)?;
        namespace.ip(&[
            "link",
            "add",
            OWNER_PORT.interface,
            "address",
            OWNER_PORT.mac,
            "type",
            "veth",
            "peer",
            "name",
            OWNER.interface,
            "address",
            OWNER.mac,
            "netns",
            self.owner.name(),
        ])?;
        switch.connect(&namespace, BOX_PORT)?;

        // As sealgate-gate.service does, before any link is up.
        let began = std::time::Instant::now();
        run(namespace
            .command(self.binaries.join("sealgate-supervisor"))
            .args(["close-gate", "--config"])
            .arg(&config))
        .context("close the gate")?;
        let closed_at = began.elapsed();
        let link = namespace.ip(&["-json", "link", "show", BOX_PORT.interface])?;
        ensure!(
            !link.contains("\"UP\""),
            "the camera port is up before the gate is closed: {link}"
        );
        let rules = run(namespace.command("nft").args(["list", "ruleset"]))?;
        ensure!(
            rules.contains("hook ingress") && rules.contains("drop"),
            "no gate after close-gate:\n{rules}"
        );
        for (namespace, port) in [
            (&namespace, BOX_PORT),
            (&namespace, OWNER_PORT),
            (&self.owner, OWNER),
        ] {
            bring_up(namespace, port)?;
        }
        let link_up_at = began.elapsed();

        let recorder = self.start_recorder(&namespace)?;
        let supervisor = self.start_supervisor(&namespace, &config)?;
        self.running = Some(Running {
            supervisor,
            recorder,
            tpm,
            flushing: None,
            namespace,
        });
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Ok(BootFacts {
            gate_closed_at_us: Some(micros(closed_at)),
            camera_link_up_at_us: Some(micros(link_up_at)),
            ..BootFacts::default()
        })
    }

    /// Switches it off in order: processes end, the kernel forgets rules and addresses.
    pub fn power_off(&mut self) {
        let Some(running) = self.running.take() else {
            return;
        };
        drop((running.flushing, running.supervisor));
        drop((running.recorder, running.tpm));
        // A namespace goes some time after its last process; its cables at once, as
        // their other ends are needed for the next start.
        for port in [BOX_PORT, OWNER_PORT] {
            let _ = running.namespace.ip(&["link", "del", port.interface]);
        }
    }

    fn start_recorder(&self, namespace: &Namespace) -> Result<Process> {
        let socket = self.folder.join("run/recorder.sock");
        let _ = std::fs::remove_file(&socket);
        let user = RECORDER_UID.to_string();
        let mut command = namespace.command("setpriv");
        command
            .args(["--reuid", &user, "--regid", &user, "--clear-groups"])
            // Changing the user forgets the signal that the outer setpriv set.
            .args(["--pdeathsig", "TERM", "--"])
            .arg(self.folder.join("sealgate-recorder"))
            .arg("--config")
            .arg(self.folder.join("recorder.toml"));
        Process::start("recorder", &command, &self.recorder_log())
    }

    fn start_supervisor(&self, namespace: &Namespace, config: &Path) -> Result<Process> {
        let mut command = namespace.command(self.binaries.join("sealgate-supervisor"));
        command.arg("--config").arg(config);
        Process::start("supervisor", &command, &self.console())
    }

    /// Kills the supervisor; everything else goes on.
    ///
    /// # Errors
    /// The box is off.
    pub fn kill_supervisor(&mut self) -> Result<()> {
        let running = self.running.as_mut().context("the box is off")?;
        running.supervisor.cut_off();
        Ok(())
    }

    /// Starts the supervisor again, as its unit does.
    ///
    /// # Errors
    /// The box is off, or it does not start.
    pub fn start_supervisor_again(&mut self) -> Result<()> {
        let running = self.running.as_ref().context("the box is off")?;
        let config = self.folder.join("supervisor.toml");
        let supervisor = self.start_supervisor(&running.namespace, &config)?;
        if let Some(running) = &mut self.running {
            running.supervisor = supervisor;
        }
        Ok(())
    }

    /// The image's own settings of the kernel, as far as a namespace has them.
    fn apply_kernel_parameters(&self, namespace: &Namespace) -> Result<()> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../overlay/usr/lib/sysctl.d/50-sealgate.conf");
        let text =
            std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        for line in text.lines().filter(|line| line.starts_with("net.ipv")) {
            if let Some((parameter, value)) = line.split_once('=') {
                namespace.set(parameter.trim(), value.trim())?;
            }
        }
        Ok(())
    }

    fn write_config(&self, tpm: Option<&Swtpm>) -> Result<PathBuf> {
        let tpm = tpm.map_or_else(|| NO_TPM.to_owned(), |tpm| tpm.address().to_string());
        let folder = self.folder.display();
        let supervisor = format!(
            r#"# Written by the lab; overlay/etc/sealgate/supervisor.toml explains each key.
[box]
model = "SG-LAB"
serial_file = "{folder}/state/serial"
state_dir = "{folder}/state"
data_dir = "{folder}/data"
run_dir = "{folder}/run-supervisor"
[tpm]
address = "{tpm}"
[ports]
camera = ["{}"]
owner = ["{}"]
probe_interval_s = 3
[web]
listen = "0.0.0.0:443"
[recorder]
socket = "{folder}/run/recorder.sock"
uid = {RECORDER_UID}
[vendor]
roots = "{}"
"#,
            BOX_PORT.interface,
            OWNER_PORT.interface,
            self.vendor_roots.display()
        );
        let recorder = format!(
            r#"# Written by the lab; overlay/etc/sealgate/recorder.toml explains each key.
recordings_folder = "{folder}/recorder/recordings"
index_file = "{folder}/recorder/index.db"
socket = "{folder}/run/recorder.sock"
min_free_bytes = 67108864
"#
        );
        let path = self.folder.join("supervisor.toml");
        std::fs::write(&path, supervisor).context("write the supervisor's configuration")?;
        std::fs::write(self.folder.join("recorder.toml"), recorder)
            .context("write the recorder's configuration")?;
        Ok(path)
    }

    /// What a screen at the box would show.
    pub fn console(&self) -> PathBuf {
        self.folder.join("console.log")
    }

    /// What the recorder says.
    pub fn recorder_log(&self) -> PathBuf {
        self.folder.join("recorder.log")
    }

    /// The rest of the first console line of this boot that has `prefix` in it.
    ///
    /// # Errors
    /// The supervisor ended, or the line did not come in time.
    pub async fn console_says(&mut self, prefix: &str, within: Duration) -> Result<String> {
        let booted_at = self.booted_at;
        let running = self.running.as_mut().context("the box is off")?;
        running.recorder.must_be_running()?;
        running.supervisor.said(prefix, booted_at, within).await
    }

    /// Where a browser on this machine finds the pages.
    pub fn pages_url(&self) -> String {
        format!("https://{}", self.relay.address())
    }

    /// Takes the gate's rules out of the kernel, as somebody with root might.
    ///
    /// # Errors
    /// The box is off.
    pub fn flush_gate_rules(&self) -> Result<()> {
        let running = self.running.as_ref().context("the box is off")?;
        run(running.namespace.command("nft").args(["flush", "ruleset"])).map(drop)
    }

    /// Does so again and again until the box is switched off: quicker than they are put back.
    ///
    /// # Errors
    /// The box is off.
    pub fn keep_flushing_gate_rules(&mut self) -> Result<()> {
        let log = self.folder.join("flushing.log");
        let running = self.running.as_mut().context("the box is off")?;
        let mut command = running.namespace.command("sh");
        command.args(["-c", super::FLUSHING]);
        running.flushing = Some(Process::start("flushing", &command, &log)?);
        Ok(())
    }

    /// Resident memory of its two processes.
    ///
    /// # Errors
    /// The box is off.
    pub fn resident_kib(&self) -> Result<ResidentKib> {
        let running = self.running.as_ref().context("the box is off")?;
        let of = |process: &Process| process.resident_kib().context("read a process's memory");
        Ok(ResidentKib {
            supervisor: of(&running.supervisor)?,
            recorder: of(&running.recorder)?,
        })
    }
}

impl Drop for HostBox {
    fn drop(&mut self) {
        self.power_off();
    }
}
