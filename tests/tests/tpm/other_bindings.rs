//! Licenses bound to a dongle or to a list of cameras, beside a TPM's and alone.

use std::net::Ipv4Addr;
use std::time::Duration;

use sealgate_camera::{CameraId, MacAddress};
use sealgate_dongle::{DongleErrorKind, DongleReader};
use sealgate_gate::{Address, Assignment, Brand, Fact, Whereabouts, decide};
use sealgate_license::{
    binding::BoundLicense,
    entitlements::Entitlements,
    license_document::{Binding, DongleBinding, LicensePayload, Names, Term, Validity},
    state::LicenseState,
};
use sealgate_supervisor::license::{BoxLicenses, CheckOutcome, DONGLE_COUNTDOWN, Verdict};
use sealgate_tests::dongle::{PcscWorld, PivModel, VirtualToken, until};
use sealgate_tpm::TpmAddress;

use crate::bench::{Bench, days, refusal};

const MINUTE: Duration = Duration::from_mins(1);

fn nowhere() -> TpmAddress {
    "device:/dev/no-such-tpm".parse().unwrap()
}

impl Bench {
    /// The box with all its licenses after a start.
    pub fn start_whole(&self, tpm: TpmAddress) -> BoxLicenses {
        BoxLicenses::new(self.start_on(tpm), DongleReader::new(), self.clock.clone())
    }

    fn sign_other(&self, binding: Binding, change: impl FnOnce(&mut LicensePayload)) -> String {
        let mut payload = LicensePayload {
            format_version: 1,
            license_id: "L-3001".to_owned(),
            revision: 1,
            names: Names {
                server: "Van".to_owned(),
                project: "Harbour".to_owned(),
                distributor: "North".to_owned(),
            },
            binding,
            entitlements: Entitlements::cameras(16),
            validity: Validity::default(),
            issued_at: "2026-11-23T12:00:00Z".parse().unwrap(),
            revocation_list: None,
        };
        change(&mut payload);
        self.vendor.sign(payload)
    }

    fn dongle_license(&self, token: &VirtualToken) -> String {
        let binding = DongleBinding {
            serial: "1949".to_owned(),
            public_key: token.public_key(),
        };
        self.sign_other(Binding::Dongle(binding), |_| {})
    }

    fn mac_license(&self, macs: &[&str], change: impl FnOnce(&mut LicensePayload)) -> String {
        self.sign_other(Binding::Mac, |payload| {
            payload.entitlements = Entitlements {
                mac_list: macs.iter().map(|mac| mac.parse().unwrap()).collect(),
                ..Entitlements::default()
            };
            change(payload);
        })
    }
}

fn token() -> VirtualToken {
    VirtualToken::new(PivModel::WithSerial, 1949).unwrap()
}

/// Asks the dongle until the state is of this code: pcscd takes a moment to see a token
/// come and go, in which the box's clock stands still.
fn until_state(nvr: &mut BoxLicenses, code: &str) -> Verdict {
    until(code, || {
        let verdict = nvr.check_dongle();
        says(&verdict.outcome, code).then_some(verdict)
    })
}

/// Whether this is the box's state, or said beside it.
fn says(outcome: &CheckOutcome, code: &str) -> bool {
    let mut said = [&outcome.state].into_iter().chain(&outcome.notices);
    said.any(|state| state.code() == code)
}

fn channels(bound: Option<&BoundLicense>) -> Option<u32> {
    bound.map(|bound| bound.entitlements().camera_channels())
}

const ACTIVE: &str = "SG-STA-009";
const MISSING: &str = "SG-STA-021";
const BESIDE: &str = "SG-STA-022";

