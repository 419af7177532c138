//! A camera's MAC address (IEEE 802-2014, 8.2): the name a license knows it by.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A unicast, non-zero 48-bit MAC address.
///
/// Parses every common notation (`00:11:22:33:44:55`, `00-11-22-33-44-55`,
/// `0011.2233.4455`, `001122334455`, either case); prints as lower case with colons.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddress([u8; 6]);

/// Why a text is not a camera's MAC address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MacAddressError {
    /// Not 12 hexadecimal digits with the separators of a known notation.
    #[error("a MAC address has 12 hexadecimal digits, and {0:?} does not")]
    Malformed(String),
    /// The group bit is set (IEEE 802-2014, 8.2.2): no single camera has this address.
    #[error("{0} is a group address, which no single camera has")]
    Group(String),
    /// All zero: what a device without an address reports.
    #[error("00:00:00:00:00:00 is no camera's address")]
    Zero,
}

impl MacAddress {
    /// Accepts the six octets in transmission order, unless they are zero or a group address.
    pub fn from_octets(octets: [u8; 6]) -> Result<Self, MacAddressError> {
        if octets == [0; 6] {
            return Err(MacAddressError::Zero);
        }
        let mac = Self(octets);
        if octets[0] & 1 == 1 {
            return Err(MacAddressError::Group(mac.to_string()));
        }
        Ok(mac)
    }

    /// The six octets in transmission order.
    pub fn octets(self) -> [u8; 6] {
        self.0
    }

    /// The 12 lower-case digits without separators, as used in file names and identifiers.
    pub fn compact(self) -> String {
        self.0.iter().map(|octet| format!("{octet:02x}")).collect()
    }
}

impl FromStr for MacAddress {
    type Err = MacAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || MacAddressError::Malformed(text.chars().take(40).collect());
        let trimmed = text.trim();
        let group_length = match trimmed.len() {
            12 => 12,
            14 if trimmed.contains('.') => 4,
            17 => 2,
            _ => return Err(malformed()),
        };
        let separator = trimmed.bytes().find(|byte| !byte.is_ascii_hexdigit());
        let mut digits = [0_u8; 12];
        let mut count = 0;
        for (position, byte) in trimmed.bytes().enumerate() {
            let expects_separator =
                group_length < 12 && position % (group_length + 1) == group_length;
            if expects_separator {
                let known = matches!((group_length, byte), (2, b':' | b'-') | (4, b'.'));
                if !known || Some(byte) != separator {
                    return Err(malformed());
                }
                continue;
            }
            let digit = char::from(byte).to_digit(16).ok_or_else(malformed)?;
            let slot = digits.get_mut(count).ok_or_else(malformed)?;
            *slot = u8::try_from(digit).expect("a hexadecimal digit is below 16");
            count += 1;
        }
        if count != 12 {
            return Err(malformed());
        }
        let mut octets = [0_u8; 6];
        for (octet, pair) in octets.iter_mut().zip(digits.chunks_exact(2)) {
            *octet = (pair[0] << 4) | pair[1];
        }
        Self::from_octets(octets)
    }
}

impl TryFrom<String> for MacAddress {
    type Error = MacAddressError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<MacAddress> for String {
    fn from(mac: MacAddress) -> Self {
        mac.to_string()
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(input: &str, expected: Result<&str, MacAddressError>) {
        let found = input.parse::<MacAddress>().map(|mac| mac.to_string());
        assert_eq!(found, expected.map(str::to_owned), "for {input:?}");
    }

    #[test]
    fn accepts_every_common_notation() {
        for text in [
            "00:11:22:aa:bb:cc",
            "00-11-22-AA-BB-CC",
            "0011.22aa.bbcc",
            "001122AABBCC",
            " 00:11:22:aa:bb:cc\r\n",
        ] {
            check(text, Ok("00:11:22:aa:bb:cc"));
        }
    }

    #[test]
    fn refuses_what_no_camera_has() {
        check("00:00:00:00:00:00", Err(MacAddressError::Zero));
        check(
            "01:00:5e:00:00:01",
            Err(MacAddressError::Group("01:00:5e:00:00:01".into())),
        );
        for text in [
            "",
            "00:11:22:33:44",
            "0001BD05E11",
            "00:11-22:33-44:55",
            "00:11:22:33:44:5g",
            "00112233445é",
            "0:011:22:33:44:55",
            "00.11.22.33.44.55",
        ] {
            check(text, Err(MacAddressError::Malformed(text.into())));
        }
    }

    #[test]
    fn serializes_as_text() {
        let mac: MacAddress = serde_json::from_str("\"00-11-22-AA-BB-CC\"").unwrap();
        assert_eq!(
            serde_json::to_string(&mac).unwrap(),
            "\"00:11:22:aa:bb:cc\""
        );
        assert!(serde_json::from_str::<MacAddress>("\"ff:ff:ff:ff:ff:ff\"").is_err());
    }
}
