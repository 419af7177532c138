//! Dongles: registration, licenses, check-in.

use std::collections::BTreeSet;

use sealgate_license::binding::DonglePublicKey;
use serde_json::json;

use super::accounts::{check_counts, visible_distributor};
use super::others::{Draft, OtherIssuance, Place, check_dongle_in};
use super::projects::visible_server;
use super::roles::Right;
use super::{Actor, Desk, DeskError, origin};
use crate::journal::{DongleCheckedInRecord, DongleRef, Record};
use crate::rules::dongle::{DongleAsk, DongleDecision};
use crate::rules::{Counts, Term};
use crate::store::others::{Dongle, OtherLicense};
use crate::store::{AuditEntry, DistributorId, ServerId, Store, Tx, transact};

/// What is wanted for a dongle.
#[derive(Debug, Clone)]
pub struct DongleOrder<'a> {
    /// The server in whose project the license is kept.
    pub server: ServerId,
    /// As it is printed on the dongle.
    pub serial: &'a str,
    /// What the license is to give.
    pub counts: Counts,
    /// Until when.
    pub term: Term,
}

/// Reads a key as a person brings it: 65 bytes in hexadecimal.
///
/// # Errors
/// It is none.
pub fn parse_dongle_key(text: &str) -> Result<DonglePublicKey, DeskError> {
    let bytes = hex::decode(text.trim()).map_err(|_| DeskError::DongleKey)?;
    DonglePublicKey::from_sec1(&bytes).map_err(|_| DeskError::DongleKey)
}

fn check_serial(serial: &str) -> Result<String, DeskError> {
    let serial = serial.trim();
    let fits = (1..=40).contains(&serial.len())
        && (serial.bytes()).all(|c| c.is_ascii_alphanumeric() || c == b'-');
    fits.then(|| serial.to_owned()).ok_or(DeskError::Unfit {
        field: "serial number",
        rule: "1 to 40 letters, digits and hyphens",
    })
}

/// Registers a dongle, from the command line beside a running portal.
///
/// # Errors
/// The key or serial number can't be used or is taken, or there is no such distributor.
pub fn add_dongle(
    store: &dyn Store,
    distributor_name: &str,
    serial: &str,
    key: DonglePublicKey,
    now: jiff::Timestamp,
) -> Result<Dongle, DeskError> {
    let serial = check_serial(serial)?;
    transact::<_, DeskError>(store, |tx| {
        let distributor = tx
            .distributors()?
            .into_iter()
            .find(|distributor| distributor.name == distributor_name)
            .ok_or(DeskError::NotFound {
                what: "distributor",
            })?;
        let dongle = Dongle {
            public_key: key,
            serial,
            distributor: distributor.id,
            added_utc_s: now.as_second(),
            retired_utc_s: None,
        };
        insert(tx, &dongle)?;
        tx.append_audit(&AuditEntry {
            at_utc_ms: now.as_millisecond(),
            actor: None,
            action: "dongle.add".to_owned(),
            object: format!("dongle:{}", dongle.serial),
            detail: json!({ "distributor": distributor.id }).to_string(),
            origin: origin::current(),
        })?;
        Ok(dongle)
    })
}

/// A key is registered once, whatever became of it.
fn insert(tx: &mut dyn Tx, dongle: &Dongle) -> Result<(), DeskError> {
    if tx.dongle(&dongle.public_key)?.is_some() {
        return Err(crate::rules::dongle::DongleRefusal::KeyKnown.into());
    }
    Ok(tx.insert_dongle(dongle)?)
}

impl Desk {
    /// Registers a dongle for a distributor. Vendor staff only.
    ///
    /// # Errors
    /// Not vendor staff, no such distributor, or the key or serial number can't be used.
    pub fn add_dongle(
        &self,
        actor: &Actor,
        distributor: DistributorId,
        serial: &str,
        key: DonglePublicKey,
    ) -> Result<Dongle, DeskError> {
        actor.must(Right::Sell)?;
        let serial = check_serial(serial)?;
        self.transact(|tx| {
            visible_distributor(tx, actor, distributor)?;
            let dongle = Dongle {
                public_key: key,
                serial,
                distributor,
                added_utc_s: self.now().as_second(),
                retired_utc_s: None,
            };
            insert(tx, &dongle)?;
            let object = format!("dongle:{}", dongle.serial);
            let detail = json!({ "distributor": distributor });
            self.audit(tx, Some(actor.user), "dongle.add", object, detail)?;
            Ok(dongle)
        })
    }

