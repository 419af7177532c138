//! Channels with cameras made by hand: silence, wild clocks, new formats, a slow disk.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use sealgate_base::SystemClock;
use sealgate_recorder::channel::{Channel, ChannelView, Counters};
use sealgate_recorder::disk::{Disk, DiskSettings, Initialize};
use sealgate_recorder::disks::{Disks, Place};
use sealgate_recorder::format::{SoundFormat, VideoFormat};
use sealgate_recorder::index::Index;
use sealgate_recorder::keeper::Keeper;
use sealgate_recorder::scan::outline;
use sealgate_recorder::source::{Frame, Picture, Pictures, Source, SourceError};
use sealgate_recorder::writer::{Writer, WriterSettings};
use sealgate_recorder_link::{LiveFrame, RecordPlan, SessionState};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What happens at each attempt to open the camera; the last repeats.
enum Attempt {
    /// No answer ever.
    Hang,
    /// An error at once.
    Fail(SourceError),
    /// A session that gives what comes through this channel, then nothing.
    Session(mpsc::UnboundedReceiver<Picture>),
}

struct HandMade {
    attempts: Mutex<Vec<Attempt>>,
    opened: AtomicU32,
}

impl HandMade {
    fn new(mut attempts: Vec<Attempt>) -> Arc<Self> {
        attempts.reverse();
        Arc::new(Self {
            attempts: Mutex::new(attempts),
            opened: AtomicU32::new(0),
        })
    }

    fn session() -> (mpsc::UnboundedSender<Picture>, Attempt) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (sender, Attempt::Session(receiver))
    }
}

impl Source for HandMade {
    fn open(&self) -> BoxFuture<'_, Result<Box<dyn Pictures>, SourceError>> {
        async {
            self.opened.fetch_add(1, Ordering::Relaxed);
            let attempt = self.attempts.lock().unwrap().pop();
            match attempt {
                Some(Attempt::Session(receiver)) => {
                    Ok(Box::new(Session(receiver)) as Box<dyn Pictures>)
                }
                Some(Attempt::Fail(error)) => Err(error),
                Some(Attempt::Hang) | None => std::future::pending().await,
            }
        }
        .boxed()
    }
}

struct Session(mpsc::UnboundedReceiver<Picture>);

