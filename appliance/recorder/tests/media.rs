//! Sound, H.265, sub-streams and datagrams from real servers, read back by other people's players.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::*;
use sealgate_recorder_link::{DesiredCamera, DesiredSet, LiveFrame, LiveStream, Transport};

/// Records this many pictures of one camera into one file.
async fn record(camera: &ClipCamera, frames: u64) -> (RecorderProcess, std::path::PathBuf) {
    let recorder = RecorderProcess::start().await;
    record_with(&recorder, camera, frames).await;
    let recordings = recorder.recordings(camera.id()).await;
    assert_eq!(recordings.len(), 1, "{recordings:?}");
    let path = recorder.path(&recordings[0]);
    (recorder, path)
}

async fn record_with(recorder: &RecorderProcess, camera: &ClipCamera, frames: u64) {
    let desired = DesiredSet {
        cameras: vec![camera.desired.clone()],
    };
    recorder.client.set_desired(desired).await.unwrap();
    recorder.until_frames(camera.id(), frames).await;
    recorder.record_nothing().await;
}

/// Every stream of a file, and the packets of each: (stream, time in seconds, duration).
fn streams(path: &Path) -> (Vec<serde_json::Value>, Vec<(u64, f64, f64)>) {
    let found = ffprobe(path);
    let number = |packet: &serde_json::Value, key: &str| -> f64 {
        packet[key].as_str().unwrap().parse().unwrap()
    };
    // ffprobe knows no length of a FLAC packet; they have one only.
    let length = |packet: &serde_json::Value| match packet.get("duration_time") {
        Some(_) => number(packet, "duration_time"),
        None => 512.0 / 8000.0,
    };
    let packets = found["packets"].as_array().unwrap().iter();
    let packets = packets.map(|packet| {
        let stream = packet["stream_index"].as_u64().unwrap();
        (stream, number(packet, "dts_time"), length(packet))
    });
    (
        found["streams"].as_array().unwrap().clone(),
        packets.collect(),
    )
}

/// Each track has no hole and no overlap, also where its sound began before the very first picture;
/// and both are as long.
fn check_tracks(packets: &[(u64, f64, f64)]) {
    let mut lengths = Vec::new();
    for track in [0, 1] {
        let times: Vec<_> = packets.iter().filter(|packet| packet.0 == track).collect();
        for pair in times.windows(2) {
            let hole = pair[1].1 - pair[0].1 - pair[0].2;
            assert!(hole.abs() < 0.002, "track {track}: {pair:?}");
        }
        lengths.push(times.last().unwrap().1);
    }
    assert!((lengths[0] - lengths[1]).abs() < 0.5, "{lengths:?}");
}

