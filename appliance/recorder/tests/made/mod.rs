//! A recorder in this process, with cameras made by hand that send as the clock goes, and disks
//! that are real file systems.
#![allow(clippy::unwrap_used, clippy::panic, dead_code)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use sealgate_base::SystemClock;
use sealgate_camera::CameraId;
use sealgate_recorder::disk::{DiskSettings, Initialize};
use sealgate_recorder::format::{SoundFormat, VideoFormat};
use sealgate_recorder::source::{Frame, Picture, Pictures, Source, SourceError};
use sealgate_recorder::{Recorder, Settings};
use sealgate_recorder_link::{
    CameraStatus, DesiredCamera, DesiredSet, DiskState, DiskStatus, Keep, Keeping, RecordPlan,
    Recording, Span, Timeline,
};

const DEADLINE: Duration = Duration::from_secs(40);
/// Ten pictures a second, a key frame every second.
const PICTURE: Duration = Duration::from_millis(100);

struct MadeCamera {
    picture_bytes: usize,
    wide_from: Option<i64>,
}

impl Source for MadeCamera {
    fn open(&self) -> BoxFuture<'_, Result<Box<dyn Pictures>, SourceError>> {
        let session = MadePictures {
            count: 0,
            picture_bytes: self.picture_bytes,
            wide_from: self.wide_from,
            next: tokio::time::Instant::now(),
        };
        async { Ok(Box::new(session) as Box<dyn Pictures>) }.boxed()
    }
}

struct MadePictures {
    count: i64,
    picture_bytes: usize,
    wide_from: Option<i64>,
    next: tokio::time::Instant,
}

impl Pictures for MadePictures {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Frame>, SourceError>> {
        async {
            tokio::time::sleep_until(self.next).await;
            self.next += PICTURE;
            let count = self.count;
            self.count += 1;
            Ok(Some(Frame::Picture(Picture {
                data: vec![0; self.picture_bytes].into(),
                camera_90k: count * 9000,
                is_idr: count % 10 == 0,
                new_format: match count {
                    0 => Some(format(640)),
                    count if Some(count) == self.wide_from => Some(format(1280)),
                    _ => None,
                },
                lost_packets: 0,
            })))
        }
        .boxed()
    }

    fn sound_format(&self) -> Option<SoundFormat> {
        None
    }
}

fn format(width: u16) -> VideoFormat {
    VideoFormat {
        codec: "avc1.42C01E".into(),
        sample_entry: b"\0\0\0\x08avc1".to_vec(),
        width,
        height: 360,
    }
}

pub fn camera(number: u8) -> CameraId {
    format!("0200000000{number:02x}-1").parse().unwrap()
}

/// A recorder and the folder of its index and first disk.
pub struct Made {
    pub recorder: Arc<Recorder>,
    pub folder: tempfile::TempDir,
}

pub struct MadeSettings<'a> {
    /// Besides the first.
    pub disks: &'a [(&'a str, &'a Path)],
    /// The first disk is elsewhere.
    pub first: Option<&'a Path>,
    pub picture_bytes: usize,
    /// The pictures have another size from this one on.
    pub wide_from: Option<i64>,
    pub max_file_duration: Duration,
}

impl Default for MadeSettings<'_> {
    fn default() -> Self {
        Self {
            disks: &[],
            first: None,
            picture_bytes: 1000,
            wide_from: None,
            max_file_duration: Duration::from_secs(60),
        }
    }
}

impl Made {
    pub async fn start(settings: MadeSettings<'_>) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), settings).await
    }

