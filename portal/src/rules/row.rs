//! What the portal knows of one (endorsement key, attestation key) pair.

use thiserror::Error;

use super::{Counts, MAX_COUNTER, MAX_OUTSTANDING};

/// One license that was issued to the pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The license's id.
    pub id: String,
    /// The counter of the request it was made for; lower counters can't import it.
    pub from: u64,
    /// The counter it is imported up to; higher counters can't import it.
    pub to: u64,
    /// What it gives.
    pub counts: Counts,
    /// SHA-256 of the request's bytes.
    pub request_sha256: [u8; 32],
}

impl Issued {
    /// Could a box whose counter is `counter` import it?
    pub fn importable_at(&self, counter: u64) -> bool {
        (self.from..=self.to).contains(&counter)
    }
}

/// All state of one pair.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// Highest counter a request of this key attested.
    pub attested: u64,
    /// Highest counter that came with an HMAC proof; never above `attested`.
    pub proven: u64,
    /// What is charged, per kind. Sticky: see [`super::upload`].
    pub charged: Counts,
    /// Every license issued, in any order.
    pub issued: Vec<Issued>,
}

/// What an uploaded request showed, after its signature was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The attested counter.
    pub counter: u64,
    /// The license whose activation secret made the request's HMAC, if one did.
    pub proof_of: Option<String>,
    /// May a proof lower the charge by itself? Not for TPMs that can be copied or that
    /// nobody vouches for.
    pub credits: bool,
    /// SHA-256 of the request's bytes.
    pub request_sha256: [u8; 32],
}

/// Why no license came of it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// An older request than one already seen, or a TPM that lies.
    #[error("the request's counter is {counter}, and {highest} was attested before")]
    CounterWentBack {
        /// What this request attests.
        counter: u64,
        /// What an earlier one attested.
        highest: u64,
    },
    /// No TPM counts that far.
    #[error("the request's counter {counter} is out of range")]
    CounterOutOfRange {
        /// What this request attests.
        counter: u64,
    },
    /// Too many files were fetched and not imported.
    #[error("{outstanding} licenses were issued and not imported")]
    TooManyOutstanding {
        /// How many wait.
        outstanding: usize,
    },
    /// There is no license this box could have had.
    #[error("no license was issued that this box could have used")]
    NothingToReissue,
}

impl Refusal {
    /// The stable code of the catalog.
    pub fn code(&self) -> &'static str {
        match self {
            Self::CounterWentBack { .. } => "SG-POR-002",
            Self::TooManyOutstanding { .. } => "SG-POR-003",
            Self::CounterOutOfRange { .. } => "SG-POR-007",
            Self::NothingToReissue => "SG-POR-008",
        }
    }
}

impl Row {
    /// Licenses that are ahead of everything the box attested.
    pub fn outstanding(&self) -> usize {
        self.issued
            .iter()
            .filter(|license| license.to > self.attested.max(self.proven))
            .count()
    }

    /// The newest license that a box at `counter` could have imported.
    pub fn newest_up_to(&self, counter: u64) -> Option<&Issued> {
        self.issued
            .iter()
            .filter(|license| license.to <= counter)
            .max_by_key(|license| license.to)
    }

    /// The newest license of all.
    pub fn newest(&self) -> Option<&Issued> {
        self.issued.iter().max_by_key(|license| license.to)
    }

    /// What the rules demand at least: per kind the maximum over the licenses still
    /// importable above the *proven* counter, and the newest at or below it.
    pub fn due(&self) -> Counts {
        self.issued
            .iter()
            .filter(|license| license.to >= self.proven)
            .chain(self.newest_up_to(self.proven))
            .fold(Counts::none(), |due, license| due.max(&license.counts))
    }

    /// What was given back by a smaller license and waits for the box's proof.
    pub fn waiting_for_return(&self) -> Counts {
        match self.newest() {
            Some(newest) => self.charged.above(&newest.counts),
            None => self.charged.clone(),
        }
    }

    /// Enters a license that was made by a [`super::Decision::New`].
    pub fn enter(&mut self, id: String, request_sha256: [u8; 32], made: &super::NewLicense) {
        self.charged = made.charged.clone();
        self.issued.push(Issued {
            id,
            from: made.from,
            to: made.to,
            counts: made.counts.clone(),
            request_sha256,
        });
    }

    pub(super) fn check_counter(&self, counter: u64) -> Result<(), Refusal> {
        if counter > MAX_COUNTER {
            return Err(Refusal::CounterOutOfRange { counter });
        }
        let highest = self.attested.max(self.proven);
        if counter < highest {
            return Err(Refusal::CounterWentBack { counter, highest });
        }
        Ok(())
    }

    pub(super) fn check_room(&self, extra: usize) -> Result<(), Refusal> {
        let outstanding = self.outstanding();
        if outstanding >= MAX_OUTSTANDING + extra {
            return Err(Refusal::TooManyOutstanding { outstanding });
        }
        Ok(())
    }
}
