//! The one thread that writes recordings to their disk.
//!
//! Sessions hand parts over without waiting; what waits for the disk is bounded in bytes. A
//! session whose part finds no room drops to the next IDR, and the gap is noted. What was
//! written is on disk at most two seconds later.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sealgate_camera::CameraId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::format::InitSegment;
use crate::index::Index;
use crate::part::{self, Part};
use crate::recording::GrowingFile;

/// Parts waiting for the disk, bytes: two seconds of 64 cameras at 2 MByte/s in all.
pub const MAX_WAITING_BYTES: u32 = 32 * 1024 * 1024;
/// How often unwritten data is looked for, and the age at which it goes to disk: 1.25 s at
/// most, which leaves the disk 0.75 s of the two promised.
const TICK: Duration = Duration::from_millis(250);
const SYNC_AGE: Duration = Duration::from_secs(1);
/// A thread that was not seen for longer hangs in the disk.
const HANGING: Duration = Duration::from_secs(60);

/// How recordings are written.
#[derive(Debug, Clone)]
pub struct WriterSettings {
    /// Where recordings go.
    pub folder: PathBuf,
    /// A new file begins at the first IDR after this much video.
    pub max_file_duration: Duration,
    /// See [`MAX_WAITING_BYTES`].
    pub max_waiting_bytes: u32,
}

/// What one part needs to be written.
#[derive(Debug)]
pub struct WriteJob {
    /// Whose.
    pub camera: CameraId,
    /// The format of the part.
    pub init: Arc<InitSegment>,
    /// The part.
    pub part: Arc<Part>,
    /// Arrival of the first picture that was dropped just before this part, if any was.
    pub gap_since_utc_ms: Option<i64>,
    /// Counts bytes on their way to the disk.
    pub recorded_bytes: Arc<AtomicU64>,
}

/// The disk does not keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the disk does not keep up")]
pub struct QueueFull;

enum Message {
    Write(WriteJob, OwnedSemaphorePermit),
    Close(CameraId, oneshot::Sender<()>),
    End,
}

/// One file that is being written, as of its last part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Its path below the recordings folder.
    pub file: String,
    /// Length of the video in it, milliseconds.
    pub duration_ms: u64,
    /// Its length, bytes.
    pub size_bytes: u64,
}

