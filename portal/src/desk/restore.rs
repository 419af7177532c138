//! Puts back into the database what only the journal knows.
//!
//! After a restored backup, and after a crash between journal and commit. Nothing here
//! asks for a balance: the boxes hold these licenses, so they are charged, and a balance
//! may fall below nought until the missing grants are entered again. What is replayed
//! twice changes nothing.

use super::charge::settle;
use super::lost_journal::{forget_all, journals_lost};
use super::others::{replay_checked_in, replay_other_issued};
use super::setup::make_folder;
use super::{JOURNAL_FILE, OpenError, Places};
use crate::journal::{
    DistributorRef, HardwareRecord, Head, IssuedRecord, Journal, ProjectRef, ProvenRecord, Record,
    ServerRef,
};
use crate::rules::{self, Observation, Row, Rules};
use crate::store::{Distributor, Project, Server, Store, StoreError, Tpm, TpmId, Tx, transact};

/// The head as the database notes it.
pub(super) fn head_text(head: &Head) -> String {
    format!("{} {}", head.seq, head.sha256)
}

fn parse_head(text: &str) -> Result<Head, StoreError> {
    text.split_once(' ')
        .and_then(|(seq, sha256)| {
            Some(Head {
                seq: seq.parse().ok()?,
                sha256: sha256.to_owned(),
            })
        })
        .ok_or(StoreError::Unreadable {
            column: "journal_head",
        })
}

/// The newest line of the journal that the database knows.
pub(super) fn known_head(
    store: &dyn Store,
    journal_fact: &str,
) -> Result<Option<Head>, StoreError> {
    transact(store, |tx| {
        tx.meta(journal_fact)?
            .map(|text| parse_head(&text))
            .transpose()
    })
}

/// Opens the journal and replays it.
pub(super) fn open_journal(store: &dyn Store, places: &Places) -> Result<Journal, OpenError> {
    make_folder(&places.journal)?;
    let journal_fact = places.journal_fact();
    let known = known_head(store, &journal_fact)?;
    let mut replayed = 0_u64;
    let journal = Journal::open::<OpenError>(
        &places.journal.join(JOURNAL_FILE),
        known.as_ref(),
        |record, head| {
            // What the database had noted when it was last written, it has.
            if known.as_ref().is_some_and(|known| head.seq <= known.seq) {
                return Ok(());
            }
            replayed += 1;
            transact::<_, StoreError>(store, |tx| {
                match &record {
                    Record::Issued(issued) => replay_issued(tx, issued)?,
                    Record::Proven(proven) => replay_proven(tx, proven)?,
                    Record::OtherIssued(issued) => replay_other_issued(tx, issued)?,
                    Record::DongleCheckedIn(record) => replay_checked_in(tx, record)?,
                    Record::WrittenOff(record) => replay_hardware(tx, record, false)?,
                    Record::HardwareBack(record) => replay_hardware(tx, record, true)?,
                    Record::Begun(_) => {}
                    Record::JournalLost(begin) => {
                        forget_all(tx, begin)?;
                    }
                }
                tx.set_meta(&journal_fact, &head_text(head))
            })?;
            Ok(())
        },
    )?;
    if replayed > 0 {
        tracing::warn!(
            records = replayed,
            "the journal knew more than the database"
        );
    }
    Ok(journal)
}

fn replay_issued(tx: &mut dyn Tx, record: &IssuedRecord) -> Result<(), StoreError> {
    if tx.file(&record.file_id)?.is_some() {
        return Ok(());
    }
    let names = (&record.distributor, &record.project, &record.server);
    replay_names(tx, names, record.at_utc_ms)?;
    let mut tpm = match tx.tpm(&record.tpm.identity)? {
        Some(tpm) => tpm,
        None => {
            let mut row = Row::default();
            if journals_lost(tx)? > 0 {
                Rules::PRODUCT.forget(&mut row);
            }
            let mut tpm = Tpm {
                id: TpmId::default(),
                identity: record.tpm.identity.clone(),
                class: record.tpm.class,
                model: record.tpm.model.clone(),
                serial: record.tpm.serial.clone(),
                server: record.server.id,
                license_number: record.tpm.license_number,
                row,
            };
            tpm.id = tx.insert_tpm(&tpm)?;
            tpm
        }
    };
    let file = record.to_file(tpm.id);
    tx.insert_file(&file)?;
    let before = tpm.row.clone();
    // Hardware that was sold again moves with its first license.
    tpm.server = record.server.id;
    let license = rules::Issued {
        id: file.id.0.clone(),
        from: file.from,
        to: file.to,
        counts: file.counts.clone(),
        term: file.term,
        request_sha256: file.request_sha256,
    };
    tpm.row.replay(
        license,
        record.tpm.attested,
        record.at_utc_ms.div_euclid(1000),
    );
    settle(
        tx,
        &before,
        &tpm,
        record.at_utc_ms,
        None,
        "replayed from the journal",
    )
}

