//! Cameras that are added by hand or by a list, passwords for many, and one camera's facts.

use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use async_trait::async_trait;
use sealgate_camera::{CameraId, MacAddress};
use sealgate_words::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{CameraView, FileDownload};
use crate::errors::ProblemSchema;

/// Cameras that don't list by themselves, and what all of them want to be told.
#[async_trait]
pub trait AddingRoom: Send + Sync {
    /// Asks the camera that was typed, and changes nothing.
    ///
    /// # Errors
    /// `SG-API-003`; what is wrong with the camera is in the check's row.
    async fn check_one(&self, typed: TypedCamera) -> Result<CheckView, Problem>;

    /// Reads a list of cameras (CSV) and changes nothing. `list` is at most 1 MiB.
    ///
    /// # Errors
    /// `SG-CAM-039` too long; what is wrong with a line is in its row.
    async fn check_list(&self, list: &[u8]) -> Result<CheckView, Problem>;

    /// Begins to add the cameras of a check that can be added: asks each, and then gives all
    /// that answered a channel, name and password, or none of them. A camera that can't be
    /// added is left as it was.
    ///
    /// # Errors
    /// `SG-CAM-062` the check was used, or is too old.
    async fn add(&self, check: &str) -> Result<(), Problem>;

    /// How far that has come; waits for its end, but no longer than this.
    ///
    /// # Errors
    /// `SG-CAM-062` nothing of this name was begun lately; `SG-API-003` nothing was added.
    async fn added(&self, check: &str, wait: Duration) -> Result<AddingView, Problem>;

    /// Every camera as a list that [`check_list`](Self::check_list) reads; without passwords.
    ///
    /// # Errors
    /// `SG-API-003`.
    async fn export(&self) -> Result<FileDownload, Problem>;

    /// Tries passwords at cameras, few enough that no camera locks its account, and
    /// remembers each that fits.
    ///
    /// # Errors
    /// `SG-API-003` if one that fits could not be remembered.
    async fn try_passwords(
        &self,
        cameras: Vec<MacAddress>,
        passwords: Vec<TypedPassword>,
    ) -> Result<Vec<PasswordVerdict>, Problem>;

    /// What is known of one camera besides its row.
    ///
    /// # Errors
    /// `SG-CAM-004` for a camera this box never saw.
    async fn details(&self, camera: CameraId) -> Result<CameraDetails, Problem>;
}

/// A camera as somebody typed it.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TypedCamera {
    /// `192.0.2.7`, `192.0.2.7:8000`, `http://…` of its device service, or `rtsp://…`.
    pub address: String,
    /// What it is to be called.
    #[serde(default)]
    pub name: String,
    /// Its user, if it wants one.
    #[serde(default)]
    pub user: String,
    /// The password.
    #[serde(default)]
    pub password: String,
}

/// A user name and a password.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TypedPassword {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for TypedCamera {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedCamera").finish_non_exhaustive()
    }
}

impl fmt::Debug for TypedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedPassword").finish_non_exhaustive()
    }
}

/// Cameras that were typed or listed, looked at; nothing was changed.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CheckView {
    /// By which [`AddingRoom::add`] finds it, once and for a quarter of an hour; none if
    /// there is nothing to add.
    pub id: Option<String>,
    /// One for each camera, in order.
    pub rows: Vec<CheckedRow>,
}

/// One camera of a check.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CheckedRow {
    /// Its line in the list; 1 for one that was typed.
    pub line: u64,
    /// Where it is, without password; empty if that can't be read.
    pub address: String,
    /// What it is to be called.
    pub name: Option<String>,
    /// All that is wrong; such a camera is not added.
    #[schema(value_type = Vec<ProblemSchema>)]
    pub problems: Vec<Problem>,
    /// The camera that is seen there.
    #[schema(value_type = Option<String>)]
    pub camera: Option<CameraId>,
    /// What it says of itself, if it was asked.
    pub found: Option<FoundView>,
}

/// What a camera said when it was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct FoundView {
    /// Who made it.
    pub maker: Option<String>,
    /// Its model.
    pub model: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// Its firmware's version.
    pub firmware: Option<String>,
    /// Each video source needs a channel.
    pub sources: usize,
    /// Streams of the first source, the largest picture first.
    pub streams: Vec<StreamView>,
}