    /// Makes a license for a dongle, or hands out the same once more.
    ///
    /// # Errors
    /// No such server or dongle of this distributor's, an end that does not fit, or the
    /// balance is short.
    pub fn issue_dongle(
        &self,
        actor: &Actor,
        order: &DongleOrder<'_>,
    ) -> Result<OtherIssuance, DeskError> {
        check_counts(&order.counts)?;
        self.transact_journaled(|tx, journaled| {
            let (server, project) = visible_server(tx, actor, order.server)?;
            let dongle = tx
                .dongle_of_serial(order.serial.trim())?
                .filter(|dongle| dongle.distributor == project.distributor)
                .ok_or(DeskError::NotFound { what: "dongle" })?;
            self.settle_ended(tx, project.distributor)?;
            let known = tx.license_of_dongle(&dongle.public_key)?;
            let row = (known.as_ref())
                .map(|license| license.dongle_row(false))
                .unwrap_or_default();
            let ask = DongleAsk {
                counts: order.counts.clone(),
                term: order.term,
            };
            let decision = row.decide(&ask, self.now().as_second())?;
            let mut license = match known {
                Some(license) => license,
                None => OtherLicense {
                    license_number: tx.next_license_number()?,
                    server: server.id,
                    dongle: Some(dongle.public_key),
                    charged: Counts::none(),
                    files: Vec::new(),
                },
            };
            if let DongleDecision::Again { revision } = decision
                && let Some(file) = license.files.iter().find(|file| file.revision == revision)
            {
                return Ok(OtherIssuance {
                    license_id: license.license_id(),
                    file: file.clone(),
                    charged: license.charged.clone(),
                    again: true,
                });
            }
            // The license stays with the server it was first made for.
            let (server, project) = visible_server(tx, actor, license.server)?;
            let place = Place::of(tx, server, project)?;
            let draft = Draft {
                dongle: Some(dongle),
                counts: ask.counts,
                macs: BTreeSet::new(),
                contested: BTreeSet::new(),
                term: ask.term,
            };
            self.add_other_file(tx, actor, &place, &mut license, draft, journaled)
        })
    }

    /// The dongle is at the vendor's and has a new key: retires the old one for ever, and
    /// credits what its license was charged. Vendor staff only.
    ///
    /// # Errors
    /// Not vendor staff, no such dongle, or the new key is not new.
    pub fn check_dongle_in(
        &self,
        actor: &Actor,
        serial: &str,
        new: DonglePublicKey,
    ) -> Result<Counts, DeskError> {
        actor.must(Right::Support)?;
        self.transact_journaled(|tx, journaled| {
            let old = tx
                .dongle_of_serial(serial.trim())?
                .ok_or(DeskError::NotFound { what: "dongle" })?;
            self.settle_ended(tx, old.distributor)?;
            let known = tx.dongle(&new)?.is_some();
            let license = tx.license_of_dongle(&old.public_key)?;
            let mut row = (license.as_ref())
                .map(|license| license.dongle_row(false))
                .unwrap_or_default();
            row.check_in(known, self.now().as_second())?;
            let record = DongleCheckedInRecord {
                at_utc_ms: self.now().as_millisecond(),
                old: DongleRef {
                    public_key: old.public_key,
                    serial: old.serial.clone(),
                },
                new,
            };
            let note = format!("dongle {} checked in", old.serial);
            let credited = check_dongle_in(tx, &old, &record, Some(actor.user), &note)?;
            let object = format!("dongle:{}", old.serial);
            let detail = json!({ "credited": credited });
            self.audit(tx, Some(actor.user), "dongle.check_in", object, detail)?;
            self.journal_one(tx, Record::DongleCheckedIn(record), journaled)?;
            Ok(credited)
        })
    }
}
