//! The boot check: what a box says of itself, and when its channels close.

use sealgate_license::{
    license_document::{Term, Validity},
    state::LicenseState,
    tpm_wire::{NV_AUTHREAD, NV_AUTHWRITE, NV_NO_DA},
};
use sealgate_tests::swtpm::Swtpm;
use sealgate_tpm::TpmErrorKind;

use crate::bench::{Bench, clear, days, define_counter, own, refusal, undefine_counter};

#[test]
fn without_a_tpm_every_channel_is_closed() {
    let (mut bench, license) = Bench::licensed(32);
    bench.swtpm.cut_power().unwrap();
    let mut nvr = bench.start();
    let outcome = nvr.boot();
    assert_eq!(outcome.state, LicenseState::NoTpm);
    assert_eq!(outcome.tpm_problem, Some(TpmErrorKind::Absent));
    assert!(outcome.bound.is_none() && !outcome.keep_last_decision);
    assert_eq!(
        refusal(nvr.import(license.text.as_bytes(), false)),
        "SG-TPM-001"
    );
    assert_eq!(nvr.export_request(0, 1).unwrap_err().code(), "SG-TPM-001");
    // What needs no TPM is still said.
    assert_eq!(refusal(nvr.import(b"{", false)), "SG-DOC-001");

    bench.swtpm.power_on().unwrap();
    assert!(bench.start().boot().bound.is_some());

    let nowhere = "device:/dev/no-such-tpm".parse().unwrap();
    assert_eq!(bench.start_on(nowhere).boot().state, LicenseState::NoTpm);
}

#[test]
fn a_copied_disk_opens_nothing_on_another_board() {
    let (bench, license) = Bench::licensed(32);
    let other = Swtpm::start_fresh().unwrap();
    let mut clone = bench.start_on(other.address());
    let outcome = clone.boot();
    assert_eq!(
        outcome.state,
        LicenseState::OtherBoard {
            license_id: "L-2041".to_owned()
        }
    );
    assert!(outcome.bound.is_none());
    assert_eq!(
        refusal(clone.import(license.text.as_bytes(), false)),
        "SG-LIC-010"
    );

    // Not even with the counter where the license wants it.
    let mut tpm = sealgate_tpm::Tpm::open(&other.address()).unwrap();
    while tpm.counter().unwrap() < license.to {
        tpm.increment().unwrap();
    }
    assert!(matches!(
        clone.check().state,
        LicenseState::OtherBoard { .. }
    ));

    // A request of the clone claims neither the license nor its proof.
    let request = clone.export_request(0, 8).unwrap();
    let request = sealgate_license::request_document::SignedRequest::parse(&request).unwrap();
    assert_eq!(request.unverified_payload().license, None);
    assert_eq!(request.unverified_payload().proof, None);

    // The box that it was made for is none the worse.
    assert!(bench.start().boot().bound.is_some());
}

#[test]
fn a_cleared_tpm_keeps_its_cameras_for_seven_days() {
    let (bench, license) = Bench::licensed(32);
    clear(&bench.swtpm.address());
    let mut nvr = bench.start();
    let outcome = nvr.boot();
    assert!(
        matches!(outcome.state, LicenseState::TpmClearedGrace { .. }),
        "{:?}",
        outcome.state
    );
    assert_eq!(outcome.counter, Some(license.to + 1));
    assert_eq!(outcome.bound.unwrap().entitlements().camera_channels(), 32);

    bench.clock.advance(days(6));
    assert!(bench.start().boot().bound.is_some());
    // Clearing again does not start the seven days anew.
    clear(&bench.swtpm.address());
    assert!(bench.start().boot().bound.is_some());
    bench.clock.advance(days(1));
    let outcome = bench.start().boot();
    assert!(matches!(
        outcome.state,
        LicenseState::TpmClearedGrace { .. }
    ));
    assert!(outcome.bound.is_none());

    // A re-issue opens everything again.
    let again = bench.license(32);
    nvr.import(again.text.as_bytes(), false).unwrap();
    assert!(matches!(nvr.check().state, LicenseState::Active { .. }));

    // A third step past `to` is too far.
    for _ in 0..3 {
        bench.tpm().increment().unwrap();
    }
    let outcome = bench.start().boot();
    assert!(matches!(outcome.state, LicenseState::OlderLicense { .. }));
    assert!(outcome.bound.is_none());
}

