//! Step 6: the license's only place goes to camera A.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Break, Journey, gate_view, must_equal, until};
use crate::client::box_api::BoxApi;
use crate::evidence::Evidence;
use crate::world::cameras::{Behaviour, CAMERA_A, CAMERA_B};
use crate::world::process::run;

/// What the product promises: from the owner's click to the open, or closed, gate.
const GATE_FOLLOWS: Duration = Duration::from_secs(2);

/// From the click to frames on disk.
const FRAMES_ARRIVE: Duration = Duration::from_secs(15);

/// Live pictures are at most this old.
const LIVE_AGE: Duration = Duration::from_secs(5);

/// The gate opens for A alone; its video is recorded, and plays live on the page.
pub async fn records_and_plays(journey: &mut Journey<'_>, evidence: &mut Evidence) -> Result<()> {
    if journey.broken == Some(Break::Camera) {
        journey.lab.camera_a().behave(Behaviour::Garbage).await?;
    }
    let api = journey.api()?.clone();
    let gate_before = api.gate().await?;

    let clicked = Instant::now();
    journey
        .browser
        .act("assign", json!({ "camera": CAMERA_A.id() }))
        .await?;
    let within = journey.deadline(GATE_FOLLOWS);
    let (admitted, _) = until("the gate opens for camera A", within, async || {
        let admitted = admitted(&api).await?;
        Ok((!admitted.is_empty()).then_some(admitted))
    })
    .await?;
    evidence.note("seconds_to_open_gate", clicked.elapsed().as_secs_f64());
    ensure!(
        admitted == [CAMERA_A.mac],
        "the gate is open for {admitted:?}, not for camera A alone"
    );

    let within = journey.deadline(FRAMES_ARRIVE);
    let (health, _) = until("camera A is recorded", within, async || {
        let camera = api.camera(CAMERA_A.mac).await?;
        let health = &camera["recording"];
        let frames = health["frames"].as_u64().unwrap_or(0);
        Ok((health["status"] == "recording" && frames >= 50).then(|| health.clone()))
    })
    .await?;
    evidence.note("seconds_to_50_frames", clicked.elapsed().as_secs_f64());
    evidence.note("recorder", &health);

    plays_live(journey, evidence).await?;
    walks_the_live_pages(journey, evidence).await?;
    look_at_the_file(journey, evidence).await?;

    let memory = journey.lab.resident_kib().await?;
    evidence.note("resident_kib_while_recording", memory);
    b_stays_blocked(&api, &gate_before, evidence).await
}

/// Crops the page's `<video>` and decodes what camera A drew into its picture.
async fn plays_live(journey: &mut Journey<'_>, evidence: &mut Evidence) -> Result<()> {
    let watched = journey
        .browser
        .act(
            "watch_live",
            json!({ "camera": CAMERA_A.id(), "pictures": 5 }),
        )
        .await?;
    evidence.note("live", &watched);
    let pictures = watched["pictures"]
        .as_array()
        .context("pictures were taken")?;
    let mut newest = 0;
    for picture in pictures {
        must_equal("the letter in the live picture", &picture["letter"], "A")?;
        let number = picture["number"].as_u64().context("a frame number")?;
        ensure!(
            number > newest,
            "frame {number} follows {newest} on the page"
        );
        newest = number;
        let age = Duration::from_millis(picture["age_ms"].as_u64().context("an age")?);
        let within = journey.deadline(LIVE_AGE);
        ensure!(
            age <= within,
            "a live picture is {age:?} old, more than {within:?}"
        );
    }
    ensure!(
        pictures.len() == 5,
        "only {} pictures could be read",
        pictures.len()
    );
    Ok(())
}

/// The page of all cameras, from there to the one, and a browser that can't play its main stream.
async fn walks_the_live_pages(journey: &mut Journey<'_>, evidence: &mut Evidence) -> Result<()> {
    let walked = journey
        .browser
        .act("walk_live", json!({ "camera": CAMERA_A.id() }))
        .await?;
    evidence.note("live_pages", &walked);
    must_equal("the tile's width", &walked["tile_width"], 320)?;
    must_equal("the large picture's width", &walked["main_width"], 640)?;
    must_equal("the smaller stream's width", &walked["fallback_width"], 320)?;
    must_equal(
        "the address without the camera",
        &walked["address"],
        "?cameras=&layout=4",
    )?;
    let note = walked["fallback_note"].as_str().unwrap_or_default();
    ensure!(
        note.contains("smaller stream"),
        "the page does not say that the smaller stream is shown: {note:?}"
    );
    Ok(())
}

