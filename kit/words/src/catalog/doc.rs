//! Files that are no usable Sealgate document.

use crate::{Entry, Owner};

/// The entries of this prefix.
pub const ENTRIES: &[Entry] = &[
    Entry {
        code: "SG-DOC-001",
        cause: "This file is not a Sealgate document.",
        effect: "It was not used; nothing changed.",
        cure: "Choose the file that you were sent: a license ends in .lic, a request in .req.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-DOC-002",
        cause: "The file is damaged or incomplete.",
        effect: "It was not used; what was in use before still works.",
        cure: "Download it again, or have it sent again as an attachment.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-DOC-003",
        cause: "The file is larger than 1 MiB, which no Sealgate document is.",
        effect: "It was not read; nothing changed.",
        cure: "Choose the file that you were sent: a license ends in .lic, a request in .req.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-DOC-004",
        cause: "This is another type of Sealgate document than the one asked for here.",
        effect: "It was not used; nothing changed.",
        cure: "Import a license (.lic) at the box, and send a request (.req) to the portal.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-DOC-005",
        cause: "The document was written in a newer format than this version reads.",
        effect: "It was not used; what was in use before still works.",
        cure: "Update this software, then use the file again.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-DOC-006",
        cause: "The TPM's signature in this statement does not hold: it was changed, or forged.",
        effect: "It proves nothing; what it is about may be genuine all the same.",
        cure: "Have the statement sent again as it was written, or make the export again.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-DOC-007",
        cause: "This statement is another box's.",
        effect: "It proves nothing about this box.",
        cure: "Use the statement that came from this box.",
        owner: Owner::You,
    },
];
