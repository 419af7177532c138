//! The portal rules, each broken in one place, as a wrong change would break them. They
//! live here only: the portal has no switch for any of this.

use sealgate_portal::rules::{Ask, Custody, Decision, Observation, Refusal, Row, Rules, Term};
use sealgate_tests::model::{Configuration, PortalRules};

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// A proof shows that its license was imported, whatever the counter says.
    CreditAtAnyCounter,
    /// A re-issue waits for room like any license.
    NoSlotForReissue,
    /// Proofs are checked and forgotten.
    ProvenIsNeverRaised,
    /// Licenses are as near together as the grace reaches.
    SpacingIsTheGrace,
    /// `to` is a step above the last, wherever that is.
    OffTheGrid,
    /// `to` ignores the counter of the request.
    ToIgnoresTheCounter,
    /// No gap once licenses were forgotten.
    NoGap,
    /// Credit with the first license that is proven after the restore.
    CreditAtTheFirstProof,
    /// Credit with the second.
    CreditAtTheSecondProof,
    /// After a restore the first request is believed to be a new one.
    AnyRequestIsFresh,
    /// A lost journal is no event.
    NothingWasForgotten,
    /// A license is charged once it is proven.
    ChargeOnProof,
    /// A smaller license is credited when it is made.
    CreditOnIssue,
    /// A re-issue repeats what was proven, not what the counter allows.
    ReissueWhatWasProven,
    /// A license that is out already is made again.
    NeverAgain,
    /// Hardware comes back as it is.
    BackWithoutRaising,
    /// Hardware comes back raised to just above its licenses.
    BackRaisedByOne,
    /// Written-off hardware gets licenses.
    WrittenOffIsServed,
    /// One row for all attestation keys of a TPM.
    OneRowPerEk,
    /// Old requests are taken.
    CounterMayGoBack,
}

/// Rules with a mutation.
pub struct Mutant {
    pub rules: Rules,
    pub mutation: Mutation,
    pub spacing: u64,
}

impl Mutant {
    pub fn of(world: &Configuration, mutation: Mutation) -> Self {
        Self {
            rules: world.rules(),
            mutation,
            spacing: world.spacing.into(),
        }
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.mutation == mutation
    }

    /// The `to` of the license whose secret made the proof.
    fn proven_to(row: &Row, seen: &Observation) -> Option<u64> {
        let id = seen.proof_of.as_deref()?;
        let license = row.issued.iter().find(|license| license.id == id)?;
        Some(license.to)
    }
}

impl PortalRules for Mutant {
    fn upload(&self, row: &mut Row, seen: &Observation) -> Result<(), Refusal> {
        let before = row.clone();
        if self.is(Mutation::CounterMayGoBack) {
            (row.attested, row.proven) = (0, 0);
        }
        self.rules.upload(row, seen)?;
        row.attested = row.attested.max(before.attested);
        row.proven = row.proven.max(before.proven);
        let proof = Self::proven_to(row, seen);
        match self.mutation {
            Mutation::CreditAtAnyCounter => {
                if let Some(to) = proof {
                    row.credited = row.credited.max(to);
                }
            }
            Mutation::ProvenIsNeverRaised => {
                (row.proven, row.credited) = (before.proven, before.credited);
            }
            Mutation::CreditAtTheFirstProof => {
                if let (Some(to), Some(forgotten)) = (proof, before.forgotten)
                    && to > forgotten.after_to
                    && to == seen.counter
                {
                    row.credited = to;
                    row.forgotten = None;
                }
            }
            Mutation::CreditAtTheSecondProof => {
                if let (Some(to), Some(forgotten)) = (proof, before.forgotten)
                    && forgotten.fresh_at.is_some_and(|fresh| fresh < to)
                    && to == seen.counter
                {
                    row.credited = to;
                    row.forgotten = None;
                }
            }
            Mutation::AnyRequestIsFresh => {
                if let Some(forgotten) = &mut row.forgotten {
                    forgotten.fresh_at.get_or_insert(seen.counter);
                }
            }
            _ => {}
        }
        row.settle(seen.at_utc_s);
        if self.is(Mutation::CreditOnIssue) || self.is(Mutation::ChargeOnProof) {
            row.charged = before.charged;
            if proof == Some(seen.counter) {
                row.charged = row.due(seen.counter, seen.at_utc_s);
            }
        }
        Ok(())
    }

