//! The API's answers as text for people.

use std::fmt;

use sealgate_words::{Owner, Problem};
use serde::Deserialize;

/// What `GET /api/v1/license` answers.
#[derive(Debug, Deserialize)]
pub(crate) struct LicenseView {
    state: Problem,
    license_id: Option<String>,
    revision: Option<u32>,
    server: Option<String>,
    project: Option<String>,
    distributor: Option<String>,
    places: Places,
    tpm: TpmView,
    #[serde(default)]
    notices: Vec<Problem>,
}

#[derive(Debug, Deserialize)]
struct Places {
    used: u32,
    total: u32,
    free: u32,
}

#[derive(Debug, Deserialize)]
struct TpmView {
    present: bool,
    manufacturer: Option<String>,
    firmware: Option<String>,
    counter: Option<u64>,
    problem: Option<Problem>,
}

/// What `POST /api/v1/license/import` answers.
#[derive(Debug, Deserialize)]
pub(crate) struct ImportView {
    dry_run: bool,
    before: LicenseView,
    after: LicenseView,
    stops_recording: Vec<String>,
}

/// A problem, or a state, with its code and what to do.
pub(crate) fn problem_text(problem: &Problem) -> String {
    let who = match problem.owner {
        Owner::You => "you",
        Owner::Distributor => "your distributor",
        Owner::Support => "support",
        Owner::Nobody => "nobody",
    };
    let mut text = format!(
        "{}  {}\n  Effect    {}\n  To do     {}\n  By        {who}\n",
        problem.code, problem.cause, problem.effect, problem.cure
    );
    if let Some(reference) = &problem.reference {
        text.push_str(&format!("  Log       {reference}\n"));
    }
    text
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, value: Option<&String>) -> fmt::Result {
    match value {
        Some(value) => writeln!(f, "{name:<12}{value}"),
        None => Ok(()),
    }
}

impl LicenseView {
    fn named(&self) -> String {
        match (&self.license_id, self.revision) {
            (Some(id), Some(revision)) => format!("{id}, revision {revision}"),
            (Some(id), None) => id.clone(),
            _ => "none".to_owned(),
        }
    }
}

impl fmt::Display for LicenseView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&problem_text(&self.state))?;
        for notice in &self.notices {
            f.write_str(&problem_text(notice))?;
        }
        writeln!(f, "{:<12}{}", "License", self.named())?;
        line(f, "Server", self.server.as_ref())?;
        line(f, "Project", self.project.as_ref())?;
        line(f, "Distributor", self.distributor.as_ref())?;
        writeln!(
            f,
            "{:<12}{} of {} used, {} free",
            "Places", self.places.used, self.places.total, self.places.free
        )?;
        let tpm = &self.tpm;
        if tpm.present {
            let name = tpm.manufacturer.as_deref().unwrap_or("unknown");
            let firmware = tpm.firmware.as_deref().unwrap_or("unknown");
            write!(f, "{:<12}{name}, firmware {firmware}", "TPM")?;
            match tpm.counter {
                Some(counter) => writeln!(f, ", counter {counter}")?,
                None => writeln!(f)?,
            }
        } else {
            writeln!(f, "{:<12}not found", "TPM")?;
        }
        match &tpm.problem {
            Some(problem) => f.write_str(&problem_text(problem)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ImportView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = (&self.before, &self.after);
        let done = if self.dry_run {
            "The file fits this box. Nothing has changed yet."
        } else {
            "The license was imported."
        };
        writeln!(f, "{done}")?;
        writeln!(
            f,
            "{:<12}{} -> {}",
            "License",
            before.named(),
            after.named()
        )?;
        writeln!(
            f,
            "{:<12}{} -> {}",
            "Places", before.places.total, after.places.total
        )?;
        for camera in &self.stops_recording {
            writeln!(f, "{:<12}{camera}", "Stops")?;
        }
        f.write_str(&problem_text(&after.state))
    }
}
