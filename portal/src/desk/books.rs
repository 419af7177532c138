//! What was done, for people to read: a distributor's ledger, the history of what it has.

use serde_json::Value;

use super::accounts::visible_distributor;
use super::pages_of::{Page, Paging};
use super::projects::{visible_project, visible_server};
use super::{Actor, Desk, DeskError};
use crate::store::lists::{HistoryRow, LedgerRow, Person, ProjectRow};
use crate::store::{
    Distributor, DistributorId, LedgerEntry, Project, ProjectId, Server, ServerId, Tx,
};

/// Who did something, as far as the reader may know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doer {
    /// The portal itself, or its command line.
    Portal,
    /// Vendor staff, for readers who are not.
    Vendor,
    /// This person.
    Person(String),
}

impl Doer {
    fn of(reader: &Actor, person: Option<Person>) -> Self {
        match person {
            None => Self::Portal,
            Some(person) if reader.role.is_staff() || !person.is_staff => {
                Self::Person(person.email)
            }
            Some(_) => Self::Vendor,
        }
    }
}

impl std::fmt::Display for Doer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Portal => "The portal",
            Self::Vendor => "The vendor",
            Self::Person(email) => email,
        })
    }
}

/// A line of the ledger.
#[derive(Debug, Clone)]
pub struct LedgerLine {
    /// Its number.
    pub seq: i64,
    /// The entry.
    pub entry: LedgerEntry,
    /// What was available of its kind after it.
    pub balance: i64,
    /// Who did it.
    pub doer: Doer,
}

/// A line of a history.
#[derive(Debug, Clone)]
pub struct HistoryLine {
    /// Its number.
    pub seq: i64,
    /// Milliseconds since 1970.
    pub at_utc_ms: i64,
    /// Who did it.
    pub doer: Doer,
    /// What was done, for example `license.issue`.
    pub action: String,
    /// What it changed.
    pub detail: Value,
}

/// What a history tells also those who are not vendor staff.
const FOR_OWNERS: &[&str] = &[
    "server.add",
    "server.move",
    "server.change",
    "license.issue",
    "license.send",
    "return.confirm",
    "claim.add",
    "hardware.report",
    "hardware.decline",
    "hardware.write_off",
    "hardware.back",
    "project.add",
    "project.change",
    "distributor.add",
    "distributor.change",
    "distributor.grant",
    "distributor.permissions",
];
/// What of it stays with vendor staff: it speaks of other distributors.
const FOR_STAFF: &str = "contested";

impl Desk {
    /// A page of a distributor's ledger, newest first.
    ///
    /// # Errors
    /// There is no such distributor, or none that this person may know of.
    pub fn ledger(
        &self,
        actor: &Actor,
        id: DistributorId,
        paging: &Paging,
    ) -> Result<(Distributor, Page<LedgerLine>), DeskError> {
        let before = paging.before()?;
        self.transact(|tx| {
            let distributor = visible_distributor(tx, actor, id)?;
            self.end_licenses(tx, Some(id))?;
            let page = paging.page(
                |row: &LedgerRow| row.seq.to_string(),
                |limit| tx.ledger_page(id, before, limit),
            )?;
            let line = |row: LedgerRow| LedgerLine {
                seq: row.seq,
                entry: row.entry,
                balance: row.balance,
                doer: Doer::of(actor, row.by),
            };
            let page = Page {
                rows: page.rows.into_iter().map(line).collect(),
                next: page.next,
            };
            Ok((distributor, page))
        })
    }

    /// A page of what was done with a server, newest first.
    ///
    /// # Errors
    /// There is no such server, or none that this person may know of.
    pub fn server_history(
        &self,
        actor: &Actor,
        id: ServerId,
        paging: &Paging,
    ) -> Result<(Server, Project, Page<HistoryLine>), DeskError> {
        self.transact(|tx| {
            let (server, project) = visible_server(tx, actor, id)?;
            let page = history(tx, actor, &format!("server:{id}"), paging)?;
            Ok((server, project, page))
        })
    }

    /// A page of what was done with a project, newest first.
    ///
    /// # Errors
    /// There is no such project, or none that this person may know of.
    pub fn project_history(
        &self,
        actor: &Actor,
        id: ProjectId,
        paging: &Paging,
    ) -> Result<(ProjectRow, Page<HistoryLine>), DeskError> {
        self.transact(|tx| {
            visible_project(tx, actor, id)?;
            let row = (tx.project_row(id)?).ok_or(DeskError::NotFound { what: "project" })?;
            let page = history(tx, actor, &format!("project:{id}"), paging)?;
            Ok((row, page))
        })
    }

    /// A page of what was done with a distributor, newest first.
    ///
    /// # Errors
    /// There is no such distributor, or none that this person may know of.
    pub fn distributor_history(
        &self,
        actor: &Actor,
        id: DistributorId,
        paging: &Paging,
    ) -> Result<(Distributor, Page<HistoryLine>), DeskError> {
        self.transact(|tx| {
            let distributor = visible_distributor(tx, actor, id)?;
            let page = history(tx, actor, &format!("distributor:{id}"), paging)?;
            Ok((distributor, page))
        })
    }

    /// Somebody else changed the object: who, and when.
    pub(super) fn changed_meanwhile(
        &self,
        tx: &mut dyn Tx,
        actor: &Actor,
        object: &str,
    ) -> Result<DeskError, DeskError> {
        let newest = (tx.history_page(object, None, 1)?).pop();
        let at_utc_ms = newest.as_ref().map_or(0, |row| row.at_utc_ms);
        Ok(DeskError::ChangedMeanwhile {
            by: Doer::of(actor, newest.and_then(|row| row.by)).to_string(),
            at_utc_s: at_utc_ms.div_euclid(1000),
        })
    }
}

fn history(
    tx: &mut dyn Tx,
    actor: &Actor,
    object: &str,
    paging: &Paging,
) -> Result<Page<HistoryLine>, DeskError> {
    let before = paging.before()?;
    let page = paging.page(
        |row: &HistoryRow| row.seq.to_string(),
        |limit| tx.history_page(object, before, limit),
    )?;
    let is_staff = actor.role.is_staff();
    let told = |row: &HistoryRow| is_staff || FOR_OWNERS.contains(&row.action.as_str());
    let line = |row: HistoryRow| {
        let mut detail: Value = serde_json::from_str(&row.detail).unwrap_or_default();
        if let (false, Some(fields)) = (is_staff, detail.as_object_mut()) {
            fields.remove(FOR_STAFF);
        }
        HistoryLine {
            seq: row.seq,
            at_utc_ms: row.at_utc_ms,
            doer: Doer::of(actor, row.by),
            action: row.action,
            detail,
        }
    };
    Ok(Page {
        rows: page.rows.into_iter().filter(told).map(line).collect(),
        next: page.next,
    })
}
