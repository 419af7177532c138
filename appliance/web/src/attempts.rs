//! Guessing grows slower with each wrong guess.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sealgate_base::Clock;
use sealgate_words::Problem;

use crate::errors::problem;

/// Wrong guesses from one address before the first wait.
const FREE: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// An account is guessed at from many addresses at once; its owner mistypes from one.
const ACCOUNT_FREE: u32 = 15;
/// Shorter than for an address: whoever keeps guessing must not keep the owner out for long.
const ACCOUNT_LONGEST_WAIT: Duration = Duration::from_secs(60);
/// After so long without a guess an address or account starts afresh.
const FORGET: Duration = Duration::from_secs(3600);
/// Addresses, and accounts, remembered; the one that was quiet longest makes room.
const REMEMBERED: usize = 1024;

/// As long as a user's name can be.
const LONGEST_NAME: usize = 64;

/// Counts guesses by address and by account. An address from which the account was signed
/// in to before doesn't wait for the account: no other machine can lock its owner out there.
pub(crate) struct Attempts {
    clock: Arc<dyn Clock>,
    counted: Mutex<Counted>,
}

#[derive(Default)]
struct Counted {
    addresses: HashMap<IpAddr, Guesses>,
    accounts: HashMap<String, Guesses>,
    /// Where each account was signed in to.
    known: HashSet<(IpAddr, String)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Guesses {
    wrong: u32,
    last: Duration,
}

impl Attempts {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            counted: Mutex::default(),
        }
    }

    /// Counts a guess as wrong in advance, so that many at once gain nothing; take it back
    /// with [`Attempts::was_right`] or [`Attempts::was_none`].
    ///
    /// # Errors
    /// `SG-SES-005`, `SG-SES-027`: too early for the address, the account.
    pub(crate) fn begin(&self, peer: IpAddr, account: &str) -> Result<(), Problem> {
        let now = self.clock.monotonic();
        let address = key(peer);
        let mut counted = self.lock();
        let Counted {
            addresses,
            accounts,
            known,
        } = &mut *counted;
        make_room(addresses, &address, now);
        let of_address = addresses.get(&address).copied().unwrap_or_default();
        wait(of_address, FREE, LONGEST_WAIT, now)
            .map_err(|seconds| refuse("SG-SES-005", &seconds))?;
        let account: String = account.chars().take(LONGEST_NAME).collect();
        if !known.contains(&(address, account.clone())) {
            make_room(accounts, &account, now);
            let of_account = accounts.get(&account).copied().unwrap_or_default();
            wait(of_account, ACCOUNT_FREE, ACCOUNT_LONGEST_WAIT, now)
                .map_err(|seconds| refuse("SG-SES-027", &seconds))?;
            accounts.insert(account, of_account.with_one_more(now));
        }
        addresses.insert(address, of_address.with_one_more(now));
        Ok(())
    }

    /// Somebody is signed in.
    pub(crate) fn was_right(&self, peer: IpAddr, account: &str) {
        let mut counted = self.lock();
        counted.addresses.remove(&key(peer));
        counted.accounts.remove(account);
        if counted.known.len() >= REMEMBERED {
            counted.known.clear();
        }
        counted.known.insert((key(peer), account.to_owned()));
    }

    /// The guess was no guess, or only half the proof: it counts for nothing.
    pub(crate) fn was_none(&self, peer: IpAddr, account: &str) {
        let mut counted = self.lock();
        if let Some(guesses) = counted.addresses.get_mut(&key(peer)) {
            guesses.wrong = guesses.wrong.saturating_sub(1);
        }
        if let Some(guesses) = counted.accounts.get_mut(account) {
            guesses.wrong = guesses.wrong.saturating_sub(1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guesses {
    fn with_one_more(self, now: Duration) -> Self {
        Self {
            wrong: self.wrong.saturating_add(1),
            last: now,
        }
    }
}

fn refuse(code: &'static str, seconds: &str) -> Problem {
    tracing::warn!(code, seconds, "a guess came too early");
    problem(code, &[("seconds", seconds)])
}

fn make_room<K: Eq + Hash + Clone>(of: &mut HashMap<K, Guesses>, coming: &K, now: Duration) {
    of.retain(|_, guesses| now.saturating_sub(guesses.last) < FORGET);
    if of.len() >= REMEMBERED && !of.contains_key(coming) {
        let quietest = of
            .iter()
            .min_by_key(|(_, guesses)| guesses.last)
            .map(|(key, _)| key.clone());
        if let Some(quietest) = quietest {
            of.remove(&quietest);
        }
    }
}

/// The seconds still to wait, in words, if any.
fn wait(guesses: Guesses, free: u32, longest: Duration, now: Duration) -> Result<(), String> {
    let until = guesses.last + wait_after(guesses.wrong, free, longest);
    if now < until {
        Err(format!("{:.0}", (until - now).as_secs_f64().ceil()))
    } else {
        Ok(())
    }
}

fn wait_after(wrong: u32, free: u32, longest: Duration) -> Duration {
    match wrong.checked_sub(free) {
        None => Duration::ZERO,
        Some(more) => FIRST_WAIT
            .saturating_mul(1_u32.checked_shl(more).unwrap_or(u32::MAX))
            .min(longest),
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
            attempts.begin(peer, "owner").unwrap();
        }
        for wait in [2, 4, 8] {
            let refused = attempts.begin(peer, "owner").unwrap_err();
            assert_eq!(refused.code, "SG-SES-005");
            assert!(refused.cure.contains(&format!("{wait} s")), "{refused:?}");
            clock.advance(Duration::from_secs(wait) - Duration::from_millis(1));
            attempts.begin(peer, "owner").unwrap_err();
            clock.advance(Duration::from_millis(1));
            attempts.begin(peer, "owner").unwrap();
        }
        attempts.was_right(peer, "owner");
        attempts.begin(peer, "owner").unwrap();
    }

    #[test]
    fn one_address_does_not_lock_out_another_but_a_subnet_is_one() {
        let (_, attempts) = attempts();
        for host in 0..u16::try_from(FREE).unwrap() {
            let peer = format!("2001:db8::{host:x}").parse().unwrap();
            attempts.begin(peer, "owner").unwrap();
        }
        attempts
            .begin("2001:db8::ffff".parse().unwrap(), "owner")
            .unwrap_err();
        attempts
            .begin("2001:db8:0:1::1".parse().unwrap(), "owner")
            .unwrap();
        attempts
            .begin("192.0.2.1".parse().unwrap(), "owner")
            .unwrap();
    }

    #[test]
    fn an_account_that_many_addresses_guess_at_waits_but_not_where_its_owner_is_known() {
        let (clock, attempts) = attempts();
        let home = "192.0.2.1".parse().unwrap();
        attempts.begin(home, "owner").unwrap();
        attempts.was_right(home, "owner");
        let elsewhere = |host: u32| IpAddr::V4((0x0a00_0000 + host).into());
        for host in 0..ACCOUNT_FREE {
            attempts.begin(elsewhere(host), "owner").unwrap();
        }
        let refused = attempts.begin(elsewhere(999), "owner").unwrap_err();
        assert_eq!(refused.code, "SG-SES-027");
        attempts.begin(elsewhere(999), "ann").unwrap();
        attempts.begin(home, "owner").unwrap();
        clock.advance(FIRST_WAIT);
        attempts.begin(elsewhere(999), "owner").unwrap();
    }

    #[test]
    fn half_a_proof_neither_counts_nor_clears() {
        let (_, attempts) = attempts();
        let peer = "192.0.2.1".parse().unwrap();
        for _ in 0..FREE {
            // The password is right, the code is wrong.
            attempts.begin(peer, "owner").unwrap();
            attempts.was_none(peer, "owner");
            attempts.begin(peer, "owner").unwrap();
        }
        attempts.begin(peer, "owner").unwrap_err();
    }

    #[test]
    fn memory_and_waits_are_bounded() {
        let (_, attempts) = attempts();
        for host in 0..2000_u32 {
            let name = format!("{host}{}", "x".repeat(9000));
            attempts.begin(IpAddr::V4(host.into()), &name).unwrap();
        }
        let counted = attempts.lock();
        assert!(counted.addresses.len() <= REMEMBERED && counted.accounts.len() <= REMEMBERED);
        assert!(
            counted
                .accounts
                .keys()
                .all(|name| name.len() <= LONGEST_NAME)
        );
        drop(counted);
        for wrong in [u32::MAX, FREE + 40] {
            assert_eq!(wait_after(wrong, FREE, LONGEST_WAIT), LONGEST_WAIT);
        }
    }
}
