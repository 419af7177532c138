//! Virtual cameras and recorders as processes of their own, and tools that look at recordings.
#![allow(clippy::unwrap_used, clippy::panic, dead_code)]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use sealgate_camera::CameraId;
use sealgate_recorder_link::{
    CameraStatus, DesiredCamera, DesiredSet, RecorderClient, Recording, SessionState,
};

/// Every wait in these tests ends then.
const DEADLINE: Duration = Duration::from_secs(30);

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cameras")
}

fn python(script: &str) -> Command {
    // Debian's own: the GStreamer bindings are packages of it.
    let mut command = Command::new("/usr/bin/python3");
    command.arg(scripts().join(script));
    command
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A running virtual camera on the loopback interface.
pub struct Camera {
    child: Child,
    letter: char,
    port: u16,
}

impl Camera {
    pub fn start(letter: char, port: u16) -> Self {
        Self::start_with(letter, port, &[])
    }

    pub fn start_garbage(letter: char, port: u16) -> Self {
        Self::start_with(letter, port, &["--garbage"])
    }

    fn start_with(letter: char, port: u16, more: &[&str]) -> Self {
        let mut child = python("virtual_camera.py")
            .args(["--letter", &letter.to_string(), "--address", "127.0.0.1"])
            .args(["--port", &port.to_string(), "--http-port", "0"])
            .arg("--no-discovery")
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert!(
            line.starts_with("ready"),
            "the camera did not start: {line:?}"
        );
        Self {
            child,
            letter,
            port,
        }
    }

    pub fn id(&self) -> CameraId {
        camera_id(self.letter)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn desired(&self) -> DesiredCamera {
        let stream = format!("rtsp://127.0.0.1:{}/main", self.port);
        DesiredCamera::new(self.id(), stream.parse().unwrap())
    }
}

/// A camera that plays a clip of 1280 x 720 at 25 pictures a second with a group of 1 s, which
/// this makes first. It has four streams of it, of which `desired` names the first.
pub struct ClipCamera {
    child: Child,
    _folder: tempfile::TempDir,
    /// Its streams are at this and `/0` to `/3`.
    pub url: String,
    pub desired: DesiredCamera,
}

/// What a [`ClipCamera`] sends, and from where.
pub struct ClipOptions<'a> {
    pub codec: &'a str,
    pub audio: Option<&'a str>,
    pub address: &'a str,
    /// What runs it elsewhere, such as `ip netns exec NAME`.
    pub prefix: &'a [&'a str],
}

impl Default for ClipOptions<'_> {
    fn default() -> Self {
        Self {
            codec: "h264",
            audio: None,
            address: "127.0.0.1",
            prefix: &[],
        }
    }
}

impl ClipCamera {
    pub fn start(letter: char, options: &ClipOptions<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clip = folder.path().join("clip");
        let (encoder, delimiters, form) = match options.codec {
            "h264" => ("libx264", "h264_metadata=aud=insert", "h264"),
            _ => ("libx265", "hevc_metadata=aud=insert", "hevc"),
        };
        let made = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-f", "lavfi", "-t", "4", "-i"])
            .arg("testsrc2=size=1280x720:rate=25")
            .args([
                "-c:v",
                encoder,
                "-preset",
                "ultrafast",
                "-tune",
                "zerolatency",
            ])
            .args(["-pix_fmt", "yuv420p", "-g", "25", "-b:v", "2000k"])
            .args(["-x265-params", "log-level=none:keyint=25"])
            .args(["-bsf:v", delimiters, "-f", form])
            .arg(&clip)
            .status()
            .unwrap();
        assert!(made.success());
        let port = free_port();
        let mut words: Vec<&str> = options.prefix.to_vec();
        words.push("/usr/bin/python3");
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .arg(scripts().join("many_cameras.py"))
            .args(["--codec", options.codec, "--address", options.address])
            .args(["--streams", "4"])
            .args(["--port", &port.to_string(), "--clip"])
            .arg(&clip)
            .stdout(Stdio::piped());
        if let Some(audio) = options.audio {
            command.args(["--audio", audio]);
        }
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert!(line.starts_with("ready"), "no start: {line:?}");
        let url = format!("rtsp://{}:{port}", options.address);
        let stream = format!("{url}/0").parse().unwrap();
        Self {
            url,
            child,
            _folder: folder,
            desired: DesiredCamera::new(camera_id(letter), stream),
        }
    }