#[test]
fn a_dongle_carries_its_channels_from_box_to_box() {
    let mut world = PcscWorld::with_service().unwrap();
    let bench = Bench::new();
    let token = token();
    let license = bench.dongle_license(&token);
    let mut nvr = bench.start_whole(nowhere());
    assert_eq!(nvr.boot().outcome.state, LicenseState::NoTpm);

    // Without its dongle it is refused, and nothing changes.
    for dry_run in [true, false] {
        assert_eq!(
            refusal(nvr.import(license.as_bytes(), dry_run)),
            "SG-DGL-002"
        );
    }
    assert!(!bench.has("dongle.lic"));

    let plugged = world.plug(0, &token).unwrap();
    let report = until("the dongle", || nvr.import(license.as_bytes(), true).ok());
    assert!(report.takes_effect && !bench.has("dongle.lic"));
    nvr.import(license.as_bytes(), false).unwrap();
    let verdict = nvr.check();
    assert_eq!(
        verdict.outcome.state,
        LicenseState::Active {
            license_id: "L-3001".to_owned(),
            revision: 1,
            camera_channels: 16
        }
    );
    assert_eq!(channels(verdict.outcome.bound.as_ref()), Some(16));
    assert_eq!(verdict.dongle.unwrap().problem, None);

    // Pulled: the cameras stay for the countdown, which is shown, and no longer.
    drop(plugged);
    let verdict = until_state(&mut nvr, MISSING);
    assert_eq!(channels(verdict.outcome.bound.as_ref()), Some(16));
    let standing = verdict.dongle.unwrap();
    assert_eq!(standing.problem, Some(DongleErrorKind::NoToken));
    let problem = standing.countdown_problem().unwrap();
    assert_eq!(problem.code, "SG-DGL-007");
    assert!(problem.cause.contains("1949"), "{}", problem.cause);
    bench.clock.advance(DONGLE_COUNTDOWN - MINUTE);
    assert!(nvr.check_dongle().outcome.bound.is_some());
    bench.clock.advance(MINUTE);
    let verdict = nvr.check_dongle();
    assert!(verdict.outcome.bound.is_none(), "the countdown is over");
    assert_eq!(verdict.dongle.unwrap().closes_at, None);

    // Back again, it opens at once.
    let plugged = world.plug(1, &token).unwrap();
    let verdict = until_state(&mut nvr, ACTIVE);
    assert_eq!(channels(verdict.outcome.bound.as_ref()), Some(16));

    // A service that dies is as bad as a dongle that is pulled, and no worse.
    world.stop();
    let verdict = until_state(&mut nvr, MISSING);
    let standing = verdict.dongle.unwrap();
    assert_eq!(standing.problem, Some(DongleErrorKind::NoService));
    drop(plugged);

    // A restart without the dongle opens nothing: no countdown for what was never seen.
    let verdict = bench.start_whole(nowhere()).boot();
    assert_eq!(verdict.outcome.state, LicenseState::DongleMissing);
    assert!(verdict.outcome.bound.is_none());
}

#[test]
fn a_copied_dongle_license_opens_nothing_without_the_dongle() {
    let world = PcscWorld::with_service().unwrap();
    let bench = Bench::new();
    let owners = token();
    let license = bench.dongle_license(&owners);
    bench.put("dongle.lic", &license);
    let mut nvr = bench.start_whole(nowhere());
    assert_eq!(nvr.boot().outcome.state, LicenseState::DongleMissing);

    // Nor with another one that has the same serial number.
    let _other = world.plug(0, &token()).unwrap();
    let verdict = until("the other token", || {
        let verdict = nvr.check_dongle();
        let problem = verdict.dongle.as_ref()?.problem;
        (problem == Some(DongleErrorKind::OtherToken)).then_some(verdict)
    });
    assert!(verdict.outcome.bound.is_none());
    assert_eq!(refusal(nvr.import(license.as_bytes(), false)), "SG-DGL-003");

    // Check-in makes a new key: the old files are dead with the dongle itself plugged in.
    let _its_own = world.plug(1, &owners).unwrap();
    assert!(until_state(&mut nvr, ACTIVE).outcome.bound.is_some());
    owners.renew_key().unwrap();
    until_state(&mut nvr, MISSING);
    bench.clock.advance(DONGLE_COUNTDOWN);
    assert!(nvr.check_dongle().outcome.bound.is_none());
    let again = bench.dongle_license(&owners);
    nvr.import(again.as_bytes(), false).unwrap();
    assert!(nvr.check().outcome.bound.is_some());
}

#[test]
fn one_dongle_serves_one_of_two_boxes() {
    let world = PcscWorld::with_service().unwrap();
    let (here, there) = (Bench::new(), Bench::new());
    let token = token();
    let license = here.dongle_license(&token);
    let mut boxes = [&here, &there].map(|bench| {
        bench.put("dongle.lic", &license);
        bench.start_whole(nowhere())
    });
    // Two minutes here, two minutes there, and so on; whoever lacks it counts down.
    let mut open_without = [0; 2];
    for turn in 0..8 {
        let (with, without) = (turn % 2, (turn + 1) % 2);
        let plugged = world.plug(0, &token).unwrap();
        assert!(
            until_state(&mut boxes[with], ACTIVE)
                .outcome
                .bound
                .is_some()
        );
        drop(plugged);
        let _gone = until("its absence", || {
            let mut reader = DongleReader::new();
            reader.survey().ok().filter(Vec::is_empty)
        });
        for bench in [&here, &there] {
            bench.clock.advance(2 * MINUTE);
        }
        let verdict = boxes[without].check_dongle();
        assert_eq!(verdict.outcome.state, LicenseState::DongleMissing);
        open_without[without] += u32::from(verdict.outcome.bound.is_some());
    }
    // Five minutes of absence are all that either gets.
    assert!(
        open_without.iter().all(|turns| *turns <= 2),
        "{open_without:?}"
    );
    let last = boxes[0].check_dongle();
    assert!(last.outcome.bound.is_none());
}

