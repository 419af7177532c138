//! Dongle licenses: what the key of a dongle is charged.
//!
//! A dongle has no counter, so no file and no message proves that its license is used no
//! more. Only a new key does: the vendor makes it at check-in, with the dongle in hand, and
//! every license of the old key is dead from then on, on every box and for ever. So
//!
//! - a key is charged, per kind, the maximum over its licenses that have not ended;
//! - that falls at the end of a dated license, and at check-in, and never otherwise;
//! - a key that was retired gets no license again.
//!
//! A conversion between dongle and TPM goes over a dated license of the new kind, issued
//! and charged while the old one still stands: at no moment has the owner neither, and
//! none of the two is ever unpaid.

use thiserror::Error;

use super::{Counts, Term};

/// How long, in seconds, a license may overlap with the one that it is to take the place
/// of: a dongle travels to the vendor by post.
pub const MAX_OVERLAP_S: i64 = 60 * 24 * 3600;

/// One license that was issued to the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DongleIssued {
    /// Counts up with each file.
    pub revision: u32,
    /// What it gives.
    pub counts: Counts,
    /// Until when.
    pub term: Term,
}

/// All state of one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DongleRow {
    /// Check-in has made a new key: this one is used no more.
    pub retired: bool,
    /// Every license, in any order.
    pub issued: Vec<DongleIssued>,
}

/// Why no license came of it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DongleRefusal {
    /// The key was replaced at check-in.
    #[error("the dongle's key was replaced at the vendor's")]
    Retired,
    /// The end is past, or further off than the term allows. Nothing is tried on a dongle,
    /// which goes from box to box.
    #[error("the license's end does not fit its term")]
    UnfitEnd,
    /// Check-in must make a key that was never seen.
    #[error("this key was registered before")]
    KeyKnown,
}

impl DongleRefusal {
    /// The stable code of the catalog.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Retired => "SG-POR-095",
            Self::UnfitEnd => "SG-POR-096",
            Self::KeyKnown => "SG-POR-097",
        }
    }
}

/// What is asked for a dongle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DongleAsk {
    /// What it is to give.
    pub counts: Counts,
    /// Until when.
    pub term: Term,
}

/// The answer to a [`DongleAsk`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DongleDecision {
    /// The file of this revision is handed out again.
    Again {
        /// Which.
        revision: u32,
    },
    /// A new file.
    New(DongleIssued),
}

impl DongleRow {
    /// What the key is charged.
    pub fn charged(&self, now_utc_s: i64) -> Counts {
        if self.retired {
            return Counts::none();
        }
        self.issued
            .iter()
            .filter(|license| !license.term.is_over(now_utc_s))
            .fold(Counts::none(), |sum, license| sum.max(&license.counts))
    }

    /// Chooses the file for what is asked.
    ///
    /// # Errors
    /// [`DongleRefusal`].
    pub fn decide(&self, ask: &DongleAsk, now_utc_s: i64) -> Result<DongleDecision, DongleRefusal> {
        if self.retired {
            return Err(DongleRefusal::Retired);
        }
        check_term(ask.term, now_utc_s)?;
        let newest = self.issued.iter().max_by_key(|license| license.revision);
        if let Some(newest) =
            newest.filter(|newest| newest.counts == ask.counts && newest.term == ask.term)
        {
            return Ok(DongleDecision::Again {
                revision: newest.revision,
            });
        }
        Ok(DongleDecision::New(DongleIssued {
            revision: newest.map_or(1, |newest| newest.revision.saturating_add(1)),
            counts: ask.counts.clone(),
            term: ask.term,
        }))
    }

    /// Check-in: the key is retired for ever; gives what is credited.
    ///
    /// # Errors
    /// It was retired before, or the new key is not new.
    pub fn check_in(
        &mut self,
        new_key_is_known: bool,
        now_utc_s: i64,
    ) -> Result<Counts, DongleRefusal> {
        if self.retired {
            return Err(DongleRefusal::Retired);
        }
        if new_key_is_known {
            return Err(DongleRefusal::KeyKnown);
        }
        let credited = self.charged(now_utc_s);
        self.retired = true;
        Ok(credited)
    }
}

/// Whether a license that no TPM keeps the time of may have this term.
///
/// # Errors
/// [`DongleRefusal::UnfitEnd`].
pub fn check_term(term: Term, now_utc_s: i64) -> Result<(), DongleRefusal> {
    let fits = match term {
        Term::Perpetual => true,
        Term::Trial { .. } => false,
        Term::Dated { ends_utc_s } => ends_utc_s > now_utc_s,
        Term::Overlap { ends_utc_s } => {
            ends_utc_s > now_utc_s && ends_utc_s - now_utc_s <= MAX_OVERLAP_S
        }
    };
    fits.then_some(()).ok_or(DongleRefusal::UnfitEnd)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "dongle_tests.rs"]
mod tests;
