//! How long to wait before the next attempt to reach a camera.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// Doubles from half a second to half a minute, each time shortened by a random half at most, so
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
    pub fn next(&mut self, random: f64) -> Duration {
        let whole = FIRST.saturating_mul(1 << self.failures.min(6)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        whole.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_a_cap_and_starts_again() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..9).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(
            waits,
            [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]
        );
        backoff.reset();
        assert_eq!(backoff.next(0.0), Duration::from_millis(250));
        assert_eq!(backoff.next(0.5), Duration::from_millis(750));
    }
}