/// Attack 15: never the sum of both.
#[test]
fn attack_15_a_dongle_beside_a_software_license() {
    let world = PcscWorld::with_service().unwrap();
    let (bench, _software) = Bench::licensed(32);
    let token = token();
    let mut nvr = bench.start_whole(bench.swtpm.address());
    assert_eq!(nvr.boot().outcome.state.code(), ACTIVE);

    // Plugged in without any license for it.
    let plugged = world.plug(0, &token).unwrap();
    let verdict = until_state(&mut nvr, BESIDE);
    assert_eq!(channels(verdict.outcome.bound.as_ref()), Some(32));

    // Its license is taken in, and is not in force.
    let license = bench.dongle_license(&token);
    let report = nvr.import(license.as_bytes(), false).unwrap();
    assert!(!report.takes_effect);
    assert_eq!(report.before, Some(Entitlements::cameras(32)));
    let verdict = nvr.check();
    assert_eq!(verdict.outcome.state.code(), ACTIVE);
    assert!(says(&verdict.outcome, BESIDE));
    assert_eq!(channels(verdict.outcome.bound.as_ref()), Some(32));

    // Pulled, nothing happens at all.
    drop(plugged);
    let verdict = until("the notice goes", || {
        let verdict = nvr.check_dongle();
        (!says(&verdict.outcome, BESIDE)).then_some(verdict)
    });
    assert_eq!(verdict.outcome.state.code(), ACTIVE);
    assert_eq!(channels(verdict.outcome.bound.as_ref()), Some(32));
    bench.clock.advance(2 * DONGLE_COUNTDOWN);
    assert_eq!(channels(nvr.check().outcome.bound.as_ref()), Some(32));

    // The software license is given back: with the dongle there its license takes over.
    let _plugged = world.plug(0, &token).unwrap();
    until_state(&mut nvr, BESIDE);
    let returned = bench.license(0);
    nvr.import(returned.text.as_bytes(), false).unwrap();
    let verdict = nvr.check();
    assert_eq!(verdict.outcome.state.code(), ACTIVE);
    assert_eq!(channels(verdict.outcome.bound.as_ref()), Some(16));
}

/// Attack 15, the reverse.
#[test]
fn attack_15_a_software_license_beside_a_dongle() {
    let world = PcscWorld::with_service().unwrap();
    let bench = Bench::new();
    let token = token();
    let _plugged = world.plug(0, &token).unwrap();
    let license = bench.dongle_license(&token);
    let mut nvr = bench.start_whole(bench.swtpm.address());
    nvr.boot();
    until("the dongle", || nvr.import(license.as_bytes(), false).ok());
    assert_eq!(channels(nvr.check().outcome.bound.as_ref()), Some(16));

    let software = bench.license(32);
    let report = nvr.import(software.text.as_bytes(), true).unwrap();
    assert_eq!(report.before, Some(Entitlements::cameras(16)));
    assert_eq!(channels(nvr.check().outcome.bound.as_ref()), Some(16));
    let report = nvr.import(software.text.as_bytes(), false).unwrap();
    assert!(report.takes_effect);
    let verdict = nvr.check();
    assert_eq!(verdict.outcome.state.code(), ACTIVE);
    assert!(says(&verdict.outcome, BESIDE));
    assert_eq!(channels(verdict.outcome.bound.as_ref()), Some(32), "no sum");
}

fn camera(mac: &str) -> CameraId {
    CameraId::first_source(mac.parse::<MacAddress>().unwrap())
}

/// Which of these cameras the gate opens; all are assigned and seen.
fn opened(bound: Option<&BoundLicense>, macs: &[&str]) -> Vec<String> {
    let assignments: Vec<Assignment> = (0..)
        .zip(macs)
        .map(|(since_utc_ms, mac)| Assignment {
            camera: camera(mac),
            since_utc_ms,
            preferred: false,
            brand: Brand::Own,
        })
        .collect();
    let facts: Vec<Fact> = (10..)
        .zip(macs)
        .map(|(last, mac)| Fact {
            camera: camera(mac),
            whereabouts: Whereabouts::Resolved(Address {
                ip: Ipv4Addr::new(192, 168, 77, last),
                port: 554,
            }),
            brand: Brand::Own,
        })
        .collect();
    decide(bound, &[], &assignments, &facts)
        .open()
        .map(|(camera, _)| camera.mac().to_string())
        .collect()
}

