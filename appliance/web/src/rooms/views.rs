//! What the rooms tell the pages; the API's JSON is exactly these.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use bytes::Bytes;
use sealgate_camera::{CameraId, MacAddress};
use sealgate_words::Problem;
use serde::Serialize;
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
    /// Camera places.
    pub places: Places,
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

/// The disk that holds recordings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct StorageView {
    /// Bytes free.
    pub free_bytes: u64,
    /// Bytes in total.
    pub total_bytes: u64,
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
