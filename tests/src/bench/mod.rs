//! Figures, beside those of a peer that does the same in the same run.

mod gate;
mod license;
mod live;
mod peers;
mod record;

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

pub use gate::gate;
pub use license::license;
pub use live::live;
pub use record::{PeerPath, RecordOptions, record};

/// What a figure has to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
    /// Only told.
    None,
}

/// One measured figure.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// For example `license.boot_check`.
    pub name: &'static str,
    /// The figure.
    pub value: f64,
    /// For example `ms` or `1/s`.
    pub unit: &'static str,
    /// Who else did the same; none where there is nobody.
    pub peer: Option<&'static str>,
    /// The peer's figure.
    pub peer_value: Option<f64>,
    /// Ours over the peer's.
    pub ratio: Option<f64>,
    /// What it has to be.
    #[serde(skip)]
    pub goal: Goal,
}

impl Figure {
    fn new(name: &'static str, value: f64, unit: &'static str, goal: Goal) -> Self {
        Self {
            name,
            value,
            unit,
            peer: None,
            peer_value: None,
            ratio: None,
            goal,
        }
    }

    fn beside(mut self, peer: &'static str, value: Option<f64>) -> Self {
        if let Some(value) = value {
            self.peer = Some(peer);
            self.peer_value = Some(value);
            self.ratio = (value != 0.0).then(|| self.value / value);
        }
        self
    }

    /// Is the goal met?
    pub fn is_met(&self) -> bool {
        match self.goal {
            Goal::AtMost(most) => self.value <= most,
            Goal::AtLeast(least) => self.value >= least,
            Goal::None => true,
        }
    }
}

/// A goal to four places, without what is not needed of them.
fn goal(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// The figures as a Markdown table.
pub fn table(figures: &[Figure]) -> String {
    let number = |value: f64| {
        if value >= 1000.0 {
            format!("{value:.0}")
        } else if value.abs() < 2.0 {
            format!("{value:.3}")
        } else {
            format!("{value:.1}")
        }
    };
    let mut text = String::from(
        "| figure | value | unit | goal | peer | peer's value | ratio |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for figure in figures {
        let goal = match figure.goal {
            Goal::AtMost(most) => format!("<= {}", goal(most)),
            Goal::AtLeast(least) => format!(">= {}", goal(least)),
            Goal::None => String::new(),
        };
        let missed = if figure.is_met() { "" } else { " MISSED" };
        let _ = writeln!(
            text,
            "| {} | {}{missed} | {} | {goal} | {} | {} | {} |",
            figure.name,
            number(figure.value),
            figure.unit,
            figure.peer.unwrap_or_default(),
            figure.peer_value.map(number).unwrap_or_default(),
            (figure.ratio.map(|ratio| format!("{ratio:.2}"))).unwrap_or_default(),
        );
    }
    text
}

/// The middle of the times, in milliseconds.
fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

/// How often `work` is done in a second of this thread's own processor time, over a
/// second of it: what other processes do beside it does not count.
fn per_second(mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    const LEAST: Duration = Duration::from_secs(1);
    // The first round warms caches.
    work()?;
    let began = thread_time()?;
    let mut done = 0.0;
    loop {
        for _ in 0..16 {
            work()?;
            done += 1.0;
        }
        let spent = thread_time()?.saturating_sub(began);
        if spent >= LEAST {
            return Ok(done / spent.as_secs_f64());
        }
    }
}

fn thread_time() -> Result<Duration> {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).context("a processor time of its own")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_goal_shows_in_the_table_and_a_peer_in_the_ratio() {
        let slow = Figure::new("license.request", 120.0, "ms", Goal::AtMost(100.0));
        let fast = Figure::new("license.verify", 12_000.0, "1/s", Goal::AtLeast(10_000.0))
            .beside("openssl", Some(6000.0));
        assert!(!slow.is_met() && fast.is_met());
        assert_eq!(fast.ratio, Some(2.0));
        let text = table(&[slow, fast.clone()]);
        assert!(text.contains("| license.request | 120.0 MISSED | ms | <= 100 |  |  |  |"));
        assert!(text.contains("| 12000 | 1/s | >= 10000 | openssl | 6000 | 2.00 |"));
        let json = serde_json::to_value(&fast).unwrap();
        let keys: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
        for key in ["name", "value", "unit", "peer", "peer_value", "ratio"] {
            assert!(keys.contains(&key.to_owned()));
        }
        assert_eq!(keys.len(), 6);
    }

    #[test]
    fn processor_time_is_what_counts() {
        let rate = per_second(|| {
            std::hint::black_box((0..10_000_u64).fold(0, |sum, n| sum ^ n));
            Ok(())
        });
        assert!(rate.unwrap() > 10.0);
    }
}
