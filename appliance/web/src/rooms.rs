//! The rooms of the box as the pages see them: what they ask, and what they show.
//!
//! The supervisor implements these traits; tests implement them with fakes. Each trait is
//! object-safe and says no with a [`Problem`] from the catalog, so that a page, the API
//! and the command line use the same words.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use sealgate_camera::{CameraId, MacAddress, StreamUrl};
use sealgate_words::Problem;

mod adding;
mod people;
mod views;

pub(crate) use adding::{AddedList, PasswordVerdicts, shown_ip};
pub use adding::{
    AddedView, AddingRoom, AddingView, CameraDetails, CheckView, CheckedRow, FoundView,
    PasswordVerdict, StreamUse, StreamView, TrafficView, TypedCamera, TypedPassword,
};
pub use people::{
    ApiTokenView, AuditView, Checked, Enrolment, NewApiToken, Recovery, Right, Role, SessionStore,
    Setup, SignIn, StoredSession, User, UserRoom, UserView,
};

pub use views::{
    CameraCounters, CameraSettings, CameraState, CameraVerdict, CameraView, ClipView, CounterView,
    DiskView, FileDownload, GateCameraView, GateView, ImportView, LicenseView, MarkedSpanView,
    Places, PlanView, PresetView, RecordingHealth, RecordingStatus, RecordingView, ReplacementView,
    SessionView, SpanView, Steering, StorageView, StreamTransport, TimelineView, TpmView,
};

/// The name of the user that the first-start set-up creates.
pub const FIRST_USER: &str = "owner";

/// The shortest password, in characters.
pub const MIN_PASSWORD_CHARS: usize = 12;

/// Everything the pages talk to.
#[derive(Clone)]
pub struct Rooms {
    /// What this box is; shown on every page.
    pub identity: BoxIdentity,
    /// The first start.
    pub setup: Arc<dyn Setup>,
    /// Names and passwords.
    pub sign_in: Arc<dyn SignIn>,
    /// Where sessions are kept.
    pub sessions: Arc<dyn SessionStore>,
    /// Who may come in, and what they may do.
    pub users: Arc<dyn UserRoom>,
    /// A way back in for whoever stands at the box.
    pub recovery: Arc<dyn Recovery>,
    /// The license and the TPM it is bound to.
    pub license: Arc<dyn LicenseRoom>,
    /// Cameras and their channels.
    pub cameras: Arc<dyn CameraRoom>,
    /// Cameras added by hand, their passwords and facts.
    pub adding: Arc<dyn AddingRoom>,
    /// The kernel gate.
    pub gate: Arc<dyn GateRoom>,
    /// What the recorder does and keeps.
    pub recordings: Arc<dyn RecordingRoom>,
    /// Live pictures.
    pub live: Arc<dyn LiveRoom>,
    /// Pictures on demand, and steering.
    pub steering: Arc<dyn SteeringRoom>,
    /// Clips to take away.
    pub clips: Arc<dyn ClipRoom>,
}

/// What this box is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoxIdentity {
    /// What the owner calls it, for example `NVR-0207`.
    pub name: String,
    /// The model as sold.
    pub model: String,
    /// The serial number on the label.
    pub serial: String,
    /// The firmware's version.
    pub firmware: String,
    /// Further names that its network gives it.
    pub host_names: Vec<String>,
}

/// The license of this box.
#[async_trait]
pub trait LicenseRoom: Send + Sync {
    /// The state in words, the places, the TPM.
    async fn status(&self) -> LicenseView;

    /// Makes a request file for the distributor.
    ///
    /// # Errors
    /// `SG-TPM-…` where the TPM could not prove what it must.
    async fn export_request(&self) -> Result<FileDownload, Problem>;

    /// Checks a license file and, unless `dry_run`, puts it into use. `document` is as
    /// it was uploaded, at most 1 MiB.
    ///
    /// # Errors
    /// `SG-DOC-…`, `SG-LIC-…`, `SG-TPM-…`; nothing changed then.
    async fn import(&self, document: &[u8], dry_run: bool) -> Result<ImportView, Problem>;

    /// A person says that the box's clock is right, which a license with dates may wait for.
    ///
    /// # Errors
    /// `SG-LIC-030` if the clock shows less than the TPM attests, `SG-TPM-…`.
    async fn confirm_clock(&self) -> Result<LicenseView, Problem>;
}

