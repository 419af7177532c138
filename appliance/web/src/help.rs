//! One short help text for each page, in one place: pages show it, and docs/help.md is made
//! of it.

/// The help of one page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Help {
    /// The page's path, as it is routed.
    pub(crate) path: &'static str,
    /// What the page is called.
    pub(crate) name: &'static str,
    /// What it is for and how it is used.
    pub(crate) text: &'static str,
}

/// All of them, in the order of a visit.
pub(crate) const HELP: &[Help] = &[
    Help {
        path: "/setup",
        name: "Set up this box",
        text: "The set-up code proves that you stand at the box: it is on the label and on the box's own screen. The password you choose is the owner's; nobody can read it back, so keep it. The steps after it can be left and taken up again from any device.",
    },
    Help {
        path: "/start/time",
        name: "Set-up: language and time zone",
        text: "Pages show dates in this time zone, and recording plans go by it. Your browser's own is proposed. Both can be changed later under Settings.",
    },
    Help {
        path: "/start/cameras",
        name: "Set-up: cameras",
        text: "Cameras on the camera port list by themselves. Record all gives each of them a channel, at once or as soon as there is a license. Choose later if only some are to be recorded, or if cameras want a name and a password first. A list that another box saved can be restored here.",
    },
    Help {
        path: "/start/license",
        name: "Set-up: license",
        text: "Cameras are recorded while a license is in force. With a license file, choose it here. Without one, create a request: a small file that says which box this is. Your distributor turns it into a license file. You can go on without a license and import it later.",
    },
    Help {
        path: "/start/done",
        name: "Set-up: done",
        text: "What is recorded now, and for each other camera what hinders it. The page refreshes itself; the first pictures take a few seconds.",
    },
    Help {
        path: "/sign-in",
        name: "Sign in",
        text: "Name and password of your account; the one from the set-up is called owner. With an authenticator app, a second page asks for its code. After some wrong attempts each further one has to wait.",
    },
    Help {
        path: "/recover",
        name: "Restore an admin",
        text: "For when nobody can sign in as an admin any more. The code comes from the box's own screen, so it takes somebody who stands there. Recording goes on meanwhile.",
    },
    Help {
        path: "/",
        name: "Home",
        text: "What is recorded, and if not, why. The first line is the license; below it stand alarms that nobody has acknowledged. An alarm stays until somebody acknowledges it, even when its cause is over, and comes again when its cause does. The page refreshes itself.",
    },
    Help {
        path: "/alarms",
        name: "Alarms",
        text: "Everything that went wrong and waits to be seen, then what was acknowledged, with who did and when. Acknowledging mends nothing: it says that somebody knows.",
    },
    Help {
        path: "/live",
        name: "Live",
        text: "All cameras at once, in their smaller streams. Choose layout and cameras below the pictures; the address of the page keeps the choice. Press a picture for the camera alone. Live video needs scripts; everything else works without.",
    },
    Help {
        path: "/live/{camera}",
        name: "One camera, live",
        text: "The camera's main stream, or the smaller one where the browser can't play the main one. Sound starts when you press it. Cameras that can be steered have buttons below.",
    },
    Help {
        path: "/playback/{camera}",
        name: "Playback",
        text: "The line shows what was recorded on a day; hatched parts are gaps. Drag, press the arrow keys (one second; with Shift one minute) or type a time. Export marks a part and saves it with a signed statement that proves that it was not changed.",
    },
    Help {
        path: "/cameras",
        name: "Cameras",
        text: "Every camera the box sees or has a channel for, with the reason where one is not recorded. Found: seen, without a channel. Admitted: its video passes. Refused: has a channel, and something stands in the way.",
    },
    Help {
        path: "/cameras/add",
        name: "Add a camera",
        text: "For a camera that does not list by itself. It is asked before it is saved: you see what it answers, and nothing changes before you say so.",
    },
    Help {
        path: "/cameras/adding/{id}",
        name: "Cameras that are being added",
        text: "Each camera of the list is asked for its name and streams, some at a time, and all that answer are saved together at the end. You can leave this page; the work goes on.",
    },
    Help {
        path: "/updates",
        name: "Updates",
        text: "Takes the one signed file of a version and writes it beside the one that runs; the box restarts into it when you say so, and goes back by itself if it does not work within three starts. Settings and recordings stay. The recovery key, which opens the data on another main board, is shown here to an admin: keep it away from the box.",
    },
    Help {
        path: "/cameras/import",
        name: "Add a list of cameras",
        text: "Paste or choose a list, one camera a line: address, name, user, password. Every line gets a verdict; nothing is saved before you say so. A list that a box saved can be read here again; passwords are not in it.",
    },
    Help {
        path: "/cameras/passwords",
        name: "Passwords of cameras",
        text: "Tries a name and a password on the cameras you tick and keeps it for those that take it, only as often as none locks its account.",
    },
    Help {
        path: "/cameras/stay",
        name: "Who stays",
        text: "When a license has fewer places than there are cameras, those you tick keep theirs; the places that are left go to the cameras that have held one longest.",
    },
    Help {
        path: "/cameras/{camera}",
        name: "One camera",
        text: "Its facts, streams and traffic, how it is named, recorded and kept, its password, and what to do when it broke: another camera can take its place, with name and settings.",
    },
    Help {
        path: "/cameras/{camera}/release",
        name: "Release a camera",
        text: "Takes the channel away. Recording stops at once; what was recorded stays until it is the oldest. The place is free for another camera.",
    },
    Help {
        path: "/license",
        name: "License",
        text: "The state of the license in words, with the next step. To get or change a license: create a request, send it to your distributor, import the file that comes back; you see what it changes before it does. System counts camera places, Failover servers that stand in, Local what else this box may do. Giving places back needs a return file, or nothing is credited.",
    },
    Help {
        path: "/license/states",
        name: "States of a license",
        text: "Everything that the license page can say: what it does to recording, what to do, and who can do it.",
    },
    Help {
        path: "/account",
        name: "Your account",
        text: "Your password, your authenticator app, and where you are signed in. Ending other sessions signs out every other browser.",
    },
    Help {
        path: "/account/app",
        name: "Authenticator app",
        text: "Scan the code with an authenticator app and type the six digits that it shows. The recovery codes are shown once: keep them, each stands in for the app one time.",
    },
    Help {
        path: "/settings",
        name: "Settings",
        text: "Language and time zone of the box, and the way to users, diagnostics and the log of what was done.",
    },
    Help {
        path: "/users",
        name: "Users",
        text: "Who may come in. A viewer watches, an operator also runs the cameras and takes video away, an admin does everything. The last admin can't be removed.",
    },
    Help {
        path: "/users/{name}",
        name: "One user",
        text: "Role, password and authenticator app of a user. A new password or role ends their sessions.",
    },
    Help {
        path: "/tokens",
        name: "API tokens",
        text: "For programs. A token is shown once, does only what you tick, never more than its user's role, and ends on its day.",
    },
    Help {
        path: "/audit",
        name: "What was done",
        text: "What people and programs did or were refused, the newest first. The list is only ever added to.",
    },
    Help {
        path: "/support",
        name: "Support",
        text: "Diagnostics in one file for whoever helps you. It holds no password, no key, no token and no video; read it before you send it.",
    },
    Help {
        path: "/help",
        name: "Help",
        text: "The help of every page. Each page shows its own under Help, below its heading.",
    },
];

