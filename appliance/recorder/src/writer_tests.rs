#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use super::*;
use crate::disk::{DiskSettings, Initialize, Markers};
use crate::format::test_format;
use crate::index::DiskNumber;
use crate::part::{PartBuilder, test_picture};
use crate::scan::outline;

struct Bench {
    folder: tempfile::TempDir,
    writer: Writer,
    disk: Arc<Disk>,
    number: DiskNumber,
    camera: CameraId,
    init: Arc<InitSegment>,
    recorded_bytes: Arc<AtomicU64>,
}

impl Bench {
    fn new(max_waiting_bytes: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let index = Index::open(&folder.path().join("index.db")).unwrap();
        let disk = Arc::new(Disk::new(DiskSettings {
            name: "one".into(),
            folder: folder.path().join("recordings"),
            initialize: Initialize::Always,
        }));
        let marker = disk.try_out(&Markers::default()).unwrap();
        let number = index.disk(&marker).unwrap();
        disk.take_into_use(number);
        let settings = WriterSettings {
            max_file_duration: Duration::from_secs(4),
            max_waiting_bytes,
        };
        Self {
            writer: Writer::start(settings, Arc::clone(&disk), index).unwrap(),
            disk,
            number,
            folder,
            camera: "02000000000a-1".parse().unwrap(),
            init: Arc::new(InitSegment::new(test_format())),
            recorded_bytes: Arc::default(),
        }
    }

    fn write(&self, part: &Arc<Part>, gap_since_utc_ms: Option<i64>) -> Result<(), QueueFull> {
        self.writer.try_write(WriteJob {
            camera: self.camera,
            init: Arc::clone(&self.init),
            part: Arc::clone(part),
            gap: gap_since_utc_ms.map(|since_utc_ms| OpenGap {
                since_utc_ms,
                cause: GapCause::Disk,
            }),
            event: None,
            recorded_bytes: Arc::clone(&self.recorded_bytes),
        })
    }

    fn index(&self) -> Index {
        Index::reopen(&self.folder.path().join("index.db")).unwrap()
    }

    fn recordings(&self) -> PathBuf {
        self.folder.path().join("recordings")
    }

    fn end(&self) {
        self.writer.end(Duration::from_secs(5));
    }

    /// (start, end), oldest first.
    fn gaps(&self) -> Vec<(i64, i64)> {
        let all = Span {
            start_utc_ms: 0,
            end_utc_ms: i64::MAX,
        };
        let found = self.index().gaps(self.camera, all).unwrap();
        let times = |gap: &sealgate_recorder_link::Gap| {
            assert_eq!(gap.cause, Some(GapCause::Disk));
            (gap.span.start_utc_ms, gap.span.end_utc_ms)
        };
        found.iter().map(times).collect()
    }

    fn newest(&self) -> Vec<sealgate_recorder_link::Recording> {
        self.index().newest(&[self.number], None, 100).unwrap()
    }

    /// (milliseconds, bytes), oldest first, each checked against the file itself.
    fn files(&self) -> Vec<u64> {
        let mut found = self.newest();
        found.reverse();
        for recording in &found {
            let outline = outline(&self.recordings().join(&recording.file)).unwrap();
            assert_eq!(outline.good_bytes, outline.file_bytes);
            assert_eq!(outline.file_bytes, recording.size_bytes);
            assert_eq!(part::ms(outline.duration_90k), recording.duration_ms);
            assert_eq!(outline.start_utc_ms, Some(recording.start_utc_ms));
            assert!(!recording.growing);
        }
        found.into_iter().map(|found| found.duration_ms).collect()
    }
}

fn parts(pictures: std::ops::RangeInclusive<u64>) -> Vec<Arc<Part>> {
    let mut builder = PartBuilder::new();
    pictures
        .filter_map(|count| builder.push(test_picture(count, 100)))
        .map(Arc::new)
        .collect()
}

#[test]
fn a_new_file_begins_at_an_idr_after_the_longest_duration() {
    let bench = Bench::new(MAX_WAITING_BYTES);
    for part in &parts(0..=110) {
        bench.write(part, None).unwrap();
    }
    bench.end();
    assert_eq!(bench.files(), [4000, 4000, 3000]);
    assert_eq!(bench.gaps(), []);
    let before_parts = bench.init.bytes.len() + crate::marks::start(0).len();
    let on_disk: u64 = bench
        .newest()
        .iter()
        .map(|file| file.size_bytes - u64::try_from(before_parts).unwrap())
        .sum();
    assert_eq!(bench.recorded_bytes.load(Ordering::Relaxed), on_disk);
}