/// Cameras and their channels.
#[async_trait]
pub trait CameraRoom: Send + Sync {
    /// Every camera that was seen or has a channel, in a stable order.
    ///
    /// # Errors
    /// `SG-API-003` if the assignments could not be read.
    async fn list(&self) -> Result<Vec<CameraView>, Problem>;

    /// Gives the camera a channel. Without an address the camera is asked for one.
    ///
    /// # Errors
    /// `SG-CAM-…`; nothing changed then.
    async fn assign(
        &self,
        camera: CameraId,
        stream: Option<StreamUrl>,
    ) -> Result<CameraView, Problem>;

    /// Takes the channel away; recording stops. A camera without one is no error.
    ///
    /// # Errors
    /// `SG-CAM-004` for a camera this box never saw.
    async fn release(&self, camera: CameraId) -> Result<CameraView, Problem>;

    /// Gives every camera that is seen and has no channel one, as long as there are places.
    ///
    /// # Errors
    /// `SG-API-003` if the assignments could not be read; what hinders one camera is in its
    /// verdict.
    async fn assign_all(&self) -> Result<Vec<CameraVerdict>, Problem>;

    /// Makes these cameras keep their places before all others, now and whenever there are
    /// fewer places.
    ///
    /// # Errors
    /// `SG-API-003` if the choice could not be written.
    async fn prefer(&self, cameras: Vec<CameraId>) -> Result<(), Problem>;

    /// How a camera with a channel is named, recorded and kept.
    ///
    /// # Errors
    /// `SG-CAM-051` for one without a channel.
    async fn settings(&self, camera: CameraId) -> Result<CameraSettings, Problem>;

    /// Names a camera with a channel, and says how it is recorded and kept.
    ///
    /// # Errors
    /// `SG-CAM-051` for one without a channel, `SG-CAM-055` for settings that can't be.
    async fn configure(
        &self,
        camera: CameraId,
        settings: CameraSettings,
    ) -> Result<CameraView, Problem>;

    /// Remembers the user name and the password that a camera wants; `None` forgets them.
    ///
    /// # Errors
    /// `SG-API-003` if they could not be written.
    async fn set_credential(
        &self,
        mac: MacAddress,
        credential: Option<(String, String)>,
    ) -> Result<(), Problem>;

    /// Gives the channels of a broken camera to another, with name, age and settings.
    ///
    /// # Errors
    /// `SG-CAM-051` to `SG-CAM-054`, and what [`assign`](Self::assign) says of the new one.
    async fn replace(&self, old: MacAddress, new: MacAddress) -> Result<Vec<CameraView>, Problem>;

    /// Every camera that was replaced, the oldest first.
    fn replacements(&self) -> Vec<ReplacementView>;

    /// Looks for cameras at once instead of at the next round.
    ///
    /// # Errors
    /// `SG-API-003` if the search could not be started.
    async fn discover_now(&self) -> Result<(), Problem>;
}

/// The kernel gate.
#[async_trait]
pub trait GateRoom: Send + Sync {
    /// Its counters now.
    ///
    /// # Errors
    /// `SG-API-003` if the kernel could not be asked.
    async fn counters(&self) -> Result<GateView, Problem>;
}

/// What the recorder does and keeps.
#[async_trait]
pub trait RecordingRoom: Send + Sync {
    /// Newest first, at most `limit`, of one camera or of all.
    ///
    /// # Errors
    /// `SG-REC-001` recorder not running, `SG-REC-004` index unreadable.
    async fn list(
        &self,
        camera: Option<CameraId>,
        limit: u32,
    ) -> Result<Vec<RecordingView>, Problem>;

    /// One recording, as far as it is whole; `file` as [`RecordingView::file`] says.
    ///
    /// # Errors
    /// `SG-REC-001` recorder not running, `SG-REC-006` no such recording.
    async fn open(&self, file: &str) -> Result<RecordedFile, Problem>;

    /// What was recorded of a camera between two moments, milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// `SG-REC-…`.
    async fn timeline(
        &self,
        camera: CameraId,
        from_utc_ms: i64,
        to_utc_ms: i64,
    ) -> Result<TimelineView, Problem>;

