//! What a journey leaves behind: per step, whether it held, how long it took, and the
//! facts that show it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Everything one run found out.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// `host` or `qemu`.
    pub world: String,
    /// What was broken on purpose, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
    /// Every step passed.
    pub ok: bool,
    /// The step that failed, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_step: Option<u32>,
    /// Seconds from the first step to the last.
    pub seconds: f64,
    /// In the order they were played.
    pub steps: Vec<Step>,
}

/// One step's outcome.
#[derive(Debug, Serialize)]
pub struct Step {
    /// As the journey numbers them; the bad-input step is 8.
    pub number: u32,
    /// What it shows.
    pub name: String,
    /// It held.
    pub ok: bool,
    /// How long it took.
    pub seconds: f64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Counter values, file hashes, decoded frames, codes.
    pub evidence: BTreeMap<String, Value>,
}

/// Collects the facts of the step being played.
#[derive(Debug)]
pub struct Evidence {
    began: Instant,
    facts: BTreeMap<String, Value>,
}

impl Default for Evidence {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            facts: BTreeMap::new(),
        }
    }
}

impl Evidence {
    /// Notes one fact; a later one of the same name replaces it.
    pub fn note(&mut self, name: &str, value: impl Serialize) {
        let value = serde_json::to_value(value).unwrap_or(Value::Null);
        self.facts.insert(name.to_owned(), value);
    }

    /// Notes a file by its name, size and SHA-256.
    ///
    /// # Errors
    /// It could not be read.
    pub fn note_file(&mut self, name: &str, path: &Path) -> Result<()> {
        let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
        let file_name = path.file_name().and_then(|file| file.to_str());
        self.note_bytes(name, file_name.unwrap_or_default(), &bytes);
        Ok(())
    }

    /// Notes bytes as a file: its name, size and SHA-256.
    pub fn note_bytes(&mut self, name: &str, file_name: &str, bytes: &[u8]) {
        self.note(
            name,
            serde_json::json!({
                "file": file_name,
                "bytes": bytes.len(),
                "sha256": hex::encode(Sha256::digest(bytes)),
            }),
        );
    }

    /// Closes the step.
    pub fn into_step(self, number: u32, name: &str, outcome: &Result<()>) -> Step {
        Step {
            number,
            name: name.to_owned(),
            ok: outcome.is_ok(),
            seconds: rounded(self.began.elapsed().as_secs_f64()),
            failure: outcome.as_ref().err().map(|error| format!("{error:#}")),
            evidence: self.facts,
        }
    }
}

impl Report {
    /// Adds a step.
    pub fn push(&mut self, step: Step) {
        if !step.ok && self.failed_step.is_none() {
            self.failed_step = Some(step.number);
        }
        self.seconds = rounded(self.seconds + step.seconds);
        self.steps.push(step);
        self.ok = self.steps.iter().all(|step| step.ok);
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// The file could not be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("make {}", folder.display()))?;
        }
        let text = serde_json::to_string_pretty(self).context("write the report")?;
        std::fs::write(path, text + "\n").with_context(|| format!("write {}", path.display()))
    }
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_fails_the_report_and_is_named() {
        let mut report = Report::default();
        let mut evidence = Evidence::default();
        evidence.note("counter", 8);
        evidence.note_bytes("license", "a.lic", b"abc");
        report.push(evidence.into_step(1, "boots", &Ok(())));
        assert!(report.ok);
        let failure = Err(anyhow::anyhow!("401").context("ask the box"));
        report.push(Evidence::default().into_step(2, "signs in", &failure));
        report.push(Evidence::default().into_step(3, "blocks", &Ok(())));
        assert!(!report.ok);
        assert_eq!(report.failed_step, Some(2));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["steps"][1]["failure"], "ask the box: 401");
        assert_eq!(
            json["steps"][0]["evidence"]["license"]["sha256"],
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
