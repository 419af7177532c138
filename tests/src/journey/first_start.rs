//! Step 2: the owner's first visit.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{Journey, OWNER_PASSWORD, must_equal, until};
use crate::evidence::Evidence;
use crate::world::cameras::{CAMERA_A, CAMERA_B};

/// How long the box may take to find both cameras.
const CAMERAS_FOUND: Duration = Duration::from_secs(30);

/// The owner reads the set-up code on the console, sets a password on the page, and the
/// home page says what there is: a TPM, no license, two cameras, none admitted.
pub async fn first_start(journey: &mut Journey<'_>, evidence: &mut Evidence) -> Result<()> {
    let within = journey.deadline(Duration::from_secs(20));
    let code = journey
        .lab
        .console_says("Sealgate set-up code:", within)
        .await?;
    let url = journey.lab.pages_url();

    let wrong = journey.api()?.set_up("AAAA-AAAA", OWNER_PASSWORD).await?;
    ensure!(!wrong.status.is_success(), "a wrong set-up code was taken");
    evidence.note("wrong_code_answer", wrong.code());

    journey
        .browser
        .act(
            "first_start",
            json!({ "url": url, "code": code, "password": OWNER_PASSWORD }),
        )
        .await?;
    let again = journey.api()?.set_up(&code, OWNER_PASSWORD).await?;
    ensure!(!again.status.is_success(), "the set-up code worked twice");
    evidence.note("second_set_up_answer", again.code());

    let mut api = journey.api()?.clone();
    api.sign_in("owner", OWNER_PASSWORD).await?;
    journey.api = Some(api.clone());

    let license = api.license().await?;
    evidence.note("license", &license);
    must_equal("tpm.present", &license["tpm"]["present"], true)?;
    must_equal("license in force", &license["ok"], false)?;
    must_equal("places", &license["places"]["total"], 0)?;

    let within = journey.deadline(CAMERAS_FOUND);
    let (cameras, took) = until("both cameras are found", within, async || {
        let cameras = api.cameras().await?;
        let found = |mac: &str| cameras.iter().any(|camera| camera["mac"] == mac);
        Ok((found(CAMERA_A.mac) && found(CAMERA_B.mac)).then_some(cameras))
    })
    .await?;
    evidence.note("seconds_to_both_cameras", took.as_secs_f64());
    evidence.note("cameras", &cameras);
    ensure!(
        cameras.len() == 2,
        "{} cameras are listed, not 2",
        cameras.len()
    );
    for camera in &cameras {
        must_equal("a camera's state", &camera["state"], "found")?;
    }

    let home = journey.browser.act("read_home", json!({})).await?;
    evidence.note("home_page", &home);
    let text = home["text"].as_str().context("the home page has text")?;
    for expected in ["TPM present", "Not licensed", "2 cameras found, 0 admitted"] {
        ensure!(
            text.contains(expected),
            "the home page does not say {expected:?}: {text}"
        );
    }
    Ok(())
}
