//! Licenses that list cameras.

use std::collections::BTreeSet;

use sealgate_license::entitlements::ListedMac;
use serde_json::json;

use super::accounts::{check_counts, visible_distributor};
use super::others::{Draft, OtherIssuance, Place};
use super::projects::visible_server;
use super::roles::Right;
use super::{Actor, Desk, DeskError};
use crate::rules::mac::{self, Claim};
use crate::rules::{Counts, Term, dongle};
use crate::store::others::{MacClaim, OtherLicense};
use crate::store::{DistributorId, ServerId, Tx};

/// What is wanted for a server.
#[derive(Debug, Clone)]
pub struct MacOrder<'a> {
    /// The server, which no box has to stand for.
    pub server: ServerId,
    /// One address a row.
    pub list: &'a str,
    /// Channels for any camera, and whatever else.
    pub counts: Counts,
    /// Until when.
    pub term: Term,
}

/// A row of a list, with what becomes of it.
#[derive(Debug, Clone)]
pub struct MacRow {
    /// From 1, as a person counts.
    pub row: usize,
    /// As it was typed, shortened.
    pub text: String,
    /// What becomes of it.
    pub verdict: MacVerdict,
}

/// What becomes of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MacVerdict {
    /// It will be listed, as this.
    Listed(String),
    /// An earlier row says the same; nothing is charged for it.
    Repeated(usize),
    /// Another license of the distributor lists it.
    OnLicense(String),
    /// It can't be used, for the reason of this code.
    Wrong(&'static str),
}

impl MacVerdict {
    /// Does it stand in the way of the license?
    pub fn is_wrong(&self) -> bool {
        matches!(self, Self::OnLicense(_) | Self::Wrong(_))
    }
}

impl Desk {
    /// What would become of each row of a list. Whether somebody else's license lists one is
    /// not told. Changes nothing.
    ///
    /// # Errors
    /// No such server, its distributor may not list cameras, or the list is far too long.
    pub fn check_macs(
        &self,
        actor: &Actor,
        server: ServerId,
        list: &str,
    ) -> Result<Vec<MacRow>, DeskError> {
        let rows = mac::read_rows(list)?;
        let macs: BTreeSet<ListedMac> = (rows.iter())
            .filter_map(|(_, _, said)| match said {
                mac::MacRow::Camera(mac) => Some(*mac),
                _ => None,
            })
            .collect();
        let now_utc_s = self.now().as_second();
        let ours = self.transact(|tx| {
            let (_, project) = visible_server(tx, actor, server)?;
            if !tx.may_list_macs(project.distributor)? {
                return Err(DeskError::MacsNotAllowed);
            }
            let mut claims = tx.mac_claims(&macs)?;
            claims.retain(|claim| {
                claim.distributor == project.distributor && !claim.term.is_over(now_utc_s)
            });
            Ok(claims)
        })?;
        let verdict = |said: mac::MacRow| match said {
            mac::MacRow::Camera(mac) => match ours.iter().find(|claim| claim.mac == mac) {
                Some(claim) => MacVerdict::OnLicense(format!("L-{}", claim.license_number)),
                None => MacVerdict::Listed(mac.to_string()),
            },
            mac::MacRow::Repeated { first, .. } => MacVerdict::Repeated(first),
            mac::MacRow::Wrong(error) => MacVerdict::Wrong(error.code()),
        };
        let row = |(row, text, said)| MacRow {
            row,
            text,
            verdict: verdict(said),
        };
        Ok(rows.into_iter().map(row).collect())
    }

    /// Lets a distributor list cameras, or no longer. Vendor staff only.
    ///
    /// # Errors
    /// Not vendor staff, or no such distributor.
    pub fn set_may_list_macs(
        &self,
        actor: &Actor,
        id: DistributorId,
        may: bool,
    ) -> Result<(), DeskError> {
        actor.must(Right::Sell)?;
        self.transact(|tx| {
            visible_distributor(tx, actor, id)?;
            tx.set_may_list_macs(id, may)?;
            let object = format!("distributor:{id}");
            let detail = json!({ "may_list_macs": may });
            self.audit(
                tx,
                Some(actor.user),
                "distributor.permissions",
                object,
                detail,
            )?;
            Ok(())
        })
    }

