//! Step 1: power on.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{Journey, until};
use crate::client::box_api::BoxApi;
use crate::evidence::Evidence;

/// From power-on to the first answer of the pages, on real hardware.
const PAGES_ANSWER: Duration = Duration::from_secs(60);

/// The box starts; its gate is closed before its camera port comes up; it says on its
/// console how to reach it, and the pages answer there.
pub async fn boots(journey: &mut Journey<'_>, evidence: &mut Evidence) -> Result<()> {
    let within = journey.deadline(PAGES_ANSWER);
    let began = std::time::Instant::now();
    journey.lab.power_on().await?;
    let fingerprint = journey
        .lab
        .console_says("Sealgate certificate SHA-256:", within)
        .await?;
    evidence.note("certificate_sha256", &fingerprint);
    let api = BoxApi::new(&journey.lab.pages_url(), &fingerprint)?;
    until("the pages answer", within, async || {
        Ok(api.is_up().await.then_some(()))
    })
    .await?;
    evidence.note("seconds_to_pages", began.elapsed().as_secs_f64());
    journey.api = Some(api);

    let facts = journey.lab.boot_facts().await?;
    evidence.note("boot", &facts);
    let closed = facts
        .gate_closed_at_us
        .context("the gate said when it was closed")?;
    let link_up = facts
        .camera_link_up_at_us
        .context("the camera port came up")?;
    ensure!(
        closed < link_up,
        "the camera port came up {} us before its gate was closed",
        closed - link_up
    );
    for looked in &facts.expectations {
        ensure!(
            looked.found == looked.expected,
            "{} is {:?}, not {:?}",
            looked.what,
            looked.found,
            looked.expected
        );
    }
    Ok(())
}