/// The help of the page at this routed path, or of the page that it belongs to.
pub(crate) fn of(path: &str) -> Option<&'static Help> {
    let mut rest = path;
    loop {
        if let Some(help) = HELP.iter().find(|help| help.path == rest) {
            return Some(help);
        }
        let cut = rest.rfind('/').filter(|cut| *cut > 0)?;
        rest = &rest[..cut];
    }
}

/// The text of docs/help.md.
#[cfg(test)]
fn document() -> String {
    let mut text = String::from(
        "# Help\n\nThe help of each page of the box, as the page itself shows it. Made of \
         `appliance/web/src/help.rs`; a test\ncompares. To write it anew: \
         `SEALGATE_UPDATE_DOCS=1 cargo nextest run --workspace -E 'test(the_document_of_help)'`.\n",
    );
    for Help {
        path,
        name,
        text: words,
    } in HELP
    {
        text.push_str(&format!("\n## {name}\n`{path}`\n\n{words}\n"));
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use axum::http::Method;

    use super::*;
    use crate::routes::{Kind, routes};

    #[test]
    fn every_page_has_help_and_no_help_is_without_a_page() {
        // Downloads, and a way to another page.
        let others = ["/cameras/list.csv", "/support/diagnostics", "/start"];
        let pages: Vec<&str> = routes()
            .iter()
            .filter(|route| route.kind == Kind::Page && route.method == Method::GET)
            .map(|route| route.path)
            .filter(|path| !others.contains(path))
            .collect();
        for path in &pages {
            let own = of(path).is_some_and(|help| help.path == *path);
            assert!(own, "{path} has no help of its own");
        }
        for help in HELP {
            assert!(pages.contains(&help.path), "there is no page {}", help.path);
        }
    }

    #[test]
    fn an_answer_has_the_help_of_its_page() {
        let path = |asked| of(asked).map(|help| help.path);
        assert_eq!(path("/license/check"), Some("/license"));
        assert_eq!(
            path("/cameras/{camera}/settings"),
            Some("/cameras/{camera}")
        );
        assert_eq!(path("/sign-in/code"), Some("/sign-in"));
        assert_eq!(path("/nowhere"), None);
    }

    #[test]
    fn the_document_of_help_is_what_the_pages_say() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/help.md");
        if std::env::var_os("SEALGATE_UPDATE_DOCS").is_some() {
            std::fs::write(file, document()).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(file).unwrap_or_default(),
            document()
        );
    }
}
