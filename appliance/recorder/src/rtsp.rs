//! RTSP sessions, by the client library retina: interleaved in the TCP connection (RFC 2326,
//! 10.12), or as datagrams through [`crate::udp_relay`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use retina::client::{
    Credentials, Demuxed, InitialSequenceNumberPolicy, PlayOptions, Session, SessionGroup,
    SessionOptions, SetupOptions, Stream, TcpTransportOptions,
};
use retina::codec::{
    AudioFrame, AudioParameters, CodecItem, FrameFormat, ParametersRef, VideoFrame, VideoParameters,
};

use sealgate_recorder_link::Transport;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::boxes::TIMESCALE;
use crate::format::{SoundFormat, VideoFormat};
use crate::g711::Law;
use crate::sound::{G711ToFlac, Sound};
use crate::source::{Frame, Picture, Pictures, Source, SourceError, StreamSpec};
use crate::udp_relay;

/// A camera on the same network answers within this.
const KNOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// A camera's stream by RTSP.
pub struct RtspSource {
    spec: StreamSpec,
    group: Arc<SessionGroup>,
    /// The last attempt failed: it is not certain that the camera is there.
    failed: AtomicBool,
}

impl RtspSource {
    /// This stream.
    pub fn new(spec: StreamSpec) -> Self {
        Self {
            spec,
            group: Arc::new(SessionGroup::default()),
            failed: AtomicBool::new(false),
        }
    }

    /// Finds out soon whether anybody listens. A connection to a camera that is off may hang until
    /// long after it is back: the system repeats its first packet ever more seldom.
    async fn knock(&self) -> Result<(), SourceError> {
        let knock = TcpStream::connect((self.spec.url.host(), self.spec.url.port()));
        match timeout(KNOCK_TIMEOUT, knock).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(SourceError::Unreachable(error.to_string())),
            Err(_) => Err(SourceError::Unreachable("no answer within 1 s".into())),
        }
    }

    /// Where the client connects to.
    async fn address(&self) -> Result<url::Url, SourceError> {
        let mut address = self.spec.url.without_credentials();
        if self.spec.transport == Transport::Udp {
            let relay = udp_relay::start(self.spec.url.host(), self.spec.url.port())
                .await
                .map_err(|error| SourceError::Unreachable(error.to_string()))?;
            // Both fail only for URLs without a host, which a stream address is not.
            let _ = address.set_ip_host(relay.ip());
            let _ = address.set_port(Some(relay.port()));
        }
        Ok(address)
    }

    async fn describe_and_play(&self) -> Result<RtspPictures, SourceError> {
        let url = &self.spec.url;
        let credentials = url.credentials().map(|(username, password)| Credentials {
            username: username.to_owned(),
            password: password.to_owned(),
        });
        let options = SessionOptions::default()
            .creds(credentials)
            .user_agent("Sealgate".to_owned())
            .session_group(Arc::clone(&self.group));
        let mut session = Session::describe(self.address().await?, options).await?;
        let stream = session
            .streams()
            .iter()
            .position(|stream| {
                stream.media() == "video" && matches!(stream.encoding_name(), "h264" | "h265")
            })
            .ok_or(SourceError::NoVideo)?;
        let setup = || {
            SetupOptions::default()
                .transport(retina::client::Transport::Tcp(
                    TcpTransportOptions::default(),
                ))
                .frame_format(FrameFormat::MP4)
        };
        session.setup(stream, setup()).await?;
        let mut sound = None;
        if self.spec.audio {
            let found = session.streams().iter().enumerate();
            sound = found
                .into_iter()
                .find_map(|(place, stream)| SoundTrack::of(place, stream));
            if let Some(track) = &sound {
                session.setup(track.stream, setup()).await?;
            } else {
                tracing::info!("the camera offers no sound that can be recorded");
            }
        }
        // Late joiners of a shared stream get a sequence number that is not the next one.
        let options = PlayOptions::default().initial_seq(InitialSequenceNumberPolicy::Ignore);
        let session = session.play(options).await?.demuxed()?;
        Ok(RtspPictures {
            session,
            stream,
            format_known: false,
            sound,
            waiting: VecDeque::new(),
        })
    }
}