    pub async fn start_in(folder: tempfile::TempDir, settings: MadeSettings<'_>) -> Self {
        let own = folder.path().join("recordings");
        let first = settings.first.unwrap_or(&own);
        let mut disks = vec![disk("internal", first, Initialize::Always)];
        let further = settings.disks.iter();
        disks.extend(further.map(|(name, path)| disk(name, path, Initialize::OwnFileSystem)));
        let recorder_settings = Settings {
            disks,
            index_file: folder.path().join("index.db"),
            min_free_bytes: 64 << 20,
            max_file_duration: settings.max_file_duration,
        };
        let (picture_bytes, wide_from) = (settings.picture_bytes, settings.wide_from);
        let started = tokio::task::spawn_blocking(move || {
            Recorder::start(
                recorder_settings,
                Arc::new(SystemClock::new()),
                Box::new(move |_| {
                    Arc::new(MadeCamera {
                        picture_bytes,
                        wide_from,
                    })
                }),
            )
        });
        Self {
            recorder: Arc::new(started.await.unwrap().unwrap()),
            folder,
        }
    }

    pub async fn record(&self, plans: &[(CameraId, RecordPlan)]) {
        let desired = plans.iter().map(|(camera, plan)| DesiredCamera {
            plan: *plan,
            ..desired(*camera)
        });
        let cameras = desired.collect();
        self.recorder.set_desired(DesiredSet { cameras }).await;
    }

    pub async fn keep(&self, camera: CameraId, keep: Keep) {
        let cameras = vec![DesiredCamera {
            keep,
            ..desired(camera)
        }];
        self.recorder.set_desired(DesiredSet { cameras }).await;
    }

    pub fn status(&self, camera: CameraId) -> CameraStatus {
        let status = self.recorder.status();
        let mut cameras = status.cameras.into_iter();
        cameras.find(|found| found.camera == camera).unwrap()
    }

    pub fn disk(&self, place: usize) -> DiskStatus {
        self.recorder.status().disks[place].clone()
    }

    pub fn recordings(&self, camera: CameraId) -> Vec<Recording> {
        let mut found = self.recorder.recordings(Some(camera), 1000).unwrap();
        found.reverse();
        found
    }

    pub fn timeline(&self, camera: CameraId) -> Timeline {
        let all = Span {
            start_utc_ms: 1_700_000_000_000,
            end_utc_ms: 4_000_000_000_000,
        };
        // Of all that time, what lies around the recordings.
        let mut found = self.recorder.timeline(camera, all).unwrap();
        let first = found.spans.first().map_or(0, |span| span.start_utc_ms);
        let narrow = Span {
            start_utc_ms: first - 1000,
            end_utc_ms: found.spans.last().map_or(0, |span| span.end_utc_ms) + 1000,
        };
        found = self.recorder.timeline(camera, narrow).unwrap();
        found
    }

