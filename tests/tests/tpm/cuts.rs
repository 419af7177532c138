//! Power cuts within an import: each leaves a state that the next start finishes.
//!
//! The states are made by hand, as a cut leaves them: the steps of the import are
//! (1) verified, (2) pending written, (3) counter raised, (4) renamed.

use sealgate_license::{state::LicenseState, tpm_wire::COUNTER_ATTRIBUTES};

use crate::bench::{Bench, Issued, clear, define_counter, refusal};

/// A licensed box that is about to import a reduced license.
fn about_to_import() -> (Bench, Issued) {
    let (bench, first) = Bench::licensed(32);
    let second = bench.license(16);
    assert_eq!(second.to, first.to + 8);
    (bench, second)
}

fn raise(bench: &Bench, times: u64) {
    let mut tpm = bench.tpm();
    for _ in 0..times {
        tpm.increment().unwrap();
    }
}

#[track_caller]
fn finishes(bench: &Bench, license: &Issued, counter: u64) {
    let outcome = bench.start().boot();
    let bound = outcome.bound.expect("the import was finished");
    assert_eq!(bound.entitlements().camera_channels(), 16);
    assert_eq!(outcome.counter, Some(counter));
    assert!(!bench.has("pending.lic"));
    assert_eq!(
        std::fs::read(bench.disk.path().join("secret")).unwrap(),
        license.secret
    );
}

#[test]
fn cut_before_the_rename_of_the_temporary_file_leaves_the_old_license() {
    let (bench, second) = about_to_import();
    bench.put("pending.lic.new", &second.text[..200]);
    let bound = bench.start().boot().bound.unwrap();
    assert_eq!(bound.entitlements().camera_channels(), 32);
    // The leftover is no obstacle.
    bench.start().import(second.text.as_bytes(), false).unwrap();
}

#[test]
fn cut_after_pending_was_written() {
    let (bench, second) = about_to_import();
    bench.put("pending.lic", &second.text);
    finishes(&bench, &second, second.to);
}

#[test]
fn cut_between_two_increments() {
    let (bench, second) = about_to_import();
    bench.put("pending.lic", &second.text);
    raise(&bench, 3);
    finishes(&bench, &second, second.to);
}

#[test]
fn cut_after_the_last_increment() {
    let (bench, second) = about_to_import();
    bench.put("pending.lic", &second.text);
    raise(&bench, 8);
    finishes(&bench, &second, second.to);
}

#[test]
fn cut_after_the_rename_and_before_the_secret() {
    let (bench, second) = about_to_import();
    // The stored secret is still the first license's.
    bench.put("active.lic", &second.text);
    raise(&bench, 8);
    finishes(&bench, &second, second.to);
}

/// The first license of a box, cut while it was being written.
#[test]
fn cut_within_the_first_import() {
    let bench = Bench::new();
    bench.start().boot();
    let license = bench.license(16);
    bench.put("pending.lic", &license.text);
    raise(&bench, 1);
    finishes(&bench, &license, license.to);
}

/// The owner clears the TPM between two cuts: the box must not be left without a license.
#[test]
fn cleared_between_two_cuts() {
    let (bench, second) = about_to_import();
    bench.put("pending.lic", &second.text);
    raise(&bench, 8);
    clear(&bench.swtpm.address());
    let outcome = bench.start().boot();
    assert!(
        matches!(outcome.state, LicenseState::TpmClearedGrace { .. }),
        "{:?}",
        outcome.state
    );
    assert_eq!(outcome.bound.unwrap().entitlements().camera_channels(), 16);
    assert_eq!(outcome.counter, Some(second.to + 1));
    assert!(!bench.has("pending.lic"));
}

/// Provisioning itself may be cut.
#[test]
fn cut_between_define_and_first_increment() {
    let bench = Bench::new();
    define_counter(&bench.swtpm.address(), COUNTER_ATTRIBUTES, 8);
    assert_eq!(bench.start().boot().state, LicenseState::Provisioned);
}

#[test]
fn a_pending_file_that_can_never_be_imported_is_dropped() {
    let (bench, second) = about_to_import();
    bench.put("pending.lic", &second.text[..second.text.len() / 2]);
    let bound = bench.start().boot().bound.unwrap();
    assert_eq!(bound.entitlements().camera_channels(), 32);
    assert!(!bench.has("pending.lic"));

    // Planted by hand: older than the license in use.
    let old = std::fs::read_to_string(bench.disk.path().join("active.lic")).unwrap();
    bench.start().import(second.text.as_bytes(), false).unwrap();
    bench.put("pending.lic", &old);
    let bound = bench.start().boot().bound.unwrap();
    assert_eq!(bound.entitlements().camera_channels(), 16);
    assert!(!bench.has("pending.lic"));
}

/// The disk takes no writes when the box starts again, in the middle of an import.
#[test]
fn a_disk_that_takes_no_writes_after_the_cut() {
    let (bench, second) = about_to_import();
    bench.put("pending.lic", &second.text);
    raise(&bench, 3);
    // Nothing can be renamed onto a folder with something in it.
    let active = bench.disk.path().join("active.lic");
    let old = std::fs::read(&active).unwrap();
    std::fs::remove_file(&active).unwrap();
    std::fs::create_dir_all(active.join("in the way")).unwrap();
    for _ in 0..2 {
        let outcome = bench.start().boot();
        let bound = outcome.bound.expect("the pending license holds");
        assert_eq!(bound.entitlements().camera_channels(), 16);
        assert!(bench.has("pending.lic"));
    }
    std::fs::remove_dir_all(&active).unwrap();
    std::fs::write(&active, old).unwrap();
    finishes(&bench, &second, second.to);
}

/// The TPM is unplugged while the counter is being raised.
#[test]
fn a_tpm_that_dies_within_an_import_loses_nothing() {
    let (mut bench, second) = about_to_import();
    bench.put("pending.lic", &second.text);
    raise(&bench, 3);
    bench.swtpm.cut_power().unwrap();
    let mut nvr = bench.start();
    assert_eq!(nvr.check().state, LicenseState::NoTpm);
    assert_eq!(
        refusal(nvr.import(second.text.as_bytes(), false)),
        "SG-TPM-001"
    );
    assert!(bench.has("pending.lic"));
    bench.swtpm.power_on().unwrap();
    finishes(&bench, &second, second.to);
}
