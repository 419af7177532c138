//! Cameras' streams by RTSP 1.0 (RFC 2326): interleaved in the TCP connection, or as datagrams.
//!
//! Own code, as what a camera sends has to be bounded before it is kept: a client library that
//! reads a message whole, however long, lets one camera fill the memory of all. Packets go from the
//! one buffer of a thread straight into the picture they belong to.

mod client;
pub mod connection;
mod datagrams;
pub mod description;
pub mod head;
pub mod track;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use sealgate_recorder_link::Transport;
use tokio::time::Instant;

use self::client::Client;
use self::connection::{Connection, Message};
use self::datagrams::Datagrams;
use self::description::join;
use self::track::Track;
use crate::format::SoundFormat;
use crate::source::{Frame, Pictures, Source, SourceError, StreamSpec};

/// A camera on the same network takes a connection within this; one whose last session failed may
/// be off, and the system repeats its first packet ever more seldom.
const PATIENCE: Duration = Duration::from_secs(3);
const PATIENCE_AFTER_FAILURE: Duration = Duration::from_secs(1);
/// Of the time after which a camera forgets the session.
const KEEP_ALIVE_PART: u32 = 2;

/// A camera's stream by RTSP.
pub struct RtspSource {
    spec: StreamSpec,
    /// The last attempt failed: it is not certain that the camera is there.
    failed: AtomicBool,
}

impl RtspSource {
    /// This stream.
    pub fn new(spec: StreamSpec) -> Self {
        Self {
            spec,
            failed: AtomicBool::new(false),
        }
    }

    async fn describe_and_play(&self, patience: Duration) -> Result<RtspPictures, SourceError> {
        let url = &self.spec.url;
        let connection = Connection::open(url.host(), url.port(), patience).await?;
        let client = Client::new(connection, &url.without_credentials(), url.credentials());
        let mut session = RtspPictures {
            client,
            tracks: Vec::new(),
            sound_format: None,
            waiting: VecDeque::new(),
            keep_alive_at: Instant::now(),
            asked_again: false,
        };
        let description = session.client.describe().await?;
        let media = &description.media;
        let pictures = media
            .iter()
            .find_map(|media| Some((media, Track::of_pictures(media)?)));
        let (media_of_pictures, track) = pictures.ok_or(SourceError::NoVideo)?;
        let base = session.client.base().to_owned();
        let transport = self.spec.transport;
        session
            .set_up(&media_of_pictures.address(&base), track, transport)
            .await?;
        if self.spec.audio {
            let sound = media
                .iter()
                .find_map(|media| Some((media, Track::of_sound(media)?)));
            if let Some((media, (track, format))) = sound {
                session
                    .set_up(&media.address(&base), track, transport)
                    .await?;
                session.sound_format = Some(format);
            } else {
                tracing::info!("the camera offers no sound that can be recorded");
            }
        }
        let control = join(&base, description.control.as_deref().unwrap_or_default());
        let (tracks, waiting) = (&mut session.tracks, &mut session.waiting);
        session
            .client
            .play(&control, &mut |channel, bytes| {
                take_interleaved(tracks, channel, bytes, waiting)
            })
            .await?;
        session.plan_keep_alive();
        Ok(session)
    }
}

impl Source for RtspSource {
    fn open(&self) -> BoxFuture<'_, Result<Box<dyn Pictures>, SourceError>> {
        async {
            // Also where the caller gives up on it.
            let patience = match self.failed.swap(true, Ordering::Relaxed) {
                true => PATIENCE_AFTER_FAILURE,
                false => PATIENCE,
            };
            let pictures = self.describe_and_play(patience).await?;
            self.failed.store(false, Ordering::Relaxed);
            Ok(Box::new(pictures) as Box<dyn Pictures>)
        }
        .boxed()
    }
}

/// A stream and how it comes.
struct SetUp {
    track: Track,
    path: Path,
}

enum Path {
    /// In the connection, on this channel.
    Interleaved(u8),
    Datagrams(Box<Datagrams>),
}

/// A session that plays.
struct RtspPictures {
    client: Client,
    tracks: Vec<SetUp>,
    sound_format: Option<SoundFormat>,
    waiting: VecDeque<Frame>,
    keep_alive_at: Instant,
    /// The request that keeps the session was repeated since it last was planned.
    asked_again: bool,
}

