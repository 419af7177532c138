//! The system's own pcscd with virtual readers, out of the way of the machine's.
//!
//! pcscd has one fixed socket, and its virtual readers (vsmartcard-vpcd) listen on fixed
//! ports. So a test enters a mount namespace in which the socket's folder is its own, and a
//! network namespace in which the ports are. Threads that it starts later are inside too.

mod token;

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;

pub use token::{PivModel, PluggedToken, VirtualToken};

/// Where pcscd has its socket, and a client looks for it.
const SOCKET_FOLDER: &str = "/run/pcscd";
/// The first virtual reader; the second is on the next port.
const FIRST_PORT: u16 = 35963;
const READERS: u16 = 2;
/// Between two questions, so that the answer can come about.
const BREATH: Duration = Duration::from_millis(50);
/// How long pcscd may take to start, or to notice a token.
const DEADLINE: Duration = Duration::from_secs(30);

/// The namespaces of this test, with pcscd in them.
#[derive(Debug)]
pub struct PcscWorld {
    folder: TempDir,
    pcscd: Option<Child>,
}

impl PcscWorld {
    /// Moves the calling thread into namespaces of its own, where pcscd does not run yet.
    ///
    /// # Errors
    /// Not root, or a mount fails.
    pub fn enter() -> Result<Self> {
        let folder = tempfile::tempdir().context("create a folder for pcscd")?;
        for part in ["run", "readers"] {
            fs::create_dir(folder.path().join(part)).context("create pcscd's folders")?;
        }
        fs::write(
            folder.path().join("readers/vpcd"),
            format!(
                "FRIENDLYNAME \"Virtual PCD\"\nDEVICENAME /dev/null:{FIRST_PORT:#x}\n\
                 LIBPATH /usr/lib/pcsc/drivers/serial/libifdvpcd.so\nCHANNELID {FIRST_PORT:#x}\n"
            ),
        )
        .context("describe the virtual readers")?;
        fs::create_dir_all(SOCKET_FOLDER).context("create pcscd's socket folder")?;
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET)
            .context("enter new namespaces: this needs root")?;
        let nothing = None::<&Path>;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(nothing, "/", nothing, private, nothing).context("keep mounts to ourselves")?;
        let run = folder.path().join("run");
        mount(
            Some(&run),
            SOCKET_FOLDER,
            nothing,
            MsFlags::MS_BIND,
            nothing,
        )
        .context("mount a socket folder of our own")?;
        let up = Command::new("ip")
            .args(["link", "set", "lo", "up"])
            .status()
            .context("run ip")?;
        anyhow::ensure!(up.success(), "the loopback interface stays down");
        Ok(Self {
            folder,
            pcscd: None,
        })
    }

    /// Enters, and starts pcscd.
    ///
    /// # Errors
    /// As [`enter`](Self::enter) and [`start`](Self::start).
    pub fn with_service() -> Result<Self> {
        let mut world = Self::enter()?;
        world.start()?;
        Ok(world)
    }

    /// Starts pcscd, and waits until its readers listen.
    ///
    /// # Errors
    /// pcscd or its virtual readers are not installed, or do not start.
    pub fn start(&mut self) -> Result<()> {
        let log_path = self.folder.path().join("pcscd.log");
        let log = fs::File::create(&log_path).context("create pcscd's log")?;
        let child = Command::new("pcscd")
            .args(["--foreground", "--config"])
            .arg(self.folder.path().join("readers"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("share pcscd's log")?)
            .stderr(log)
            .spawn()
            .context("start pcscd: are pcscd and vsmartcard-vpcd installed?")?;
        self.pcscd = Some(child);
        let deadline = Instant::now() + DEADLINE;
        loop {
            // A reader takes whoever connects for a token; this one leaves at once.
            if Path::new(SOCKET_FOLDER).join("pcscd.comm").exists()
                && (0..READERS).all(|slot| connect(slot).is_ok())
            {
                return Ok(());
            }
            if Instant::now() > deadline {
                let said = fs::read_to_string(&log_path).unwrap_or_default();
                self.stop();
                bail!("pcscd does not start; it said: {}", said.trim());
            }
            std::thread::park_timeout(BREATH);
        }
    }

    /// Ends pcscd.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.pcscd.take() {
            // It may have ended by itself, which is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
        // A killed pcscd leaves its name behind, and would refuse to start beside it.
        for name in ["pcscd.comm", "pcscd.pid"] {
            let _ = fs::remove_file(Path::new(SOCKET_FOLDER).join(name));
        }
    }

    /// Plugs a token into a virtual reader, 0 or 1.
    ///
    /// # Errors
    /// The reader is not there.
    pub fn plug(&self, reader: u16, token: &VirtualToken) -> Result<PluggedToken> {
        let stream = connect(reader).context("connect to the virtual reader")?;
        token.plug(stream)
    }
}

impl Drop for PcscWorld {
    fn drop(&mut self) {
        self.stop();
        // The folder's removal must not meet the mount; the namespace ends with the thread.
        let _ = nix::mount::umount2(SOCKET_FOLDER, nix::mount::MntFlags::MNT_DETACH);
    }
}

fn connect(reader: u16) -> std::io::Result<TcpStream> {
    TcpStream::connect((Ipv4Addr::LOCALHOST, FIRST_PORT + reader))
}

/// Asks until the answer is the one that is waited for; gives it.
///
/// # Panics
/// It takes too long.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what} takes too long");
        std::thread::park_timeout(BREATH);
    }
}
