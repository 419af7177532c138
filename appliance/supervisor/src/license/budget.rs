//! How long a TPM that only asks to be asked again is believed.

use std::time::Duration;

/// How long the last decision stands while the TPM is busy, counted from the first busy
/// answer after a proof that held. Only such a proof starts the count anew.
const BUDGET: Duration = Duration::from_hours(24);

/// What a busy TPM means for the decision in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// The last decision stays, for this long at most.
    Keep {
        /// What is left of the budget.
        left: Duration,
    },
    /// Close every channel.
    Exhausted,
}

/// The budget of transient TPM answers. Times are of a monotonic clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransientBudget {
    busy_since: Option<Duration>,
}

impl TransientBudget {
    /// The TPM was busy.
    pub fn busy(&mut self, now: Duration) -> Patience {
        let since = *self.busy_since.get_or_insert(now);
        match BUDGET.checked_sub(now.saturating_sub(since)) {
            Some(left) if !left.is_zero() => Patience::Keep { left },
            _ => Patience::Exhausted,
        }
    }

    /// The TPM proved a license.
    pub fn proven(&mut self) {
        self.busy_since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn keeps_for_a_day_and_no_longer() {
        let mut budget = TransientBudget::default();
        assert_eq!(budget.busy(5 * HOUR), Patience::Keep { left: 24 * HOUR });
        assert_eq!(budget.busy(28 * HOUR), Patience::Keep { left: HOUR });
        assert_eq!(budget.busy(29 * HOUR), Patience::Exhausted);
        assert_eq!(budget.busy(900 * HOUR), Patience::Exhausted);
    }

    #[test]
    fn only_a_proof_starts_it_anew() {
        let mut budget = TransientBudget::default();
        budget.busy(HOUR);
        budget.proven();
        assert_eq!(budget.busy(40 * HOUR), Patience::Keep { left: 24 * HOUR });
    }
}
