//! What was decided.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use sealgate_camera::{CameraId, MacAddress};
use serde::Serialize;

/// The decision about one camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Decision {
    /// It may stream, from this address and this MAC address together.
    Open {
        /// The MAC address that its frames must carry.
        mac: MacAddress,
        /// The address that its packets must come from.
        ip: Ipv4Addr,
        /// TCP port of its RTSP server.
        port: u16,
        /// Another device claims the same MAC or IP address; a person should look.
        contested: bool,
    },
    /// It may not.
    Closed {
        /// Why not.
        reason: Reason,
    },
}

/// Why a camera may not stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No license is in force on this box.
    NoLicense,
    /// Nobody has given it a place yet, and at least one is free.
    NotAssigned,
    /// All places of the license are used.
    NoPlaceLeft,
    /// Every place that a camera of another brand can hold is used.
    NoOtherBrandPlace,
    /// The license is only for the cameras that it names: this is none of them, or a
    /// further video source of one.
    NotOnList,
    /// It has a place, but its MAC address can't be seen, as it is behind a router.
    MacUnresolved,
    /// It has a place, but was not seen on the network yet, or not for some time.
    AddressUnknown,
    /// It has a place, but its MAC or IP address is claimed by another device too.
    MacConflict,
}

impl Reason {
    /// The stable code in the error catalog.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoLicense => "SG-CAM-001",
            Self::NoPlaceLeft => "SG-CAM-002",
            Self::MacUnresolved => "SG-CAM-003",
            Self::AddressUnknown => "SG-CAM-004",
            Self::MacConflict => "SG-CAM-007",
            Self::NotAssigned => "SG-CAM-008",
            Self::NotOnList => "SG-CAM-009",
            Self::NoOtherBrandPlace => "SG-CAM-050",
        }
    }
}

/// The license's places, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Places {
    /// What the license grants, to any camera or to listed ones; 0 without one.
    pub total: u32,
    /// Held by an assigned camera, whether it streams or not.
    pub used: u32,
    /// `total - used`.
    pub free: u32,
    /// Assigned cameras for which the license has no place.
    pub waiting: u32,
    /// The same by the license's kinds.
    pub pools: Pools,
}

/// Places by the kind of channel they come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Pools {
    /// Camera channels.
    pub camera: Pool,
    /// Other-brand channels that were bought; own-brand cameras hold them once the camera
    /// channels are used.
    pub other_brand: Pool,
    /// Other-brand channels that come free.
    pub other_brand_free: Pool,
    /// MAC addresses on the list.
    pub listed: Pool,
}

/// Places of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Pool {
    /// On the license.
    pub total: u32,
    /// Held by a camera.
    pub used: u32,
}

impl Pool {
    /// Held by nobody.
    pub fn free(self) -> u32 {
        self.total.saturating_sub(self.used)
    }

    /// Holds one more place, if there is one.
    pub(crate) fn take(&mut self) -> bool {
        let free = self.used < self.total;
        self.used += u32::from(free);
        free
    }
}

/// Every camera that is assigned or seen, decided.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Decisions {
    /// By camera.
    pub cameras: BTreeMap<CameraId, Decision>,
    /// The license's places, counted.
    pub places: Places,
}

impl Decisions {
    /// The decision about this camera, if it is assigned or seen.
    pub fn get(&self, camera: CameraId) -> Option<Decision> {
        self.cameras.get(&camera).copied()
    }

    /// The cameras that may stream, in order.
    pub fn open(&self) -> impl Iterator<Item = (CameraId, Decision)> + '_ {
        self.cameras
            .iter()
            .filter(|(_, decision)| decision.is_open())
            .map(|(camera, decision)| (*camera, *decision))
    }
}

impl Decision {
    /// Whether the camera may stream.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }

    /// Why it may not, if so.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Open { .. } => None,
            Self::Closed { reason } => Some(*reason),
        }
    }
}
