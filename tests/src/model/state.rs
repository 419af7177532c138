//! A state of the model, small enough to keep millions of.

use super::portal::Portal;

/// How many boxes there are at most.
pub const BOXES: usize = 2;

/// Channels of two kinds.
pub type Amount = [u8; 2];

/// Per kind the greater.
pub(super) fn most(a: Amount, b: Amount) -> Amount {
    [a[0].max(b[0]), a[1].max(b[1])]
}

/// Per kind the sum.
pub(super) fn sum(a: Amount, b: Amount) -> Amount {
    [a[0] + b[0], a[1] + b[1]]
}

/// Does `a` hold at least `b`?
pub(super) fn covers(a: Amount, b: Amount) -> bool {
    a[0] >= b[0] && a[1] >= b[1]
}

/// A license that was made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Paper {
    /// The counter of its request.
    pub from: u16,
    /// The counter at which it is the one in use.
    pub to: u16,
    /// What it gives.
    pub gives: Amount,
    /// The TPM's counter when it was made: nothing older can know its secret.
    pub born: u16,
    /// Made for an attestation key outside the TPM: it never activates.
    pub foreign: bool,
}

/// A box: its TPM, its disk, and all that was ever made for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct TpmBox {
    /// The counter, also while its index is undefined.
    pub counter: u16,
    /// Is the index defined?
    pub defined: bool,
    /// How often TPM2_Clear was done.
    pub clears: u8,
    /// `active.lic`: whose paper, and which.
    pub active: Option<(u8, u8)>,
    /// `pending.lic`.
    pub pending: Option<u8>,
    /// Every license, in the order of issue.
    pub papers: Vec<Paper>,
}

impl TpmBox {
    /// What the counter is once it can be read: an index that is defined anew starts one
    /// above the highest of its TPM.
    pub fn reads(&self) -> u16 {
        self.counter + u16::from(!self.defined)
    }

    /// Could the box import it?
    pub fn importable(&self, paper: &Paper, most_ahead: u16) -> bool {
        let counter = self.reads();
        !paper.foreign
            && (paper.from..=paper.to).contains(&counter)
            && paper.to - counter <= most_ahead
    }

    /// Would the boot check take it in its grace?
    pub fn in_grace(&self, paper: &Paper, grace: u16) -> bool {
        let counter = self.reads();
        !paper.foreign && counter > paper.to && counter - paper.to <= grace
    }
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// The boxes.
    pub boxes: [TpmBox; BOXES],
    /// What the portal knows.
    pub(super) portal: Portal,
    /// A backup of its database.
    pub(super) backup: Option<Portal>,
    /// How often it was restored.
    pub restores: u8,
    /// Was a journal lost?
    pub lost: bool,
    /// How often hardware was written off.
    pub write_offs: u8,
    /// What support approved for each box that is written off.
    pub approved: [Amount; BOXES],
}

impl State {
    /// New boxes, provisioned, and a portal that knows none.
    pub fn start() -> Self {
        let new = || TpmBox {
            counter: 1,
            defined: true,
            ..TpmBox::default()
        };
        Self {
            boxes: [new(), new()],
            portal: Portal::default(),
            backup: None,
            restores: 0,
            lost: false,
            write_offs: 0,
            approved: [[0, 0]; BOXES],
        }
    }
}
