//! Requests that the box or the portal could not take.

use crate::{Entry, Owner};

/// The entries of this prefix.
pub const ENTRIES: &[Entry] = &[
    Entry {
        code: "SG-API-001",
        cause: "The request can't be read: {detail}.",
        effect: "Nothing was changed.",
        cure: "Compare the request with the description at /api/openapi.json and send it again.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-API-002",
        cause: "There is no {object} at this address.",
        effect: "Nothing was changed.",
        cure: "Check the address, or start again from the home page.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-API-003",
        cause: "A fault of our own stopped this: {operation} failed.",
        effect: "This one request was not carried out; recording goes on as before.",
        cure: "Try again. If it fails once more, send the reference to support.",
        owner: Owner::Support,
    },
    Entry {
        code: "SG-API-004",
        cause: "The request is larger than the {limit} it may have.",
        effect: "Nothing was changed.",
        cure: "Send less at once.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-API-005",
        cause: "The request came from a page that is not this one.",
        effect: "Nothing was changed.",
        cure: "Open this page by its own address and repeat the action there. Programs send a bearer token.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-API-006",
        cause: "This address does not take {method} requests.",
        effect: "Nothing was changed.",
        cure: "Compare the request with the description at /api/openapi.json.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-API-010",
        cause: "The request is for {host}, which is not a name of this box.",
        effect: "Nothing was shown or changed.",
        cure: "Open the page by the box's address or serial number. If your network gives the box another name, add it to `names` in the box's configuration.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-API-011",
        cause: "{streams} pages of this box are being kept up to date already.",
        effect: "This page shows how things stood when it was opened; recording goes on as before.",
        cure: "Close pages that nobody looks at, then load this one again.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-API-012",
        cause: "{camera} is admitted, but nothing comes from it: {detail}.",
        effect: "It is not recorded; the box tries again by itself. Other cameras are not affected.",
        cure: "Check its power, its cable and its password.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-API-013",
        cause: "The rules of the camera gate were not in the kernel as the box had written them.",
        effect: "The box puts them back by itself; until then cameras may be cut off, and none gets in that should not.",
        cure: "If this comes again, send support the diagnostics.",
        owner: Owner::Support,
    },
    Entry {
        code: "SG-API-014",
        cause: "Disk {disk} is not used for recordings: {detail}.",
        effect: "Recordings on it can not be watched. Cameras record to the other disks as long as there is one.",
        cure: "Check the disk and its cable. A disk that fails again has to be replaced.",
        owner: Owner::You,
    },
];
