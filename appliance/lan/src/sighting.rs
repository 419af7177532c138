//! What is seen on the camera ports.

use std::net::Ipv4Addr;

use sealgate_camera::{BrandEvidence, MacAddress};
use serde::{Deserialize, Serialize};

use crate::Credentials;

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
    /// Its serial number, if it tells without a password or its password is known.
    pub serial: Option<String>,
    /// Its firmware's version.
    pub firmware: Option<String>,
    /// The MAC addresses that it says it has; empty where it does not tell.
    pub told_macs: Vec<MacAddress>,
    /// Its ONVIF device service, always at `ip`. None: the device did not answer
    /// WS-Discovery, nor was its service found otherwise ([`Enrolment::service`]).
    pub xaddr: Option<String>,
    /// When it last gave a sign of life, in milliseconds of UTC since 1970.
    pub last_seen_utc_ms: i64,
    /// To whom the IEEE gave the MAC address.
    pub oui_manufacturer: Option<String>,
    /// The kernel holds a permanent neighbour entry for it.
    pub pinned: bool,
    /// Why it is in doubt that this is the camera with this MAC address.
    pub conflict: Option<Conflict>,
}

impl Sighting {
    /// What its brand is judged by.
    pub fn brand_evidence(&self) -> BrandEvidence {
        BrandEvidence {
            oui_manufacturer: self.oui_manufacturer.clone(),
            onvif_manufacturer: self.manufacturer.clone(),
        }
    }

    /// Whether the MAC address can't be seen because a router is between.
    pub fn is_behind_router(&self) -> bool {
        self.mac.is_none()
    }
}

/// What is in doubt about a sighting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Conflict {
    /// What is wrong.
    pub kind: ConflictKind,
    /// This sighting was first, or is at the place where the camera was admitted.
    pub incumbent: bool,
    /// The other claimant's MAC address, where it is another.
    pub other_mac: Option<MacAddress>,
    /// The other claimant's IP address, where it is another.
    pub other_ip: Option<Ipv4Addr>,
    /// Since when, in milliseconds of UTC since 1970.
    pub since_utc_ms: i64,
    /// What the doubt rests on.
    pub evidence: Evidence,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictKind {
    /// One IP address, two MAC addresses.
    SharedIp,
    /// One MAC address, two IP addresses, and both answer.
    SharedMac,
    /// The MAC address of a camera that was enrolled with another serial number or model:
    /// a clone.
    OtherIdentity,
    /// At another address than before, and it has not shown the serial number with which it
    /// was enrolled.
    UnprovenMove,
    /// The camera says that its MAC address is another one: a router, an address
    /// translation or a re-streamer is between.
    OtherMacTold,
}

impl ConflictKind {
    /// The stable code in the error catalog.
    pub fn code(self) -> &'static str {
        match self {
            Self::SharedIp | Self::SharedMac => "SG-CAM-007",
            Self::OtherIdentity => "SG-CAM-040",
            Self::UnprovenMove => "SG-CAM-041",
            Self::OtherMacTold => "SG-CAM-042",
        }
    }
}

/// What a doubt rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The kernel's neighbour table.
    NeighbourTable,
    /// An ARP packet.
    Arp,
    /// What the camera's ONVIF service says.
    Onvif,
}

/// What is known of a camera from when it was given its channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// Its MAC address.
    pub mac: MacAddress,
    /// Where it was admitted last.
    pub ip: Option<Ipv4Addr>,
    /// The serial number it had.
    pub serial: Option<String>,
    /// The model it was.
    pub model: Option<String>,
    /// How to sign in, to ask for its serial number.
    pub credentials: Option<Credentials>,
    /// Where its ONVIF device service answered, for one that announces nothing; the host is
    /// replaced by where the camera is.
    pub service: Option<String>,
}

/// Where the camera with a MAC address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Location {
    /// Not seen, or not for some time.
    Unknown,
    /// At this address, alone.
    At(Ipv4Addr),
    /// A router, an address translation or a re-streamer is between, by what the camera
    /// itself says.
    Unresolved,
    /// Its MAC or IP address is claimed twice, or by a device that is not the one enrolled.
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
    let told_other = |sighting: &Sighting| {
        sighting
            .conflict
            .is_some_and(|conflict| conflict.kind == ConflictKind::OtherMacTold)
    };
    if incumbent.is_none() && found().any(told_other) {
        return Location::Unresolved;
    }
    Location::Contested {
        incumbent: incumbent.filter(|_| incumbents.next().is_none()),
    }
}
