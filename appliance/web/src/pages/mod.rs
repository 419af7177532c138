//! The pages. Every one works without a script, but for live video and the time line of
//! recordings, beside which a list stands.

pub(crate) mod cameras;
pub(crate) mod files;
pub(crate) mod frame;
pub(crate) mod home;
pub(crate) mod license;
pub(crate) mod license_import;
pub(crate) mod live;
pub(crate) mod playback;
pub(crate) mod setup;
pub(crate) mod sign_in;
pub(crate) mod wall;
mod words;
