//! Where pictures and sound come from: a trait, so that tests feed them by hand, and RTSP
//! behind it ([`crate::rtsp`]).

use bytes::Bytes;
use futures::future::BoxFuture;
use sealgate_camera::StreamUrl;
use sealgate_recorder_link::Transport;

use crate::backoff::Failure;
use crate::format::{SoundFormat, VideoFormat};
use crate::sound::Sound;

/// One stream of a camera, and how to get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSpec {
    /// Its address.
    pub url: StreamUrl,
    /// Its sound as well.
    pub audio: bool,
    /// How its packets travel.
    pub transport: Transport,
}

/// One camera, which can be connected to again and again.
pub trait Source: Send + Sync + 'static {
    /// Starts a session. The caller bounds the time it takes.
    fn open(&self) -> BoxFuture<'_, Result<Box<dyn Pictures>, SourceError>>;
}

/// One session's pictures and sound. Dropping it ends the session.
pub trait Pictures: Send {
    /// What comes next; `None` when the camera ended the session. Safe to cancel.
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Frame>, SourceError>>;

    /// The sound of the whole session, if it has any.
    fn sound_format(&self) -> Option<SoundFormat>;
}

/// What a session gives.
#[derive(Debug, Clone)]
pub enum Frame {
    /// A picture.
    Picture(Picture),
    /// Sound.
    Sound(Sound),
}

/// One picture as the camera sent it.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Length-prefixed NAL units, without parameter sets; at most
    /// [`MAX_PICTURE_BYTES`](crate::part::MAX_PICTURE_BYTES), which whoever puts it together
    /// sees to.
    pub data: Bytes,
    /// The camera's own time, in 1/90000 s from an arbitrary moment; not to be relied upon.
    pub camera_90k: i64,
    /// No earlier picture is needed to show it.
    pub is_idr: bool,
    /// The format from this picture on; with the first picture, and where it changes.
    pub new_format: Option<VideoFormat>,
    /// Packets lost before this picture.
    pub lost_packets: u16,
}

/// Why a session did not start or ended. The text is for a person and bounded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// RTSP status 401 or 403 (RFC 2326, 11.3).
    #[error("the camera wants another user name or password")]
    Refused,
    /// RTSP status 404.
    #[error("the camera has no stream at this address")]
    NoStream,
    /// The camera answered, with another failure.
    #[error("the camera answered with RTSP status {0}")]
    Status(u16),
    /// The camera offers no video this recorder can write.
    #[error("the camera offers neither H.264 nor H.265 video")]
    NoVideo,
    /// Nobody listens at the address, or the connection broke; the system's words.
    #[error("the camera can't be reached: {0}")]
    Unreachable(String),
    /// Anything else.
    #[error("the camera's answer is not understood: {0}")]
    Rtsp(String),
}

impl SourceError {
    /// Whether trying again soon may help.
    pub fn failure(&self) -> Failure {
        match self {
            Self::Refused | Self::NoStream | Self::NoVideo => Failure::Refusal,
            Self::Status(_) | Self::Unreachable(_) | Self::Rtsp(_) => Failure::Outage,
        }
    }
}
