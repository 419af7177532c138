//! Long random walks through everything at once, at the portal's own scale: issue,
//! import, lose, clone, restore, clear, undefine, return, re-issue, write off, take back,
//! foreign keys, and a portal that comes out of its backup. What could run is charged,
//! and what is charged was bought; an honest owner gets what is his.

use proptest::prelude::*;
use proptest::sample::Index;
use sealgate_portal::rules::{GRACE, MAX_OUTSTANDING, SPACING};
use sealgate_tests::model::{Configuration, Move, State, moves, replay};

use crate::mutants::{Mutant, Mutation};

fn world(journal_lost: bool) -> Configuration {
    Configuration {
        name: "walks",
        boxes: 2,
        bought: [9, 6],
        asks: &[[0, 0], [1, 0], [2, 1], [1, 2], [5, 3]],
        papers: 28,
        waiting: MAX_OUTSTANDING,
        spacing: u16::try_from(SPACING).unwrap(),
        grace: u16::try_from(GRACE).unwrap(),
        tpm: true,
        disk: true,
        replays: true,
        foreign: true,
        write_offs: 3,
        restores: 3,
        journal_lost,
        depth: 0,
    }
}

/// The kinds of moves are equally likely, however many there are of each.
fn pick(state: &State, world: &Configuration, (kind, which): (Index, Index)) -> Option<Move> {
    let all = moves(state, world);
    let mut kinds: Vec<_> = all.iter().map(std::mem::discriminant).collect();
    let mut seen = Vec::new();
    kinds.retain(|kind| {
        let new = !seen.contains(kind);
        seen.push(*kind);
        new
    });
    // Requests are what most depends on.
    let request = all.iter().find(|step| matches!(step, Move::Request(..)));
    if let Some(request) = request {
        kinds.extend([std::mem::discriminant(request); 8]);
    }
    if kinds.is_empty() {
        return None;
    }
    let kind = *kind.get(&kinds);
    let of_kind: Vec<Move> = (all.into_iter())
        .filter(|step| std::mem::discriminant(step) == kind)
        .collect();
    Some(*which.get(&of_kind))
}

fn walk(world: &Configuration, choices: &[(Index, Index)]) -> Vec<Move> {
    let rules = world.rules();
    let mut state = State::start();
    let mut trace = Vec::new();
    for choice in choices {
        let Some(step) = pick(&state, world, *choice) else {
            break;
        };
        if let Some(after) = state.after(step, world, &rules) {
            state = after;
            trace.push(step);
        }
    }
    trace
}

fn choices() -> impl Strategy<Value = Vec<(Index, Index)>> {
    prop::collection::vec(any::<(Index, Index)>(), 1..120)
}

fn check(world: &Configuration, choices: &[(Index, Index)]) -> Result<(), TestCaseError> {
    let trace = walk(world, choices);
    if let Err((at, what)) = replay(world, &world.rules(), &trace) {
        return Err(TestCaseError::fail(format!(
            "{what}, by {:#?}",
            &trace[..=at]
        )));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn books_balance_with_the_journal(choices in choices()) {
        check(&world(false), &choices)?;
    }

    #[test]
    fn books_balance_without_the_journal(choices in choices()) {
        check(&world(true), &choices)?;
    }
}

/// The walks are long and wild enough to notice a rule that is wrong.
#[test]
fn walks_notice_what_is_broken() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let world = world(false);
    for mutation in [
        Mutation::CreditAtAnyCounter,
        Mutation::SpacingIsTheGrace,
        Mutation::BackWithoutRaising,
        Mutation::CreditOnIssue,
        Mutation::OneRowPerEk,
    ] {
        let broken = Mutant::of(&world, mutation);
        let noticed = (0..300).any(|_| {
            let choices = choices().new_tree(&mut runner).unwrap().current();
            replay(&world, &broken, &walk(&world, &choices)).is_err()
        });
        assert!(noticed, "no walk notices {mutation:?}");
    }
}
