//! Argon2id (RFC 9106) with the crate's defaults: 19 MiB, 2 passes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use argon2::Argon2;
use argon2::password_hash::phc::{PasswordHash, Salt};
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use rand_core::CryptoRng;

use super::error::DeskError;

/// The least characters of a password.
pub(super) const LEAST_CHARACTERS: usize = 12;
/// The most bytes that are hashed at all.
const MOST_BYTES: usize = 1024;

/// At most this many wait for their turn; the next is told to come back.
const MOST_WAITING: usize = 8;

/// Hashing, one at a time: each takes 19 MiB and a core, and anyone may ask for one. The
/// line is short, so that a flood of sign-ins does not hold every thread of the portal.
#[derive(Debug, Default)]
pub(super) struct Hashing {
    turn: Mutex<()>,
    waiting: AtomicUsize,
}

impl Hashing {
    /// See [`hash`].
    pub(super) fn hash(&self, password: &str) -> Result<String, DeskError> {
        self.in_turn(|| hash(password, &mut rand::rng()))?
    }

    /// See [`verify`].
    pub(super) fn verify(&self, password: &str, phc: Option<&str>) -> Result<bool, DeskError> {
        self.in_turn(|| verify(password, phc))
    }

    fn in_turn<T>(&self, work: impl FnOnce() -> T) -> Result<T, DeskError> {
        let ahead = self.waiting.fetch_add(1, Ordering::Relaxed);
        let result = if ahead > MOST_WAITING {
            Err(DeskError::TooManyAttempts { wait_s: 1 })
        } else {
            let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            let result = work();
            drop(turn);
            Ok(result)
        };
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        result
    }
}

/// Hashes a new password into a PHC string.
pub(super) fn hash(password: &str, rng: &mut dyn CryptoRng) -> Result<String, DeskError> {
    if password.chars().count() < LEAST_CHARACTERS {
        return Err(DeskError::PasswordShort {
            least: LEAST_CHARACTERS,
        });
    }
    if password.len() > MOST_BYTES {
        return Err(DeskError::Unfit {
            field: "password",
            rule: "at most 1024 bytes",
        });
    }
    let mut salt = [0; Salt::RECOMMENDED_LENGTH];
    rng.fill_bytes(&mut salt);
    let hash: PasswordHash = Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map_err(|_| DeskError::Hash)?;
    Ok(hash.to_string())
}

/// Does the password belong to the hash? Without a hash the same work is done in vain,
/// so that the time does not tell which addresses exist.
pub(super) fn verify(password: &str, phc: Option<&str>) -> bool {
    if password.len() > MOST_BYTES {
        return false;
    }
    match phc.map(PasswordHash::new) {
        Some(Ok(hash)) => Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok(),
        _ => {
            let vain: Result<PasswordHash, _> = Argon2::default()
                .hash_password_with_salt(password.as_bytes(), &[0; Salt::RECOMMENDED_LENGTH]);
            drop(vain);
            false
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_short() {
        let hashing = Hashing::default();
        let held = hashing.turn.lock().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..=MOST_WAITING {
                scope.spawn(|| hashing.in_turn(|| ()).unwrap());
            }
            while hashing.waiting.load(Ordering::Relaxed) <= MOST_WAITING {
                std::thread::yield_now();
            }
            assert!(matches!(
                hashing.in_turn(|| ()),
                Err(DeskError::TooManyAttempts { .. })
            ));
            drop(held);
        });
        assert_eq!(hashing.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_hash_knows_its_password_only() {
        let phc = hash("correct horse battery", &mut rand::rng()).unwrap();
        assert!(phc.starts_with("$argon2id$"), "{phc}");
        assert!(verify("correct horse battery", Some(&phc)));
        assert!(!verify("correct horse batterz", Some(&phc)));
        assert!(!verify("correct horse battery", None));
        assert!(!verify("x", Some("not a hash")));
        assert!(matches!(
            hash("too short", &mut rand::rng()),
            Err(DeskError::PasswordShort { .. })
        ));
    }
}
