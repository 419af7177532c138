//! A camera's smaller stream: fetched only while somebody watches, never written to disk.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sealgate_base::Clock;
use sealgate_camera::CameraId;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::backoff::{Backoff, Failure};
use crate::feed::Feed;
use crate::format::InitSegment;
use crate::live::{LiveHub, TooManyViewers, Viewer};
use crate::part::TimedPicture;
use crate::sessions::SessionThreads;
use crate::source::{Frame, Pictures, Source, SourceError};
use crate::timeline::Timeline;

/// The session goes on for this long after the last viewer, who may be back at once.
const LINGER: Duration = Duration::from_secs(5);
/// As for the main stream.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
const PICTURE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is looked whether anybody watches.
const LOOK: Duration = Duration::from_millis(500);

/// One camera's smaller stream.
pub struct SubStream {
    camera: CameraId,
    source: Arc<dyn Source>,
    clock: Arc<dyn Clock>,
    hub: Arc<LiveHub>,
    ended: CancellationToken,
    /// A session is open, or is being opened again and again.
    runs: Mutex<bool>,
}

impl SubStream {
    /// Nobody watches yet.
    pub fn new(camera: CameraId, source: Arc<dyn Source>, clock: Arc<dyn Clock>) -> Self {
        Self {
            camera,
            source,
            clock,
            hub: Arc::default(),
            ended: CancellationToken::new(),
            runs: Mutex::new(false),
        }
    }

    /// One more viewer; the first one opens the session, which runs where `others` run.
    ///
    /// # Errors
    /// [`TooManyViewers`].
    pub fn watch(
        self: &Arc<Self>,
        threads: &SessionThreads,
        others: usize,
    ) -> Result<Viewer, TooManyViewers> {
        // Under the lock, so that a session that is about to end sees this viewer.
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let mut viewer = self.hub.subscribe()?;
        // No disk has the current group: the next IDR begins one.
        viewer.give_group(None);
        if !std::mem::replace(&mut *runs, true) {
            drop(threads.spawn(others, Arc::clone(self).run()));
        }
        Ok(viewer)
    }

    /// The camera is no longer desired: every viewer's video ends.
    pub fn end(&self) {
        self.ended.cancel();
        self.hub.close();
    }

    #[tracing::instrument(name = "sub_stream", skip_all, fields(camera_id = %self.camera))]
    async fn run(self: Arc<Self>) {
        tokio::select! {
            () = self.ended.cancelled() => {}
            () = self.unwatched() => {}
            () = self.sessions() => {}
        }
        tracing::info!("the sub-stream is closed");
    }

    /// Returns once nobody has watched for a while; the next viewer opens a session anew.
    async fn unwatched(&self) {
        let mut watched = Instant::now();
        loop {
            tokio::time::sleep(LOOK).await;
            if self.hub.has_viewers() {
                watched = Instant::now();
            } else if watched.elapsed() >= LINGER {
                let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
                if !self.hub.has_viewers() {
                    *runs = false;
                    return;
                }
            }
        }
    }

    async fn sessions(&self) {
        let mut backoff = Backoff::default();
        let mut timeline = Timeline::new();
        loop {
            timeline.start_session();
            let ended = match timeout(OPEN_TIMEOUT, self.source.open()).await {
                Ok(Ok(mut pictures)) => {
                    tracing::info!("the sub-stream is open");
                    self.session(&mut *pictures, &mut timeline).await
                }
                Ok(Err(error)) => Err(error),
                Err(_) => Err(SourceError::Unreachable("no answer within 10 s".into())),
            };
            self.hub.forget_group();
            let failure = match &ended {
                Ok(()) => Failure::Outage,
                Err(error) => error.failure(),
            };
            let wait = backoff.next(failure, rand::random());
            tracing::warn!(
                ?ended,
                retry_in_ms = wait.as_millis(),
                "the sub-stream's session is over"
            );
            tokio::time::sleep(wait).await;
        }
    }

    async fn session(
        &self,
        pictures: &mut dyn Pictures,
        timeline: &mut Timeline,
    ) -> Result<(), SourceError> {
        let mut feed = Feed::default();
        let mut has_format = false;
        let mut deadline = Instant::now() + PICTURE_TIMEOUT;
        while let Ok(frame) = timeout_at(deadline, pictures.next()).await {
            let Some(Frame::Picture(picture)) = frame? else {
                return Ok(());
            };
            deadline = Instant::now() + PICTURE_TIMEOUT;
            let time = timeline.decode_time_90k(picture.camera_90k, self.clock.monotonic());
            if let Some(format) = picture.new_format {
                feed.reset();
                self.hub.set_init(&Arc::new(InitSegment::new(format)));
                has_format = true;
            }
            if !has_format {
                continue;
            }
            let picture = TimedPicture {
                data: picture.data,
                decode_time_90k: time,
                is_idr: picture.is_idr,
                utc_ms: self.clock.utc_ms(),
            };
            if let Some(part) = feed.push(picture, timeline.step_90k()) {
                self.hub.feed(&Arc::new(part));
            }
        }
        Ok(())
    }
}
