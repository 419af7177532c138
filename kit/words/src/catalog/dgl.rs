//! License dongles.

use crate::{Entry, Owner};

/// The entries of this prefix.
pub const ENTRIES: &[Entry] = &[
    Entry {
        code: "SG-DGL-001",
        cause: "The service that talks to dongles doesn't run.",
        effect: "The dongle's license can't be checked: its cameras stop when the countdown ends.",
        cure: "Restart the box. If this stays, ask support.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-DGL-002",
        cause: "No dongle is plugged in.",
        effect: "The dongle's license can't be used: its cameras stop when the countdown ends.",
        cure: "Plug the dongle in.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-DGL-003",
        cause: "A dongle is plugged in, but not the one that this license is for.",
        effect: "The license can't be used: its cameras stop when the countdown ends.",
        cure: "Plug in the dongle with the serial number that the license names.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-DGL-004",
        cause: "Another program on the box is using the dongle.",
        effect: "The dongle's license can't be checked: its cameras stop when the countdown ends.",
        cure: "Pull the dongle out and plug it in again. If this stays, restart the box.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-DGL-005",
        cause: "The dongle doesn't answer in time.",
        effect: "The dongle's license can't be checked: its cameras stop when the countdown ends.",
        cure: "Pull the dongle out and plug it in again, best into another port. If this stays, ask your distributor for another dongle.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-DGL-006",
        cause: "The dongle gives an answer that the box doesn't understand.",
        effect: "The dongle's license can't be checked: its cameras stop when the countdown ends.",
        cure: "Pull the dongle out and plug it in again. If this stays, ask your distributor for another dongle.",
        owner: Owner::Distributor,
    },
    Entry {
        code: "SG-DGL-007",
        cause: "{reason} The license is on dongle {serial}.",
        effect: "Its cameras record until {closes_at}, then they stop.",
        cure: "Plug dongle {serial} in.",
        owner: Owner::You,
    },
];
