//! The thread that writes recordings to one disk.
//!
//! Sessions hand parts over without waiting; what waits for the disk is bounded in bytes. A
//! session whose part finds no room drops to the next IDR, and the gap is noted. What was
//! written is on disk at most two seconds later.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sealgate_camera::CameraId;
use sealgate_recorder_link::{DiskState, Event, GapCause, Span};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::disk::Disk;
use crate::format::InitSegment;
use crate::index::Index;
use crate::part::{self, Part};
use crate::recording::{GrowingFile, RecordingError};
use crate::threads::{Thread, join_within};

/// Parts waiting for the disk, bytes: two seconds of 64 cameras at 2 MByte/s in all.
pub const MAX_WAITING_BYTES: u32 = 32 * 1024 * 1024;
/// How often unwritten data is looked for, and the age at which it goes to disk: 1.25 s at
/// most, which leaves the disk 0.75 s of the two promised.
const TICK: Duration = Duration::from_millis(250);
const SYNC_AGE: Duration = Duration::from_secs(1);

/// How recordings are written.
#[derive(Debug, Clone)]
pub struct WriterSettings {
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
    /// What was left out just before this part, if anything was.
    pub gap: Option<OpenGap>,
    /// What happens meanwhile, to be told in the file.
    pub event: Option<Event>,
    /// Counts bytes on their way to the disk.
    pub recorded_bytes: Arc<AtomicU64>,
}

/// Video that is not written, up to now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenGap {
    /// The first picture left out arrived then, milliseconds since the Unix epoch.
    pub since_utc_ms: i64,
    /// Why it was.
    pub cause: GapCause,
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
    thread: Mutex<Option<Thread>>,
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
    pub fn start(settings: WriterSettings, disk: Arc<Disk>, index: Index) -> std::io::Result<Self> {
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
            disk,
            index,
            shared: Arc::clone(&shared),
            cameras: HashMap::new(),
        };
        let thread = Thread::start("writer", move || work.run(&receiver))?;
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

    /// The file being written of this camera, if it has one.
    pub fn growing(&self, camera: CameraId) -> Option<Progress> {
        lock(&self.shared.growing).get(&camera).cloned()
    }

    /// Whether the thread has been in the disk for longer than this.
    pub fn hangs(&self, limit: Duration) -> bool {
        let seen = Duration::from_millis(self.shared.seen_ms.load(Ordering::Relaxed));
        self.shared.started.elapsed().saturating_sub(seen) >= limit
    }

    /// Whether the thread has ended, which it does not do by itself.
    pub fn is_gone(&self) -> bool {
        lock(&self.thread).as_ref().is_none_or(Thread::is_finished)
    }

    /// Finishes every file and ends the thread. Blocks until the disk has all; a thread that
    /// hangs in it for longer than `limit` is left behind.
    pub fn end(&self, limit: Duration) {
        let _ = self.messages.send(Message::End);
        join_within(lock(&self.thread).take(), limit);
    }
}

struct Work {
    settings: WriterSettings,
    disk: Arc<Disk>,
    index: Index,
    shared: Arc<Shared>,
    cameras: HashMap<CameraId, CameraFile>,
}

#[derive(Default)]
struct CameraFile {
    file: Option<GrowingFile>,
    /// Parts are left out until the next IDR.
    gap: Option<OpenGap>,
}