    pub async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) -> Duration {
        let started = Instant::now();
        while !condition(self) {
            assert!(
                started.elapsed() < DEADLINE,
                "{what} did not happen: {:#?}",
                self.recorder.status()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        started.elapsed()
    }

    pub async fn until_disk(&self, place: usize, state: DiskState) -> Duration {
        let wanted = format!("disk {place} {state:?}");
        self.until(&wanted, |made| made.disk(place).state == state)
            .await
    }

    pub async fn until_writing(&self, camera: CameraId) -> Duration {
        self.until("writing", |made| {
            made.status(camera).keeping == Keeping::Writing
        })
        .await
    }

    /// This many more bytes were written.
    pub async fn until_bytes(&self, camera: CameraId, more: u64) {
        let wanted = self.status(camera).recorded_bytes + more;
        self.until("recorded bytes", |made| {
            made.status(camera).recorded_bytes >= wanted
        })
        .await;
    }

    pub async fn stop(self) -> tempfile::TempDir {
        self.recorder.stop().await;
        self.folder
    }
}

fn desired(camera: CameraId) -> DesiredCamera {
    DesiredCamera::new(camera, "rtsp://127.0.0.1/main".parse().unwrap())
}

fn disk(name: &str, folder: &Path, initialize: Initialize) -> DiskSettings {
    DiskSettings {
        name: name.into(),
        folder: folder.to_owned(),
        initialize,
    }
}

pub fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A file system of its own, mounted until this is dropped. Needs root.
pub struct Mount {
    pub path: PathBuf,
}

impl Mount {
    /// In memory.
    pub fn memory(path: PathBuf, mebibytes: u64) -> Self {
        std::fs::create_dir_all(&path).unwrap();
        let size = format!("size={mebibytes}m,mode=755");
        run(
            "mount",
            &[
                "-t",
                "tmpfs",
                "-o",
                &size,
                "sealgate-test",
                path.to_str().unwrap(),
            ],
        );
        Self { path }
    }

    /// An ext4 file system in a file.
    pub fn ext4(image: &Path, path: PathBuf, mebibytes: u64) -> Self {
        let file = std::fs::File::create(image).unwrap();
        file.set_len(mebibytes << 20).unwrap();
        run("mkfs.ext4", &["-q", "-m", "0", image.to_str().unwrap()]);
        Self::image(image, path)
    }

    /// A file system that is there already.
    pub fn image(image: &Path, path: PathBuf) -> Self {
        std::fs::create_dir_all(&path).unwrap();
        run(
            "mount",
            &[
                "-o",
                "loop,errors=remount-ro",
                image.to_str().unwrap(),
                path.to_str().unwrap(),
            ],
        );
        Self { path }
    }

    /// Makes ext4 find an error, upon which it can be read only.
    pub fn fail(&self) {
        let output = Command::new("findmnt")
            .args(["-no", "SOURCE"])
            .arg(&self.path)
            .output()
            .unwrap();
        let source = String::from_utf8(output.stdout).unwrap();
        let device = source.trim().trim_start_matches("/dev/");
        let trigger = format!("/sys/fs/ext4/{device}/trigger_fs_error");
        std::fs::write(trigger, "by a test").unwrap();
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).output();
    }
}

/// A disk whose device can fail: an image in a file system that can be shut down, upon which the
/// loop driver answers EIO to all that is not in the cache.
pub struct FailingDisk {
    outer_image: PathBuf,
    outer: Option<Mount>,
    path: PathBuf,
    disk: Option<Mount>,
}

/// `EXT4_IOC_SHUTDOWN` without a flush of the journal (Linux, fs/ext4/ext4.h), as Rust without
/// unsafe code has no ioctl that takes a number.
const SHUT_DOWN: &str = "import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";

impl FailingDisk {
    /// It is mounted at `path`, and good.
    pub fn new(folder: &Path, path: PathBuf, mebibytes: u64) -> Self {
        let outer_image = folder.join("outer-image");
        let outer = Mount::ext4(&outer_image, folder.join("outer"), mebibytes + 60);
        let disk = Mount::ext4(&outer.path.join("image"), path.clone(), mebibytes);
        Self {
            outer_image,
            outer: Some(outer),
            path,
            disk: Some(disk),
        }
    }

    fn outer_path(&self) -> &Path {
        &self.outer.as_ref().unwrap().path
    }

    /// From now on it answers EIO.
    pub fn fail(&self) {
        run("sync", &[]);
        let path = self.outer_path().to_str().unwrap();
        run("/usr/bin/python3", &["-c", SHUT_DOWN, path]);
    }

    /// It is pulled out, mended, and plugged in again.
    pub async fn replug(&mut self) {
        self.disk = None;
        let outer = self.outer_path().to_owned();
        let deadline = Instant::now() + DEADLINE;
        // The loop device goes once nobody has a file of it open.
        while !Command::new("umount")
            .arg(&outer)
            .status()
            .unwrap()
            .success()
        {
            assert!(Instant::now() < deadline, "the device stays in use");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.outer = None;
        let mended = Mount::image(&self.outer_image, outer);
        self.disk = Some(Mount::image(&mended.path.join("image"), self.path.clone()));
        self.outer = Some(mended);
    }
}

impl Drop for FailingDisk {
    fn drop(&mut self) {
        self.disk = None;
        self.outer = None;
    }
}
