//! What a journey happens in: cameras, a portal, a box, and the networks between.

pub mod cameras;
pub mod namespaces;
pub mod process;
pub mod relay;
