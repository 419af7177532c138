//! What the rooms tell the pages; the API's JSON is exactly these.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use bytes::Bytes;
use sealgate_camera::{CameraId, MacAddress};
use sealgate_words::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::errors::ProblemSchema;

/// The license and what it is bound to.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LicenseView {
    /// The state as code and sentences (`SG-STA-…`).
    #[schema(value_type = ProblemSchema)]
    pub state: Problem,
    /// Licensed channels may open.
    pub ok: bool,
    /// The license in use.
    pub license_id: Option<String>,
    /// Its revision, from 1.
    pub revision: Option<u32>,
    /// The server it names.
    pub server: Option<String>,
    /// The project it names.
    pub project: Option<String>,
    /// Who sold it.
    pub distributor: Option<String>,
    /// What it is bound to.
    pub binding: Option<LicenseBinding>,
    /// When it ends, milliseconds since the Unix epoch; absent for one without an end.
    pub ends_utc_ms: Option<i64>,
    /// Camera places.
    pub places: Places,
    /// The same by what they were bought as.
    pub pools: PoolsView,
    /// What else it allows.
    pub allowances: Vec<Allowance>,
    /// The TPM of this box.
    pub tpm: TpmView,
    /// What is also to be said; nothing of it closes a channel (`SG-STA-…`).
    #[schema(value_type = Vec<ProblemSchema>)]
    pub notices: Vec<Problem>,
}

/// Camera places of a license.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Places {
    /// Cameras that have one.
    pub used: u32,
    /// Places on the license.
    pub total: u32,
    /// Places left.
    pub free: u32,
}

/// What a license is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LicenseBinding {
    /// The TPM of this box.
    Tpm,
    /// A dongle.
    Dongle,
    /// The cameras it lists.
    Mac,
}

/// Camera places by what they were bought as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct PoolsView {
    /// Camera channels.
    pub camera: PoolView,
    /// Channels for other brands; the vendor's own cameras hold them once the camera channels
    /// are used.
    pub other_brand: PoolView,
    /// Channels for other brands that come free.
    pub other_brand_free: PoolView,
    /// Cameras on the list of a MAC license.
    pub listed: PoolView,
}

/// Places of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct PoolView {
    /// On the license.
    pub total: u32,
    /// Held by a camera.
    pub used: u32,
}

/// What a license allows besides camera places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Allowance {
    /// As the license names it, for example `failover`.
    pub kind: String,
    /// As people name it.
    pub label: String,
    /// How many.
    pub count: u32,
}

/// The TPM of this box, as far as it answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct TpmView {
    /// A TPM 2.0 answers.
    pub present: bool,
    /// Who made it.
    pub manufacturer: Option<String>,
    /// Its own firmware.
    pub firmware: Option<String>,
    /// The license counter's value.
    pub counter: Option<u64>,
    /// SHA-256 of the endorsement key's public area, in hex.
    pub ek_fingerprint: Option<String>,
    /// The attestation key's Name, in hex: what tells this TPM from every other, license or
    /// not.
    pub ak_fingerprint: Option<String>,
    /// Why it can't be used, if so (`SG-TPM-…`).
    #[schema(value_type = Option<ProblemSchema>)]
    pub problem: Option<Problem>,
}

/// A file to hand to the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDownload {
    /// Letters, digits, dots, dashes and underscores; others are replaced.
    pub file_name: String,
    /// For example `application/vnd.sealgate.request.v1+json`.
    pub content_type: &'static str,
    /// The file.
    pub bytes: Bytes,
}

/// What an import does, or would do.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ImportView {
    /// Nothing was changed: this only says what would be.
    pub dry_run: bool,
    /// As it is, or was before the import.
    pub before: LicenseView,
    /// As it will be, or is.
    pub after: LicenseView,
    /// Cameras that lose their place, if any.
    #[schema(value_type = Vec<String>)]
    pub stops_recording: Vec<CameraId>,
}

