//! A software TPM with endorsement key certificates, each with a maker of its own.
//!
//! Everything lives in one folder: the TPM's state, its maker's certificate authority,
//! sockets and logs. Starting again in the same folder gives the same TPM. Nothing of the
//! machine's own swtpm configuration is used or touched.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rand::RngExt as _;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use sealgate_tpm::TpmAddress;
use tempfile::TempDir;

/// How long swtpm may take to listen.
const START_DEADLINE: Duration = Duration::from_secs(20);

/// How the TPM is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Data and control ports on the loopback interface, powered on and started up: for a
    /// supervisor that runs as a plain process.
    Tcp,
    /// A control socket in the folder, waiting for QEMU to power it on:
    /// `-chardev socket,id=chrtpm,path=… -tpmdev emulator,id=tpm0,chardev=chrtpm`.
    Unix,
}

/// The maker's certificates, DER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EkRoots {
    /// The root that an EK root store pins.
    pub root: Vec<u8>,
    /// The authority that signs endorsement key certificates.
    pub intermediate: Vec<u8>,
}

/// A running swtpm, ended on drop.
#[derive(Debug)]
pub struct Swtpm {
    folder: PathBuf,
    transport: Transport,
    prefix: Vec<String>,
    /// The data port; the control port is the next. 0 on a Unix socket.
    port: u16,
    child: Option<Child>,
    /// Removed after `child` has ended.
    _owned_folder: Option<TempDir>,
}

