//! Frames on the socket: how messages and live video become bytes and back.
//!
//! Requests and replies are JSON. A live frame is binary, as it is mostly video: one
//! octet for its kind, then for [`LiveFrame::Init`] a 16-bit length, the MIME type and the
//! initialization segment; for [`LiveFrame::Part`] one octet of flags, the 64-bit time and
//! the part; for [`LiveFrame::Skipped`] the 64-bit duration. All numbers are big-endian.

use std::io;
use std::path::{Path, PathBuf};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures::{SinkExt, StreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use crate::{Reply, Request};

/// The longest frame either side sends or accepts, bytes, its length field not counted.
pub const MAX_FRAME_BYTES: usize = 8 * 1024 * 1024;

/// The longest MIME type a live frame may carry, bytes.
pub const MAX_MIME_TYPE_BYTES: usize = 255;

const KIND_INIT: u8 = 1;
const KIND_PART: u8 = 2;
const KIND_SKIPPED: u8 = 3;
const FLAG_STARTS_WITH_IDR: u8 = 1;

/// One piece of live video, to be appended to a player's buffer in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveFrame {
    /// An initialization segment (ISO/IEC 14496-12, 8.16): the first frame, and again
    /// whenever the camera changed its picture format.
    Init {
        /// For example `video/mp4; codecs="avc1.42c01e"` (RFC 6381).
        mime_type: String,
        /// The `ftyp` and `moov` boxes.
        bytes: Bytes,
    },
    /// Media: one `moof` and its `mdat` box.
    Part {
        /// The same.
        bytes: Bytes,
        /// A player can start here: the first picture needs no earlier one.
        starts_with_idr: bool,
        /// When the first frame in it reached the recorder, milliseconds since the Unix epoch.
        utc_ms: i64,
    },
    /// The viewer did not keep up: so much is left out before what follows.
    Skipped {
        /// How much, milliseconds.
        ms: u64,
    },
}

/// Why a message did not cross.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Nobody listens on the socket.
    #[error("the recorder's socket {path} could not be opened")]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The connection broke, or a frame was longer than [`MAX_FRAME_BYTES`].
    #[error("the connection between supervisor and recorder broke")]
    Broken(#[source] io::Error),
    /// The other side closed where an answer was due.
    #[error("the connection was closed where an answer was due")]
    Closed,
    /// A message is not of the agreed form.
    #[error("a message between supervisor and recorder is not understood")]
    Message(#[source] serde_json::Error),
    /// A live frame is not of the agreed form.
    #[error("a live frame is not understood: {0}")]
    LiveFrame(&'static str),
}

impl LinkError {
    /// The catalog's code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Connect { .. } | Self::Broken(_) | Self::Closed => "SG-REC-001",
            Self::Message(_) | Self::LiveFrame(_) => "SG-REC-005",
        }
    }
}

/// One connection, from either side's view. Receiving is safe to cancel.
#[derive(Debug)]
pub struct Connection<S = UnixStream> {
    frames: Framed<S, LengthDelimitedCodec>,
}

