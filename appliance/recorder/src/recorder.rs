//! The whole recorder: makes what runs equal to what is desired.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sealgate_base::Clock;
use sealgate_camera::CameraId;
use sealgate_recorder_link::{
    CameraStatus, DesiredCamera, DesiredSet, Keep, LiveStream, RecordPlan, RecorderRefusal,
    RecorderStatus, Recording, Transport, When,
};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::care::Care;
use crate::channel::{Channel, ChannelView, Counters};
use crate::disk::{Disk, DiskSettings};
use crate::disks::{Disks, Place};
use crate::group;
use crate::index::{Index, IndexError};
use crate::keeper::Keeper;
use crate::layout;
use crate::live::Viewer;
use crate::part::Part;
use crate::preroll;
use crate::scan::{self, ScanError};
use crate::sessions::SessionThreads;
use crate::source::{Source, StreamSpec};
use crate::sub_stream::SubStream;
use crate::writer::{MAX_WAITING_BYTES, OpenGap, Writer, WriterSettings};

/// Entries of one answer about recordings, at most.
pub const MAX_RECORDINGS: u32 = 1000;

/// Playbacks, exports and pictures of recordings at once: each may hold some MByte.
const MAX_READERS: usize = 12;
/// How long the disks are waited for at the start; one that needs longer is used later.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long the disks are waited for at the end, each.
const END_LIMIT: Duration = Duration::from_secs(5);
/// How long a new viewer waits for the newest part to be in its file, and between two looks.
const GROUP_TIMEOUT: Duration = Duration::from_millis(400);
const GROUP_POLL: Duration = Duration::from_millis(20);

/// What a recorder needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where recordings go; the first is the box's own.
    pub disks: Vec<DiskSettings>,
    /// The index, which need not be there.
    pub index_file: PathBuf,
    /// Free space that is kept on each disk, bytes.
    pub min_free_bytes: u64,
    /// A new file begins at the first IDR after this much video.
    pub max_file_duration: Duration,
}

