//! The owner's pages and API; one small trait per room of the box.
//!
//! Invariants: every route stands in one list together with who may use it; what a camera
//! or a file calls itself is text, never markup; a request that changes something proves
//! that it comes from our own page or carries a token no browser adds by itself; nothing
//! but status, set-up and static files answers before the first password is set.
//! Deliberately absent: decisions. What may stream, and why not, is said by the rooms.

mod app;
mod errors;
pub mod rooms;
mod serve;
pub mod tls;

pub use errors::internal_fault;
pub use serve::{ServeError, WebConfig, serve};
