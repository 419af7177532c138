//! What MAC and dongle licenses have in common: signing, charging, journal, replay.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sealgate_license::entitlements::{Entitlements, ListedMac};
use sealgate_license::license_document::{
    self, Binding, DongleBinding, LicensePayload, Names, Validity,
};
use serde_json::json;

use super::restore::{head_text, replay_names};
use super::{Actor, Desk, DeskError};
use crate::journal::{
    DistributorRef, DongleCheckedInRecord, DongleRef, OtherIssuedRecord, ProjectRef, Record,
    ServerRef,
};
use crate::rules::mac::{self, MAC_KIND};
use crate::rules::{Counts, TERM_SLACK_S, Term};
use crate::store::others::{Dongle, OtherFile, OtherLicense};
use crate::store::{
    Distributor, DistributorId, LedgerEntry, LedgerReason, Project, Server, StoreError, Tx, UserId,
};

/// A license file for a dongle or a list of cameras.
#[derive(Debug, Clone)]
pub struct OtherIssuance {
    /// `L-N`.
    pub license_id: String,
    /// The file.
    pub file: OtherFile,
    /// What the license is charged now.
    pub charged: Counts,
    /// It is one that was made before.
    pub again: bool,
}

/// A new file, before it has a number and a signature.
pub(super) struct Draft {
    pub(super) dongle: Option<Dongle>,
    pub(super) counts: Counts,
    pub(super) macs: BTreeSet<ListedMac>,
    pub(super) contested: BTreeSet<ListedMac>,
    pub(super) term: Term,
}

/// Where a license belongs.
pub(super) struct Place {
    pub(super) distributor: Distributor,
    pub(super) project: Project,
    pub(super) server: Server,
}

impl Place {
    pub(super) fn of(tx: &mut dyn Tx, server: Server, project: Project) -> Result<Self, DeskError> {
        let distributor = tx
            .distributor(project.distributor)?
            .ok_or(DeskError::NotFound {
                what: "distributor",
            })?;
        Ok(Self {
            distributor,
            project,
            server,
        })
    }
}

/// What a license is charged for the files it has.
pub(super) fn charge_of(license: &OtherLicense, now_utc_s: i64) -> Counts {
    let counts = license.dongle_row(false).charged(now_utc_s);
    let lists: Vec<_> = license
        .files
        .iter()
        .map(|file| (file.macs.clone(), file.term))
        .collect();
    counts.plus(&Counts::of(MAC_KIND, mac::charge(&lists, now_utc_s)))
}

impl Desk {
    /// Signs a file for the license and charges for it. The journal comes last.
    pub(super) fn add_other_file(
        &self,
        tx: &mut dyn Tx,
        actor: &Actor,
        place: &Place,
        license: &mut OtherLicense,
        draft: Draft,
        journaled: &mut bool,
    ) -> Result<OtherIssuance, DeskError> {
        let Draft {
            dongle,
            counts,
            macs,
            contested,
            term,
        } = draft;
        let now = self.now();
        let issued_utc_s = now.as_second();
        let revision = (license.files.last()).map_or(1, |file| file.revision.saturating_add(1));
        let payload = LicensePayload {
            format_version: 1,
            license_id: license.license_id(),
            revision,
            names: Names {
                server: place.server.name.clone(),
                project: place.project.name.clone(),
                distributor: place.distributor.name.clone(),
            },
            binding: dongle.as_ref().map_or(Binding::Mac, |dongle| {
                Binding::Dongle(DongleBinding {
                    serial: dongle.serial.clone(),
                    public_key: dongle.public_key,
                })
            }),
            entitlements: Entitlements {
                counts: counts.clone().into(),
                mac_list: macs.iter().copied().collect(),
                ..Entitlements::default()
            },
            validity: validity(term),
            issued_at: Timestamp::from_second(issued_utc_s).unwrap_or(now),
            revocation_list: None,
        };
        let file = OtherFile {
            revision,
            counts,
            macs,
            contested,
            term,
            text: self.signer.sign(payload)?.to_text(),
            issued_utc_s,
        };
        let before = license.charged.clone();
        license.files.push(file.clone());
        license.charged = charge_of(license, issued_utc_s);
        check_other_balance(tx, place.distributor.id, &before, &license.charged)?;
        tx.put_other_license(license)?;
        tx.insert_other_file(license.license_number, &file)?;
        let note = format!("license {}", license.file_id(revision));
        settle_other(
            tx,
            place.distributor.id,
            &before,
            license,
            (now, Some(actor.user), &note),
        )?;
        let object = format!("server:{}", place.server.id);
        let detail = json!({
            "file": license.file_id(revision),
            "dongle": dongle.as_ref().map(|dongle| &dongle.serial),
            "counts": file.counts,
            "macs": file.macs,
            // For vendor staff, who alone read the audit of all.
            "contested": file.contested,
            "charged": license.charged,
        });
        self.audit(tx, Some(actor.user), "license.issue", object, detail)?;
        let record = OtherIssuedRecord {
            at_utc_ms: now.as_millisecond(),
            distributor: DistributorRef {
                id: place.distributor.id,
                name: place.distributor.name.clone(),
            },
            project: ProjectRef {
                id: place.project.id,
                name: place.project.name.clone(),
                built_in: place.project.built_in,
            },
            server: ServerRef {
                id: place.server.id,
                name: place.server.name.clone(),
            },
            license_number: license.license_number,
            dongle: dongle.map(|dongle| DongleRef {
                public_key: dongle.public_key,
                serial: dongle.serial,
            }),
            revision,
            counts: file.counts.clone(),
            macs: file.macs.clone(),
            contested: file.contested.clone(),
            term: file.term,
            charged: license.charged.clone(),
            text: file.text.clone(),
        };
        self.journal_one(tx, Record::OtherIssued(Box::new(record)), journaled)?;
        tracing::info!(license = %license.file_id(revision), "license issued");
        Ok(OtherIssuance {
            license_id: license.license_id(),
            file,
            charged: license.charged.clone(),
            again: false,
        })
    }

