//! A portal whose database came out of a backup and whose journal is lost.

use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::json;

use super::restore::{head_text, known_head};
use super::{JOURNAL_FILE, OpenError, Places, fact, origin, setup};
use crate::journal::{BeginRecord, Journal, JournalError, Record};
use crate::rules::Rules;
use crate::store::{AuditEntry, StoreError, Tx, transact};

/// What [`restore_without_journal`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalLost {
    /// How often that has happened, as far as this database knows.
    pub journals_lost: u32,
    /// How many boxes may have licenses that are forgotten now.
    pub boxes: usize,
    /// Where a journal that does not fit was put.
    pub put_aside: Option<PathBuf>,
}

/// Goes on without the journal that the database knows: what was handed out after the
/// backup is forgotten, so every box, also one that is not known yet, has to catch up
/// before anything is credited to it (see [`crate::rules::Forgotten`]).
///
/// # Errors
/// The journal is there and fits, the portal is running, or a file or the database failed.
pub fn restore_without_journal(places: &Places, now: Timestamp) -> Result<JournalLost, OpenError> {
    let store = setup::open_store(places)?;
    setup::make_folder(&places.journal)?;
    let path = places.journal.join(JOURNAL_FILE);
    let known = known_head(&store, &places.journal_fact())?;
    let mut put_aside = None;
    if path.exists() {
        match Journal::open::<JournalError>(&path, known.as_ref(), |_, _| Ok(())) {
            Ok(_) => return Err(OpenError::JournalFits { path }),
            Err(JournalError::Damaged { .. } | JournalError::NotOurs { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        // Kept: it may still tell an investigator something.
        let aside = path.with_extension(format!("lost-{}", now.as_second()));
        std::fs::rename(&path, &aside).map_err(|source| JournalError::File {
            path: path.clone(),
            operation: "be put aside",
            source,
        })?;
        put_aside = Some(aside);
    } else if known.is_none() {
        return Err(OpenError::JournalFits { path });
    }
    let journals_lost = transact::<_, StoreError>(&store, journals_lost)?.saturating_add(1);
    let mut journal = Journal::open::<JournalError>(&path, None, |_, _| Ok(()))?;
    let begin = BeginRecord {
        at_utc_ms: now.as_millisecond(),
        journals_lost,
    };
    // The journal first, as ever: if the power goes before the database knows, the portal
    // does not open and this is done again.
    let head = journal
        .append(vec![Record::JournalLost(begin.clone())])?
        .clone();
    let boxes = transact::<_, StoreError>(&store, |tx| {
        let boxes = forget_all(tx, &begin)?;
        tx.set_meta(&places.journal_fact(), &head_text(&head))?;
        tx.append_audit(&AuditEntry {
            at_utc_ms: now.as_millisecond(),
            actor: None,
            action: "portal.journal_lost".to_owned(),
            object: "portal".to_owned(),
            detail: json!({ "journals_lost": journals_lost, "boxes": boxes }).to_string(),
            origin: origin::current(),
        })?;
        Ok(boxes)
    })?;
    tracing::error!(
        journals_lost,
        boxes,
        "the portal goes on without its journal"
    );
    Ok(JournalLost {
        journals_lost,
        boxes,
        put_aside,
    })
}

/// How many journals were lost.
pub(super) fn journals_lost(tx: &mut dyn Tx) -> Result<u32, StoreError> {
    match tx.meta(fact::JOURNALS_LOST)? {
        None => Ok(0),
        Some(text) => text.parse().map_err(|_| StoreError::Unreadable {
            column: fact::JOURNALS_LOST,
        }),
    }
}

/// Marks every TPM; returns how many there are.
pub(super) fn forget_all(tx: &mut dyn Tx, begin: &BeginRecord) -> Result<usize, StoreError> {
    let tpms = tx.tpms()?;
    let boxes = tpms.len();
    for mut tpm in tpms {
        Rules::PRODUCT.forget(&mut tpm.row);
        tx.update_tpm(&tpm)?;
    }
    tx.set_meta(fact::JOURNALS_LOST, &begin.journals_lost.to_string())?;
    Ok(boxes)
}
