//! What was recorded of one camera: a time line, and for browsers without scripts a list by
//! hours with downloads.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, ZonedDateTime};
use sealgate_camera::CameraId;
use sealgate_pages::{
    Button, Cell, Fact, Icon, Markup, Table, Tone, button_link, code_text, empty_state, facts,
    html, icon, notice, panel, problem_panel, table,
};
use serde::Deserialize;

use super::cameras::camera_row;
use super::files::{PLAYBACK, TIMELINE};
use super::frame::{Page, PageResult, Posted, PostedForm, View};
use super::words::{bytes, camera_name, count};
use crate::errors::problem;
use crate::rooms::{ClipView, Right, SpanView, TimelineView};

const HOUR_MS: i64 = 3_600_000;

/// Which day, in the box's time zone.
#[derive(Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    day: String,
}

/// One day of the box's time zone; 23 or 25 hours where the clocks change.
struct Day {
    date: Date,
    zone: TimeZone,
    from_utc_ms: i64,
    to_utc_ms: i64,
}

impl Day {
    /// The day that was asked for, or this one.
    fn of(asked: &str, now_utc_ms: i64, zone: TimeZone) -> Option<Self> {
        let now = Timestamp::from_millisecond(now_utc_ms).ok()?;
        let today = now.to_zoned_datetime(zone.clone()).date();
        let date = asked.parse().unwrap_or(today);
        let begin = |date: Date| -> Option<i64> {
            let begin = date.to_zoned_datetime(zone.clone()).ok()?;
            Some(begin.timestamp().as_millisecond())
        };
        Some(Self {
            from_utc_ms: begin(date)?,
            to_utc_ms: begin(date.checked_add(1.day()).ok()?)?,
            date,
            zone,
        })
    }

    fn at(&self, utc_ms: i64) -> Option<ZonedDateTime> {
        let time = Timestamp::from_millisecond(utc_ms).ok()?;
        Some(time.to_zoned_datetime(self.zone.clone()))
    }

    /// A time of this day, with seconds.
    fn clock(&self, utc_ms: i64) -> String {
        let time = self.at(utc_ms);
        time.map_or_else(String::new, |time| time.strftime("%H:%M:%S").to_string())
    }

    /// The zone as people write it, and whether it changes on this day.
    fn zone_words(&self) -> String {
        let word = |utc_ms| {
            let time = self.at(utc_ms);
            time.map_or_else(String::new, |time| time.strftime("%Z (UTC%:z)").to_string())
        };
        let (first, last) = (word(self.from_utc_ms), word(self.to_utc_ms - 1));
        if first == last {
            format!("Times are in {first}.")
        } else {
            format!("The clocks change on this day, from {first} to {last}.")
        }
    }

    /// For the script, which reckons in it.
    fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    fn neighbour(&self, days: i64) -> Option<Date> {
        self.date.checked_add(days.days()).ok()
    }
}

/// `GET /playback/{camera}`
pub(crate) async fn show(
    page: Page,
    Path(id): Path<String>,
    query: Result<Query<Asked>, QueryRejection>,
) -> PageResult {
    let asked = query.map(|query| query.0).unwrap_or_default();
    let camera = camera_row(&page, &id).await?;
    let now = page.app.clock.utc_ms();
    let day = Day::of(&asked.day, now, super::words::zone())
        .ok_or_else(|| page.problem(&problem("SG-REC-008", &[])))?;
    let recordings = &page.app.rooms.recordings;
    let found = recordings
        .timeline(camera.id, day.from_utc_ms, day.to_utc_ms)
        .await;
    let (trouble, timeline) = match found {
        Ok(timeline) => (None, timeline),
        Err(problem) => (Some(problem), TimelineView::default()),
    };
    let name = camera_name(&camera);
    let title = format!("Playback: {name}");
    // Of whoever may take recordings away.
    let csrf = page.may(Right::Export).then(|| page.csrf());
    Ok(page.show(View {
        title: &title,
        current: "/cameras",
        scripts: &[&TIMELINE, &PLAYBACK],
        body: html! {
            @if let Some(problem) = &trouble { (problem_panel(problem, Tone::Bad)) }
            (days(camera.id, &day))
            (player(camera.id, &name, &day, now, csrf.is_some()))
            (panel(&format!("Recorded on {}", day.date.strftime("%-d %B %Y")), None, html! {}, hours(camera.id, &day, &timeline.spans, csrf.as_deref())))
            div class="actions" {
                (button_link(&format!("/live/{}", camera.id), Button::secondary("Live").with(Icon::Play)))
                (button_link(&format!("/cameras/{}", camera.id), Button::secondary("This camera").with(Icon::Camera)))
            }
        },
        ..View::default()
    }))
}

/// One day earlier or later, or any.
fn days(camera: CameraId, day: &Day) -> Markup {
    let link = |days: i64, words: &str| {
        let date = day.neighbour(days);
        html! {
            @if let Some(date) = date {
                a class="button secondary" href={ "/playback/" (camera) "?day=" (date) } { (words) }
            }
        }
    };
    html! {
        form class="filters" method="get" action={ "/playback/" (camera) } {
            div class="field" {
                label for="day" { "Day" }
                input id="day" name="day" type="date" value=(day.date);
            }
            button type="submit" class="button secondary" { "Show" }
            (link(-1, "Day before"))
            (link(1, "Day after"))
        }
        p class="muted" { (day.zone_words()) }
    }
}