/// Probes the newest recording with tools that are not ours.
async fn look_at_the_file(journey: &mut Journey<'_>, evidence: &mut Evidence) -> Result<()> {
    let recordings = journey.api()?.recordings().await?;
    for recording in &recordings {
        must_equal("a recording's camera", &recording["camera"], CAMERA_A.id())?;
    }
    let file = recordings
        .first()
        .and_then(|newest| newest["file"].as_str())
        .context("camera A has a recording")?;
    let bytes = journey.api()?.recording(file).await?;
    evidence.note_bytes("recording", file, &bytes);
    let local = journey.lab.folder().join("recording.mp4");
    std::fs::write(&local, bytes).context("keep the recording")?;
    evidence.note("ffprobe", probe(&local)?);
    evidence.note("recorded_frames", recorded_frames(&local)?);
    Ok(())
}

/// Codec, size, and times that only go forward.
fn probe(file: &Path) -> Result<Value> {
    let said = run(Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0", "-of", "json"])
        .args([
            "-show_entries",
            "stream=codec_name,width,height:packet=pts,dts",
        ])
        .arg(file))?;
    let probed: Value = serde_json::from_str(&said).context("understand ffprobe")?;
    let stream = &probed["streams"][0];
    must_equal("codec", &stream["codec_name"], "h264")?;
    must_equal("width", &stream["width"], 640)?;
    must_equal("height", &stream["height"], 360)?;
    let packets = probed["packets"].as_array().context("packets")?;
    let times: Vec<i64> = packets
        .iter()
        .map(|packet| packet["dts"].as_i64().context("a decoding time"))
        .collect::<Result<_>>()?;
    ensure!(
        times.len() >= 50,
        "only {} frames are in the file",
        times.len()
    );
    ensure!(
        times.windows(2).all(|pair| pair[0] < pair[1]),
        "decoding times in the file go back"
    );
    Ok(json!({
        "codec": stream["codec_name"],
        "width": stream["width"],
        "height": stream["height"],
        "packets": times.len(),
        "first_dts": times.first(),
        "last_dts": times.last(),
    }))
}

/// What camera A drew into each recorded frame.
fn recorded_frames(file: &Path) -> Result<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("cameras/frame_code.py");
    let said = run(Command::new("/usr/bin/python3")
        .arg(script)
        .arg("video")
        .arg(file))?;
    let mut numbers = Vec::new();
    for line in said.lines() {
        let frame: Value = serde_json::from_str(line).context("understand a decoded frame")?;
        must_equal("the letter in a recorded frame", &frame["letter"], "A")?;
        numbers.push(frame["number"].as_u64().context("a frame number")?);
    }
    ensure!(
        numbers.windows(2).all(|pair| pair[0] < pair[1]),
        "frame numbers in the file do not rise"
    );
    let (first, last) = (numbers.first(), numbers.last());
    Ok(json!({ "letter": "A", "frames": numbers.len(), "first": first, "last": last }))
}

/// The MACs that the gate lets through.
async fn admitted(api: &BoxApi) -> Result<Vec<String>> {
    gate_view::admitted(&api.gate().await?)
}

async fn b_stays_blocked(api: &BoxApi, gate_before: &Value, evidence: &mut Evidence) -> Result<()> {
    let camera = api.camera(CAMERA_B.mac).await?;
    must_equal("camera B's state", &camera["state"], "found")?;
    must_equal(
        "camera B's packets through the gate",
        &camera["counters"]["passed_packets"],
        0,
    )?;
    let gate = api.gate().await?;
    evidence.note("gate", &gate);
    let (before, now) = (
        gate_view::past_the_gate(gate_before)?,
        gate_view::past_the_gate(&gate)?,
    );
    ensure!(before == now, "{} packets came past the gate", now - before);
    Ok(())
}

/// Camera A's port sends noise for a while: the recorder waits between attempts, the
/// pages and the license do not notice, and video comes back by itself.
pub async fn noise_is_survived(journey: &mut Journey<'_>, evidence: &mut Evidence) -> Result<()> {
    let api = journey.api()?.clone();
    let license = api.license().await?;
    let log = journey.lab.recorder_log();
    let from = std::fs::metadata(&log).map_or(0, |log| log.len());
    journey.lab.camera_a().behave(Behaviour::Garbage).await?;
    let within = journey.deadline(Duration::from_secs(30));
    let (waits, _) = until("the recorder tries camera A again", within, async || {
        let waits = waits_ms(&log, from)?;
        Ok((waits.len() >= NOISY_ATTEMPTS).then_some(waits))
    })
    .await?;
    evidence.note("waits_ms", &waits);
    // Half a second, then a second, each shortened by half at most: a camera that works again
    // is recorded within two seconds.
    let in_turn = waits.iter().enumerate().all(|(count, wait)| {
        let longest = if count == 0 { 500 } else { 1000 };
        (longest / 2..=longest).contains(wait)
    });
    ensure!(
        in_turn,
        "the recorder does not wait as it should: {waits:?} ms"
    );
    let health = api.camera(CAMERA_A.mac).await?["recording"].take();
    evidence.note("while_noise", &health);
    must_equal("the recorder's state", &health["status"], "waiting")?;
    must_equal("the license", &api.license().await?, license)?;

    journey.lab.camera_a().behave(Behaviour::H265).await?;
    let took = recorded_again(journey).await?;
    evidence.note("seconds_to_video_again", took.as_secs_f64());
    h265_is_recorded_and_watched(journey, evidence).await?;
    journey.lab.camera_a().behave(Behaviour::Good).await?;
    recorded_again(journey).await.map(|_| ())
}

