//! The owner's pages and API; one small trait per room of the box.
//!
//! Invariants: every route stands in one list together with what it takes to use it, and the
//! guard before it asks for that; what a camera
//! or a file calls itself is text, never markup; a request that changes something proves
//! that it comes from our own page or carries a token no browser adds by itself; nothing
//! but status, health, set-up and static files answers before the first password is set.
//! Deliberately absent: decisions. What may stream, and why not, is said by the rooms.

#![allow(
    clippy::result_large_err,
    reason = "a refusal is a few short texts, and refusing is not the fast path"
)]

mod api;
mod app;
mod attempts;
mod body;
mod download;
mod errors;
mod guard;
mod help;
mod hosts;
mod local;
mod locked;
mod pages;
pub mod rooms;
mod routes;
mod second_step;
mod serve;
mod session;
pub mod tls;

pub use app::router;
pub use errors::internal_fault;
pub use local::{LocalError, LocalRooms, serve_local};
pub use locked::{LockedBox, locked_router, serve_locked};
pub use routes::registered_routes;
pub use serve::{ServeError, WebConfig, serve};
