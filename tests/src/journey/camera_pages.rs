//! Step 6, further on: the owner's pages of cameras and recordings.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Journey, must_equal, until};
use crate::evidence::Evidence;
use crate::world::cameras::{CAMERA_A, CAMERA_B};

/// A camera is asked before it is added; what was recorded plays from the time line, and a
/// marked clip is saved with its statement.
pub async fn plays_back_and_exports(
    journey: &mut Journey<'_>,
    evidence: &mut Evidence,
) -> Result<()> {
    let camera = json!({ "camera": CAMERA_A.id() });
    let page = journey.browser.act("read_camera", camera.clone()).await?;
    says(&page, &[CAMERA_A.mac, "How it is recorded"])?;
    let address = json!({ "address": CAMERA_B.ip });
    let tried = journey.browser.act("try_camera", address).await?;
    says(&tried, &["answers", CAMERA_B.mac, "Recorded"])?;
    evidence.note("camera_b_tried_by_hand", &tried["text"]);
    let list = format!("{},Dock\nnowhere,Gate\n192.168.77.99\n", CAMERA_A.ip);
    let checked = json!({ "text": list });
    let checked = journey.browser.act("check_list", checked).await?;
    says(&checked, &["SG-CAM-036", "SG-CAM-060", "Add 1 camera"])?;
    let one = json!({ "mac": CAMERA_A.mac, "user": "admin", "password": "anything" });
    let open = journey.browser.act("try_passwords", one).await?;
    says(&open, &["Needs none"])?;

    let monday = journey.browser.act("draw_plan", camera.clone()).await?;
    let drawn = format!("{}{}", "m".repeat(12), "a".repeat(36));
    must_equal("Monday's plan as drawn and saved", &monday, drawn.as_str())?;
    let api = journey.api()?.clone();
    let settings = api.settings(&CAMERA_A.id()).await?;
    must_equal(
        "Monday's plan in the box",
        &settings["plan"]["week"][0],
        drawn.as_str(),
    )?;
    sees_motion(journey, evidence).await?;
    api.record_always(&CAMERA_A.id(), &settings).await?;

    let asked = json!({ "camera": CAMERA_A.id(), "pictures": 5 });
    let played = journey.browser.act("play_recording", asked).await?;
    evidence.note("playback", &played);
    let numbers = played["numbers"].as_array().context("frames were read")?;
    ensure!(numbers.len() == 5, "only {numbers:?} could be read");
    let slider = played["slider"].as_str().context("the slider has words")?;
    ensure!(
        !slider.is_empty() && !slider.contains("not recorded"),
        "the slider says {slider:?} where something was recorded"
    );

    let saved = journey.browser.act("export_clip", camera).await?;
    evidence.note("clip", &saved);
    for (file, suffix) in [("file", ".mp4"), ("statement", ".sgs")] {
        let name = saved[file]["name"].as_str().context("it has a name")?;
        let bytes = saved[file]["bytes"].as_u64().context("it has a length")?;
        ensure!(
            name.ends_with(suffix) && bytes > 500,
            "the clip's {file} is {name:?} with {bytes} bytes"
        );
    }
    Ok(())
}

/// While its plan asks for motion, camera A tells of some: it is on the time line, and in the
/// list of events with the picture of its moment.
async fn sees_motion(journey: &mut Journey<'_>, evidence: &mut Evidence) -> Result<()> {
    let api = journey.api()?.clone();
    let motion = |timeline: &Value| -> Option<Value> {
        let mut events = timeline["events"].as_array()?.iter();
        events.find(|event| event["kind"] == "motion").cloned()
    };
    journey.lab.camera_a().see_motion(true)?;
    let within = journey.deadline(Duration::from_secs(30));
    let (_, took) = until("the motion is on the time line", within, async || {
        Ok(motion(&api.timeline(&CAMERA_A.id()).await?))
    })
    .await?;
    evidence.note("seconds_to_motion", took.as_secs_f64());
    let seen = json!({ "camera": CAMERA_A.id() });
    let seen = journey.browser.act("read_events", seen).await?;
    evidence.note("motion_on_the_page", &seen);
    ensure!(seen["bands"] == 1, "the time line shows {seen}");
    let words = seen["words"].as_str().context("the event has words")?;
    ensure!(words.starts_with("motion, "), "the event says {words:?}");
    must_equal("the event's picture", &seen["width"], 640)?;
    journey.lab.camera_a().see_motion(false)?;
    let (event, _) = until("the motion is over", within, async || {
        let event = motion(&api.timeline(&CAMERA_A.id()).await?);
        let end = |event: &Value| event["end_utc_ms"].as_i64() > event["start_utc_ms"].as_i64();
        Ok(event.filter(end))
    })
    .await?;
    evidence.note("motion", &event);
    Ok(())
}

/// The page has all of these words.
fn says(page: &Value, words: &[&str]) -> Result<()> {
    let text = page["text"].as_str().context("the page has a text")?;
    for word in words {
        ensure!(text.contains(word), "{word:?} is missing in: {text}");
    }
    Ok(())
}
