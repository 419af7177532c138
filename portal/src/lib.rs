//! The license portal: distributors, projects, servers, issue, update, return, history.
//!
//! - [`journal`]: what was handed out, beside the database.
//! - [`rules`]: which file a request gets and what it costs; pure.
//! - [`signer`]: the vendor's keys.
//! - [`store`]: what the portal remembers; SQLite.

pub mod evidence;
pub mod journal;
pub mod rules;
pub mod signer;
pub mod store;
pub mod trust;