impl RtspPictures {
    async fn set_up(
        &mut self,
        address: &str,
        track: Track,
        transport: Transport,
    ) -> Result<(), SourceError> {
        let path = match transport {
            Transport::Tcp => {
                let channel = u8::try_from(2 * self.tracks.len()).unwrap_or(u8::MAX);
                let asked = format!("RTP/AVP/TCP;unicast;interleaved={channel}-{}", channel + 1);
                let answer = self.client.set_up(address, &asked).await?;
                // The camera may choose another one.
                Path::Interleaved(interleaved_channel(&answer).unwrap_or(channel))
            }
            Transport::Udp => {
                let (local, camera) = self.client.connection.addresses()?;
                let datagrams = Datagrams::bind(local, camera).await?;
                let port = datagrams.port()?;
                let asked = format!("RTP/AVP;unicast;client_port={port}-{}", port + 1);
                self.client.set_up(address, &asked).await?;
                Path::Datagrams(Box::new(datagrams))
            }
        };
        self.tracks.push(SetUp { track, path });
        Ok(())
    }

    fn plan_keep_alive(&mut self) {
        self.keep_alive_at = Instant::now() + self.client.session_timeout / KEEP_ALIVE_PART;
        self.asked_again = false;
    }

    async fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
        loop {
            if let Some(frame) = self.waiting.pop_front() {
                return Ok(Some(frame));
            }
            let patience = self.datagrams().filter_map(Datagrams::patience).min();
            let look_at = patience.map_or(self.keep_alive_at, |patience| {
                self.keep_alive_at.min(Instant::now() + patience)
            });
            // Nothing is taken before one of these is ready, so all of it is safe to cancel.
            let readable = tokio::select! {
                readable = self.client.connection.readable() => readable.map(|()| true)?,
                () = self.datagrams_ready() => false,
                () = tokio::time::sleep_until(look_at) => false,
            };
            if readable && !self.read_connection()? {
                return Ok(self.waiting.pop_front());
            }
            self.receive_datagrams()?;
            if Instant::now() >= self.keep_alive_at {
                self.plan_keep_alive();
                self.client.keep_alive()?;
            }
        }
    }

    fn datagrams(&self) -> impl Iterator<Item = &Datagrams> {
        self.tracks.iter().filter_map(|set_up| match &set_up.path {
            Path::Datagrams(datagrams) => Some(&**datagrams),
            Path::Interleaved(_) => None,
        })
    }

    /// Ready when any stream has a datagram; never without one that uses them.
    async fn datagrams_ready(&self) {
        poll_fn(|context| {
            let mut ready = Poll::Pending;
            for datagrams in self.datagrams() {
                if datagrams.poll_ready(context).is_ready() {
                    ready = Poll::Ready(());
                }
            }
            ready
        })
        .await;
    }

    fn receive_datagrams(&mut self) -> Result<(), SourceError> {
        for SetUp { track, path } in &mut self.tracks {
            if let Path::Datagrams(datagrams) = path {
                for packet in datagrams.receive() {
                    track.take(&packet, &mut self.waiting)?;
                }
            }
        }
        Ok(())
    }

    /// One read; `false` once the camera has closed.
    fn read_connection(&mut self) -> Result<bool, SourceError> {
        let mut answer = None;
        let (tracks, waiting) = (&mut self.tracks, &mut self.waiting);
        let open = self.client.connection.read(|message| {
            match message {
                Message::Packet { channel, bytes } => {
                    take_interleaved(tracks, channel, bytes, waiting)?;
                }
                Message::Response(head, _) => answer = Some(head),
            }
            Ok(())
        })?;
        if let Some(head) = answer
            && self.client.kept_alive(&head)?
            && !self.asked_again
        {
            self.asked_again = true;
            self.client.keep_alive()?;
        }
        Ok(open)
    }
}

fn take_interleaved(
    tracks: &mut [SetUp],
    channel: u8,
    bytes: &[u8],
    waiting: &mut VecDeque<Frame>,
) -> Result<(), SourceError> {
    let found = tracks
        .iter_mut()
        .find(|set_up| matches!(set_up.path, Path::Interleaved(its) if its == channel));
    // Reports, and channels that nobody set up, are left out.
    found.map_or(Ok(()), |set_up| set_up.track.take(bytes, waiting))
}

/// The channel of packets in a Transport header (RFC 2326, 12.39).
fn interleaved_channel(transport: &str) -> Option<u8> {
    let range = transport
        .split(';')
        .find_map(|part| part.trim().strip_prefix("interleaved="))?;
    range.split('-').next()?.trim().parse().ok()
}

impl Pictures for RtspPictures {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Frame>, SourceError>> {
        self.next_frame().boxed()
    }

    fn sound_format(&self) -> Option<SoundFormat> {
        self.sound_format.clone()
    }
}

impl Drop for RtspPictures {
    fn drop(&mut self) {
        // A camera goes on sending datagrams until it hears this, or its session times out.
        self.client.tear_down();
        let late: u64 = self.datagrams().map(Datagrams::late).sum();
        if late > 0 {
            tracing::info!(packets = late, "packets came too late or twice");
        }
    }
}
