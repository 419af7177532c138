//! One recording file while it grows.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sealgate_camera::CameraId;
use sealgate_recorder_link::Event;

use crate::format::InitSegment;
use crate::layout;
use crate::marks;
use crate::part::{self, Part};

/// A file could not be made or written.
#[derive(Debug, thiserror::Error)]
#[error("the recording {path} could not be {operation}")]
pub struct RecordingError {
    /// The file or folder.
    pub path: PathBuf,
    /// What was tried.
    pub operation: &'static str,
    /// The system's reason.
    #[source]
    pub source: io::Error,
}

/// A file that parts are added to. Whatever happens, it ends after a whole part or is torn
/// at most in its last one.
#[derive(Debug)]
pub struct GrowingFile {
    /// Path below the recordings folder.
    pub name: String,
    /// Arrival of its first picture, milliseconds since the Unix epoch.
    pub start_utc_ms: i64,
    init: Arc<InitSegment>,
    path: PathBuf,
    file: File,
    size_bytes: u64,
    start_90k: u64,
    end_90k: u64,
    dirty_since: Option<Instant>,
}

impl GrowingFile {
    /// Makes a file for parts of this format, of which `first` will be the first.
    ///
    /// # Errors
    /// The disk refuses; nothing is left behind then but perhaps empty folders.
    pub fn create(
        folder: &Path,
        camera: CameraId,
        init: &Arc<InitSegment>,
        first: &Part,
    ) -> Result<Self, RecordingError> {
        let mut start_utc_ms = first.utc_ms;
        let (name, path, file) = loop {
            let name = layout::file_name(camera, start_utc_ms);
            let path = folder.join(&name);
            let day = path.parent().expect("every recording is in a folder");
            let failed = |operation| {
                let path = path.clone();
                move |source| RecordingError {
                    path,
                    operation,
                    source,
                }
            };
            make_folder(day).map_err(failed("given a folder"))?;
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => break (name, path, file),
                // The clock was set back onto an older recording: take the next millisecond.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => start_utc_ms += 1,
                Err(source) => return Err(failed("created")(source)),
            }
        };
        let mut growing = Self {
            name,
            start_utc_ms,
            init: Arc::clone(init),
            path,
            file,
            size_bytes: 0,
            start_90k: first.decode_time_90k,
            end_90k: first.decode_time_90k,
            dirty_since: None,
        };
        if let Err(source) = growing.append(&[&init.bytes, &marks::start(start_utc_ms)]) {
            let _ = std::fs::remove_file(&growing.path);
            return Err(growing.failed("written", source));
        }
        Ok(growing)
    }

    /// Adds a part, and what is to be said of an event before it.
    ///
    /// # Errors
    /// The disk refuses. The file then ends where it did before, if the disk allows that at
    /// least; add nothing more to it.
    pub fn add(&mut self, part: &Part, event: Option<&Event>) -> Result<(), RecordingError> {
        let time = part.decode_time_90k.saturating_sub(self.start_90k);
        let mark = event.map(|event| marks::event(event, part::ms(time)));
        let head = part.file_head_at(time);
        let mark = mark.unwrap_or_default();
        let pieces: Vec<&[u8]> = [&mark[..], &head[..]]
            .into_iter()
            .chain(part.media().iter().map(|piece| &piece[..]))
            .collect();
        if let Err(source) = self.append(&pieces) {
            if let Err(source) = self.file.set_len(self.size_bytes) {
                return Err(self.failed("cut back after a failed write", source));
            }
            return Err(self.failed("written", source));
        }
        self.end_90k = part.decode_time_90k + part.duration_90k;
        Ok(())
    }

    fn append(&mut self, pieces: &[&[u8]]) -> io::Result<()> {
        self.dirty_since.get_or_insert_with(Instant::now);
        let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        slices.retain(|slice| !slice.is_empty());
        let mut rest = &mut slices[..];
        while !rest.is_empty() {
            match self.file.write_vectored(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut rest, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let added: usize = pieces.iter().map(|piece| piece.len()).sum();
        self.size_bytes += u64::try_from(added).expect("a part has a few MiB at most");
        Ok(())
    }

    /// Deletes the file, which holds no video.
    pub fn remove(&self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "an empty recording stays");
        }
    }

    /// Puts on disk what has waited for at least this long.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn sync_if_older(&mut self, age: Duration) -> Result<(), RecordingError> {
        if self.dirty_since.is_some_and(|since| since.elapsed() >= age) {
            self.dirty_since = None;
            return self
                .file
                .sync_data()
                .map_err(|source| self.failed("put on disk", source));
        }
        Ok(())
    }

    /// Whether parts of this format continue the file.
    pub fn has_format(&self, init: &Arc<InitSegment>) -> bool {
        Arc::ptr_eq(&self.init, init) || self.init == *init
    }

    /// Length of the file, bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// From its first picture to the end of its last.
    pub fn duration_90k(&self) -> u64 {
        self.end_90k - self.start_90k
    }

    fn failed(&self, operation: &'static str, source: io::Error) -> RecordingError {
        RecordingError {
            path: self.path.clone(),
            operation,
            source,
        }
    }
}

/// Makes a day's folder, and sees to it that its name survives a power cut.
fn make_folder(day: &Path) -> io::Result<()> {
    if day.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(day)?;
    for folder in day.ancestors().skip(1).take(2) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
