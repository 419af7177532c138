//! swtpm is killed at each command of an import: before it sees the command, and after it
//! has carried it out and before anybody hears of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Pid, Signal, kill_process};

use crate::proxy::{Proxy, Reaction};
use crate::stage::{Has, Stage, tally};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    After,
}

/// Imports through a proxy that kills the TPM at this command; says how many there were.
fn import(stage: &Stage, cut: Option<(usize, When)>) -> (usize, bool) {
    let proxy = Proxy::before(&stage.bench.swtpm.address());
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&seen);
    let tpm = Pid::from_raw(i32::try_from(stage.bench.swtpm.id().unwrap()).unwrap()).unwrap();
    let kill = move || kill_process(tpm, Signal::KILL).unwrap();
    proxy.on_command(move |_, _| {
        let number = counter.fetch_add(1, Ordering::SeqCst);
        match cut {
            Some((nth, When::Before)) if number == nth => {
                kill();
                Reaction::Pass
            }
            Some((nth, When::After)) if number == nth => Reaction::Cut(Box::new(kill)),
            _ => Reaction::Pass,
        }
    });
    let mut nvr = stage.bench.start_on(proxy.address());
    let imported = nvr.import(stage.new.text.as_bytes(), false).is_ok();
    (seen.load(Ordering::SeqCst), imported)
}

#[test]
fn the_tpm_killed_at_each_command() {
    let mut stage = Stage::with_license();
    stage.set();
    let (commands, imported) = import(&stage, None);
    assert!(imported);
    let mut outcomes = Vec::new();
    for nth in 0..commands {
        for when in [When::Before, When::After] {
            stage.set();
            let what = format!("killed {when:?} command {nth} of {commands}");
            let (_, imported) = import(&stage, Some((nth, when)));
            let outcome = stage.restart(false);
            let has = stage.judge(&outcome, &what);
            assert!(!imported || has == Has::New, "{what}");
            outcomes.push(has);
        }
    }
    assert!(outcomes.is_sorted(), "{outcomes:?}");
    assert_eq!(outcomes.first(), Some(&Has::Old));
    assert_eq!(outcomes.last(), Some(&Has::New));
    println!(
        "{} kills: {}; {} distinct states followed to the end",
        outcomes.len(),
        tally(outcomes),
        stage.distinct()
    );
}
