//! Tables, and a world with an owner who keeps every file.

use proptest::prelude::*;

use super::*;

fn cameras(count: u32) -> Counts {
    Counts::of("camera", count)
}

const DAY: i64 = 24 * 3600;

fn ask(count: u32, term: Term) -> DongleAsk {
    DongleAsk {
        counts: cameras(count),
        term,
    }
}

fn issue(row: &mut DongleRow, ask: &DongleAsk, now: i64) -> u32 {
    match row.decide(ask, now).unwrap() {
        DongleDecision::Again { revision } => revision,
        DongleDecision::New(license) => {
            let revision = license.revision;
            row.issued.push(license);
            revision
        }
    }
}

#[test]
fn a_smaller_license_credits_nothing_as_the_larger_file_still_works() {
    let mut row = DongleRow::default();
    assert_eq!(issue(&mut row, &ask(16, Term::Perpetual), 0), 1);
    assert_eq!(
        issue(&mut row, &ask(16, Term::Perpetual), 9),
        1,
        "the same again"
    );
    assert_eq!(issue(&mut row, &ask(4, Term::Perpetual), 10), 2);
    assert_eq!(row.charged(20), cameras(16));
}

#[test]
fn only_check_in_credits_and_the_old_key_is_dead() {
    let mut row = DongleRow::default();
    issue(&mut row, &ask(16, Term::Perpetual), 0);
    let known = row.clone().check_in(true, 10);
    assert_eq!(known.unwrap_err().code(), "SG-POR-097");
    assert_eq!(row.check_in(false, 10).unwrap(), cameras(16));
    assert_eq!(row.charged(10), Counts::none());
    assert_eq!(row.check_in(false, 11).unwrap_err().code(), "SG-POR-095");
    let refused = row.decide(&ask(16, Term::Perpetual), 11);
    assert_eq!(refused.unwrap_err(), DongleRefusal::Retired);
}

#[test]
fn an_end_fits_its_term() {
    let row = DongleRow::default();
    for (term, fits) in [
        (Term::Perpetual, true),
        (
            Term::Dated {
                ends_utc_s: 400 * DAY,
            },
            true,
        ),
        (Term::Dated { ends_utc_s: 0 }, false),
        (
            Term::Overlap {
                ends_utc_s: 60 * DAY,
            },
            true,
        ),
        (
            Term::Overlap {
                ends_utc_s: 60 * DAY + 1,
            },
            false,
        ),
        (Term::Overlap { ends_utc_s: 0 }, false),
        (Term::Trial { ends_utc_s: DAY }, false),
    ] {
        let decision = row.decide(&ask(4, term), 0);
        assert_eq!(decision.is_ok(), fits, "{term:?}");
        if let Err(refusal) = decision {
            assert_eq!(refusal.code(), "SG-POR-096");
        }
    }
}

/// From a TPM's license to a dongle's and back, hour by hour: the owner always has
/// channels, and what he could use at once is never above what is charged.
#[test]
fn a_conversion_leaves_no_moment_without_rights_and_none_unpaid() {
    let hour = 3600;
    let mut dongle = DongleRow::default();
    let mut tpm = cameras(16);
    let check = |dongle: &DongleRow, tpm: &Counts, now: i64| {
        let usable = dongle.charged(now).get("camera") + tpm.get("camera");
        assert!(usable >= 16, "rights at {now}");
        usable
    };
    // To the dongle: first the overlap, then the return of the TPM's, then for good.
    assert_eq!(check(&dongle, &tpm, 0), 16);
    issue(
        &mut dongle,
        &ask(
            16,
            Term::Overlap {
                ends_utc_s: 48 * hour,
            },
        ),
        hour,
    );
    assert_eq!(check(&dongle, &tpm, hour), 32, "both are paid");
    tpm = Counts::none();
    assert_eq!(check(&dongle, &tpm, 2 * hour), 16);
    issue(&mut dongle, &ask(16, Term::Perpetual), 3 * hour);
    assert_eq!(check(&dongle, &tpm, 3 * hour), 16, "charged once");
    assert_eq!(check(&dongle, &tpm, 80 * hour), 16);
    // Back: a dated license of the TPM, check-in, the TPM's for good.
    tpm = cameras(16);
    assert_eq!(check(&dongle, &tpm, 81 * hour), 32);
    assert_eq!(dongle.check_in(false, 82 * hour).unwrap(), cameras(16));
    assert_eq!(check(&dongle, &tpm, 82 * hour), 16);
}

#[derive(Debug, Clone)]
enum Step {
    Issue(u32, Option<i64>),
    CheckIn,
    Wait(i64),
}

proptest! {
    /// The owner keeps every file, and one token answers for its newest key only.
    #[test]
    fn what_the_files_give_is_always_charged(steps in prop::collection::vec(
        prop_oneof![
            4 => (0_u32..20, prop::option::of(1_i64..50)).prop_map(|(n, t)| Step::Issue(n, t)),
            1 => Just(Step::CheckIn),
            3 => (1_i64..30).prop_map(Step::Wait),
        ],
        0..30,
    )) {
        let mut now = 0;
        let mut keys = vec![DongleRow::default()];
        for step in steps {
            match step {
                Step::Issue(count, term) => {
                    let ask = ask(count, term.map_or(Term::Perpetual, |days| Term::Dated { ends_utc_s: now + days * DAY }));
                    for old in &keys[..keys.len() - 1] {
                        prop_assert!(old.decide(&ask, now).is_err());
                    }
                    issue(keys.last_mut().unwrap(), &ask, now);
                }
                Step::CheckIn => {
                    let before = keys.last().unwrap().charged(now);
                    let credited = keys.last_mut().unwrap().check_in(false, now).unwrap();
                    prop_assert_eq!(credited, before);
                    keys.push(DongleRow::default());
                }
                Step::Wait(days) => now += days * DAY,
            }
            // The token holds the newest key; its best file that has not ended counts.
            let usable = keys.last().unwrap().issued.iter()
                .filter(|file| !file.term.has_ended(now))
                .map(|file| file.counts.get("camera"))
                .max()
                .unwrap_or(0);
            let charged: u32 =
                keys.iter().map(|key| key.charged(now).get("camera")).sum();
            prop_assert!(usable <= charged);
        }
    }
}
