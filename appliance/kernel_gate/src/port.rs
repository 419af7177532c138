//! A port that cameras are plugged into.

use std::fmt;

/// A network interface with cameras behind it.
///
/// The name goes into the ruleset's text, so only what needs no quoting there is
/// accepted: 1 to 15 ASCII letters, digits, `_`, `-` and `.`, of which the first is a
/// letter (Linux allows more, `IFNAMSIZ` is 16 with the closing zero).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CameraPort {
    interface: String,
    kind: PortKind,
}

/// What else is behind a camera port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PortKind {
    /// Nothing: cameras alone.
    CameraOnly,
    /// The owner's network, as on a box with one port: pages, DHCP, DNS and NTP too.
    Shared {
        /// TCP port of the owner's pages, to which anybody there may connect.
        pages: u16,
    },
}

/// Why a text is no name of a camera port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a camera port's name is 1 to 15 letters, digits, '_', '-' or '.', the first a letter, and {0:?} is not"
)]
pub struct CameraPortError(String);

impl CameraPort {
    /// A port with nothing but cameras behind it.
    ///
    /// # Errors
    /// The name needs quoting in the rules, or is none of an interface.
    pub fn new(interface: &str) -> Result<Self, CameraPortError> {
        Self::of_kind(interface, PortKind::CameraOnly)
    }

    /// A port that cameras share with the owner's network; `pages` is the TCP port of the
    /// owner's pages.
    ///
    /// # Errors
    /// The name needs quoting in the rules, or is none of an interface.
    pub fn shared(interface: &str, pages: u16) -> Result<Self, CameraPortError> {
        Self::of_kind(interface, PortKind::Shared { pages })
    }

    fn of_kind(interface: &str, kind: PortKind) -> Result<Self, CameraPortError> {
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
            kind,
        })
    }

    /// The interface, for example `cam0`.
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// What else is behind it.
    pub fn kind(&self) -> PortKind {
        self.kind
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
            assert_eq!(CameraPort::shared(name, 443).unwrap().interface(), name);
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
            assert!(CameraPort::shared(name, 443).is_err(), "{name:?}");
        }
    }
}