const A: &str = "00:01:bd:05:e1:11";
const B: &str = "00:01:bd:05:e1:12";
const C: &str = "00:01:bd:05:e1:13";

#[test]
fn a_mac_license_opens_its_cameras_on_a_box_without_a_tpm() {
    let bench = Bench::new();
    let mut nvr = bench.start_whole(nowhere());
    nvr.boot();
    let license = bench.mac_license(&[A, C], |_| {});
    let report = nvr.import(license.as_bytes(), true).unwrap();
    assert!(report.takes_effect && !bench.has("mac.lic"));
    nvr.import(license.as_bytes(), false).unwrap();
    for verdict in [nvr.check(), bench.start_whole(nowhere()).boot()] {
        assert_eq!(verdict.outcome.state.code(), ACTIVE);
        let bound = verdict.outcome.bound.as_ref();
        assert_eq!(opened(bound, &[A, B, C]), [A, C]);
    }

    // With channels for any camera beside the list, as the order says.
    let both = bench.mac_license(&[C], |payload| {
        payload.revision = 2;
        payload.entitlements.counts = Entitlements::cameras(1).counts;
    });
    nvr.import(both.as_bytes(), false).unwrap();
    let verdict = nvr.check();
    assert_eq!(opened(verdict.outcome.bound.as_ref(), &[A, B, C]), [A, C]);

    // An empty list, an edited file, another vendor.
    let empty = bench.mac_license(&[], |_| {});
    assert_eq!(refusal(nvr.import(empty.as_bytes(), false)), "SG-LIC-021");
    let inside = license.find("\"payload\"").unwrap() + 40;
    let other_letter = if &license[inside..=inside] == "A" {
        "B"
    } else {
        "A"
    };
    let mut edited = license.clone();
    edited.replace_range(inside..=inside, other_letter);
    assert!(nvr.import(edited.as_bytes(), false).is_err());
    let other = crate::bench::Vendor::new(9, sealgate_license::vendor::Flavour::Lab);
    let text = other.sign(
        sealgate_license::license_document::SignedLicense::parse(&license)
            .unwrap()
            .unverified_payload()
            .clone(),
    );
    assert_eq!(refusal(nvr.import(text.as_bytes(), false)), "SG-LIC-002");
}

#[test]
fn a_dated_mac_license_ends_and_a_clock_before_its_issue_opens_nothing() {
    let bench = Bench::new();
    let mut nvr = bench.start_whole(nowhere());
    let license = bench.mac_license(&[A], |payload| {
        payload.validity = Validity {
            not_before: None,
            not_after: Some("2026-12-24T00:00:00Z".parse().unwrap()),
            term: Some(Term::Dated),
        };
    });
    nvr.import(license.as_bytes(), false).unwrap();
    assert!(nvr.check().outcome.bound.is_some());
    bench.clock.advance(days(31));
    let outcome = nvr.check().outcome;
    assert!(matches!(outcome.state, LicenseState::Expired { .. }));
    assert!(outcome.bound.is_none());
    assert_eq!(refusal(nvr.import(license.as_bytes(), false)), "SG-LIC-016");

    bench.clock.set_utc_ms(0);
    let outcome = nvr.check().outcome;
    assert_eq!(outcome.state, LicenseState::ClockUnsure);
    assert!(outcome.bound.is_none());
}

#[test]
fn a_mac_license_beside_a_tpm_license_changes_only_words() {
    let (bench, _) = Bench::licensed(1);
    let mut nvr = bench.start_whole(bench.swtpm.address());
    nvr.boot();
    let license = bench.mac_license(&[A, B, C], |_| {});
    let report = nvr.import(license.as_bytes(), false).unwrap();
    assert!(!report.takes_effect);
    let outcome = nvr.check().outcome;
    assert_eq!(outcome.state.code(), ACTIVE);
    assert_eq!(outcome.notices, [LicenseState::MacAndTpmLicense]);
    assert_eq!(opened(outcome.bound.as_ref(), &[A, B, C]), [A], "no sum");

    // Once the TPM's is given back, the list is in force.
    let returned = bench.license(0);
    nvr.import(returned.text.as_bytes(), false).unwrap();
    let outcome = nvr.check().outcome;
    assert_eq!(outcome.state.code(), ACTIVE);
    assert_eq!(opened(outcome.bound.as_ref(), &[A, B, C]), [A, B, C]);
}
