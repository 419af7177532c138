//! The whole recorder: makes what runs equal to what is desired.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sealgate_base::Clock;
use sealgate_camera::CameraId;
use sealgate_recorder_link::{
    DesiredCamera, DesiredSet, LiveStream, RecorderRefusal, RecorderStatus, Recording, Transport,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::channel::{Channel, ChannelView, Counters};
use crate::group;
use crate::index::{Index, IndexError};
use crate::layout;
use crate::live::Viewer;
use crate::part::Part;
use crate::retention::{self, Retention};
use crate::scan::{self, ScanError};
use crate::sessions::SessionThreads;
use crate::source::{Source, StreamSpec};
use crate::sub_stream::SubStream;
use crate::writer::{MAX_WAITING_BYTES, Writer, WriterSettings};

/// Entries of one answer about recordings, at most.
pub const MAX_RECORDINGS: u32 = 1000;

/// How long a new viewer waits for the newest part to be in its file, and between two looks.
const GROUP_TIMEOUT: Duration = Duration::from_millis(400);
const GROUP_POLL: Duration = Duration::from_millis(20);

/// What a recorder needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where recordings go; made if it is not there.
    pub recordings_folder: PathBuf,
    /// The index, which need not be there.
    pub index_file: PathBuf,
    /// Free space that is kept, bytes.
    pub min_free_bytes: u64,
    /// A new file begins at the first IDR after this much video.
    pub max_file_duration: Duration,
}

/// The recorder could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The recordings folder can't be made.
    #[error("the recordings folder {path} could not be made")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
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
    settings: Settings,
    clock: Arc<dyn Clock>,
    sources: SourceFactory,
    writer: Arc<Writer>,
    sessions: Arc<SessionThreads>,
    retention: Mutex<Option<Retention>>,
    index: Mutex<Index>,
    running: Mutex<HashMap<CameraId, Running>>,
    /// Of every camera that was ever desired: at most as many as the site has.
    counters: Mutex<HashMap<CameraId, Arc<Counters>>>,
    /// One change of the desired set at a time.
    changing: tokio::sync::Mutex<()>,
}

struct Running {
    desired: DesiredCamera,
    sub: Option<Arc<SubStream>>,
    view: Arc<ChannelView>,
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
        std::fs::create_dir_all(&settings.recordings_folder).map_err(|source| {
            StartError::Folder {
                path: settings.recordings_folder.clone(),
                source,
            }
        })?;
        let mut index = Index::open(&settings.index_file).map_err(StartError::Index)?;
        index
            .reconcile(&settings.recordings_folder)
            .map_err(StartError::Index)?;
        let reopen = || Index::reopen(&settings.index_file).map_err(StartError::Index);
        let writer = WriterSettings {
            folder: settings.recordings_folder.clone(),
            max_file_duration: settings.max_file_duration,
            max_waiting_bytes: MAX_WAITING_BYTES,
        };
        let writer = Writer::start(writer, reopen()?).map_err(StartError::Thread)?;
        let folder = settings.recordings_folder.clone();
        let retention = Retention::start(reopen()?, folder, settings.min_free_bytes)
            .map_err(StartError::Thread)?;
        Ok(Self {
            clock,
            sources,
            writer: Arc::new(writer),
            sessions: Arc::new(SessionThreads::start().map_err(StartError::Thread)?),
            retention: Mutex::new(Some(retention)),
            index: Mutex::new(index),
            running: Mutex::default(),
            counters: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            settings,
        })
    }

    /// Records exactly these cameras. Returns once every other has stopped and its file is
    /// finished, which takes two seconds at most.
    pub async fn set_desired(&self, desired: DesiredSet) {
        let _one_at_a_time = self.changing.lock().await;
        let desired: HashMap<CameraId, DesiredCamera> = desired
            .cameras
            .into_iter()
            .map(|camera| (camera.camera, camera))
            .collect();
        let stopping: Vec<Running> = {
            let mut running = lock(&self.running);
            let leaving: Vec<CameraId> = running
                .iter()
                .filter(|(camera, running)| desired.get(camera) != Some(&running.desired))
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
            if !running.contains_key(&camera) {
                let started = self.run(desired, running.len());
                running.insert(camera, started);
            }
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
        let view = Arc::new(ChannelView::new(camera, counters));
        let cancel = CancellationToken::new();
        let channel = Channel::new(
            Arc::clone(&view),
            (self.sources)(spec(&desired.stream, desired.audio)),
            Arc::clone(&self.writer),
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
            task: self.sessions.spawn(others, channel.run(cancel.clone())),
            cancel,
        }
    }

    /// What every desired camera is doing, in the order of their identifiers.
    pub fn status(&self) -> RecorderStatus {
        let mut cameras: Vec<_> = lock(&self.running)
            .values()
            .map(|running| running.view.status())
            .collect();
        cameras.sort_by_key(|status| status.camera);
        let space = retention::space_of(&self.settings.recordings_folder).unwrap_or_else(|error| {
            tracing::warn!(%error, "the free space is not known");
            retention::Space::default()
        });
        RecorderStatus {
            cameras,
            free_bytes: space.free_bytes,
            total_bytes: space.total_bytes,
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
        let found = lock(&self.index).newest(camera, limit.min(MAX_RECORDINGS));
        let mut found = found.map_err(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "recordings can't be listed"
            );
            RecorderRefusal::Index
        })?;
        // What grows is newer in memory than in the index.
        let growing = self.writer.growing();
        for recording in &mut found {
            if let Some(progress) = growing.get(&recording.camera)
                && progress.file == recording.file
            {
                recording.duration_ms = progress.duration_ms;
                recording.size_bytes = progress.size_bytes;
            }
        }
        Ok(found)
    }

    /// Opens one recording; `name` is its path below the recordings folder.
    ///
    /// # Errors
    /// [`RecorderRefusal::NoSuchRecording`], also for a name that the recorder never gave.
    pub async fn open(&self, name: &str) -> Result<RecordedFile, RecorderRefusal> {
        // Only names of the recorder's own form: none of them leads out of the folder.
        layout::parse_file_name(name).ok_or(RecorderRefusal::NoSuchRecording)?;
        let path = self.settings.recordings_folder.join(name);
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
            let growing = self.writer.growing().remove(&camera)?;
            let (_, start_utc_ms) = layout::parse_file_name(&growing.file)?;
            let path = self.settings.recordings_folder.join(&growing.file);
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
        self.writer.is_alive()
    }

    /// Stops everything and finishes every file.
    pub async fn stop(&self) {
        self.set_desired(DesiredSet::default()).await;
        let writer = Arc::clone(&self.writer);
        let sessions = Arc::clone(&self.sessions);
        let retention = lock(&self.retention).take();
        let ended = tokio::task::spawn_blocking(move || {
            sessions.end();
            writer.end();
            if let Some(retention) = retention {
                retention.end();
            }
        });
        if ended.await.is_err() {
            tracing::error!("the writing thread could not be ended");
        }
    }
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
