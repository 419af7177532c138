//! How far a person sees: the one check that every desk makes.

use super::Actor;
use crate::store::{DistributorId, StoreError, Tx};

/// The distributors whose things a person may know of.
pub(super) enum Reach {
    /// Vendor staff: all.
    Everything,
    /// A distributor with its sub-distributors, and theirs.
    Subtree(Vec<DistributorId>),
}

impl Reach {
    /// A person's, as the database has it in this very transaction.
    pub(super) fn of(tx: &mut dyn Tx, actor: &Actor) -> Result<Self, StoreError> {
        if actor.role.is_staff() {
            return Ok(Self::Everything);
        }
        Ok(Self::Subtree(match actor.distributor {
            Some(root) => tx.subtree(root)?,
            None => Vec::new(),
        }))
    }

    /// The only distributors whose things are shown; `None`: all are.
    pub(super) fn only(&self) -> Option<&[DistributorId]> {
        match self {
            Self::Everything => None,
            Self::Subtree(ids) => Some(ids),
        }
    }

    /// May that person know that something of this distributor's exists?
    pub(super) fn sees(&self, distributor: DistributorId) -> bool {
        match self {
            Self::Everything => true,
            Self::Subtree(ids) => ids.contains(&distributor),
        }
    }
}
