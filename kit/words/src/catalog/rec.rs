//! The recorder.

use crate::{Entry, Owner};

/// The entries of this prefix.
pub const ENTRIES: &[Entry] = &[
    Entry {
        code: "SG-REC-001",
        cause: "The recorder is not running, or does not answer.",
        effect: "Nothing is recorded and no live picture is shown until it is back. License, cameras and pages are not affected.",
        cure: "Wait a minute: the box restarts it by itself. If this stays, restart the box, then send a diagnostics file to support.",
        owner: Owner::Nobody,
    },
    Entry {
        code: "SG-REC-002",
        cause: "Camera {camera} is not being recorded.",
        effect: "There is no live picture of it. Other cameras are not affected.",
        cure: "Give the camera a channel on the Cameras page, and look there for the reason if it has one already.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-REC-003",
        cause: "Camera {camera} is watched by as many people as the box can serve at once.",
        effect: "This live picture is not shown. Recording goes on.",
        cure: "Close the camera's picture in another window or browser, then try again.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-REC-004",
        cause: "The list of recordings cannot be read.",
        effect: "Recordings are not listed. Recording goes on, and what was recorded is still on the disk.",
        cure: "Restart the box: the list is made anew from the recordings. If this comes back, have the disk checked.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-REC-005",
        cause: "The recorder and the rest of the box do not understand each other.",
        effect: "Recordings and live pictures are not shown. Recording goes on with the cameras it knew last.",
        cure: "Restart the box. If this comes back, install the firmware again and send a diagnostics file to support.",
        owner: Owner::Support,
    },
    Entry {
        code: "SG-REC-006",
        cause: "There is no such recording, or it was overwritten by newer ones.",
        effect: "Nothing is shown. Recording goes on.",
        cure: "Open the list of recordings again and choose one of those.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-REC-007",
        cause: "Nothing of camera {camera} is recorded at that time.",
        effect: "There is nothing to play or to save. Recording goes on.",
        cure: "Choose a time that the camera's time line shows as recorded.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-REC-008",
        cause: "The clip of camera {camera} would be longer than one file can be.",
        effect: "No file is made. Recording goes on.",
        cure: "Choose a shorter time, and save the rest as further files.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-REC-009",
        cause: "As many recordings are being played and saved as the box can serve at once.",
        effect: "This one is not shown. Recording goes on.",
        cure: "Wait until another is finished, or close it, then try again.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-REC-012",
        cause: "As many clips as the box keeps wait to be fetched.",
        effect: "This clip was not made; recording goes on.",
        cure: "Fetch those that were made, or wait: each is kept for an hour.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-REC-013",
        cause: "There is no such clip, or not any more: a clip can be fetched for an hour.",
        effect: "Its recordings are kept as before.",
        cure: "Make the clip again.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-REC-014",
        cause: "The recordings of this clip changed since it was made: the oldest were deleted, perhaps.",
        effect: "What was fetched is not what was signed.",
        cure: "Make the clip again.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-REC-020",
        cause: "Camera {camera} has no smaller stream.",
        effect: "This live picture is not shown. Recording and the full picture are not affected.",
        cure: "Watch the full picture, or enter the address of the camera's sub-stream on the Cameras page.",
        owner: Owner::You,
    },
];
