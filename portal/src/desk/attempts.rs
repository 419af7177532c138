//! Slows down whoever guesses passwords and codes. The counts are in the database, so that
//! two portals on it are not twice as fast, and a restart forgives nothing.

use sha2::{Digest as _, Sha256};

use super::{Desk, DeskError};
use crate::store::people::Attempts;
use crate::store::{UserId, transact};

/// This many wrong ones in a row are free.
const FREE: u32 = 5;
/// Then each wait is twice the one before, up to this many seconds.
const LONGEST_WAIT_S: i64 = 15 * 60;
/// After this long without an attempt, all is forgotten.
const FORGET_S: i64 = 60 * 60;

/// What is guessed at.
pub(super) struct Subject([u8; 32]);

impl Subject {
    /// The password of an address, known or not.
    pub(super) fn address(email: &str) -> Self {
        Self(Sha256::digest(format!("address:{}", email.trim().to_lowercase())).into())
    }

    /// The second factor of a user.
    pub(super) fn code(user: UserId) -> Self {
        Self(Sha256::digest(format!("code:{user}")).into())
    }

    /// The password of somebody who is signed in.
    pub(super) fn present(user: UserId) -> Self {
        Self(Sha256::digest(format!("present:{user}")).into())
    }
}

fn wait_s(attempts: Attempts) -> i64 {
    match attempts.count.checked_sub(FREE) {
        None => 0,
        Some(over) => (1_i64 << over.min(30)).min(LONGEST_WAIT_S),
    }
}

impl Desk {
    /// Counts an attempt before it is looked at: of many at once, on whichever portal, no
    /// more are looked at than one after the other.
    pub(super) fn begin_attempt(&self, subject: &Subject) -> Result<(), DeskError> {
        let now_s = self.now().as_second();
        self.transact(|tx| {
            let before = (tx.attempts(&subject.0)?)
                .filter(|attempts| now_s - attempts.last_utc_s < FORGET_S);
            if let Some(before) = before {
                let left_s = before.last_utc_s + wait_s(before) - now_s;
                if left_s > 0 {
                    return Err(DeskError::TooManyAttempts { wait_s: left_s });
                }
            }
            let attempts = Attempts {
                count: before.map_or(0, |before| before.count).saturating_add(1),
                last_utc_s: now_s,
            };
            Ok(tx.put_attempts(&subject.0, attempts, now_s - FORGET_S)?)
        })
    }

    /// The attempt was right: the wrong ones before it are forgotten.
    pub(super) fn succeeded(&self, subject: &Subject) -> Result<(), DeskError> {
        transact(
            self.store.as_ref(),
            |tx| Ok(tx.delete_attempts(&subject.0)?),
        )
    }
}

/// Forgets every wrong attempt at an account.
pub(super) fn forgive(
    tx: &mut dyn crate::store::Tx,
    email: &str,
    user: UserId,
) -> Result<(), crate::store::StoreError> {
    for subject in [
        Subject::address(email),
        Subject::code(user),
        Subject::present(user),
    ] {
        tx.delete_attempts(&subject.0)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_quarter_of_an_hour() {
        for (count, expected) in [
            (0, 0),
            (4, 0),
            (5, 1),
            (6, 2),
            (10, 32),
            (40, LONGEST_WAIT_S),
        ] {
            let attempts = Attempts {
                count,
                last_utc_s: 0,
            };
            assert_eq!(wait_s(attempts), expected, "{count}");
        }
        assert_eq!(Subject::address(" A@b ").0, Subject::address("a@B").0);
    }
}
