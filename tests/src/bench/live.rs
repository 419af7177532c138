//! `scripts/bench live`: how old a picture is when it is seen. The whole chain runs: cameras that
//! draw the time into each picture, gate, recorder, supervisor, and Chromium with the product's own
//! pages. ffmpeg decodes the same stream beside: what camera, RTSP and a decoder need by
//! themselves.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{Figure, Goal};
use crate::browser::Browser;
use crate::client::box_api::BoxApi;
use crate::journey::{OWNER_PASSWORD, until};
use crate::world::cameras::{CAMERA_A, CAMERA_B, Camera, CameraSpec};
use crate::world::process::run;
use crate::world::{Kind, Lab, Places, TpmChoice};

/// Glass to glass, milliseconds.
const GOAL_MS: f64 = 300.0;
const PEER: &str = "ffmpeg";

const fn more(letter: char, mac: &'static str, ip: &'static str) -> CameraSpec {
    CameraSpec { letter, mac, ip }
}

/// Beside the lab's two: a grid of nine.
const MORE_CAMERAS: [CameraSpec; 7] = [
    more('C', "02:00:00:00:00:0c", "192.168.77.13"),
    more('D', "02:00:00:00:00:0d", "192.168.77.14"),
    more('E', "02:00:00:00:00:0e", "192.168.77.15"),
    more('F', "02:00:00:00:00:0f", "192.168.77.16"),
    more('G', "02:00:00:00:00:10", "192.168.77.17"),
    more('H', "02:00:00:00:00:11", "192.168.77.18"),
    more('I', "02:00:00:00:00:12", "192.168.77.19"),
];
const CAMERAS: usize = 2 + MORE_CAMERAS.len();

/// All figures of watching, each view for so many seconds.
///
/// # Errors
/// Something does not start, or no picture is seen.
pub fn live(seconds: u64) -> Result<Vec<Figure>> {
    let runtime = tokio::runtime::Runtime::new().context("start a runtime")?;
    let folder = tempfile::Builder::new()
        .prefix("sealgate-bench-")
        // The recorder is another user, who must get through.
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir_in("/var/tmp")
        .context("make this run's folder")?;
    let own = std::env::current_exe().context("find ourselves")?;
    let places = Places {
        build: std::path::absolute("build").context("find the build folder")?,
        binaries: own.parent().map_or_else(PathBuf::new, Path::to_path_buf),
        run: folder.path().to_owned(),
    };
    runtime.block_on(measure(places, seconds))
}

async fn measure(places: Places, seconds: u64) -> Result<Vec<Figure>> {
    let run = places.run.clone();
    let mut lab = Lab::set_up(Kind::Host, places, TpmChoice::Own).await?;
    let mut more_cameras = Vec::new();
    for spec in MORE_CAMERAS {
        more_cameras.push(Camera::start(lab.switch(), spec, &run).await?);
    }
    record_all(&mut lab).await?;
    let mut browser = Browser::start(&lab.browser_setup(), &lab.log("browser")).await?;
    let account = json!({ "url": lab.pages_url(), "password": OWNER_PASSWORD });
    browser.act("sign_in", account).await?;
    let one = view(
        &mut browser,
        &format!("/live/{}", CAMERA_A.id()),
        1,
        seconds,
    )
    .await?;
    let grid = view(&mut browser, "/live", CAMERAS, seconds).await?;
    let complaints = browser.act("hear_complaints", json!({})).await?;
    ensure!(complaints == json!([]), "the pages complain: {complaints}");
    browser.close().await;
    let peer = ffmpeg(&mut lab, seconds)?;
    let ms = |name, value, goal| Figure::new(name, value, "ms", goal);
    let goal = Goal::AtMost(GOAL_MS);
    Ok(vec![
        ms("live.one.median", one.at(50), goal).beside(PEER, Some(peer.at(50))),
        ms("live.one.p95", one.at(95), Goal::None).beside(PEER, Some(peer.at(95))),
        ms("live.one.first_picture", one.first_ms, Goal::None),
        Figure::new(
            "live.one.pictures",
            one.share(1, seconds),
            "of 1",
            Goal::AtLeast(0.95),
        ),
        ms("live.nine.median", grid.at(50), goal).beside(PEER, Some(peer.at(50))),
        ms("live.nine.p95", grid.at(95), Goal::None).beside(PEER, Some(peer.at(95))),
        ms("live.nine.first_picture", grid.first_ms, Goal::None),
        Figure::new(
            "live.nine.pictures",
            grid.share(CAMERAS, seconds),
            "of 1",
            Goal::AtLeast(0.95),
        ),
    ])
}

/// Ages of pictures when they were shown, and how long the first one took.
struct View {
    /// Rising, milliseconds.
    ages_ms: Vec<f64>,
    first_ms: f64,
}

