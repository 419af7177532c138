//! The name of a camera port.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A network interface with nothing but cameras behind it.
///
/// The name goes into the ruleset's text, so only what needs no quoting there is
/// accepted: 1 to 15 ASCII letters, digits, `_`, `-` and `.`, of which the first is a
/// letter (Linux allows more, `IFNAMSIZ` is 16 with the closing zero).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CameraPort {
    interface: String,
}

/// Why a text is no name of a camera port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a camera port's name is 1 to 15 letters, digits, '_', '-' or '.', the first a letter, and {0:?} is not"
)]
pub struct CameraPortError(String);

impl CameraPort {
    /// Accepts an interface name.
    pub fn new(interface: &str) -> Result<Self, CameraPortError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        let first_is_letter = interface
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphabetic());
        if interface.len() > 15 || !first_is_letter || !interface.bytes().all(plain) {
            return Err(CameraPortError(interface.chars().take(40).collect()));
        }
        Ok(Self {
            interface: interface.to_owned(),
        })
    }

    /// The interface, for example `cam0`.
    pub fn interface(&self) -> &str {
        &self.interface
    }
}

impl FromStr for CameraPort {
    type Err = CameraPortError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl TryFrom<String> for CameraPort {
    type Error = CameraPortError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl From<CameraPort> for String {
    fn from(port: CameraPort) -> Self {
        port.interface
    }
}

impl fmt::Display for CameraPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.interface)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_needs_no_quoting() {
        for name in ["cam0", "enp3s0", "br-cam", "cam0.5", "abcdefghijklmno"] {
            assert_eq!(CameraPort::new(name).unwrap().interface(), name);
        }
        for name in [
            "",
            "abcdefghijklmnop",
            "0cam",
            "cam0\" drop",
            "cam 0",
            "cäm",
        ] {
            assert!(CameraPort::new(name).is_err(), "{name:?}");
        }
    }
}
