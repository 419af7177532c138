//! The license portal. 001 to 019 and from 040 on: the desk's; 020 to 039: requests and
//! the TPMs behind them.

use crate::{Entry, Owner};

/// The entries of this prefix.
pub const ENTRIES: &[Entry] = &[
    Entry {
        code: "SG-POR-001",
        cause: "This license needs {needed} more of {kind}, and {available} are available.",
        effect: "No license was made. The box's present license still works.",
        cure: "Order more from the vendor, or ask for fewer.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-POR-002",
        cause: "This request file is older than one that this box sent before.",
        effect: "No license was made. The box's present license still works.",
        cure: "Create a new request on the box's license page and upload that one.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-POR-003",
        cause: "{outstanding} license files were made for this box and none of them was imported.",
        effect: "No further one is made. The box's present license still works.",
        cure: "Import the newest file on the box, create a new request there and upload it.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-POR-004",
        cause: "This file is from {theirs}; server \"{server}\" is {ours}.",
        effect: "No license was made, and nothing was charged.",
        cure: "Open the server that is {theirs}, or add a new server for it. If {ours} was replaced by {theirs}, ask support for an exchange.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-POR-005",
        cause: "{serial} is server \"{server}\" already.",
        effect: "No license was made, and nothing was charged.",
        cure: "Open server \"{server}\" and upload the file there.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-POR-006",
        cause: "{serial} is registered elsewhere on this portal.",
        effect: "No license was made, and nothing was charged. The box's present license still works.",
        cure: "Ask support to move the box to you. Quote its serial number.",
        owner: Owner::Support,
    },
    Entry {
        code: "SG-POR-007",
        cause: "The counter in this request stands at {counter}, which no TPM reaches.",
        effect: "No license was made.",
        cure: "Create a new request on the box. If it says the same, send it to support.",
        owner: Owner::Support,
    },
    Entry {
        code: "SG-POR-008",
        cause: "No license was made before that this box could have used.",
        effect: "There is nothing to repeat.",
        cure: "Enter the channels and make a first license.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-POR-009",
        cause: "The {field} can't be used: it has to be {rule}.",
        effect: "Nothing was changed.",
        cure: "Correct it and try again.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-POR-010",
        cause: "There is {what} already.",
        effect: "Nothing was changed.",
        cure: "Choose another name.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-POR-011",
        cause: "The portal can't write down safely what it hands out.",
        effect: "No licenses are made until this is mended. Licenses in use still work.",
        cure: "Whoever runs the portal: look into its log, mend or bring back the journal, then start the portal again.",
        owner: Owner::Support,
    },
    Entry {
        code: "SG-POR-012",
        cause: "This portal is of the other flavour, lab or product, than was asked for.",
        effect: "The portal did not start.",
        cure: "Start it with the flavour it was made for, or make a new one with `sealgate-portal init`.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-POR-013",
        cause: "There are vendor keys in this folder already.",
        effect: "They were left as they are.",
        cure: "Name an empty folder. A key that is overwritten can't be brought back.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-POR-014",
        cause: "A newer version of the portal has changed this database.",
        effect: "The portal did not start, and nothing was changed.",
        cure: "Start the newer version.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-POR-015",
        cause: "The data folder holds no portal, or holds one already.",
        effect: "Nothing was changed.",
        cure: "Make a portal with `sealgate-portal init` in a folder that has none, then start it there.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-POR-016",
        cause: "This one-time link was used, or is older than a day.",
        effect: "No password was set.",
        cure: "Sign in if you have a password, or ask for a new link.",
        owner: Owner::Support,
    },
    Entry {
        code: "SG-POR-017",
        cause: "Only vendor staff may do this.",
        effect: "Nothing was changed.",
        cure: "Ask the vendor.",
        owner: Owner::Support,
    },
    Entry {
        code: "SG-POR-040",
        cause: "The portal's signing key can't be used.",
        effect: "No licenses are made until this is mended. Licenses in use still work.",
        cure: "Whoever runs the portal: look into its log; certify a new issuing key if the old one's dates are over.",
        owner: Owner::Support,
    },
];
