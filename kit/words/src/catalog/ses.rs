//! Set-up, sign-in and sessions.

use crate::Entry;

/// The entries of this prefix.
pub const ENTRIES: &[Entry] = &[];
