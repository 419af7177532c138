//! A new box in the hands of somebody with a phone: from the first page to recording, with
//! every tap and every wait counted; then what only a set-up box can show.
//!
//! A world of its own, as plain processes: nothing here has been touched before.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::client::box_api::BoxApi;
use crate::client::portal_api::PortalApi;
use crate::evidence::{Evidence, Step};
use crate::journey::{OWNER_PASSWORD, until};
use crate::world::cameras::CAMERA_A;
use crate::world::{Kind, Lab, Places, TpmChoice};

/// As the report numbers it.
const STEP: u32 = 9;
const NAME: &str = "A new box records after few taps on a phone, and a keyboard is enough";
/// Taps from the browser's warning to the last page.
const MOST_TAPS: usize = 25;
/// Seconds that the person waits for the box in total.
const LONGEST_WAIT_S: f64 = 60.0;
const PAGES_ANSWER: Duration = Duration::from_secs(60);
/// Where the phone is.
const PHONE_ZONE: &str = "Asia/Taipei";
/// What a camera's password is, to be found nowhere.
const CAMERA_PASSWORD: &str = "the-camera's-own-secret";

/// Plays it in a folder of its own below this run's.
///
/// # Errors
/// The world could not be made; what does not hold is in the step.
pub async fn play(places: &Places) -> Result<Step> {
    let places = Places {
        run: places.run.join("unboxing"),
        ..places.clone()
    };
    std::fs::create_dir_all(&places.run).context("make the folder of the unboxing")?;
    let mut lab = Lab::set_up(Kind::Host, places, TpmChoice::Own).await?;
    let mut browser = Browser::start(&lab.browser_setup(), &lab.log("browser")).await?;
    let mut evidence = Evidence::default();
    let outcome = unbox(&mut lab, &mut browser, &mut evidence).await;
    browser.close().await;
    Ok(evidence.into_step(STEP, NAME, &outcome))
}

