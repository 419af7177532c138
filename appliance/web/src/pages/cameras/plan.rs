//! The plan of recording: a week of half hours.
//!
//! Without a script each day has one choice; with it, half hours are drawn with mouse,
//! finger or keys, and go into the day's word.

use sealgate_pages::{Markup, html};

/// Half hours of a day.
const HALF_HOURS: usize = 48;

/// The days as they stand in a plan.
const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// A letter of a plan, the value of a day's choice, and its words.
const MODES: [(char, &str, &str); 3] = [
    ('a', "always", "Always"),
    ('m', "motion", "With motion"),
    ('-', "never", "Never"),
];

/// One day of the form.
#[derive(Default)]
pub(super) struct TypedDay {
    pub(super) choice: String,
    pub(super) word: String,
}

/// The day's 48 letters: one for all where a choice was made, else as drawn.
pub(super) fn day_word(typed: &TypedDay) -> String {
    let chosen = MODES.iter().find(|(_, value, _)| *value == typed.choice);
    match chosen {
        Some((letter, ..)) => String::from(*letter).repeat(HALF_HOURS),
        None => typed.word.clone(),
    }
}

/// The week with its choices. Each cell carries its letter for the style sheet and the script.
pub(super) fn week(plan: &[String]) -> Markup {
    html! {
        div class="plan" data-plan {
            div class="plan-keys" role="radiogroup" aria-label="What is drawn" hidden data-plan-brushes {
                @for (letter, _, words) in MODES {
                    button type="button" class="button secondary" role="radio" aria-checked=(if letter == 'a' { "true" } else { "false" }) data-brush=(letter) {
                        span class="swatch" data-mode=(letter) {} (words)
                    }
                }
            }
            p class="hint" hidden data-plan-help {
                "Draw with mouse or finger. With keys: arrows move, Shift and arrows mark, A, M or N set."
            }
            table class="plan-week" {
                caption class="unseen" { "What is recorded in each half hour, Monday first" }
                thead { tr {
                    th scope="col" { span class="unseen" { "Day" } }
                    @for hour in (0..24).step_by(6) { th scope="col" colspan="12" { (format!("{hour:02}:00")) } }
                    th scope="col" class="plan-choice" { span class="unseen" { "The whole day" } }
                } }
                tbody {
                    @for (number, (day, word)) in DAYS.iter().zip(plan).enumerate() { (row(number, day, word)) }
                }
            }
            p class="plan-words" role="status" data-plan-words {}
        }
    }
}

fn row(number: usize, day: &str, word: &str) -> Markup {
    let uniform = MODES
        .iter()
        .find(|(letter, ..)| word.chars().all(|other| other == *letter));
    html! {
        tr {
            th scope="row" { (day.get(..3).unwrap_or(day)) span class="unseen" { (day.get(3..).unwrap_or_default()) } }
            @for letter in word.chars().take(HALF_HOURS) { td class="plan-cell" data-mode=(letter) {} }
            td class="plan-choice" {
                input type="hidden" name={ "word" (number) } value=(word);
                select name={ "day" (number) } aria-label={ (day) ", the whole day" } {
                    option value="drawn" selected[uniform.is_none()] { "As drawn" }
                    @for (letter, value, words) in MODES {
                        option value=(value) selected[uniform.is_some_and(|(other, ..)| *other == letter)] { (words) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_goes_before_what_was_drawn() {
        let day = |choice: &str, word: &str| {
            day_word(&TypedDay {
                choice: choice.into(),
                word: word.into(),
            })
        };
        assert_eq!(day("always", "---"), "a".repeat(48));
        assert_eq!(day("never", "aaa"), "-".repeat(48));
        assert_eq!(day("drawn", "aam"), "aam");
        assert_eq!(day("sometimes", "x"), "x");
    }
}
