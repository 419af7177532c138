//! Requests that the box or the portal could not take.

use crate::Entry;

/// The entries of this prefix.
pub const ENTRIES: &[Entry] = &[];
