//! The license portal.

use crate::Entry;

/// The entries of this prefix.
pub const ENTRIES: &[Entry] = &[];
