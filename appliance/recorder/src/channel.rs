//! One desired camera: connects, takes pictures, hands parts on, and starts over when it fails.
//!
//! Invariant: the task that polls the session never waits for the disk or for a viewer.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sealgate_base::Clock;
use sealgate_camera::CameraId;
use sealgate_recorder_link::{CameraStatus, Keeping, SessionState};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::backoff::{Backoff, Failure};
use crate::feed::Feed;
use crate::format::{InitSegment, SoundFormat};
use crate::keeper::Keeper;
use crate::live::{LiveHub, Watched};
use crate::part::{Part, PartBuilder, TimedPicture, ticks};
use crate::sound::{Sound, SoundClock};
use crate::source::{Frame, Picture, Pictures, Source, SourceError};
use crate::timeline::Timeline;

/// Longer without an answer, and the attempt has failed.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer without a picture, and the session has failed.
const PICTURE_TIMEOUT: Duration = Duration::from_secs(10);
/// A session that gave pictures for this long was a success.
const STEADY: Duration = Duration::from_secs(5);
/// A larger frame of sound is left out: a packet has 64 KiB at most.
const MAX_SOUND_BYTES: usize = 64 * 1024;
/// How long a stopping camera waits for the disk to finish its file.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(1500);

/// What a camera sent since the recorder started, however often it was desired.
#[derive(Debug, Default)]
pub struct Counters {
    /// Pictures received.
    pub frames: AtomicU64,
    /// Bytes written to disk.
    pub recorded_bytes: Arc<AtomicU64>,
    /// When the newest picture arrived, milliseconds since the Unix epoch; 0 for never.
    pub newest_frame_utc_ms: AtomicI64,
}

/// What others see of a running channel.
#[derive(Debug)]
pub struct ChannelView {
    camera: CameraId,
    /// Its live video.
    pub live: LiveHub,
    counters: Arc<Counters>,
    session: Mutex<Session>,
}

#[derive(Debug, Clone)]
enum Session {
    Connecting,
    Recording,
    Waiting { reason: String, until: Instant },
}

impl ChannelView {
    /// A camera that is about to connect.
    pub fn new(camera: CameraId, counters: Arc<Counters>) -> Self {
        Self {
            camera,
            live: LiveHub::default(),
            counters,
            session: Mutex::new(Session::Connecting),
        }
    }

    /// What the camera is doing.
    pub fn status(&self) -> CameraStatus {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = self.counters.newest_frame_utc_ms.load(Ordering::Relaxed);
        CameraStatus {
            camera: self.camera,
            session: match &*session {
                Session::Connecting => SessionState::Connecting,
                Session::Recording => SessionState::Recording,
                Session::Waiting { reason, until } => SessionState::Waiting {
                    reason: reason.clone(),
                    retry_in_ms: u64::try_from(
                        until.saturating_duration_since(Instant::now()).as_millis(),
                    )
                    .unwrap_or(u64::MAX),
                },
            },
            frames: self.counters.frames.load(Ordering::Relaxed),
            recorded_bytes: self.counters.recorded_bytes.load(Ordering::Relaxed),
            newest_frame_utc_ms: (newest != 0).then_some(newest),
            // The keeper knows.
            keeping: Keeping::Nothing,
        }
    }

    fn set(&self, session: Session) {
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = session;
    }
}

/// Why a session is over.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Ended {
    #[error("the camera did not answer within 10 s")]
    NoAnswer,
    #[error("the camera sent no picture for 10 s")]
    Silent,
    #[error("the camera ended the session")]
    ByCamera,
    #[error("{0}")]
    Failed(#[from] SourceError),
}

impl Ended {
    fn failure(&self) -> Failure {
        match self {
            Self::Failed(error) => error.failure(),
            Self::NoAnswer | Self::Silent | Self::ByCamera => Failure::Outage,
        }
    }
}

/// The work of one channel.
pub struct Channel {
    view: Arc<ChannelView>,
    source: Arc<dyn Source>,
    keeper: Arc<Keeper>,
    clock: Arc<dyn Clock>,
    timeline: Timeline,
    sound_clock: SoundClock,
    sound: Option<SoundFormat>,
    /// Decode time and arrival of the newest picture.
    newest: Option<(u64, Instant)>,
    builder: PartBuilder,
    feed: Feed,
    init: Option<Arc<InitSegment>>,
    backoff: Backoff,
    /// Of the current session.
    first_picture: Option<Instant>,
}

