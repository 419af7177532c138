//! Live and recorded video: fragmented MP4 over a WebSocket.

use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use futures::StreamExt;
use sealgate_camera::CameraId;
use sealgate_words::Problem;
use serde::Deserialize;

use super::{ApiResult, camera};
use crate::app::App;
use crate::errors::{ProblemSchema, unreadable};
use crate::rooms::{LiveFrame, LiveStream, WatchedStream};
use crate::session::Visitor;

/// A viewer that takes nothing for so long is gone; the recorder's queue for it is bounded.
const SEND_TIME: Duration = Duration::from_secs(10);

/// How often it is checked that the session goes on, and the viewer is asked for a sign of life.
const CHECK: Duration = Duration::from_secs(20);

/// Viewers have little to say.
const MAX_MESSAGE_BYTES: usize = 1024;

/// Parts that a viewer of recordings may ask for at once: minutes of them.
const MAX_CREDIT: u32 = 1000;

/// See [`open`].
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct LiveQuery {
    /// `main`, which is recorded, or `sub`, which is smaller.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    stream: WatchedStream,
}

/// See [`play`].
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlayQuery {
    /// From the key frame at or before this moment, milliseconds since the Unix epoch.
    from_utc_ms: i64,
}

/// Live video as a WebSocket.
///
/// First a text message `{"mime_type": "video/mp4; codecs=…"}`, then a binary message with
/// the initialization segment, then one binary message for each picture and the sound beside it;
/// the first ones, from the newest key frame on, may hold more. The first two come
/// again when the camera changes its format. A viewer that does not keep up is told
/// `{"skipped_ms": …}` and goes on at a key frame. A text message `{"problem": {…}}` says why
/// the connection closes.
#[utoipa::path(get, path = "/api/v1/live/{camera}", tag = "recordings", security(("session" = [])),
    params(("camera" = String, Path, example = "020000000a01-1"), LiveQuery),
    responses(
        (status = 101, description = "The connection becomes a WebSocket"),
        (status = 400, description = "SG-API-001: not a WebSocket request", body = ProblemSchema),
        (status = 409, description = "SG-REC-002: not being recorded", body = ProblemSchema),
        (status = 503, description = "SG-REC-001, SG-REC-003: recorder not running, or too many viewers", body = ProblemSchema)))]
pub(crate) async fn open(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    query: Result<Query<LiveQuery>, QueryRejection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> ApiResult<Response> {
    let camera = camera(&id)?;
    let Query(query) = query.map_err(|error| unreadable(&error.body_text()))?;
    // Before the upgrade, so that a program gets a status. A page's script, which can't
    // read that, asks once more without upgrading and reads the words.
    let frames = app.rooms.live.open(camera, query.stream).await?;
    serve(app, &visitor, camera, frames, upgrade, None)
}

/// Recorded video as a WebSocket.
///
/// As live video, with a text message `{"utc_ms": …}` before each part: when its first
/// picture arrived at the box. Time without recordings is left out. No part is sent that was not
/// asked for: a text message with a number asks for so many more, so that a player that is
/// paused gets none.
#[utoipa::path(get, path = "/api/v1/play/{camera}", tag = "recordings", security(("session" = [])),
    params(("camera" = String, Path, example = "020000000a01-1"), PlayQuery),
    responses(
        (status = 101, description = "The connection becomes a WebSocket"),
        (status = 400, description = "SG-API-001: not a WebSocket request", body = ProblemSchema),
        (status = 404, description = "SG-REC-007: nothing was recorded from there on", body = ProblemSchema),
        (status = 503, description = "SG-REC-001: the recorder is not running", body = ProblemSchema)))]
