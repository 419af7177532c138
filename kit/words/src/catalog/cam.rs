//! Cameras and channels.

use crate::{Entry, Owner};

/// The entries of this prefix.
pub const ENTRIES: &[Entry] = &[
    Entry {
        code: "SG-CAM-001",
        cause: "Camera {camera} is found, but no license is in force on this box.",
        effect: "No camera is recorded; pages and existing recordings stay.",
        cure: "Create a request, send it to your distributor, and import the license you get.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-CAM-002",
        cause: "Every camera place of the license is used (places: {total}), so camera {camera} wasn't admitted.",
        effect: "This camera is not recorded; the others are.",
        cure: "Remove another camera, or order more channels from your distributor.",
        owner: Owner::Distributor,
    },
    Entry {
        code: "SG-CAM-003",
        cause: "Camera {camera} is behind a router, so its MAC address can't be seen.",
        effect: "This camera is not recorded; the others are.",
        cure: "Connect the camera to the box's camera port without a router between.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-CAM-004",
        cause: "Camera {camera} is not seen on the camera port.",
        effect: "This camera is not recorded; it keeps its place.",
        cure: "Check its power and cable. It is admitted again by itself when it answers.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-CAM-005",
        cause: "Camera {camera} gave no stream address.",
        effect: "This camera is not recorded; the others are.",
        cure: "Check that ONVIF is switched on in the camera, or enter its stream address by hand.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-CAM-006",
        cause: "The stream address of camera {camera} can't be used: {address}.",
        effect: "This camera is not recorded; the others are.",
        cure: "Enter an address of the form rtsp://192.168.77.11/stream1.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-CAM-007",
        cause: "The MAC or IP address of camera {camera} is claimed by another device too.",
        effect: "A camera that was streaming goes on from its old address; nothing else is admitted under either address.",
        cure: "Find the second device on the camera port and disconnect it.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-CAM-008",
        cause: "Camera {camera} is found, but has no channel yet.",
        effect: "This camera is not recorded.",
        cure: "Add the camera: {free} of {total} places are free.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-CAM-009",
        cause: "Camera {camera} isn't on the license, which names the cameras it is for.",
        effect: "This camera is not recorded; those on the license are.",
        cure: "Ask your distributor to add it.",
        owner: Owner::Distributor,
    },
    Entry {
        code: "SG-CAM-010",
        cause: "The gate for cameras in the kernel could not be set or read.",
        effect: "No further camera is admitted; what was admitted before stays as it was.",
        cure: "Restart the box. If this comes back, send the support bundle.",
        owner: Owner::Support,
    },
    Entry {
        code: "SG-CAM-011",
        cause: "The camera port {interface} can't be searched for cameras.",
        effect: "New cameras are not found; those found before are recorded on.",
        cure: "Restart the box. If this comes back, send the support bundle.",
        owner: Owner::Support,
    },
    Entry {
        code: "SG-CAM-012",
        cause: "Camera {camera} wants a user name and password, or refused the ones it was given.",
        effect: "This camera is not recorded; the others are.",
        cure: "Enter the user name and password that are set in the camera.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-CAM-030",
        cause: "Nothing answers at camera {camera}.",
        effect: "This camera is not recorded; the others are.",
        cure: "Check its power, its cable and its address.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-CAM-031",
        cause: "What answers at {camera} doesn't speak ONVIF.",
        effect: "Its streams can't be found by themselves; the other cameras are not touched.",
        cure: "Switch ONVIF on in the camera, or enter its stream address by hand.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-CAM-032",
        cause: "Camera {camera} refused this user name and password a few minutes ago.",
        effect: "They are not tried again for a quarter of an hour, so that the camera doesn't lock the account.",
        cure: "Enter the right ones: others are tried at once.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-CAM-033",
        cause: "Camera {camera} doesn't have this function.",
        effect: "It is recorded as before; it can't be steered, or tells no motion.",
        cure: "Check in the camera that the function is switched on and that the user may use it.",
        owner: Owner::You,
    },
];
