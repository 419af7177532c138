//! What the product says when something is wrong: one catalog for pages, API,
//! command line and documentation.
//!
//! Invariants: a code is never reused or renumbered; every entry says what is wrong,
//! what that does to recording, what to do, and who can do it. Deliberately absent:
//! HTTP statuses (those belong to the web crates) and logging.

pub mod catalog;
mod problem;

pub use problem::{Entry, Owner, Problem};
