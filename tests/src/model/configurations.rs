//! Which worlds are explored. Each leaves something out, to go deeper in the rest.

use sealgate_portal::rules::Rules;

use super::state::Amount;

/// A world to explore.
#[derive(Debug, Clone, Copy)]
pub struct Configuration {
    /// Its name.
    pub name: &'static str,
    /// How many boxes.
    pub boxes: usize,
    /// How many channels were bought.
    pub bought: Amount,
    /// What may be asked for.
    pub asks: &'static [Amount],
    /// At most so many licenses a box.
    pub papers: usize,
    /// How many licenses may wait; see [`Rules::scaled`].
    pub waiting: usize,
    /// How far apart licenses are.
    pub spacing: u16,
    /// The box's grace: [`sealgate_portal::rules::GRACE`].
    pub grace: u16,
    /// Does the owner increment, undefine and clear?
    pub tpm: bool,
    /// Are disks lost, restored, cloned, and imports cut?
    pub disk: bool,
    /// Are old requests uploaded?
    pub replays: bool,
    /// Are there foreign attestation keys?
    pub foreign: bool,
    /// So often hardware is written off, taken back and sold again.
    pub write_offs: u8,
    /// So often the portal is restored from a backup.
    pub restores: u8,
    /// Without its journal?
    pub journal_lost: bool,
    /// To what depth in CI.
    pub depth: usize,
}

const PLAIN: Configuration = Configuration {
    name: "",
    boxes: 1,
    bought: [3, 2],
    asks: &[[0, 0], [1, 0], [2, 1], [1, 2]],
    papers: 5,
    waiting: 2,
    spacing: 4,
    grace: 2,
    tpm: true,
    disk: false,
    replays: true,
    foreign: false,
    write_offs: 0,
    restores: 0,
    journal_lost: false,
    depth: 5,
};

/// All of them.
pub const ALL: [Configuration; 7] = [
    // Issue, return and re-issue, old requests, an owner who plays with his TPM.
    Configuration {
        name: "one-box",
        depth: 5,
        ..PLAIN
    },
    // Two boxes that share what was bought.
    Configuration {
        name: "two-boxes",
        boxes: 2,
        papers: 3,
        depth: 5,
        ..PLAIN
    },
    // Imports cut anywhere, disks lost, restored and cloned, TPM2_Clear between cuts.
    Configuration {
        name: "disks",
        boxes: 2,
        asks: &[[1, 0], [2, 1]],
        papers: 3,
        disk: true,
        replays: false,
        depth: 6,
        ..PLAIN
    },
    // Attestation keys outside the TPM, with any counter.
    Configuration {
        name: "foreign-keys",
        asks: &[[1, 0], [2, 1]],
        foreign: true,
        depth: 6,
        ..PLAIN
    },
    // Hardware written off, taken back, sold again.
    Configuration {
        name: "write-offs",
        boxes: 2,
        asks: &[[1, 0], [2, 1]],
        papers: 3,
        write_offs: 2,
        depth: 6,
        ..PLAIN
    },
    // The database comes out of a backup, the journal is there.
    Configuration {
        name: "journal",
        asks: &[[1, 0], [2, 1]],
        papers: 4,
        write_offs: 1,
        restores: 2,
        depth: 6,
        ..PLAIN
    },
    // The same without the journal, twice from one backup.
    Configuration {
        name: "journal-lost",
        bought: [1, 0],
        asks: &[[0, 0], [1, 0]],
        papers: 7,
        waiting: 1,
        tpm: false,
        restores: 2,
        journal_lost: true,
        depth: 9,
        ..PLAIN
    },
];

impl Configuration {
    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        ALL.into_iter()
            .find(|configuration| configuration.name == name)
    }

    /// The portal's rules at this scale.
    pub fn rules(&self) -> Rules {
        Rules::scaled(self.spacing.into(), self.waiting)
    }

    /// How far ahead a box imports: as the product's cap, it takes what the rules make.
    pub fn most_ahead(&self) -> u16 {
        let rules = self.rules();
        super::portal::narrow(rules.gap() + rules.window()) + self.spacing
    }
}
