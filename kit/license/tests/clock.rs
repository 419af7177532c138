//! No way of setting clocks stretches a dated license, and no honest owner is stuck.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed unwrap in a test's helper is a failed test"
)]

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use sealgate_license::clock::{
    BeforeFloor, CLOCK_RATE_TOLERANCE_PERCENT, CLOCK_SLACK, ClockDoubt, ClockNote, ClockReading,
    Judgement, MAIL_ALLOWANCE, Terms, TpmMoment, confirm, judge,
};
use sealgate_license::license_document::Validity;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

fn issued() -> Timestamp {
    "2026-11-24T00:00:00Z".parse().unwrap()
}

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

fn day(day: i64) -> Timestamp {
    issued() + days(day)
}

/// A license for the days from `first` to `last` after its issue.
fn license(first: Option<i64>, last: Option<i64>) -> Terms {
    Terms {
        validity: Validity {
            not_before: first.map(day),
            not_after: last.map(day),
            ..Validity::default()
        },
        issued_at: issued(),
        clock_at_request_ms: Some(0),
    }
}

fn holds(terms: &Terms, judgement: &Judgement) -> bool {
    let Validity {
        not_before,
        not_after,
        ..
    } = terms.validity;
    judgement.doubt.is_none()
        && not_before.is_none_or(|first| judgement.now >= first)
        && not_after.is_none_or(|last| judgement.now <= last)
}

/// A box with a TPM, in a world with a true time.
struct World {
    terms: Terms,
    note: Option<ClockNote>,
    true_ms: i64,
    box_ms: i64,
    synchronised: bool,
    clock_ms: u64,
    reset_count: u32,
}

impl World {
    fn new(terms: Terms) -> Self {
        Self {
            terms,
            note: None,
            true_ms: issued().as_millisecond(),
            box_ms: issued().as_millisecond(),
            synchronised: false,
            clock_ms: 0,
            reset_count: 0,
        }
    }

    fn reading(&self) -> ClockReading {
        ClockReading {
            box_clock: Timestamp::from_millisecond(self.box_ms).unwrap_or(Timestamp::MAX),
            synchronised: self.synchronised,
            tpm: TpmMoment {
                clock_ms: self.clock_ms,
                reset_count: self.reset_count,
            },
        }
    }

    fn check(&mut self) -> Judgement {
        let judgement = judge(self.note.as_ref(), &self.reading(), &self.terms);
        self.note = Some(judgement.note);
        judgement
    }

    fn confirm(&mut self) -> Result<(), BeforeFloor> {
        self.note = Some(confirm(self.note.as_ref(), &self.reading(), &self.terms)?);
        Ok(())
    }

    /// Powered on for so long, by the TPM's own clock.
    fn run(&mut self, ms: i64) {
        self.true_ms += ms;
        self.box_ms += ms;
        self.clock_ms += u64::try_from(ms).unwrap();
    }

    /// Switched off for so long; the box's clock runs on its battery.
    fn off(&mut self, ms: i64) {
        self.true_ms += ms;
        self.box_ms += ms;
        self.reset_count += 1;
    }

    fn set(&mut self, to: Timestamp) {
        self.box_ms = to.as_millisecond();
    }

    fn clear(&mut self) {
        self.clock_ms = 0;
        self.reset_count = 0;
    }
}

#[test]
fn a_clock_that_runs_is_believed_and_the_license_ends_on_its_day() {
    let mut world = World::new(license(None, Some(60)));
    for _ in 0..60 {
        let judgement = world.check();
        assert!(holds(&world.terms, &judgement), "{judgement:?}");
        world.run(DAY_MS);
    }
    world.run(DAY_MS);
    let judgement = world.check();
    assert!(judgement.doubt.is_none() && !holds(&world.terms, &judgement));
}