/// One camera on its row.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CameraView {
    /// Which camera.
    #[schema(value_type = String, example = "020000000a01-1")]
    pub id: CameraId,
    /// Its MAC address.
    #[schema(value_type = String, example = "02:00:00:00:0a:01")]
    pub mac: MacAddress,
    /// Its address on the camera network, if it has one.
    #[schema(value_type = Option<String>)]
    pub ip: Option<Ipv4Addr>,
    /// What it calls itself, or the owner calls it.
    pub name: Option<String>,
    /// The model it says it is.
    pub model: Option<String>,
    /// Who made it, as it says, else as its MAC address says.
    pub maker: Option<String>,
    /// The serial number it says it has.
    pub serial: Option<String>,
    /// It keeps its place before others, as the owner chose.
    pub preferred: bool,
    /// The interface it was seen on.
    pub interface: Option<String>,
    /// How far the gate lets it.
    pub state: CameraState,
    /// Why it isn't admitted, or what hinders it although it is.
    #[schema(value_type = Option<ProblemSchema>)]
    pub reason: Option<Problem>,
    /// It has a channel.
    pub assigned: bool,
    /// What the recorder does with it; none while it isn't admitted.
    pub recording: Option<RecordingHealth>,
    /// What the gate let through and dropped.
    pub counters: CameraCounters,
    /// Where its stream is, without name and password.
    pub stream_url: Option<String>,
}

/// What became of one camera when many were given a channel.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CameraVerdict {
    /// Which camera.
    #[schema(value_type = String)]
    pub camera: CameraId,
    /// Why it has none now; absent where it has one.
    #[schema(value_type = Option<ProblemSchema>)]
    pub problem: Option<Problem>,
}

/// A broken camera whose place went to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReplacementView {
    /// Counts the box's replacements, from 1.
    pub number: u32,
    /// The camera that had the place.
    #[schema(value_type = String)]
    pub old: MacAddress,
    /// The camera that has it now.
    #[schema(value_type = String)]
    pub new: MacAddress,
    /// When, milliseconds since the Unix epoch.
    pub utc_ms: i64,
    /// The statement about it, signed by the TPM: a file's text.
    pub statement: String,
}

/// How one camera is named, recorded and kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CameraSettings {
    /// What the owner calls it, at most 64 characters; its own name where absent.
    #[serde(default)]
    pub name: Option<String>,
    /// Its sound is recorded and heard as well.
    #[serde(default)]
    pub audio: bool,
    /// How its packets travel.
    #[serde(default)]
    pub transport: StreamTransport,
    /// When it is recorded.
    pub plan: PlanView,
    /// Recordings that are older are deleted, seconds; as long as there is room where absent.
    #[serde(default)]
    pub keep_age_s: Option<u64>,
    /// The oldest recordings beyond this are deleted, bytes; as long as there is room where
    /// absent.
    #[serde(default)]
    pub keep_bytes: Option<u64>,
}

/// How a camera's packets travel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamTransport {
    /// Inside the RTSP connection: nothing is lost.
    #[default]
    Tcp,
    /// In datagrams of their own.
    Udp,
}

/// When a camera is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanView {
    /// Seven words of 48 letters, one for each half hour in the box's local time, Monday
    /// first: `-` never, `a` always, `m` with motion.
    pub week: Vec<String>,
    /// Recorded before a motion, seconds, at most 10.
    pub before_s: u8,
    /// Recorded after a motion, seconds, at most 600.
    pub after_s: u16,
}

/// What was recorded of one camera, what was not, and what happened; each oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct TimelineView {
    /// What was recorded.
    pub spans: Vec<SpanView>,
    /// What was not, with the reason if it is known: `disk`, `camera`, `plan` or
    /// `disk_away`.
    pub gaps: Vec<MarkedSpanView>,
    /// What happened, for example `motion`.
    pub events: Vec<MarkedSpanView>,
}

/// Some time, milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct SpanView {
    /// Its first moment.
    pub start_utc_ms: i64,
    /// The first moment after it.
    pub end_utc_ms: i64,
}

/// Some time with a word about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MarkedSpanView {
    /// Its first moment, milliseconds since the Unix epoch.
    pub start_utc_ms: i64,
    /// The first moment after it, milliseconds since the Unix epoch.
    pub end_utc_ms: i64,
    /// What it is, if that is known.
    pub kind: Option<String>,
}

/// A clip that can be fetched, for an hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ClipView {
    /// By which it is fetched.
    pub id: String,
    /// Which camera.
    #[schema(value_type = String)]
    pub camera: CameraId,
    /// Name of the file.
    pub file_name: String,
    /// Its length, bytes.
    pub size_bytes: u64,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// The times in it; the video goes from one to the next at once.
    pub spans: Vec<SpanView>,
    /// The picture format changed here, so the rest is another clip's.
    pub continues_utc_ms: Option<i64>,
    /// Its statement was signed by the box's TPM.
    pub signed: bool,
}

