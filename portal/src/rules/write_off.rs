//! Hardware that failed or is lost: its channels are written off, so that its owner can
//! use them on another box, and the vendor bears the risk until the hardware is back.

use super::{Counts, Observation, Refusal, Row, Rules};

/// How far above every `to` that was ever issued to it the counter of returned hardware
/// was raised: one more than the box's grace.
pub const RAISED_ABOVE: u64 = super::GRACE + 1;

/// Where the hardware is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Custody {
    /// With its owner.
    #[default]
    Owner,
    /// Reported as failed or lost: charged as a write-off, and it must not be seen again
    /// until it is back.
    WrittenOff,
}

impl Row {
    /// What of its charge is a write-off.
    pub fn written_off(&self) -> Counts {
        match self.custody {
            Custody::Owner => Counts::none(),
            Custody::WrittenOff => self.charged.clone(),
        }
    }
}

impl Rules {
    /// Writes the row off. The charge stays; the ledger books it as a write-off.
    ///
    /// # Errors
    /// It is written off already.
    pub fn write_off(&self, row: &mut Row) -> Result<(), Refusal> {
        if row.custody == Custody::WrittenOff {
            return Err(Refusal::WrittenOff);
        }
        row.custody = Custody::WrittenOff;
        Ok(())
    }

    /// The counter that written-off hardware has to be raised to before its charge ends.
    /// If licenses were forgotten, a request that the hardware made when it arrived must
    /// have been uploaded first, as it bounds what they can be.
    pub fn raised_to(&self, row: &Row) -> u64 {
        let known = row.highest_to().max(row.attested);
        match row.forgotten {
            None => row.highest_to() + RAISED_ABOVE,
            Some(_) => known + self.gap() + self.window() + RAISED_ABOVE,
        }
    }

    /// The hardware is back with the vendor, who raised its counter and made a request on
    /// it. All it ever had is void; it can be sold again.
    ///
    /// # Errors
    /// It is not written off, or its counter is not raised far enough.
    pub fn hardware_back(&self, row: &mut Row, seen: &Observation) -> Result<(), Refusal> {
        if row.custody != Custody::WrittenOff {
            return Err(Refusal::NotWrittenOff);
        }
        row.check_counter(seen.counter)?;
        let needed = self.raised_to(row);
        if seen.counter < needed {
            return Err(Refusal::NotRaised {
                counter: seen.counter,
                needed,
            });
        }
        row.custody = Custody::Owner;
        row.attested = seen.counter;
        row.void_below = seen.counter;
        row.forgotten = None;
        row.settle(seen.at_utc_s);
        Ok(())
    }
}
