//! Files that are no usable Sealgate document.

use crate::Entry;

/// The entries of this prefix.
pub const ENTRIES: &[Entry] = &[];
