//! Pieces of pages.

use maud::{Markup, html};

use crate::icons::{Icon, icon};

/// How good or bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tone {
    /// As it should be.
    Ok,
    /// Works, and wants attention.
    Warn,
    /// Does not work.
    Bad,
    /// Neither.
    Info,
    /// At rest.
    Idle,
}

impl Tone {
    /// Its class in the style sheet.
    pub fn class(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Info => "info",
            Self::Idle => "idle",
        }
    }

    pub(crate) fn icon(self) -> Icon {
        match self {
            Self::Ok => Icon::Ok,
            Self::Warn => Icon::Warn,
            Self::Bad => Icon::Bad,
            Self::Info => Icon::Info,
            Self::Idle => Icon::Idle,
        }
    }
}

/// A state as icon and word.
pub fn pill(tone: Tone, word: &str) -> Markup {
    html! { span class={ "pill " (tone.class()) } { (icon(tone.icon())) (word) } }
}

/// An identifier, address or number as machines write it.
pub fn code_text(text: &str) -> Markup {
    html! { span class="mono" { (text) } }
}

/// A titled box. `part` names a region that the script refreshes by itself.
pub fn panel(title: &str, part: Option<&str>, actions: Markup, body: Markup) -> Markup {
    html! {
        section class="panel" data-part=[part] {
            div class="panel-head" { h2 { (title) } (actions) }
            (body)
        }
    }
}

/// A message in a tinted box, with icon.
pub fn notice(tone: Tone, title: &str, body: Markup) -> Markup {
    html! {
        div class={ "notice " (tone.class()) } role=(if tone == Tone::Bad { "alert" } else { "status" }) {
            (icon(tone.icon()))
            div { p class="notice-title" { (title) } (body) }
        }
    }
}

/// A place that has nothing to show yet, and what to do about it.
pub fn empty_state(drawing: Icon, title: &str, body: Markup) -> Markup {
    html! {
        div class="empty" { (icon(drawing)) p class="empty-title" { (title) } (body) }
    }
}

/// Where the page hears that something changed, instead of asking every few seconds.
pub fn event_stream(url: &str) -> Markup {
    html! { span hidden data-events=(url) {} }
}

/// How full something is.
#[derive(Debug, Clone, Copy)]
pub struct Meter<'a> {
    /// What is measured.
    pub label: &'a str,
    /// The figures in words, for example `28 of 32 places used`.
    pub value: &'a str,
    /// How full, from 0 to 1; anything else is brought there.
    pub share: f64,
    /// Colour of the bar.
    pub tone: Tone,
}

/// A bar with its figures in words.
pub fn meter(meter: Meter<'_>) -> Markup {
    let share = if meter.share.is_finite() {
        meter.share.clamp(0.0, 1.0)
    } else {
        0.0
    };
    html! {
        div class="meter" {
            div class="meter-words" { span { (meter.label) } span class="figures" { (meter.value) } }
            // The width is an attribute of a drawing: styles in attributes are forbidden.
            svg class={ "meter-bar " (meter.tone.class()) } viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" {
                rect class="meter-back" width="100" height="8" {}
                rect class="meter-front" width={ (format!("{:.1}", share * 100.0)) } height="8" {}
            }
        }
    }
}

/// One name and what it stands for.
#[derive(Debug, Clone)]
pub struct Fact<'a> {
    /// The name.
    pub name: &'a str,
    /// What stands there; shown as a dash where there is nothing.
    pub value: Option<Markup>,
}

/// Names and values, one pair a line.
pub fn facts(facts: &[Fact<'_>]) -> Markup {
    html! {
        dl class="facts" {
            @for fact in facts {
                div { dt { (fact.name) } dd {
                    @if let Some(value) = &fact.value { (value) } @else { span class="muted" { "–" } }
                } }
            }
        }
    }
}

/// One cell of a [`Table`].
#[derive(Debug, Clone)]
pub struct Cell(pub Markup);

/// A table that becomes one card a row on narrow screens.
#[derive(Debug, Clone)]
pub struct Table<'a> {
    /// What it lists; read out, not shown.
    pub caption: &'a str,
    /// The heads. The first column names the row.
    pub columns: &'a [&'a str],
    /// One cell a column.
    pub rows: Vec<Vec<Cell>>,
}