    /// Recorded frames from the key frame at or before this moment, as they are taken.
    ///
    /// # Errors
    /// `SG-REC-…`.
    async fn play(&self, camera: CameraId, from_utc_ms: i64) -> Result<LiveStream, Problem>;

    /// The key frame at or before this moment as an MP4 file of one picture, and its time.
    ///
    /// # Errors
    /// `SG-REC-…`.
    async fn still(&self, camera: CameraId, at_utc_ms: i64) -> Result<(i64, Bytes), Problem>;

    /// Disk and cameras now.
    ///
    /// # Errors
    /// `SG-REC-001` recorder not running.
    async fn status(&self) -> Result<StorageView, Problem>;
}

/// One recording's bytes.
pub struct RecordedFile {
    /// How many there are.
    pub size_bytes: u64,
    /// The bytes in order; ends early with a problem if the recorder does.
    pub pieces: BoxStream<'static, Result<Bytes, Problem>>,
}

/// Live pictures.
#[async_trait]
pub trait LiveRoom: Send + Sync {
    /// Frames from now on, beginning with [`LiveFrame::Init`], until the camera stops
    /// being recorded or the stream is dropped.
    ///
    /// # Errors
    /// `SG-REC-001` to `SG-REC-003`.
    async fn open(&self, camera: CameraId, stream: WatchedStream) -> Result<LiveStream, Problem>;
}

/// Which of a camera's streams is watched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchedStream {
    /// The one that is recorded.
    #[default]
    Main,
    /// The smaller one.
    Sub,
}

/// Clips to take away.
#[async_trait]
pub trait ClipRoom: Send + Sync {
    /// Reads a camera's recordings between two moments once and has the TPM sign what the
    /// clip of them is. It can be fetched for an hour.
    ///
    /// # Errors
    /// `SG-REC-…`; `SG-REC-012` if too many clips wait to be fetched.
    async fn make(
        &self,
        camera: CameraId,
        from_utc_ms: i64,
        to_utc_ms: i64,
    ) -> Result<ClipView, Problem>;

    /// The clip's bytes: those that were signed, or the stream ends with a problem.
    ///
    /// # Errors
    /// `SG-REC-013` no such clip, or not any more; `SG-REC-…`.
    async fn open(&self, id: &str) -> Result<(ClipView, RecordedFile), Problem>;

    /// The signed statement about the clip.
    ///
    /// # Errors
    /// `SG-REC-013` no such clip, or not any more; `SG-TPM-…` the TPM did not sign.
    async fn statement(&self, id: &str) -> Result<FileDownload, Problem>;
}

/// A camera's frames as they come; ends with at most one problem.
pub type LiveStream = BoxStream<'static, Result<LiveFrame, Problem>>;

/// One step of a live stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveFrame {
    /// A new initialization segment: at the start, and when the camera changes its format.
    Init {
        /// For `MediaSource.isTypeSupported`, for example `video/mp4; codecs="avc1.42c01e"`.
        mime_type: String,
        /// `ftyp` and `moov`.
        segment: Bytes,
    },
    /// Media.
    Part {
        /// One `moof` and `mdat`.
        bytes: Bytes,
        /// When its first picture arrived at the box, milliseconds since the Unix epoch.
        utc_ms: i64,
    },
    /// The viewer did not keep up: so much is left out before what follows.
    Skipped {
        /// How much, milliseconds.
        ms: u64,
    },
}

/// Pictures on demand, and steering, of admitted cameras.
#[async_trait]
pub trait SteeringRoom: Send + Sync {
    /// The camera's own picture of this moment, a JPEG file.
    ///
    /// # Errors
    /// `SG-REC-002` not admitted, `SG-CAM-033` the camera gives none, `SG-CAM-…`.
    async fn snapshot(&self, camera: CameraId) -> Result<Bytes, Problem>;

    /// The places that the camera has stored.
    ///
    /// # Errors
    /// As [`steer`](Self::steer).
    async fn presets(&self, camera: CameraId) -> Result<Vec<PresetView>, Problem>;

    /// Steers the camera.
    ///
    /// # Errors
    /// `SG-REC-002` not admitted, `SG-CAM-033` it can't be steered, `SG-CAM-…`.
    async fn steer(&self, camera: CameraId, steering: Steering) -> Result<(), Problem>;
}