impl Swtpm {
    /// A new TPM in a temporary folder, on TCP.
    ///
    /// # Errors
    /// swtpm or swtpm_setup is missing or fails.
    pub fn start_fresh() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("sealgate-swtpm-")
            .tempdir()
            .context("create a folder for swtpm")?;
        let mut swtpm = Self::start(folder.path(), Transport::Tcp)?;
        swtpm._owned_folder = Some(folder);
        Ok(swtpm)
    }

    /// The TPM of this folder, made if the folder has none yet.
    ///
    /// # Errors
    /// swtpm or swtpm_setup is missing or fails.
    pub fn start(folder: &Path, transport: Transport) -> Result<Self> {
        Self::start_with(folder, transport, &[])
    }

    /// As [`start`](Self::start), with swtpm run by `prefix`, for example
    /// `["ip", "netns", "exec", NAME]`; [`address`](Self::address) is then one inside.
    ///
    /// # Errors
    /// swtpm or swtpm_setup is missing or fails.
    pub fn start_with(folder: &Path, transport: Transport, prefix: &[&str]) -> Result<Self> {
        manufacture(folder)?;
        let mut swtpm = Self {
            folder: folder.to_owned(),
            transport,
            prefix: prefix.iter().map(|&word| word.to_owned()).collect(),
            port: 0,
            child: None,
            _owned_folder: None,
        };
        swtpm.power_on()?;
        Ok(swtpm)
    }

    /// Where the TPM is, on TCP.
    ///
    /// # Panics
    /// On a Unix socket, which only QEMU uses.
    pub fn address(&self) -> TpmAddress {
        assert_eq!(self.transport, Transport::Tcp, "only QEMU uses the socket");
        TpmAddress::Swtpm {
            host: Ipv4Addr::LOCALHOST.to_string(),
            port: self.port,
        }
    }

    /// The control socket for QEMU.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("control.sock")
    }

    /// Everything of this TPM.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// swtpm's process id while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// The maker's certificates.
    ///
    /// # Errors
    /// They can't be read.
    pub fn ek_roots(&self) -> Result<EkRoots> {
        Self::ek_roots_of(&self.folder)
    }

    /// The maker's certificates of the TPM in this folder, which need not run.
    ///
    /// # Errors
    /// They can't be read.
    pub fn ek_roots_of(folder: &Path) -> Result<EkRoots> {
        let ca = folder.join("ca");
        Ok(EkRoots {
            root: read_pem(&ca.join("swtpm-localca-rootca-cert.pem"))?,
            intermediate: read_pem(&ca.join("issuercert.pem"))?,
        })
    }

    /// Cuts the power: SIGKILL.
    ///
    /// # Errors
    /// The process can't be waited for.
    pub fn cut_power(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().context("kill swtpm")?;
            child.wait().context("wait for swtpm")?;
        }
        Ok(())
    }

    /// Powers the same TPM on again, at the same address where that is still free.
    ///
    /// # Errors
    /// swtpm does not start.
    pub fn power_on(&mut self) -> Result<()> {
        self.cut_power()?;
        if self.transport == Transport::Unix {
            return self.spawn();
        }
        // Somebody may take a port between the look and swtpm's own attempt.
        let mut last = None;
        for _ in 0..10 {
            if self.port == 0 || last.is_some() {
                self.port = free_port_pair()?;
            }
            match self.spawn() {
                Ok(()) => return Ok(()),
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("swtpm found no free ports")?)
    }

    fn spawn(&mut self) -> Result<()> {
        let state = self.folder.join("state");
        let pid_file = self.folder.join("pid");
        let log_path = self.folder.join("swtpm.log");
        if pid_file.exists() {
            fs::remove_file(&pid_file).context("remove swtpm's old pid file")?;
        }
        let log = fs::File::create(&log_path).context("create swtpm's log")?;
        let mut words = self.prefix.iter().map(String::as_str).chain(["swtpm"]);
        let mut command = Command::new(words.next().context("a program")?);
        command
            .args(words)
            .args(["socket", "--tpm2", "--tpmstate"])
            .arg(format!("dir={}", state.display()))
            .arg("--pid")
            .arg(format!("file={}", pid_file.display()))
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("share swtpm's log")?)
            .stderr(log);
        match self.transport {
            Transport::Tcp => command.args([
                "--server",
                &format!("type=tcp,port={},bindaddr=127.0.0.1", self.port),
                "--ctrl",
                &format!("type=tcp,port={},bindaddr=127.0.0.1", self.port + 1),
                "--flags",
                "not-need-init,startup-clear",
            ]),
            Transport::Unix => command
                .arg("--ctrl")
                .arg(format!("type=unixio,path={}", self.socket().display())),
        };
        let child = command
            .spawn()
            .with_context(|| format!("start {command:?}: is the package swtpm installed?"))?;
        let child = self.child.insert(child);
        // swtpm opens its sockets before it writes its pid.
        let listening = || fs::read_to_string(&pid_file).is_ok_and(|pid| !pid.trim().is_empty());
        let started = wait_for(child, listening);
        if started.is_err() {
            let said = fs::read_to_string(&log_path).unwrap_or_default();
            self.cut_power()?;
            return started.with_context(|| format!("swtpm said: {}", said.trim()));
        }
        Ok(())
    }
}

impl Drop for Swtpm {
    fn drop(&mut self) {
        // Nothing can be done about a failure here.
        let _ = self.cut_power();
    }
}

/// Waits until `ready`, or until the process ends or takes too long.
fn wait_for(child: &mut Child, ready: impl Fn() -> bool) -> Result<()> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pidfd = pidfd_open(pid.context("a process id")?, PidfdFlags::empty())
        .context("watch swtpm's process")?;
    let deadline = Instant::now() + START_DEADLINE;
    while !ready() {
        let mut ended = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
        poll(&mut ended, PollTimeout::from(10_u8)).context("wait for swtpm")?;
        if let Some(status) = child.try_wait().context("look at swtpm")? {
            bail!("swtpm ended at once: {status}");
        }
        ensure!(Instant::now() < deadline, "swtpm does not start");
    }
    Ok(())
}

