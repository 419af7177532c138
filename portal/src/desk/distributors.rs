//! Distributors as lists show them, and what is said about them.

use serde_json::json;

use super::accounts::visible_distributor;
use super::pages_of::{Page, Paging};
use super::projects::check_description;
use super::reach::Reach;
use super::{Actor, Desk, DeskError, Right};
use crate::store::lists::{DistributorFacts, DistributorRow, WaitingReturn};
use crate::store::{DistributorId, Tx};

/// The most entries of one kind that the work queue shows.
const QUEUE_ROWS: u32 = 20;

/// What vendor staff set for a distributor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DistributorSettings {
    /// What is said about it.
    pub facts: DistributorFacts,
    /// It may list cameras instead of naming a box.
    pub may_list_macs: bool,
}

/// A distributor as lists show it, if this person may know of it.
fn visible_row(
    tx: &mut dyn Tx,
    actor: &Actor,
    id: DistributorId,
) -> Result<DistributorRow, DeskError> {
    visible_distributor(tx, actor, id)?;
    tx.distributor_row(id)?.ok_or(DeskError::NotFound {
        what: "distributor",
    })
}

fn check_line(text: &str, field: &'static str) -> Result<String, DeskError> {
    let text = text.trim();
    if text.chars().count() > 100 || text.chars().any(char::is_control) {
        return Err(DeskError::Unfit {
            field,
            rule: "at most 100 characters in one line",
        });
    }
    Ok(text.to_owned())
}

impl Desk {
    /// A page of the distributors, by name. Vendor staff only.
    ///
    /// # Errors
    /// Not vendor staff.
    pub fn distributors_page(
        &self,
        actor: &Actor,
        paging: &Paging,
    ) -> Result<Page<DistributorRow>, DeskError> {
        if !actor.role.is_staff() {
            return Err(DeskError::NotAllowed);
        }
        let after = paging.after.as_deref().unwrap_or_default();
        self.transact(|tx| {
            self.end_licenses(tx, None)?;
            Ok(paging.page(
                |row: &DistributorRow| row.distributor.name.clone(),
                |limit| tx.distributors_page(after, limit),
            )?)
        })
    }

    /// One distributor.
    ///
    /// # Errors
    /// There is none, or none that this person may know of.
    pub fn distributor(
        &self,
        actor: &Actor,
        id: DistributorId,
    ) -> Result<DistributorRow, DeskError> {
        self.transact(|tx| {
            self.end_licenses(tx, Some(id))?;
            visible_row(tx, actor, id)
        })
    }

    /// Changes what is said about a distributor, and what it may do. Sales only.
    ///
    /// # Errors
    /// Not sales, no such distributor, an address or text that can't be used, or
    /// somebody else changed it meanwhile.
    pub fn change_distributor(
        &self,
        actor: &Actor,
        id: DistributorId,
        settings: &DistributorSettings,
        version: i64,
    ) -> Result<(), DeskError> {
        actor.must(Right::Sell)?;
        let facts = &settings.facts;
        let after = DistributorFacts {
            email: check_line(&facts.email, "e-mail address")?,
            description: check_description(&facts.description)?,
            country: check_line(&facts.country, "country")?,
        };
        if !after.email.is_empty() && !after.email.contains('@') {
            return Err(DeskError::Unfit {
                field: "e-mail address",
                rule: "of the form name@company",
            });
        }
        self.transact(|tx| {
            let before = visible_row(tx, actor, id)?;
            let object = format!("distributor:{id}");
            if !tx.describe_distributor(id, &after, version)? {
                return Err(self.changed_meanwhile(tx, actor, &object)?);
            }
            tx.set_may_list_macs(id, settings.may_list_macs)?;
            let words = |facts: &DistributorFacts, may_list_macs: bool| {
                json!({ "email": facts.email, "description": facts.description,
                        "country": facts.country, "can use MAC licenses": may_list_macs })
            };
            let detail = json!({
                "was": words(&before.facts, before.may_list_macs),
                "is": words(&after, settings.may_list_macs),
            });
            self.audit(tx, Some(actor.user), "distributor.change", object, detail)?;
            Ok(())
        })
    }

    /// Returns that wait for a proof, oldest first: of one's own servers, or of all.
    ///
    /// # Errors
    /// The database failed.
    pub fn waiting_returns(&self, actor: &Actor) -> Result<Vec<WaitingReturn>, DeskError> {
        self.transact(|tx| {
            let reach = Reach::of(tx, actor)?;
            Ok(tx.waiting_returns(reach.only(), QUEUE_ROWS)?)
        })
    }
}