    fn decide(&self, row: &Row, seen: &Observation, ask: &Ask) -> Result<Decision, Refusal> {
        let mut row = row.clone();
        let real = row.clone();
        let mut ask = ask.clone();
        match self.mutation {
            Mutation::NoSlotForReissue => {
                if ask == Ask::Reissue
                    && let Some(had) = row.newest_up_to(seen.counter, seen.at_utc_s)
                {
                    ask = Ask::Issue(had.counts.clone());
                }
            }
            Mutation::ReissueWhatWasProven if ask == Ask::Reissue => {
                let had = row.newest_up_to(row.proven, seen.at_utc_s);
                let had = had.ok_or(Refusal::NothingToReissue)?;
                ask = Ask::Issue(had.counts.clone());
            }
            Mutation::NeverAgain => {
                for license in &mut row.issued {
                    if license.to >= seen.counter {
                        // Nothing else that is asked for is for a time.
                        license.term = Term::Dated {
                            ends_utc_s: i64::MAX,
                        };
                    }
                }
            }
            Mutation::WrittenOffIsServed => row.custody = Custody::Owner,
            Mutation::CounterMayGoBack => (row.attested, row.proven) = (0, 0),
            _ => {}
        }
        let mut decision = self.rules.decide(&row, seen, &ask)?;
        if let Decision::New(made) = &mut decision {
            let highest = real.highest_to();
            let above = |counter: u64, step: u64| (counter / step + 1) * step;
            match self.mutation {
                Mutation::SpacingIsTheGrace => {
                    made.to = above(highest.max(real.proven).max(seen.counter), 2);
                }
                Mutation::OffTheGrid => {
                    made.to = highest.max(real.proven).max(seen.counter) + 1;
                }
                Mutation::ToIgnoresTheCounter => {
                    made.to = above(highest.max(real.proven), self.spacing);
                }
                Mutation::NoGap => {
                    made.to = above(highest.max(real.proven).max(seen.counter), self.spacing);
                }
                Mutation::ChargeOnProof => made.charged = real.charged.clone(),
                Mutation::CreditOnIssue => made.charged = made.counts.clone(),
                _ => {}
            }
        }
        Ok(decision)
    }

    fn forget(&self, row: &mut Row) {
        if !self.is(Mutation::NothingWasForgotten) {
            self.rules.forget(row);
        }
    }

    fn write_off(&self, row: &mut Row) -> Result<(), Refusal> {
        self.rules.write_off(row)
    }

    fn raised_to(&self, row: &Row) -> u64 {
        match self.mutation {
            Mutation::BackWithoutRaising => row.attested,
            Mutation::BackRaisedByOne => row.highest_to() + 1,
            _ => self.rules.raised_to(row),
        }
    }

    fn hardware_back(&self, row: &mut Row, seen: &Observation) -> Result<(), Refusal> {
        if self.is(Mutation::BackWithoutRaising) || self.is(Mutation::BackRaisedByOne) {
            if row.custody != Custody::WrittenOff {
                return Err(Refusal::NotWrittenOff);
            }
            row.custody = Custody::Owner;
            row.attested = seen.counter;
            // It believes what it was told: all of it is void.
            row.void_below = row.highest_to() + 1;
            row.settle(seen.at_utc_s);
            return Ok(());
        }
        self.rules.hardware_back(row, seen)
    }

    fn one_row_per_ek(&self) -> bool {
        self.is(Mutation::OneRowPerEk)
    }
}
