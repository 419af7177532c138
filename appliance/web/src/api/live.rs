//! Live video: fragmented MP4 over a WebSocket.

use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Path, State};
use axum::response::Response;
use futures::StreamExt;
use sealgate_camera::CameraId;
use sealgate_words::Problem;

use super::{ApiResult, camera};
use crate::app::App;
use crate::errors::{ProblemSchema, unreadable};
use crate::rooms::{LiveFrame, LiveStream};
use crate::session::Visitor;

/// A viewer that takes nothing for so long is gone; the recorder's queue for it is bounded.
const SEND_TIME: Duration = Duration::from_secs(10);

/// How often it is checked that the session goes on, and the viewer is asked for a sign of life.
const CHECK: Duration = Duration::from_secs(20);

/// Viewers have nothing to say.
const MAX_MESSAGE_BYTES: usize = 1024;

/// Live video as a WebSocket.
///
/// First a text message `{"mime_type": "video/mp4; codecs=…"}`, then a binary message with
/// the initialization segment, then one binary message for each part. The first two come
/// again when the camera changes its format. A text message `{"problem": {…}}` says why
/// the connection closes.
#[utoipa::path(get, path = "/api/v1/live/{camera}", tag = "recordings", security(("session" = [])),
    params(("camera" = String, Path, example = "020000000a01-1")),
    responses(
        (status = 101, description = "The connection becomes a WebSocket"),
        (status = 400, description = "SG-API-001: not a WebSocket request", body = ProblemSchema),
        (status = 409, description = "SG-REC-002: not being recorded", body = ProblemSchema),
        (status = 503, description = "SG-REC-001, SG-REC-003: recorder not running, or too many viewers", body = ProblemSchema)))]
pub(crate) async fn open(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> ApiResult<Response> {
    let camera = camera(&id)?;
    // Before the upgrade, so that a program gets a status. A page's script, which can't
    // read that, asks once more without upgrading and reads the words.
    let frames = app.rooms.live.open(camera).await?;
    let upgrade = upgrade.map_err(|_| unreadable("live video needs a WebSocket connection"))?;
    let Some(session) = visitor.session else {
        return Err(crate::errors::problem("SG-SES-004", &[]).into());
    };
    Ok(upgrade
        .max_message_size(MAX_MESSAGE_BYTES)
        .max_frame_size(MAX_MESSAGE_BYTES)
        .on_upgrade(move |socket| async move {
            let viewer = Viewer {
                app,
                camera,
                token_sha256: session.token_sha256,
            };
            viewer.serve(socket, frames).await;
        }))
}

struct Viewer {
    app: App,
    camera: CameraId,
    token_sha256: [u8; 32],
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
    async fn serve(self, mut socket: WebSocket, frames: LiveStream) {
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

    async fn relay(&self, socket: &mut WebSocket, mut frames: LiveStream) -> End {
        let mut check = tokio::time::interval(CHECK);
        check.reset();
        let mut alive = true;
        loop {
            let sent = tokio::select! {
                frame = frames.next() => match frame {
                    None => return End::Finished,
                    Some(Err(problem)) => return End::Because(problem),
                    Some(Ok(frame)) => forward(socket, frame).await,
                },
                message = socket.recv() => match message {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return End::Gone,
                    Some(Ok(_)) => {
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
}

async fn forward(socket: &mut WebSocket, frame: LiveFrame) -> Result<(), ()> {
    match frame {
        LiveFrame::Init { mime_type, segment } => {
            let words = serde_json::json!({ "mime_type": mime_type }).to_string();
            send(socket, Message::Text(words.into())).await?;
            send(socket, Message::Binary(segment)).await
        }
        LiveFrame::Part(part) => send(socket, Message::Binary(part)).await,
    }
}

async fn send(socket: &mut WebSocket, message: Message) -> Result<(), ()> {
    match tokio::time::timeout(SEND_TIME, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(()),
    }
}
