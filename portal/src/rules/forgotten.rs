//! Licenses that the portal has forgotten: its database was restored and its journal is
//! lost.
//!
//! What was handed out after the backup is out there, and nobody here knows its `to`
//! values. But they are bounded. Call W the window in which licenses wait, and G the gap
//! below. In every past of this portal, however often it was restored from whichever
//! backup, a license's `to` was at most G + W above a counter that the TPM had reached by
//! then. So:
//!
//! 1. A proof by a license that was made *after* the restore is fresh, whatever old
//!    requests are replayed: the TPM's counter had reached all it had before the restore.
//!    Nothing forgotten is more than G + W above that counter.
//! 2. Once a counter further above than that is attested with such a proof, every
//!    forgotten license is behind the TPM's counter for good, and the row is complete
//!    again.
//!
//! Until then nothing is credited. Each license is made at least G above the request's
//! counter, so the first one's proof is fresh and the second next one's catches up: three
//! exchanges. A fixed gap makes it unnecessary to know how often the portal was
//! restored, which a database that came out of a backup can't know; and the box, which
//! takes at most [`super::MAX_AHEAD`] steps, takes it however often that was. (A gap that
//! grows with the restores needs two exchanges, the true number of restores, and passes
//! what the box takes at the second.)

use super::{GRACE, Row, Rules};

/// How far a row is on its way back to being complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Forgotten {
    /// The highest `to` known at the restore: licenses above it were made since.
    pub after_to: u64,
    /// The counter of the first proof by such a license.
    pub fresh_at: Option<u64>,
}

impl Rules {
    /// The journal is lost: more may have been issued to this pair than the row says.
    pub fn forget(&self, row: &mut Row) {
        row.forgotten = Some(Forgotten {
            after_to: row.highest_to(),
            fresh_at: None,
        });
    }

    /// Takes in a proof by a license with this `to`: is the row complete?
    pub(super) fn catches_up(&self, row: &mut Row, to: u64, counter: u64) -> bool {
        let Some(forgotten) = &mut row.forgotten else {
            return true;
        };
        if to <= forgotten.after_to {
            return false;
        }
        let fresh_at = *forgotten.fresh_at.get_or_insert(counter);
        let complete = counter > fresh_at + self.gap() + self.window() + GRACE;
        if complete {
            row.forgotten = None;
        }
        complete
    }
}