async fn unbox(lab: &mut Lab, browser: &mut Browser, evidence: &mut Evidence) -> Result<()> {
    lab.power_on().await?;
    let fingerprint = lab
        .console_says("Sealgate certificate SHA-256:", PAGES_ANSWER)
        .await?;
    let code = lab
        .console_says("Sealgate set-up code:", PAGES_ANSWER)
        .await?;
    let url = lab.pages_url();
    let mut api = BoxApi::new(&url, &fingerprint)?;
    until("the pages answer", PAGES_ANSWER, async || {
        Ok(api.is_up().await.then_some(()))
    })
    .await?;

    // On the phone, up to the license; what happens at the distributor's is not the box's.
    let begun = json!({ "url": url, "code": code, "password": OWNER_PASSWORD, "cameras": 2 });
    let begun = browser.act("unbox", begun).await?;
    ensure!(
        begun["zone"] == PHONE_ZONE,
        "the phone's time zone is not proposed but {}",
        begun["zone"]
    );
    let request = begun["request"].as_str().context("the request is text")?;
    let distributor = lab.portal().sign_in().await?;
    let project = distributor.add_project("Warehouse").await?;
    let server = distributor.add_server(&project, "Dock").await?;
    let license = issue(&distributor, &server, request.as_bytes(), 2).await?;
    let file = lab.folder().join("first.lic");
    std::fs::write(&file, license).context("write the license file")?;

    let resumed = json!({ "url": url, "password": OWNER_PASSWORD });
    let resumed = browser.act("resume", resumed).await?;
    ensure!(
        resumed["path"] == "/start/license",
        "another device goes on at {}, not at the license",
        resumed["path"]
    );

    let asked = json!({ "file": file, "cameras": 2 });
    let done = browser.act("finish_unboxing", asked).await?;
    evidence.note("unboxing", &done);
    let taps = done["taps"].as_array().context("taps were counted")?.len();
    let waited_s = done["waited_s"].as_f64().context("waits were counted")?;
    eprintln!("step {STEP}: {taps} taps, {waited_s:.1} s waited for the box");
    ensure!(
        taps <= MOST_TAPS,
        "{taps} taps, at most {MOST_TAPS}: {done}"
    );
    ensure!(
        waited_s <= LONGEST_WAIT_S,
        "{waited_s} s waited, at most {LONGEST_WAIT_S} s"
    );

    api.sign_in("owner", OWNER_PASSWORD).await?;
    let camera = json!({ "user": "admin", "password": CAMERA_PASSWORD });
    let path = format!("/api/v1/cameras/{}/credential", CAMERA_A.mac);
    api.put(&path, &camera).await?;
    // Nobody looks yet; it takes a while until that is an alarm.
    lab.camera_a().switch_off();

    let request = api.export_request().await?;
    let license = issue(&distributor, &server, &request, 3).await?;
    let file = lab.folder().join("second.lic");
    std::fs::write(&file, license).context("write the license file")?;
    let asked = json!({ "url": url, "password": OWNER_PASSWORD, "file": file });
    let typed = browser.act("by_keyboard", asked).await?;
    says(&typed["checked"], "Camera places")?;
    says(&typed["imported"], "The license file was imported.")?;
    says(&typed["imported"], "of 3 used")?;
    says(&typed["settings"], "CET")?;

    let seen = browser
        .act("acknowledge", json!({ "code": "SG-API-012" }))
        .await?;
    says(&seen["text"], "Seen by owner")?;

    let token = json!({ "name": "wall", "scopes": ["see"], "days": 1 });
    let token = api.post("/api/v1/tokens", &token).await?;
    let token = token["token"].as_str().context("a token has a text")?;
    let diagnostics = browser.act("save_diagnostics", json!({})).await?;
    let diagnostics = diagnostics.as_str().context("diagnostics are text")?;
    says(&Value::from(diagnostics), CAMERA_A.mac)?;
    let session = api.token().context("the program is signed in")?;
    let given = [&code, OWNER_PASSWORD, CAMERA_PASSWORD, token, session];
    let kept = kept_secrets(&lab.folder().join("box"))?;
    evidence.note("secrets_looked_for", given.len() + kept.len());
    for secret in given.into_iter().map(str::to_owned).chain(kept) {
        ensure!(
            !diagnostics.contains(&secret),
            "the diagnostics hold a secret of {} characters",
            secret.len()
        );
    }
    let complaints = browser.act("hear_complaints", json!({})).await?;
    ensure!(
        complaints.as_array().is_some_and(Vec::is_empty),
        "the browser complains: {complaints}"
    );
    Ok(())
}

async fn issue(
    distributor: &PortalApi,
    server: &str,
    request: &[u8],
    channels: u32,
) -> Result<String> {
    let issued = distributor.order(server, request, channels, false).await?;
    let issued = issued.success("issue the license")?;
    let file = issued["file"].as_str();
    Ok(file.context("the license is in the answer")?.to_owned())
}

/// What the box keeps and must not tell: the license's activation secret, as it might be
/// written, and every line of its TLS key.
fn kept_secrets(folder: &Path) -> Result<Vec<String>> {
    let secret = std::fs::read(folder.join("state/license/secret")).context("read the secret")?;
    let pem = std::fs::read_to_string(folder.join("data/tls/box.pem")).context("read the key")?;
    let (_, key) = pem
        .split_once("PRIVATE KEY-----")
        .context("the file has a key")?;
    let lines = key
        .lines()
        .filter(|line| line.len() > 16 && !line.contains('-'));
    let mut secrets: Vec<String> = lines.map(str::to_owned).collect();
    ensure!(!secrets.is_empty(), "no line of the key was found");
    secrets.push(hex::encode(&secret));
    secrets.push(BASE64_STANDARD.encode(&secret));
    Ok(secrets)
}

fn says(text: &Value, words: &str) -> Result<()> {
    let text = text.as_str().context("the page has a text")?;
    ensure!(text.contains(words), "{words:?} is missing in: {text}");
    Ok(())
}
