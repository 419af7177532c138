//! What a decision is made from, besides the license.

use std::net::Ipv4Addr;

use sealgate_camera::{Brand, CameraId, MacAddress};

/// A camera that its owner wants recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment {
    /// Which camera.
    pub camera: CameraId,
    /// When the owner gave it a place, in milliseconds of UTC since 1970. The longest-held
    /// places survive when a license shrinks.
    pub since_utc_ms: i64,
    /// The owner chose that this camera stays before those that he did not choose.
    pub preferred: bool,
    /// Which of the license's channels it can hold, as it was settled when it was enrolled.
    pub brand: Brand,
}

/// A broken camera's place went to another camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Replacement {
    /// Had the place.
    pub old: MacAddress,
    /// Has it now.
    pub new: MacAddress,
}

/// Where a camera serves its streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// IPv4 address on the camera port.
    pub ip: Ipv4Addr,
    /// TCP port of its RTSP server.
    pub port: u16,
}

/// What the network says about where a camera is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whereabouts {
    /// The kernel's neighbour table ties the camera's MAC address to this address.
    Resolved(Address),
    /// The camera was found, but its own MAC address can't be seen: it is behind a router.
    Unresolved,
    /// Two devices claim one address, or one MAC address is at two.
    Conflict {
        /// The address at which the camera was before the conflict began, if it still
        /// answers there with the same MAC address: it keeps streaming from there, and
        /// only from there.
        incumbent: Option<Address>,
    },
}

/// One camera as it is seen now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fact {
    /// Which camera.
    pub camera: CameraId,
    /// Where it is.
    pub whereabouts: Whereabouts,
    /// Whose make it seems to be; for a camera that is assigned, the assignment's counts.
    pub brand: Brand,
}
