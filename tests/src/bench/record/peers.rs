//! The recorders: ours, ffmpeg, and what else a path is given of.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use sealgate_camera::CameraId;
use sealgate_recorder_link::{DesiredCamera, DesiredSet, RecorderClient, SessionState};

use super::cameras::Cameras;
use super::recorded::{Recorded, mp4_files};

/// Every camera is recorded by then.
const START: Duration = Duration::from_secs(60);
/// A process that was told to end has done so by then.
const END: Duration = Duration::from_secs(20);

/// A recorder that runs.
pub trait Foreign {
    /// For people.
    fn name(&self) -> &'static str;
    /// Its processes.
    fn processes(&self) -> Vec<u32>;
    /// Its recordings are below this.
    fn folder(&self) -> &Path;
    /// Returns once every camera is recorded.
    fn await_recording(&self) -> Result<()>;
    /// Ends it; its files are whole then.
    fn stop(&self) -> Result<()>;
    /// What it recorded, once it has ended.
    fn recorded(&self) -> Result<Recorded> {
        Recorded::read(self.folder())
    }
}

/// Processes that end when this is dropped.
pub(super) struct Children(Vec<std::cell::RefCell<Child>>);

impl Children {
    pub(super) fn of(children: Vec<std::cell::RefCell<Child>>) -> Self {
        Self(children)
    }

    pub(super) fn ids(&self) -> Vec<u32> {
        self.0.iter().map(|child| child.borrow().id()).collect()
    }

    /// SIGTERM to each, and waits.
    pub(super) fn end(&self) -> Result<()> {
        for child in &self.0 {
            let id = rustix::process::Pid::from_child(&child.borrow());
            rustix::process::kill_process(id, rustix::process::Signal::TERM)
                .context("end a recorder")?;
        }
        let deadline = Instant::now() + END;
        for child in &self.0 {
            while child.borrow_mut().try_wait().context("wait")?.is_none() {
                ensure!(Instant::now() < deadline, "a recorder did not end");
                super::usage::pause(Duration::from_millis(20));
            }
        }
        Ok(())
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for child in &self.0 {
            // It may have ended already.
            let _ = child.borrow_mut().kill();
            let _ = child.borrow_mut().wait();
        }
    }
}

pub(super) fn spawn(command: &mut Command) -> Result<std::cell::RefCell<Child>> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("start {command:?}"))?;
    Ok(std::cell::RefCell::new(child))
}

/// `sealgate-recorder`, as on the box: index and retention on.
pub struct Ours {
    children: Children,
    recordings: PathBuf,
    client: RecorderClient,
    runtime: tokio::runtime::Runtime,
    desired: DesiredSet,
}

impl Ours {
    /// Starts it with every camera desired.
    pub fn start(folder: &Path, cameras: &Cameras) -> Result<Self> {
        std::fs::create_dir_all(folder).context("create a folder")?;
        let recordings = folder.join("recordings");
        let socket = folder.join("recorder.sock");
        let config = folder.join("recorder.toml");
        let text = format!(
            "recordings_folder = {recordings:?}\nindex_file = {:?}\nsocket = {socket:?}\n\
             min_free_bytes = 67108864\nmax_file_duration_s = 300\nlog = \"warn\"\n",
            folder.join("index.db"),
        );
        std::fs::write(&config, text).context("write the configuration")?;
        // Built beside the bench.
        let program = std::env::current_exe().context("where the bench is")?;
        let program = program.with_file_name("sealgate-recorder");
        let child = spawn(Command::new(program).arg("--config").arg(&config))?;
        let cameras = (1..).zip(cameras.urls());
        let cameras = cameras.map(|(number, url): (u32, String)| {
            let camera = format!("02000000{number:04x}-1").parse::<CameraId>()?;
            Ok(DesiredCamera::new(camera, url.parse()?))
        });
        Ok(Self {
            children: Children(vec![child]),
            recordings,
            client: RecorderClient::new(socket),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .context("a runtime")?,
            desired: DesiredSet {
                cameras: cameras.collect::<Result<_>>()?,
            },
        })
    }
}

