//! A cut at every system call of an import, from the first that reaches for disk or TPM.
//!
//! The import runs in a process of its own under strace, which kills it in place of one
//! call; with each call of an undisturbed run in turn. That is a cut as the process and the
//! TPM see it; what a disk may lose with the power is replayed from a recording of its
//! writes by `sealgate-lab power-cuts`.
//!
//! The import that replaces a license is cut at every call. Its two variations take every
//! [`STRIDE`]th call, and every one where `SEALGATE_ALL` is set (`scripts/test cuts --all`).

use std::{os::unix::process::ExitStatusExt as _, time::Instant};

use sealgate_tests::strace::Inject;

use crate::stage::{Has, Stage, tally};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The box starts again.
    Restart,
    /// Somebody clears the TPM, then the box starts again.
    ClearAndRestart,
}

/// An odd number: the calls come in pairs.
const STRIDE: usize = 5;

fn variation_stride() -> usize {
    match std::env::var_os("SEALGATE_ALL") {
        Some(_) => 1,
        None => STRIDE,
    }
}

/// Cuts at every `stride`th call, from the one numbered `from` on.
fn cut_everywhere(name: &str, mut stage: Stage, then: Then, from: usize, stride: usize) {
    let began = Instant::now();
    let (whole, first) = stage.undisturbed();
    let mut outcomes = Vec::new();
    let mut finished = 0;
    for line in (first + from..whole.calls.len()).step_by(stride) {
        let (call, nth) = whole.nth(line);
        let kill = Inject::Kill {
            call: call.to_owned(),
            nth,
        };
        stage.set();
        let cut = stage.import(&kill);
        if cut.output.status.signal() != Some(9) {
            // The answers of the TPM came in fewer pieces this time: one read less.
            assert_eq!(cut.output.stdout, b"imported\n");
            assert_eq!(call, "read");
            finished += 1;
            continue;
        }
        let outcome = stage.restart(then == Then::ClearAndRestart);
        let what = format!("{name}, killed at {:?}", cut.calls.last());
        outcomes.push(stage.judge(&outcome, &what));
    }
    let cuts = outcomes.len();
    assert!(finished < 10, "{finished} runs were not cut");
    // Once it is the new license, it stays so: later cuts never lead back.
    assert!(outcomes.is_sorted(), "{outcomes:?}");
    assert_eq!(outcomes.first(), Some(&Has::Old));
    assert_eq!(outcomes.last(), Some(&Has::New));
    println!(
        "{name}: {cuts} cuts: {}; {} distinct states followed to the end; {:.0} s",
        tally(outcomes),
        stage.distinct(),
        began.elapsed().as_secs_f64()
    );
}

#[test]
fn first_license() {
    let stage = Stage::without_license();
    cut_everywhere("first license", stage, Then::Restart, 0, variation_stride());
}

// In two halves, which run beside each other.
#[test]
fn next_license_every_even_call() {
    let stage = Stage::with_license();
    cut_everywhere("next license, even calls", stage, Then::Restart, 0, 2);
}

#[test]
fn next_license_every_odd_call() {
    let stage = Stage::with_license();
    cut_everywhere("next license, odd calls", stage, Then::Restart, 1, 2);
}

#[test]
fn next_license_and_a_clear() {
    let stage = Stage::with_license();
    let name = "next license, TPM cleared after the cut";
    cut_everywhere(name, stage, Then::ClearAndRestart, 0, variation_stride());
}
