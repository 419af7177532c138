//! The socket: requests in, replies and live frames out.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use sealgate_base::Shutdown;
use sealgate_camera::CameraId;
use sealgate_recorder_link::{Connection, LinkError, RecorderRefusal, Reply, Request};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixListener;
use tokio::sync::Semaphore;

use crate::recorder::{RecordedFile, Recorder};

/// Connections at once; more wait.
const MAX_CONNECTIONS: usize = 256;
/// A viewer that takes longer for one part has gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(15);
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
            Request::Status => Reply::Status(recorder.status()),
            Request::Recordings { camera, limit } => {
                match list(Arc::clone(recorder), camera, limit).await {
                    Ok(recordings) => Reply::Recordings { recordings },
                    Err(refusal) => Reply::Refused(refusal),
                }
            }
            Request::Live { camera, stream } => match recorder.live(camera, stream).await {
                Ok(viewer) => {
                    connection.send_reply(&Reply::Live).await?;
                    return show(connection, viewer).await;
                }
                Err(refusal) => Reply::Refused(refusal),
            },
            Request::File { file } => match recorder.open(&file).await {
                Ok(recorded) => return send_file(connection, recorded).await,
                Err(refusal) => Reply::Refused(refusal),
            },
        };
        connection.send_reply(&reply).await?;
    }
    Ok(())
}

async fn list(
    recorder: Arc<Recorder>,
    camera: Option<CameraId>,
    limit: u32,
) -> Result<Vec<sealgate_recorder_link::Recording>, RecorderRefusal> {
    tokio::task::spawn_blocking(move || recorder.recordings(camera, limit))
        .await
        .unwrap_or(Err(RecorderRefusal::Index))
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
