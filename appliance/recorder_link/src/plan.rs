//! When a camera is recorded, and for how long recordings are kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Days of a week; Monday is the first (ISO 8601).
pub const DAYS: usize = 7;
/// Half hours of a day.
pub const HALF_HOURS: usize = 48;
/// The longest time before a motion that is kept in memory for it.
pub const MAX_BEFORE: Duration = Duration::from_secs(10);
/// The longest time that recording goes on after a motion.
pub const MAX_AFTER: Duration = Duration::from_secs(600);

/// What is recorded in one half hour of the week.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum When {
    /// Nothing: live video only.
    Never,
    /// Everything.
    #[default]
    Always,
    /// What a motion is seen in, with some time before and after it.
    Motion,
}

impl When {
    fn letter(self) -> char {
        match self {
            Self::Never => '-',
            Self::Always => 'a',
            Self::Motion => 'm',
        }
    }

    fn of_letter(letter: char) -> Option<Self> {
        match letter {
            '-' => Some(Self::Never),
            'a' => Some(Self::Always),
            'm' => Some(Self::Motion),
            _ => None,
        }
    }
}

/// A week in half hours of the box's local time. As text: seven words of 48 letters, Monday
/// first; `-` for never, `a` for always, `m` for motion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Week([[When; HALF_HOURS]; DAYS]);

/// A plan is not of the agreed form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Not seven days.
    #[error("a week has 7 days, not {0}")]
    Days(usize),
    /// A day without exactly 48 half hours of a known kind.
    #[error("day {0} is not 48 letters of '-', 'a' and 'm'")]
    Day(usize),
    /// A time around motions out of its range.
    #[error("recording begins at most 10 s before a motion and ends at most 600 s after it")]
    Around,
}

impl Week {
    /// The same in every half hour.
    pub const fn all(when: When) -> Self {
        Self([[when; HALF_HOURS]; DAYS])
    }

    /// With another content from one half hour up to another of a day; what is out of the week
    /// is left out.
    #[must_use]
    pub fn with(mut self, day: usize, half_hours: std::ops::Range<usize>, when: When) -> Self {
        for (place, cell) in self.0.iter_mut().flatten().enumerate() {
            if place / HALF_HOURS == day && half_hours.contains(&(place % HALF_HOURS)) {
                *cell = when;
            }
        }
        self
    }

    /// What is recorded in this half hour: days from Monday, half hours from midnight. Never
    /// outside of the week.
    pub fn at(&self, day: usize, half_hour: usize) -> When {
        let cell = self.0.get(day).and_then(|day| day.get(half_hour));
        cell.copied().unwrap_or(When::Never)
    }

    /// Whether any half hour says this.
    pub fn has(&self, when: When) -> bool {
        self.0.iter().flatten().any(|cell| *cell == when)
    }
}

impl From<Week> for Vec<String> {
    fn from(week: Week) -> Self {
        let word = |day: &[When; HALF_HOURS]| day.iter().map(|cell| cell.letter()).collect();
        week.0.iter().map(word).collect()
    }
}

impl TryFrom<Vec<String>> for Week {
    type Error = PlanError;

    fn try_from(words: Vec<String>) -> Result<Self, PlanError> {
        let mut week = Self::all(When::Never);
        if words.len() != DAYS {
            return Err(PlanError::Days(words.len()));
        }
        for (number, (day, word)) in week.0.iter_mut().zip(&words).enumerate() {
            let cells: Option<Vec<When>> = word.chars().map(When::of_letter).collect();
            let cells = cells.filter(|cells| cells.len() == HALF_HOURS);
            day.copy_from_slice(&cells.ok_or(PlanError::Day(number + 1))?);
        }
        Ok(week)
    }
}

