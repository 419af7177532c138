//! What lists show, a page at a time.
//!
//! A page costs one query and its own rows: it begins behind a key, never at a number, and
//! its sums were written when what they follow from changed.

use std::fmt;
use std::str::FromStr;

use sealgate_license::entitlements::ListedMac;
use serde::{Deserialize, Serialize};

use super::others::OtherLicense;
use super::{
    Distributor, DistributorId, LedgerEntry, Project, ProjectId, Server, ServerId, StoreError, Tpm,
    TpmId, UserId,
};
use crate::rules::{Counts, Custody};

/// What a license can be bound to, and a server is to be licensed by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerKind {
    /// The box's TPM.
    #[default]
    Software,
    /// Nothing but the cameras it lists.
    Mac,
    /// A dongle.
    Dongle,
}

/// No [`ServerKind`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a server is licensed by software, mac or dongle")]
pub struct UnknownServerKind;

impl ServerKind {
    /// As the database and forms name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Software => "software",
            Self::Mac => "mac",
            Self::Dongle => "dongle",
        }
    }
}

impl fmt::Display for ServerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ServerKind {
    type Err = UnknownServerKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "software" => Ok(Self::Software),
            "mac" => Ok(Self::Mac),
            "dongle" => Ok(Self::Dongle),
            _ => Err(UnknownServerKind),
        }
    }
}

/// What follows from a server's licenses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// What its newest license is bound to; none before the first.
    pub binding: Option<ServerKind>,
    /// Of the box, or of the dongle.
    pub serial: Option<String>,
    /// What its box's newest license gives.
    pub licensed: Counts,
    /// What is charged, for licenses on a dongle and lists of cameras too.
    pub charged: Counts,
    /// What was given back and waits for the box's proof.
    pub waiting: Counts,
    /// When that license was made; seconds since 1970.
    pub waiting_since_utc_s: Option<i64>,
    /// When its newest license was made; seconds since 1970.
    pub issued_utc_s: Option<i64>,
}

impl Summary {
    /// Of these TPMs, oldest first, each with the time of its newest license; and of these
    /// other licenses. `dongle_serial` is of the newest dongle among them.
    pub fn of(
        tpms: &[(Tpm, Option<i64>)],
        others: &[OtherLicense],
        dongle_serial: Option<String>,
    ) -> Self {
        let box_now = tpms.last();
        let of_box = box_now.and_then(|(_, issued)| *issued);
        let newest_other = (others.iter())
            .filter_map(|other| Some((other, other.files.last()?.issued_utc_s)))
            .max_by_key(|(_, issued)| *issued);
        let of_other = newest_other.map(|(_, issued)| issued);
        let binding = match newest_other {
            Some((other, issued)) if of_box.is_none_or(|of_box| issued > of_box) => {
                Some(match other.dongle {
                    Some(_) => ServerKind::Dongle,
                    None => ServerKind::Mac,
                })
            }
            _ => box_now.map(|_| ServerKind::Software),
        };
        let sum = |pick: fn(&Tpm) -> Counts| {
            tpms.iter()
                .fold(Counts::none(), |sum, (tpm, _)| sum.plus(&pick(tpm)))
        };
        let waits = |tpm: &Tpm| match tpm.row.custody {
            Custody::Owner => tpm.row.waiting_for_return(),
            // Nobody will prove anything for hardware that is gone.
            Custody::WrittenOff => Counts::none(),
        };
        let waiting = sum(waits);
        Self {
            binding,
            serial: match binding {
                Some(ServerKind::Dongle) => dongle_serial,
                _ => box_now.map(|(tpm, _)| tpm.serial.clone()),
            },
            licensed: (box_now.and_then(|(tpm, _)| tpm.row.newest()))
                .map(|newest| newest.counts.clone())
                .unwrap_or_default(),
            charged: (others.iter()).fold(sum(|tpm| tpm.row.charged.clone()), |sum, other| {
                sum.plus(&other.charged)
            }),
            waiting_since_utc_s: (!waiting.is_empty()).then(|| of_box.unwrap_or_default()),
            waiting,
            issued_utc_s: of_box.max(of_other),
        }
    }
}

/// A server as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerRow {
    /// The server.
    pub server: Server,
    /// What it is to be licensed by.
    pub intended: ServerKind,
    /// What follows from its licenses.
    pub summary: Summary,
    /// When it was added, or its newest license made; seconds since 1970.
    pub modified_utc_s: i64,
    /// Counts the changes of name and description.
    pub version: i64,
}

/// A project as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectRow {
    /// The project.
    pub project: Project,
    /// The name of whose it is.
    pub distributor: String,
    /// It is out of the way.
    pub archived: bool,
    /// How many servers it has.
    pub servers: u64,
    /// What they are charged, in sum.
    pub charged: Counts,
    /// What was given back and waits for proofs.
    pub waiting: Counts,
    /// When something of it last changed; seconds since 1970.
    pub modified_utc_s: i64,
    /// Counts the changes of name and description.
    pub version: i64,
}

/// Where a page of projects begins: behind this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectKey {
    /// Built-in ones come last.
    pub built_in: bool,
    /// Then by name.
    pub name: String,
    /// Then by id, as names are unique within a distributor only.
    pub id: ProjectId,
}

/// What is said about a distributor besides its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DistributorFacts {
    /// To write to.
    pub email: String,
    /// For people.
    pub description: String,
    /// For people.
    pub country: String,
}

