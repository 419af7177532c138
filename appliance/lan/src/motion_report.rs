//! What notifications say about motion. Pure.

use std::collections::BTreeMap;

use oxvif::soap::XmlNode;

use crate::motion::MotionEvent;

/// Of one answer.
const MAX_REPORTS: usize = 256;
/// Rules and sources of one camera that are told apart.
const MAX_DETECTORS: usize = 128;
/// A camera's time that is farther off, put right, than this is not believed.
const MOST_OFF_MS: i64 = 60_000;
const MAX_BYTES: usize = 256;

/// One notification about motion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// The topic and the source items: which detector reports.
    detector: String,
    /// Values of the source items, one of which may be a token.
    tokens: Vec<String>,
    /// None: the detector is gone (ONVIF Core, 9.4: `Deleted`).
    active: Option<bool>,
    /// By the camera's clock.
    camera_utc_ms: Option<i64>,
}

/// The notifications about motion in an answer to PullMessages.
///
/// ONVIF has two topics, `RuleEngine/CellMotionDetector/Motion` and
/// `VideoSource/MotionAlarm` (ONVIF Imaging, and Analytics, A.2); makers have dozens of
/// their own, which all have `Motion` in the topic's name, and one true or false value.
pub(crate) fn reports(answer: &XmlNode) -> Vec<Report> {
    answer
        .children_named("NotificationMessage")
        .filter_map(report)
        .take(MAX_REPORTS)
        .collect()
}

fn report(notification: &XmlNode) -> Option<Report> {
    let topic = notification.child("Topic")?.text().trim();
    let is_motion = topic.len() <= MAX_BYTES
        && topic
            .split('/')
            .any(|part| part.to_ascii_lowercase().contains("motion"));
    if !is_motion {
        return None;
    }
    let message = notification
        .path(&["Message", "Message"])
        .or_else(|| notification.child("Message"))?;
    let items = |part: &str| -> Vec<(String, String)> {
        let items = message.child(part).into_iter();
        items
            .flat_map(|part| part.children_named("SimpleItem"))
            .filter_map(|item| Some((item.attr("Name")?, item.attr("Value")?)))
            .filter(|(name, value)| name.len() + value.len() <= MAX_BYTES)
            .take(16)
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    };
    let sources = items("Source");
    let active = if message.attr("PropertyOperation") == Some("Deleted") {
        None
    } else {
        Some(items("Data").iter().find_map(|(_, value)| truth(value))?)
    };
    let detector: Vec<String> = std::iter::once(topic.to_owned())
        .chain(
            sources
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        )
        .collect();
    Some(Report {
        detector: detector.join("\n"),
        tokens: sources.into_iter().map(|(_, value)| value).collect(),
        active,
        camera_utc_ms: message
            .attr("UtcTime")
            .and_then(|time| time.trim().parse::<jiff::Timestamp>().ok())
            .map(|time| time.as_millisecond()),
    })
}

/// XML Schema Part 2, 3.2.2: `true`, `false`, `1`, `0`; and how makers write them.
fn truth(value: &str) -> Option<bool> {
    match value.trim().to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// Which detectors see motion now. A source has motion while any of its detectors does.
#[derive(Debug)]
pub(crate) struct Motion {
    sources: BTreeMap<String, u16>,
    only: Option<u16>,
    active: BTreeMap<String, u16>,
}

impl Motion {
    pub fn new(sources: BTreeMap<String, u16>, only: Option<u16>) -> Self {
        Self {
            sources,
            only,
            active: BTreeMap::new(),
        }
    }

    /// Takes in a report. The change it makes, if any.
    pub fn reported(
        &mut self,
        report: &Report,
        clock_offset_ms: i64,
        now_ms: i64,
    ) -> Option<MotionEvent> {
        let named = report
            .tokens
            .iter()
            .find_map(|token| self.sources.get(token).copied());
        // Some call their only source by a name of its own in events.
        let source = named.or(self.only)?;
        let before = self.is_active(source);
        if report.active == Some(true) {
            if self.active.len() < MAX_DETECTORS {
                self.active.insert(report.detector.clone(), source);
            }
        } else {
            self.active.remove(&report.detector);
        }
        let active = self.is_active(source);
        let told = report
            .camera_utc_ms
            .and_then(|told| told.checked_sub(clock_offset_ms))
            .filter(|told| told.abs_diff(now_ms) <= MOST_OFF_MS.unsigned_abs());
        (active != before).then_some(MotionEvent {
            source,
            active,
            utc_ms: told.unwrap_or(now_ms),
        })
    }

    /// Nothing is known any more: the sources in which motion was going on.
    pub fn lost(&mut self) -> Vec<u16> {
        let mut sources: Vec<u16> = std::mem::take(&mut self.active).into_values().collect();
        sources.sort_unstable();
        sources.dedup();
        sources
    }

    fn is_active(&self, source: u16) -> bool {
        self.active.values().any(|active| *active == source)
    }
}

#[cfg(test)]
#[path = "motion_report_tests.rs"]
mod tests;