/// Makes the TPM's state and the certificates of its endorsement keys, once.
///
/// # Errors
/// swtpm_setup is missing or fails.
pub fn manufacture(folder: &Path) -> Result<()> {
    let state = folder.join("state");
    if state.join("tpm2-00.permall").exists() {
        return Ok(());
    }
    let ca = folder.join("ca");
    for new in [&state, &ca] {
        fs::create_dir_all(new).with_context(|| format!("create {}", new.display()))?;
    }
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        Ok::<_, anyhow::Error>(path)
    };
    let ca_config = write(
        "localca.conf",
        format!(
            "statedir = {ca}\nsigningkey = {ca}/signkey.pem\nissuercert = {ca}/issuercert.pem\n\
             certserial = {ca}/certserial\n",
            ca = ca.display()
        ),
    )?;
    let ca_options = write(
        "localca.options",
        "--platform-manufacturer Sealgate\n--platform-version 1.0\n--platform-model Lab\n"
            .to_owned(),
    )?;
    let config = write(
        "setup.conf",
        format!(
            "create_certs_tool = /usr/bin/swtpm_localca\ncreate_certs_tool_config = {}\n\
             create_certs_tool_options = {}\nactive_pcr_banks = sha256\n",
            ca_config.display(),
            ca_options.display()
        ),
    )?;
    let mut command = Command::new("swtpm_setup");
    command
        .args(["--tpm2", "--create-ek-cert", "--create-platform-cert"])
        .args(["--lock-nvram", "--overwrite"])
        .arg("--tpmstate")
        .arg(&state)
        .arg("--config")
        .arg(&config)
        .stdin(Stdio::null());
    if rustix::process::geteuid().is_root() {
        // Otherwise it changes to the user tss, who can't enter a private folder.
        command.args(["--runas", "root"]);
    }
    let output = command
        .output()
        .context("start swtpm_setup: is the package swtpm-tools installed?")?;
    ensure!(
        output.status.success(),
        "swtpm_setup failed: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Two neighbouring ports that are free now. They lie below those that the kernel gives to
/// outgoing connections (ip_local_port_range): of these, thousands wait for a minute after
/// a test that speaks with a TPM, and one would sooner or later take a port whose swtpm is
/// switched off.
fn free_port_pair() -> Result<u16> {
    for _ in 0..1000 {
        let data = rand::rng().random_range(10_240..32_000);
        let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if free(data) && free(data + 1) {
            return Ok(data);
        }
    }
    bail!("no two neighbouring ports are free")
}

/// The first certificate of a PEM file (RFC 7468), DER.
fn read_pem(path: &Path) -> Result<Vec<u8>> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let (_, rest) = text
        .split_once("-----BEGIN CERTIFICATE-----")
        .with_context(|| format!("{} holds no certificate", path.display()))?;
    let (body, _) = rest
        .split_once("-----END CERTIFICATE-----")
        .with_context(|| format!("{} ends within a certificate", path.display()))?;
    let digits: String = body.split_whitespace().collect();
    STANDARD
        .decode(digits)
        .with_context(|| format!("{} is no PEM", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn waits_for_qemu_on_its_socket_and_ends_on_drop() {
        let folder = tempfile::tempdir().unwrap();
        let mut swtpm = Swtpm::start(folder.path(), Transport::Unix).unwrap();
        let roots = swtpm.ek_roots().unwrap();
        assert_ne!(roots.root, roots.intermediate);
        UnixStream::connect(swtpm.socket()).unwrap();
        let process = PathBuf::from(format!("/proc/{}", swtpm.id().unwrap()));
        assert!(process.exists());
        // The socket's name is still there from before.
        swtpm.power_on().unwrap();
        UnixStream::connect(swtpm.socket()).unwrap();
        assert!(!process.exists());
        let process = PathBuf::from(format!("/proc/{}", swtpm.id().unwrap()));
        drop(swtpm);
        assert!(!process.exists());

        // The same folder is the same TPM with the same maker.
        let again = Swtpm::start(folder.path(), Transport::Tcp).unwrap();
        assert_eq!(again.ek_roots().unwrap(), roots);
    }

    #[test]
    fn says_what_hindered_it() {
        let folder = tempfile::tempdir().unwrap();
        let error = Swtpm::start_with(folder.path(), Transport::Tcp, &["false"]).unwrap_err();
        assert!(format!("{error:#}").contains("ended at once"), "{error:#}");
    }
}
