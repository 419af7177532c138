//! Clips to take away: read once to know what they are, signed by the TPM, read again to be
//! handed out. So nothing is kept on disk for them, and what is handed out is compared with
//! what was signed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use jiff::Timestamp;
use sealgate_base::Clock;
use sealgate_camera::CameraId;
use sealgate_license::statement_document::{SignedStatement, Subject};
use sealgate_recorder_link::{self as link, ClientError, RecorderClient};
use sealgate_web::rooms::{ClipRoom, ClipView, FileDownload, RecordedFile};
use sealgate_words::Problem;
use sha2::{Digest as _, Sha256};

use crate::camera_desk::DeskHandle;
use crate::camera_facts::channel_of;
use crate::license_desk::LicenseDesk;
use crate::rooms::entry;
use crate::rooms::video::{problem, span_view};

/// For how long a clip can be fetched.
const KEPT: Duration = Duration::from_secs(3600);
/// How many are kept.
const MOST: usize = 64;
/// One at a time is read for its hash: recording goes before.
const AT_ONCE: usize = 1;

/// What is younger may grow while the clip is fetched, and then be no longer what was signed.
const STILL_WRITTEN_MS: i64 = 4000;

struct Clip {
    view: ClipView,
    from_utc_ms: i64,
    to_utc_ms: i64,
    sha256: [u8; 32],
    statement: Result<SignedStatement, Problem>,
    made: Duration,
}

/// Makes clips and remembers them for a while.
pub struct Clips {
    recorder: RecorderClient,
    license: LicenseDesk,
    cameras: DeskHandle,
    clock: Arc<dyn Clock>,
    made: Mutex<VecDeque<Clip>>,
    reading: tokio::sync::Semaphore,
}

impl Clips {
    /// None was made yet.
    pub fn new(
        recorder: RecorderClient,
        license: LicenseDesk,
        cameras: DeskHandle,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            recorder,
            license,
            cameras,
            clock,
            made: Mutex::default(),
            reading: tokio::sync::Semaphore::new(AT_ONCE),
        }
    }

    fn made(&self) -> MutexGuard<'_, VecDeque<Clip>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.monotonic();
        made.retain(|clip| now.saturating_sub(clip.made) < KEPT);
        made
    }

    /// What the owner calls the camera, or its address, fit for a file name.
    fn name_of(&self, camera: CameraId) -> String {
        let picture = self.cameras.picture();
        let called = channel_of(&picture.channels, camera).and_then(|channel| channel.name.clone());
        let name: String = called
            .unwrap_or_default()
            .chars()
            .map(|letter| {
                if letter.is_ascii_alphanumeric() {
                    letter
                } else {
                    '-'
                }
            })
            .collect();
        let name = name.trim_matches('-');
        if name.is_empty() {
            camera.to_string()
        } else {
            name.to_owned()
        }
    }

    async fn state(&self, subject: Subject) -> Result<SignedStatement, Problem> {
        let stated = self
            .license
            .state(subject)
            .await
            .map_err(|error| sealgate_web::internal_fault("state what the clip is", &error))?;
        stated.map_err(|error| {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a clip was not signed"
            );
            entry(error.code(), &[])
        })
    }
}

