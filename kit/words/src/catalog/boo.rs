//! Starting up: the encrypted data partition.

use crate::{Entry, Owner};

/// The entries of this prefix.
pub const ENTRIES: &[Entry] = &[
    Entry {
        code: "SG-BOO-001",
        cause: "The box finds no data partition on its disk.",
        effect: "Nothing is recorded. Pages and license are still there.",
        cure: "Have the disk checked, or restore the box from its recovery system.",
        owner: Owner::Support,
    },
    Entry {
        code: "SG-BOO-002",
        cause: "The data partition holds something that this box did not put there.",
        effect: "Nothing is recorded, and nothing on it was changed. Pages and license are still there.",
        cure: "Put this box's own disk back, or restore the box from its recovery system.",
        owner: Owner::Support,
    },
    Entry {
        code: "SG-BOO-003",
        cause: "The data partition is new, and this box has no TPM that could keep its key, or was not started by its own boot loader.",
        effect: "Nothing is recorded. Pages and license are still there.",
        cure: "Switch the TPM on in the firmware's settings, start from this disk with UEFI, and restart the box.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-BOO-004",
        cause: "The TPM does not open the data partition: TPM, Secure Boot settings or the mainboard are not those that it was locked with.",
        effect: "Nothing is recorded until it is open. Pages and license are still there, and no recording is lost.",
        cure: "Type the recovery key of this box. If Secure Boot was changed on purpose, the box locks its data anew after that.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-BOO-005",
        cause: "This recovery key does not open the data partition.",
        effect: "Data stays locked; nothing was changed.",
        cure: "Compare the key with what was written down: eight groups of eight letters. It belongs to this box's serial number alone.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-BOO-006",
        cause: "The data partition could not be made ready.",
        effect: "Nothing is recorded. Pages and license are still there.",
        cure: "Restart the box. If this stays, have the disk checked.",
        owner: Owner::Support,
    },
];