/// Draws it. Roles are written out, because a table laid out as cards loses its own.
pub fn table(table: &Table<'_>) -> Markup {
    html! {
        table class="data" role="table" {
            caption class="unseen" { (table.caption) }
            thead role="rowgroup" { tr role="row" {
                @for column in table.columns {
                    // A column of buttons needs no heading, and no empty one.
                    @if column.is_empty() { td role="cell" {} }
                    @else { th scope="col" role="columnheader" { (column) } }
                }
            } }
            tbody role="rowgroup" {
                @for row in &table.rows {
                    tr role="row" {
                        @for (index, (cell, column)) in row.iter().zip(table.columns).enumerate() {
                            @if index == 0 {
                                th scope="row" role="rowheader" data-label=(column) { (cell.0) }
                            } @else {
                                td role="cell" data-label=(column) { div { (cell.0) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// One line of a before-and-after table.
#[derive(Debug, Clone)]
pub struct DiffRow<'a> {
    /// What is compared.
    pub name: &'a str,
    /// As it is.
    pub before: String,
    /// As it will be.
    pub after: String,
}

/// Before and after, with a word beside what changes.
pub fn diff_table(caption: &str, rows: &[DiffRow<'_>]) -> Markup {
    table(&Table {
        caption,
        columns: &["What", "Now", "After", "Change"],
        rows: rows
            .iter()
            .map(|row| {
                let changes = row.before != row.after;
                vec![
                    Cell(html! { (row.name) }),
                    Cell(html! { (row.before) }),
                    Cell(html! { @if changes { strong { (row.after) } } @else { (row.after) } }),
                    Cell(if changes {
                        pill(Tone::Info, "Changes")
                    } else {
                        html! { span class="muted" { "Same" } }
                    }),
                ]
            })
            .collect(),
    })
}

/// How far a step of a [`stepper`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    /// Behind us.
    Done,
    /// To do now.
    Current,
    /// To do later.
    Ahead,
}

/// One step.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// What is done in it.
    pub title: &'a str,
    /// How far it is.
    pub state: StepState,
}

/// Where one is in something that takes several steps.
pub fn stepper(label: &str, steps: &[Step<'_>]) -> Markup {
    html! {
        ol class="stepper" aria-label=(label) {
            @for (number, step) in (1..).zip(steps) {
                li class=(match step.state {
                    StepState::Done => "done",
                    StepState::Current => "current",
                    StepState::Ahead => "ahead",
                }) aria-current=[(step.state == StepState::Current).then_some("step")] {
                    span class="step-mark" {
                        @if step.state == StepState::Done { (icon(Icon::Ok)) } @else { (number) }
                    }
                    span { (step.title) @if step.state == StepState::Done { span class="unseen" { " (done)" } } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_outside_stay_text() {
        let hostile = "<script>alert(1)</script>\"'>";
        for markup in [
            pill(Tone::Ok, hostile),
            code_text(hostile),
            notice(Tone::Bad, hostile, html! {}),
            meter(Meter {
                label: hostile,
                value: hostile,
                share: 0.5,
                tone: Tone::Ok,
            }),
            diff_table(
                hostile,
                &[DiffRow {
                    name: hostile,
                    before: hostile.into(),
                    after: hostile.into(),
                }],
            ),
        ] {
            let text = markup.into_string();
            assert!(!text.contains("<script"), "{text}");
            assert!(text.contains("&lt;script"), "{text}");
        }
    }

    #[test]
    fn a_meter_stays_between_empty_and_full() {
        for (share, width) in [
            (-1.0, "0.0"),
            (2.0, "100.0"),
            (f64::NAN, "0.0"),
            (0.875, "87.5"),
        ] {
            let text = meter(Meter {
                label: "",
                value: "",
                share,
                tone: Tone::Ok,
            })
            .into_string();
            assert!(
                text.contains(&format!("class=\"meter-front\" width=\"{width}\"")),
                "{share}: {text}"
            );
        }
    }

    #[test]
    fn the_step_to_do_now_is_marked_for_screen_readers() {
        let text = stepper(
            "Set-up",
            &[
                Step {
                    title: "Code",
                    state: StepState::Done,
                },
                Step {
                    title: "Password",
                    state: StepState::Current,
                },
            ],
        )
        .into_string();
        assert_eq!(text.matches("aria-current=\"step\"").count(), 1);
    }
}