#[test]
fn a_new_format_begins_a_new_file() {
    let mut bench = Bench::new(MAX_WAITING_BYTES);
    let parts = parts(0..=60);
    for part in &parts[..4] {
        bench.write(part, None).unwrap();
    }
    let mut format = test_format();
    format.width = 320;
    bench.init = Arc::new(InitSegment::new(format));
    for part in &parts[4..8] {
        bench.write(part, None).unwrap();
    }
    bench.end();
    assert_eq!(bench.files(), [2000, 2000]);
}

#[tokio::test]
async fn a_closed_camera_has_a_finished_file() {
    let bench = Bench::new(MAX_WAITING_BYTES);
    for part in &parts(0..=20) {
        bench.write(part, None).unwrap();
    }
    bench.writer.close(bench.camera).await.unwrap();
    assert_eq!(bench.files(), [2000]);
    assert_eq!(bench.writer.growing(bench.camera), None);
    assert!(!bench.writer.is_gone() && !bench.writer.hangs(Duration::from_secs(1)));
    bench.end();
    assert!(bench.writer.is_gone());
    assert_eq!(bench.write(&parts(0..=20)[0], None), Err(QueueFull));
}

#[test]
fn nothing_is_written_before_an_idr_and_gaps_are_noted() {
    let bench = Bench::new(MAX_WAITING_BYTES);
    let parts = parts(0..=80);
    let start = 1_795_000_000_000;
    for part in &parts[2..6] {
        bench.write(part, None).unwrap();
    }
    bench.write(&parts[8], Some(start + 3000)).unwrap();
    bench.end();
    // Of 2 s to 4.5 s, 3 s to 4 s were left out: no file has a hole.
    assert_eq!(bench.files(), [1000, 500]);
    assert_eq!(
        bench.gaps(),
        [(start + 1000, start + 2000), (start + 3000, start + 4000)]
    );
}

#[test]
fn refuses_what_finds_no_room() {
    let bench = Bench::new(300);
    let large = Arc::new({
        let mut builder = PartBuilder::new();
        builder.push(test_picture(0, 1000));
        builder.finish(9000).unwrap()
    });
    assert_eq!(bench.write(&large, None), Err(QueueFull));
}

#[test]
fn goes_on_when_the_disk_does_again() {
    let bench = Bench::new(MAX_WAITING_BYTES);
    let day = bench.recordings().join("02000000000a-1");
    std::fs::create_dir_all(&day).unwrap();
    // A file where the day's folder should be: nothing can be created below it.
    let day = day.join("2026-11-18");
    std::fs::write(&day, b"").unwrap();
    let parts = parts(0..=60);
    assert_eq!(
        crate::layout::file_name(bench.camera, parts[0].utc_ms)
            .split('/')
            .nth(1),
        Some("2026-11-18")
    );
    for part in &parts[..4] {
        bench.write(part, None).unwrap();
    }
    wait_until(|| bench.writer.room.available_permits() == MAX_WAITING_BYTES as usize);
    std::fs::remove_file(&day).unwrap();
    for part in &parts[4..8] {
        bench.write(part, None).unwrap();
    }
    bench.end();
    assert_eq!(bench.files(), [2000]);
    let start = 1_795_000_000_000;
    assert_eq!(bench.gaps(), [(start, start + 2000)]);
}

#[test]
fn a_second_recording_of_the_same_moment_gets_a_name_of_its_own() {
    let bench = Bench::new(MAX_WAITING_BYTES);
    let parts = parts(0..=20);
    bench.write(&parts[0], None).unwrap();
    drop(bench.writer.close(bench.camera));
    bench.write(&parts[0], None).unwrap();
    bench.end();
    assert_eq!(bench.files(), [500, 500]);
}

#[test]
fn nothing_is_written_without_the_disks_marker() {
    let bench = Bench::new(MAX_WAITING_BYTES);
    std::fs::remove_file(bench.recordings().join(crate::disk::MARKER)).unwrap();
    for part in &parts(0..=40) {
        bench.write(part, None).unwrap();
    }
    bench.end();
    assert_eq!(bench.disk.state(), DiskState::Away);
    assert_eq!(std::fs::read_dir(bench.recordings()).unwrap().count(), 0);
}

fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !condition() {
        assert!(Instant::now() < deadline, "it did not happen in 5 s");
        std::thread::yield_now();
    }
}
