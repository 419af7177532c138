//! A request comes in: what it changes, and which file it gets.

use super::{Counts, Issued, Observation, REISSUE_SLOTS, Refusal, Row, SPACING};

/// What the person at the portal asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// A license that gives this.
    Issue(Counts),
    /// The license the box had: its disk was lost or its TPM cleared.
    Reissue,
}

/// A license to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLicense {
    /// See [`Issued::from`].
    pub from: u64,
    /// See [`Issued::to`].
    pub to: u64,
    /// See [`Issued::counts`].
    pub counts: Counts,
    /// 1 for the first of its row, then counting up.
    pub revision: u32,
    /// What the row is charged once this is issued.
    pub charged: Counts,
}

/// The answer to an [`Ask`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Hand out this license's file again; nothing changes.
    Again(Issued),
    /// Make this one.
    New(NewLicense),
}

/// What an uploaded request and an [`Ask`] come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The row as it is to be stored, also when no license came of it: what the request
    /// attested and proved stays known. A [`Decision::New`] is not yet in it.
    pub row: Row,
    /// The file, or why there is none.
    pub decision: Result<Decision, Refusal>,
}

/// Takes in a request and chooses its file.
pub fn answer(row: &Row, seen: &Observation, ask: &Ask) -> Answer {
    let mut after = row.clone();
    if upload(&mut after, seen).is_err() {
        // An old request may still be a repeated one; `decide` tells.
        after = row.clone();
    }
    let decision = decide(&after, seen, ask);
    Answer {
        row: after,
        decision,
    }
}

/// Takes in what a request proves, whatever is then asked for.
///
/// The charge falls here and nowhere else, and only when the HMAC of a license came
/// with exactly that license's `to`: a proof at any other counter does not show that
/// the license was imported *last*.
///
/// # Errors
/// The request is older than one already seen, or its counter is no TPM's.
pub fn upload(row: &mut Row, seen: &Observation) -> Result<(), Refusal> {
    row.check_counter(seen.counter)?;
    row.attested = seen.counter;
    let proof = seen
        .proof_of
        .as_ref()
        .and_then(|id| row.issued.iter().find(|license| license.id == *id));
    if let Some(license) = proof {
        let imported_last = license.to == seen.counter;
        row.proven = seen.counter;
        let due = row.due();
        row.charged = if imported_last && seen.credits {
            due
        } else {
            row.charged.max(&due)
        };
    }
    Ok(())
}

/// Chooses the file for a request that [`upload`] has taken in, or that was answered
/// before.
///
/// # Errors
/// A [`Refusal`]; the row is as it was.
pub fn decide(row: &Row, seen: &Observation, ask: &Ask) -> Result<Decision, Refusal> {
    let (counts, slots) = match ask {
        Ask::Issue(counts) => (counts.clone(), 0),
        Ask::Reissue => {
            let had = row
                .newest_up_to(seen.counter)
                .ok_or(Refusal::NothingToReissue)?;
            (had.counts.clone(), REISSUE_SLOTS)
        }
    };
    // The same bytes get the same file, also when the row has moved on since: the file
    // is out already.
    let same = |license: &&Issued| license.counts == counts;
    if let Some(answered) = row
        .issued
        .iter()
        .filter(same)
        .find(|license| license.request_sha256 == seen.request_sha256)
    {
        return Ok(Decision::Again(answered.clone()));
    }
    row.check_counter(seen.counter)?;
    // Two files for one state of the box would let it keep the one and return the other.
    if let Some(importable) = row
        .issued
        .iter()
        .filter(same)
        .filter(|license| license.importable_at(seen.counter))
        .max_by_key(|license| license.to)
    {
        return Ok(Decision::Again(importable.clone()));
    }
    row.check_room(slots)?;
    let highest = row
        .issued
        .iter()
        .map(|license| license.to)
        .fold(row.proven.max(seen.counter), u64::max);
    Ok(Decision::New(NewLicense {
        from: seen.counter,
        to: (highest / SPACING + 1) * SPACING,
        charged: row.charged.max(&row.due()).max(&counts),
        counts,
        revision: u32::try_from(row.issued.len() + 1).unwrap_or(u32::MAX),
    }))
}