    /// Makes a license that lists cameras, or hands out the same once more. Whether
    /// somebody else's license lists one of them is not told.
    ///
    /// # Errors
    /// The list has a row that is no camera's address, the distributor may not, another
    /// of its licenses lists one, or the balance is short.
    pub fn issue_mac(
        &self,
        actor: &Actor,
        order: &MacOrder<'_>,
    ) -> Result<OtherIssuance, DeskError> {
        check_counts(&order.counts)?;
        let list = mac::parse_list(order.list)?;
        dongle::check_term(order.term, self.now().as_second())?;
        self.transact_journaled(|tx, journaled| {
            let (server, project) = visible_server(tx, actor, order.server)?;
            if !tx.may_list_macs(project.distributor)? {
                return Err(DeskError::MacsNotAllowed);
            }
            self.settle_ended(tx, project.distributor)?;
            let same = |license: &&OtherLicense| {
                license.dongle.is_none()
                    && license.files.last().is_some_and(|file| {
                        file.macs == list && file.counts == order.counts && file.term == order.term
                    })
            };
            if let Some(known) = tx.other_licenses(server.id)?.iter().find(same)
                && let Some(file) = known.files.last()
            {
                return Ok(OtherIssuance {
                    license_id: known.license_id(),
                    file: file.clone(),
                    charged: known.charged.clone(),
                    again: true,
                });
            }
            let place = Place::of(tx, server, project)?;
            let contested = self.check_list(tx, &place, &list, None)?;
            let mut license = OtherLicense {
                license_number: tx.next_license_number()?,
                server: place.server.id,
                dongle: None,
                charged: Counts::none(),
                files: Vec::new(),
            };
            let draft = Draft {
                dongle: None,
                counts: order.counts.clone(),
                macs: list.clone(),
                contested,
                term: order.term,
            };
            self.add_other_file(tx, actor, &place, &mut license, draft, journaled)
        })
    }

    /// The next file of a license that lists cameras, with another list: for a camera that
    /// was replaced. Vendor staff only; addresses that are gone stay charged, as the
    /// earlier file still lists them.
    ///
    /// # Errors
    /// Not vendor staff, no such license, or as [`issue_mac`](Self::issue_mac).
    pub fn reissue_mac(
        &self,
        actor: &Actor,
        license_number: u64,
        list: &str,
    ) -> Result<OtherIssuance, DeskError> {
        actor.must(Right::Support)?;
        let list = mac::parse_list(list)?;
        self.transact_journaled(|tx, journaled| {
            let missing = || DeskError::NotFound { what: "license" };
            let mut license = tx
                .other_license(license_number)?
                .filter(|license| license.dongle.is_none())
                .ok_or_else(missing)?;
            let last = license.files.last().cloned().ok_or_else(missing)?;
            let (server, project) = visible_server(tx, actor, license.server)?;
            self.settle_ended(tx, project.distributor)?;
            let place = Place::of(tx, server, project)?;
            let contested = self.check_list(tx, &place, &list, Some(license_number))?;
            let draft = Draft {
                dongle: None,
                counts: last.counts,
                macs: list.clone(),
                contested,
                term: last.term,
            };
            self.add_other_file(tx, actor, &place, &mut license, draft, journaled)
        })
    }

    /// Addresses that licenses of two distributors list, for the vendor to arbitrate.
    /// Vendor staff only.
    ///
    /// # Errors
    /// Not vendor staff.
    pub fn contested_macs(&self, actor: &Actor) -> Result<Vec<MacClaim>, DeskError> {
        actor.must(Right::Support)?;
        self.transact(|tx| {
            let flagged: BTreeSet<ListedMac> = (tx.contested_macs()?.iter())
                .map(|claim| claim.mac)
                .collect();
            Ok(tx.mac_claims(&flagged)?)
        })
    }

    fn check_list(
        &self,
        tx: &mut dyn Tx,
        place: &Place,
        list: &BTreeSet<ListedMac>,
        replaces: Option<u64>,
    ) -> Result<BTreeSet<ListedMac>, DeskError> {
        let claims: Vec<Claim> = tx
            .mac_claims(list)?
            .into_iter()
            .map(|claim| Claim {
                mac: claim.mac,
                license_number: claim.license_number,
                ours: claim.distributor == place.distributor.id,
                term: claim.term,
            })
            .collect();
        let decision = mac::decide(list, &claims, replaces, self.now().as_second())?;
        if !decision.contested.is_empty() {
            tracing::warn!(
                addresses = decision.contested.len(),
                "listed addresses are on another distributor's license too"
            );
        }
        Ok(decision.contested)
    }
}
