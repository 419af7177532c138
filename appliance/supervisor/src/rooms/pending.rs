//! Checks that wait to be used: what was typed or listed, with its passwords, in memory.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sealgate_lan::{Credentials, Place};

/// Checks at once; one more takes the place of the oldest.
const MAX_CHECKS: usize = 8;
/// For how long a check can be used.
const LASTS: Duration = Duration::from_secs(15 * 60);

/// A camera that can be added.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    pub(super) line: u64,
    pub(super) place: Place,
    pub(super) name: Option<String>,
    pub(super) credentials: Option<Credentials>,
}

/// The checks.
#[derive(Debug, Default)]
pub struct Pending {
    checks: Mutex<Vec<Check>>,
}

#[derive(Debug)]
struct Check {
    id: String,
    at: Duration,
    rows: Vec<Prepared>,
}

impl Pending {
    /// Keeps rows and says by which name; none where there is nothing to keep.
    pub(super) fn keep(&self, rows: Vec<Prepared>, now: Duration) -> Option<String> {
        if rows.is_empty() {
            return None;
        }
        let id = hex::encode(rand::random::<[u8; 16]>());
        let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        checks.retain(|check| now.saturating_sub(check.at) < LASTS);
        if checks.len() == MAX_CHECKS {
            checks.remove(0);
        }
        checks.push(Check {
            id: id.clone(),
            at: now,
            rows,
        });
        Some(id)
    }

    /// Takes rows out: each check is used once.
    pub(super) fn take(&self, id: &str, now: Duration) -> Option<Vec<Prepared>> {
        let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        checks.retain(|check| now.saturating_sub(check.at) < LASTS);
        let place = checks.iter().position(|check| check.id == id)?;
        Some(checks.remove(place).rows)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn row() -> Prepared {
        Prepared {
            line: 1,
            place: Place::Stream("rtsp://192.0.2.7/x".into()),
            name: None,
            credentials: None,
        }
    }

    #[test]
    fn a_check_is_used_once_and_not_for_ever() {
        let pending = Pending::default();
        let start = Duration::from_secs(100);
        assert_eq!(pending.keep(Vec::new(), start), None);
        let id = pending.keep(vec![row()], start).unwrap();
        assert!(pending.take("other", start).is_none());
        assert_eq!(pending.take(&id, start).unwrap().len(), 1);
        assert!(pending.take(&id, start).is_none());
        let id = pending.keep(vec![row()], start).unwrap();
        assert!(pending.take(&id, start + LASTS).is_none());
        let first = pending.keep(vec![row()], start).unwrap();
        for _ in 0..MAX_CHECKS {
            pending.keep(vec![row()], start).unwrap();
        }
        assert!(pending.take(&first, start).is_none());
    }
}
