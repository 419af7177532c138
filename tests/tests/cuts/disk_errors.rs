//! The disk refuses one of an import's calls, or all from one moment on.

use sealgate_tests::strace::Inject;

use crate::stage::{Has, Stage, tally};

/// The calls that change what is on a disk, or open it.
const CALLS: [&str; 7] = [
    "openat", "write", "fsync", "rename", "renameat", "unlink", "unlinkat",
];

fn fail_everywhere(and_later: bool) {
    let mut stage = Stage::with_license();
    let (whole, first) = stage.undisturbed();
    let places: Vec<(String, usize)> = (first..whole.calls.len())
        .filter(|&line| stage.is_on_disk(&whole.calls[line]))
        .map(|line| whole.nth(line))
        .filter(|(call, _)| CALLS.contains(call))
        .map(|(call, nth)| (call.to_owned(), nth))
        .collect();
    for call in ["openat", "write", "fsync", "rename", "unlink"] {
        assert!(places.iter().any(|(name, _)| name == call), "no {call}");
    }
    let mut outcomes = Vec::new();
    for (call, nth) in &places {
        for error in ["EIO", "ENOSPC"] {
            stage.set();
            let (_, counter_before) = stage.bench.everything();
            let failed = stage.import(&Inject::Fail {
                call: call.clone(),
                nth: *nth,
                and_later,
                error,
            });
            let what = format!("{error} from {call} number {nth}");
            let injected = |call: &&String| call.contains("(INJECTED)");
            assert!(failed.calls.iter().any(|call| injected(&call)), "{what}");
            let said = String::from_utf8(failed.output.stdout).unwrap();
            let said = said.trim();
            let counter = stage.bench.tpm().counter().unwrap();
            // The process lives on: the check that follows every import comes first, and
            // later the box is started again.
            let at_once = stage.bench.start().check();
            let at_once = stage.judge(&at_once, &what);
            let later = stage.restart(false);
            stage.judge(&later, &what);
            let said = match (said, failed.output.status.code()) {
                // Its own answer could not be written either.
                ("", Some(0)) => "imported",
                ("", Some(1)) => "refused SG-API-003",
                (said, _) => said,
            };
            match said {
                "imported" => assert_eq!(at_once, Has::New, "{what}"),
                "refused SG-API-003" => {
                    // Refused before the counter was touched means: as if never tried.
                    if counter == counter_before {
                        assert_eq!(at_once, Has::Old, "{what}");
                    } else {
                        assert_eq!(at_once, Has::New, "{what}");
                    }
                }
                // The TPM's library opens files of its own, and needs some to find the TPM.
                "refused SG-TPM-001" if and_later && call == "openat" => {
                    assert_eq!((counter, at_once), (counter_before, Has::Old), "{what}");
                }
                said => panic!("{what}: {said:?}"),
            }
            outcomes.push((said.to_owned(), at_once));
        }
    }
    println!(
        "{} disk errors, {}: {}",
        outcomes.len(),
        if and_later { "lasting" } else { "passing" },
        tally(outcomes)
    );
}

#[test]
fn a_passing_error() {
    fail_everywhere(false);
}

/// As far as the importing process is concerned; the disk is well again afterwards.
#[test]
fn a_lasting_error() {
    fail_everywhere(true);
}
