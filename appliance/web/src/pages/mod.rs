//! The pages. Every one works without a script, but for live video and the time line of
//! recordings, beside which a list stands.

pub(crate) mod account;
pub(crate) mod account_app;
pub(crate) mod audit;
pub(crate) mod cameras;
pub(crate) mod files;
mod forecast;
pub(crate) mod frame;
pub(crate) mod home;
pub(crate) mod license;
pub(crate) mod license_import;
pub(crate) mod live;
mod new_password;
pub(crate) mod playback;
pub(crate) mod recover;
pub(crate) mod setup;
pub(crate) mod sign_in;
pub(crate) mod tokens;
pub(crate) mod updates;
pub(crate) mod user;
pub(crate) mod users;
pub(crate) mod wall;
mod words;
