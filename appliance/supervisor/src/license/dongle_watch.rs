//! How long a dongle's license stays in force while its dongle does not answer.

use std::time::Duration;

use jiff::Timestamp;
use sealgate_dongle::DongleErrorKind;
use sealgate_words::{Problem, catalog};

use super::words::date;

/// How long cameras stay without the dongle. Five minutes let someone who knocked it out
/// find it and plug it in again, and a hub or the service start anew, without a gap in the
/// recordings.
pub const DONGLE_COUNTDOWN: Duration = Duration::from_mins(5);
/// Presence earns the countdown back so many times more slowly than absence spends it.
/// Otherwise one dongle that goes to and fro would serve two boxes.
const EARNING: u32 = 12;
/// A dongle is asked at least this often, and at a moment that nobody knows before:
/// a switch that shows it to each of two boxes in turn is met on the other side.
const ASK_EVERY_S: std::ops::RangeInclusive<u64> = 40..=60;
/// A missing dongle is looked for this often, so that cameras are back soon after it.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// When to ask the next time.
pub(super) fn next_question(missing: bool) -> Duration {
    if missing {
        LOOK_EVERY
    } else {
        Duration::from_secs(rand::random_range(ASK_EVERY_S))
    }
}

/// The countdown. Times are of a monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Countdown {
    left: Duration,
    /// When the dongle was asked last, and whether it answered.
    last: Option<(Duration, bool)>,
}

impl Default for Countdown {
    /// A box that has just started has seen no dongle: nothing is left to spend.
    fn default() -> Self {
        Self {
            left: Duration::ZERO,
            last: None,
        }
    }
}

impl Countdown {
    /// The dongle answered.
    pub fn present(&mut self, now: Duration) {
        match self.last {
            // The first answer since the start.
            None => self.left = DONGLE_COUNTDOWN,
            Some((at, true)) => {
                let earned = now.saturating_sub(at) / EARNING;
                self.left = self.left.saturating_add(earned).min(DONGLE_COUNTDOWN);
            }
            // It was away until some moment just before: all of it counts as absence.
            Some((at, false)) => self.spend(now.saturating_sub(at)),
        }
        self.last = Some((now, true));
    }

    /// The dongle did not answer; gives what is left. Absence counts from the last answer.
    pub fn absent(&mut self, now: Duration) -> Duration {
        if let Some((at, _)) = self.last {
            self.spend(now.saturating_sub(at));
            self.last = Some((now, false));
        }
        self.left
    }

    fn spend(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }
}

/// The dongle of the license that is in force, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DongleStanding {
    /// The serial number that the license names.
    pub serial: String,
    /// Why it did not answer, if it did not.
    pub problem: Option<DongleErrorKind>,
    /// When its cameras stop, unless it answers before.
    pub closes_at: Option<Timestamp>,
}

impl DongleStanding {
    /// The countdown in words, while it runs.
    pub fn countdown_problem(&self) -> Option<Problem> {
        let reason = catalog::find(self.problem?.code()).expect("a test walks every kind");
        let entry = catalog::find("SG-DGL-007").expect("a test reads it");
        Some(entry.problem(&[
            ("serial", &self.serial),
            ("reason", reason.cause),
            ("closes_at", &date(self.closes_at?)),
        ]))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn a_box_that_never_saw_the_dongle_has_nothing_to_spend() {
        let mut countdown = Countdown::default();
        assert_eq!(countdown.absent(MINUTE), Duration::ZERO);
        countdown.present(2 * MINUTE);
        assert_eq!(countdown.absent(3 * MINUTE), 4 * MINUTE);
    }

    #[test]
    fn absence_is_counted_from_the_last_answer() {
        let mut countdown = Countdown::default();
        countdown.present(Duration::ZERO);
        assert_eq!(countdown.absent(MINUTE), 4 * MINUTE);
        assert_eq!(
            countdown.absent(MINUTE + 5 * SECOND),
            4 * MINUTE - 5 * SECOND
        );
        assert_eq!(countdown.absent(5 * MINUTE), Duration::ZERO);
        assert_eq!(countdown.absent(50 * MINUTE), Duration::ZERO);
        // The dongle itself opens again, whatever is left.
        countdown.present(51 * MINUTE);
        assert_eq!(countdown.absent(51 * MINUTE), Duration::ZERO);
    }

    #[test]
    fn an_hour_of_presence_earns_all_of_it_back() {
        let mut countdown = Countdown::default();
        countdown.present(Duration::ZERO);
        assert_eq!(countdown.absent(5 * MINUTE), Duration::ZERO);
        countdown.present(5 * MINUTE);
        for minute in 6..=65 {
            countdown.present(minute * MINUTE);
        }
        assert_eq!(countdown.absent(65 * MINUTE), DONGLE_COUNTDOWN);
    }

    /// One dongle, half of the time here and half of the time there.
    #[test]
    fn going_to_and_fro_ends() {
        let mut countdown = Countdown::default();
        let mut now = Duration::ZERO;
        let mut open_in_absence = 0;
        for _ in 0..100 {
            countdown.present(now);
            now += MINUTE;
            countdown.present(now);
            now += MINUTE;
            if !countdown.absent(now).is_zero() {
                open_in_absence += 1;
            }
        }
        assert!(open_in_absence <= 5, "{open_in_absence} times");
    }

    #[test]
    fn the_next_question_is_never_far() {
        for _ in 0..100 {
            assert!(next_question(false) <= MINUTE);
        }
        assert!(next_question(true) <= 5 * SECOND);
    }

    #[test]
    fn every_reason_is_told_in_the_countdown() {
        let kinds = [
            DongleErrorKind::NoService,
            DongleErrorKind::NoToken,
            DongleErrorKind::OtherToken,
            DongleErrorKind::Busy,
            DongleErrorKind::Silent,
            DongleErrorKind::Garbage,
        ];
        for problem in kinds {
            let standing = DongleStanding {
                serial: "1949".to_owned(),
                problem: Some(problem),
                closes_at: Some(Timestamp::UNIX_EPOCH),
            };
            let problem = standing.countdown_problem().unwrap();
            for text in [&problem.cause, &problem.effect, &problem.cure] {
                assert!(!text.contains('{'), "{text}");
            }
            assert!(problem.effect.contains("1970"));
        }
    }
}
