//! Figures and states in words.

use jiff::tz::TimeZone;
use sealgate_pages::{Icon, Markup, Tone, html, icon, pill};
use sealgate_words::{Owner, Problem};

use crate::rooms::{
    CameraState, CameraView, LicenseView, RecordingHealth, RecordingStatus, StreamView,
};

/// `1 camera`, `2 cameras`.
pub(crate) fn count(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

/// Bytes with three figures at most, in decimal units as disks are sold.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = usize::from(value < 99.95);
    format!("{value:.decimals$} {}", UNITS[unit])
}

tokio::task_local! {
    /// The box's time zone while one request is answered: dates stand on most pages.
    static ZONE: TimeZone;
}

/// Answers a request with dates in this time zone.
pub(crate) async fn in_zone<T>(zone: TimeZone, answer: impl Future<Output = T>) -> T {
    ZONE.scope(zone, answer).await
}

/// The box's time zone; UTC outside of a request.
pub(crate) fn zone() -> TimeZone {
    ZONE.try_with(Clone::clone).unwrap_or(TimeZone::UTC)
}

/// An absolute date in the box's time zone, which it names.
pub(crate) fn shown_time(utc_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(utc_ms).map_or_else(
        |_| "no date at all".to_owned(),
        |time| {
            let here = time.to_zoned_datetime(zone());
            here.strftime("%-d %B %Y, %H:%M %Z").to_string()
        },
    )
}

/// A time of the day in the box's time zone.
pub(crate) fn clock_time(utc_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(utc_ms).map_or_else(
        |_| "no time at all".to_owned(),
        |time| {
            let here = time.to_zoned_datetime(zone());
            here.strftime("%H:%M").to_string()
        },
    )
}

/// How a camera is called: by its name, else its model, else its address.
pub(crate) fn camera_name(camera: &CameraView) -> String {
    camera
        .name
        .clone()
        .or_else(|| camera.model.clone())
        .filter(|name| !name.trim().is_empty())
        .unwrap_or_else(|| format!("Camera {}", camera.mac))
}

/// What the gate does with a camera.
pub(crate) fn state_pill(state: CameraState) -> Markup {
    match state {
        CameraState::Found => pill(Tone::Idle, "Found"),
        CameraState::Admitted => pill(Tone::Ok, "Admitted"),
        CameraState::Refused => pill(Tone::Bad, "Refused"),
    }
}

/// What the recorder does with a camera.
pub(crate) fn recording_pill(recording: Option<&RecordingHealth>) -> Markup {
    match recording.map(|recording| recording.status) {
        None => pill(Tone::Idle, "Not recorded"),
        Some(RecordingStatus::Recording) => pill(Tone::Ok, "Recording"),
        Some(RecordingStatus::Waiting) => pill(Tone::Warn, "Waiting"),
        Some(RecordingStatus::Connecting) => html! {
            span class="pill info" { (icon(Icon::Busy)) "Connecting" }
        },
    }
}

/// Age of the newest picture, and what came so far.
pub(crate) fn recording_words(recording: &RecordingHealth, now_utc_ms: i64) -> String {
    let written = bytes(recording.recorded_bytes);
    match recording.newest_frame_utc_ms {
        Some(newest) => {
            let age_s = (now_utc_ms - newest).max(0) / 1000;
            format!("Newest picture {age_s} s ago, {written} written since the start")
        }
        None => "No picture has come yet".to_owned(),
    }
}

/// Compression, size, rate and sound of a stream.
pub(crate) fn stream_words(stream: &StreamView) -> String {
    let parts = [
        stream.codec.clone(),
        stream
            .size
            .map(|(width, height)| format!("{width} × {height}")),
        stream.millifps.map(|milli| {
            let decimals = if milli % 1000 == 0 { 0 } else { 1 };
            format!("{:.decimals$} pictures/s", f64::from(milli) / 1000.0)
        }),
        stream.bitrate_kbps.map(|kbps| format!("{kbps} kbit/s")),
        stream.audio.then(|| "with sound".to_owned()),
    ];
    let known: Vec<String> = parts.into_iter().flatten().collect();
    if known.is_empty() {
        "The camera doesn't say".to_owned()
    } else {
        known.join(", ")
    }
}

/// How good or bad the state of the license is.
pub(crate) fn license_tone(license: &LicenseView) -> Tone {
    match (license.ok, license.state.owner) {
        (true, Owner::Nobody) => Tone::Ok,
        (true, _) => Tone::Warn,
        (false, _) => Tone::Bad,
    }
}

/// A reason in one line, with its code.
pub(crate) fn reason(problem: &Problem) -> Markup {
    html! {
        p class="small" data-code=(problem.code) {
            (problem.cause) " " (problem.cure) " "
            span class="mono" { (problem.code) }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn dates_are_in_the_time_zone_of_the_box() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let summer = 1_751_328_000_000;
        let shown = async { [0, summer].map(|time| (shown_time(time), clock_time(time))) };
        let shown = in_zone(berlin, shown).await;
        let text = |long: &str, short: &str| (long.to_owned(), short.to_owned());
        assert_eq!(
            shown,
            [
                text("1 January 1970, 01:00 CET", "01:00"),
                text("1 July 2025, 02:00 CEST", "02:00"),
            ]
        );
    }

    #[test]
    fn three_figures_at_most() {
        for (value, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_400, "999 kB"),
            (999_500, "1.0 MB"),
            (12_345_678, "12.3 MB"),
            (8_000_000_000_000, "8.0 TB"),
            (u64::MAX, "18447 PB"),
        ] {
            assert_eq!(bytes(value), text);
        }
        assert_eq!(shown_time(0), "1 January 1970, 00:00 UTC");
        assert_eq!(shown_time(i64::MAX), "no date at all");
        assert_eq!(count(1, "camera", "cameras"), "1 camera");
        assert_eq!(count(0, "camera", "cameras"), "0 cameras");
    }
}
