//! What is seen on the camera ports.

use std::net::Ipv4Addr;

use sealgate_camera::MacAddress;
use serde::{Deserialize, Serialize};

/// One device on a camera port, at one address.
///
/// Texts come from the device, at most 128 characters each and without control
/// characters; they identify nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// The camera port.
    pub interface: String,
    /// From the kernel's neighbour table. None: the device announced an address that is
    /// not on this cable, so it is behind a router and its MAC address can't be seen.
    pub mac: Option<MacAddress>,
    /// Its address.
    pub ip: Ipv4Addr,
    /// What the camera is called.
    pub name: Option<String>,
    /// Who made it.
    pub manufacturer: Option<String>,
    /// Its model.
    pub model: Option<String>,
    /// Its serial number, if it tells without a password.
    pub serial: Option<String>,
    /// Its ONVIF device service, always at `ip`. None: the device did not answer
    /// WS-Discovery, and is only seen on the network.
    pub xaddr: Option<String>,
    /// When it last gave a sign of life, in milliseconds of UTC since 1970.
    pub last_seen_utc_ms: i64,
    /// Another device claims the same MAC or IP address now.
    pub conflict: Option<Conflict>,
}

impl Sighting {
    /// Whether the MAC address can't be seen because a router is between.
    pub fn is_behind_router(&self) -> bool {
        self.mac.is_none()
    }
}

/// Two devices where there should be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Conflict {
    /// What is claimed twice.
    pub kind: ConflictKind,
    /// This sighting was first.
    pub incumbent: bool,
}

/// What is claimed twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictKind {
    /// One IP address, two MAC addresses.
    SharedIp,
    /// One MAC address, two IP addresses.
    SharedMac,
}

/// Where the camera with a MAC address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Location {
    /// Not seen, or not for some time.
    Unknown,
    /// At this address, alone.
    At(Ipv4Addr),
    /// Its MAC or IP address is claimed twice.
    Contested {
        /// Where it was before the conflict began, if it is still there.
        incumbent: Option<Ipv4Addr>,
    },
}

/// Finds the camera with this MAC address: where it was seen last, if that is beyond doubt.
pub fn locate(sightings: &[Sighting], mac: MacAddress) -> Location {
    let found = || {
        sightings
            .iter()
            .filter(|sighting| sighting.mac == Some(mac))
    };
    if found().all(|sighting| sighting.conflict.is_none()) {
        // After a move the old address is listed for a while, silent.
        return found()
            .max_by_key(|sighting| sighting.last_seen_utc_ms)
            .map_or(Location::Unknown, |sighting| Location::At(sighting.ip));
    }
    let mut incumbents = found()
        .filter(|sighting| sighting.conflict.is_some_and(|conflict| conflict.incumbent))
        .map(|sighting| sighting.ip);
    let incumbent = incumbents.next();
    Location::Contested {
        incumbent: incumbent.filter(|_| incumbents.next().is_none()),
    }
}
