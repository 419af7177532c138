//! The code that proves, at first start, that whoever sets the password stands at the box.
//!
//! It is shown on the console (and, on a made box, on the label) and kept on the state
//! partition until set-up is done. Eight characters of a 31-letter alphabet: 39 bits,
//! guessed over a lock-out that grows.

use std::path::{Path, PathBuf};

use rand::RngExt as _;
use sealgate_base::{DurableError, write_durably};
use subtle::ConstantTimeEq;

/// Without 0, 1, I, L and O, which people misread.
const ALPHABET: &[u8; 31] = b"ABCDEFGHJKMNPQRSTUVWXYZ23456789";
const LENGTH: usize = 8;
/// The longest code of this kind.
const LONGEST: usize = 10;

/// The code in force.
pub struct SetupCode {
    code: String,
    path: PathBuf,
}

/// Why the code could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum SetupCodeError {
    /// The state partition could not be read.
    #[error("cannot read the set-up code at {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The state partition could not be written.
    #[error("cannot keep the set-up code")]
    Write(#[source] DurableError),
}

impl SetupCode {
    /// The code kept in `folder`, or a new one kept there from now on.
    ///
    /// # Errors
    /// The file could not be read or written.
    pub fn read_or_create(folder: &Path) -> Result<Self, SetupCodeError> {
        let path = folder.join("code");
        match std::fs::read_to_string(&path) {
            Ok(text) if normalized(&text).len() == LENGTH => {
                return Ok(Self {
                    code: normalized(&text),
                    path,
                });
            }
            // A torn or foreign file holds no code anyone could know: make a new one.
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(SetupCodeError::Read { path, source }),
        }
        let code = random_code(LENGTH);
        write_durably(&path, code.as_bytes(), 0o600).map_err(SetupCodeError::Write)?;
        Ok(Self { code, path })
    }

    /// As people read it: `ABCD-EFGH`.
    pub fn shown(&self) -> String {
        in_halves(&self.code)
    }

    /// Compares in constant time what a person typed; case, spaces and dashes don't matter.
    pub fn matches(&self, typed: &str) -> bool {
        normalized(typed)
            .as_bytes()
            .ct_eq(self.code.as_bytes())
            .into()
    }

    /// Set-up is done: the code has no further use.
    pub fn forget(&self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "the used set-up code stays on the state partition");
        }
    }
}

/// Letters and digits that people don't misread, each of almost five bits.
pub(crate) fn random_code(length: usize) -> String {
    let mut random = rand::rng();
    (0..length)
        .map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())]))
        .collect()
}

/// As people read it: `ABCD-EFGH`.
pub(crate) fn in_halves(code: &str) -> String {
    let (first, second) = code.split_at(code.len() / 2);
    format!("{first}-{second}")
}

/// What a person typed, without what doesn't matter.
pub(crate) fn normalized(text: &str) -> String {
    text.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_uppercase())
        .take(LONGEST + 1)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_kept_and_recognised_as_typed() {
        let folder = tempfile::tempdir().unwrap();
        let code = SetupCode::read_or_create(folder.path()).unwrap();
        let again = SetupCode::read_or_create(folder.path()).unwrap();
        assert_eq!(code.shown(), again.shown());
        assert!(code.matches(&code.shown().to_lowercase()));
        assert!(code.matches(&format!(" {} ", code.shown().replace('-', " "))));
        assert!(!code.matches(""));
        assert!(!code.matches(&format!("{}A", code.shown())));
    }

    #[test]
    fn a_torn_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("code"), "AB").unwrap();
        let code = SetupCode::read_or_create(folder.path()).unwrap();
        assert_eq!(code.shown().len(), LENGTH + 1);
        assert!(!code.matches("AB"));
    }
}
