//! What a license allows: counts by kind, and lists.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The kinds that this version knows by name. A license may count others: they are
/// carried, shown by their key, and need no change here or in any database.
pub mod kind {
    /// Camera channels of the vendor's own brand.
    pub const CAMERA: &str = "camera";
    /// Channels for cameras of other brands.
    pub const OTHER_BRAND: &str = "other_brand";
    /// Channels for cameras of other brands that come free with own-brand ones.
    pub const OTHER_BRAND_FREE: &str = "other_brand_free";
    /// Channels with video content analysis.
    pub const VCA: &str = "vca";
    /// Failover servers.
    pub const FAILOVER: &str = "failover";
    /// Google Map.
    pub const GOOGLE_MAP: &str = "google_map";
    /// GPS receivers.
    pub const GPS_RECEIVER: &str = "gps_receiver";
    /// TCP triggers.
    pub const TCP_TRIGGER: &str = "tcp_trigger";
    /// Points of sale.
    pub const POS: &str = "pos";
    /// Data magnets.
    pub const DATA_MAGNET: &str = "data_magnet";

    /// How often a listed camera that broke may be replaced by another.
    pub const MAC_REPLACEMENT: &str = "mac_replacement";

    /// Every kind above with its name for people, in the order of display.
    pub const KNOWN: &[(&str, &str)] = &[
        (CAMERA, "Camera channels"),
        (OTHER_BRAND, "Other-brand channels"),
        (OTHER_BRAND_FREE, "Free other-brand channels"),
        (VCA, "VCA channels"),
        (FAILOVER, "Failover"),
        (GOOGLE_MAP, "Google Map"),
        (GPS_RECEIVER, "GPS receiver"),
        (TCP_TRIGGER, "TCP trigger"),
        (POS, "POS"),
        (DATA_MAGNET, "Data magnet"),
        (MAC_REPLACEMENT, "Replacements of listed cameras"),
    ];

    /// The name for people; the key itself for a kind of a later version.
    pub fn label(kind: &str) -> &str {
        KNOWN
            .iter()
            .find(|(key, _)| *key == kind)
            .map_or(kind, |(_, label)| label)
    }
}

/// Counts by kind, with the lists that some licenses carry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entitlements {
    /// Count by kind; a kind that is absent counts zero.
    #[serde(flatten)]
    pub counts: BTreeMap<String, u32>,
    /// The cameras that a MAC license lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mac_list: Vec<ListedMac>,
    /// Names of packages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
}

impl Entitlements {
    /// Camera channels and nothing else.
    pub fn cameras(channels: u32) -> Self {
        Self {
            counts: BTreeMap::from([(kind::CAMERA.to_owned(), channels)]),
            ..Self::default()
        }
    }

    /// How many of this kind.
    pub fn count(&self, kind: &str) -> u32 {
        self.counts.get(kind).copied().unwrap_or(0)
    }

    /// Whether it allows nothing at all: what is left of a license that was given back.
    pub fn is_nothing(&self) -> bool {
        self.counts.values().all(|count| *count == 0)
            && self.mac_list.is_empty()
            && self.packages.is_empty()
    }

    /// Whether there is less of anything than in `before`.
    pub fn is_less_than(&self, before: &Self) -> bool {
        before
            .counts
            .iter()
            .any(|(kind, count)| self.count(kind) < *count)
            || before
                .mac_list
                .iter()
                .any(|mac| !self.mac_list.contains(mac))
            || before
                .packages
                .iter()
                .any(|package| !self.packages.contains(package))
    }

    /// Channels for the vendor's own cameras.
    pub fn camera_channels(&self) -> u32 {
        self.count(kind::CAMERA)
    }
}

/// A camera's MAC address on a MAC license: unicast and not zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ListedMac([u8; 6]);

/// Why a text can't stand on a list of MAC addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListedMacError {
    /// Not 12 hexadecimal digits, with or without `:`, `-` or `.` between them.
    #[error("a MAC address has 12 hexadecimal digits")]
    Malformed,
    /// A group address or zero (IEEE 802-2014, 8.2.2).
    #[error("no single camera has this MAC address")]
    NoCamera,
}

impl ListedMac {
    /// Accepts six octets in transmission order.
    pub fn from_octets(octets: [u8; 6]) -> Result<Self, ListedMacError> {
        if octets == [0; 6] || octets[0] & 1 == 1 {
            return Err(ListedMacError::NoCamera);
        }
        Ok(Self(octets))
    }

    /// The six octets in transmission order.
    pub fn octets(self) -> [u8; 6] {
        self.0
    }
}

impl FromStr for ListedMac {
    type Err = ListedMacError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: String = text
            .trim()
            .chars()
            .filter(|character| !matches!(character, ':' | '-' | '.'))
            .collect();
        let mut octets = [0; 6];
        hex::decode_to_slice(digits, &mut octets).map_err(|_| ListedMacError::Malformed)?;
        Self::from_octets(octets)
    }
}

impl TryFrom<String> for ListedMac {
    type Error = ListedMacError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ListedMac> for String {
    fn from(mac: ListedMac) -> Self {
        mac.to_string()
    }
}

impl fmt::Display for ListedMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for ListedMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