async fn check_sound(audio: &str, codec: &str, rate_hz: &str) {
    let options = ClipOptions {
        audio: Some(audio),
        ..ClipOptions::default()
    };
    let mut camera = ClipCamera::start('S', &options);
    camera.desired.audio = true;
    let (_recorder, path) = record(&camera, 150).await;
    let (found, packets) = streams(&path);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0]["codec_name"], "h264");
    assert_eq!(found[1]["codec_name"], codec);
    assert_eq!(found[1]["sample_rate"], rate_hz);
    assert_eq!(found[1]["channels"], 1);
    check_tracks(&packets);
    check_with_others(&path);
    // It is a tick every second, not silence.
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "info", "-i"])
        .arg(&path)
        .args(["-vn", "-af", "volumedetect", "-f", "null", "-"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let loudest = text.split("max_volume: ").nth(1).unwrap();
    let loudest: f64 = loudest.split(' ').next().unwrap().parse().unwrap();
    assert!(loudest > -12.0, "{loudest} dB");
}

#[tokio::test]
async fn g711_a_law_is_heard_by_every_player() {
    check_sound("pcma", "flac", "8000").await;
}

#[tokio::test]
async fn g711_mu_law_is_heard_by_every_player() {
    check_sound("pcmu", "flac", "8000").await;
}

#[tokio::test]
async fn aac_stays_as_it_is() {
    check_sound("aac", "aac", "16000").await;
}

#[tokio::test]
async fn sound_that_is_not_wanted_is_not_recorded_and_live_has_it_where_it_is() {
    let options = ClipOptions {
        audio: Some("pcma"),
        ..ClipOptions::default()
    };
    let mut camera = ClipCamera::start('Q', &options);
    let (recorder, path) = record(&camera, 50).await;
    assert_eq!(streams(&path).0.len(), 1);

    camera.desired.audio = true;
    let desired = DesiredSet {
        cameras: vec![camera.desired.clone()],
    };
    recorder.client.set_desired(desired).await.unwrap();
    recorder.until_frames(camera.id(), 60).await;
    let mut live = recorder.client.live(camera.id()).await.unwrap();
    let Some(LiveFrame::Init { mime_type, bytes }) = live.next().await.unwrap() else {
        panic!("the initialization segment comes first");
    };
    assert!(mime_type.ends_with(", flac\""), "{mime_type}");
    let mut video = bytes.to_vec();
    for _ in 0..10 {
        let Some(LiveFrame::Part { bytes, .. }) = live.next().await.unwrap() else {
            panic!("parts follow");
        };
        video.extend_from_slice(&bytes);
    }
    let path = recorder.folder.path().join("live.mp4");
    std::fs::write(&path, video).unwrap();
    let (found, packets) = streams(&path);
    assert_eq!(found[1]["codec_name"], "flac");
    check_tracks(&packets);
    check_with_others(&path);
}

#[tokio::test]
async fn h265_is_recorded_and_played() {
    let options = ClipOptions {
        codec: "h265",
        audio: Some("pcma"),
        ..ClipOptions::default()
    };
    let mut camera = ClipCamera::start('H', &options);
    camera.desired.audio = true;
    let (_recorder, path) = record(&camera, 150).await;
    let (found, packets) = streams(&path);
    assert_eq!(found[0]["codec_name"], "hevc");
    assert_eq!(found[0]["codec_tag_string"], "hvc1");
    assert_eq!(found[0]["width"], 1280);
    check_tracks(&packets);
    check_with_others(&path);
}

#[tokio::test]
async fn a_sub_stream_is_fetched_only_while_somebody_watches() {
    let main = ClipCamera::start('M', &ClipOptions::default());
    let sub = Camera::start('U', free_port());
    let recorder = RecorderProcess::start().await;
    let mut desired = main.desired.clone();
    let id = desired.camera;
    let set = |desired| DesiredSet {
        cameras: vec![desired],
    };
    recorder
        .client
        .set_desired(set(desired.clone()))
        .await
        .unwrap();
    let live_sub = || recorder.client.live_stream(id, LiveStream::Sub);
    assert_eq!(live_sub().await.unwrap_err().code(), "SG-REC-020");

    desired.sub_stream = Some(sub.desired().stream);
    recorder.client.set_desired(set(desired)).await.unwrap();
    recorder.until_frames(id, 25).await;
    assert_eq!(connections_to(&sub), 0);
    let mut live = live_sub().await.unwrap();
    let mut video = Vec::new();
    let asked = Instant::now();
    while video.len() < 8 {
        match live.next().await.unwrap().unwrap() {
            LiveFrame::Init { bytes, .. } | LiveFrame::Part { bytes, .. } => video.push(bytes),
            LiveFrame::Skipped { .. } => panic!("nothing is left out"),
        }
    }
    println!("eight frames of the sub-stream after {:?}", asked.elapsed());
    let second = live_sub().await.unwrap();
    assert_eq!(connections_to(&sub), 1, "one session for all viewers");
    let path = recorder.folder.path().join("sub.mp4");
    std::fs::write(&path, video.concat()).unwrap();
    let (found, _) = streams(&path);
    assert_eq!(found[0]["width"], 640, "the other stream's size");
    check_frame_codes(&frame_codes(&path), 'U');

    drop((live, second));
    let left = Instant::now();
    let deadline = left + Duration::from_secs(20);
    while connections_to(&sub) > 0 {
        assert!(Instant::now() < deadline, "the session stays open");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("closed {:?} after the last viewer", left.elapsed());
    assert!(left.elapsed() >= Duration::from_secs(4));
    // Nothing of it is on disk, and the main stream was never disturbed.
    recorder.record_nothing().await;
    let recordings = recorder.recordings(id).await;
    let (found, _) = streams(&recorder.path(recordings.last().unwrap()));
    assert_eq!(found[0]["width"], 1280);
    // It can be watched again and ends with the camera.
    let refused = live_sub().await.unwrap_err();
    assert_eq!(refused.code(), "SG-REC-002");
}

/// Established connections to a camera's port (proc(5), `/proc/net/tcp`).
fn connections_to(camera: &Camera) -> usize {
    let port = format!(":{:04X}", camera.port());
    let text = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let lines = text
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .filter(|words| words[2].ends_with(&port) && words[3] == "01")
        .count()
}

/// VLC plays a clip to whoever asks, over datagrams only: an RTSP server of another family
/// (live555's) than GStreamer's.
struct Vlc {
    child: Child,
    _folder: tempfile::TempDir,
    url: String,
}

impl Vlc {
    fn start() -> Self {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).unwrap();
        let clip = folder.path().join("clip.ts");
        let made = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-f", "lavfi", "-t", "60", "-i"])
            .arg("testsrc2=size=640x360:rate=25")
            .args([
                "-c:v",
                "libx264",
                "-preset",
                "ultrafast",
                "-tune",
                "zerolatency",
            ])
            .args(["-pix_fmt", "yuv420p", "-g", "25", "-f", "mpegts"])
            .arg(&clip)
            .status()
            .unwrap();
        assert!(made.success());
        let url = format!("rtsp://127.0.0.1:{}/clip", free_port());
        // It refuses to run as root.
        let child = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "cvlc"])
            .args(["-I", "dummy", "-q", "--loop", "--sout-keep", "--sout"])
            .arg(format!("#rtp{{sdp={url}}}"))
            .arg(&clip)
            .env("HOME", "/nonexistent")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            child,
            _folder: folder,
            url,
        }
    }
}

