//! One event stream a page: tells when to look again, not what is seen.
//!
//! Browsers hold six connections to a host over HTTP/1.1, so a page opens one stream, however
//! much of it changes; and what it may show is decided where it is fetched.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Interval, interval};

use super::ApiResult;
use crate::app::App;
use crate::errors::{ApiProblem, ProblemSchema, problem};
use crate::rooms::Right;
use crate::session::Visitor;

/// How often the box is looked at, while anybody listens.
const LOOK: Duration = Duration::from_secs(1);
/// How often figures are worth fetching; the stream's sign of life too.
const BEAT: Duration = Duration::from_secs(5);
/// Streams at once.
const STREAMS: usize = 64;

/// Notices changes, for all streams together.
pub(crate) struct Changes {
    seen: watch::Sender<()>,
    is_looking: AtomicBool,
    streams: Arc<Semaphore>,
}

impl Changes {
    pub(crate) fn new() -> Self {
        Self {
            seen: watch::Sender::new(()),
            is_looking: AtomicBool::new(false),
            streams: Arc::new(Semaphore::new(STREAMS)),
        }
    }

    /// Changes from now on.
    fn listen(&self, app: &App) -> watch::Receiver<()> {
        let listener = self.seen.subscribe();
        if !self.is_looking.swap(true, Ordering::AcqRel) {
            tokio::spawn(look(app.clone()));
        }
        listener
    }
}

/// Looks at the box until nobody listens any more.
async fn look(app: App) {
    let changes = Arc::clone(&app.changes);
    let mut every = interval(LOOK);
    let mut last = state(&app).await;
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = app.shutdown.requested() => return,
        }
        if changes.seen.receiver_count() == 0 {
            changes.is_looking.store(false, Ordering::Release);
            // Somebody may have come in between, and found that this still looked.
            let is_needed = changes.seen.receiver_count() > 0;
            if !is_needed || changes.is_looking.swap(true, Ordering::AcqRel) {
                return;
            }
        }
        let now = state(&app).await;
        if now != last {
            last = now;
            changes.seen.send_replace(());
        }
    }
}

/// What a person would want to see at once; not the figures that change all the time.
async fn state(app: &App) -> String {
    let rooms = &app.rooms;
    let license = rooms.license.status().await;
    let cameras = rooms.cameras.list().await.unwrap_or_default();
    let cameras: Vec<_> = cameras
        .iter()
        .map(|camera| {
            let recording = camera.recording.as_ref().map(|health| health.status);
            (
                camera.id,
                &camera.name,
                camera.state,
                &camera.reason,
                recording,
            )
        })
        .collect();
    let disks = rooms.recordings.status().await.map(|storage| {
        let state = |disk: crate::rooms::DiskView| (disk.name, disk.state);
        storage.disks.into_iter().map(state).collect::<Vec<_>>()
    });
    let in_force = rooms.gate.counters().await.map(|gate| gate.in_force);
    let alarms = rooms.alarms.list().await.ok();
    let state = (license, cameras, disks.ok(), in_force.ok(), alarms);
    // Only compared: what can't be written so is equal to itself.
    serde_json::to_string(&state).unwrap_or_default()
}

/// One listener.
struct Stream {
    app: App,
    token_sha256: [u8; 32],
    changed: watch::Receiver<()>,
    beat: Interval,
    _place: OwnedSemaphorePermit,
}

impl Stream {
    /// The name of the next event; none at the end.
    async fn next(&mut self) -> Option<&'static str> {
        tokio::select! {
            changed = self.changed.changed() => changed.ok().map(|()| "state"),
            _ = self.beat.tick() => {
                let session = self.app.session(&self.token_sha256).await.ok().flatten()?;
                session.check(Right::See).ok().map(|()| "beat")
            }
            () = self.app.shutdown.requested() => None,
        }
    }
}

/// `state` when something changed, `beat` every five seconds: look again.
#[utoipa::path(get, path = "/api/v1/events", tag = "box", security(("session" = [])),
    responses(
        (status = 200, description = "Server-sent events", content_type = "text/event-stream"),
        (status = 503, description = "SG-API-011: too many streams", body = ProblemSchema)))]
pub(crate) async fn open(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
) -> ApiResult<Response> {
    let session = visitor
        .session
        .ok_or_else(|| ApiProblem(problem("SG-SES-004", &[])))?;
    let place = Arc::clone(&app.changes.streams)
        .try_acquire_owned()
        .map_err(|_| ApiProblem(problem("SG-API-011", &[("streams", &STREAMS.to_string())])))?;
    let mut beat = interval(BEAT);
    beat.reset();
    let stream = Stream {
        changed: app.changes.listen(&app),
        app,
        token_sha256: session.token_sha256,
        beat,
        _place: place,
    };
    let events = stream::unfold(stream, |mut stream| async {
        let name = stream.next().await?;
        // Browsers drop an event without data (HTML, 9.2.6).
        let event = Event::default().event(name).data(name);
        Some((Ok::<_, Infallible>(event), stream))
    });
    Ok(Sse::new(events).into_response())
}
