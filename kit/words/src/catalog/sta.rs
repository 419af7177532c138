//! States of the box's license.

use crate::Entry;

/// The entries of this prefix.
pub const ENTRIES: &[Entry] = &[];
