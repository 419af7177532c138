//! Set-up, sign-in and sessions.

use crate::{Entry, Owner};

/// The entries of this prefix.
pub const ENTRIES: &[Entry] = &[
    Entry {
        code: "SG-SES-001",
        cause: "This name and password don't belong together.",
        effect: "You are not signed in; recording goes on as before.",
        cure: "Check both and try again. Capital letters count.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-SES-002",
        cause: "This is not the set-up code of this box.",
        effect: "No password was set.",
        cure: "Copy the eight characters from the box's console or its label; capital letters don't matter.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-SES-003",
        cause: "This box was set up already.",
        effect: "Its password was not changed.",
        cure: "Sign in with the password that was set then.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-SES-004",
        cause: "You are not signed in, or your session has ended.",
        effect: "Nothing was shown or changed; recording goes on as before.",
        cure: "Sign in and try again.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-SES-005",
        cause: "There were too many wrong attempts from your address.",
        effect: "The box takes no further attempt for {seconds} s; recording goes on as before.",
        cure: "Wait {seconds} s, then try again.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-SES-006",
        cause: "The password is shorter than {characters} characters.",
        effect: "No password was set.",
        cure: "Choose a longer one. Several words are easy to remember and hard to guess.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-SES-007",
        cause: "This form is too old, or it came from another window where you have signed in or out since.",
        effect: "Nothing was changed.",
        cure: "Go back, load the page again and send the form once more.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-SES-008",
        cause: "This box has not been set up yet.",
        effect: "It shows nothing else before its first password is set.",
        cure: "Open the box's page in a browser and set the password with the set-up code from its console.",
        owner: Owner::You,
    },
    Entry {
        code: "SG-SES-009",
        cause: "The two passwords differ.",
        effect: "No password was set.",
        cure: "Type the same password in both fields.",
        owner: Owner::You,
    },
];
