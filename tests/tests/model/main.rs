//! The portal's rules in an explicit-state model: every state to a stated depth, each
//! rule broken on purpose, and the traces that once led to a violation.
//! `sealgate-lab model --limit SECONDS` goes deeper.
#![allow(clippy::unwrap_used)]

mod cuts;
mod mutants;
mod traces;
mod walks;

use mutants::{Mutant, Mutation};
use sealgate_tests::model::{Configuration, explore};

/// Explores a world to its depth and prints what that came to.
fn holds(name: &str) {
    let world = Configuration::named(name).unwrap();
    let report = explore(&world, &world.rules(), world.depth, None);
    println!("{report}");
    assert!(report.found.is_none(), "{report}");
    assert_eq!(report.depth, world.depth);
    // A world in which hardly anything can happen shows nothing.
    assert!(report.states > 10_000, "{report}");
}

#[test]
fn one_box_and_an_owner_who_plays_with_his_tpm() {
    holds("one-box");
}

#[test]
fn two_boxes_share_what_was_bought() {
    holds("two-boxes");
}

#[test]
fn disks_are_cut_lost_restored_and_cloned() {
    holds("disks");
}

#[test]
fn foreign_attestation_keys_beside_a_genuine_endorsement_key() {
    holds("foreign-keys");
}

#[test]
fn hardware_is_written_off_taken_back_and_sold_again() {
    holds("write-offs");
}

#[test]
fn the_database_is_restored_with_its_journal() {
    holds("journal");
}

#[test]
fn the_database_is_restored_twice_from_one_backup_and_the_journal_lost() {
    holds("journal-lost");
}

/// In which world each mutation shows.
const MUTATIONS: [(Mutation, &str); 20] = [
    (Mutation::CreditAtAnyCounter, "one-box"),
    (Mutation::NoSlotForReissue, "one-box"),
    (Mutation::ProvenIsNeverRaised, "one-box"),
    (Mutation::SpacingIsTheGrace, "one-box"),
    (Mutation::OffTheGrid, "one-box"),
    (Mutation::ToIgnoresTheCounter, "one-box"),
    (Mutation::ChargeOnProof, "one-box"),
    (Mutation::CreditOnIssue, "one-box"),
    (Mutation::ReissueWhatWasProven, "one-box"),
    (Mutation::NeverAgain, "one-box"),
    (Mutation::CounterMayGoBack, "one-box"),
    (Mutation::OneRowPerEk, "foreign-keys"),
    (Mutation::BackWithoutRaising, "write-offs"),
    (Mutation::BackRaisedByOne, "write-offs"),
    (Mutation::WrittenOffIsServed, "write-offs"),
    (Mutation::NothingWasForgotten, "journal-lost"),
    (Mutation::NoGap, "journal-lost"),
    (Mutation::CreditAtTheFirstProof, "journal-lost"),
    (Mutation::CreditAtTheSecondProof, "journal-lost"),
    (Mutation::AnyRequestIsFresh, "journal-lost"),
];

#[test]
fn each_rule_that_is_broken_shows() {
    for (mutation, name) in MUTATIONS {
        let world = Configuration::named(name).unwrap();
        let report = explore(&world, &Mutant::of(&world, mutation), world.depth, None);
        println!("{mutation:?}: {report}");
        assert!(
            report.found.is_some(),
            "nobody notices {mutation:?}: {report}"
        );
    }
}
