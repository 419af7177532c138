//! What became of updates, for the pages: which versions there are, and why one was given up.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::esp::{Entry, Esp};
use crate::version::Version;

/// Why a version's last try failed; on the state partition, so that the version before it
/// can say so.
pub const TRIAL_FILE: &str = "/state/update/trial.json";
/// What the pages show; written at each boot.
pub const REPORT_FILE: &str = "/run/sealgate-updates.json";

/// A version's failed try, as it noted it itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Which.
    pub version: String,
    /// What did not hold, from the words catalog.
    pub code: String,
    /// The same for support.
    pub detail: String,
}

/// One version that the loader knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionReport {
    /// Which.
    pub version: String,
    /// Whether it runs now.
    pub running: bool,
    /// How often it is tried yet; none: it is known to be good.
    pub tries_left: Option<u32>,
    /// How often it was started without being found good.
    pub tries_done: u32,
}

/// A version that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reverted {
    /// Which.
    pub version: String,
    /// Why, from the words catalog: what it noted itself, or that it never came so far.
    pub code: String,
    /// The same for support.
    pub detail: Option<String>,
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Newest first; empty where no loader started this box.
    pub versions: Vec<VersionReport>,
    /// The newer version that was given up, if there is one.
    pub reverted: Option<Reverted>,
}

/// From what the loader's names and a failed try's own note say.
pub fn report(entries: &[Entry], running: Version, trial: Option<&Trial>) -> Report {
    let versions = entries
        .iter()
        .map(|entry| VersionReport {
            version: entry.version.to_string(),
            running: entry.version == running,
            tries_left: entry.tries_left,
            tries_done: entry.tries_done,
        })
        .collect();
    let reverted = entries
        .iter()
        .find(|entry| entry.version != running && entry.is_given_up() && entry.tries_done > 0)
        .map(|entry| {
            let version = entry.version.to_string();
            let noted = trial.filter(|trial| trial.version == version);
            Reverted {
                code: noted.map_or("SG-UPD-020", |trial| &trial.code).to_owned(),
                detail: noted.map(|trial| trial.detail.clone()),
                version,
            }
        });
    Report { versions, reverted }
}

/// Writes [`REPORT_FILE`].
///
/// # Errors
/// It can't be written.
pub fn write(esp: &Path, running: Version) -> io::Result<()> {
    let entries = Esp::at(esp).entries().unwrap_or_default();
    let trial: Option<Trial> = fs::read_to_string(TRIAL_FILE)
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok());
    let report = report(&entries, running, trial.as_ref());
    let text = serde_json::to_string(&report).expect("strings and numbers are JSON");
    // Whole or not at all, as it is read at any time.
    let part = format!("{REPORT_FILE}.part");
    fs::write(&part, text)?;
    fs::rename(part, REPORT_FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &[&str], trial: Option<(&str, &str)>, expected: Option<(&str, &str)>) {
        let entries: Vec<Entry> = names
            .iter()
            .filter_map(|name| Entry::from_name(name))
            .collect();
        let trial = trial.map(|(version, code)| Trial {
            version: version.to_owned(),
            code: code.to_owned(),
            detail: "why".to_owned(),
        });
        let report = report(&entries, "1.0.0".parse().unwrap(), trial.as_ref());
        let found = report.reverted.map(|found| (found.version, found.code));
        let expected = expected.map(|(version, code)| (version.to_owned(), code.to_owned()));
        assert_eq!(found, expected, "{names:?}");
        assert_eq!(report.versions.len(), names.len());
    }

    #[test]
    fn a_version_that_was_given_up_says_why_or_that_it_never_came_so_far() {
        let reverted = ["sealgate_1.1.0+0-3.efi", "sealgate_1.0.0.efi"];
        check(
            &reverted,
            Some(("1.1.0", "SG-UPD-022")),
            Some(("1.1.0", "SG-UPD-022")),
        );
        check(&reverted, None, Some(("1.1.0", "SG-UPD-020")));
        // A note of another version tells nothing about this one.
        check(
            &reverted,
            Some(("1.2.0", "SG-UPD-022")),
            Some(("1.1.0", "SG-UPD-020")),
        );
        check(&["sealgate_1.1.0+3.efi", "sealgate_1.0.0.efi"], None, None);
        check(&["sealgate_1.0.0.efi"], Some(("1.1.0", "SG-UPD-022")), None);
        // Put behind an older one that was installed on purpose: it did not fail.
        check(&["sealgate_1.1.0+0.efi", "sealgate_1.0.0.efi"], None, None);
    }
}
