//! Who did what, when and from where: the search, and what a monitor counts.

use super::roles::Right;
use super::{Actor, Desk, DeskError};
use crate::store::AuditEntry;
use crate::store::people::{AuditSearch, Totals};

/// The most entries that are read at once.
pub const MOST_AUDIT_LINES: u32 = 100;

/// What is looked for, as a person types it; what is empty matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// The reference of a request.
    pub reference: String,
    /// The address of who did it.
    pub person: String,
    /// With what, for example `server:UUID`.
    pub object: String,
    /// Days, `2026-11-24`: from the first's beginning to the second's end, in UTC.
    pub from: String,
    /// See `from`.
    pub until: String,
    /// Only entries before this number: the next page.
    pub before: Option<i64>,
}

/// An entry with its number.
#[derive(Debug, Clone)]
pub struct AuditLine {
    /// Its number.
    pub seq: i64,
    /// Who did it; `None` for the portal itself and its command line.
    pub person: Option<String>,
    /// The entry.
    pub entry: AuditEntry,
}

fn day_ms(text: &str, days_on: i64) -> Result<Option<i64>, DeskError> {
    let unfit = DeskError::Unfit {
        field: "day",
        rule: "of the form 2026-11-24",
    };
    if text.is_empty() {
        return Ok(None);
    }
    let Ok(day) = text.parse::<jiff::civil::Date>() else {
        return Err(unfit);
    };
    match day.to_zoned_datetime(jiff::tz::TimeZone::UTC) {
        Ok(start) => Ok(Some(
            start.timestamp().as_millisecond() + days_on * 24 * 3_600_000,
        )),
        Err(_) => Err(unfit),
    }
}

impl Desk {
    /// The entries that match, newest first, at most [`MOST_AUDIT_LINES`].
    ///
    /// # Errors
    /// Not a vendor admin; a day can't be read.
    pub fn search_audit(
        &self,
        actor: &Actor,
        query: &AuditQuery,
    ) -> Result<Vec<AuditLine>, DeskError> {
        actor.must(Right::Manage)?;
        let text = |text: &str| {
            let text = text.trim();
            (!text.is_empty()).then(|| text.to_owned())
        };
        let mut search = AuditSearch {
            reference: text(&query.reference),
            actor: None,
            object: text(&query.object),
            from_utc_ms: day_ms(query.from.trim(), 0)?,
            until_utc_ms: day_ms(query.until.trim(), 1)?,
            before: query.before,
        };
        self.transact(|tx| {
            if let Some(email) = text(&query.person) {
                match tx.user_by_email(&email)? {
                    Some(user) => search.actor = Some(user.id),
                    // Nobody of that address did anything.
                    None => return Ok(Vec::new()),
                }
            }
            let mut lines = Vec::new();
            for (seq, entry) in tx.search_audit(&search, MOST_AUDIT_LINES)? {
                let person = match entry.actor {
                    Some(id) => tx.user(id)?.map(|user| user.email),
                    None => None,
                };
                lines.push(AuditLine { seq, person, entry });
            }
            Ok(lines)
        })
    }

    /// How much there is, for a monitor.
    ///
    /// # Errors
    /// Not vendor staff.
    pub fn totals(&self, actor: &Actor) -> Result<Totals, DeskError> {
        if !actor.role.is_staff() {
            return Err(DeskError::NotAllowed);
        }
        self.transact(|tx| Ok(tx.totals()?))
    }
}