#[test]
fn set_back_is_noticed_and_can_not_be_confirmed_away() {
    let mut world = World::new(license(None, Some(60)));
    world.check();
    world.run(20 * DAY_MS);
    world.check();
    world.set(day(2));
    assert!(matches!(
        world.check().doubt,
        Some(ClockDoubt::SetBack { floor }) if floor > day(16)
    ));
    assert!(world.confirm().is_err());
    // Not even by a time server of one's own.
    world.synchronised = true;
    assert!(world.check().doubt.is_some());
    world.set(day(20));
    assert_eq!(world.check().doubt, None);
}

#[test]
fn what_has_certainly_ended_has_ended_by_any_clock() {
    let mut world = World::new(license(None, Some(10)));
    world.check();
    world.run(20 * DAY_MS);
    world.set("1970-01-01T00:00:00Z".parse().unwrap());
    let judgement = world.check();
    assert_eq!(judgement.doubt, None);
    assert!(judgement.now > day(10));
}

#[test]
fn a_jump_matters_only_if_the_license_would_start_or_end_by_it() {
    let far = "2062-01-01T00:00:00Z".parse().unwrap();
    let mut world = World::new(license(None, Some(60)));
    world.check();
    world.run(DAY_MS);
    let before = world.check().note;
    world.set(far);
    assert!(matches!(
        world.check().doubt,
        Some(ClockDoubt::Jumped { .. })
    ));
    // Neither what is believed nor the floor went with it.
    assert_eq!(world.note.unwrap().believed, before.believed);
    world.set(day(1));
    assert!(holds(&world.terms.clone(), &world.check()));
    // A jump within the dates changes nothing.
    world.set(day(40));
    assert!(holds(&world.terms.clone(), &world.check()));

    let mut world = World::new(license(Some(30), None));
    assert!(world.check().doubt.is_none());
    world.set(far);
    assert!(world.check().doubt.is_some(), "it would start");
}

#[test]
fn a_wrong_date_that_was_confirmed_is_mended_by_the_right_one() {
    let mut world = World::new(license(None, Some(60)));
    world.check();
    world.run(DAY_MS);
    world.set("2062-01-01T00:00:00Z".parse().unwrap());
    world.confirm().unwrap();
    assert!(!holds(&world.terms.clone(), &world.check()));
    world.set(day(1));
    world.confirm().unwrap();
    assert!(holds(&world.terms.clone(), &world.check()));
}

#[test]
fn a_forged_note_gains_the_mail_allowance_and_no_more() {
    let mut world = World::new(license(None, Some(60)));
    let mut used_days = 0;
    for _ in 0..400 {
        world.note = None;
        // The best that a forger can do: as early as the signed file lets it be.
        let floor = world.check().note.floor.utc;
        world.note = None;
        world.set(floor);
        if holds(&world.terms.clone(), &world.check()) {
            used_days += 1;
        }
        world.run(DAY_MS);
    }
    let most = (60 + MAIL_ALLOWANCE.as_hours() / 24 + 1) * 100
        / (100 - i64::try_from(CLOCK_RATE_TOLERANCE_PERCENT).unwrap());
    assert!((60..=most).contains(&used_days), "{used_days} of {most}");
}

#[test]
fn a_cleared_tpm_does_not_take_the_floor_down() {
    let mut world = World::new(license(None, Some(60)));
    world.check();
    world.run(40 * DAY_MS);
    let floor = world.check().note.floor.utc;
    world.clear();
    world.run(HOUR_MS);
    let after = world.check().note.floor.utc;
    assert!(after > floor && after < floor + SignedDuration::from_hours(2));
}

/// After a power cut the clock may start again from an older value in NV memory.
#[test]
fn a_clock_that_lost_an_hour_in_a_power_cut_was_not_cleared() {
    let at = TpmMoment {
        clock_ms: 90 * 24 * 3_600_000,
        reset_count: 3,
    };
    let after = TpmMoment {
        clock_ms: at.clock_ms - 3_600_000,
        reset_count: 4,
    };
    assert_eq!(after.powered_ms_since(at), 0);
    let cleared = TpmMoment {
        clock_ms: 1000,
        reset_count: 4,
    };
    assert_eq!(cleared.powered_ms_since(at), 1000);
}

