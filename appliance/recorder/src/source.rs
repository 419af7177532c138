//! Where pictures come from: a trait, so that tests feed them by hand, and RTSP behind it.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use retina::client::{
    Credentials, Demuxed, InitialSequenceNumberPolicy, PlayOptions, Session, SessionGroup,
    SessionOptions, SetupOptions, TcpTransportOptions, Transport,
};
use retina::codec::{CodecItem, FrameFormat, ParametersRef, VideoParameters};
use sealgate_camera::StreamUrl;

use crate::boxes::TIMESCALE;
use crate::format::VideoFormat;

/// One camera, which can be connected to again and again.
pub trait Source: Send + Sync + 'static {
    /// Starts a session. The caller bounds the time it takes.
    fn open(&self) -> BoxFuture<'_, Result<Box<dyn Pictures>, SourceError>>;
}

/// One session's pictures. Dropping it ends the session.
pub trait Pictures: Send {
    /// The next picture; `None` when the camera ended the session. Safe to cancel.
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Picture>, SourceError>>;
}

/// One picture as the camera sent it.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Length-prefixed NAL units, without parameter sets.
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
    /// Anything else, in the words of the RTSP client.
    #[error("the camera's answer is not understood: {0}")]
    Rtsp(String),
}

impl From<retina::Error> for SourceError {
    fn from(error: retina::Error) -> Self {
        tracing::debug!(%error, "in the RTSP client's own words");
        match error.status_code() {
            Some(401 | 403) => Self::Refused,
            Some(404) => Self::NoStream,
            Some(status) => Self::Status(status),
            None => from_words(&error.to_string()),
        }
    }
}

/// The client's errors are opaque but for their text; what is not recognised is shown as it is.
fn from_words(words: &str) -> SourceError {
    const CONNECTION: [&str; 3] = [
        "Unable to connect to RTSP server: ",
        "Error reading from RTSP peer: ",
        "Error writing to RTSP peer: ",
    ];
    let line = first_line(words);
    for prefix in CONNECTION {
        if let Some(reason) = line.strip_prefix(prefix) {
            return SourceError::Unreachable(reason.to_owned());
        }
    }
    let line = line.strip_prefix("RTSP framing error: ").unwrap_or(&line);
    let line = line.strip_prefix("Invalid RTSP message: ").unwrap_or(line);
    let line = line.split("; buffered").next().unwrap_or(line);
    SourceError::Rtsp(line.to_owned())
}

/// The first line of a message, bounded and printable: it may quote what a camera sent.
fn first_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    line.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(200)
        .collect()
}

/// A camera's main stream by RTSP, interleaved in the TCP connection (RFC 2326, 10.12).
pub struct RtspSource {
    url: StreamUrl,
    group: Arc<SessionGroup>,
}

impl RtspSource {
    /// The stream at this address.
    pub fn new(url: StreamUrl) -> Self {
        Self {
            url,
            group: Arc::new(SessionGroup::default()),
        }
    }

    async fn describe_and_play(&self) -> Result<RtspPictures, SourceError> {
        let credentials = self
            .url
            .credentials()
            .map(|(username, password)| Credentials { username, password });
        let options = SessionOptions::default()
            .creds(credentials)
            .user_agent("Sealgate".to_owned())
            .session_group(Arc::clone(&self.group));
        let mut session = Session::describe(self.url.without_credentials(), options).await?;
        let stream = session
            .streams()
            .iter()
            .position(|stream| {
                stream.media() == "video" && matches!(stream.encoding_name(), "h264" | "h265")
            })
            .ok_or(SourceError::NoVideo)?;
        let options = SetupOptions::default()
            .transport(Transport::Tcp(TcpTransportOptions::default()))
            .frame_format(FrameFormat::MP4);
        session.setup(stream, options).await?;
        // Late joiners of a shared stream get a sequence number that is not the next one.
        let options = PlayOptions::default().initial_seq(InitialSequenceNumberPolicy::Ignore);
        let session = session.play(options).await?.demuxed()?;
        Ok(RtspPictures {
            session,
            stream,
            format_known: false,
        })
    }
}

impl Source for RtspSource {
    fn open(&self) -> BoxFuture<'_, Result<Box<dyn Pictures>, SourceError>> {
        async {
            let pictures = self.describe_and_play().await?;
            Ok(Box::new(pictures) as Box<dyn Pictures>)
        }
        .boxed()
    }
}

struct RtspPictures {
    session: Demuxed,
    stream: usize,
    format_known: bool,
}

impl RtspPictures {
    async fn next_picture(&mut self) -> Result<Option<Picture>, SourceError> {
        while let Some(item) = self.session.next().await {
            let CodecItem::VideoFrame(frame) = item? else {
                continue;
            };
            let is_idr = frame.is_random_access_point();
            let mut new_format = None;
            if frame.has_new_parameters() || (is_idr && !self.format_known) {
                let stream = &self.session.streams()[self.stream];
                if let Some(ParametersRef::Video(parameters)) = stream.parameters() {
                    new_format = Some(format_of(parameters)?);
                    self.format_known = true;
                }
            }
            let timestamp = frame.timestamp();
            let camera_90k = i128::from(timestamp.elapsed()) * i128::from(TIMESCALE)
                / i128::from(timestamp.clock_rate().get());
            return Ok(Some(Picture {
                camera_90k: i64::try_from(camera_90k).unwrap_or(i64::MAX),
                is_idr,
                new_format,
                lost_packets: frame.loss(),
                data: frame.into_data().into(),
            }));
        }
        Ok(None)
    }
}

impl Pictures for RtspPictures {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Picture>, SourceError>> {
        self.next_picture().boxed()
    }
}

fn format_of(parameters: &VideoParameters) -> Result<VideoFormat, SourceError> {
    let (width, height) = parameters.pixel_dimensions();
    Ok(VideoFormat {
        codec: parameters.rfc6381_codec().to_owned(),
        sample_entry: parameters.mp4_sample_entry().build()?,
        width: u16::try_from(width).unwrap_or(u16::MAX),
        height: u16::try_from(height).unwrap_or(u16::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_camera_sent_is_quoted_on_one_short_line() {
        let message = format!("bad \u{7}header{}\n\nconn: 192.0.2.7:554", "x".repeat(500));
        let line = first_line(&message);
        assert!(line.starts_with("bad  header"));
        assert_eq!(line.chars().count(), 200);
        assert_eq!(first_line(""), "");
    }

    #[test]
    fn says_what_failed_in_plain_words() {
        for (words, expected) in [
            (
                "Unable to connect to RTSP server: Connection refused (os error 111)",
                "the camera can't be reached: Connection refused (os error 111)",
            ),
            (
                "RTSP framing error: Invalid RTSP message: byte 0: method; buffered:\n00 01",
                "the camera's answer is not understood: byte 0: method",
            ),
        ] {
            assert_eq!(from_words(words).to_string(), expected);
        }
    }
}