impl Foreign for Ours {
    fn name(&self) -> &'static str {
        "Sealgate"
    }

    fn processes(&self) -> Vec<u32> {
        self.children.ids()
    }

    fn folder(&self) -> &Path {
        &self.recordings
    }

    fn await_recording(&self) -> Result<()> {
        let wanted = async {
            while self.client.status().await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            self.client.set_desired(self.desired.clone()).await?;
            loop {
                let status = self.client.status().await?;
                let recording = |camera: &sealgate_recorder_link::CameraStatus| {
                    camera.session == SessionState::Recording
                };
                if status.cameras.iter().all(recording) {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        self.runtime.block_on(async {
            match tokio::time::timeout(START, wanted).await {
                Ok(done) => done,
                Err(_) => bail!("not every camera is recorded"),
            }
        })
    }

    fn stop(&self) -> Result<()> {
        self.children.end()
    }
}

/// `ffmpeg -c copy`, a process for each camera, into fragmented MP4: what is on disk can be
/// read after a power cut, as ours can.
pub struct Ffmpeg {
    children: Children,
    folder: PathBuf,
}

impl Ffmpeg {
    /// Starts one for every camera.
    pub fn start(folder: &Path, cameras: &Cameras) -> Result<Self> {
        std::fs::create_dir_all(folder).context("create a folder")?;
        let mut children = Vec::new();
        for (number, url) in cameras.urls().enumerate() {
            let mut command = Command::new("ffmpeg");
            command
                .args([
                    "-nostdin",
                    "-v",
                    "fatal",
                    "-rtsp_transport",
                    "tcp",
                    "-i",
                    &url,
                ])
                .args(["-c", "copy", "-f", "mp4"])
                .args(["-movflags", "frag_keyframe+empty_moov+default_base_moof"])
                .arg(folder.join(format!("{number}.mp4")));
            children.push(spawn(&mut command)?);
        }
        Ok(Self {
            children: Children(children),
            folder: folder.to_owned(),
        })
    }
}

impl Foreign for Ffmpeg {
    fn name(&self) -> &'static str {
        "ffmpeg"
    }

    fn processes(&self) -> Vec<u32> {
        self.children.ids()
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn await_recording(&self) -> Result<()> {
        await_files(self.children.0.len(), || begun_mp4(&self.folder))
    }

    fn stop(&self) -> Result<()> {
        self.children.end()
    }
}

/// MediaMTX with `record` on.
pub struct MediaMtx {
    children: Children,
    folder: PathBuf,
    count: usize,
}

impl MediaMtx {
    /// Starts it with every camera as a path.
    pub fn start(program: &Path, folder: &Path, cameras: &Cameras) -> Result<Self> {
        let recordings = folder.join("recordings");
        std::fs::create_dir_all(&recordings).context("create a folder")?;
        let config = folder.join("mediamtx.yml");
        let mut text = format!(
            "logLevel: warn\nrtsp: no\nrtmp: no\nhls: no\nwebrtc: no\nsrt: no\n\
             pathDefaults:\n  record: yes\n  recordFormat: fmp4\n  recordPartDuration: 1s\n  \
             recordPath: {}/%path/%Y-%m-%d_%H-%M-%S-%f\n  rtspTransport: tcp\npaths:\n",
            recordings.display()
        );
        for (number, url) in cameras.urls().enumerate() {
            let _ = writeln!(text, "  cam{number}:\n    source: {url}");
        }
        std::fs::write(&config, text).context("write the configuration")?;
        Ok(Self {
            children: Children(vec![spawn(Command::new(program).arg(&config))?]),
            folder: recordings,
            count: usize::from(cameras.count()),
        })
    }
}

impl Foreign for MediaMtx {
    fn name(&self) -> &'static str {
        "MediaMTX"
    }

    fn processes(&self) -> Vec<u32> {
        self.children.ids()
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn await_recording(&self) -> Result<()> {
        await_files(self.count, || begun_mp4(&self.folder))
    }

    fn stop(&self) -> Result<()> {
        self.children.end()
    }
}

/// Waits until this many recordings have something in them.
pub(super) fn await_files(count: usize, begun: impl Fn() -> Result<usize>) -> Result<()> {
    let deadline = Instant::now() + START;
    while begun()? < count {
        ensure!(Instant::now() < deadline, "not every camera is recorded");
        super::usage::pause(Duration::from_millis(200));
    }
    Ok(())
}

/// MP4 files with something in them.
fn begun_mp4(folder: &Path) -> Result<usize> {
    let begun = |path: &&PathBuf| path.metadata().is_ok_and(|data| data.len() > 0);
    Ok(mp4_files(folder)?.iter().filter(begun).count())
}
