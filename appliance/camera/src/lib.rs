//! What a camera is called on the box.
//!
//! Invariants: a [`MacAddress`] is a unicast, non-zero 48-bit address; a
//! [`StreamUrl`] is an `rtsp` URL with a host and shows no credentials when printed.
//! Deliberately absent: anything that talks to a camera, and any state.

mod brand;
mod camera_id;
mod mac_address;
mod stream_url;

pub use brand::{Brand, BrandEvidence, OwnBrand};
pub use camera_id::{CameraId, CameraIdError};
pub use mac_address::{MacAddress, MacAddressError};
pub use stream_url::{StreamUrl, StreamUrlError};