    pub fn id(&self) -> CameraId {
        self.desired.camera
    }
}

impl Drop for ClipCamera {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn camera_id(letter: char) -> CameraId {
    let last = u32::from(letter) - u32::from('A') + 0x0a;
    format!("0200000000{last:02x}-1").parse().unwrap()
}

pub fn set(cameras: &[&Camera]) -> DesiredSet {
    DesiredSet {
        cameras: cameras.iter().map(|camera| camera.desired()).collect(),
    }
}

/// A running `sealgate-recorder` with a folder of its own.
pub struct RecorderProcess {
    child: Child,
    pub folder: tempfile::TempDir,
    pub client: RecorderClient,
}

impl RecorderProcess {
    pub async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap()).await
    }

    pub async fn start_in(folder: tempfile::TempDir) -> Self {
        Self::start_with(folder, &[]).await
    }

    /// Starts it by another program, such as `ip netns exec NAME`.
    pub async fn start_with(folder: tempfile::TempDir, prefix: &[&str]) -> Self {
        let path = |name: &str| folder.path().join(name).display().to_string();
        let config = folder.path().join("recorder.toml");
        let text = format!(
            "recordings_folder = {:?}\nindex_file = {:?}\nsocket = {:?}\nmin_free_bytes = 67108864\n",
            path("recordings"),
            path("index.db"),
            path("recorder.sock")
        );
        std::fs::write(&config, text).unwrap();
        let mut words = prefix.to_vec();
        words.push(env!("CARGO_BIN_EXE_sealgate-recorder"));
        let child = Command::new(words[0])
            .args(&words[1..])
            .arg("--config")
            .arg(&config)
            .spawn()
            .unwrap();
        let client = RecorderClient::new(folder.path().join("recorder.sock"));
        let recorder = Self {
            child,
            folder,
            client,
        };
        let deadline = Instant::now() + DEADLINE;
        while recorder.client.status().await.is_err() {
            assert!(Instant::now() < deadline, "the recorder did not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        recorder
    }

    /// Stops every camera; their files are finished then.
    pub async fn record_nothing(&self) {
        let none = DesiredSet::default();
        self.client.set_desired(none).await.unwrap();
    }

    pub async fn status(&self, camera: CameraId) -> CameraStatus {
        let status = self.client.status().await.unwrap();
        let found = status
            .cameras
            .into_iter()
            .find(|found| found.camera == camera);
        found.unwrap_or_else(|| panic!("{camera} is not desired"))
    }

    /// Waits until the camera's status is as wanted.
    pub async fn until(
        &self,
        camera: CameraId,
        wanted: impl Fn(&CameraStatus) -> bool,
    ) -> CameraStatus {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let status = self.status(camera).await;
            if wanted(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "it stayed {status:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn until_frames(&self, camera: CameraId, more: u64) {
        let before = self.status(camera).await.frames;
        self.until(camera, |status| status.frames >= before + more)
            .await;
    }

    /// Oldest first.
    pub async fn recordings(&self, camera: CameraId) -> Vec<Recording> {
        let mut found = self.client.recordings(Some(camera), 100).await.unwrap();
        found.reverse();
        found
    }

    /// Waits until no recording of the camera is growing.
    pub async fn until_finished(&self, camera: CameraId) {
        let deadline = Instant::now() + DEADLINE;
        while self
            .recordings(camera)
            .await
            .iter()
            .any(|found| found.growing)
        {
            assert!(Instant::now() < deadline, "the file was not finished");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn path(&self, recording: &Recording) -> PathBuf {
        self.folder.path().join("recordings").join(&recording.file)
    }

    /// Resident memory, KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Sends SIGTERM and waits; gives the folder back.
    pub async fn terminate(mut self) -> tempfile::TempDir {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let deadline = Instant::now() + DEADLINE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "the recorder did not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert!(status.success(), "{status}");
        std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap())
    }

    /// Sends SIGKILL, as a power cut would; gives the folder back.
    pub fn kill(mut self) -> tempfile::TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap())
    }
}

impl Drop for RecorderProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn is_recording(status: &CameraStatus) -> bool {
    status.session == SessionState::Recording
}

pub fn is_waiting(status: &CameraStatus) -> bool {
    matches!(status.session, SessionState::Waiting { .. })
}

/// What ffprobe says of a recording.
pub struct Probe {
    /// How many tracks.
    pub streams: usize,
    pub stream: serde_json::Value,
    pub dts: Vec<i64>,
    pub pts: Vec<i64>,
}

/// Streams and packets of a file that ffprobe reads without a word.
pub fn ffprobe(path: &Path) -> serde_json::Value {
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-of",
            "json",
            "-show_streams",
            "-show_packets",
        ])
        .arg(path)
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