pub(super) fn replay_names(
    tx: &mut dyn Tx,
    (distributor, project, server): (&DistributorRef, &ProjectRef, &ServerRef),
    at_utc_ms: i64,
) -> Result<(), StoreError> {
    let created_utc_s = at_utc_ms.div_euclid(1000);
    // A name may have been given to another since the backup: then it carries its id.
    let unique = |name: &str, id: &dyn std::fmt::Display| format!("{name} ({id})");
    if tx.distributor(distributor.id)?.is_none() {
        let name = distributor.name.clone();
        let taken = tx.distributors()?.iter().any(|other| other.name == name);
        tx.insert_distributor(&Distributor {
            id: distributor.id,
            name: if taken {
                unique(&name, &distributor.id)
            } else {
                name
            },
            created_utc_s,
        })?;
    }
    if tx.project(project.id)?.is_none() {
        let name = project.name.clone();
        let others = tx.projects(Some(distributor.id))?;
        let taken = others.iter().any(|other| other.name == name);
        tx.insert_project(&Project {
            id: project.id,
            distributor: distributor.id,
            name: if taken {
                unique(&name, &project.id)
            } else {
                name
            },
            description: String::new(),
            built_in: project.built_in,
            created_utc_s,
        })?;
    }
    if tx.server(server.id)?.is_none() {
        let name = server.name.clone();
        let others = tx.servers(project.id)?;
        let taken = others.iter().any(|other| other.name == name);
        tx.insert_server(&Server {
            id: server.id,
            project: project.id,
            name: if taken {
                unique(&name, &server.id)
            } else {
                name
            },
            description: String::new(),
            created_utc_s,
        })?;
    }
    Ok(())
}

fn replay_proven(tx: &mut dyn Tx, record: &ProvenRecord) -> Result<(), StoreError> {
    let Some(mut tpm) = tx.tpm(&record.tpm)? else {
        return Ok(());
    };
    let before = tpm.row.clone();
    let seen = Observation {
        at_utc_s: record.at_utc_ms.div_euclid(1000),
        counter: record.counter,
        proof_of: Some(record.file_id.0.clone()),
        credits: record.credits,
        request_sha256: record.request_sha256,
    };
    if rules::upload(&mut tpm.row, &seen).is_err() {
        // The database has seen a later request already.
        return Ok(());
    }
    settle(
        tx,
        &before,
        &tpm,
        record.at_utc_ms,
        None,
        "replayed from the journal",
    )
}

fn replay_hardware(
    tx: &mut dyn Tx,
    record: &HardwareRecord,
    is_back: bool,
) -> Result<(), StoreError> {
    let Some(mut tpm) = tx.tpm(&record.tpm)? else {
        return Ok(());
    };
    let before = tpm.row.clone();
    let done = if is_back {
        let seen = Observation {
            at_utc_s: record.at_utc_ms.div_euclid(1000),
            counter: record.counter,
            proof_of: None,
            credits: false,
            request_sha256: [0; 32],
        };
        Rules::PRODUCT.hardware_back(&mut tpm.row, &seen)
    } else {
        Rules::PRODUCT.write_off(&mut tpm.row)
    };
    if done.is_err() {
        // The database knows it already.
        return Ok(());
    }
    settle(
        tx,
        &before,
        &tpm,
        record.at_utc_ms,
        None,
        "replayed from the journal",
    )
}
