//! One video source behind one MAC address: what a channel is counted by.

use std::fmt;
use std::num::NonZeroU8;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{MacAddress, MacAddressError};

/// A camera as the box knows it: a MAC address and one of its video sources, from 1.
///
/// An encoder with four inputs behind one MAC address has four of them. Printed as
/// `001122334455-1`, which is safe in file names and URLs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CameraId {
    mac: MacAddress,
    source: NonZeroU8,
}

/// Why a text is not a camera identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CameraIdError {
    /// The part before the last dash is no MAC address.
    #[error("the camera's MAC address is unusable")]
    Mac(#[source] MacAddressError),
    /// The part after the last dash is no video source number.
    #[error("a camera identifier ends in a dash and a video source from 1 to 255")]
    Source,
}

impl CameraId {
    /// The camera at this address and video source.
    pub fn new(mac: MacAddress, source: NonZeroU8) -> Self {
        Self { mac, source }
    }

    /// The only, or first, video source behind this address.
    pub fn first_source(mac: MacAddress) -> Self {
        Self {
            mac,
            source: NonZeroU8::MIN,
        }
    }

    /// The address the license knows.
    pub fn mac(self) -> MacAddress {
        self.mac
    }

    /// The video source, from 1.
    pub fn source(self) -> NonZeroU8 {
        self.source
    }
}

impl FromStr for CameraId {
    type Err = CameraIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (mac, source) = text.rsplit_once('-').ok_or(CameraIdError::Source)?;
        Ok(Self {
            mac: mac.parse().map_err(CameraIdError::Mac)?,
            source: source.parse().map_err(|_| CameraIdError::Source)?,
        })
    }
}

impl TryFrom<String> for CameraId {
    type Error = CameraIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<CameraId> for String {
    fn from(id: CameraId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for CameraId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.mac.compact(), self.source)
    }
}

impl fmt::Debug for CameraId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let id: CameraId = "02000000000a-1".parse().unwrap();
        assert_eq!(id.mac().to_string(), "02:00:00:00:00:0a");
        assert_eq!(id.to_string(), "02000000000a-1");
        assert_eq!(id, CameraId::first_source(id.mac()));
    }

    #[test]
    fn refuses_what_names_no_source() {
        for text in [
            "02000000000a",
            "02000000000a-0",
            "02000000000a-256",
            "02000000000a-",
        ] {
            assert_eq!(
                text.parse::<CameraId>(),
                Err(CameraIdError::Source),
                "{text}"
            );
        }
        assert!(matches!(
            "../etc-1".parse::<CameraId>(),
            Err(CameraIdError::Mac(_))
        ));
    }
}
