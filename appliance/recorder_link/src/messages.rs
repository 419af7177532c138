//! Requests, replies and what they carry.

use sealgate_camera::{CameraId, StreamUrl};
use serde::{Deserialize, Serialize};

use crate::kept::{DiskStatus, ExportInfo, Recording, Timeline};
use crate::plan::{Keep, RecordPlan};

/// What the supervisor asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// Record exactly these cameras; stop every other at once.
    SetDesired(DesiredSet),
    /// Go by this time zone in plans, an IANA name such as `Europe/Berlin`; until told, by the
    /// system's.
    SetZone {
        /// The name.
        zone: String,
    },
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
    /// A desired camera sees motion, or sees none any more. To be sent again at least every
    /// 30 s while the motion lasts: after 60 s without, it is over.
    Motion {
        /// Which camera.
        camera: CameraId,
        /// Whether there is motion.
        active: bool,
        /// When that began to be so, milliseconds since the Unix epoch.
        utc_ms: i64,
    },
    /// What was recorded of one camera, what was not, and what happened.
    Timeline {
        /// Which camera.
        camera: CameraId,
        /// From here, milliseconds since the Unix epoch.
        from_utc_ms: i64,
        /// Up to here, milliseconds since the Unix epoch.
        to_utc_ms: i64,
    },
    /// Turn this connection into a stream of recorded frames, from the key frame at or before
    /// this moment to the newest, as fast as they are taken. Time without recordings is left
    /// out.
    Play {
        /// Which camera.
        camera: CameraId,
        /// From here, milliseconds since the Unix epoch.
        from_utc_ms: i64,
    },
    /// One MP4 file of the recordings of one camera, from exactly one moment up to another.
    Export {
        /// Which camera.
        camera: CameraId,
        /// From here, milliseconds since the Unix epoch.
        from_utc_ms: i64,
        /// Up to here, milliseconds since the Unix epoch.
        to_utc_ms: i64,
    },
    /// The key frame at or before this moment, as an MP4 file of one picture.
    Still {
        /// Which camera.
        camera: CameraId,
        /// When, milliseconds since the Unix epoch.
        at_utc_ms: i64,
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
    /// When it is recorded.
    #[serde(default)]
    pub plan: RecordPlan,
    /// For how long its recordings are kept.
    #[serde(default)]
    pub keep: Keep,
}

impl DesiredCamera {
    /// A camera with this main stream and nothing more, over TCP: all of it is recorded, and
    /// kept as long as there is room.
    pub fn new(camera: CameraId, stream: StreamUrl) -> Self {
        Self {
            camera,
            stream,
            sub_stream: None,
            audio: false,
            transport: Transport::default(),
            plan: RecordPlan::CONTINUOUS,
            keep: Keep::default(),
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
    /// From here on the connection carries live or recorded frames.
    Live,
    /// Answer to [`Request::Timeline`].
    Timeline(Timeline),
    /// Answer to [`Request::Still`]; the picture's file follows as one piece.
    Still {
        /// When the picture arrived, milliseconds since the Unix epoch.
        utc_ms: i64,
    },
    /// From here on the connection carries the export's bytes, in pieces, and then ends.
    Export(ExportInfo),
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
    /// There is no recording of this camera in that time.
    #[error("nothing of camera {camera} is recorded there")]
    NothingRecorded {
        /// Which camera.
        camera: CameraId,
    },
    /// An export of more than one file is made of.
    #[error("the export would be too long")]
    TooLong,
    /// Other exports and playbacks are under way.
    #[error("as many recordings are being read as the recorder can serve")]
    TooManyReaders,
}

/// The recorder's state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RecorderStatus {
    /// One entry per desired camera.
    pub cameras: Vec<CameraStatus>,
    /// Bytes free on the disks that hold recordings.
    pub free_bytes: u64,
    /// Bytes on those disks in total.
    pub total_bytes: u64,
    /// Each disk of the configuration, in its order.
    #[serde(default)]
    pub disks: Vec<DiskStatus>,
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
    /// What becomes of the frames.
    #[serde(default)]
    pub keeping: Keeping,
}

/// What becomes of a camera's frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keeping {
    /// Nothing: the plan says so, or there are none.
    #[default]
    Nothing,
    /// The newest are held in memory until there is motion.
    AwaitingMotion,
    /// They are written.
    Writing,
    /// They would be written, but no disk takes them.
    Refused,
}

/// The state of one camera's RTSP session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum SessionState {
    /// Connecting for the first time, or again after a failure.
    Connecting,
    /// Frames arrive; [`CameraStatus::keeping`] says what becomes of them.
    Recording,
    /// The last attempt failed; the next follows by itself.
    Waiting {
        /// What failed, for a person.
        reason: String,
        /// Milliseconds until the next attempt.
        retry_in_ms: u64,
    },
}