/// The recorder could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The index can't be opened or made anew.
    #[error("the index of recordings is not usable")]
    Index(#[source] IndexError),
    /// A thread can't be started.
    #[error("a thread could not be started")]
    Thread(#[source] std::io::Error),
}

/// One recording, opened for reading.
#[derive(Debug)]
pub struct RecordedFile {
    /// From its start.
    pub file: tokio::fs::File,
    /// Up to the end of its last whole part, bytes: what grows is played that far.
    pub whole_bytes: u64,
}

/// Makes the source of a stream: RTSP on the box, pictures made by hand in tests.
pub type SourceFactory = Box<dyn Fn(StreamSpec) -> Arc<dyn Source> + Send + Sync>;

/// Records what is desired.
pub struct Recorder {
    clock: Arc<dyn Clock>,
    sources: SourceFactory,
    pub(crate) disks: Arc<Disks>,
    care: Mutex<Option<Care>>,
    sessions: Arc<SessionThreads>,
    index: Arc<Mutex<Index>>,
    running: Mutex<HashMap<CameraId, Running>>,
    /// Of every camera that was ever desired: at most as many as the site has.
    counters: Mutex<HashMap<CameraId, Arc<Counters>>>,
    /// Playbacks, exports and pictures of recordings at once.
    pub(crate) readers: Arc<Semaphore>,
    /// One change of the desired set at a time.
    changing: tokio::sync::Mutex<()>,
}

struct Running {
    desired: DesiredCamera,
    sub: Option<Arc<SubStream>>,
    view: Arc<ChannelView>,
    keeper: Arc<Keeper>,
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

impl Recorder {
    /// Mends what the last run left and starts with nothing desired. Reads the disk: call it
    /// where blocking is allowed, inside a Tokio runtime.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(
        settings: Settings,
        clock: Arc<dyn Clock>,
        sources: SourceFactory,
    ) -> Result<Self, StartError> {
        let index = Index::open(&settings.index_file).map_err(StartError::Index)?;
        let reopen = || Index::reopen(&settings.index_file);
        let writer = WriterSettings {
            max_file_duration: settings.max_file_duration,
            max_waiting_bytes: MAX_WAITING_BYTES,
        };
        let mut places = Vec::new();
        for disk in &settings.disks {
            let disk = Arc::new(Disk::new(disk.clone()));
            let index = reopen().map_err(StartError::Index)?;
            let writer = Writer::start(writer.clone(), Arc::clone(&disk), index);
            let writer = writer.map_err(StartError::Thread)?;
            places.push(Place { disk, writer });
        }
        let disks = Arc::new(Disks::new(places, settings.min_free_bytes));
        let indexes = settings
            .disks
            .iter()
            .map(|_| reopen())
            .collect::<Result<_, _>>();
        let indexes = indexes.map_err(StartError::Index)?;
        let care = Care::start(&disks, &clock, settings.min_free_bytes, indexes)
            .map_err(StartError::Thread)?;
        for place in disks.places() {
            place.disk.wait_for_look(START_LIMIT);
        }
        Ok(Self {
            clock,
            sources,
            disks,
            care: Mutex::new(Some(care)),
            sessions: Arc::new(SessionThreads::start().map_err(StartError::Thread)?),
            index: Arc::new(Mutex::new(index)),
            running: Mutex::default(),
            counters: Mutex::default(),
            readers: Arc::new(Semaphore::new(MAX_READERS)),
            changing: tokio::sync::Mutex::default(),
        })
    }

    /// Plans go by this time zone from now on.
    pub fn set_zone(&self, name: &str) {
        self.disks.set_zone(name);
    }

    /// Records exactly these cameras. Returns once every other has stopped and its file is
    /// finished, which takes two seconds at most.
    pub async fn set_desired(&self, desired: DesiredSet) {
        let _one_at_a_time = self.changing.lock().await;
        self.set_rules(&desired).await;
        let awaits = |camera: &&DesiredCamera| camera.plan.week().has(When::Motion);
        let awaiting = desired.cameras.iter().filter(awaits).count();
        let share = preroll::share_bytes(awaiting);
        self.disks.held_share_bytes.store(share, Ordering::Relaxed);
        let desired: HashMap<CameraId, DesiredCamera> = desired
            .cameras
            .into_iter()
            .map(|camera| (camera.camera, camera))
            .collect();
        let stopping: Vec<Running> = {
            let mut running = lock(&self.running);
            let goes_on = |camera: &CameraId, running: &Running| {
                let wanted = desired.get(camera);
                wanted.is_some_and(|wanted| is_same_session(wanted, &running.desired))
            };
            let leaving: Vec<CameraId> = running
                .iter()
                .filter(|(camera, running)| !goes_on(camera, running))
                .map(|(camera, _)| *camera)
                .collect();
            leaving
                .iter()
                .filter_map(|camera| running.remove(camera))
                .collect()
        };
        stop(stopping).await;
        let mut running = lock(&self.running);
        for (camera, desired) in desired {
            let others = running.len();
            let running = running
                .entry(camera)
                .or_insert_with(|| self.run(desired.clone(), others));
            running.keeper.set_plan(desired.plan);
            running.desired = desired;
        }
    }

    /// Kept in the index, so that they hold for cameras that are no longer desired.
    async fn set_rules(&self, desired: &DesiredSet) {
        let cameras = desired.cameras.iter();
        let rules: Vec<_> = cameras.map(|camera| (camera.camera, camera.keep)).collect();
        let index = Arc::clone(&self.index);
        let set = move || lock(&index).set_rules(rules.into_iter());
        match tokio::task::spawn_blocking(set).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "the rules of retention could not be taken over"
            ),
            Err(_) => tracing::error!("the rules of retention could not be taken over"),
        }
    }

    fn run(&self, desired: DesiredCamera, others: usize) -> Running {
        let camera = desired.camera;
        let spec = |url: &sealgate_camera::StreamUrl, audio| StreamSpec {
            url: url.clone(),
            audio,
            transport: desired.transport,
        };
        // Its sound is the main stream's: the page plays one of the two.
        let sub = desired.sub_stream.as_ref().map(|url| {
            let source = (self.sources)(spec(url, false));
            Arc::new(SubStream::new(camera, source, Arc::clone(&self.clock)))
        });
        let counters = Arc::clone(lock(&self.counters).entry(camera).or_default());
        let keeper = Arc::new(Keeper::new(
            camera,
            desired.plan,
            Arc::clone(&self.disks),
            Arc::clone(&self.clock),
            Arc::clone(&counters.recorded_bytes),
        ));
        let view = Arc::new(ChannelView::new(camera, counters));
        let cancel = CancellationToken::new();
        let channel = Channel::new(
            Arc::clone(&view),
            (self.sources)(spec(&desired.stream, desired.audio)),
            Arc::clone(&keeper),
            Arc::clone(&self.clock),
        );
        tracing::info!(
            camera_id = %camera, stream = %desired.stream,
            audio = desired.audio, udp = desired.transport == Transport::Udp,
            "recording is desired"
        );
        Running {
            desired,
            sub,
            view,
            keeper,
            task: self.sessions.spawn(others, channel.run(cancel.clone())),
            cancel,
        }
    }

    /// A camera reports motion, or that there is none any more. Writes to the index: call it
    /// where blocking is allowed.
    ///
    /// # Errors
    /// The camera is not desired.
    pub fn report_motion(
        &self,
        camera: CameraId,
        active: bool,
        utc_ms: i64,
    ) -> Result<(), RecorderRefusal> {
        let keeper = lock(&self.running)
            .get(&camera)
            .map(|running| Arc::clone(&running.keeper));
        let keeper = keeper.ok_or(RecorderRefusal::NotDesired { camera })?;
        if let Some(event) = keeper.report_motion(active, utc_ms) {
            let noted = lock(&self.index).note_event(camera, &event);
            if let Err(error) = noted {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "an event is not listed"
                );
            }
        }
        Ok(())
    }

    /// What every desired camera is doing, in the order of their identifiers.
    pub fn status(&self) -> RecorderStatus {
        let status = |running: &Running| CameraStatus {
            keeping: running.keeper.keeping(),
            ..running.view.status()
        };
        let mut cameras: Vec<_> = lock(&self.running).values().map(status).collect();
        cameras.sort_by_key(|status| status.camera);
        let disks = self.disks.status();
        RecorderStatus {
            cameras,
            free_bytes: disks.iter().map(|disk| disk.free_bytes).sum(),
            total_bytes: disks.iter().map(|disk| disk.total_bytes).sum(),
            disks,
        }
    }

    /// The newest recordings of one camera, or of all; newest first. Reads the disk: call it
    /// where blocking is allowed.
    ///
    /// # Errors
    /// [`RecorderRefusal::Index`].
    pub fn recordings(
        &self,
        camera: Option<CameraId>,
        limit: u32,
    ) -> Result<Vec<Recording>, RecorderRefusal> {
        let limit = limit.min(MAX_RECORDINGS);
        let readable = self.disks.readable();
        let mut found = self.ask_index(|index| index.newest(&readable, camera, limit))?;
        for recording in found.iter_mut().filter(|recording| recording.growing) {
            self.see_growing(recording);
        }
        Ok(found)
    }

    /// What grows is newer in memory than in the index. False for what does not grow any more.
    pub(crate) fn see_growing(&self, recording: &mut Recording) -> bool {
        let growing = self.disks.growing(recording.camera).into_iter();
        let mut growing = growing.filter(|(_, progress)| progress.file == recording.file);
        let Some((_, progress)) = growing.next() else {
            return false;
        };
        recording.duration_ms = progress.duration_ms;
        recording.size_bytes = progress.size_bytes;
        true
    }

    pub(crate) fn ask_index<T>(
        &self,
        ask: impl FnOnce(&Index) -> Result<T, IndexError>,
    ) -> Result<T, RecorderRefusal> {
        ask(&lock(&self.index)).map_err(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the index can't be asked"
            );
            RecorderRefusal::Index
        })
    }

    /// What is not written of a camera just now, if it is desired.
    pub(crate) fn open_gap(&self, camera: CameraId) -> Option<OpenGap> {
        lock(&self.running).get(&camera)?.keeper.gap()
    }

    pub(crate) fn now_utc_ms(&self) -> i64 {
        self.clock.utc_ms()
    }

    /// Opens one recording; `name` is its path below the recordings folder.
    ///
    /// # Errors
    /// [`RecorderRefusal::NoSuchRecording`], also for a name that the recorder never gave.
    pub async fn open(&self, name: &str) -> Result<RecordedFile, RecorderRefusal> {
        // Only names of the recorder's own form: none of them leads out of the folder.
        layout::parse_file_name(name).ok_or(RecorderRefusal::NoSuchRecording)?;
        let readable = self.disks.readable();
        let disk = self.ask_index(|index| index.disk_of(&readable, name))?;
        let place = disk.and_then(|disk| self.disks.find(disk));
        let folder = place.ok_or(RecorderRefusal::NoSuchRecording)?.disk.folder();
        let path = folder.join(name);
        let opened = tokio::task::spawn_blocking(move || {
            let whole_bytes = scan::outline(&path)?.good_bytes;
            Ok::<_, ScanError>((path, whole_bytes))
        });
        let (path, whole_bytes) = match opened.await {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => {
                tracing::debug!(error = &error as &dyn std::error::Error, name, "not opened");
                return Err(RecorderRefusal::NoSuchRecording);
            }
            Err(_) => return Err(RecorderRefusal::NoSuchRecording),
        };
        match tokio::fs::File::open(path).await {
            Ok(file) => Ok(RecordedFile { file, whole_bytes }),
            // Retention was quicker.
            Err(_) => Err(RecorderRefusal::NoSuchRecording),
        }
    }

    /// Live video of one of a camera's streams.
    ///
    /// # Errors
    /// The camera is not desired, has no such stream, or has too many viewers.
    pub async fn live(
        &self,
        camera: CameraId,
        stream: LiveStream,
    ) -> Result<Viewer, RecorderRefusal> {
        let (view, sub, others) = {
            let running = lock(&self.running);
            let found = running
                .get(&camera)
                .ok_or(RecorderRefusal::NotDesired { camera })?;
            (Arc::clone(&found.view), found.sub.clone(), running.len())
        };
        let too_many = |_| RecorderRefusal::TooManyViewers { camera };
        match stream {
            LiveStream::Main => {
                let mut viewer = view.live.subscribe().map_err(too_many)?;
                if let Some(sequence) = viewer.missing() {
                    viewer.give_group(self.group_on_disk(camera, sequence).await);
                }
                Ok(viewer)
            }
            LiveStream::Sub => {
                let sub = sub.ok_or(RecorderRefusal::NoSubStream { camera })?;
                sub.watch(&self.sessions, others).map_err(too_many)
            }
        }
    }

    /// The current group of pictures, from the file that is being written; it may take a moment
    /// until its newest part is there.
    async fn group_on_disk(&self, camera: CameraId, sequence: u32) -> Option<Vec<Part>> {
        let deadline = tokio::time::Instant::now() + GROUP_TIMEOUT;
        loop {
            let (disk, growing) = self.disks.growing(camera).pop()?;
            let (_, start_utc_ms) = layout::parse_file_name(&growing.file)?;
            let path = self.disks.find(disk)?.disk.folder().join(&growing.file);
            let read = move || group::newest(&path, sequence, start_utc_ms);
            match tokio::task::spawn_blocking(read).await.ok()? {
                Ok(Some(group)) => return Some(group),
                Ok(None) if tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(GROUP_POLL).await;
                }
                Ok(None) => return None,
                Err(error) => {
                    tracing::debug!(camera_id = %camera, %error, "the newest group is not read");
                    return None;
                }
            }
        }
    }

    /// False once recording stands still for a reason that a restart may cure.
    pub fn is_alive(&self) -> bool {
        self.disks.is_alive()
    }

    /// Stops everything and finishes every file.
    pub async fn stop(&self) {
        self.set_desired(DesiredSet::default()).await;
        let disks = Arc::clone(&self.disks);
        let sessions = Arc::clone(&self.sessions);
        let care = lock(&self.care).take();
        let ended = tokio::task::spawn_blocking(move || {
            sessions.end();
            for place in disks.places() {
                place.writer.end(END_LIMIT);
            }
            if let Some(care) = care {
                care.end(END_LIMIT);
            }
        });
        if ended.await.is_err() {
            tracing::error!("the writing threads could not be ended");
        }
    }
}

/// Whether a running session serves another wish as well: then only what becomes of its parts
/// changes.
fn is_same_session(one: &DesiredCamera, other: &DesiredCamera) -> bool {
    let session = |desired: &DesiredCamera| DesiredCamera {
        plan: RecordPlan::OFF,
        keep: Keep::default(),
        ..desired.clone()
    };
    session(one) == session(other)
}

async fn stop(stopping: Vec<Running>) {
    for running in &stopping {
        running.cancel.cancel();
        if let Some(sub) = &running.sub {
            sub.end();
        }
    }
    for running in stopping {
        if running.task.await.is_err() {
            tracing::error!("a channel's task had failed");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
