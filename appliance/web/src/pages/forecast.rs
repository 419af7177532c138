//! How long the disks last, from what was recorded lately.

use crate::rooms::{RecordingView, StorageView};

const DAY_MS: f64 = 24.0 * 60.0 * 60.0 * 1000.0;
/// Less than this says nothing about a day.
const SHORTEST_MS: i64 = 60_000;
/// From here on the oldest recordings are being overwritten, or are about to be.
const FULL: f64 = 0.95;

/// What comes of the disks, in a sentence; none while too little is known.
pub(crate) fn forecast(
    storage: &StorageView,
    newest: &[RecordingView],
    now_utc_ms: i64,
) -> Option<String> {
    let since = newest
        .iter()
        .map(|recording| recording.start_utc_ms)
        .min()?;
    let span_ms = now_utc_ms.saturating_sub(since);
    if span_ms < SHORTEST_MS || storage.total_bytes == 0 {
        return None;
    }
    let bytes: u64 = newest.iter().map(|recording| recording.size_bytes).sum();
    let a_day = bytes as f64 / span_ms as f64 * DAY_MS;
    if a_day < 1.0 {
        return None;
    }
    let used = storage.total_bytes.saturating_sub(storage.free_bytes) as f64;
    let total = storage.total_bytes as f64;
    Some(if used / total > FULL {
        format!(
            "Full, so the oldest is overwritten. At the present rate there is room for {}.",
            time(total / a_day)
        )
    } else {
        let left = storage.free_bytes as f64 / a_day;
        format!("Full in {}, then the oldest is overwritten.", time(left))
    })
}

/// Days, or hours where that is less than two days; no more exact than the rate is.
fn time(days: f64) -> String {
    if days > 365.0 {
        "more than a year".to_owned()
    } else if days < 2.0 {
        let hours = (days * 24.0).round().max(1.0);
        format!(
            "about {hours:.0} {}",
            if hours < 1.5 { "hour" } else { "hours" }
        )
    } else {
        format!("about {:.0} days", days.floor())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const GB: u64 = 1_000_000_000;
    const NOW: i64 = 1_795_500_000_000;

    fn recording(age_ms: i64, size_bytes: u64) -> RecordingView {
        RecordingView {
            camera: "02000000000a-1".parse().unwrap(),
            file: String::new(),
            start_utc_ms: NOW - age_ms,
            duration_ms: 60_000,
            size_bytes,
            growing: false,
        }
    }

    fn check(free: u64, total: u64, newest: &[RecordingView], expected: Option<&str>) {
        let storage = StorageView {
            free_bytes: free,
            total_bytes: total,
            disks: Vec::new(),
        };
        assert_eq!(forecast(&storage, newest, NOW).as_deref(), expected);
    }

    #[test]
    fn says_when_the_disks_are_full_and_what_then() {
        // 100 GB a day from two cameras in the last six minutes.
        let six_minutes = 360_000;
        let newest = [
            recording(six_minutes, GB / 4),
            recording(six_minutes / 2, GB / 6),
        ];
        let days = "Full in about 23 days, then the oldest is overwritten.";
        check(2_350 * GB, 4_000 * GB, &newest, Some(days));
        let hours = "Full in about 24 hours, then the oldest is overwritten.";
        check(100 * GB, 1_000 * GB, &newest, Some(hours));
        let years = "Full in more than a year, then the oldest is overwritten.";
        check(90_000 * GB, 100_000 * GB, &newest, Some(years));
        let full = "Full, so the oldest is overwritten. At the present rate there is room for about 40 days.";
        check(40 * GB, 4_000 * GB, &newest, Some(full));
    }

    #[test]
    fn says_nothing_from_too_little() {
        check(1, 2, &[], None);
        check(GB, 2 * GB, &[recording(59_999, GB)], None);
        check(GB, 2 * GB, &[recording(100_000, 0)], None);
        check(0, 0, &[recording(100_000, GB)], None);
        check(GB, 2 * GB, &[recording(-100_000, GB)], None);
    }
}
