//! The licensing supervisor: configuration, wiring, license import, privileges.
