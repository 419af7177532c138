//! The cameras: one prepared clip, served live by gst-rtsp-server.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// Pictures a second.
pub const FPS: u32 = 25;
/// Length of the clip, seconds; then it begins again.
const CLIP_S: u32 = 12;
/// Different streams; cameras beyond share one, as the server is not what is measured.
const STREAMS: u16 = 8;

/// A server of cameras that runs.
pub struct Cameras {
    server: Child,
    port: u16,
    count: u16,
    clip_bytes: u64,
}

impl Cameras {
    /// Makes the clip, 1080p25 H.264 of 3 Mbit/s with a group of 2 s, and serves it.
    pub fn start(folder: &Path, count: u16) -> Result<Self> {
        let clip = folder.join("clip.h264");
        let source = format!("testsrc2=size=1920x1080:rate={FPS},noise=alls=12:allf=t");
        let made = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", &source])
            .args(["-t", &CLIP_S.to_string(), "-c:v", "libx264"])
            .args([
                "-preset",
                "ultrafast",
                "-tune",
                "zerolatency",
                "-pix_fmt",
                "yuv420p",
            ])
            .args([
                "-g", "50", "-b:v", "3000k", "-maxrate", "3000k", "-bufsize", "3000k",
            ])
            // Delimiters tell the server where a picture ends.
            .args(["-bsf:v", "h264_metadata=aud=insert"])
            .arg(&clip)
            .status()
            .context("start ffmpeg")?;
        ensure!(made.success(), "ffmpeg could not make the clip");
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .context("find a free port")?
            .port();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("cameras/many_cameras.py");
        // Debian's own interpreter has the GStreamer bindings.
        let server = Command::new("/usr/bin/python3")
            .arg(script)
            .args(["--fps", &FPS.to_string(), "--port", &port.to_string()])
            .args(["--streams", &STREAMS.to_string(), "--clip"])
            .arg(&clip)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("start the cameras")?;
        let mut cameras = Self {
            server,
            port,
            count,
            clip_bytes: std::fs::metadata(&clip).context("measure the clip")?.len(),
        };
        let output = cameras
            .server
            .stdout
            .take()
            .context("the cameras' output")?;
        let mut line = String::new();
        BufReader::new(output)
            .read_line(&mut line)
            .context("wait for the cameras")?;
        ensure!(line.starts_with("ready"), "the cameras did not start");
        Ok(cameras)
    }

    /// How many.
    pub fn count(&self) -> u16 {
        self.count
    }

    /// A picture's bytes on average.
    #[expect(clippy::cast_precision_loss, reason = "a few MB")]
    pub fn bytes_per_picture(&self) -> f64 {
        self.clip_bytes as f64 / f64::from(CLIP_S * FPS)
    }

    /// Every camera's stream address.
    pub fn urls(&self) -> impl Iterator<Item = String> {
        let port = self.port;
        (0..self.count).map(move |number| format!("rtsp://127.0.0.1:{port}/{}", number % STREAMS))
    }
}

impl Drop for Cameras {
    fn drop(&mut self) {
        // Nothing is left to tell.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
