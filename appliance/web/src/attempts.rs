//! Guessing grows slower with each wrong guess.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sealgate_base::Clock;
use sealgate_words::Problem;

use crate::errors::problem;

/// Wrong guesses before the first wait.
const FREE: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// After so long without a guess an address starts afresh.
const FORGET: Duration = Duration::from_secs(3600);
/// Addresses remembered; the one that was quiet longest makes room.
const ADDRESSES: usize = 1024;

/// Counts guesses by address. Not by user name: any machine could lock the owner out then.
pub(crate) struct Attempts {
    clock: Arc<dyn Clock>,
    by_address: Mutex<HashMap<IpAddr, Guesses>>,
}

#[derive(Debug, Clone, Copy)]
struct Guesses {
    wrong: u32,
    last: Duration,
}

impl Attempts {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            by_address: Mutex::new(HashMap::new()),
        }
    }

    /// Counts a guess as wrong in advance, so that many at once gain nothing; take it back
    /// with [`Attempts::was_right`].
    ///
    /// # Errors
    /// `SG-SES-005`: too early.
    pub(crate) fn begin(&self, peer: IpAddr) -> Result<(), Problem> {
        let now = self.clock.monotonic();
        let key = key(peer);
        let mut addresses = self.lock();
        addresses.retain(|_, guesses| now.saturating_sub(guesses.last) < FORGET);
        if addresses.len() >= ADDRESSES && !addresses.contains_key(&key) {
            let quietest = addresses
                .iter()
                .min_by_key(|(_, guesses)| guesses.last)
                .map(|(address, _)| *address);
            if let Some(quietest) = quietest {
                addresses.remove(&quietest);
            }
        }
        let guesses = addresses.entry(key).or_insert(Guesses {
            wrong: 0,
            last: now,
        });
        let until = guesses.last + wait_after(guesses.wrong);
        if now < until {
            let seconds = (until - now).as_secs_f64().ceil();
            tracing::warn!(%peer, wrong = guesses.wrong, "a guess came too early");
            return Err(problem(
                "SG-SES-005",
                &[("seconds", &format!("{seconds:.0}"))],
            ));
        }
        guesses.wrong = guesses.wrong.saturating_add(1);
        guesses.last = now;
        Ok(())
    }

    /// The guess was right, or was none.
    pub(crate) fn was_right(&self, peer: IpAddr) {
        self.lock().remove(&key(peer));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Guesses>> {
        self.by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait_after(wrong: u32) -> Duration {
    match wrong.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(more) => FIRST_WAIT
            .saturating_mul(1_u32.checked_shl(more).unwrap_or(u32::MAX))
            .min(LONGEST_WAIT),
    }
}

/// One machine has a whole IPv6 /64 to itself.
fn key(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(
            address.to_bits() & !u128::from(u64::MAX),
        )),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use sealgate_base::FakeClock;

    use super::*;

    fn attempts() -> (Arc<FakeClock>, Attempts) {
        let clock = Arc::new(FakeClock::at_utc_ms(0));
        (Arc::clone(&clock), Attempts::new(clock))
    }

    #[test]
    fn waits_double_after_five_and_end_with_a_right_guess() {
        let (clock, attempts) = attempts();
        let peer = "192.0.2.1".parse().unwrap();
        for _ in 0..FREE {
            attempts.begin(peer).unwrap();
        }
        for wait in [2, 4, 8] {
            let refused = attempts.begin(peer).unwrap_err();
            assert_eq!(refused.code, "SG-SES-005");
            assert!(refused.cure.contains(&format!("{wait} s")), "{refused:?}");
            clock.advance(Duration::from_secs(wait) - Duration::from_millis(1));
            attempts.begin(peer).unwrap_err();
            clock.advance(Duration::from_millis(1));
            attempts.begin(peer).unwrap();
        }
        attempts.was_right(peer);
        attempts.begin(peer).unwrap();
    }

    #[test]
    fn one_address_does_not_lock_out_another_but_a_subnet_is_one() {
        let (_, attempts) = attempts();
        for host in 0..u16::try_from(FREE).unwrap() {
            let peer = format!("2001:db8::{host:x}").parse().unwrap();
            attempts.begin(peer).unwrap();
        }
        attempts
            .begin("2001:db8::ffff".parse().unwrap())
            .unwrap_err();
        attempts.begin("2001:db8:0:1::1".parse().unwrap()).unwrap();
        attempts.begin("192.0.2.1".parse().unwrap()).unwrap();
    }

    #[test]
    fn memory_and_waits_are_bounded() {
        let (_, attempts) = attempts();
        for host in 0..2000_u32 {
            attempts.begin(IpAddr::V4(host.into())).unwrap();
        }
        assert!(attempts.lock().len() <= ADDRESSES);
        assert_eq!(wait_after(u32::MAX), LONGEST_WAIT);
        assert_eq!(wait_after(FREE + 40), LONGEST_WAIT);
    }
}
