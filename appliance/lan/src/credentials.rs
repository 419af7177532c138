//! How to sign in at a camera.

use std::fmt;

use crate::announcement::percent_decoded;

/// A camera's user name and password. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl Credentials {
    /// As they stand in a URL, with escapes (RFC 3986, 3.2.1).
    pub fn from_url(user: &str, password: &str) -> Self {
        Self {
            user: percent_decoded(user),
            password: percent_decoded(password),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_never_printed() {
        let credentials = Credentials {
            user: "admin".into(),
            password: "s3cret".into(),
        };
        assert!(!format!("{credentials:?}").contains("s3cret"));
    }

    #[test]
    fn escapes_of_a_url_are_undone() {
        let credentials = Credentials::from_url("a%40b", "p%25%3A");
        assert_eq!(credentials.user, "a@b");
        assert_eq!(credentials.password, "p%:");
    }
}
