//! The licensing supervisor: configuration, wiring, license import, privileges.

pub mod license;
