//! The socket: requests in, replies and live frames out.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use sealgate_base::Shutdown;
use sealgate_recorder_link::{
    Connection, LinkError, LiveFrame, RecorderRefusal, Reply, Request, Span,
};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::export::{Export, Still};
use crate::recorder::{RecordedFile, Recorder};

/// Connections at once; more wait.
const MAX_CONNECTIONS: usize = 256;
/// A viewer that takes longer for one part has gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(15);
/// A player that takes no part for longer has gone, or is paused by somebody who has.
const PAUSE_TIMEOUT: Duration = Duration::from_secs(600);
/// Bytes of a recording sent at once.
const PIECE_BYTES: usize = 256 * 1024;
/// The socket is for the recorder's user and group: the supervisor is in that group.
const SOCKET_MODE: u32 = 0o660;

/// The socket can't be served.
#[derive(Debug, thiserror::Error)]
#[error("the socket {path} could not be {operation}")]
pub struct ServeError {
    path: PathBuf,
    operation: &'static str,
    #[source]
    source: io::Error,
}

/// The listening socket. Its file goes when it does.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
}

impl Server {
    /// Listens; takes the place of a socket that a former run left behind.
    ///
    /// # Errors
    /// The folder is missing, or something that is no socket is in the place.
    pub fn bind(path: &Path) -> Result<Self, ServeError> {
        let failed = |operation| {
            let path = path.to_owned();
            move |source| ServeError {
                path,
                operation,
                source,
            }
        };
        if path
            .symlink_metadata()
            .is_ok_and(|data| data.file_type().is_socket())
        {
            std::fs::remove_file(path).map_err(failed("taken over"))?;
        }
        let listener = UnixListener::bind(path).map_err(failed("opened"))?;
        let mode = std::fs::Permissions::from_mode(SOCKET_MODE);
        std::fs::set_permissions(path, mode).map_err(failed("given to the supervisor"))?;
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }

    /// Serves until shutdown.
    pub async fn serve(&self, recorder: &Arc<Recorder>, shutdown: Shutdown) {
        let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let permit = Arc::clone(&room).acquire_owned().await;
            let Ok(permit) = permit else { return };
            let accepted = tokio::select! {
                () = shutdown.requested() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let recorder = Arc::clone(recorder);
                    let shutdown = shutdown.clone();
                    tokio::spawn(async move {
                        let _permit = permit;
                        let mut connection = Connection::new(stream);
                        let result = tokio::select! {
                            () = shutdown.requested() => Ok(()),
                            result = converse(&mut connection, &recorder) => result,
                        };
                        if let Err(error) = result {
                            tracing::debug!(%error, "a connection failed");
                        }
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most likely: others must close first.
                    tracing::error!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "the socket's file stays behind");
        }
    }
}

async fn converse(connection: &mut Connection, recorder: &Arc<Recorder>) -> Result<(), LinkError> {
    while let Some(request) = connection.recv_request().await? {
        let reply = match request {
            Request::SetDesired(desired) => {
                // A broken connection must not leave a change half-made.
                let changing = Arc::clone(recorder);
                let change = tokio::spawn(async move { changing.set_desired(desired).await });
                if change.await.is_err() {
                    tracing::error!("the desired set could not be taken over");
                    return Ok(());
                }
                Reply::Done
            }
            Request::SetZone { zone } => {
                recorder.set_zone(&zone);
                Reply::Done
            }
            Request::Status => Reply::Status(recorder.status()),
            Request::Recordings { camera, limit } => {
                let list = move |recorder: &Arc<Recorder>| recorder.recordings(camera, limit);
                answer(recorder, list, |recordings| Reply::Recordings {
                    recordings,
                })
                .await
            }
            Request::Motion {
                camera,
                active,
                utc_ms,
            } => {
                let report =
                    move |recorder: &Arc<Recorder>| recorder.report_motion(camera, active, utc_ms);
                answer(recorder, report, |()| Reply::Done).await
            }
            Request::Live { camera, stream } => match recorder.live(camera, stream).await {
                Ok(viewer) => {
                    connection.send_reply(&Reply::Live).await?;
                    return show(connection, viewer).await;
                }
                Err(refusal) => Reply::Refused(refusal),
            },
            Request::Timeline {
                camera,
                from_utc_ms,
                to_utc_ms,
            } => {
                let range = Span {
                    start_utc_ms: from_utc_ms,
                    end_utc_ms: to_utc_ms,
                };
                let timeline = move |recorder: &Arc<Recorder>| recorder.timeline(camera, range);
                answer(recorder, timeline, Reply::Timeline).await
            }
            Request::Play {
                camera,
                from_utc_ms,
            } => {
                let play = move |recorder: &Arc<Recorder>| recorder.play(camera, from_utc_ms);
                match read(recorder, play).await {
                    Ok((frames, _permit)) => {
                        connection.send_reply(&Reply::Live).await?;
                        return play_to(connection, frames).await;
                    }
                    Err(refusal) => Reply::Refused(refusal),
                }
            }
            Request::Export {
                camera,
                from_utc_ms,
                to_utc_ms,
            } => {
                let export =
                    move |recorder: &Arc<Recorder>| recorder.export(camera, from_utc_ms, to_utc_ms);
                match read(recorder, export).await {
                    Ok((export, _permit)) => return send_export(connection, export).await,
                    Err(refusal) => Reply::Refused(refusal),
                }
            }
            Request::Still { camera, at_utc_ms } => {
                let still = move |recorder: &Arc<Recorder>| recorder.still(camera, at_utc_ms);
                match read(recorder, still).await {
                    Ok((Still { utc_ms, file }, _permit)) => {
                        connection.send_reply(&Reply::Still { utc_ms }).await?;
                        connection.send_piece(file.into()).await?;
                        continue;
                    }
                    Err(refusal) => Reply::Refused(refusal),
                }
            }
            Request::File { file } => match recorder.open(&file).await {
                Ok(recorded) => return send_file(connection, recorded).await,
                Err(refusal) => Reply::Refused(refusal),
            },
        };
        connection.send_reply(&reply).await?;
    }
    Ok(())
}

/// Asks the recorder where blocking is allowed.
async fn answer<T: Send + 'static>(
    recorder: &Arc<Recorder>,
    ask: impl FnOnce(&Arc<Recorder>) -> Result<T, RecorderRefusal> + Send + 'static,
    reply: impl FnOnce(T) -> Reply,
) -> Reply {
    let recorder = Arc::clone(recorder);
    let answer = tokio::task::spawn_blocking(move || ask(&recorder)).await;
    match answer.unwrap_or(Err(RecorderRefusal::Index)) {
        Ok(found) => reply(found),
        Err(refusal) => Reply::Refused(refusal),
    }
}

