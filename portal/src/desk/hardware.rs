//! Hardware that failed or is lost, and hardware that came back.

use serde_json::json;

use super::accounts::{check_counts, visible_distributor};
use super::charge::Changes;
use super::projects::visible_server;
use super::request::{Admitted, Makers, admit};
use super::roles::Right;
use super::{Actor, Desk, DeskError};
use crate::journal::{HardwareRecord, Record};
use crate::rules::{Counts, Custody, Observation, Refusal, Rules};
use crate::store::{DistributorId, ServerId, Tpm, Tx};

/// How many channels a distributor may have written off, and has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteOffs {
    /// At most so many at a time.
    pub limit: Counts,
    /// So many are.
    pub written_off: Counts,
}

/// Hardware that was written off or came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hardware {
    /// Its serial number.
    pub serial: String,
    /// What it is charged now: as a write-off while it is gone, nothing once it is back.
    pub charged: Counts,
}

impl Desk {
    /// What a distributor may have written off, and has.
    ///
    /// # Errors
    /// There is no such distributor, or none that this person may know of.
    pub fn write_offs(
        &self,
        actor: &Actor,
        distributor: DistributorId,
    ) -> Result<WriteOffs, DeskError> {
        self.transact(|tx| {
            visible_distributor(tx, actor, distributor)?;
            write_offs_in(tx, distributor)
        })
    }

    /// Sets how many channels a distributor may have written off at a time.
    ///
    /// # Errors
    /// Not vendor staff, no such distributor, or counts that can't be.
    pub fn set_write_off_limit(
        &self,
        actor: &Actor,
        distributor: DistributorId,
        limit: &Counts,
    ) -> Result<WriteOffs, DeskError> {
        actor.must_be_admin()?;
        check_counts(limit)?;
        self.transact(|tx| {
            visible_distributor(tx, actor, distributor)?;
            tx.set_write_off_limit(distributor, limit)?;
            let object = format!("distributor:{distributor}");
            let detail = json!({ "limit": limit });
            self.audit(tx, Some(actor.user), "write_off.limit", object, detail)?;
            write_offs_in(tx, distributor)
        })
    }

    /// Support approves that a server's box is lost or failed: its channels can be
    /// licensed to another box, and stay charged as a write-off until it is back.
    ///
    /// # Errors
    /// Not vendor staff, no such server or it has no box, the box is written off already,
    /// or the distributor's limit is reached.
    pub fn write_off(
        &self,
        actor: &Actor,
        server: ServerId,
        note: &str,
    ) -> Result<Hardware, DeskError> {
        actor.must(Right::Support)?;
        check_note(note)?;
        self.transact_journaled(|tx, journaled| {
            self.write_off_in(tx, actor, server, note, journaled)
        })
    }

    /// As [`Desk::write_off`], in a transaction.
    pub(super) fn write_off_in(
        &self,
        tx: &mut dyn Tx,
        actor: &Actor,
        server: ServerId,
        note: &str,
        journaled: &mut bool,
    ) -> Result<Hardware, DeskError> {
        let (server, project) = visible_server(tx, actor, server)?;
        let mut tpm = (tx.tpms_of_server(server.id)?)
            .pop()
            .ok_or(DeskError::NotFound { what: "box" })?;
        self.end_licenses(tx, Some(project.distributor))?;
        let before = tpm.row.clone();
        tpm.row.settle(self.now().as_second());
        Rules::PRODUCT.write_off(&mut tpm.row)?;
        let so_far = write_offs_in(tx, project.distributor)?;
        for (kind, count) in so_far.written_off.plus(&tpm.row.charged).iter() {
            let limit = so_far.limit.get(kind);
            if tpm.row.charged.get(kind) > 0 && count > limit {
                return Err(DeskError::WriteOffLimit {
                    kind: kind.to_owned(),
                    limit,
                    needed: count,
                });
            }
        }
        let record = self.hardware_record(&tpm, tpm.row.attested, note);
        self.note_hardware(tx, actor, &tpm, "hardware.write_off", note)?;
        let changes = Changes {
            before: &before,
            records: vec![Record::WrittenOff(record)],
            note: format!("{} written off", tpm.serial),
            actor: actor.user,
        };
        self.keep(tx, &tpm, changes, journaled)?;
        Ok(Hardware {
            serial: tpm.serial.clone(),
            charged: tpm.row.charged.clone(),
        })
    }

