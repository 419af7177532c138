//! The box's TPM.

use crate::{Entry, Owner};

/// The entries of this prefix.
pub const ENTRIES: &[Entry] = &[
    Entry {
        code: "SG-TPM-001",
        cause: "No TPM 2.0 answers on this box.",
        effect: "No license can be used, so no cameras record. The pages and stored recordings still work.",
        cure: "Turn the TPM on in the firmware setup (often called TPM, PTT or fTPM) and restart; if it is on, ask support.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-TPM-002",
        cause: "The TPM has locked itself after too many failed authorizations by other software.",
        effect: "The license can't be checked, so no cameras record. Stored recordings still play.",
        cure: "Leave the box switched on: the TPM unlocks by itself, usually within a day. If it doesn't, ask support.",
        owner: Owner::Nobody,
    },
    Entry {
        code: "SG-TPM-003",
        cause: "The TPM's owner or endorsement hierarchy is switched off or has a password.",
        effect: "The license can't be checked, so no cameras record. Stored recordings still play.",
        cure: "Clear the TPM in the firmware setup, restart, and send a new request to your distributor if the page asks for one.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-TPM-004",
        cause: "The TPM is busy.",
        effect: "Cameras stay as they were for up to 24 hours while the box asks again.",
        cure: "Wait. If this stays for an hour, restart the box.",
        owner: Owner::Nobody,
    },
    Entry {
        code: "SG-TPM-005",
        cause: "The TPM has no room for the license counter.",
        effect: "No license can be imported, so no cameras record. Stored recordings still play.",
        cure: "Other software has filled the TPM: clear it in the firmware setup and restart.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-TPM-006",
        cause: "The TPM holds no license counter.",
        effect: "No license can be imported or checked, so no cameras record.",
        cure: "Restart the box: it makes the counter at start. If this stays, ask support.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-TPM-007",
        cause: "The place of the license counter in the TPM (NV index 0x01800A10) holds something that isn't a complete license counter.",
        effect: "No license can be imported or checked, so no cameras record. Stored recordings still play.",
        cure: "Restart the box, which completes a half-made counter. If this stays, other software uses that place: ask support.",
        owner: Owner::Support,
    },
    Entry {
        code: "SG-TPM-008",
        cause: "The TPM gave an answer that the box doesn't understand.",
        effect: "The license can't be checked, so no cameras record. Stored recordings still play.",
        cure: "Switch the box off and on. If this stays, update the TPM's firmware or ask support.",
        owner: Owner::Support,
    },
    Entry {
        code: "SG-TPM-009",
        cause: "The TPM holds no certificate of its maker.",
        effect: "Recording isn't affected. A request still works, but your distributor may have to approve this box by hand.",
        cure: "Nothing to do here; tell your distributor if the portal asks.",
        owner: Owner::Distributor,
    },
    Entry {
        code: "SG-TPM-010",
        cause: "The TPM refused a command that it should carry out.",
        effect: "The license can't be checked, so no cameras record. Stored recordings still play.",
        cure: "Switch the box off and on. If this stays, ask support.",
        owner: Owner::Support,
    },
];