    /// Writes one line; once it is written, only the commit may still fail.
    pub(super) fn journal_one(
        &self,
        tx: &mut dyn Tx,
        record: Record,
        journaled: &mut bool,
    ) -> Result<(), DeskError> {
        *journaled = true;
        let mut journal = self.journal();
        let head = journal.append(vec![record])?;
        tx.set_meta(&self.journal_fact, &head_text(head))?;
        Ok(())
    }

    /// Credits what has ended since the last look.
    pub(super) fn settle_ended(
        &self,
        tx: &mut dyn Tx,
        distributor: DistributorId,
    ) -> Result<(), DeskError> {
        let now = self.now();
        let ended_by = now.as_second().saturating_sub(TERM_SLACK_S);
        for mut license in tx.ended_licenses(distributor, ended_by)? {
            let retired = match &license.dongle {
                Some(key) => (tx.dongle(key)?).is_some_and(|dongle| dongle.retired_utc_s.is_some()),
                None => false,
            };
            let charged = if retired {
                Counts::none()
            } else {
                charge_of(&license, now.as_second())
            };
            if charged == license.charged {
                continue;
            }
            let before = std::mem::replace(&mut license.charged, charged);
            tx.put_other_license(&license)?;
            let note = format!("{} has ended", license.license_id());
            settle_other(tx, distributor, &before, &license, (now, None, &note))?;
        }
        Ok(tx.other_ends_were_settled(distributor, ended_by)?)
    }
}

fn validity(term: Term) -> Validity {
    let kind = match term {
        Term::Perpetual => None,
        Term::Trial { .. } => Some(license_document::Term::Trial),
        Term::Dated { .. } => Some(license_document::Term::Dated),
        Term::Overlap { .. } => Some(license_document::Term::Overlap),
    };
    Validity {
        not_before: None,
        not_after: (term.ends_utc_s())
            .map(|ends| Timestamp::from_second(ends).unwrap_or(Timestamp::MAX)),
        term: kind,
    }
}

fn check_other_balance(
    tx: &mut dyn Tx,
    distributor: DistributorId,
    before: &Counts,
    after: &Counts,
) -> Result<(), DeskError> {
    let balances = tx.balances(distributor)?;
    for (kind, needed) in after.above(before).iter() {
        let available = (balances.iter())
            .find(|balance| balance.kind == kind)
            .map_or(0, |balance| balance.available);
        if available < i64::from(needed) {
            return Err(DeskError::Balance {
                kind: kind.to_owned(),
                available,
                needed: i64::from(needed),
            });
        }
    }
    Ok(())
}