impl Drop for Vlc {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_server_of_another_family_is_recorded() {
    let vlc = Vlc::start();
    let id = camera_id('V');
    let mut desired = DesiredCamera::new(id, vlc.url.parse().unwrap());
    desired.transport = Transport::Udp;
    let recorder = RecorderProcess::start().await;
    // It is looked for until it is there.
    let set = DesiredSet {
        cameras: vec![desired],
    };
    recorder.client.set_desired(set).await.unwrap();
    recorder.until(id, is_recording).await;
    recorder.until_frames(id, 200).await;
    recorder.record_nothing().await;
    let recordings = recorder.recordings(id).await;
    assert_eq!(recordings.len(), 1, "{recordings:?}");
    let path = recorder.path(&recordings[0]);
    let probe = check_recording(&path);
    // Every picture, 40 ms apart.
    for pair in probe.dts.windows(2) {
        assert!((3500..=3700).contains(&(pair[1] - pair[0])), "{pair:?}");
    }
    check_with_others(&path);
}

/// Two namespaces with a cable between them that changes the order of datagrams.
struct ShuffledWire {
    wire: Child,
    names: [String; 2],
}

impl ShuffledWire {
    const ADDRESSES: [&str; 2] = ["10.213.0.1", "10.213.0.2"];

    fn new() -> Self {
        let names = ["box", "cam"].map(|end| format!("sg{}{end}", std::process::id()));
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cameras/shuffling_wire.py");
        let mut wire = Command::new("/usr/bin/python3")
            .arg(script)
            .args(&names)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = wire.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
        assert_eq!(line, "ready\n");
        let found = Self { wire, names };
        for (place, name) in found.names.iter().enumerate() {
            let peer = Self::ADDRESSES[1 - place];
            for command in [
                format!("netns add {name}"),
                format!("link set {name} netns {name}"),
                format!(
                    "-n {name} address add {} peer {peer} dev {name}",
                    Self::ADDRESSES[place]
                ),
                format!("-n {name} link set lo up"),
                format!("-n {name} link set {name} up"),
            ] {
                let done = Command::new("ip")
                    .args(command.split(' '))
                    .status()
                    .unwrap();
                assert!(done.success(), "ip {command}");
            }
        }
        found
    }

    fn prefix(&self, end: usize) -> [&str; 4] {
        ["ip", "netns", "exec", &self.names[end]]
    }
}

impl Drop for ShuffledWire {
    fn drop(&mut self) {
        let _ = self.wire.kill();
        let _ = self.wire.wait();
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}

#[tokio::test]
async fn datagrams_out_of_order_lose_no_picture() {
    let wire = ShuffledWire::new();
    let options = ClipOptions {
        audio: Some("pcma"),
        address: ShuffledWire::ADDRESSES[1],
        prefix: &wire.prefix(1),
        ..ClipOptions::default()
    };
    let mut camera = ClipCamera::start('D', &options);
    camera.desired.transport = Transport::Udp;
    camera.desired.audio = true;
    let recorder = RecorderProcess::start_with(tempfile::tempdir().unwrap(), &wire.prefix(0)).await;
    record_with(&recorder, &camera, 250).await;
    let recordings = recorder.recordings(camera.id()).await;
    assert_eq!(recordings.len(), 1, "{recordings:?}");
    let path = recorder.path(&recordings[0]);
    let (_, packets) = streams(&path);
    check_tracks(&packets);
    let pictures: Vec<_> = packets.iter().filter(|packet| packet.0 == 0).collect();
    assert!(pictures.len() >= 225);
    for pair in pictures.windows(2) {
        assert!((pair[1].1 - pair[0].1 - 0.04).abs() < 0.001, "{pair:?}");
    }
    check_with_others(&path);
}
