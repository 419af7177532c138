//! What was done, for people to read: a distributor's ledger, a server's history.

use serde_json::Value;

use super::accounts::visible_distributor;
use super::projects::visible_server;
use super::{Actor, Desk, DeskError};
use crate::store::{
    Distributor, DistributorId, LedgerEntry, Project, Server, ServerId, Tx, UserId,
};

/// The most lines that are read at once.
pub const MOST_LINES: u32 = 200;

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

/// A line of the ledger.
#[derive(Debug, Clone)]
pub struct LedgerLine {
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
    /// Milliseconds since 1970.
    pub at_utc_ms: i64,
    /// Who did it.
    pub doer: Doer,
    /// What was done, for example `license.issue`.
    pub action: String,
    /// What it changed.
    pub detail: Value,
}

/// What a server's history tells also those who are not vendor staff.
const FOR_OWNERS: &[&str] = &["server.add", "server.move", "license.issue"];
/// What of it stays with vendor staff: it speaks of other distributors.
const FOR_STAFF: &str = "contested";

fn doer(tx: &mut dyn Tx, reader: &Actor, id: Option<UserId>) -> Result<Doer, DeskError> {
    let Some(id) = id else {
        return Ok(Doer::Portal);
    };
    Ok(match tx.user(id)? {
        Some(user) if reader.role.is_staff() || !user.role.is_staff() => Doer::Person(user.email),
        _ => Doer::Vendor,
    })
}

impl Desk {
    /// The newest lines of a distributor's ledger, newest first.
    ///
    /// # Errors
    /// There is no such distributor, or none that this person may know of.
    pub fn ledger(
        &self,
        actor: &Actor,
        id: DistributorId,
    ) -> Result<(Distributor, Vec<LedgerLine>), DeskError> {
        self.transact(|tx| {
            let distributor = visible_distributor(tx, actor, id)?;
            self.end_licenses(tx, id)?;
            let mut lines = Vec::new();
            for (entry, balance) in tx.ledger_of(id, MOST_LINES)? {
                lines.push(LedgerLine {
                    doer: doer(tx, actor, entry.actor)?,
                    entry,
                    balance,
                });
            }
            Ok((distributor, lines))
        })
    }

    /// What was done with a server, newest first.
    ///
    /// # Errors
    /// There is no such server, or none that this person may know of.
    pub fn server_history(
        &self,
        actor: &Actor,
        id: ServerId,
    ) -> Result<(Server, Project, Vec<HistoryLine>), DeskError> {
        self.transact(|tx| {
            let (server, project) = visible_server(tx, actor, id)?;
            let is_staff = actor.role.is_staff();
            let mut lines = Vec::new();
            for entry in tx.audit_of(&format!("server:{id}"), MOST_LINES)? {
                if !is_staff && !FOR_OWNERS.contains(&entry.action.as_str()) {
                    continue;
                }
                let mut detail: Value = serde_json::from_str(&entry.detail).unwrap_or_default();
                if let (false, Some(fields)) = (is_staff, detail.as_object_mut()) {
                    fields.remove(FOR_STAFF);
                }
                lines.push(HistoryLine {
                    at_utc_ms: entry.at_utc_ms,
                    doer: doer(tx, actor, entry.actor)?,
                    action: entry.action,
                    detail,
                });
            }
            Ok((server, project, lines))
        })
    }
}