/// A distributor as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistributorRow {
    /// The distributor.
    pub distributor: Distributor,
    /// What is said about it.
    pub facts: DistributorFacts,
    /// How many projects it has.
    pub projects: u64,
    /// What its licenses are charged.
    pub used: Counts,
    /// What was given back and waits for proofs.
    pub waiting: Counts,
    /// It may list cameras instead of naming a box.
    pub may_list_macs: bool,
    /// Counts the changes of what is said about it.
    pub version: i64,
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// For people.
    pub email: String,
    /// Of the vendor's.
    pub is_staff: bool,
}

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// Its number; a page begins before one.
    pub seq: i64,
    /// The entry.
    pub entry: LedgerEntry,
    /// What was available of its kind after it.
    pub balance: i64,
    /// Who did it; `None` where the portal itself acted.
    pub by: Option<Person>,
}

/// A line of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    /// Its number; a page begins before one.
    pub seq: i64,
    /// Milliseconds since 1970.
    pub at_utc_ms: i64,
    /// Who did it; `None` where the portal or its command line acted.
    pub by: Option<Person>,
    /// What was done, for example `license.issue`.
    pub action: String,
    /// JSON.
    pub detail: String,
}

/// A return that waits for its box's proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingReturn {
    /// The server.
    pub server: ServerId,
    /// Its name.
    pub name: String,
    /// The name of its project.
    pub project: String,
    /// The name of whose it is.
    pub distributor: String,
    /// What was given back.
    pub waiting: Counts,
    /// Since when; seconds since 1970.
    pub since_utc_s: i64,
}

/// Which servers a list is to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerFilter {
    /// With this in their name or serial number; all when empty.
    pub text: String,
    /// Or with a license that lists this camera.
    pub mac: Option<ListedMac>,
}

/// Pages of lists, and what only they show. Each begins behind a key and has `limit` rows
/// at most.
pub trait ListsTx {
    /// Distributors by name, behind `after`; the first page is behind an empty name.
    fn distributors_page(
        &mut self,
        after: &str,
        limit: u32,
    ) -> Result<Vec<DistributorRow>, StoreError>;
    /// One distributor as lists show it.
    fn distributor_row(&mut self, id: DistributorId) -> Result<Option<DistributorRow>, StoreError>;
    /// Says something else about a distributor; false when that is no more at `version`.
    fn describe_distributor(
        &mut self,
        id: DistributorId,
        facts: &DistributorFacts,
        version: i64,
    ) -> Result<bool, StoreError>;
    /// The projects of a distributor, or of all, in the order of [`ProjectKey`].
    fn projects_page(
        &mut self,
        only: Option<&[DistributorId]>,
        archived: bool,
        after: Option<&ProjectKey>,
        limit: u32,
    ) -> Result<Vec<ProjectRow>, StoreError>;
    /// One project as lists show it.
    fn project_row(&mut self, id: ProjectId) -> Result<Option<ProjectRow>, StoreError>;
    /// Renames a project, describes it, puts it out of the way; false when it is no more at
    /// `version`, `Taken` when its distributor has one of this name.
    fn change_project(
        &mut self,
        project: &Project,
        archived: bool,
        version: i64,
    ) -> Result<bool, StoreError>;
    /// The servers of a project by name, behind `after`.
    fn servers_page(
        &mut self,
        of: ProjectId,
        filter: &ServerFilter,
        after: &str,
        limit: u32,
    ) -> Result<Vec<ServerRow>, StoreError>;
    /// One server as lists show it.
    fn server_row(&mut self, id: ServerId) -> Result<Option<ServerRow>, StoreError>;
    /// Sets what a server is to be licensed by.
    fn set_intended(&mut self, id: ServerId, kind: ServerKind) -> Result<(), StoreError>;
    /// Renames a server and describes it; false when it is no more at `version`, `Taken`
    /// when its project has one of this name.
    fn change_server(&mut self, server: &Server, version: i64) -> Result<bool, StoreError>;
    /// Returns that wait for a proof, of a distributor or of all, oldest first.
    fn waiting_returns(
        &mut self,
        only: Option<&[DistributorId]>,
        limit: u32,
    ) -> Result<Vec<WaitingReturn>, StoreError>;
    /// A distributor's ledger, newest first, before the line `before`.
    fn ledger_page(
        &mut self,
        of: DistributorId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<LedgerRow>, StoreError>;
    /// The audit of one object, newest first, before the line `before`.
    fn history_page(
        &mut self,
        object: &str,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<HistoryRow>, StoreError>;
    /// Somebody looked at the licenses of a distributor, or of all, that ended by then.
    fn ends_were_settled(
        &mut self,
        of: Option<DistributorId>,
        by_utc_s: i64,
    ) -> Result<(), StoreError>;
    /// The same of licenses that are bound to no TPM.
    fn other_ends_were_settled(
        &mut self,
        of: DistributorId,
        by_utc_s: i64,
    ) -> Result<(), StoreError>;
    /// The answer that this user's request with this key got, and SHA-256 of what it asked.
    fn answer(&mut self, user: UserId, key: &str)
    -> Result<Option<([u8; 32], String)>, StoreError>;
    /// Keeps an answer; `Taken` when the key has one.
    fn insert_answer(
        &mut self,
        user: UserId,
        key: &str,
        request_sha256: &[u8; 32],
        answer: &str,
        at_utc_s: i64,
    ) -> Result<(), StoreError>;
    /// When a TPM's newest license was made; seconds since 1970.
    fn issued_to_tpm(&mut self, tpm: TpmId) -> Result<Option<i64>, StoreError>;
}

/// A distributor's balance in what lists show.
pub(super) fn used(granted: i64, written_off: i64, available: i64) -> u32 {
    u32::try_from((granted + written_off - available).max(0)).unwrap_or(u32::MAX)
}
