//! Finds cameras on the camera ports and ties each to its MAC address.
//!
//! Sources, of which only the first two are trusted: the kernel's neighbour table and ARP
//! as it is heard on the cable say which MAC address is at which IP address; WS-Discovery
//! (OASIS, April 2005; ONVIF Core, 7) and ONVIF's device service say what the camera calls
//! itself, which can raise a doubt and settle none but a move's.
//!
//! Invariants: a MAC address comes from the neighbour table and ARP, and from nowhere else;
//! an address is pinned only where ARP is heard, so that a second claimant is; a camera that announces an address which is not its own on this cable is listed without
//! a MAC address; nothing is sent but through the given interfaces; what cameras send is
//! bounded in size, depth and number before it is parsed, and cut before it is kept.
//!
//! Deliberately absent: which cameras may stream, anything about licenses, and any
//! contact with the stream itself.

mod announcement;
mod arp;
mod bounded_soap;
mod bulk;
mod by_hand;
mod camera_list;
mod credentials;
mod description;
mod doubt;
mod ear;
mod error;
mod exchange;
mod links;
mod motion;
mod motion_report;
mod net_news;
mod onvif;
mod oui;
mod pins;
mod prober;
mod ptz;
mod refusals;
mod sighting;
mod soap;
mod task;
mod tracker;
mod xml_text;

pub use announcement::{Announcement, AnnouncementError, Scopes};
pub use bulk::{MAX_CAMERAS, MAX_PASSWORDS, MOST_REFUSALS, SignInOutcome};
pub use by_hand::{ByHand, StreamAnswer, channels_needed};
pub use camera_list::{
    ListError, ListRow, ListedCamera, MAX_LIST_BYTES, MAX_LIST_ROWS, Place, RowProblem,
    read_camera_list, read_place, write_list,
};
pub use credentials::Credentials;
pub use description::{
    CameraDescription, DeviceInformation, MAX_STREAMS, NetworkInterface, StreamProfile, VideoCodec,
    VideoSource,
};
pub use error::LanError;
pub use exchange::Asker;
pub use motion::{MotionEvent, MotionTarget, MotionWatch};
pub use onvif::Identity;
pub use oui::OuiTables;
pub use pins::Pin;
pub use ptz::{Preset, Ptz, Velocity};
pub use sighting::{Conflict, ConflictKind, Enrolment, Evidence, Location, Sighting, locate};
pub use task::{Lan, LanConfig, LanHandle};
