//! The owner's journey, from power-on to the first licensed picture, played without a
//! person. One file for each step; [`play`] is the table of contents.
//!
//! Each step leaves its evidence whether it holds or not, and the first one that does
//! not hold ends the journey. What a step checks is what an owner, a thief or an auditor
//! would look at: pages, files, packets, counters.

mod boots;
mod camera_pages;
mod first_start;
mod gate_view;
mod imports;
mod moves;
mod records;
mod requests;
mod unlicensed;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::browser::Browser;
use crate::client::box_api::BoxApi;
use crate::evidence::{Evidence, Report};
use crate::world::Lab;

/// The password that the owner chooses.
pub const OWNER_PASSWORD: &str = "correct horse battery staple";

/// What can be broken on purpose, to see that the journey notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Break {
    /// The box has no TPM.
    Tpm,
    /// The kernel's rules are flushed while the unlicensed camera attacks.
    Gate,
    /// One character of the license file is changed on its way.
    License,
    /// Camera A sends noise instead of video.
    Camera,
}

impl Break {
    /// The step that must fail.
    pub fn expected_step(self) -> u32 {
        match self {
            Self::Tpm => 2,
            Self::Gate => 3,
            Self::License => 5,
            Self::Camera => 6,
        }
    }

    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tpm => "tpm",
            Self::Gate => "gate",
            Self::License => "license",
            Self::Camera => "camera",
        }
    }
}

/// What one step hands to the next.
pub struct Journey<'lab> {
    lab: &'lab mut Lab,
    browser: Browser,
    broken: Option<Break>,
    report: Report,
    /// Known once the box has printed its fingerprint.
    api: Option<BoxApi>,
    /// The request file, once exported.
    request: Vec<u8>,
    /// The license file, once issued.
    license: Vec<u8>,
}

/// Plays the whole journey, or as much of it as holds.
///
/// # Errors
/// Something outside the journey failed, such as the browser; a step that does not hold
/// is no error but part of the report.
pub async fn play(lab: &mut Lab, broken: Option<Break>) -> Result<Report> {
    let browser = Browser::start(&lab.browser_setup(), &lab.log("browser")).await?;
    let mut journey = Journey {
        report: Report {
            world: lab.kind().name().to_owned(),
            broken: broken.map(|part| part.name().to_owned()),
            ..Report::default()
        },
        lab,
        browser,
        broken,
        api: None,
        request: Vec::new(),
        license: Vec::new(),
    };
    journey.all_steps().await;
    journey.browser.close().await;
    Ok(journey.report)
}

impl Journey<'_> {
    /// Stops at the first step that does not hold.
    async fn all_steps(&mut self) -> Option<()> {
        self.step(1, "The box boots with its gate closed", boots::boots)
            .await?;
        self.step(
            2,
            "The owner sets the first password and sees what is there",
            first_start::first_start,
        )
        .await?;
        self.step(
            3,
            "Unlicensed means blocked: floods from camera B reach no socket",
            unlicensed::floods_are_stopped,
        )
        .await?;
        self.step(
            4,
            "The portal verifies the box's request and issues a license for one channel",
            requests::portal_issues,
        )
        .await?;
        self.step(5, "The owner imports the license", imports::imports)
            .await?;
        self.step(
            5,
            "Damaged, edited, foreign and oversized files change nothing",
            imports::bad_files_change_nothing,
        )
        .await?;
        self.step(
            6,
            "Camera A gets the channel: recorded and live within seconds",
            records::records_and_plays,
        )
        .await?;
        self.step(
            6,
            "The owner plays what was recorded and saves a clip of it",
            camera_pages::plays_back_and_exports,
        )
        .await?;
        self.step(
            6,
            "A camera that sends noise is tried again, and nothing else suffers",
            records::noise_is_survived,
        )
        .await?;
        self.step(
            6,
            "Taking the channel away stops camera A at once",
            records::released_at_once,
        )
        .await?;
        self.step(
            7,
            "After a restart camera A records again by itself",
            moves::restart_records_again,
        )
        .await?;
        self.step(
            7,
            "The same disk with another TPM opens no channel and says why",
            moves::another_tpm_opens_nothing,
        )
        .await?;
        self.step(
            7,
            "Without a TPM the pages come up and say so",
            moves::no_tpm_is_said,
        )
        .await
    }

    /// Plays one step, says how it went, and keeps its evidence.
    async fn step<F>(&mut self, number: u32, name: &str, play: F) -> Option<()>
    where
        F: AsyncFnOnce(&mut Self, &mut Evidence) -> Result<()>,
    {
        eprintln!("step {number}: {name}");
        let mut evidence = Evidence::default();
        let outcome = match play(self, &mut evidence).await {
            Ok(()) => self.no_page_complains().await,
            failed => failed,
        };
        let step = evidence.into_step(number, name, &outcome);
        match &step.failure {
            None => eprintln!("step {number}: holds ({:.1} s)", step.seconds),
            Some(failure) => eprintln!("step {number}: DOES NOT HOLD: {failure}"),
        }
        self.report.push(step);
        outcome.ok()
    }

    /// Scripts, policies, widths and accessibility, on every page that was opened.
    async fn no_page_complains(&mut self) -> Result<()> {
        let complaints = self.browser.act("hear_complaints", Value::Null).await?;
        must_equal(
            "what the pages complain of",
            &complaints,
            Value::Array(Vec::new()),
        )
    }

    fn api(&self) -> Result<&BoxApi> {
        self.api
            .as_ref()
            .context("the box has not said its fingerprint yet")
    }

    /// A deadline that is `on_hardware` on a real box, and longer where it is emulated.
    fn deadline(&self, on_hardware: Duration) -> Duration {
        on_hardware.mul_f64(self.lab.patience())
    }
}

/// Asks again until there is something, and says how long that took.
///
/// # Errors
/// The deadline passed; the last error or `what` is in the message.
pub(crate) async fn until<T>(
    what: &str,
    within: Duration,
    mut ask: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<(T, Duration)> {
    let began = Instant::now();
    loop {
        let last = match ask().await {
            Ok(Some(found)) => return Ok((found, began.elapsed())),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if began.elapsed() > within {
            match last {
                Some(error) => return Err(error.context(format!("{what}: not within {within:?}"))),
                None => bail!("{what}: not within {within:?}"),
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Fails with both values unless they are equal.
///
/// # Errors
/// They differ.
pub(crate) fn must_equal(what: &str, found: &Value, expected: impl Into<Value>) -> Result<()> {
    let expected = expected.into();
    if *found == expected {
        return Ok(());
    }
    bail!("{what} is {found}, not {expected}");
}
