//! What each role may do. The one place that says so.

use serde::{Deserialize, Serialize};

use super::{Actor, DeskError};
use crate::store::Role;

/// What an operation is, as far as it matters who may. All but two are also scopes of
/// tokens for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// Read what one's subtree has.
    See,
    /// A distributor's work: projects, servers, licenses.
    Work,
    /// Sales: distributors, what they bought, what they may.
    Sell,
    /// Support: hardware that failed, licenses that have to be made again.
    Support,
    /// Decide who else signs in, in one's subtree. No token has it.
    People,
    /// The rest of the vendor's: the audit, limits. No token has it.
    Manage,
}

impl Right {
    /// What a token can be limited to.
    pub const SCOPES: [Self; 4] = [Self::See, Self::Work, Self::Sell, Self::Support];

    /// As it is stored and sent.
    pub fn word(self) -> &'static str {
        match self {
            Self::See => "see",
            Self::Work => "work",
            Self::Sell => "sell",
            Self::Support => "support",
            Self::People => "people",
            Self::Manage => "manage",
        }
    }

    /// The scope of this word.
    pub fn scope(word: &str) -> Option<Self> {
        Self::SCOPES.into_iter().find(|right| right.word() == word)
    }
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [
        Self::Admin,
        Self::Sales,
        Self::Support,
        Self::Distributor,
        Self::SubDistributor,
    ];

    /// Is it the vendor's own?
    pub fn is_staff(self) -> bool {
        match self {
            Self::Admin | Self::Sales | Self::Support => true,
            Self::Distributor | Self::SubDistributor => false,
        }
    }

    /// Does the role include this?
    pub fn may(self, right: Right) -> bool {
        match right {
            Right::See => true,
            Right::Work => matches!(self, Self::Admin | Self::Distributor | Self::SubDistributor),
            Right::Sell => matches!(self, Self::Admin | Self::Sales),
            Right::Support => matches!(self, Self::Admin | Self::Support),
            Right::People => matches!(self, Self::Admin | Self::Distributor),
            Right::Manage => self == Self::Admin,
        }
    }

    /// For people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Admin => "Vendor admin",
            Self::Sales => "Sales",
            Self::Support => "Support",
            Self::Distributor => "Distributor",
            Self::SubDistributor => "Sub-distributor",
        }
    }

    /// As it is sent.
    pub fn word(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Sales => "sales",
            Self::Support => "support",
            Self::Distributor => "distributor",
            Self::SubDistributor => "sub_distributor",
        }
    }

    /// The role of this word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }
}

impl Actor {
    /// Refuses who may not do this.
    pub(crate) fn must(&self, right: Right) -> Result<(), DeskError> {
        if self.role.may(right) {
            return Ok(());
        }
        let for_staff = matches!(right, Right::Sell | Right::Support | Right::Manage);
        if for_staff && !self.role.is_staff() {
            return Err(DeskError::NotAllowed);
        }
        Err(DeskError::RoleLacks { role: self.role })
    }

    /// Refuses who is not a vendor admin.
    pub(super) fn must_be_admin(&self) -> Result<(), DeskError> {
        self.must(Right::Manage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_decides_about_people_or_manages() {
        for right in [Right::People, Right::Manage] {
            assert_eq!(Right::scope(right.word()), None);
        }
        for right in Right::SCOPES {
            assert_eq!(Right::scope(right.word()), Some(right));
            assert!(Role::Admin.may(right));
        }
        for role in Role::ALL {
            assert_eq!(Role::of_word(role.word()), Some(role));
        }
    }
}