#[async_trait]
impl ClipRoom for Clips {
    async fn make(
        &self,
        camera: CameraId,
        from_utc_ms: i64,
        to_utc_ms: i64,
    ) -> Result<ClipView, Problem> {
        if self.made().len() >= MOST {
            return Err(entry("SG-REC-012", &[]));
        }
        let to_utc_ms = to_utc_ms.min(self.clock.utc_ms().saturating_sub(STILL_WRITTEN_MS));
        let _turn = self.reading.acquire().await;
        let (info, mut file) = self
            .recorder
            .export(camera, from_utc_ms, to_utc_ms)
            .await
            .map_err(|error| problem(&error, Some(camera)))?;
        let mut hash = Sha256::new();
        while let Some(piece) = file
            .next()
            .await
            .map_err(|error| problem(&ClientError::Link(error), Some(camera)))?
        {
            hash.update(&piece);
        }
        let sha256: [u8; 32] = hash.finalize().into();
        let moment = |utc_ms| Timestamp::from_millisecond(utc_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        let first = info
            .spans
            .first()
            .map_or(from_utc_ms, |span| span.start_utc_ms);
        let last = info.spans.last().map_or(to_utc_ms, |span| span.end_utc_ms);
        let file_name = format!(
            "{}-{}.mp4",
            self.name_of(camera),
            moment(first).strftime("%Y%m%dT%H%M%SZ")
        );
        let statement = self
            .state(Subject::Clip {
                camera: camera.to_string(),
                file: file_name.clone(),
                from: moment(first),
                to: moment(last),
                size_bytes: info.size_bytes,
                sha256,
            })
            .await;
        let id: [u8; 16] = rand::random();
        let view = ClipView {
            id: hex::encode(id),
            camera,
            file_name,
            size_bytes: info.size_bytes,
            sha256: hex::encode(sha256),
            spans: info.spans.iter().copied().map(span_view).collect(),
            continues_utc_ms: info.continues_utc_ms,
            signed: statement.is_ok(),
        };
        self.made().push_back(Clip {
            view: view.clone(),
            from_utc_ms,
            to_utc_ms,
            sha256,
            statement,
            made: self.clock.monotonic(),
        });
        Ok(view)
    }

    async fn open(&self, id: &str) -> Result<(ClipView, RecordedFile), Problem> {
        let found = self
            .made()
            .iter()
            .find(|clip| clip.view.id == id)
            .map(|clip| {
                (
                    clip.view.clone(),
                    clip.from_utc_ms,
                    clip.to_utc_ms,
                    clip.sha256,
                )
            });
        let (view, from_utc_ms, to_utc_ms, sha256) =
            found.ok_or_else(|| entry("SG-REC-013", &[]))?;
        let (info, file) = self
            .recorder
            .export(view.camera, from_utc_ms, to_utc_ms)
            .await
            .map_err(|error| problem(&error, Some(view.camera)))?;
        if info.size_bytes != view.size_bytes {
            return Err(entry("SG-REC-014", &[]));
        }
        let reading = Reading {
            file,
            hash: Sha256::new(),
            sha256,
            held: None,
        };
        let file = RecordedFile {
            size_bytes: info.size_bytes,
            pieces: stream::unfold(Some(reading), Reading::step).boxed(),
        };
        Ok((view, file))
    }

    async fn statement(&self, id: &str) -> Result<FileDownload, Problem> {
        let made = self.made();
        let clip = made
            .iter()
            .find(|clip| clip.view.id == id)
            .ok_or_else(|| entry("SG-REC-013", &[]))?;
        let statement = clip.statement.as_ref().map_err(Clone::clone)?;
        Ok(FileDownload {
            file_name: format!("{}.sgs", clip.view.file_name),
            content_type: "application/vnd.sealgate.statement.v1+json",
            bytes: statement.to_text().into(),
        })
    }
}

/// A clip on its way out. Its last piece is held back until the whole is known to be what
/// was signed, so that a browser never takes another file for it.
struct Reading {
    file: link::RecordedFile,
    hash: Sha256,
    sha256: [u8; 32],
    held: Option<Bytes>,
}

impl Reading {
    async fn step(reading: Option<Self>) -> Option<(Result<Bytes, Problem>, Option<Self>)> {
        let mut reading = reading?;
        loop {
            match reading.file.next().await {
                Ok(Some(piece)) => {
                    reading.hash.update(&piece);
                    if let Some(before) = reading.held.replace(piece) {
                        return Some((Ok(before), Some(reading)));
                    }
                }
                Ok(None) => {
                    let found: [u8; 32] = reading.hash.finalize().into();
                    let last = reading.held?;
                    return Some(if found == reading.sha256 {
                        (Ok(last), None)
                    } else {
                        (Err(entry("SG-REC-014", &[])), None)
                    });
                }
                Err(error) => return Some((Err(problem(&ClientError::Link(error), None)), None)),
            }
        }
    }
}