impl Pictures for Session {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Frame>, SourceError>> {
        async { Ok(self.0.recv().await.map(Frame::Picture)) }.boxed()
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

/// Ten pictures a second, an IDR every ten.
fn picture(count: i64) -> Picture {
    Picture {
        data: vec![0; 100].into(),
        camera_90k: count * 9000,
        is_idr: count % 10 == 0,
        new_format: (count == 0).then(|| format(640)),
        lost_packets: 0,
    }
}

struct Bench {
    folder: tempfile::TempDir,
    view: Arc<ChannelView>,
    disks: Arc<Disks>,
    cancel: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Bench {
    fn start(source: &Arc<HandMade>, max_waiting_bytes: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let index = Index::open(&folder.path().join("index.db")).unwrap();
        let disk = Arc::new(Disk::new(DiskSettings {
            name: "one".into(),
            folder: folder.path().join("recordings"),
            initialize: Initialize::Always,
        }));
        let settings = WriterSettings {
            max_file_duration: Duration::from_secs(60),
            max_waiting_bytes,
        };
        let reopened = Index::reopen(&folder.path().join("index.db")).unwrap();
        let writer = Writer::start(settings, Arc::clone(&disk), reopened).unwrap();
        let place = Place {
            disk: Arc::clone(&disk),
            writer,
        };
        let disks = Arc::new(Disks::new(vec![place], 0));
        let marker = disk.try_out(&disks.markers).unwrap();
        disk.take_into_use(index.disk(&marker).unwrap());
        let camera = "02000000000a-1".parse().unwrap();
        let counters = Arc::new(Counters::default());
        let clock = Arc::new(SystemClock::new());
        let keeper = Arc::new(Keeper::new(
            camera,
            RecordPlan::CONTINUOUS,
            Arc::clone(&disks),
            Arc::clone(&clock) as Arc<_>,
            Arc::clone(&counters.recorded_bytes),
        ));
        let view = Arc::new(ChannelView::new(camera, counters));
        let channel = Channel::new(
            Arc::clone(&view),
            Arc::clone(source) as Arc<dyn Source>,
            keeper,
            clock,
        );
        let cancel = CancellationToken::new();
        Self {
            folder,
            view,
            disks,
            task: tokio::spawn(channel.run(cancel.clone())),
            cancel,
        }
    }

    async fn until(&self, wanted: impl Fn(&SessionState) -> bool) -> SessionState {
        loop {
            let session = self.view.status().session;
            if wanted(&session) {
                return session;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn until_waiting(&self) -> (String, u64) {
        let waiting = |session: &SessionState| matches!(session, SessionState::Waiting { .. });
        match self.until(waiting).await {
            SessionState::Waiting {
                reason,
                retry_in_ms,
            } => (reason, retry_in_ms),
            session => panic!("{session:?}"),
        }
    }

    async fn until_frames(&self, frames: u64) {
        while self.view.status().frames < frames {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Stops, and gives each file's length in milliseconds, oldest first.
    async fn stop(self) -> Vec<u64> {
        self.cancel.cancel();
        self.task.await.unwrap();
        let place = &self.disks.places()[0];
        let number = place.disk.number().unwrap();
        place.writer.end(Duration::from_secs(5));
        let index = Index::reopen(&self.folder.path().join("index.db")).unwrap();
        let mut found = index.newest(&[number], None, 100).unwrap();
        found.reverse();
        for recording in &found {
            check_file(&place.disk.folder().join(&recording.file));
        }
        found.into_iter().map(|found| found.duration_ms).collect()
    }
}

/// The file is whole, and its decode times rise from 0 without holes.
fn check_file(path: &Path) {
    use mp4_atom::Decode;

    let found = outline(path).unwrap();
    assert_eq!(found.good_bytes, found.file_bytes);
    let bytes = std::fs::read(path).unwrap();
    let mut expected = 0;
    let mut place = 0;
    while place < bytes.len() {
        let length = u32::from_be_bytes(bytes[place..place + 4].try_into().unwrap());
        let end = place + usize::try_from(length).unwrap();
        if &bytes[place + 4..place + 8] == b"moof" {
            let moof = mp4_atom::Moof::decode(&mut &bytes[place..end]).unwrap();
            let traf = &moof.traf[0];
            let time = traf.tfdt.as_ref().unwrap().base_media_decode_time;
            assert_eq!(time, expected);
            for sample in traf.trun[0].samples.iter() {
                assert!(sample.duration.unwrap() > 0);
                expected += u64::from(sample.duration.unwrap());
            }
        }
        place = end;
    }
    assert_eq!(expected, found.duration_90k);
}

#[tokio::test(start_paused = true)]
async fn a_camera_that_does_not_answer_is_tried_again_ever_more_seldom() {
    let source = HandMade::new(vec![
        Attempt::Hang,
        Attempt::Fail(SourceError::Refused),
        Attempt::Fail(SourceError::NoStream),
        Attempt::Fail(SourceError::Unreachable("it is off".into())),
    ]);
    let bench = Bench::start(&source, 1 << 20);
    let started = Instant::now();
    let (reason, wait) = bench.until_waiting().await;
    assert_eq!(reason, "the camera did not answer within 10 s");
    assert!((10_000..10_100).contains(&started.elapsed().as_millis()));
    assert!((240..=500).contains(&wait), "{wait}");
    for (attempts, words, waits) in [
        (
            2,
            "the camera wants another user name or password",
            490..=1000,
        ),
        (3, "the camera has no stream at this address", 990..=2000),
        // One that is off is looked for every second.
        (4, "the camera can't be reached: it is off", 490..=1000),
    ] {
        while source.opened.load(Ordering::Relaxed) < attempts {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let (reason, wait) = bench.until_waiting().await;
        assert_eq!(reason, words);
        assert!(waits.contains(&wait), "{wait}");
    }
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_camera_is_noticed() {
    let (pictures, session) = HandMade::session();
    let source = HandMade::new(vec![session]);
    let bench = Bench::start(&source, 1 << 20);
    pictures.send(picture(0)).unwrap();
    bench
        .until(|session| *session == SessionState::Recording)
        .await;
    let started = Instant::now();
    let (reason, _) = bench.until_waiting().await;
    assert_eq!(reason, "the camera sent no picture for 10 s");
    assert!((9_900..10_100).contains(&started.elapsed().as_millis()));
    bench.stop().await;
}

#[tokio::test]
async fn stops_at_once_while_it_connects() {
    let source = HandMade::new(vec![Attempt::Hang]);
    let bench = Bench::start(&source, 1 << 20);
    let started = Instant::now();
    assert_eq!(bench.stop().await, [0; 0]);
    assert!(started.elapsed() < Duration::from_millis(500));
}

#[tokio::test]
async fn wild_timestamps_do_not_stop_recording() {
    let (pictures, session) = HandMade::session();
    let source = HandMade::new(vec![session]);
    let bench = Bench::start(&source, 1 << 20);
    let times = [
        0,
        9000,
        9000,
        4500,
        -1 << 40,
        1 << 50,
        0,
        i64::MAX,
        i64::MIN,
        77,
    ];
    for count in 0..100 {
        let mut picture = picture(count);
        picture.camera_90k = times[usize::try_from(count).unwrap() % times.len()];
        pictures.send(picture).unwrap();
    }
    bench.until_frames(100).await;
    let files = bench.stop().await;
    assert_eq!(files.len(), 1);
}

#[tokio::test]
async fn a_new_format_begins_a_new_file_and_is_announced_to_viewers() {
    let (pictures, session) = HandMade::session();
    let source = HandMade::new(vec![session]);
    let bench = Bench::start(&source, 1 << 20);
    let mut viewer = bench.view.live.subscribe().unwrap();
    for count in 0..40 {
        let mut picture = picture(count);
        if count == 20 {
            picture.new_format = Some(format(1280));
        }
        if count == 30 {
            // The same parameters again are no change.
            picture.new_format = Some(format(1280));
        }
        pictures.send(picture).unwrap();
    }
    bench.until_frames(40).await;
    let Some(LiveFrame::Init { bytes, .. }) = viewer.next().await else {
        panic!("the newest format comes first");
    };
    let wide = bytes.windows(4).any(|bytes| bytes == [0x05, 0, 0, 0]);
    assert!(wide, "1280 pixels wide");
    let files = bench.stop().await;
    assert_eq!(files, [2000, 2000]);
}

#[tokio::test]
async fn pictures_before_the_first_format_are_left_out() {
    let (pictures, session) = HandMade::session();
    let source = HandMade::new(vec![session]);
    let bench = Bench::start(&source, 1 << 20);
    for count in 5..30 {
        let mut picture = picture(count);
        picture.new_format = (count == 10).then(|| format(640));
        pictures.send(picture).unwrap();
    }
    bench.until_frames(25).await;
    assert_eq!(bench.stop().await, [2000]);
}

#[tokio::test]
async fn a_disk_that_takes_nothing_does_not_hold_up_viewers() {
    let (pictures, session) = HandMade::session();
    let source = HandMade::new(vec![session]);
    let bench = Bench::start(&source, 10);
    let mut viewer = bench.view.live.subscribe().unwrap();
    let mut parts = 0;
    for count in 0..50 {
        pictures.send(picture(count)).unwrap();
        bench.until_frames(u64::try_from(count).unwrap() + 1).await;
        while let Some(frame) = viewer.next().now_or_never().flatten() {
            parts += u32::from(matches!(frame, LiveFrame::Part { .. }));
        }
    }
    assert!(parts >= 8, "{parts}");
    assert_eq!(bench.view.status().recorded_bytes, 0);
    assert_eq!(bench.stop().await, [0; 0]);
}

#[tokio::test]
async fn the_next_session_goes_into_a_new_file() {
    let (first_pictures, first) = HandMade::session();
    let (second_pictures, second) = HandMade::session();
    let source = HandMade::new(vec![first, second]);
    let bench = Bench::start(&source, 1 << 20);
    for count in 0..20 {
        first_pictures.send(picture(count)).unwrap();
    }
    drop(first_pictures);
    let (reason, _) = bench.until_waiting().await;
    assert_eq!(reason, "the camera ended the session");
    for count in 0..10 {
        second_pictures.send(picture(count)).unwrap();
    }
    bench.until_frames(30).await;
    assert_eq!(bench.stop().await, [2000, 1000]);
}
