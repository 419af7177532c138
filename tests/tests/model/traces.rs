//! Traces that led to a violation once: by a rule that was wrong, or by one that is
//! broken here on purpose. The rules as they are survive each.

use sealgate_tests::model::{Configuration, Move, Want, replay};

use crate::mutants::{Mutant, Mutation};

const NONE: Want = Want::Nothing;

fn license(camera: u8, vca: u8) -> Want {
    Want::License([camera, vca])
}

/// Breaks under the mutation, and only there.
fn check(name: &str, mutation: Mutation, trace: &[Move]) {
    let world = Configuration::named(name).unwrap();
    let broken = replay(&world, &Mutant::of(&world, mutation), trace);
    let (at, _) = broken.expect_err("the trace shows nothing");
    assert_eq!(at, trace.len() - 1, "the trace is longer than it has to be");
    let sound = replay(&world, &world.rules(), trace);
    assert!(sound.is_ok(), "the rules break: {sound:?}");
}

/// The owner fetches a smaller license, keeps the larger in use, and proves the smaller
/// one's secret, which activation reveals before any import.
#[test]
fn a_proof_is_no_import() {
    check(
        "one-box",
        Mutation::CreditAtAnyCounter,
        &[
            Move::Request(0, 1, None, license(1, 0)),
            Move::Request(0, 1, Some(0), license(0, 0)),
            Move::Request(0, 1, Some(1), NONE),
        ],
    );
}

/// The larger license runs on in the grace of its counter, just where the smaller one is
/// proven.
#[test]
fn the_grace_of_one_license_is_not_the_next() {
    check(
        "one-box",
        Mutation::SpacingIsTheGrace,
        &[
            Move::Request(0, 1, None, license(1, 0)),
            Move::Request(0, 1, Some(0), license(0, 0)),
            Move::RaiseTo(0, 1),
            Move::Request(0, 4, Some(1), NONE),
        ],
    );
}

/// Files were fetched and not imported, then the TPM is cleared.
#[test]
fn a_full_row_still_has_room_for_what_was_lost() {
    check(
        "one-box",
        Mutation::NoSlotForReissue,
        &[
            Move::Request(0, 1, None, license(0, 0)),
            Move::RaiseTo(0, 0),
            Move::Increment(0, 1),
            Move::Request(0, 1, Some(0), license(1, 0)),
            Move::Request(0, 4, Some(0), license(2, 1)),
        ],
    );
}

/// A license made for an old request of a TPM that has counted on.
#[test]
fn an_old_request_does_not_hold_the_next_one_back() {
    check(
        "one-box",
        Mutation::ToIgnoresTheCounter,
        &[
            Move::Increment(0, 4),
            Move::Increment(0, 4),
            Move::Request(0, 1, None, license(0, 0)),
        ],
    );
}

/// A key in software claims a huge counter beside the box's own endorsement key.
#[test]
fn a_foreign_key_does_not_lock_the_owner_out() {
    check(
        "foreign-keys",
        Mutation::OneRowPerEk,
        &[
            Move::Request(0, 1, None, license(1, 0)),
            Move::RaiseTo(0, 0),
            Move::ForeignRequest(0, 1000),
        ],
    );
}

/// Hardware comes back and is sold again while its old license can still be imported.
#[test]
fn returned_hardware_can_not_use_what_was_written_off() {
    check(
        "write-offs",
        Mutation::BackRaisedByOne,
        &[
            Move::Request(0, 1, None, license(1, 0)),
            Move::WriteOff(0),
            Move::HardwareBack(0),
        ],
    );
}

/// Restored twice from one backup: what was made between the restores is in its window,
/// and that window begins behind a gap of its own.
#[test]
fn two_proofs_are_too_few_after_two_restores() {
    check(
        "journal-lost",
        Mutation::CreditAtTheSecondProof,
        &[
            Move::Backup,
            Move::Restore,
            Move::Request(0, 1, None, license(1, 0)),
            Move::Restore,
            Move::Request(0, 1, Some(0), license(0, 0)),
            Move::RaiseTo(0, 0),
            Move::Request(0, 1, Some(1), NONE),
            Move::Request(0, 12, Some(1), NONE),
        ],
    );
}

/// An old request is sent again after the restore: its counter says nothing about now.
#[test]
fn a_replayed_request_is_not_fresh() {
    check(
        "journal-lost",
        Mutation::AnyRequestIsFresh,
        &[
            Move::Backup,
            Move::Restore,
            Move::Request(0, 1, None, license(0, 0)),
            Move::RaiseTo(0, 0),
            Move::Request(0, 12, Some(0), license(1, 0)),
            Move::RaiseTo(0, 1),
            Move::Restore,
            Move::Request(0, 1, Some(0), license(0, 0)),
            Move::Request(0, 24, Some(2), NONE),
        ],
    );
}
