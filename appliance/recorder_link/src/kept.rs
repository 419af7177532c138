//! What was recorded, what was not, and on which disks.

use sealgate_camera::CameraId;
use serde::{Deserialize, Serialize};

/// One finished or growing recording file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// Which camera.
    pub camera: CameraId,
    /// Path below the disk's recordings folder.
    pub file: String,
    /// When its first frame arrived, milliseconds since the Unix epoch.
    pub start_utc_ms: i64,
    /// Length of the video in it, milliseconds.
    pub duration_ms: u64,
    /// Size of the file, bytes.
    pub size_bytes: u64,
    /// The file is still being written.
    pub growing: bool,
}

/// One camera's recordings in some time, each list oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// What was recorded.
    pub spans: Vec<Span>,
    /// What was not, up to now at most.
    pub gaps: Vec<Gap>,
    /// What happened in front of the camera.
    pub events: Vec<Event>,
}

/// Some time, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Its first moment.
    pub start_utc_ms: i64,
    /// The first moment after it.
    pub end_utc_ms: i64,
}

/// Time without a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// When.
    #[serde(flatten)]
    pub span: Span,
    /// Why, if that is known: the recorder was not running, perhaps.
    pub cause: Option<GapCause>,
}

/// Why nothing was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapCause {
    /// The disk did not keep up, or refused.
    Disk,
    /// The camera sent nothing.
    Camera,
    /// The plan said so.
    Plan,
    /// It was recorded, on a disk that is not there now.
    DiskAway,
}

/// Something that happened in front of a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    #[serde(flatten)]
    pub span: Span,
    /// What.
    pub kind: EventKind,
}

/// What can happen in front of a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The camera saw motion.
    Motion,
}

/// What an export holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportInfo {
    /// Length of the file, bytes.
    pub size_bytes: u64,
    /// The recorded times in it, in order; its video goes from one to the next at once.
    pub spans: Vec<Span>,
    /// The camera's picture format changed here, so the rest is another file's.
    pub continues_utc_ms: Option<i64>,
}

/// One disk of recordings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskStatus {
    /// Its name in the configuration.
    pub name: String,
    /// Its recordings folder.
    pub path: String,
    /// Whether it is used.
    pub state: DiskState,
    /// Bytes free; 0 while it is not there.
    pub free_bytes: u64,
    /// Bytes in total; 0 while it is not there.
    pub total_bytes: u64,
}

/// Whether a disk is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum DiskState {
    /// Recordings are written to it and read from it.
    InUse,
    /// It is not there, or something else is in its place: its marker is missing.
    Away,
    /// It is there, and was never made a disk of recordings.
    NotInitialized,
    /// It is the disk of another entry once more.
    Double,
    /// It can be read only.
    ReadOnly,
    /// It is full of other things than recordings.
    Full,
    /// It answers nothing.
    Hanging,
    /// It refuses what is asked of it.
    Failed {
        /// What failed, for a person.
        reason: String,
    },
}
