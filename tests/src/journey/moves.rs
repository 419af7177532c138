//! Step 7: restarts, and the same disk in another box.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Journey, OWNER_PASSWORD, gate_view, must_equal, until};
use crate::evidence::Evidence;
use crate::world::TpmChoice;
use crate::world::cameras::CAMERA_A;

/// From power-on to pages, on real hardware.
const PAGES_ANSWER: Duration = Duration::from_secs(60);

/// Camera A has its channel, the box restarts, and nobody has to do anything.
pub async fn restart_records_again(
    journey: &mut Journey<'_>,
    evidence: &mut Evidence,
) -> Result<()> {
    let assigned = journey.api()?.assign(&CAMERA_A.id()).await?;
    assigned.success("assign the channel again")?;
    restart(journey, TpmChoice::Own).await?;
    let api = journey.api()?.clone();
    let within = journey.deadline(Duration::from_secs(60));
    let (health, took) = until("camera A is recorded again", within, async || {
        let camera = api.camera(CAMERA_A.mac).await?;
        let health = &camera["recording"];
        let frames = health["frames"].as_u64().unwrap_or(0);
        Ok((health["status"] == "recording" && frames >= 20).then(|| health.clone()))
    })
    .await?;
    evidence.note("seconds_from_pages_to_recording", took.as_secs_f64());
    evidence.note("recorder", health);
    let license = api.license().await?;
    must_equal("license in force", &license["ok"], true)?;
    evidence.note("license", license);
    Ok(())
}

/// The disk finds itself beside another TPM: the license does not fit, nothing opens, and
/// the page says whose it is and what to do.
pub async fn another_tpm_opens_nothing(
    journey: &mut Journey<'_>,
    evidence: &mut Evidence,
) -> Result<()> {
    restart(journey, TpmChoice::Another).await?;
    let license = nothing_opens(journey, evidence).await?;
    let state = &license["state"];
    let page = journey.browser.act("read_license_page", json!({})).await?;
    evidence.note("license_page", &page);
    let text = page["text"].as_str().context("the license page has text")?;
    for part in ["code", "cause", "cure"] {
        let expected = state[part].as_str().context("a state in words")?;
        ensure!(
            text.contains(expected),
            "the license page does not say {expected:?}"
        );
    }
    must_equal("the state's code", &state["code"], "SG-STA-013")
}

/// No TPM at all: the pages come up, say so, and every channel is closed.
pub async fn no_tpm_is_said(journey: &mut Journey<'_>, evidence: &mut Evidence) -> Result<()> {
    restart(journey, TpmChoice::None).await?;
    let license = nothing_opens(journey, evidence).await?;
    must_equal("tpm.present", &license["tpm"]["present"], false)?;
    must_equal(
        "the TPM's problem",
        &license["tpm"]["problem"]["code"],
        "SG-TPM-001",
    )
}

async fn restart(journey: &mut Journey<'_>, tpm: TpmChoice) -> Result<()> {
    let within = journey.deadline(PAGES_ANSWER);
    journey.lab.restart(tpm).await?;
    let mut api = journey.api()?.clone();
    until("the pages answer again", within, async || {
        Ok(api.is_up().await.then_some(()))
    })
    .await?;
    api.sign_in("owner", OWNER_PASSWORD).await?;
    journey.api = Some(api);
    let url = journey.lab.pages_url();
    journey
        .browser
        .act("sign_in", json!({ "url": url, "password": OWNER_PASSWORD }))
        .await
        .map(drop)
}

/// No camera is admitted, none is recorded; the license's view.
async fn nothing_opens(journey: &mut Journey<'_>, evidence: &mut Evidence) -> Result<Value> {
    let api = journey.api()?.clone();
    let license = api.license().await?;
    evidence.note("license", &license);
    must_equal("license in force", &license["ok"], false)?;
    // It was found again and judged by then, and a session would have been opened.
    let within = journey.deadline(Duration::from_secs(30));
    let (camera, _) = until("camera A is found again and refused", within, async || {
        let camera = api.camera(CAMERA_A.mac).await?;
        must_equal("camera A's recording", &camera["recording"], Value::Null)?;
        let is_judged = !camera["ip"].is_null() && camera["state"] == "refused";
        Ok(is_judged.then_some(camera))
    })
    .await?;
    evidence.note("camera_a", &camera);
    let admitted = gate_view::admitted(&api.gate().await?)?;
    ensure!(admitted.is_empty(), "the gate is open for {admitted:?}");
    Ok(license)
}
