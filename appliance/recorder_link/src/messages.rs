//! Requests, replies and what they carry.

use sealgate_camera::{CameraId, StreamUrl};
use serde::{Deserialize, Serialize};

/// What the supervisor asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// Record exactly these cameras; stop every other at once.
    SetDesired(DesiredSet),
    /// What each desired camera is doing.
    Status,
    /// Newest first; at most `limit` entries of one camera, or of all.
    Recordings {
        /// Only this camera's recordings, if given.
        camera: Option<CameraId>,
        /// How many at most.
        limit: u32,
    },
    /// The bytes of one recording, as far as it is whole.
    File {
        /// Its path below the recordings folder, as [`Recording::file`] says.
        file: String,
    },
    /// Turn this connection into a stream of live frames of one desired camera.
    Live {
        /// The camera to watch.
        camera: CameraId,
        /// Which of its streams.
        #[serde(default)]
        stream: LiveStream,
    },
}

/// Which stream of a camera is watched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveStream {
    /// The one that is recorded.
    #[default]
    Main,
    /// The smaller one, fetched from the camera only while somebody watches.
    Sub,
}

/// The cameras that are to be recorded, and nothing else.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DesiredSet {
    /// Each camera at most once.
    pub cameras: Vec<DesiredCamera>,
}

/// One camera to record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DesiredCamera {
    /// Which camera.
    pub camera: CameraId,
    /// Where its main stream is; may carry credentials.
    pub stream: StreamUrl,
    /// Where its smaller stream for viewers is, if it has one; may carry credentials.
    #[serde(default)]
    pub sub_stream: Option<StreamUrl>,
    /// Its sound is recorded and heard as well.
    #[serde(default)]
    pub audio: bool,
    /// How its packets travel.
    #[serde(default)]
    pub transport: Transport,
}

impl DesiredCamera {
    /// A camera with this main stream and nothing more, over TCP.
    pub fn new(camera: CameraId, stream: StreamUrl) -> Self {
        Self {
            camera,
            stream,
            sub_stream: None,
            audio: false,
            transport: Transport::default(),
        }
    }
}

/// How a camera's packets travel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// Interleaved in the RTSP connection (RFC 2326, 10.12): nothing is lost.
    #[default]
    Tcp,
    /// As datagrams of their own: for cameras that do no other. Packets that change their order
    /// on the way are put back into it.
    Udp,
}

/// What the recorder answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// Taken over.
    Done,
    /// Answer to [`Request::Status`].
    Status(RecorderStatus),
    /// Answer to [`Request::Recordings`].
    Recordings {
        /// Newest first.
        recordings: Vec<Recording>,
    },
    /// From here on the connection carries live frames.
    Live,
    /// From here on the connection carries the file's bytes, in pieces, and then ends.
    File {
        /// How many bytes follow.
        size_bytes: u64,
    },
    /// The request was understood and refused.
    Refused(RecorderRefusal),
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "refusal", rename_all = "snake_case")]
pub enum RecorderRefusal {
    /// The camera is not in the desired set.
    #[error("camera {camera} is not being recorded")]
    NotDesired {
        /// Which camera.
        camera: CameraId,
    },
    /// The camera has no smaller stream.
    #[error("camera {camera} has no sub-stream")]
    NoSubStream {
        /// Which camera.
        camera: CameraId,
    },
    /// Too many viewers of one camera.
    #[error("camera {camera} has as many viewers as it can serve")]
    TooManyViewers {
        /// Which camera.
        camera: CameraId,
    },
    /// There is no recording of this name, or not any more.
    #[error("there is no such recording")]
    NoSuchRecording,
    /// The index of recordings could not be read.
    #[error("the index of recordings could not be read")]
    Index,
}

/// The recorder's state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RecorderStatus {
    /// One entry per desired camera.
    pub cameras: Vec<CameraStatus>,
    /// Bytes free on the disk that holds recordings.
    pub free_bytes: u64,
    /// Bytes on that disk in total.
    pub total_bytes: u64,
}

/// One camera's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CameraStatus {
    /// Which camera.
    pub camera: CameraId,
    /// What its session is doing.
    pub session: SessionState,
    /// Frames received since the recorder started.
    pub frames: u64,
    /// Bytes written to disk since the recorder started.
    pub recorded_bytes: u64,
    /// When the newest frame arrived, milliseconds since the Unix epoch.
    pub newest_frame_utc_ms: Option<i64>,
}

/// The state of one camera's RTSP session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum SessionState {
    /// Connecting for the first time, or again after a failure.
    Connecting,
    /// Frames arrive and are written.
    Recording,
    /// The last attempt failed; the next follows by itself.
    Waiting {
        /// What failed, for a person.
        reason: String,
        /// Milliseconds until the next attempt.
        retry_in_ms: u64,
    },
}

/// One finished or growing recording file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// Which camera.
    pub camera: CameraId,
    /// Path below the recordings folder.
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
