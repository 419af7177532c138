//! The supervisor's side of the socket.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use sealgate_camera::CameraId;
use tokio::net::UnixStream;

use crate::codec::{Connection, LinkError, LiveFrame};
use crate::{
    DesiredSet, ExportInfo, LiveStream, RecorderRefusal, RecorderStatus, Recording, Reply, Request,
    Timeline,
};

/// How long one request may take; a recorder that needs longer is as good as gone.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// The same for an export, whose files are read once before its first byte.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(60);

/// Why a request to the recorder gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The recorder is not there, or the connection failed.
    #[error("the recorder cannot be asked")]
    Link(#[source] LinkError),
    /// No answer within five seconds.
    #[error("the recorder does not answer")]
    Timeout,
    /// The recorder understood and refused.
    #[error("the recorder refused")]
    Refused(#[source] RecorderRefusal),
    /// The recorder answered something else than what was asked.
    #[error("the recorder answered another question")]
    WrongReply,
}

impl ClientError {
    /// The catalog's code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Link(error) => error.code(),
            Self::Timeout => "SG-REC-001",
            Self::Refused(refusal) => refusal.code(),
            Self::WrongReply => "SG-REC-005",
        }
    }
}

impl RecorderRefusal {
    /// The catalog's code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotDesired { .. } => "SG-REC-002",
            Self::TooManyViewers { .. } => "SG-REC-003",
            Self::NoSubStream { .. } => "SG-REC-020",
            Self::Index => "SG-REC-004",
            Self::NoSuchRecording => "SG-REC-006",
            Self::NothingRecorded { .. } => "SG-REC-007",
            Self::TooLong => "SG-REC-008",
            Self::TooManyReaders => "SG-REC-009",
        }
    }
}

/// Asks the recorder; one connection per request, so a restarted recorder is found again
/// without further ado.
#[derive(Debug, Clone)]
pub struct RecorderClient {
    socket: PathBuf,
}

