//! Looking at a TPM before trusting it with licenses: `sealgate tpm qualify`.
//!
//! The license stands on a few promises of the TPM specification that chips are known to
//! keep differently. Each is tried on the very chip, and told with a verdict;
//! `docs/qualify-a-tpm.md` says why each matters. Nothing is left behind but the license
//! counter, which the box makes at its first start anyway: trials of a counter use an index
//! of their own, [`TRIAL_INDEX`]. Only [`Options::clear`] destroys anything.

mod steps;

use std::fmt::{self, Write as _};
use std::time::Duration;

use serde::Serialize;

use crate::{Tpm, TpmAddress, TpmError, TpmFacts};

/// The NV index of the trial counter: the license counter's neighbour, removed at the end.
pub const TRIAL_INDEX: u32 = sealgate_license::tpm_wire::COUNTER_INDEX + 1;

/// What may be done to the TPM.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// TPM2_Clear, to see what survives it. It destroys every key and index of the owner's
    /// hierarchy: disks that are sealed to this TPM stay locked for ever.
    pub clear: bool,
}

/// How the TPM did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As licenses need it.
    Fit,
    /// Usable, with something to know.
    Remark,
    /// Not tried.
    NotTried,
    /// Licenses would not work, or would not be safe.
    Unfit,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fit => "fit",
            Self::Remark => "remark",
            Self::NotTried => "not tried",
            Self::Unfit => "UNFIT",
        })
    }
}

/// One promise, and how it was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// For example `counter_across_undefine`; the section of the page that explains it.
    pub name: &'static str,
    /// How the TPM did.
    pub verdict: Verdict,
    /// What was seen.
    pub finding: String,
}

/// How long an operation took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Timing {
    /// For example `TPM2_NV_Increment`.
    pub operation: &'static str,
    /// How often it was done.
    pub count: usize,
    /// The shortest, in microseconds.
    pub min_us: u64,
    /// The middle one, in microseconds.
    pub median_us: u64,
    /// The longest, in microseconds.
    pub max_us: u64,
}

impl Timing {
    /// `None` of no times.
    fn of(operation: &'static str, mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        let us = |time: &Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Some(Self {
            operation,
            count: times.len(),
            min_us: us(times.first()?),
            median_us: us(times.get(times.len() / 2)?),
            max_us: us(times.last()?),
        })
    }
}

/// All that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Who made it.
    pub tpm: TpmFacts,
    /// The worst verdict of an item that was tried.
    pub verdict: Verdict,
    /// The promises.
    pub items: Vec<Item>,
    /// The times.
    pub timings: Vec<Timing>,
}

impl Report {
    fn new(tpm: TpmFacts, items: Vec<Item>, timings: Vec<Timing>) -> Self {
        let verdict = items
            .iter()
            .map(|item| item.verdict)
            .filter(|verdict| *verdict != Verdict::NotTried)
            .max()
            .unwrap_or(Verdict::NotTried);
        Self {
            tpm,
            verdict,
            items,
            timings,
        }
    }

    /// The item of this name.
    pub fn item(&self, name: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.name == name)
    }

    /// For people, some 80 characters wide.
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "TPM of {}, firmware {}\n\n",
            self.tpm.manufacturer, self.tpm.firmware
        );
        for Item {
            name,
            verdict,
            finding,
        } in &self.items
        {
            let _ = writeln!(text, "{verdict:<10} {name:<24} {finding}");
        }
        let _ = writeln!(
            text,
            "\n{:<34} {:>5} {:>9} {:>9} {:>9}  (ms)",
            "operation", "times", "min", "median", "max"
        );
        for timing in &self.timings {
            let ms = |us: u64| {
                let tenths = us.div_ceil(100);
                format!("{}.{}", tenths / 10, tenths % 10)
            };
            let _ = writeln!(
                text,
                "{:<34} {:>5} {:>9} {:>9} {:>9}",
                timing.operation,
                timing.count,
                ms(timing.min_us),
                ms(timing.median_us),
                ms(timing.max_us)
            );
        }
        let _ = writeln!(text, "\nThis TPM is {}.", self.summary());
        text
    }

    fn summary(&self) -> &'static str {
        match self.verdict {
            Verdict::Fit => "fit for licenses",
            Verdict::Remark => "fit for licenses, with the remarks above",
            Verdict::NotTried => "not judged",
            Verdict::Unfit => "NOT fit for licenses",
        }
    }
}

/// Tries everything; says each step's name to `progress` as it begins, as some chips take
/// minutes.
///
/// # Errors
/// No TPM answers. What fails later is an item of the report.
pub fn qualify(
    address: &TpmAddress,
    options: Options,
    progress: &mut dyn FnMut(&str),
) -> Result<Report, TpmError> {
    let tpm = Tpm::open(address)?;
    let mut trial = steps::Trial::new(tpm, progress);
    trial.run(options);
    Ok(trial.report())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &'static str, verdict: Verdict) -> Item {
        Item {
            name,
            verdict,
            finding: "seen".to_owned(),
        }
    }

    fn report(items: Vec<Item>) -> Report {
        let facts = TpmFacts {
            manufacturer: "IFX".to_owned(),
            firmware: "7.85.0.0".to_owned(),
        };
        let times = [3, 1, 2].map(Duration::from_millis).to_vec();
        let timing = Timing::of("TPM2_NV_Increment", times).unwrap();
        Report::new(facts, items, vec![timing])
    }

    #[test]
    fn the_worst_that_was_tried_decides() {
        use Verdict::{Fit, NotTried, Remark, Unfit};
        for (verdicts, whole) in [
            (vec![], NotTried),
            (vec![Fit, NotTried], Fit),
            (vec![Fit, Remark, NotTried], Remark),
            (vec![Unfit, Fit, Remark], Unfit),
        ] {
            let items = verdicts.iter().map(|verdict| item("a", *verdict)).collect();
            assert_eq!(report(items).verdict, whole, "{verdicts:?}");
        }
    }

    #[test]
    fn text_and_json_say_the_same() {
        let report = report(vec![item("noda", Verdict::Unfit)]);
        let text = report.to_text();
        assert!(
            text.contains("UNFIT      noda                     seen"),
            "{text}"
        );
        assert!(
            text.contains("TPM2_NV_Increment                      3       1.0       2.0       3.0"),
            "{text}"
        );
        assert!(
            text.ends_with("This TPM is NOT fit for licenses.\n"),
            "{text}"
        );
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["verdict"], "unfit");
        assert_eq!(json["items"][0]["name"], "noda");
        assert_eq!(json["timings"][0]["median_us"], 2000);
    }
}