/// When a camera is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "PlanFields", into = "PlanFields")]
pub struct RecordPlan {
    week: Week,
    before_s: u8,
    after_s: u16,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanFields {
    week: Week,
    /// Of each motion, seconds.
    before_s: u8,
    after_s: u16,
}

impl RecordPlan {
    /// By a week's plan; motions are recorded with this much time before and after them, in
    /// whole seconds.
    ///
    /// # Errors
    /// [`PlanError::Around`].
    pub fn new(week: Week, before: Duration, after: Duration) -> Result<Self, PlanError> {
        if before > MAX_BEFORE || after > MAX_AFTER {
            return Err(PlanError::Around);
        }
        Ok(Self {
            week,
            before_s: u8::try_from(before.as_secs()).expect("10 at most"),
            after_s: u16::try_from(after.as_secs()).expect("600 at most"),
        })
    }

    /// Live video only.
    pub const OFF: Self = Self::always(When::Never);
    /// Everything, always.
    pub const CONTINUOUS: Self = Self::always(When::Always);
    /// Motions, always, with 5 s before and 10 s after them.
    pub const MOTION: Self = Self::always(When::Motion);

    const fn always(when: When) -> Self {
        Self {
            week: Week::all(when),
            before_s: 5,
            after_s: 10,
        }
    }

    /// The plan's week.
    pub fn week(&self) -> &Week {
        &self.week
    }

    /// What is recorded before a motion.
    pub fn before(&self) -> Duration {
        Duration::from_secs(self.before_s.into())
    }

    /// What is recorded after a motion.
    pub fn after(&self) -> Duration {
        Duration::from_secs(self.after_s.into())
    }
}

impl Default for RecordPlan {
    fn default() -> Self {
        Self::CONTINUOUS
    }
}

impl From<RecordPlan> for PlanFields {
    fn from(plan: RecordPlan) -> Self {
        Self {
            week: plan.week,
            before_s: plan.before_s,
            after_s: plan.after_s,
        }
    }
}

impl TryFrom<PlanFields> for RecordPlan {
    type Error = PlanError;

    fn try_from(fields: PlanFields) -> Result<Self, PlanError> {
        Self::new(
            fields.week,
            Duration::from_secs(fields.before_s.into()),
            Duration::from_secs(fields.after_s.into()),
        )
    }
}

/// For how long one camera's recordings are kept, besides the room that the disk has. Holds on
/// when the camera is no longer recorded, until another rule comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Keep {
    /// Older ones are deleted, seconds.
    pub max_age_s: Option<u64>,
    /// The oldest beyond this are deleted, bytes.
    pub max_bytes: Option<u64>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_survives_the_way_across() {
        let week =
            Week::all(When::Always)
                .with(0, 16..36, When::Motion)
                .with(6, 0..48, When::Never);
        let plan = RecordPlan::new(week, Duration::from_secs(10), Duration::from_secs(600));
        let text = serde_json::to_string(&plan.clone().unwrap()).unwrap();
        assert!(text.contains("aaaaaaaaaaaaaaaammmmmmmmmmmmmmmmmmmmaaaaaaaaaaaa"));
        assert_eq!(
            serde_json::from_str::<RecordPlan>(&text).unwrap(),
            plan.unwrap()
        );
        assert_eq!(week.at(0, 15), When::Always);
        assert_eq!(week.at(0, 16), When::Motion);
        assert_eq!(week.at(6, 47), When::Never);
        assert_eq!((week.at(7, 0), week.at(0, 48)), (When::Never, When::Never));
        assert!(week.has(When::Motion) && !Week::all(When::Always).has(When::Motion));
    }

    #[test]
    fn what_is_out_of_form_is_refused() {
        let days = |word: &str, days| serde_json::json!(vec![word; days]);
        let plan = |week, before, after| serde_json::json!({ "week": week, "before_s": before, "after_s": after });
        let good = "a".repeat(48);
        for (json, is_good) in [
            (plan(days(&good, 7), 10, 600), true),
            (plan(days(&good, 7), 11, 600), false),
            (plan(days(&good, 7), 0, 601), false),
            (plan(days(&good, 6), 0, 0), false),
            (plan(days(&good[1..], 7), 0, 0), false),
            (plan(days(&good.replace('a', "x"), 7), 0, 0), false),
            (plan(days(&"é".repeat(24), 7), 0, 0), false),
        ] {
            let found = serde_json::from_value::<RecordPlan>(json.clone());
            assert_eq!(found.is_ok(), is_good, "{json}");
        }
    }
}
