//! Whether a camera is recorded now. Pure: time is an argument.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sealgate_recorder_link::{RecordPlan, When};

/// A motion that was not confirmed for this long is over: who reported it may be gone.
pub const MOTION_TIMEOUT: Duration = Duration::from_secs(60);

/// What becomes of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Leave,
    /// It waits in memory until there is motion.
    Hold,
    /// It is written.
    Write,
}

/// What a report of motion means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// A motion begins.
    Begins,
    /// The one that is under way goes on, or ends.
    Continues,
    /// There was none to end.
    Nothing,
}

/// The motions of one camera, in monotonic time.
#[derive(Debug, Default)]
pub struct Motion {
    /// There is motion, as of its last report.
    active_at: Option<Duration>,
    /// The last motion ended then.
    ended_at: Option<Duration>,
}

impl Motion {
    /// Takes what the camera reports.
    pub fn report(&mut self, active: bool, now: Duration) -> Report {
        self.expire(now);
        let was_active = self.active_at.is_some();
        match (active, was_active) {
            (true, _) => self.active_at = Some(now),
            (false, true) => {
                self.active_at = None;
                self.ended_at = Some(now);
            }
            (false, false) => {}
        }
        match (active, was_active) {
            (true, false) => Report::Begins,
            (_, true) => Report::Continues,
            (false, false) => Report::Nothing,
        }
    }

    /// Whether there is motion now, or was within the plan's time after it.
    fn lasts(&mut self, after: Duration, now: Duration) -> bool {
        self.expire(now);
        let lately = |ended: Duration| now.saturating_sub(ended) < after;
        self.active_at.is_some() || self.ended_at.is_some_and(lately)
    }

    fn expire(&mut self, now: Duration) {
        if let Some(since) = self.active_at
            && now.saturating_sub(since) >= MOTION_TIMEOUT
        {
            self.active_at = None;
            self.ended_at = Some(since + MOTION_TIMEOUT);
        }
    }
}

/// What the plan's week says at this moment, by the box's local time. When clocks go back, the
/// repeated hour is recorded as the plan says for it, twice; when they go ahead, the hour that
/// is left out has no moment.
pub fn when(plan: &RecordPlan, utc_ms: i64, zone: &TimeZone) -> When {
    // A clock beyond jiff's 22 millennia is no clock.
    let moment = Timestamp::from_millisecond(utc_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    let local = zone.to_datetime(moment);
    let day = local.weekday().to_monday_zero_offset();
    let half_hour = local.hour() * 2 + local.minute() / 30;
    let place = |number: i8| usize::try_from(number).expect("neither is negative");
    plan.week().at(place(day), place(half_hour))
}

/// What becomes of a part that arrives now.
pub fn verdict(plan: &RecordPlan, when: When, motion: &mut Motion, now: Duration) -> Verdict {
    match when {
        When::Never => Verdict::Leave,
        When::Always => Verdict::Write,
        When::Motion if motion.lasts(plan.after(), now) => Verdict::Write,
        When::Motion => Verdict::Hold,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use sealgate_recorder_link::Week;

    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Reports of motion at some seconds; written from one second (inclusive) to another.
    fn check(reports: &[(u64, bool)], after_s: u64, expected: &[(u64, u64)]) {
        let plan = RecordPlan::new(Week::all(When::Motion), s(5), s(after_s)).unwrap();
        let mut motion = Motion::default();
        for now in 0..300 {
            for (_, active) in reports.iter().filter(|(at, _)| *at == now) {
                motion.report(*active, s(now));
            }
            let written = expected
                .iter()
                .any(|(from, to)| (*from..*to).contains(&now));
            let verdict = verdict(&plan, When::Motion, &mut motion, s(now));
            let expected = if written {
                Verdict::Write
            } else {
                Verdict::Hold
            };
            assert_eq!(verdict, expected, "at {now} of {reports:?}");
        }
    }

    #[test]
    fn writes_while_there_is_motion_and_some_time_after() {
        check(&[], 10, &[]);
        check(&[(20, true), (30, false)], 10, &[(20, 40)]);
        check(
            &[(20, true), (30, false), (35, true), (50, false)],
            10,
            &[(20, 60)],
        );
        check(&[(20, true), (20, false)], 10, &[(20, 30)]);
        check(&[(20, true), (30, false)], 0, &[(20, 30)]);
        check(&[(20, false)], 10, &[]);
    }

    #[test]
    fn a_motion_that_never_ends_is_bounded_by_its_reports() {
        check(&[(20, true)], 10, &[(20, 90)]);
        check(&[(20, true), (50, true), (80, true)], 10, &[(20, 150)]);
        // The end of a motion that is over already changes nothing.
        check(&[(20, true), (200, false)], 10, &[(20, 90)]);
    }

    #[test]
    fn reports_tell_motions_apart() {
        let mut motion = Motion::default();
        for (at, active, expected) in [
            (0, false, Report::Nothing),
            (1, true, Report::Begins),
            (30, true, Report::Continues),
            (89, true, Report::Continues),
            (150, true, Report::Begins),
            (151, false, Report::Continues),
            (152, false, Report::Nothing),
        ] {
            assert_eq!(motion.report(active, s(at)), expected, "at {at}");
        }
    }

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn a_week_is_in_local_time() {
        // Tuesdays from 08:00 to 18:00 motions, Sundays from 02:00 to 03:00 nothing.
        let week = Week::all(When::Always)
            .with(1, 16..36, When::Motion)
            .with(6, 4..6, When::Never);
        let plan = RecordPlan::new(week, s(5), s(10)).unwrap();
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (utc, expected) in [
            ("2026-11-24T06:59:59Z", When::Always),
            ("2026-11-24T07:00:00Z", When::Motion),
            ("2026-11-24T16:59:59Z", When::Motion),
            ("2026-11-24T17:00:00Z", When::Always),
            ("2026-11-25T07:00:00Z", When::Always),
            // Clocks go ahead at 02:00: there is no hour from 02:00 that Sunday.
            ("2026-03-29T00:59:59Z", When::Always),
            ("2026-03-29T01:00:00Z", When::Always),
            // Clocks go back at 03:00: there are two.
            ("2026-10-24T23:59:59Z", When::Always),
            ("2026-10-25T00:00:00Z", When::Never),
            ("2026-10-25T01:59:59Z", When::Never),
            ("2026-10-25T02:00:00Z", When::Always),
        ] {
            assert_eq!(when(&plan, at(utc), &berlin), expected, "at {utc}");
        }
        assert_eq!(
            when(&plan, at("2026-11-24T08:00:00Z"), &TimeZone::UTC),
            When::Motion
        );
        assert_eq!(when(&plan, i64::MAX, &TimeZone::UTC), When::Always);
    }

    #[test]
    fn a_week_decides_about_motion() {
        let plan = RecordPlan::CONTINUOUS;
        let mut motion = Motion::default();
        motion.report(true, s(0));
        for (when, expected) in [
            (When::Never, Verdict::Leave),
            (When::Always, Verdict::Write),
            (When::Motion, Verdict::Write),
        ] {
            assert_eq!(verdict(&plan, when, &mut motion, s(1)), expected);
        }
    }
}