/// One disk of recordings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DiskView {
    /// Its name.
    pub name: String,
    /// `in_use`, or why it is not.
    pub state: String,
    /// What failed, for a person.
    pub detail: Option<String>,
    /// Bytes free; 0 while it is not there.
    pub free_bytes: u64,
    /// Bytes in total; 0 while it is not there.
    pub total_bytes: u64,
}

/// A place that a camera has stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PresetView {
    /// How the camera knows it.
    pub token: String,
    /// How people know it.
    pub name: Option<String>,
}

/// An order to a camera that can be steered.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields, tag = "order")]
pub enum Steering {
    /// Turn and zoom until told to stop, five seconds at most.
    Move {
        /// To the right, from -1 to 1.
        #[serde(default)]
        pan: f32,
        /// Up, from -1 to 1.
        #[serde(default)]
        tilt: f32,
        /// Closer, from -1 to 1.
        #[serde(default)]
        zoom: f32,
    },
    /// Stop all movement.
    Stop,
    /// Go to a stored place.
    GoTo {
        /// [`PresetView::token`].
        preset: String,
    },
}

/// How far the gate lets a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CameraState {
    /// Seen on the network, without a channel.
    Found,
    /// Has a channel; its video passes.
    Admitted,
    /// Has or wants a channel, and its video is stopped.
    Refused,
}

/// Traffic of one camera at the gate since the box started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct CameraCounters {
    /// Packets that passed.
    pub passed_packets: u64,
    /// Bytes that passed.
    pub passed_bytes: u64,
    /// Packets that were dropped, where they are counted for one camera.
    pub dropped_packets: Option<u64>,
}

/// What the recorder does with one camera.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RecordingHealth {
    /// In one word.
    pub status: RecordingStatus,
    /// Why it waits, for a person.
    pub detail: Option<String>,
    /// Frames since the recorder started.
    pub frames: u64,
    /// Bytes written since the recorder started.
    pub recorded_bytes: u64,
    /// When the newest frame came, milliseconds since the Unix epoch.
    pub newest_frame_utc_ms: Option<i64>,
}

/// See [`RecordingHealth`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordingStatus {
    /// The session is being set up.
    Connecting,
    /// Frames arrive and are written.
    Recording,
    /// The last attempt failed; the next comes by itself.
    Waiting,
}

/// One recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RecordingView {
    /// Which camera.
    #[schema(value_type = String)]
    pub camera: CameraId,
    /// Path below the folder of recordings.
    pub file: String,
    /// When its first frame came, milliseconds since the Unix epoch.
    pub start_utc_ms: i64,
    /// Length, milliseconds.
    pub duration_ms: u64,
    /// Size, bytes.
    pub size_bytes: u64,
    /// It is still being written.
    pub growing: bool,
}

/// The disks that hold recordings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct StorageView {
    /// Bytes free.
    pub free_bytes: u64,
    /// Bytes in total.
    pub total_bytes: u64,
    /// Each disk.
    pub disks: Vec<DiskView>,
}

/// The kernel gate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct GateView {
    /// The rules are in the kernel as they were written.
    pub in_force: bool,
    /// Named counters, for example `dropped`.
    pub counters: BTreeMap<String, CounterView>,
    /// Every admitted camera, and every other sender that had something dropped.
    pub cameras: Vec<GateCameraView>,
}

/// One counter of the gate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct CounterView {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What the gate counted for one sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct GateCameraView {
    /// Its MAC address.
    #[schema(value_type = String)]
    pub mac: MacAddress,
    /// The address it is admitted at; none while it isn't admitted.
    #[schema(value_type = Option<String>)]
    pub ip: Option<Ipv4Addr>,
    /// What passed since it was admitted.
    pub passed: CounterView,
    /// What was dropped.
    pub dropped: CounterView,
}

/// A new session, for programs.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SessionView {
    /// To be sent as `Authorization: Bearer …`.
    pub token: String,
    /// Who signed in.
    pub user: String,
    /// When it ends, milliseconds since the Unix epoch.
    pub expires_utc_ms: i64,
}
