//! Password hashes: argon2id (RFC 9106) with its library's recommended cost.

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash};

/// Hashing failed: the system gave no random salt, or no memory.
#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed")]
pub struct HashError(#[source] argon2::password_hash::Error);

/// A PHC string of the password with a fresh salt. Takes tens of milliseconds: not on an
/// async thread.
pub fn hash(password: &str) -> Result<String, HashError> {
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(HashError)
}

/// Whether the password fits the stored PHC string. Without one, a fixed hash is worked
/// through, so that an unknown name takes as long to refuse as a wrong password.
pub fn verify(password: &str, stored: Option<&str>) -> bool {
    const OF_NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$\
        bm9ib2R5LW5vYm9keQ$jYVZ6wVbTFPTzzAXWdXMPl0gm1hAAOqiL5VIyBeM0l8";
    let Ok(parsed) = PasswordHash::new(stored.unwrap_or(OF_NOBODY)) else {
        tracing::error!("a stored password hash can't be read");
        return false;
    };
    let fits = Argon2::default()
        .verify_password(password.as_bytes(), &parsed)
        .is_ok();
    fits && stored.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_fits() {
        let stored = hash("correct horse battery").unwrap();
        assert!(verify("correct horse battery", Some(&stored)));
        assert!(!verify("correct horse batterz", Some(&stored)));
        assert_ne!(stored, hash("correct horse battery").unwrap(), "salted");
    }

    #[test]
    fn nobody_has_no_password() {
        let began = std::time::Instant::now();
        assert!(!verify("nobody", None));
        // The stand-in must be worked through, not rejected by its form.
        assert!(began.elapsed() > std::time::Duration::from_millis(1));
        assert!(!verify("x", Some("not a hash")));
    }
}