impl Connection<UnixStream> {
    /// Connects to the recorder's socket.
    ///
    /// # Errors
    /// [`LinkError::Connect`] when nobody listens there.
    pub async fn connect(path: &Path) -> Result<Self, LinkError> {
        match UnixStream::connect(path).await {
            Ok(stream) => Ok(Self::new(stream)),
            Err(source) => Err(LinkError::Connect {
                path: path.to_owned(),
                source,
            }),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Takes over an open stream.
    pub fn new(stream: S) -> Self {
        let codec = LengthDelimitedCodec::builder()
            .length_field_type::<u32>()
            .max_frame_length(MAX_FRAME_BYTES)
            .new_codec();
        Self {
            frames: Framed::new(stream, codec),
        }
    }

    /// Sends one request.
    ///
    /// # Errors
    /// [`LinkError::Broken`] when the other side is gone or the request is too long.
    pub async fn send_request(&mut self, request: &Request) -> Result<(), LinkError> {
        self.send_json(request).await
    }

    /// The next request, or `None` once the other side closed.
    ///
    /// # Errors
    /// [`LinkError::Broken`] and [`LinkError::Message`].
    pub async fn recv_request(&mut self) -> Result<Option<Request>, LinkError> {
        self.recv_json().await
    }

    /// Sends one reply.
    ///
    /// # Errors
    /// [`LinkError::Broken`] when the other side is gone or the reply is too long.
    pub async fn send_reply(&mut self, reply: &Reply) -> Result<(), LinkError> {
        self.send_json(reply).await
    }

    /// The reply to the request sent last.
    ///
    /// # Errors
    /// [`LinkError::Closed`] when none came, [`LinkError::Broken`] and [`LinkError::Message`].
    pub async fn recv_reply(&mut self) -> Result<Reply, LinkError> {
        self.recv_json().await?.ok_or(LinkError::Closed)
    }

    /// Sends one live frame.
    ///
    /// # Errors
    /// [`LinkError::Broken`] when the other side is gone or the frame is too long;
    /// [`LinkError::LiveFrame`] when the MIME type is too long.
    pub async fn send_live(&mut self, frame: &LiveFrame) -> Result<(), LinkError> {
        let bytes = encode_live(frame)?;
        self.frames.send(bytes).await.map_err(LinkError::Broken)
    }

    /// The next live frame, or `None` once the other side closed.
    ///
    /// # Errors
    /// [`LinkError::Broken`] and [`LinkError::LiveFrame`].
    pub async fn recv_live(&mut self) -> Result<Option<LiveFrame>, LinkError> {
        match self.frames.next().await {
            None => Ok(None),
            Some(frame) => decode_live(frame.map_err(LinkError::Broken)?.freeze()).map(Some),
        }
    }

    /// Sends one piece of a file.
    ///
    /// # Errors
    /// [`LinkError::Broken`] when the other side is gone or the piece is too long.
    pub async fn send_piece(&mut self, piece: Bytes) -> Result<(), LinkError> {
        self.frames.send(piece).await.map_err(LinkError::Broken)
    }

    /// The next piece of a file, or `None` once the other side closed.
    ///
    /// # Errors
    /// [`LinkError::Broken`].
    pub async fn recv_piece(&mut self) -> Result<Option<Bytes>, LinkError> {
        match self.frames.next().await {
            None => Ok(None),
            Some(frame) => Ok(Some(frame.map_err(LinkError::Broken)?.freeze())),
        }
    }

    /// Waits until the other side closes or sends something it should not: what a server of
    /// live frames watches while it has nothing to send.
    pub async fn closed(&mut self) {
        let _ = self.frames.next().await;
    }

    async fn send_json(&mut self, message: &impl Serialize) -> Result<(), LinkError> {
        let bytes = serde_json::to_vec(message).map_err(LinkError::Message)?;
        self.frames
            .send(Bytes::from(bytes))
            .await
            .map_err(LinkError::Broken)
    }

    async fn recv_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>, LinkError> {
        match self.frames.next().await {
            None => Ok(None),
            Some(frame) => {
                let frame = frame.map_err(LinkError::Broken)?;
                serde_json::from_slice(&frame)
                    .map(Some)
                    .map_err(LinkError::Message)
            }
        }
    }
}

fn encode_live(frame: &LiveFrame) -> Result<Bytes, LinkError> {
    let mut out;
    match frame {
        LiveFrame::Init { mime_type, bytes } => {
            if mime_type.len() > MAX_MIME_TYPE_BYTES {
                return Err(LinkError::LiveFrame("its MIME type is too long"));
            }
            let length = u16::try_from(mime_type.len()).expect("just found to be short");
            out = BytesMut::with_capacity(3 + mime_type.len() + bytes.len());
            out.put_u8(KIND_INIT);
            out.put_u16(length);
            out.put_slice(mime_type.as_bytes());
            out.put_slice(bytes);
        }
        LiveFrame::Part {
            bytes,
            starts_with_idr,
            utc_ms,
        } => {
            out = BytesMut::with_capacity(10 + bytes.len());
            out.put_u8(KIND_PART);
            out.put_u8(if *starts_with_idr {
                FLAG_STARTS_WITH_IDR
            } else {
                0
            });
            out.put_i64(*utc_ms);
            out.put_slice(bytes);
        }
        LiveFrame::Skipped { ms } => {
            out = BytesMut::with_capacity(9);
            out.put_u8(KIND_SKIPPED);
            out.put_u64(*ms);
        }
    }
    Ok(out.freeze())
}

fn decode_live(mut frame: Bytes) -> Result<LiveFrame, LinkError> {
    let short = |_| LinkError::LiveFrame("it ends early");
    match frame.try_get_u8().map_err(short)? {
        KIND_INIT => {
            let length = usize::from(frame.try_get_u16().map_err(short)?);
            if length > MAX_MIME_TYPE_BYTES {
                return Err(LinkError::LiveFrame("its MIME type is too long"));
            }
            if frame.len() < length {
                return Err(LinkError::LiveFrame("it ends early"));
            }
            let mime_type = String::from_utf8(frame.split_to(length).to_vec())
                .map_err(|_| LinkError::LiveFrame("its MIME type is no text"))?;
            Ok(LiveFrame::Init {
                mime_type,
                bytes: frame,
            })
        }
        KIND_PART => {
            let flags = frame.try_get_u8().map_err(short)?;
            let utc_ms = frame.try_get_i64().map_err(short)?;
            Ok(LiveFrame::Part {
                starts_with_idr: flags & FLAG_STARTS_WITH_IDR != 0,
                utc_ms,
                bytes: frame,
            })
        }
        KIND_SKIPPED => Ok(LiveFrame::Skipped {
            ms: frame.try_get_u64().map_err(short)?,
        }),
        _ => Err(LinkError::LiveFrame("its kind is unknown")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::{DesiredCamera, DesiredSet, RecorderRefusal};

    fn pair() -> (
        Connection<tokio::io::DuplexStream>,
        Connection<tokio::io::DuplexStream>,
    ) {
        let (a, b) = tokio::io::duplex(256);
        (Connection::new(a), Connection::new(b))
    }

    fn check_live(frame: &LiveFrame) {
        assert_eq!(&decode_live(encode_live(frame).unwrap()).unwrap(), frame);
    }

    #[tokio::test]
    async fn messages_cross_in_both_directions() {
        let (mut supervisor, mut recorder) = pair();
        let request = Request::SetDesired(DesiredSet {
            cameras: vec![DesiredCamera::new(
                "02000000000a-1".parse().unwrap(),
                "rtsp://admin:s3cret@192.0.2.7/main".parse().unwrap(),
            )],
        });
        // Longer than the pipe holds: it is read while it is sent.
        let (sent, received) =
            tokio::join!(supervisor.send_request(&request), recorder.recv_request());
        sent.unwrap();
        assert_eq!(received.unwrap(), Some(request));
        let reply = Reply::Refused(RecorderRefusal::Index);
        recorder.send_reply(&reply).await.unwrap();
        assert_eq!(supervisor.recv_reply().await.unwrap(), reply);
        drop(supervisor);
        assert_eq!(recorder.recv_request().await.unwrap(), None);
    }

    #[tokio::test]
    async fn live_frames_cross_whole() {
        let (mut supervisor, mut recorder) = pair();
        let part = LiveFrame::Part {
            bytes: Bytes::from(vec![7; 100_000]),
            starts_with_idr: true,
            utc_ms: -1,
        };
        let sent = part.clone();
        let sender = tokio::spawn(async move { recorder.send_live(&sent).await });
        assert_eq!(supervisor.recv_live().await.unwrap(), Some(part));
        sender.await.unwrap().unwrap();
        assert_eq!(supervisor.recv_live().await.unwrap(), None);
    }

    #[test]
    fn live_frames_round_trip() {
        check_live(&LiveFrame::Init {
            mime_type: "video/mp4; codecs=\"avc1.42c01e\"".into(),
            bytes: Bytes::from_static(b"ftypmoov"),
        });
        check_live(&LiveFrame::Part {
            bytes: Bytes::new(),
            starts_with_idr: false,
            utc_ms: 1_795_000_000_123,
        });
        check_live(&LiveFrame::Skipped { ms: 4200 });
    }

    #[test]
    fn refuses_live_frames_of_another_form() {
        for bytes in [
            &b""[..],
            b"\x01",
            b"\x01\x00\x05abcd",
            b"\x01\x00\x02\xff\xfe",
            b"\x01\x01\x00",
            b"\x02\x00\x01",
            b"\x03\x00",
            b"\x04",
        ] {
            let found = decode_live(Bytes::copy_from_slice(bytes));
            assert!(matches!(found, Err(LinkError::LiveFrame(_))), "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn refuses_what_is_too_long_or_no_message() {
        let (mut raw, b) = tokio::io::duplex(64);
        let mut recorder = Connection::new(b);
        raw.write_all(&[0, 0, 0, 2, b'{', b'}']).await.unwrap();
        assert!(matches!(
            recorder.recv_request().await,
            Err(LinkError::Message(_))
        ));
        raw.write_all(&[0xff; 8]).await.unwrap();
        let error = recorder.recv_request().await.unwrap_err();
        assert!(matches!(error, LinkError::Broken(_)));
        assert_eq!(error.code(), "SG-REC-001");
    }

    #[tokio::test]
    async fn a_missing_answer_is_an_error() {
        let (mut supervisor, recorder) = pair();
        drop(recorder);
        assert!(matches!(
            supervisor.recv_reply().await,
            Err(LinkError::Closed)
        ));
    }

    #[tokio::test]
    async fn says_which_socket_nobody_serves() {
        let path = Path::new("/nonexistent/recorder.sock");
        let error = Connection::connect(path).await.unwrap_err();
        assert!(matches!(&error, LinkError::Connect { path: found, .. } if found == path));
        assert_eq!(error.code(), "SG-REC-001");
    }
}
