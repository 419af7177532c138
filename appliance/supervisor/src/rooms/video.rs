//! Recordings and live pictures: asked of the recorder over its socket.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use sealgate_camera::CameraId;
use sealgate_recorder_link::{
    self as link, ClientError, DiskState, DiskStatus, LiveVideo, RecorderClient, Span,
};
use sealgate_web::rooms::{
    DiskView, LiveFrame, LiveRoom, LiveStream, MarkedSpanView, RecordedFile, RecordingRoom,
    RecordingView, SpanView, StorageView, TimelineView, WatchedStream,
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
pub(super) fn problem(error: &ClientError, camera: Option<CameraId>) -> Problem {
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
            disks: status.disks.into_iter().map(disk).collect(),
        })
    }

    async fn timeline(
        &self,
        camera: CameraId,
        from_utc_ms: i64,
        to_utc_ms: i64,
    ) -> Result<TimelineView, Problem> {
        let timeline = self
            .recorder
            .timeline(camera, from_utc_ms, to_utc_ms)
            .await
            .map_err(|error| problem(&error, Some(camera)))?;
        Ok(TimelineView {
            spans: timeline.spans.into_iter().map(span_view).collect(),
            gaps: timeline
                .gaps
                .into_iter()
                .map(|gap| marked(gap.span, gap.cause.as_ref()))
                .collect(),
            events: timeline
                .events
                .into_iter()
                .map(|event| marked(event.span, Some(&event.kind)))
                .collect(),
        })
    }

    async fn play(&self, camera: CameraId, from_utc_ms: i64) -> Result<LiveStream, Problem> {
        let video = self
            .recorder
            .play(camera, from_utc_ms)
            .await
            .map_err(|error| problem(&error, Some(camera)))?;
        Ok(stream::unfold(Some(video), move |video| next_frame(video, camera)).boxed())
    }

    async fn still(&self, camera: CameraId, at_utc_ms: i64) -> Result<(i64, Bytes), Problem> {
        self.recorder
            .still(camera, at_utc_ms)
            .await
            .map_err(|error| problem(&error, Some(camera)))
    }
}

pub(super) fn span_view(span: Span) -> SpanView {
    SpanView {
        start_utc_ms: span.start_utc_ms,
        end_utc_ms: span.end_utc_ms,
    }
}

/// A time with the link's own word for what it is.
fn marked(span: Span, kind: Option<&impl serde::Serialize>) -> MarkedSpanView {
    MarkedSpanView {
        start_utc_ms: span.start_utc_ms,
        end_utc_ms: span.end_utc_ms,
        kind: kind.and_then(word),
    }
}

fn word(kind: &impl serde::Serialize) -> Option<String> {
    match serde_json::to_value(kind).ok()? {
        serde_json::Value::String(word) => Some(word),
        _ => None,
    }
}

fn disk(status: DiskStatus) -> DiskView {
    let (state, detail) = match status.state {
        DiskState::InUse => ("in_use", None),
        DiskState::Away => ("away", None),
        DiskState::NotInitialized => ("not_initialized", None),
        DiskState::Double => ("double", None),
        DiskState::ReadOnly => ("read_only", None),
        DiskState::Full => ("full", None),
        DiskState::Hanging => ("hanging", None),
        DiskState::Failed { reason } => ("failed", Some(reason)),
    };
    DiskView {
        name: status.name,
        state: state.to_owned(),
        detail,
        free_bytes: status.free_bytes,
        total_bytes: status.total_bytes,
    }
}

#[async_trait]
impl LiveRoom for Video {
    async fn open(&self, camera: CameraId, stream: WatchedStream) -> Result<LiveStream, Problem> {
        let stream = match stream {
            WatchedStream::Main => link::LiveStream::Main,
            WatchedStream::Sub => link::LiveStream::Sub,
        };
        let video = self
            .recorder
            .live_stream(camera, stream)
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
        Ok(Some(link::LiveFrame::Part { bytes, utc_ms, .. })) => {
            Some((Ok(LiveFrame::Part { bytes, utc_ms }), Some(video)))
        }
        Ok(Some(link::LiveFrame::Skipped { ms })) => {
            Some((Ok(LiveFrame::Skipped { ms }), Some(video)))
        }
        Ok(None) => None,
        Err(error) => Some((Err(problem(&ClientError::Link(error), Some(camera))), None)),
    }
}