/// Hands work to the thread.
#[derive(Debug)]
pub struct Writer {
    messages: mpsc::Sender<Message>,
    room: Arc<Semaphore>,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    started: Instant,
    seen_ms: AtomicU64,
    growing: Mutex<HashMap<CameraId, Progress>>,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(settings: WriterSettings, index: Index) -> std::io::Result<Self> {
        let (messages, receiver) = mpsc::channel();
        let shared = Arc::new(Shared {
            started: Instant::now(),
            seen_ms: AtomicU64::new(0),
            growing: Mutex::default(),
        });
        let bytes = usize::try_from(settings.max_waiting_bytes).unwrap_or(usize::MAX);
        let room = Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        let work = Work {
            settings,
            index,
            shared: Arc::clone(&shared),
            cameras: HashMap::new(),
        };
        let thread = std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || work.run(&receiver))?;
        Ok(Self {
            messages,
            room,
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Hands over a part, if there is room. Never waits.
    ///
    /// # Errors
    /// [`QueueFull`]: leave out parts until the next IDR.
    pub fn try_write(&self, job: WriteJob) -> Result<(), QueueFull> {
        let bytes = u32::try_from(job.part.len()).map_err(|_| QueueFull)?;
        let permit = Arc::clone(&self.room)
            .try_acquire_many_owned(bytes)
            .map_err(|_| QueueFull)?;
        self.messages
            .send(Message::Write(job, permit))
            .map_err(|_| QueueFull)
    }

    /// Finishes a camera's file once all its parts are written; the answer comes then.
    pub fn close(&self, camera: CameraId) -> oneshot::Receiver<()> {
        let (done, answer) = oneshot::channel();
        // Without the thread the sender is dropped, which answers as well.
        let _ = self.messages.send(Message::Close(camera, done));
        answer
    }

    /// The file being written of each camera that has one.
    pub fn growing(&self) -> HashMap<CameraId, Progress> {
        lock(&self.shared.growing).clone()
    }

    /// False once the thread hangs in the disk, or is gone.
    pub fn is_alive(&self) -> bool {
        let seen = Duration::from_millis(self.shared.seen_ms.load(Ordering::Relaxed));
        let gone = lock(&self.thread)
            .as_ref()
            .is_none_or(JoinHandle::is_finished);
        !gone && self.shared.started.elapsed().saturating_sub(seen) < HANGING
    }

    /// Finishes every file and ends the thread. Blocks until the disk has all.
    pub fn end(&self) {
        let _ = self.messages.send(Message::End);
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the writing thread had failed");
        }
    }
}

struct Work {
    settings: WriterSettings,
    index: Index,
    shared: Arc<Shared>,
    cameras: HashMap<CameraId, CameraFile>,
}

#[derive(Default)]
struct CameraFile {
    file: Option<GrowingFile>,
    /// Parts are left out until the next IDR; the first of them arrived then.
    gap_since_utc_ms: Option<i64>,
}

impl Work {
    fn run(mut self, receiver: &Receiver<Message>) {
        let mut synced = Instant::now();
        loop {
            match receiver.recv_timeout(TICK) {
                Ok(Message::Write(job, _permit)) => self.write(job),
                Ok(Message::Close(camera, done)) => {
                    self.close(camera);
                    let _ = done.send(());
                }
                Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if synced.elapsed() >= TICK {
                self.sync(SYNC_AGE);
                synced = Instant::now();
            }
            let seen = self.shared.started.elapsed().as_millis();
            let seen = u64::try_from(seen).unwrap_or(u64::MAX);
            self.shared.seen_ms.store(seen, Ordering::Relaxed);
        }
        for camera in self.cameras.keys().copied().collect::<Vec<_>>() {
            self.close(camera);
        }
    }

    fn write(&mut self, job: WriteJob) {
        let part = &job.part;
        let mut state = self.cameras.remove(&job.camera).unwrap_or_default();
        if let Some(since) = job.gap_since_utc_ms {
            state.gap_since_utc_ms.get_or_insert(since);
        }
        let awaits_idr = state.file.is_none() || state.gap_since_utc_ms.is_some();
        if part.starts_with_idr {
            self.rotate(&mut state, &job);
            self.end_gap(&mut state, &job);
        } else if awaits_idr {
            state.gap_since_utc_ms.get_or_insert(part.utc_ms);
            self.cameras.insert(job.camera, state);
            return;
        }
        if state.file.is_none() {
            match GrowingFile::create(&self.settings.folder, job.camera, &job.init, part) {
                Ok(file) => {
                    let begun = self.index.begin(job.camera, &file.name, file.start_utc_ms);
                    log_index(begun);
                    state.file = Some(file);
                }
                Err(error) => {
                    report(job.camera, &error, &state);
                    state.gap_since_utc_ms = Some(part.utc_ms);
                }
            }
        }
        if let Some(mut file) = state.file.take() {
            let before = file.size_bytes();
            match file.add(part) {
                Ok(()) => {
                    let added = file.size_bytes() - before;
                    job.recorded_bytes.fetch_add(added, Ordering::Relaxed);
                    let progress = Progress {
                        file: file.name.clone(),
                        duration_ms: part::ms(file.duration_90k()),
                        size_bytes: file.size_bytes(),
                    };
                    lock(&self.shared.growing).insert(job.camera, progress);
                    state.file = Some(file);
                }
                Err(error) => {
                    report(job.camera, &error, &state);
                    state.gap_since_utc_ms = Some(part.utc_ms);
                    // How the file ends now is uncertain: nothing is added to it any more.
                    self.finish(job.camera, file);
                }
            }
        }
        self.cameras.insert(job.camera, state);
    }

    /// Ends the file where this part, which starts with an IDR, does not continue it.
    fn rotate(&mut self, state: &mut CameraFile, job: &WriteJob) {
        let limit = part::ticks(self.settings.max_file_duration);
        let ends = state
            .file
            .as_ref()
            .is_some_and(|file| !file.has_format(&job.init) || file.duration_90k() >= limit);
        if ends && let Some(file) = state.file.take() {
            self.finish(job.camera, file);
        }
    }

    fn end_gap(&self, state: &mut CameraFile, job: &WriteJob) {
        if let Some(since) = state.gap_since_utc_ms.take() {
            tracing::warn!(
                camera_id = %job.camera,
                lost_ms = job.part.utc_ms - since,
                "recording goes on after a gap"
            );
            log_index(self.index.add_gap(job.camera, since, job.part.utc_ms));
        }
    }

    fn close(&mut self, camera: CameraId) {
        if let Some(CameraFile {
            file: Some(file), ..
        }) = self.cameras.remove(&camera)
        {
            self.finish(camera, file);
        }
    }

    fn finish(&self, camera: CameraId, mut file: GrowingFile) {
        if let Err(error) = file.sync_if_older(Duration::ZERO) {
            tracing::error!(camera_id = %camera, error = &error as &dyn std::error::Error,
                "the end of a recording may be lost");
        }
        let duration_ms = part::ms(file.duration_90k());
        log_index(if duration_ms == 0 {
            file.remove();
            self.index.forget(&file.name)
        } else {
            self.index
                .finish(&file.name, duration_ms, file.size_bytes())
        });
        lock(&self.shared.growing).remove(&camera);
    }

    fn sync(&mut self, age: Duration) {
        for (camera, state) in &mut self.cameras {
            if let Some(file) = &mut state.file
                && let Err(error) = file.sync_if_older(age)
            {
                tracing::error!(camera_id = %camera, error = &error as &dyn std::error::Error,
                    "recorded video may not be on disk");
            }
        }
    }
}

/// Says once that writing failed, not for every part that is left out.
fn report(camera: CameraId, error: &crate::recording::RecordingError, state: &CameraFile) {
    if state.gap_since_utc_ms.is_none() {
        tracing::error!(camera_id = %camera, error = error as &dyn std::error::Error,
            "video is lost");
    }
}

/// Recording goes on without the index: it is made anew from the files at the next start.
fn log_index(result: Result<(), crate::index::IndexError>) {
    if let Err(error) = result {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a recording is not listed"
        );
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