    /// Written-off hardware is back: its own request shows that its counter was raised past
    /// everything it ever had. It can be sold again.
    ///
    /// # Errors
    /// Not vendor staff, the request or its TPM is not believed, the hardware is unknown or
    /// not written off, or its counter is too low; what the request attests stays known.
    pub fn hardware_back(
        &self,
        actor: &Actor,
        request: &[u8],
        note: &str,
    ) -> Result<Hardware, DeskError> {
        actor.must(Right::Support)?;
        check_note(note)?;
        let makers = self.transact(|tx| Ok(Makers::read(tx)?))?;
        let admitted = admit(request, &makers, self.flavour)?;
        let outcome: Result<Hardware, DeskError> = self.transact_journaled(|tx, journaled| {
            let mut tpm =
                (tx.tpm(&admitted.identity)?).ok_or(DeskError::NotFound { what: "box" })?;
            let before = tpm.row.clone();
            let seen = self.seen(&admitted, None, false);
            let back = match Rules::PRODUCT.hardware_back(&mut tpm.row, &seen) {
                Ok(()) => Ok(()),
                // On arrival: its counter bounds what may have been forgotten.
                Err(refusal @ Refusal::NotRaised { .. }) => {
                    Rules::PRODUCT.upload(&mut tpm.row, &seen)?;
                    Err(refusal)
                }
                Err(refusal) => return Err(refusal.into()),
            };
            let mut records = Vec::new();
            if back.is_ok() {
                let record = self.hardware_record(&tpm, seen.counter, note);
                records.push(Record::HardwareBack(record));
                self.note_hardware(tx, actor, &tpm, "hardware.back", note)?;
            }
            let changes = Changes {
                before: &before,
                records,
                note: format!("{} is back", tpm.serial),
                actor: actor.user,
            };
            self.keep(tx, &tpm, changes, journaled)?;
            Ok(match back {
                Ok(()) => Ok(Hardware {
                    serial: tpm.serial.clone(),
                    charged: tpm.row.charged.clone(),
                }),
                Err(refusal) => Err(refusal.into()),
            })
        })?;
        outcome
    }

    /// What a request shows.
    pub(super) fn seen(
        &self,
        admitted: &Admitted,
        proof_of: Option<String>,
        credits: bool,
    ) -> Observation {
        Observation {
            at_utc_s: self.now().as_second(),
            counter: admitted.request.counter().counter,
            proof_of,
            credits,
            request_sha256: admitted.request.payload_sha256(),
        }
    }

    /// Is this box, or another attestation key of its TPM, written off? Then it was not to
    /// be seen again: someone is told, and gets no license.
    pub(super) fn alarm_if_written_off(
        &self,
        tx: &mut dyn Tx,
        actor: &Actor,
        server: ServerId,
        admitted: &Admitted,
    ) -> Result<bool, DeskError> {
        let gone = (tx.tpms_of_ek(&admitted.identity.ek_name)?.into_iter())
            .find(|tpm| tpm.row.custody == Custody::WrittenOff);
        let Some(tpm) = gone else {
            return Ok(false);
        };
        tracing::error!(serial = %tpm.serial, server = %server, "written-off hardware was seen again");
        let detail = json!({
            "serial": tpm.serial,
            "counter": admitted.request.counter().counter,
            "at_server": server,
            "same_attestation_key": tpm.identity == admitted.identity,
        });
        let object = format!("server:{}", tpm.server);
        self.audit(tx, Some(actor.user), "hardware.seen_again", object, detail)?;
        Ok(true)
    }

    fn hardware_record(&self, tpm: &Tpm, counter: u64, note: &str) -> HardwareRecord {
        HardwareRecord {
            at_utc_ms: self.now().as_millisecond(),
            tpm: tpm.identity.clone(),
            counter,
            note: note.to_owned(),
        }
    }

    fn note_hardware(
        &self,
        tx: &mut dyn Tx,
        actor: &Actor,
        tpm: &Tpm,
        action: &str,
        note: &str,
    ) -> Result<(), DeskError> {
        let detail = json!({
            "serial": tpm.serial,
            "license": tpm.license_id(),
            "charged": tpm.row.charged,
            "note": note,
        });
        let object = format!("server:{}", tpm.server);
        Ok(self.audit(tx, Some(actor.user), action, object, detail)?)
    }
}

pub(super) fn check_note(note: &str) -> Result<(), DeskError> {
    if note.trim().is_empty() || note.len() > 1000 {
        return Err(DeskError::Unfit {
            field: "note",
            rule: "1 to 1000 bytes",
        });
    }
    Ok(())
}

fn write_offs_in(tx: &mut dyn Tx, distributor: DistributorId) -> Result<WriteOffs, DeskError> {
    let written_off = tx
        .balances(distributor)?
        .into_iter()
        .map(|balance| {
            let count = u32::try_from(balance.written_off).unwrap_or_default();
            (balance.kind, count)
        })
        .collect();
    Ok(WriteOffs {
        limit: tx.write_off_limit(distributor)?,
        written_off,
    })
}
