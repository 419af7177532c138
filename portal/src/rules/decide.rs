//! A request comes in: what it changes, and which file it gets.

use super::{Counts, Custody, Issued, Observation, Refusal, Row, Rules, Term};

/// What the person at the portal asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// A license that gives this for ever.
    Issue(Counts),
    /// A license that gives this for a time.
    IssueFor(Counts, Term),
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
    /// See [`Issued::term`].
    pub term: Term,
    /// 1 for the first of its row, then counting up.
    pub revision: u32,
    /// What the row is charged once this is issued.
    pub charged: Counts,
}

impl NewLicense {
    pub(super) fn issued(&self, id: String, request_sha256: [u8; 32]) -> Issued {
        Issued {
            id,
            from: self.from,
            to: self.to,
            counts: self.counts.clone(),
            term: self.term,
            request_sha256,
        }
    }
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

/// [`Rules::answer`] at the portal's scale.
pub fn answer(row: &Row, seen: &Observation, ask: &Ask) -> Answer {
    Rules::PRODUCT.answer(row, seen, ask)
}

/// [`Rules::upload`] at the portal's scale.
///
/// # Errors
/// As there.
pub fn upload(row: &mut Row, seen: &Observation) -> Result<(), Refusal> {
    Rules::PRODUCT.upload(row, seen)
}

/// [`Rules::decide`] at the portal's scale.
///
/// # Errors
/// As there.
pub fn decide(row: &Row, seen: &Observation, ask: &Ask) -> Result<Decision, Refusal> {
    Rules::PRODUCT.decide(row, seen, ask)
}

impl Rules {
    /// Takes in a request and chooses its file.
    pub fn answer(&self, row: &Row, seen: &Observation, ask: &Ask) -> Answer {
        let mut after = row.clone();
        if self.upload(&mut after, seen).is_err() {
            // An old request may still be a repeated one; `decide` tells.
            after = row.clone();
        }
        let decision = self.decide(&after, seen, ask);
        Answer {
            row: after,
            decision,
        }
    }

    /// Takes in what a request proves, whatever is then asked for.
    ///
    /// The charge falls here on a proof, and only when the HMAC of a license came with
    /// exactly that license's `to`: a proof at any other counter does not show that the
    /// license was imported *last*.
    ///
    /// # Errors
    /// The request is older than one already seen, or its counter is no TPM's.
    pub fn upload(&self, row: &mut Row, seen: &Observation) -> Result<(), Refusal> {
        row.check_counter(seen.counter)?;
        row.attested = seen.counter;
        let proven_to = (seen.proof_of.as_deref())
            .and_then(|id| row.license(id))
            .map(|license| license.to);
        // What is written off is not credited: the vendor has given it away already.
        if let (Some(to), Custody::Owner) = (proven_to, row.custody) {
            row.proven = seen.counter;
            let complete = self.catches_up(row, to, seen.counter);
            if to == seen.counter && seen.credits && complete {
                row.credited = seen.counter;
            }
        }
        row.settle(seen.at_utc_s);
        Ok(())
    }

    /// Chooses the file for a request that [`Self::upload`] has taken in, or that was
    /// answered before.
    ///
    /// # Errors
    /// A [`Refusal`]; the row is as it was.
    pub fn decide(&self, row: &Row, seen: &Observation, ask: &Ask) -> Result<Decision, Refusal> {
        if row.custody == Custody::WrittenOff {
            return Err(Refusal::WrittenOff);
        }
        let (counts, term, slots) = match ask {
            Ask::Issue(counts) => (counts.clone(), Term::Perpetual, 0),
            Ask::IssueFor(counts, term) => (counts.clone(), *term, 0),
            Ask::Reissue => {
                let had = row
                    .newest_up_to(seen.counter, seen.at_utc_s)
                    .ok_or(Refusal::NothingToReissue)?;
                (had.counts.clone(), had.term, self.reissue_slots)
            }
        };
        let same = |license: &&Issued| {
            license.to >= row.void_below && license.counts == counts && license.term == term
        };
        // The same bytes get the same file, also when the row has moved on since: the file
        // is out already.
        if let Some(answered) = row
            .issued
            .iter()
            .filter(same)
            .find(|license| license.request_sha256 == seen.request_sha256)
        {
            return Ok(Decision::Again(answered.clone()));
        }
        row.check_counter(seen.counter)?;
        if term.has_ended(seen.at_utc_s) {
            return Err(Refusal::EndsInThePast);
        }
        // A row that forgot licenses catches up by new ones; a box that has imported this
        // one, and shows it, gets the next.
        let step_on = |license: &&Issued| {
            row.forgotten.is_some() && license.to == seen.counter && seen.proof_of.is_some()
        };
        // Two files for one state of the box would let it keep the one and return the other.
        if let Some(importable) = row
            .issued
            .iter()
            .filter(same)
            .filter(|license| license.importable_at(seen.counter))
            .max_by_key(|license| license.to)
            .filter(|license| !step_on(license))
        {
            return Ok(Decision::Again(importable.clone()));
        }
        let outstanding = row.outstanding();
        if outstanding >= self.max_outstanding + slots {
            return Err(Refusal::TooManyOutstanding { outstanding });
        }
        Ok(Decision::New(self.make(row, seen, counts, term)))
    }

    fn make(&self, row: &Row, seen: &Observation, counts: Counts, term: Term) -> NewLicense {
        let gap = row.forgotten.map_or(0, |_| self.gap());
        let highest = (row.highest_to())
            .max(row.proven)
            .max(seen.counter.saturating_add(gap));
        let mut made = NewLicense {
            from: seen.counter,
            to: self.next_to(highest),
            counts,
            term,
            revision: u32::try_from(row.issued.len() + 1).unwrap_or(u32::MAX),
            charged: Counts::none(),
        };
        let mut after = row.clone();
        after
            .issued
            .push(made.issued(String::new(), seen.request_sha256));
        after.settle(seen.at_utc_s);
        made.charged = after.charged;
        made
    }
}