/// For the script; it shows what it takes over.
fn player(camera: CameraId, name: &str, day: &Day, now_utc_ms: i64, may_export: bool) -> Markup {
    let tool = |command: &str, label: &str, words: &str| {
        html! { button type="button" class="button secondary" data-do=(command) aria-label=(label) { (words) } }
    };
    html! {
        div class="playback stack" hidden data-playback=(camera) data-zone=(day.zone_name())
            data-from=(day.from_utc_ms) data-to=(day.to_utc_ms) data-now=(now_utc_ms) {
            div class="screen" {
                video class="film" muted playsinline disablepictureinpicture aria-label={ "Recorded picture of " (name) } {}
                video class="still" muted playsinline disablepictureinpicture aria-hidden="true" hidden {}
                p class="screen-words" role="status" { "Choose a time" }
            }
            div class="actions" {
                button type="button" class="button primary" data-do="play" { (icon(Icon::Play)) span { "Play" } }
                (tool("back", "Ten seconds back", "−10 s"))
                (tool("on", "Ten seconds on", "+10 s"))
                (tool("event-before", "Event before", "‹ Event"))
                (tool("event-after", "Event after", "Event ›"))
                label class="speed" { span class="unseen" { "Speed" }
                    select data-speed { option value="0.5" { "½×" } option value="1" selected { "1×" } option value="2" { "2×" } option value="4" { "4×" } }
                }
                form class="jump" data-jump {
                    label class="unseen" for="jump" { "Time" }
                    input id="jump" type="time" step="1" required;
                    button type="submit" class="button secondary" { "Go" }
                }
            }
            div class="timeline" data-timeline role="slider" tabindex="0" aria-label="Time" aria-valuemin="0" aria-valuemax="0" aria-valuenow="0" {}
            div class="row timeline-foot" {
                p class="legend" {
                    span { span class="swatch rec" {} "Recorded" }
                    span { span class="swatch motion" {} "Motion" }
                    span { span class="swatch alarm" {} "Alarm" }
                    span { span class="swatch gap" {} "Not recorded" }
                }
                div class="actions" role="group" aria-label="Zoom" {
                    (tool("zoom-in", "Zoom in", "+"))
                    (tool("zoom-out", "Zoom out", "−"))
                    (tool("earlier", "Earlier", "‹"))
                    (tool("later", "Later", "›"))
                    @if may_export { (tool("export", "Mark a clip to export", "Export")) }
                }
            }
            div class="export" data-export hidden {
                p { "The clip from " strong data-range-from {} " to " strong data-range-to {} ", " span data-range-length {} ". Drag the two handles, or set one to the time shown." }
                div class="actions" {
                    (tool("mark-from", "Begin the clip at the time shown", "Begin here"))
                    (tool("mark-to", "End the clip at the time shown", "End here"))
                    button type="button" class="button primary" data-do="make" { "Make the clip" }
                    button type="button" class="quiet" data-do="export" { "Cancel" }
                }
                p role="status" data-export-words {}
                p class="actions" data-export-files hidden {
                    a class="button primary" data-file href="#" { (icon(Icon::Download)) "Video (MP4)" }
                    a class="button secondary" data-statement href="#" { (icon(Icon::Download)) "Signed statement" }
                }
            }
            section class="stack" aria-label="Events" { h2 { "Events" } ol class="events" data-events {} p class="muted" data-no-events hidden { "No events in the time shown." } }
        }
        noscript { (notice(Tone::Info, "The time line needs a script, and this browser runs none.", html! {
            p { "Every hour below can be saved as a file without it." }
        })) }
    }
}

/// What was recorded, cut at full hours.
fn pieces(spans: &[SpanView]) -> Vec<SpanView> {
    let mut pieces = Vec::new();
    for span in spans {
        let mut start_utc_ms = span.start_utc_ms;
        while start_utc_ms < span.end_utc_ms {
            let hour = (start_utc_ms.div_euclid(HOUR_MS) + 1) * HOUR_MS;
            let end_utc_ms = hour.min(span.end_utc_ms);
            pieces.push(SpanView {
                start_utc_ms,
                end_utc_ms,
            });
            start_utc_ms = end_utc_ms;
        }
    }
    pieces
}