impl Channel {
    /// Ready to run.
    pub fn new(
        view: Arc<ChannelView>,
        source: Arc<dyn Source>,
        keeper: Arc<Keeper>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            view,
            source,
            keeper,
            clock,
            timeline: Timeline::new(),
            sound_clock: SoundClock::default(),
            sound: None,
            newest: None,
            builder: PartBuilder::new(),
            feed: Feed::default(),
            init: None,
            backoff: Backoff::default(),
            first_picture: None,
        }
    }

    /// Records until cancelled; returns once the file is finished, or the disk took too long.
    #[tracing::instrument(name = "channel", skip_all, fields(camera_id = %self.view.camera))]
    pub async fn run(mut self, cancelled: CancellationToken) {
        loop {
            self.view.set(Session::Connecting);
            let ended = tokio::select! {
                biased;
                () = cancelled.cancelled() => break,
                ended = self.session() => ended,
            };
            drop(self.finish_session());
            let wait = self.backoff.next(ended.failure(), rand::random());
            tracing::warn!(reason = %ended, retry_in_ms = wait.as_millis(), "the session is over");
            let until = Instant::now() + wait;
            self.view.set(Session::Waiting {
                reason: ended.to_string(),
                until,
            });
            tokio::select! {
                biased;
                () = cancelled.cancelled() => break,
                () = tokio::time::sleep_until(until) => {}
            }
        }
        let closed = self.finish_session();
        self.view.live.close();
        if timeout(CLOSE_TIMEOUT, closed).await.is_err() {
            tracing::warn!("the disk has not taken the last parts yet");
        }
        tracing::info!("recording stopped");
    }

    async fn session(&mut self) -> Ended {
        let mut pictures = match timeout(OPEN_TIMEOUT, self.source.open()).await {
            Err(_) => return Ended::NoAnswer,
            Ok(Err(error)) => return error.into(),
            Ok(Ok(pictures)) => pictures,
        };
        self.timeline.start_session();
        self.sound_clock.start_session();
        self.sound = pictures.sound_format();
        // The format may have changed while we were away.
        self.init = None;
        self.first_picture = None;
        self.take_pictures(&mut *pictures).await
    }

    async fn take_pictures(&mut self, pictures: &mut dyn Pictures) -> Ended {
        let mut deadline = Instant::now() + PICTURE_TIMEOUT;
        loop {
            match timeout_at(deadline, pictures.next()).await {
                Err(_) => return Ended::Silent,
                Ok(Err(error)) => return error.into(),
                Ok(Ok(None)) => return Ended::ByCamera,
                Ok(Ok(Some(Frame::Picture(picture)))) => {
                    self.take(picture);
                    deadline = Instant::now() + PICTURE_TIMEOUT;
                }
                Ok(Ok(Some(Frame::Sound(sound)))) => self.take_sound(sound),
            }
        }
    }

    fn take_sound(&mut self, sound: Sound) {
        let Some((time_90k, arrival)) = self.newest else {
            return;
        };
        if self.init.is_some() && sound.data.len() <= MAX_SOUND_BYTES {
            let now_90k = time_90k + ticks(arrival.elapsed());
            let placed = self.sound_clock.place(sound, now_90k);
            if self.view.live.watched() == Watched::Goes {
                self.feed.push_sound(placed.clone());
            }
            self.builder.push_sound(placed);
        }
    }

    fn take(&mut self, picture: Picture) {
        let utc_ms = self.clock.utc_ms();
        let counters = &self.view.counters;
        let first = self.init.is_none();
        if self
            .first_picture
            .get_or_insert_with(Instant::now)
            .elapsed()
            >= STEADY
        {
            self.backoff.reset();
        }
        counters.frames.fetch_add(1, Ordering::Relaxed);
        counters
            .newest_frame_utc_ms
            .store(utc_ms, Ordering::Relaxed);
        if picture.lost_packets > 0 {
            tracing::warn!(packets = picture.lost_packets, "packets were lost");
        }
        let decode_time_90k = self
            .timeline
            .decode_time_90k(picture.camera_90k, self.clock.monotonic());
        self.newest = Some((decode_time_90k, Instant::now()));
        if let Some(format) = picture.new_format
            && self.init.as_ref().is_none_or(|init| init.format != format)
        {
            if let Some(part) = self.builder.finish(self.timeline.step_90k()) {
                self.hand_on(part);
            }
            tracing::info!(
                codec = format.codec,
                width = format.width,
                height = format.height,
                "recording"
            );
            let init = Arc::new(InitSegment::with_sound(format, self.sound.clone()));
            self.view.live.set_init(&init);
            self.feed.reset();
            self.init = Some(init);
        }
        if self.init.is_none() {
            // Before the first IDR nothing can be shown.
            return;
        }
        if first {
            self.view.set(Session::Recording);
        }
        let picture = TimedPicture {
            data: picture.data,
            decode_time_90k,
            is_idr: picture.is_idr,
            utc_ms,
        };
        let watched = self.view.live.watched();
        let for_viewers = (watched == Watched::Goes).then(|| picture.clone());
        if let Some(part) = self.builder.push(picture) {
            self.hand_on(part);
        }
        if watched != Watched::No {
            self.show(for_viewers, decode_time_90k);
        }
    }

    /// Gives viewers this picture at once, or the first of them all that is held back.
    fn show(&mut self, picture: Option<TimedPicture>, newest_90k: u64) {
        let step_90k = self.timeline.step_90k();
        let part = match picture {
            Some(picture) => self.feed.push(picture, step_90k),
            None => self.feed.begin(&self.builder, newest_90k, step_90k),
        };
        if let Some(part) = part {
            self.view.live.feed(&Arc::new(part));
        }
    }

    fn hand_on(&mut self, part: Part) {
        let Some(init) = &self.init else { return };
        let part = Arc::new(part);
        self.view.live.publish(&part);
        self.keeper.take(init, &part);
    }

    fn finish_session(&mut self) -> tokio::sync::oneshot::Receiver<()> {
        if let Some(part) = self.builder.finish(self.timeline.step_90k()) {
            self.hand_on(part);
        }
        self.view.live.forget_group();
        self.feed.reset();
        self.keeper.end_session()
    }
}