impl Source for RtspSource {
    fn open(&self) -> BoxFuture<'_, Result<Box<dyn Pictures>, SourceError>> {
        async {
            // Also where the caller gives up on it.
            if self.failed.swap(true, Ordering::Relaxed) {
                self.knock().await?;
            }
            let pictures = self.describe_and_play().await?;
            self.failed.store(false, Ordering::Relaxed);
            Ok(Box::new(pictures) as Box<dyn Pictures>)
        }
        .boxed()
    }
}

struct RtspPictures {
    session: Demuxed,
    stream: usize,
    format_known: bool,
    sound: Option<SoundTrack>,
    /// Frames of a packet of sound that held several.
    waiting: VecDeque<Sound>,
}

impl RtspPictures {
    async fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
        loop {
            if let Some(sound) = self.waiting.pop_front() {
                return Ok(Some(Frame::Sound(sound)));
            }
            match self.session.next().await.transpose()? {
                Some(CodecItem::VideoFrame(frame)) => {
                    return Ok(Some(Frame::Picture(self.picture(frame)?)));
                }
                Some(CodecItem::AudioFrame(frame)) => {
                    if let Some(track) = &mut self.sound {
                        track.take(&frame, &mut self.waiting);
                    }
                }
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    fn picture(&mut self, frame: VideoFrame) -> Result<Picture, SourceError> {
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
        Ok(Picture {
            camera_90k: i64::try_from(camera_90k).unwrap_or(i64::MAX),
            is_idr,
            new_format,
            lost_packets: frame.loss(),
            data: frame.into_data().into(),
        })
    }
}

impl Pictures for RtspPictures {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Frame>, SourceError>> {
        self.next_frame().boxed()
    }

    fn sound_format(&self) -> Option<SoundFormat> {
        self.sound.as_ref().map(|track| track.format.clone())
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

/// A stream of sound that can be recorded.
struct SoundTrack {
    stream: usize,
    format: SoundFormat,
    /// What makes FLAC of it; AAC stays as it is.
    to_flac: Option<G711ToFlac>,
}

impl SoundTrack {
    fn of(place: usize, stream: &Stream) -> Option<Self> {
        if stream.media() != "audio" {
            return None;
        }
        let Some(ParametersRef::Audio(parameters)) = stream.parameters() else {
            return None;
        };
        let law = match stream.encoding_name() {
            "pcma" => Law::A,
            "pcmu" => Law::Mu,
            "mpeg4-generic" => return Self::aac(place, parameters),
            _ => return None,
        };
        // G.711 of several channels is not known of any camera.
        let rate_hz = parameters.clock_rate();
        (parameters.channels().get() == 1).then(|| Self {
            stream: place,
            format: SoundFormat::flac(rate_hz),
            to_flac: Some(G711ToFlac::new(law, rate_hz)),
        })
    }

    fn aac(place: usize, parameters: &AudioParameters) -> Option<Self> {
        Some(Self {
            stream: place,
            format: SoundFormat {
                codec: parameters.rfc6381_codec()?.to_owned(),
                sample_entry: parameters.mp4_sample_entry().build().ok()?,
            },
            to_flac: None,
        })
    }

    fn take(&mut self, frame: &AudioFrame, out: &mut VecDeque<Sound>) {
        let start_samples = frame.timestamp().elapsed();
        match &mut self.to_flac {
            Some(to_flac) => {
                to_flac.push(frame.data(), start_samples, |sound| out.push_back(sound));
            }
            None => out.push_back(Sound {
                data: bytes::Bytes::copy_from_slice(frame.data()),
                start_samples,
                samples: frame.frame_length().get(),
                rate_hz: frame.timestamp().clock_rate().get(),
            }),
        }
    }
}