#[derive(Debug, Clone)]
enum Step {
    Run(i64),
    Off(i64),
    SetDay(i64),
    Confirm,
    Synchronised(bool),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..72_i64).prop_map(|hours| Step::Run(hours * HOUR_MS)),
        1 => (1..200_i64).prop_map(|days| Step::Off(days * DAY_MS)),
        3 => (-30..200_i64).prop_map(Step::SetDay),
        1 => Just(Step::SetDay(20_000)),
        2 => Just(Step::Confirm),
        1 => any::<bool>().prop_map(Step::Synchronised),
        1 => Just(Step::Clear),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever is done to the clocks, a dated license is used no longer, in the TPM's
    /// own time, than its span and the slack for slow TPM clocks; checks are hourly.
    #[test]
    fn no_sequence_of_clock_settings_stretches_a_license(
        span in 1..40_i64,
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let mut world = World::new(license(None, Some(span)));
        let mut used_ms = 0;
        let mut open = holds(&world.terms.clone(), &world.check());
        for step in steps {
            match step {
                Step::Run(ms) => {
                    for _ in 0..ms / HOUR_MS {
                        world.run(HOUR_MS);
                        if open {
                            used_ms += HOUR_MS;
                        }
                        open = holds(&world.terms.clone(), &world.check());
                    }
                }
                Step::Off(ms) => world.off(ms),
                Step::SetDay(to) => world.set(day(to)),
                Step::Confirm => { let _ = world.confirm(); }
                Step::Synchronised(to) => world.synchronised = to,
                Step::Clear => world.clear(),
            }
            open = holds(&world.terms.clone(), &world.check());
        }
        let rate = 100 - i64::try_from(CLOCK_RATE_TOLERANCE_PERCENT).unwrap();
        let most = span * DAY_MS * 100 / rate + 2 * HOUR_MS;
        prop_assert!(used_ms <= most, "{used_ms} ms used of {most}");
    }

    /// An honest box, on and off for any time, with a TPM clock that is off by as much as
    /// the specification allows, tells the truth after one confirmation at most.
    #[test]
    fn an_honest_box_is_cured_in_one_step(
        span in 1..400_i64,
        rate in 85..=115_i64,
        steps in proptest::collection::vec((any::<bool>(), 1..90_i64), 1..30),
    ) {
        let mut world = World::new(license(None, Some(span)));
        world.check();
        for (on, days) in steps {
            if on {
                for _ in 0..days {
                    world.true_ms += DAY_MS;
                    world.box_ms += DAY_MS;
                    world.clock_ms += u64::try_from(DAY_MS * rate / 100).unwrap();
                    world.check();
                }
            } else {
                world.off(days * DAY_MS);
            }
            let truth = world.true_ms <= day(span).as_millisecond();
            let mut judgement = world.check();
            if judgement.doubt.is_some() {
                prop_assert!(world.confirm().is_ok(), "a true date is refused");
                judgement = world.check();
            }
            prop_assert_eq!(judgement.doubt, None);
            prop_assert_eq!(holds(&world.terms.clone(), &judgement), truth);
        }
    }

    /// However wrong the clock was, and whatever was confirmed or synchronised then,
    /// the true date and one confirmation put it right.
    #[test]
    fn a_wrong_clock_poisons_nothing(
        span in 1..400_i64,
        wrong in proptest::collection::vec((0..40_000_i64, any::<bool>(), any::<bool>()), 1..10),
    ) {
        let mut world = World::new(license(None, Some(span)));
        world.check();
        for (to, confirmed, synchronised) in wrong {
            world.run(HOUR_MS);
            world.set(day(to));
            world.synchronised = synchronised;
            world.check();
            if confirmed {
                let _ = world.confirm();
            }
        }
        world.synchronised = false;
        world.box_ms = world.true_ms;
        prop_assert!(world.confirm().is_ok());
        let judgement = world.check();
        prop_assert_eq!(judgement.doubt, None);
        prop_assert_eq!(judgement.now.as_millisecond(), world.true_ms);
    }
}

#[test]
fn the_slack_is_a_day() {
    assert_eq!(CLOCK_SLACK, days(1));
}
