//! How long to wait before the next attempt to reach a camera.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);

/// What failed, and so how long the waits become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The camera is not there, or does not work at present. Once it does, it is recorded again
    /// within two seconds.
    Outage,
    /// The camera works and says no: a person must change something, and too many attempts may
    /// lock the account.
    Refusal,
}

impl Failure {
    fn longest_wait(self) -> Duration {
        match self {
            Self::Outage => Duration::from_secs(1),
            Self::Refusal => Duration::from_secs(30),
        }
    }
}

/// Doubles from half a second to a longest wait, each time shortened by a random half at most, so
/// that cameras behind one failed switch do not come back in step.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The camera works: the next failure is a first one.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after one more failure; `random` is from 0 to 1.
    pub fn next(&mut self, failure: Failure, random: f64) -> Duration {
        let whole = FIRST
            .saturating_mul(1 << self.failures.min(6))
            .min(failure.longest_wait());
        self.failures = self.failures.saturating_add(1);
        whole.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(failure: Failure) -> Vec<u128> {
        let mut backoff = Backoff::default();
        (0..9)
            .map(|_| backoff.next(failure, 1.0).as_millis())
            .collect()
    }

    #[test]
    fn doubles_to_a_cap_and_starts_again() {
        assert_eq!(
            waits(Failure::Refusal),
            [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]
        );
        assert_eq!(
            waits(Failure::Outage),
            [500, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000]
        );
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next(Failure::Outage, 0.0).as_millis(), 250);
        assert_eq!(backoff.next(Failure::Refusal, 0.5).as_millis(), 750);
        backoff.reset();
        assert_eq!(backoff.next(Failure::Refusal, 0.0).as_millis(), 250);
    }
}
