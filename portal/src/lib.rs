//! The license portal: distributors, projects, servers, issue, update, return, history.
//!
//! - [`rules`]: which file a request gets and what it costs; pure.
//! - [`evidence`]: what a request's TPM is worth; pure.
//! - [`store`]: what the portal remembers; SQLite.
//! - [`journal`]: what was handed out, beside the database.
//! - [`signer`]: the vendor's keys.
//! - [`desk`]: what people do here, without HTTP.
//! - [`web`]: the same over HTTP.

pub mod cli;
pub mod desk;
pub mod evidence;
pub mod journal;
pub mod rules;
pub mod signer;
pub mod store;
pub mod trust;
pub mod web;
