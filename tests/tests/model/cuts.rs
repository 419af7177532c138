//! An honest import with the power cut anywhere and at most one TPM2_Clear: after the
//! next boot the box has the old license or the new one.

use std::collections::HashSet;

use sealgate_tests::model::{Configuration, Move, State, Want};

/// The import is under way or over; the old license is number 0, the new one 1.
fn steps(state: &State) -> Vec<Move> {
    let tpm = &state.boxes[0];
    let mut steps = vec![Move::Boot(0)];
    match (tpm.active, tpm.pending) {
        (Some((_, 0)), None) => steps.push(Move::ImportAndCut(0, 1)),
        // The increments of the import itself, cut between any two.
        (_, Some(_)) if tpm.counter < tpm.papers[1].to => steps.push(Move::Increment(0, 1)),
        _ => {}
    }
    if tpm.clears == 0 {
        steps.push(Move::Clear(0));
    }
    steps
}

#[test]
fn an_import_cut_anywhere_leaves_the_old_or_the_new_license() {
    let world = Configuration::named("disks").unwrap();
    let rules = world.rules();
    let mut state = State::start();
    for step in [
        Move::Request(0, 1, None, Want::License([2, 1])),
        Move::ImportAndCut(0, 0),
        Move::Boot(0),
        Move::Request(0, 4, Some(0), Want::License([1, 0])),
    ] {
        state = state.after(step, &world, &rules).unwrap();
    }
    let mut found = HashSet::from([state.clone()]);
    let mut open = vec![state];
    let mut new_licenses = 0;
    while let Some(state) = open.pop() {
        let booted = state.after(Move::Boot(0), &world, &rules);
        let booted = booted.as_ref().unwrap_or(&state);
        let usable = booted.usable(0, &world);
        assert!(usable.is_some(), "nothing runs: {:?}", state.boxes[0]);
        assert!(booted.safe(&world).is_ok());
        new_licenses += usize::from(usable == Some(1));
        for step in steps(&state) {
            if let Some(after) = state.after(step, &world, &rules)
                && found.insert(after.clone())
            {
                open.push(after);
            }
        }
    }
    assert!(found.len() > 20 && new_licenses > 10, "{}", found.len());
}
