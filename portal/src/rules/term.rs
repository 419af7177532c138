//! Licenses that end.
//!
//! A license with an end is charged until then, and no longer: nothing has to come back
//! from the box. The box measures time by its TPM: below a floor that rises with the TPM's
//! clock it takes no instant, so setting its clock back gains nothing while it runs. A box
//! that is kept switched off keeps the running time it has not used. So what it can use in
//! all is the channels times the days that were charged, but for what the floor leaves open
//! (`docs/decisions/0007-a-floor-under-the-clock.md`): a tolerance for slow TPM clocks, and
//! 30 days, once, where the stored floor was deleted. TPM2_Clear sets the TPM's clock back,
//! so a license with an end has no grace: it has to be issued again, with the same end.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Counts;

/// How long after a license's end its charge stays, in seconds: what an honest box's clock
/// may be off.
pub const TERM_SLACK_S: i64 = 24 * 3600;

/// Until when a license gives something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Term {
    /// For ever: charged until the box proves that it has another.
    #[default]
    Perpetual,
    /// To try something: not charged, but limited by a [`TrialPolicy`].
    Trial {
        /// Its last second, since 1970.
        ends_utc_s: i64,
    },
    /// Sold for a time.
    Dated {
        /// Its last second, since 1970.
        ends_utc_s: i64,
    },
    /// Bridges a conversion from one kind of binding to another: both are charged, so
    /// that no moment is without rights and none is unpaid.
    Overlap {
        /// Its last second, since 1970.
        ends_utc_s: i64,
    },
}

impl Term {
    /// Its last second since 1970; none for ever.
    pub fn ends_utc_s(self) -> Option<i64> {
        match self {
            Self::Perpetual => None,
            Self::Trial { ends_utc_s }
            | Self::Dated { ends_utc_s }
            | Self::Overlap { ends_utc_s } => Some(ends_utc_s),
        }
    }

    /// Has its last second passed? A box may still use it within the slack.
    pub fn has_ended(self, now_utc_s: i64) -> bool {
        self.ends_utc_s().is_some_and(|ends| ends <= now_utc_s)
    }

    /// Does no box use it any more, however its clock stands?
    pub fn is_over(self, now_utc_s: i64) -> bool {
        self.ends_utc_s()
            .is_some_and(|ends| ends.saturating_add(TERM_SLACK_S) <= now_utc_s)
    }

    /// Does it cost channels?
    pub fn is_charged(self) -> bool {
        !matches!(self, Self::Trial { .. })
    }
}

/// What may be tried without being paid for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialPolicy {
    /// At most this many of each kind.
    pub most: Counts,
    /// At most this long, in days.
    pub most_days: u16,
    /// So often for one endorsement key.
    pub times: usize,
}

/// Why there is no trial.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TrialRefusal {
    /// More than may be tried.
    #[error("at most {most} of {kind} may be tried")]
    TooMany {
        /// Of which kind.
        kind: String,
        /// The most.
        most: u32,
    },
    /// Longer than may be tried.
    #[error("a trial lasts {most_days} days at most")]
    TooLong {
        /// The most.
        most_days: u16,
    },
    /// This TPM has had its trials.
    #[error("this TPM has had its trial")]
    Had,
}

impl TrialPolicy {
    /// May this be tried until `ends_utc_s`, by a TPM that has had `had` trials?
    ///
    /// # Errors
    /// Too many, too long, or once too often.
    pub fn check(
        &self,
        counts: &Counts,
        now_utc_s: i64,
        ends_utc_s: i64,
        had: usize,
    ) -> Result<(), TrialRefusal> {
        if had >= self.times {
            return Err(TrialRefusal::Had);
        }
        if let Some((kind, _)) = counts.above(&self.most).iter().next() {
            return Err(TrialRefusal::TooMany {
                kind: kind.to_owned(),
                most: self.most.get(kind),
            });
        }
        if ends_utc_s.saturating_sub(now_utc_s) > i64::from(self.most_days) * 24 * 3600 {
            return Err(TrialRefusal::TooLong {
                most_days: self.most_days,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 3600;

    #[test]
    fn a_term_is_over_a_day_after_its_end() {
        assert!(!Term::Perpetual.is_over(i64::MAX));
        let dated = Term::Dated { ends_utc_s: 1000 };
        assert!(!dated.is_over(1000 + DAY - 1) && dated.is_over(1000 + DAY));
        assert!(
            !Term::Overlap {
                ends_utc_s: i64::MAX
            }
            .is_over(i64::MAX - 1)
        );
    }

    #[test]
    fn a_trial_is_small_short_and_given_once() {
        let policy = TrialPolicy {
            most: Counts::of("camera", 8),
            most_days: 30,
            times: 1,
        };
        let check =
            |kind, count, days, had| policy.check(&Counts::of(kind, count), 5, 5 + days * DAY, had);
        assert_eq!(check("camera", 8, 30, 0), Ok(()));
        assert_eq!(check("camera", 8, 30, 1), Err(TrialRefusal::Had));
        assert_eq!(
            check("camera", 8, 31, 0),
            Err(TrialRefusal::TooLong { most_days: 30 })
        );
        for (kind, count, most) in [("camera", 9, 8), ("vca", 1, 0)] {
            let refusal = TrialRefusal::TooMany {
                kind: kind.to_owned(),
                most,
            };
            assert_eq!(check(kind, count, 1, 0), Err(refusal));
        }
    }
}