pub(crate) async fn play(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    query: Result<Query<PlayQuery>, QueryRejection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> ApiResult<Response> {
    let camera = camera(&id)?;
    let Query(query) = query.map_err(|error| unreadable(&error.body_text()))?;
    let frames = app.rooms.recordings.play(camera, query.from_utc_ms).await?;
    serve(app, &visitor, camera, frames, upgrade, Some(0))
}

fn serve(
    app: App,
    visitor: &Visitor,
    camera: CameraId,
    frames: LiveStream,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    credit: Option<u32>,
) -> ApiResult<Response> {
    let upgrade = upgrade.map_err(|_| unreadable("video needs a WebSocket connection"))?;
    let Some(session) = &visitor.session else {
        return Err(crate::errors::problem("SG-SES-004", &[]).into());
    };
    let viewer = Viewer {
        app,
        camera,
        token_sha256: session.token_sha256,
        credit,
    };
    Ok(upgrade
        .max_message_size(MAX_MESSAGE_BYTES)
        .max_frame_size(MAX_MESSAGE_BYTES)
        .on_upgrade(move |socket| viewer.serve(socket, frames)))
}

struct Viewer {
    app: App,
    camera: CameraId,
    token_sha256: [u8; 32],
    /// How many parts it still wants; none: as they come.
    credit: Option<u32>,
}

/// Why a viewer's connection ends.
enum End {
    /// They left, or can't be reached.
    Gone,
    /// Something ended it here.
    Because(Problem),
    /// The camera stopped, or the box does.
    Finished,
}

impl Viewer {
    async fn serve(mut self, mut socket: WebSocket, frames: LiveStream) {
        tracing::debug!(camera = %self.camera, "a viewer came");
        let end = self.relay(&mut socket, frames).await;
        let code = match end {
            End::Gone => None,
            End::Finished => Some(close_code::AWAY),
            End::Because(problem) => {
                tracing::debug!(camera = %self.camera, code = problem.code, "a viewer is sent away");
                let words = serde_json::json!({ "problem": problem }).to_string();
                let sent = send(&mut socket, Message::Text(words.into())).await;
                sent.is_ok().then_some(close_code::ERROR)
            }
        };
        if let Some(code) = code {
            let close = CloseFrame {
                code,
                reason: Utf8Bytes::default(),
            };
            let _ = send(&mut socket, Message::Close(Some(close))).await;
        }
        tracing::debug!(camera = %self.camera, "a viewer left");
    }

    async fn relay(&mut self, socket: &mut WebSocket, mut frames: LiveStream) -> End {
        let mut check = tokio::time::interval(CHECK);
        check.reset();
        let mut alive = true;
        loop {
            let sent = tokio::select! {
                frame = frames.next(), if self.credit != Some(0) => match frame {
                    None => return End::Finished,
                    Some(Err(problem)) => return End::Because(problem),
                    Some(Ok(frame)) => self.forward(socket, frame).await,
                },
                message = socket.recv() => match message {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return End::Gone,
                    Some(Ok(message)) => {
                        self.hear(&message);
                        alive = true;
                        Ok(())
                    }
                },
                _ = check.tick() => {
                    if !std::mem::take(&mut alive) {
                        return End::Gone;
                    }
                    match self.app.session(&self.token_sha256).await {
                        Ok(Some(_)) => send(socket, Message::Ping(Bytes::new())).await,
                        Ok(None) => {
                            return End::Because(crate::errors::problem("SG-SES-004", &[]));
                        }
                        Err(problem) => return End::Because(problem),
                    }
                }
                () = self.app.shutdown.requested() => return End::Finished,
            };
            if sent.is_err() {
                return End::Gone;
            }
        }
    }

    /// A number asks for so many parts more; anything else is only a sign of life.
    fn hear(&mut self, message: &Message) {
        if let (Some(credit), Message::Text(text)) = (&mut self.credit, message)
            && let Ok(more) = text.as_str().trim().parse::<u32>()
        {
            *credit = credit.saturating_add(more).min(MAX_CREDIT);
        }
    }

    async fn forward(&mut self, socket: &mut WebSocket, frame: LiveFrame) -> Result<(), ()> {
        match frame {
            LiveFrame::Init { mime_type, segment } => {
                let words = serde_json::json!({ "mime_type": mime_type }).to_string();
                send(socket, Message::Text(words.into())).await?;
                send(socket, Message::Binary(segment)).await
            }
            LiveFrame::Part { bytes, utc_ms } => {
                if let Some(credit) = &mut self.credit {
                    *credit = credit.saturating_sub(1);
                    let words = serde_json::json!({ "utc_ms": utc_ms }).to_string();
                    send(socket, Message::Text(words.into())).await?;
                }
                send(socket, Message::Binary(bytes)).await
            }
            LiveFrame::Skipped { ms } => {
                let words = serde_json::json!({ "skipped_ms": ms }).to_string();
                send(socket, Message::Text(words.into())).await
            }
        }
    }
}

async fn send(socket: &mut WebSocket, message: Message) -> Result<(), ()> {
    match tokio::time::timeout(SEND_TIME, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(()),
    }
}
