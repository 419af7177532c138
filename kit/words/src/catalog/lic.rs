//! License files that can't be used here.

use crate::Entry;

/// The entries of this prefix.
pub const ENTRIES: &[Entry] = &[];