pub fn probe(path: &Path) -> Probe {
    let found = ffprobe(path);
    let times = |key: &str| -> Vec<i64> {
        let packets = found["packets"].as_array().unwrap();
        packets
            .iter()
            .map(|packet| packet[key].as_i64().unwrap())
            .collect()
    };
    Probe {
        dts: times("dts"),
        pts: times("pts"),
        streams: found["streams"].as_array().unwrap().len(),
        stream: found["streams"][0].clone(),
    }
}

/// Two other readers play all of the file without a word: ffmpeg and GStreamer.
pub fn check_with_others(path: &Path) {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "warning", "-xerror", "-i"])
        .arg(path)
        .args(["-map", "0", "-f", "null", "-"])
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "ffmpeg: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let probe = probe(path);
    let mut command = Command::new("gst-launch-1.0");
    command
        .args(["-q", "filesrc"])
        .arg(format!("location={}", path.display()))
        .args(["!", "decodebin", "name=d"]);
    for _ in 0..probe.streams {
        command.args(["d.", "!", "queue", "!", "fakesink"]);
    }
    let output = command.output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "GStreamer: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// ffprobe finds a whole H.264 file with strictly rising times.
pub fn check_recording(path: &Path) -> Probe {
    let probe = probe(path);
    assert_eq!(probe.stream["codec_name"], "h264");
    assert_eq!(probe.stream["width"], 640);
    assert_eq!(probe.stream["height"], 360);
    assert_eq!(probe.dts.first(), Some(&0));
    for times in [&probe.dts, &probe.pts] {
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    }
    probe
}

/// Letter and frame number of every picture in a file; all must be readable.
pub fn frame_codes(path: &Path) -> Vec<(char, u64)> {
    let output = python("frame_code.py")
        .arg("video")
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| {
            let found: serde_json::Value = serde_json::from_str(line).unwrap();
            let letter = found["letter"].as_str().unwrap().chars().next().unwrap();
            (letter, found["number"].as_u64().unwrap())
        })
        .collect()
}

/// All of this letter, rising, and hardly any missing.
pub fn check_frame_codes(codes: &[(char, u64)], letter: char) {
    assert!(codes.iter().all(|code| code.0 == letter), "{codes:?}");
    assert!(
        codes.windows(2).all(|pair| pair[0].1 < pair[1].1),
        "{codes:?}"
    );
    let span = codes.last().unwrap().1 - codes[0].1 + 1;
    let missing = span - u64::try_from(codes.len()).unwrap();
    assert!(
        missing * 5 <= span,
        "{missing} of {span} pictures are missing"
    );
}

/// The number of the frame that a camera draws now.
#[expect(
    clippy::disallowed_methods,
    reason = "the camera goes by the system's clock"
)]
pub fn frame_number_now() -> u64 {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    u64::try_from(now.as_millis() / 100).unwrap()
}