/// Begins to read recordings, if there is room for one more reader.
async fn read<T: Send + 'static>(
    recorder: &Arc<Recorder>,
    begin: impl FnOnce(&Arc<Recorder>) -> Result<T, RecorderRefusal> + Send + 'static,
) -> Result<(T, OwnedSemaphorePermit), RecorderRefusal> {
    let permit = Arc::clone(&recorder.readers).try_acquire_owned();
    let permit = permit.map_err(|_| RecorderRefusal::TooManyReaders)?;
    let recorder = Arc::clone(recorder);
    let begun = tokio::task::spawn_blocking(move || begin(&recorder)).await;
    Ok((begun.unwrap_or(Err(RecorderRefusal::Index))?, permit))
}

/// Recorded frames, as fast as they are taken: a player may pause for long.
async fn play_to(
    connection: &mut Connection,
    mut frames: mpsc::Receiver<LiveFrame>,
) -> Result<(), LinkError> {
    while let Some(frame) = frames.recv().await {
        match tokio::time::timeout(PAUSE_TIMEOUT, connection.send_live(&frame)).await {
            Ok(sent) => sent?,
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

async fn send_export(connection: &mut Connection, export: Export) -> Result<(), LinkError> {
    let info = Reply::Export(export.info.clone());
    connection.send_reply(&info).await?;
    let (sender, mut pieces) = mpsc::channel(2);
    let reading = tokio::task::spawn_blocking(move || export.send(&sender));
    while let Some(piece) = pieces.recv().await {
        match tokio::time::timeout(SEND_TIMEOUT, connection.send_piece(piece)).await {
            Ok(sent) => sent?,
            Err(_) => return Ok(()),
        }
    }
    match reading.await {
        Ok(Err(error)) => {
            // The other side sees that bytes are missing.
            tracing::warn!(%error, "an export ended early");
            Ok(())
        }
        _ => Ok(()),
    }
}

async fn send_file(connection: &mut Connection, recorded: RecordedFile) -> Result<(), LinkError> {
    let size_bytes = recorded.whole_bytes;
    connection.send_reply(&Reply::File { size_bytes }).await?;
    let mut left = recorded.file.take(size_bytes);
    loop {
        let mut piece = BytesMut::with_capacity(PIECE_BYTES);
        let read = left.read_buf(&mut piece).await.map_err(LinkError::Broken)?;
        if read == 0 {
            return Ok(());
        }
        match tokio::time::timeout(SEND_TIMEOUT, connection.send_piece(piece.freeze())).await {
            Ok(sent) => sent?,
            Err(_) => return Ok(()),
        }
    }
}

async fn show(
    connection: &mut Connection,
    mut viewer: crate::live::Viewer,
) -> Result<(), LinkError> {
    loop {
        let frame = tokio::select! {
            frame = viewer.next() => frame,
            () = connection.closed() => return Ok(()),
        };
        let Some(frame) = frame else { return Ok(()) };
        match tokio::time::timeout(SEND_TIMEOUT, connection.send_live(&frame)).await {
            Ok(sent) => sent?,
            Err(_) => {
                tracing::info!("a viewer took no part for 15 s");
                return Ok(());
            }
        }
    }
}
