//! The license portal.

use crate::{Entry, Owner};

/// The entries of this prefix.
pub const ENTRIES: &[Entry] = &[
    Entry {
        code: "SG-POR-020",
        cause: "The request was changed after the box's TPM signed it, or its signature can't be read.",
        effect: "No license was issued; the license in use on the box still works.",
        cure: "Create a new request on the box and send the file as it is.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-POR-021",
        cause: "The request's attestation key is not one that a Sealgate box makes.",
        effect: "No license was issued; the license in use on the box still works.",
        cure: "Update the box's firmware and create a new request. If it happens again, tell support.",
        owner: Owner::Support,
    },
    Entry {
        code: "SG-POR-022",
        cause: "The request does not prove the box's license counter: its TPM index has other settings.",
        effect: "No license was issued; the license in use on the box still works.",
        cure: "Let the box set up its license counter again, then create a new request.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-POR-023",
        cause: "The request holds no certificate of the TPM's endorsement key.",
        effect: "No license was issued; the license in use on the box still works.",
        cure: "Ask support: some TPMs need their certificate fetched from the maker.",
        owner: Owner::Support,
    },
    Entry {
        code: "SG-POR-024",
        cause: "The certificate of the TPM's endorsement key can't be read.",
        effect: "No license was issued; the license in use on the box still works.",
        cure: "Create a new request on the box. If it happens again, send this one to support.",
        owner: Owner::Support,
    },
    Entry {
        code: "SG-POR-025",
        cause: "The maker of this TPM is not on the portal's list: {issuer}.",
        effect: "No license was issued; the license in use on the box still works.",
        cure: "Ask support to look at the TPM's maker. A virtual or lab TPM is not taken here.",
        owner: Owner::Support,
    },
    Entry {
        code: "SG-POR-026",
        cause: "A signature in the TPM's chain of certificates does not fit.",
        effect: "No license was issued; the license in use on the box still works.",
        cure: "Create a new request on the box. If it happens again, send this one to support.",
        owner: Owner::Support,
    },
    Entry {
        code: "SG-POR-027",
        cause: "The certificate in the request is not one for a TPM's endorsement key.",
        effect: "No license was issued; the license in use on the box still works.",
        cure: "Create a new request on the box. If it happens again, send this one to support.",
        owner: Owner::Support,
    },
    Entry {
        code: "SG-POR-028",
        cause: "The certificate in the request belongs to another TPM.",
        effect: "No license was issued; the license in use on the box still works.",
        cure: "Create a new request on the box itself. If it happens again, send this one to support.",
        owner: Owner::Support,
    },
    Entry {
        code: "SG-POR-029",
        cause: "The TPM's endorsement key is of a kind that licenses don't support.",
        effect: "No license was issued; the license in use on the box still works.",
        cure: "Use a box whose TPM has an RSA-2048, P-256 or P-384 endorsement key.",
        owner: Owner::Support,
    },
    Entry {
        code: "SG-POR-030",
        cause: "The TPM's endorsement key is not made by the standard template.",
        effect: "No license was issued; the license in use on the box still works.",
        cure: "Update the box's firmware and create a new request. If it happens again, tell support.",
        owner: Owner::Support,
    },
    Entry {
        code: "SG-POR-031",
        cause: "A certificate authority of the lab can't be trusted by a product portal.",
        effect: "It was not added; everything else still works.",
        cure: "Remove it from the list, or use a portal of the lab.",
        owner: Owner::You,
    },
];