fn hours(camera: CameraId, day: &Day, spans: &[SpanView], csrf: Option<&str>) -> Markup {
    // A day that was recorded in many short pieces is one for the time line.
    const MOST: usize = 200;
    let inside: Vec<SpanView> = spans
        .iter()
        .map(|span| SpanView {
            start_utc_ms: span.start_utc_ms.max(day.from_utc_ms),
            end_utc_ms: span.end_utc_ms.min(day.to_utc_ms),
        })
        .collect();
    let pieces = pieces(&inside);
    if pieces.is_empty() {
        return empty_state(Icon::Record, "Nothing was recorded on this day", html! {});
    }
    let action = format!("/playback/{camera}");
    let rows = pieces
        .iter()
        .take(MOST)
        .map(|piece| {
            let (from, to) = (day.clock(piece.start_utc_ms), day.clock(piece.end_utc_ms));
            let minutes = (piece.end_utc_ms - piece.start_utc_ms) as f64 / 60_000.0;
            vec![
                Cell(html! { (from) " – " (to) }),
                Cell(html! { (format!("{minutes:.1} min")) }),
                Cell(html! {
                    @if let Some(csrf) = csrf {
                        form class="inline" method="post" action=(action) {
                            input type="hidden" name="csrf" value=(csrf);
                            input type="hidden" name="from_utc_ms" value=(piece.start_utc_ms);
                            input type="hidden" name="to_utc_ms" value=(piece.end_utc_ms);
                            button type="submit" class="button secondary" {
                                (icon(Icon::Download)) "Make a clip" span class="unseen" { " from " (from) }
                            }
                        }
                    }
                }),
            ]
        })
        .collect();
    html! {
        details {
            summary { (count(pieces.len(), "piece", "pieces")) " to save, hour by hour" }
            (table(&Table {
                caption: "What was recorded, hour by hour",
                columns: &["Time", "Length", ""],
                rows,
            }))
            @if pieces.len() > MOST { p class="muted" { "The first " (MOST) " are listed; the time line shows all." } }
        }
    }
}

/// Which time a clip is to hold.
#[derive(Deserialize)]
pub(crate) struct ClipForm {
    csrf: String,
    from_utc_ms: i64,
    to_utc_ms: i64,
}

impl PostedForm for ClipForm {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// `POST /playback/{camera}`: makes a clip and shows where it is fetched.
pub(crate) async fn clip(Path(id): Path<String>, posted: Posted<ClipForm>) -> PageResult {
    let Posted { page, form, .. } = posted;
    let camera = camera_row(&page, &id).await?;
    let clips = &page.app.rooms.clips;
    let clip = clips
        .make(camera.id, form.from_utc_ms, form.to_utc_ms)
        .await;
    let clip = clip.map_err(|problem| page.problem(&problem))?;
    Ok(page.show(View {
        title: "Your clip is ready",
        current: "/cameras",
        narrow: true,
        body: html! {
            (ready(&clip))
            p { (button_link(&format!("/playback/{}", camera.id), Button::secondary("Back to playback"))) }
        },
        ..View::default()
    }))
}

fn ready(clip: &ClipView) -> Markup {
    let file = format!("/api/v1/clips/{}", clip.id);
    let statement = format!("{file}/statement");
    let body = html! {
        p { "It can be fetched for an hour." }
        (facts(&[
            Fact { name: "File", value: Some(html! { (clip.file_name) ", " (bytes(clip.size_bytes)) }) },
            Fact { name: "SHA-256", value: Some(code_text(&clip.sha256)) },
        ]))
        @if clip.continues_utc_ms.is_some() {
            (notice(Tone::Info, "The picture format changed in between.", html! { p { "The rest is another clip." } }))
        }
        div class="actions" {
            (button_link(&file, Button::primary("Video (MP4)").with(Icon::Download)))
            @if clip.signed { (button_link(&statement, Button::secondary("Signed statement").with(Icon::Download))) }
        }
        @if !clip.signed {
            (notice(Tone::Warn, "The clip isn't signed.", html! { p { "The box's TPM did not answer; the video is complete all the same." } }))
        }
    };
    panel("One file", None, html! {}, body)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_as_many_hours_as_the_zone_gives_it() {
        let check = |day: &str, hours: i64, words: &str| {
            let zone = TimeZone::get("Europe/Berlin").unwrap();
            let day = Day::of(day, 1_795_500_000_000, zone).unwrap();
            assert_eq!(
                (day.to_utc_ms - day.from_utc_ms) / HOUR_MS,
                hours,
                "{words}"
            );
            assert_eq!(day.zone_words(), words);
        };
        check("2026-11-24", 24, "Times are in CET (UTC+01:00).");
        check(
            "2026-10-25",
            25,
            "The clocks change on this day, from CEST (UTC+02:00) to CET (UTC+01:00).",
        );
        check("nonsense", 24, "Times are in CET (UTC+01:00).");
    }

    #[test]
    fn pieces_end_at_full_hours() {
        let span = |start_utc_ms, end_utc_ms| SpanView {
            start_utc_ms,
            end_utc_ms,
        };
        assert_eq!(pieces(&[]), []);
        assert_eq!(
            pieces(&[
                span(HOUR_MS - 5, 2 * HOUR_MS + 7),
                span(3 * HOUR_MS, 3 * HOUR_MS)
            ]),
            [
                span(HOUR_MS - 5, HOUR_MS),
                span(HOUR_MS, 2 * HOUR_MS),
                span(2 * HOUR_MS, 2 * HOUR_MS + 7)
            ]
        );
    }
}