impl RecorderClient {
    /// A client of the recorder that listens on this socket; connects only when asked.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
        }
    }

    /// Makes the recorder record exactly these cameras.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn set_desired(&self, desired: DesiredSet) -> Result<(), ClientError> {
        match self.ask(Request::SetDesired(desired)).await? {
            (Reply::Done, _) => Ok(()),
            _ => Err(ClientError::WrongReply),
        }
    }

    /// Makes the recorder go by this time zone in plans; one that it does not know changes
    /// nothing.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn set_zone(&self, zone: &str) -> Result<(), ClientError> {
        let zone = zone.to_owned();
        match self.ask(Request::SetZone { zone }).await? {
            (Reply::Done, _) => Ok(()),
            _ => Err(ClientError::WrongReply),
        }
    }

    /// What each desired camera is doing.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn status(&self) -> Result<RecorderStatus, ClientError> {
        match self.ask(Request::Status).await? {
            (Reply::Status(status), _) => Ok(status),
            _ => Err(ClientError::WrongReply),
        }
    }

    /// The newest `limit` recordings of one camera, or of all; newest first.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn recordings(
        &self,
        camera: Option<CameraId>,
        limit: u32,
    ) -> Result<Vec<Recording>, ClientError> {
        match self.ask(Request::Recordings { camera, limit }).await? {
            (Reply::Recordings { recordings }, _) => Ok(recordings),
            _ => Err(ClientError::WrongReply),
        }
    }

    /// Live video of one camera. Drop the answer to stop watching.
    ///
    /// # Errors
    /// Any [`ClientError`]; [`RecorderRefusal::NotDesired`] when the camera is not recorded.
    pub async fn live(&self, camera: CameraId) -> Result<LiveVideo, ClientError> {
        self.live_stream(camera, LiveStream::Main).await
    }

    /// Live video of one of a camera's streams. Drop the answer to stop watching.
    ///
    /// # Errors
    /// As [`Self::live`]; [`RecorderRefusal::NoSubStream`] for a camera without one.
    pub async fn live_stream(
        &self,
        camera: CameraId,
        stream: LiveStream,
    ) -> Result<LiveVideo, ClientError> {
        match self.ask(Request::Live { camera, stream }).await? {
            (Reply::Live, connection) => Ok(LiveVideo { connection }),
            _ => Err(ClientError::WrongReply),
        }
    }

    /// The bytes of one recording; `file` as [`Recording::file`] says.
    ///
    /// # Errors
    /// Any [`ClientError`]; [`RecorderRefusal::NoSuchRecording`] for what is not there.
    pub async fn file(&self, file: String) -> Result<RecordedFile, ClientError> {
        match self.ask(Request::File { file }).await? {
            (Reply::File { size_bytes }, connection) => Ok(RecordedFile {
                size_bytes,
                left_bytes: size_bytes,
                connection,
            }),
            _ => Err(ClientError::WrongReply),
        }
    }

    /// A desired camera sees motion since this moment, or none any more. Say it again at least
    /// every 30 s while it lasts.
    ///
    /// # Errors
    /// Any [`ClientError`]; [`RecorderRefusal::NotDesired`] when the camera is not desired.
    pub async fn motion(
        &self,
        camera: CameraId,
        active: bool,
        utc_ms: i64,
    ) -> Result<(), ClientError> {
        let request = Request::Motion {
            camera,
            active,
            utc_ms,
        };
        match self.ask(request).await? {
            (Reply::Done, _) => Ok(()),
            _ => Err(ClientError::WrongReply),
        }
    }

    /// What was recorded of a camera between two moments, what was not, and what happened.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn timeline(
        &self,
        camera: CameraId,
        from_utc_ms: i64,
        to_utc_ms: i64,
    ) -> Result<Timeline, ClientError> {
        let request = Request::Timeline {
            camera,
            from_utc_ms,
            to_utc_ms,
        };
        match self.ask(request).await? {
            (Reply::Timeline(timeline), _) => Ok(timeline),
            _ => Err(ClientError::WrongReply),
        }
    }

    /// Recorded video of a camera, from the key frame at or before this moment to the newest.
    /// It comes as fast as it is taken; drop the answer to stop.
    ///
    /// # Errors
    /// Any [`ClientError`]; [`RecorderRefusal::NothingRecorded`] where nothing follows.
    pub async fn play(&self, camera: CameraId, from_utc_ms: i64) -> Result<LiveVideo, ClientError> {
        let request = Request::Play {
            camera,
            from_utc_ms,
        };
        match self.ask(request).await? {
            (Reply::Live, connection) => Ok(LiveVideo { connection }),
            _ => Err(ClientError::WrongReply),
        }
    }

    /// One MP4 file of a camera's recordings between two moments, and what is in it.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn export(
        &self,
        camera: CameraId,
        from_utc_ms: i64,
        to_utc_ms: i64,
    ) -> Result<(ExportInfo, RecordedFile), ClientError> {
        let request = Request::Export {
            camera,
            from_utc_ms,
            to_utc_ms,
        };
        match self.ask_within(request, EXPORT_TIMEOUT).await? {
            (Reply::Export(info), connection) => {
                let file = RecordedFile {
                    size_bytes: info.size_bytes,
                    left_bytes: info.size_bytes,
                    connection,
                };
                Ok((info, file))
            }
            _ => Err(ClientError::WrongReply),
        }
    }

    /// The key frame at or before this moment, as an MP4 file of one picture, and when it
    /// arrived, milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// Any [`ClientError`]; [`RecorderRefusal::NothingRecorded`] where there is none.
    pub async fn still(
        &self,
        camera: CameraId,
        at_utc_ms: i64,
    ) -> Result<(i64, Bytes), ClientError> {
        let request = Request::Still { camera, at_utc_ms };
        match self.ask(request).await? {
            (Reply::Still { utc_ms }, mut connection) => {
                let piece = tokio::time::timeout(REQUEST_TIMEOUT, connection.recv_piece()).await;
                let piece = piece.map_err(|_| ClientError::Timeout)?;
                let piece = piece.and_then(|piece| piece.ok_or(LinkError::Closed));
                Ok((utc_ms, piece.map_err(ClientError::Link)?))
            }
            _ => Err(ClientError::WrongReply),
        }
    }

    async fn ask(&self, request: Request) -> Result<(Reply, Connection<UnixStream>), ClientError> {
        self.ask_within(request, REQUEST_TIMEOUT).await
    }

    async fn ask_within(
        &self,
        request: Request,
        limit: Duration,
    ) -> Result<(Reply, Connection<UnixStream>), ClientError> {
        let exchange = async {
            let mut connection = Connection::connect(&self.socket).await?;
            connection.send_request(&request).await?;
            let reply = connection.recv_reply().await?;
            Ok((reply, connection))
        };
        match tokio::time::timeout(limit, exchange).await {
            Err(_) => Err(ClientError::Timeout),
            Ok(Err(error)) => Err(ClientError::Link(error)),
            Ok(Ok((Reply::Refused(refusal), _))) => Err(ClientError::Refused(refusal)),
            Ok(Ok(answer)) => Ok(answer),
        }
    }
}