/// Waits until camera A's video comes in again; how long that took.
async fn recorded_again(journey: &mut Journey<'_>) -> Result<Duration> {
    let api = journey.api()?.clone();
    let frames = |health: &Value| health["frames"].as_u64();
    let before = frames(&api.camera(CAMERA_A.mac).await?["recording"]);
    let within = journey.deadline(Duration::from_secs(60));
    let (_, took) = until("camera A is recorded again", within, async || {
        let camera = api.camera(CAMERA_A.mac).await?;
        let health = &camera["recording"];
        let more = frames(health) > before;
        Ok((health["status"] == "recording" && more).then_some(()))
    })
    .await?;
    Ok(took)
}

/// Camera A came back with H.265: it is recorded as it is. This browser can't play it, so the
/// live page shows the smaller stream by itself, and says so.
async fn h265_is_recorded_and_watched(
    journey: &mut Journey<'_>,
    evidence: &mut Evidence,
) -> Result<()> {
    let api = journey.api()?.clone();
    let local = journey.lab.folder().join("h265.mp4");
    let within = journey.deadline(Duration::from_secs(30));
    let (stream, _) = until("a recording in H.265", within, async || {
        let newest = api.recordings().await?;
        let file = newest.first().and_then(|newest| newest["file"].as_str());
        let bytes = api.recording(file.context("there is a recording")?).await?;
        std::fs::write(&local, bytes).context("keep the recording")?;
        let said = run(Command::new("ffprobe")
            .args(["-v", "error", "-of", "json", "-count_packets"])
            .args(["-show_entries", "stream=codec_name,width,nb_read_packets"])
            .arg(&local));
        // The newest may have no picture yet.
        let Ok(said) = said else { return Ok(None) };
        let probed: Value = serde_json::from_str(&said).context("understand ffprobe")?;
        let stream = probed["streams"][0].clone();
        Ok((stream["codec_name"] == "hevc").then_some(stream))
    })
    .await?;
    evidence.note("h265_recorded", &stream);
    must_equal("the width of H.265", &stream["width"], 640)?;
    let watched = json!({ "camera": CAMERA_A.id() });
    let watched = journey.browser.act("watch_smaller", watched).await?;
    evidence.note("h265_watched", &watched);
    must_equal("the smaller stream's width", &watched["width"], 320)?;
    let note = watched["note"].as_str().unwrap_or_default();
    ensure!(
        note.contains("smaller stream"),
        "the page does not say that the smaller stream is shown: {note:?}"
    );
    Ok(())
}

/// How often the recorder meets the noise; the first attempt may still end with the lost
/// connection.
const NOISY_ATTEMPTS: usize = 4;

/// The recorder's waits between its attempts, from its log.
fn waits_ms(log: &Path, from: u64) -> Result<Vec<u64>> {
    let log = std::fs::read(log).context("read the recorder's log")?;
    let from = usize::try_from(from).context("an offset")?;
    let new = String::from_utf8_lossy(log.get(from..).unwrap_or_default());
    Ok(new
        .lines()
        .filter(|line| line.contains("the session is over"))
        .filter_map(|line| {
            let (_, rest) = line.split_once("retry_in_ms=")?;
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
            digits.parse().ok()
        })
        .collect())
}

/// Without its channel camera A is shut out, its session ends, and its file stops growing.
pub async fn released_at_once(journey: &mut Journey<'_>, evidence: &mut Evidence) -> Result<()> {
    let api = journey.api()?.clone();
    let clicked = Instant::now();
    journey
        .browser
        .act("release", json!({ "camera": CAMERA_A.id() }))
        .await?;
    let within = journey.deadline(GATE_FOLLOWS);
    until("the gate closes for camera A", within, async || {
        let closed = admitted(&api).await?.is_empty();
        let camera = api.camera(CAMERA_A.mac).await?;
        Ok((closed && camera["recording"].is_null()).then_some(()))
    })
    .await?;
    evidence.note("seconds_to_closed_gate", clicked.elapsed().as_secs_f64());

    let before = after_release(&api).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after = after_release(&api).await?;
    evidence.note("three_seconds_later", &after);
    must_equal("what came through after the release", &after, before)
}

/// What must not change any more once camera A is shut out.
async fn after_release(api: &BoxApi) -> Result<Value> {
    let gate = api.gate().await?;
    let recordings = api.recordings().await?;
    Ok(json!({
        "past_the_gate": gate_view::past_the_gate(&gate)?,
        "admitted": gate_view::admitted(&gate)?,
        "recordings": recordings,
    }))
}