impl CameraFile {
    fn leave_out(&mut self, part: &Part) {
        self.gap.get_or_insert(OpenGap {
            since_utc_ms: part.utc_ms,
            cause: GapCause::Disk,
        });
    }
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
        if let Some(gap) = job.gap {
            state.gap.get_or_insert(gap);
        }
        let awaits_idr = state.file.is_none() || state.gap.is_some();
        if part.starts_with_idr {
            self.rotate(&mut state, &job);
            self.begin(&mut state, &job);
        } else if awaits_idr {
            state.leave_out(part);
            self.cameras.insert(job.camera, state);
            return;
        }
        if let Some(mut file) = state.file.take() {
            let before = file.size_bytes();
            match file.add(part, job.event.as_ref()) {
                Ok(()) => {
                    let added = file.size_bytes() - before;
                    job.recorded_bytes.fetch_add(added, Ordering::Relaxed);
                    let progress = Progress {
                        file: file.name.clone(),
                        duration_ms: part::ms(file.duration_90k()),
                        size_bytes: file.size_bytes(),
                    };
                    lock(&self.shared.growing).insert(job.camera, progress);
                    self.end_gap(&mut state, &job);
                    state.file = Some(file);
                }
                Err(error) => {
                    self.report(job.camera, &error, &state);
                    state.leave_out(part);
                    // How the file ends now is uncertain: nothing is added to it any more.
                    self.finish(job.camera, file);
                }
            }
        }
        self.cameras.insert(job.camera, state);
    }

    /// Makes a file for this part, which starts with an IDR, unless there is one.
    fn begin(&mut self, state: &mut CameraFile, job: &WriteJob) {
        if state.file.is_some() {
            return;
        }
        let Some(number) = self.disk.number() else {
            return state.leave_out(&job.part);
        };
        // Its file system may have gone since it was last looked at.
        if !self.disk.has_its_marker() {
            self.disk.leave_out(DiskState::Away);
            return state.leave_out(&job.part);
        }
        match GrowingFile::create(self.disk.folder(), job.camera, &job.init, &job.part) {
            Ok(file) => {
                let start = file.start_utc_ms;
                log_index(self.index.begin(number, job.camera, &file.name, start));
                state.file = Some(file);
            }
            Err(error) => {
                self.report(job.camera, &error, state);
                state.leave_out(&job.part);
            }
        }
    }

    /// Ends the file where this part, which starts with an IDR, does not continue it. A file has
    /// no holes, so that its start and its own times say when each picture arrived.
    fn rotate(&mut self, state: &mut CameraFile, job: &WriteJob) {
        let limit = part::ticks(self.settings.max_file_duration);
        let ends = state.file.as_ref().is_some_and(|file| {
            state.gap.is_some() || !file.has_format(&job.init) || file.duration_90k() >= limit
        });
        if ends && let Some(file) = state.file.take() {
            self.finish(job.camera, file);
        }
    }

    fn end_gap(&self, state: &mut CameraFile, job: &WriteJob) {
        let Some(gap) = state.gap.take() else { return };
        let span = Span {
            start_utc_ms: gap.since_utc_ms,
            end_utc_ms: job.part.utc_ms,
        };
        if gap.cause == GapCause::Disk {
            tracing::warn!(
                camera_id = %job.camera,
                lost_ms = span.end_utc_ms - span.start_utc_ms,
                "recording goes on after a gap"
            );
        }
        log_index(self.index.add_gap(job.camera, span, gap.cause));
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
            self.disk.failed(&error.source);
        }
        let duration_ms = part::ms(file.duration_90k());
        let is_empty = duration_ms == 0;
        if is_empty {
            file.remove();
        }
        // A disk that is left out is listed anew when it is back.
        if let Some(number) = self.disk.number() {
            log_index(if is_empty {
                self.index.forget(number, &file.name)
            } else {
                let size_bytes = file.size_bytes();
                self.index
                    .finish(number, &file.name, duration_ms, size_bytes)
            });
        }
        lock(&self.shared.growing).remove(&camera);
    }

    fn sync(&mut self, age: Duration) {
        let mut failed = Vec::new();
        for (camera, state) in &mut self.cameras {
            if let Some(file) = &mut state.file
                && let Err(error) = file.sync_if_older(age)
            {
                tracing::error!(camera_id = %camera, error = &error as &dyn std::error::Error,
                    "recorded video may not be on disk");
                self.disk.failed(&error.source);
                failed.extend(state.file.take().map(|file| (*camera, file)));
            }
        }
        // The kernel tells of lost data once, and takes it for written from then on
        // (fsync(2)): nothing follows in a file that may have a hole.
        for (camera, file) in failed {
            self.finish(camera, file);
        }
    }

    /// Tells the disk, and the log: once, not for every part that is left out.
    fn report(&self, camera: CameraId, error: &RecordingError, state: &CameraFile) {
        self.disk.failed(&error.source);
        if state.gap.is_none() {
            tracing::error!(camera_id = %camera, error = error as &dyn std::error::Error,
                "video is lost");
        }
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
