//! Is the ledger what was written?

use crate::store::people::link;
use crate::store::{Store, StoreError, transact};

/// How many entries are read at once.
const PAGE: u32 = 1000;

/// What a look at the whole ledger found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerVerdict {
    /// Every entry is as it was written.
    Whole {
        /// How many there are.
        entries: u64,
        /// The number and hash of the newest; noted elsewhere, it proves later that nothing
        /// up to here was changed, even by somebody who can write the database.
        head: Option<(i64, [u8; 32])>,
    },
    /// This is the first that is not.
    Broken {
        /// Its number.
        seq: i64,
        /// What is wrong with it.
        why: LedgerFault,
    },
}

/// What can be wrong with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerFault {
    /// It, or an entry before it, was changed or removed.
    Changed,
    /// It has no link: the portal did not write it.
    Unlinked,
    /// It was removed from the end.
    Missing,
    /// It is not the one that was noted elsewhere.
    OtherThanNoted,
}

/// Goes through the ledger from the first entry on. `noted` is a head that was noted
/// elsewhere.
///
/// # Errors
/// The database can't be read.
pub fn verify_ledger(
    store: &dyn Store,
    noted: Option<(i64, [u8; 32])>,
) -> Result<LedgerVerdict, StoreError> {
    let mut entries = 0;
    let mut before = [0; 32];
    let mut last = 0;
    loop {
        // A page a transaction, so that a portal that serves does not wait for all of it.
        let (page, newest) = transact::<_, StoreError>(store, |tx| {
            Ok((tx.ledger_chain(last, PAGE)?, tx.newest_link()?))
        })?;
        if page.is_empty() {
            let missing = newest.filter(|newest| *newest > last);
            if let Some(seq) = missing.or(noted.map(|(at, _)| at).filter(|at| *at > last)) {
                let why = LedgerFault::Missing;
                return Ok(LedgerVerdict::Broken { seq, why });
            }
            return Ok(LedgerVerdict::Whole {
                entries,
                head: (entries > 0).then_some((last, before)),
            });
        }
        for chained in page {
            let seq = chained.seq;
            let broken = |why| Ok(LedgerVerdict::Broken { seq, why });
            let Some(sha256) = chained.sha256 else {
                return broken(LedgerFault::Unlinked);
            };
            before = link(&before, seq, &chained.entry);
            if before != sha256 {
                return broken(LedgerFault::Changed);
            }
            if noted.is_some_and(|(at, hash)| at == seq && hash != before) {
                return broken(LedgerFault::OtherThanNoted);
            }
            last = seq;
            entries += 1;
        }
    }
}