/// Live frames of one camera, as they come.
#[derive(Debug)]
pub struct LiveVideo {
    connection: Connection<UnixStream>,
}

impl LiveVideo {
    /// The next frame; `None` when the recorder ended the stream, as it does when the camera
    /// is no longer to be recorded. Safe to cancel.
    ///
    /// # Errors
    /// [`LinkError::Broken`] and [`LinkError::LiveFrame`].
    pub async fn next(&mut self) -> Result<Option<LiveFrame>, LinkError> {
        self.connection.recv_live().await
    }
}

/// One recording's bytes, as they come.
#[derive(Debug)]
pub struct RecordedFile {
    size_bytes: u64,
    left_bytes: u64,
    connection: Connection<UnixStream>,
}

impl RecordedFile {
    /// How many bytes there are in total.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The next piece; `None` after the last one. Safe to cancel.
    ///
    /// # Errors
    /// [`LinkError::Closed`] where the recorder ended before the file did, and
    /// [`LinkError::Broken`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, LinkError> {
        if self.left_bytes == 0 {
            return Ok(None);
        }
        let piece = self
            .connection
            .recv_piece()
            .await?
            .ok_or(LinkError::Closed)?;
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.left_bytes = self
            .left_bytes
            .checked_sub(length)
            .ok_or(LinkError::Closed)?;
        Ok(Some(piece))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_recorder_that_is_not_running_has_its_code() {
        let client = RecorderClient::new("/nonexistent/recorder.sock");
        let error = client.status().await.unwrap_err();
        assert_eq!(error.code(), "SG-REC-001");
    }

    #[tokio::test]
    async fn refusals_and_wrong_replies_are_errors() {
        let socket = std::env::temp_dir().join(format!("sealgate-link-{}", std::process::id()));
        let _ = std::fs::remove_file(&socket);
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        let camera: CameraId = "02000000000a-1".parse().unwrap();
        let replies = [
            Reply::Refused(RecorderRefusal::NotDesired { camera }),
            Reply::Done,
        ];
        let server = tokio::spawn(async move {
            for reply in replies {
                let (stream, _) = listener.accept().await.unwrap();
                let mut connection = Connection::new(stream);
                connection.recv_request().await.unwrap();
                connection.send_reply(&reply).await.unwrap();
            }
        });
        let client = RecorderClient::new(&socket);
        assert_eq!(client.live(camera).await.unwrap_err().code(), "SG-REC-002");
        assert_eq!(client.status().await.unwrap_err().code(), "SG-REC-005");
        server.await.unwrap();
        std::fs::remove_file(&socket).unwrap();
    }
}
