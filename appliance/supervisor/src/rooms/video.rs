//! Recordings and live pictures: asked of the recorder over its socket.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use sealgate_camera::CameraId;
use sealgate_recorder_link::{self as link, ClientError, LiveVideo, RecorderClient};
use sealgate_web::rooms::{
    LiveFrame, LiveRoom, LiveStream, RecordedFile, RecordingRoom, RecordingView, StorageView,
};
use sealgate_words::{Problem, catalog};

/// What the pages may ask of the recorder.
#[derive(Debug, Clone)]
pub struct Video {
    recorder: RecorderClient,
}

impl Video {
    /// Over this client.
    pub fn new(recorder: RecorderClient) -> Self {
        Self { recorder }
    }
}

/// The recorder's refusal in the catalog's words.
fn problem(error: &ClientError, camera: Option<CameraId>) -> Problem {
    let camera = camera.map_or_else(|| "this camera".to_owned(), |id| id.mac().to_string());
    tracing::debug!(
        error = error as &dyn std::error::Error,
        camera,
        "the recorder said no"
    );
    catalog::find(error.code())
        .expect("the link's codes are in the catalog: a test walks them")
        .problem(&[("camera", &camera)])
}

#[async_trait]
impl RecordingRoom for Video {
    async fn list(
        &self,
        camera: Option<CameraId>,
        limit: u32,
    ) -> Result<Vec<RecordingView>, Problem> {
        let recordings = self
            .recorder
            .recordings(camera, limit)
            .await
            .map_err(|error| problem(&error, camera))?;
        Ok(recordings
            .into_iter()
            .map(|recording| RecordingView {
                camera: recording.camera,
                file: recording.file,
                start_utc_ms: recording.start_utc_ms,
                duration_ms: recording.duration_ms,
                size_bytes: recording.size_bytes,
                growing: recording.growing,
            })
            .collect())
    }

    async fn open(&self, file: &str) -> Result<RecordedFile, Problem> {
        let recording = self
            .recorder
            .file(file.to_owned())
            .await
            .map_err(|error| problem(&error, None))?;
        Ok(RecordedFile {
            size_bytes: recording.size_bytes(),
            pieces: stream::unfold(Some(recording), next_piece).boxed(),
        })
    }

    async fn status(&self) -> Result<StorageView, Problem> {
        let status = self
            .recorder
            .status()
            .await
            .map_err(|error| problem(&error, None))?;
        Ok(StorageView {
            free_bytes: status.free_bytes,
            total_bytes: status.total_bytes,
        })
    }
}

#[async_trait]
impl LiveRoom for Video {
    async fn open(&self, camera: CameraId) -> Result<LiveStream, Problem> {
        let video = self
            .recorder
            .live(camera)
            .await
            .map_err(|error| problem(&error, Some(camera)))?;
        Ok(stream::unfold(Some(video), move |video| next_frame(video, camera)).boxed())
    }
}

/// The next piece of a recording and what to go on with; nothing after the first problem.
async fn next_piece(
    recording: Option<link::RecordedFile>,
) -> Option<(Result<Bytes, Problem>, Option<link::RecordedFile>)> {
    let mut recording = recording?;
    match recording.next().await {
        Ok(Some(piece)) => Some((Ok(piece), Some(recording))),
        Ok(None) => None,
        Err(error) => Some((Err(problem(&ClientError::Link(error), None)), None)),
    }
}

/// The next frame and what to go on with; nothing after the first problem.
async fn next_frame(
    video: Option<LiveVideo>,
    camera: CameraId,
) -> Option<(Result<LiveFrame, Problem>, Option<LiveVideo>)> {
    let mut video = video?;
    match video.next().await {
        Ok(Some(link::LiveFrame::Init { mime_type, bytes })) => Some((
            Ok(LiveFrame::Init {
                mime_type,
                segment: bytes,
            }),
            Some(video),
        )),
        Ok(Some(link::LiveFrame::Part { bytes, .. })) => {
            Some((Ok(LiveFrame::Part(bytes)), Some(video)))
        }
        Ok(None) => None,
        Err(error) => Some((Err(problem(&ClientError::Link(error), Some(camera))), None)),
    }
}