/// One stream of a camera.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StreamView {
    /// What the camera calls it.
    pub name: Option<String>,
    /// How the picture is compressed, for example `H.264`.
    pub codec: Option<String>,
    /// Width and height, pixels.
    pub size: Option<(u32, u32)>,
    /// The most frames a second, in thousandths.
    pub millifps: Option<u32>,
    /// The most, kbit/s.
    pub bitrate_kbps: Option<u32>,
    /// It carries sound.
    pub audio: bool,
    /// What the box does with it.
    pub used: StreamUse,
}

/// What the box does with a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamUse {
    /// It is recorded, and shown alone.
    Recorded,
    /// It is shown in the grid.
    Grid,
    /// Nothing.
    Spare,
    /// Nothing: its compression is neither H.264 nor H.265.
    Unreadable,
}

/// What became of one camera of a check.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AddedView {
    /// Its line in the list; 1 for one that was typed.
    pub line: u64,
    /// Where it is.
    pub address: String,
    /// The camera, if it is seen.
    #[schema(value_type = Option<String>)]
    pub camera: Option<CameraId>,
    /// Why it was not added; none if it was.
    #[schema(value_type = Option<ProblemSchema>)]
    pub problem: Option<Problem>,
}

/// How far the adding of cameras has come.
#[derive(Debug, Clone, PartialEq)]
pub struct AddingView {
    /// Cameras that were asked.
    pub asked: usize,
    /// Cameras to ask.
    pub total: usize,
    /// What became of each; none before the end.
    pub added: Option<Vec<AddedView>>,
}

/// What came of trying passwords at one camera.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PasswordVerdict {
    /// Which camera.
    #[schema(value_type = String)]
    pub mac: MacAddress,
    /// The user whose password fits, and is remembered now.
    pub accepted_user: Option<String>,
    /// It asks nobody for a password.
    pub open: bool,
    /// Why none is remembered.
    #[schema(value_type = Option<ProblemSchema>)]
    pub problem: Option<Problem>,
}

/// What is known of one camera besides its row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct CameraDetails {
    /// What it says of itself, and its streams.
    pub about: FoundView,
    /// To whom the IEEE gave its MAC address.
    pub oui_maker: Option<String>,
    /// TCP port of its stream.
    pub port: Option<u16>,
    /// It counts as another brand than the vendor's own.
    pub other_brand: bool,
    /// The user as whom the box signs in; the password is never shown.
    pub user: Option<String>,
    /// It keeps its place before others.
    pub preferred: bool,
    /// How many cameras on the license's list may still be replaced; none where the
    /// license has no list.
    pub replacements_left: Option<u32>,
    /// Its traffic, oldest first.
    pub traffic: Vec<TrafficView>,
}

/// Traffic of one camera at the gate, in one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct TrafficView {
    /// When the period ended, milliseconds since the Unix epoch.
    pub utc_ms: i64,
    /// Its length, milliseconds.
    pub period_ms: u32,
    /// Bytes that passed.
    pub passed_bytes: u64,
    /// Packets that were dropped.
    pub dropped_packets: u64,
}

/// An address that a person reads, of a camera or of where it is looked for.
pub(crate) fn shown_ip(ip: Option<Ipv4Addr>) -> String {
    ip.map_or_else(|| "no IP address yet".to_owned(), |ip| ip.to_string())
}

/// What became of each camera that was added, as the API answers it.
#[derive(Serialize, ToSchema)]
pub(crate) struct AddedList {
    pub(crate) added: Vec<AddedView>,
}

/// What came of each camera whose passwords were tried, as the API answers it.
#[derive(Serialize, ToSchema)]
pub(crate) struct PasswordVerdicts {
    pub(crate) verdicts: Vec<PasswordVerdict>,
}

impl CameraView {
    /// Whether all words of `text` stand somewhere in what identifies the camera; a MAC
    /// address in any notation.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let mac = self.mac.to_string();
        let compact = self.mac.compact();
        let known: String = [
            self.name.as_deref(),
            self.model.as_deref(),
            self.maker.as_deref(),
            self.serial.as_deref(),
            Some(mac.as_str()),
        ]
        .into_iter()
        .flatten()
        .chain(self.ip.map(|ip| ip.to_string()).as_deref())
        .flat_map(|part| [part, "\n"])
        .collect::<String>()
        .to_lowercase();
        text.to_lowercase().split_whitespace().all(|word| {
            let bare: String = word
                .chars()
                .filter(|letter| !matches!(letter, ':' | '-' | '.'))
                .collect();
            known.contains(word) || (bare.len() >= 4 && compact.contains(&bare))
        })
    }
}