impl View {
    fn new(ages: &Value, first_ms: f64) -> Result<Self> {
        let ages = ages.as_array().context("a list of ages")?;
        let mut ages_ms: Vec<f64> = ages.iter().filter_map(Value::as_f64).collect();
        ensure!(!ages_ms.is_empty(), "no picture was seen");
        ages_ms.sort_unstable_by(f64::total_cmp);
        Ok(Self { ages_ms, first_ms })
    }

    /// So many percent are younger.
    fn at(&self, percent: usize) -> f64 {
        let last = self.ages_ms.len() - 1;
        self.ages_ms[(self.ages_ms.len() * percent / 100).min(last)]
    }

    /// How many of the pictures that the cameras drew were shown: ten a second each.
    fn share(&self, cameras: usize, seconds: u64) -> f64 {
        self.ages_ms.len() as f64 / (10 * cameras) as f64 / seconds as f64
    }
}

async fn view(browser: &mut Browser, path: &str, tiles: usize, seconds: u64) -> Result<View> {
    eprintln!("Watching {path} for {seconds} s");
    let watch = json!({ "path": path, "tiles": tiles, "seconds": seconds });
    let seen = browser.act("measure_live", watch).await?;
    let letters = seen["letters"].as_array().map_or(0, Vec::len);
    ensure!(
        letters == tiles,
        "{letters} of {tiles} cameras were seen: {}",
        seen["players"]
    );
    View::new(&seen["ages_ms"], seen["first_ms"].as_f64().unwrap_or(0.0))
}

/// The same stream with ffmpeg's own settings, beside the camera.
fn ffmpeg(lab: &mut Lab, seconds: u64) -> Result<View> {
    eprintln!("Decoding the same stream by ffmpeg for {seconds} s");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("cameras/frame_code.py");
    let stream = format!("rtsp://{}/main", CAMERA_A.ip);
    let said = run(lab
        .camera_a()
        .namespace()
        .command("/usr/bin/python3")
        .arg(script)
        .args(["watch", &seconds.to_string()])
        .args([
            "ffmpeg",
            "-nostdin",
            "-v",
            "error",
            "-rtsp_transport",
            "tcp",
        ])
        .args(["-i", &stream, "-fps_mode", "passthrough"])
        .args(["-f", "rawvideo", "-pix_fmt", "gray", "-"]))?;
    View::new(
        &serde_json::from_str(&said).context("understand the ages")?,
        0.0,
    )
}

/// Sets the box up, licenses it, and gives every camera a channel.
async fn record_all(lab: &mut Lab) -> Result<()> {
    eprintln!("Starting {CAMERAS} cameras, the portal and the box");
    let within = Duration::from_secs(60);
    lab.power_on().await?;
    let fingerprint = lab
        .console_says("Sealgate certificate SHA-256:", within)
        .await?;
    let code = lab.console_says("Sealgate set-up code:", within).await?;
    let mut api = BoxApi::new(&lab.pages_url(), &fingerprint)?;
    until("the pages answer", within, async || {
        Ok(api.is_up().await.then_some(()))
    })
    .await?;
    let answer = api.set_up(&code, OWNER_PASSWORD).await?;
    answer.success("set the owner's password")?;
    api.sign_in("owner", OWNER_PASSWORD).await?;
    let distributor = lab.portal().sign_in().await?;
    let project = distributor.add_project("Bench").await?;
    let server = distributor.add_server(&project, "Bench").await?;
    let request = api.export_request().await?;
    let channels = u32::try_from(CAMERAS).context("a few cameras")?;
    let order = distributor.order(&server, &request, channels, false);
    let issued = order.await?.success("issue a license")?;
    let license = issued["file"].as_str().context("a license has a file")?;
    let imported = api.import(license.as_bytes(), false).await?;
    imported.success("import the license")?;
    let specs = [CAMERA_A, CAMERA_B].into_iter().chain(MORE_CAMERAS);
    for spec in specs.clone() {
        until("a camera is found", within, async || {
            Ok(api.camera(spec.mac).await.ok())
        })
        .await?;
        let answer = api.assign(&spec.id()).await?;
        answer.success("assign a channel")?;
    }
    for spec in specs {
        until("a camera is recorded", within, async || {
            let camera = api.camera(spec.mac).await?;
            let frames = camera["recording"]["frames"].as_u64();
            Ok(frames.filter(|frames| *frames >= 20))
        })
        .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_pictures_that_were_seen() {
        let ages: Vec<u32> = (0..100).rev().collect();
        let view = View::new(&json!(ages), 0.0).unwrap();
        assert_eq!((view.at(50), view.at(95), view.at(100)), (50.0, 95.0, 99.0));
        assert_eq!(view.share(1, 10), 1.0);
        assert!(View::new(&json!([]), 0.0).is_err());
    }
}
