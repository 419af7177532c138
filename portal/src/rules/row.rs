//! What the portal knows of one (endorsement key, attestation key) pair.

use thiserror::Error;

use super::{Counts, Custody, Forgotten, MAX_COUNTER, Term};

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
    /// Until when.
    pub term: Term,
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
    /// Highest counter whose proof was credited; never above `proven`. The charge rests
    /// on the licenses from here on.
    pub credited: u64,
    /// Licenses with a lower `to` were issued before the hardware was taken back.
    pub void_below: u64,
    /// What is charged, per kind: as of the last change, see [`Row::settle`].
    pub charged: Counts,
    /// Where the hardware is.
    pub custody: Custody,
    /// Were licenses forgotten?
    pub forgotten: Option<Forgotten>,
    /// Every license issued, in any order.
    pub issued: Vec<Issued>,
}

/// What an uploaded request showed, after its signature was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// When, in seconds since 1970.
    pub at_utc_s: i64,
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
    /// The license would be over before it begins.
    #[error("the license would end before it begins")]
    EndsInThePast,
    /// The hardware was reported as failed or lost.
    #[error("the hardware was written off")]
    WrittenOff,
    /// The hardware was not reported as failed or lost.
    #[error("the hardware was not written off")]
    NotWrittenOff,
    /// Hardware that is taken back could still import what it had.
    #[error("the counter of the returned hardware is {counter}, and it takes {needed}")]
    NotRaised {
        /// What its request attests.
        counter: u64,
        /// What it has to be at least.
        needed: u64,
    },
}

impl Refusal {
    /// The stable code of the catalog.
    pub fn code(&self) -> &'static str {
        match self {
            Self::CounterWentBack { .. } => "SG-POR-002",
            Self::TooManyOutstanding { .. } => "SG-POR-003",
            Self::CounterOutOfRange { .. } => "SG-POR-007",
            Self::NothingToReissue => "SG-POR-008",
            Self::EndsInThePast => "SG-POR-070",
            Self::WrittenOff => "SG-POR-071",
            Self::NotWrittenOff => "SG-POR-072",
            Self::NotRaised { .. } => "SG-POR-073",
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

    /// The highest `to` of all; 0 when nothing was issued.
    pub fn highest_to(&self) -> u64 {
        let all = self.issued.iter().map(|license| license.to);
        all.max().unwrap_or(0)
    }

    /// The licenses of the hardware's present life.
    fn live(&self) -> impl Iterator<Item = &Issued> {
        (self.issued.iter()).filter(|license| license.to >= self.void_below)
    }

    /// The newest license that a box at `counter` could have imported and that has not
    /// ended: when a trial ends, what the box had before it.
    pub fn newest_up_to(&self, counter: u64, now_utc_s: i64) -> Option<&Issued> {
        self.live()
            .filter(|license| license.to <= counter && !license.term.has_ended(now_utc_s))
            .max_by_key(|license| license.to)
    }

    /// The newest license of all.
    pub fn newest(&self) -> Option<&Issued> {
        self.live().max_by_key(|license| license.to)
    }

    /// Looks up a license by its id.
    pub(super) fn license(&self, id: &str) -> Option<&Issued> {
        self.live().find(|license| license.id == id)
    }

    /// What the rules demand at least, given a box whose counter is `counter` or above:
    /// per kind the maximum over the licenses still importable, the newest at or below,
    /// and below a license with an end the one that follows it.
    pub fn due(&self, counter: u64, now_utc_s: i64) -> Counts {
        let below = |perpetual: bool| {
            self.live()
                .filter(|license| license.to <= counter)
                .filter(|license| !perpetual || license.term == Term::Perpetual)
                .max_by_key(|license| license.to)
        };
        self.live()
            .filter(|license| license.to >= counter)
            .chain(below(false))
            .chain(below(true))
            .filter(|license| license.term.is_charged() && !license.term.is_over(now_utc_s))
            .fold(Counts::none(), |due, license| due.max(&license.counts))
    }

    /// Brings the charge up to date. It is what is due above the last *credited* proof: so
    /// it rises with each license, and falls only by a proof that is credited
    /// ([`super::upload`]), by the end of a license, and when hardware is taken back.
    pub fn settle(&mut self, now_utc_s: i64) {
        self.charged = self.due(self.credited, now_utc_s);
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
        self.issued.push(made.issued(id, request_sha256));
    }

    /// Enters a license that only the journal knew, made for a request that attested
    /// `attested`.
    pub fn replay(&mut self, license: Issued, attested: u64, now_utc_s: i64) {
        self.attested = self.attested.max(attested);
        self.issued.push(license);
        self.settle(now_utc_s);
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
}
