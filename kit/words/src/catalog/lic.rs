//! License files that can't be used here.

use crate::{Entry, Owner};

/// The entries of this prefix.
pub const ENTRIES: &[Entry] = &[
    Entry {
        code: "SG-LIC-001",
        cause: "The license was changed after the vendor signed it.",
        effect: "It was not used; your current license still works.",
        cure: "Use the file as you received it. If you did, ask your distributor to send it again.",
        owner: Owner::Distributor,
    },
    Entry {
        code: "SG-LIC-002",
        cause: "The license was signed by a vendor key that this box does not know.",
        effect: "It was not used; your current license still works.",
        cure: "Update the box's firmware. If that does not help, ask your distributor where the file is from.",
        owner: Owner::Distributor,
    },
    Entry {
        code: "SG-LIC-003",
        cause: "The vendor has revoked the key that signed this license.",
        effect: "It was not used; your current license still works.",
        cure: "Ask your distributor to issue the license again.",
        owner: Owner::Distributor,
    },
    Entry {
        code: "SG-LIC-004",
        cause: "The license's date of issue lies outside the dates of the key that signed it.",
        effect: "It was not used; your current license still works.",
        cure: "Ask your distributor to issue the license again.",
        owner: Owner::Distributor,
    },
    Entry {
        code: "SG-LIC-005",
        cause: "This is a license for lab boxes, and this box is a product.",
        effect: "It was not used; your current license still works.",
        cure: "Ask your distributor for a license of this box.",
        owner: Owner::Distributor,
    },
    Entry {
        code: "SG-LIC-010",
        cause: "This file is for {theirs}; this is {ours}.",
        effect: "It was not used; your current license still works.",
        cure: "Ask your distributor for the file of {ours}.",
        owner: Owner::Distributor,
    },
    Entry {
        code: "SG-LIC-011",
        cause: "This is an older license than the one this box has used.",
        effect: "It was not used; a newer license on this box still works.",
        cure: "Keep the newer license. If it is lost, create a request and ask your distributor for a new file.",
        owner: Owner::Distributor,
    },
    Entry {
        code: "SG-LIC-012",
        cause: "This license follows another one that was not imported here.",
        effect: "It was not used; your current license still works.",
        cure: "Create a new request on this box and send it to your distributor.",
        owner: Owner::Distributor,
    },
    Entry {
        code: "SG-LIC-013",
        cause: "This license is more than 512 steps ahead of this box.",
        effect: "It was not used; your current license still works.",
        cure: "Create a new request on this box and send it to support with this file.",
        owner: Owner::Support,
    },
    Entry {
        code: "SG-LIC-014",
        cause: "This box's TPM could not open the license's activation secret.",
        effect: "The license was not used; another license on this box still works.",
        cure: "Create a new request on this box and ask your distributor for a new file. If it happens again, tell support.",
        owner: Owner::Distributor,
    },
    Entry {
        code: "SG-LIC-015",
        cause: "The license starts on {not_before}.",
        effect: "Until then it allows no cameras.",
        cure: "Wait until {not_before}. If that date has passed, set the box's clock.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-LIC-016",
        cause: "The license ended on {not_after}.",
        effect: "Its cameras are no longer recorded; recordings stay and can be watched.",
        cure: "Create a request and ask your distributor for a new license.",
        owner: Owner::Distributor,
    },
    Entry {
        code: "SG-LIC-017",
        cause: "The TPM failed while the license was imported.",
        effect: "Nothing was lost; your current license still works.",
        cure: "Import the file again. If the TPM fails again, restart the box, then tell support.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-LIC-018",
        cause: "The license is bound in a way that this version can't check.",
        effect: "It was not used; your current license still works.",
        cure: "Update the box's firmware, then import the file again.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-LIC-019",
        cause: "The TPM's proof of the license counter does not hold.",
        effect: "The license is not used, so its cameras are not recorded; recordings stay.",
        cure: "Restart the box. If it happens again, send support the diagnostics: the TPM may have been replaced or tampered with.",
        owner: Owner::Support,
    },
];