#[test]
fn a_lost_or_foreign_secret_is_revealed_again() {
    let (bench, license) = Bench::licensed(32);
    let secret = bench.disk.path().join("secret");
    std::fs::remove_file(&secret).unwrap();
    assert!(bench.start().boot().bound.is_some());
    assert_eq!(std::fs::read(&secret).unwrap(), license.secret);
    std::fs::write(&secret, [0; 40]).unwrap();
    assert!(bench.start().boot().bound.is_some());
    assert_eq!(std::fs::read(&secret).unwrap(), license.secret);
    std::fs::write(&secret, [0; 9000]).unwrap();
    assert!(bench.start().boot().bound.is_some());
}

#[test]
fn a_stored_license_that_cannot_be_used_says_why() {
    let (bench, license) = Bench::licensed(32);
    for (text, code) in [
        (&license.text[..100], "SG-DOC-002"),
        ("", "SG-DOC-001"),
        (
            &license.text.replacen("\"keyid\": \"", "\"keyid\": \"0", 1),
            "SG-LIC-001",
        ),
    ] {
        bench.put("active.lic", text);
        let outcome = bench.start().boot();
        assert_eq!(
            outcome.state,
            LicenseState::StoredLicenseUnusable {
                code: code.to_owned()
            }
        );
        assert!(outcome.bound.is_none());
    }
    // Importing the file again mends it.
    bench
        .start()
        .import(license.text.as_bytes(), false)
        .unwrap();
    assert!(bench.start().boot().bound.is_some());
}

#[test]
fn a_license_put_in_place_by_hand_is_not_enough() {
    let bench = Bench::new();
    bench.start().boot();
    let license = bench.license(32);
    bench.put("active.lic", &license.text);
    let outcome = bench.start().boot();
    assert!(matches!(outcome.state, LicenseState::CounterBehind { .. }));
    assert!(outcome.bound.is_none());
}

#[test]
fn dates_open_and_close() {
    let bench = Bench::new();
    bench.start().boot();
    let request = bench.start().export_request(0, 4).unwrap();
    let trial = bench.vendor.issue_with(&request, 4, |payload| {
        payload.validity = Validity {
            not_before: None,
            not_after: Some("2026-12-24T00:00:00Z".parse().unwrap()),
            term: Some(Term::Trial),
        };
    });
    let mut nvr = bench.start();
    nvr.import(trial.text.as_bytes(), false).unwrap();
    assert!(nvr.check().bound.is_some());
    bench.clock.advance(days(31));
    let outcome = nvr.check();
    assert!(matches!(outcome.state, LicenseState::Expired { .. }));
    assert!(outcome.bound.is_none());
}

#[test]
fn a_tpm_of_somebody_else_is_named_as_such() {
    let (bench, _) = Bench::licensed(32);
    let address = bench.swtpm.address();
    undefine_counter(&address);
    define_counter(&address, NV_AUTHWRITE | NV_AUTHREAD | NV_NO_DA, 8);
    let outcome = bench.start().boot();
    assert_eq!(outcome.state, LicenseState::CounterIndexForeign);
    assert!(outcome.bound.is_none() && !outcome.keep_last_decision);

    let bench = Bench::new();
    own(&bench.swtpm.address());
    let outcome = bench.start().boot();
    assert_eq!(outcome.state, LicenseState::HierarchyUnavailable);
    assert!(outcome.bound.is_none() && !outcome.keep_last_decision);
}
