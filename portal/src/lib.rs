//! The license portal: distributors, projects, servers, issue, update, return, history.
//!
//! - [`rules`]: which file a request gets and what it costs; pure.

pub mod rules;