/// The ledger's lines for a charge that changed: when, by whom, and why.
pub(super) fn settle_other(
    tx: &mut dyn Tx,
    distributor: DistributorId,
    before: &Counts,
    license: &OtherLicense,
    (at, actor, note): (Timestamp, Option<UserId>, &str),
) -> Result<(), StoreError> {
    for (kind, was, is) in before.side_by_side(&license.charged) {
        let delta = i64::from(was) - i64::from(is);
        if delta == 0 {
            continue;
        }
        tx.append_ledger(&LedgerEntry {
            at_utc_ms: at.as_millisecond(),
            distributor,
            kind: kind.to_owned(),
            delta,
            reason: if delta < 0 {
                LedgerReason::Charge
            } else {
                LedgerReason::Credit
            },
            tpm: None,
            note: note.to_owned(),
            actor,
            idempotency_key: None,
        })?;
    }
    Ok(())
}

const REPLAYED: &str = "replayed from the journal";

fn timestamp(at_utc_ms: i64) -> Timestamp {
    Timestamp::from_millisecond(at_utc_ms).unwrap_or(Timestamp::MAX)
}

/// Puts an issued license back into a database that may never have heard of its server.
pub(super) fn replay_other_issued(
    tx: &mut dyn Tx,
    record: &OtherIssuedRecord,
) -> Result<(), StoreError> {
    let known = tx.other_license(record.license_number)?;
    if (known.as_ref()).is_some_and(|known| {
        known
            .files
            .iter()
            .any(|file| file.revision == record.revision)
    }) {
        return Ok(());
    }
    let at = record.at_utc_ms;
    replay_names(
        tx,
        (&record.distributor, &record.project, &record.server),
        at,
    )?;
    if let Some(dongle) = &record.dongle
        && tx.dongle(&dongle.public_key)?.is_none()
    {
        if let Some(other) = tx.dongle_of_serial(&dongle.serial)? {
            tx.retire_dongle(&other.public_key, at.div_euclid(1000))?;
        }
        tx.insert_dongle(&Dongle {
            public_key: dongle.public_key,
            serial: dongle.serial.clone(),
            distributor: record.distributor.id,
            added_utc_s: at.div_euclid(1000),
            retired_utc_s: None,
        })?;
    }
    let mut license = known.unwrap_or(OtherLicense {
        license_number: record.license_number,
        server: record.server.id,
        dongle: record.dongle.as_ref().map(|dongle| dongle.public_key),
        charged: Counts::none(),
        files: Vec::new(),
    });
    let before = license.charged.clone();
    license.files.push(record.to_file());
    license.charged = license.charged.max(&record.charged);
    tx.put_other_license(&license)?;
    tx.insert_other_file(license.license_number, &record.to_file())?;
    settle_other(
        tx,
        record.distributor.id,
        &before,
        &license,
        (timestamp(at), None, REPLAYED),
    )
}

/// Retires the old key of a dongle and credits its license, once.
pub(super) fn check_dongle_in(
    tx: &mut dyn Tx,
    old: &Dongle,
    record: &DongleCheckedInRecord,
    actor: Option<UserId>,
    note: &str,
) -> Result<Counts, StoreError> {
    let at_utc_s = record.at_utc_ms.div_euclid(1000);
    tx.retire_dongle(&old.public_key, at_utc_s)?;
    if tx.dongle(&record.new)?.is_none() {
        tx.insert_dongle(&Dongle {
            public_key: record.new,
            serial: old.serial.clone(),
            distributor: old.distributor,
            added_utc_s: at_utc_s,
            retired_utc_s: None,
        })?;
    }
    let Some(mut license) = tx.license_of_dongle(&old.public_key)? else {
        return Ok(Counts::none());
    };
    let before = std::mem::take(&mut license.charged);
    tx.put_other_license(&license)?;
    let when = (timestamp(record.at_utc_ms), actor, note);
    settle_other(tx, old.distributor, &before, &license, when)?;
    Ok(before)
}

/// The same for a database that missed it.
pub(super) fn replay_checked_in(
    tx: &mut dyn Tx,
    record: &DongleCheckedInRecord,
) -> Result<(), StoreError> {
    match tx.dongle(&record.old.public_key)? {
        Some(old) if old.retired_utc_s.is_none() => {
            check_dongle_in(tx, &old, record, None, REPLAYED).map(drop)
        }
        // Retired already, or registered after the backup and never licensed.
        _ => Ok(()),
    }
}
