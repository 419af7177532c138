//! Slows down whoever guesses passwords.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// This many wrong passwords in a row are free.
const FREE: u32 = 5;
/// Then each wait is twice the one before, up to this many seconds.
const LONGEST_WAIT_S: i64 = 15 * 60;
/// After this long without an attempt, all is forgotten.
const FORGET_S: i64 = 60 * 60;
/// At most this many addresses are remembered.
const MOST_REMEMBERED: usize = 10_000;

/// Wrong passwords, by e-mail address.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<HashMap<String, Failures>>);

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last_utc_s: i64,
}

impl Failures {
    fn wait_s(&self) -> i64 {
        match self.count.checked_sub(FREE) {
            None => 0,
            Some(over) => (1_i64 << over.min(30)).min(LONGEST_WAIT_S),
        }
    }
}

impl Attempts {
    /// How many seconds this address still has to wait.
    pub(super) fn wait_s(&self, email: &str, now_utc_s: i64) -> i64 {
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.get(&email.to_lowercase()).map_or(0, |failures| {
            (failures.last_utc_s + failures.wait_s() - now_utc_s).max(0)
        })
    }

    /// Notes a wrong password.
    pub(super) fn failed(&self, email: &str, now_utc_s: i64) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= MOST_REMEMBERED {
            failures.retain(|_, failures| now_utc_s - failures.last_utc_s < FORGET_S);
        }
        if failures.len() >= MOST_REMEMBERED {
            failures.clear();
        }
        let entry = failures.entry(email.to_lowercase()).or_insert(Failures {
            count: 0,
            last_utc_s: now_utc_s,
        });
        if now_utc_s - entry.last_utc_s >= FORGET_S {
            entry.count = 0;
        }
        entry.count = entry.count.saturating_add(1);
        entry.last_utc_s = now_utc_s;
    }

    /// Forgets the address's wrong passwords.
    pub(super) fn succeeded(&self, email: &str) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.remove(&email.to_lowercase());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_are_forgotten() {
        let attempts = Attempts::default();
        for _ in 0..4 {
            attempts.failed("a@b", 100);
        }
        assert_eq!(attempts.wait_s("A@b", 100), 0);
        attempts.failed("a@b", 100);
        assert_eq!(attempts.wait_s("a@b", 100), 1);
        attempts.failed("a@b", 101);
        assert_eq!(
            (attempts.wait_s("a@b", 101), attempts.wait_s("a@b", 102)),
            (2, 1)
        );
        for _ in 0..40 {
            attempts.failed("a@b", 200);
        }
        assert_eq!(attempts.wait_s("a@b", 200), LONGEST_WAIT_S);
        assert_eq!(attempts.wait_s("c@d", 200), 0, "others are not held up");
        attempts.succeeded("a@B");
        assert_eq!(attempts.wait_s("a@b", 200), 0);
    }
}
