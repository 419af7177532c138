//! `kill -9` of the recorder while it records: at most the part that was being made is lost of
//! each channel, and no file is unreadable.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::process::Command;
use std::time::Duration;

use common::*;
use sealgate_camera::CameraId;
use sealgate_recorder_link::{DesiredCamera, DesiredSet};

/// How often; `SEALGATE_KILLS=100` for the long run.
const KILLS: u32 = 5;
const CHANNELS: u8 = 4;
/// A part has half a second; the picture that is always held back, the turn of a session thread and
/// a busy machine's jitter between arrival and the camera's time come to it. A second part
/// would make it a second.
const LESS_THAN_TWO_PARTS_MS: i64 = 1000 - 40;

#[tokio::test]
async fn a_killed_recorder_loses_one_part_of_each_channel_at_most() {
    let kills = std::env::var("SEALGATE_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let options = ClipOptions {
        audio: Some("pcma"),
        ..ClipOptions::default()
    };
    let camera = ClipCamera::start('K', &options);
    let channels: Vec<CameraId> = (0..CHANNELS)
        .map(|number| format!("0200000001{number:02x}-1").parse().unwrap())
        .collect();
    let desired = DesiredSet {
        cameras: channels
            .iter()
            .enumerate()
            .map(|(number, channel)| DesiredCamera {
                camera: *channel,
                stream: format!("{}/{number}", camera.url).parse().unwrap(),
                audio: true,
                ..camera.desired.clone()
            })
            .collect(),
    };
    let mut folder = tempfile::tempdir().unwrap();
    let mut worst_ms = 0;
    for kill in 0..kills {
        let recorder = RecorderProcess::start_in(folder).await;
        recorder.client.set_desired(desired.clone()).await.unwrap();
        for channel in &channels {
            // Each kill meets the parts in another state.
            let frames = 15 + u64::from(kill % 20);
            recorder.until_frames(*channel, frames).await;
        }
        let mut newest = Vec::new();
        for channel in &channels {
            newest.push(recorder.status(*channel).await.newest_frame_utc_ms.unwrap());
        }
        folder = recorder.kill();

        // The next start mends what is torn and lists all of it.
        let recorder = RecorderProcess::start_in(folder).await;
        for (channel, newest) in channels.iter().zip(newest) {
            let recordings = recorder.recordings(*channel).await;
            assert_eq!(recordings.len(), usize::try_from(kill).unwrap() + 1);
            let last = recordings.last().unwrap();
            let end = last.start_utc_ms + i64::try_from(last.duration_ms).unwrap();
            worst_ms = worst_ms.max(newest - end);
            check_readable(&recorder.path(last));
        }
        folder = recorder.terminate().await;
    }
    println!("{kills} kills, at most {worst_ms} ms of a channel lost");
    assert!(worst_ms < LESS_THAN_TWO_PARTS_MS, "{worst_ms} ms");
}

fn check_readable(path: &std::path::Path) {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "warning", "-xerror", "-i"])
        .arg(path)
        .args(["-map", "0", "-c", "copy", "-f", "null", "-"])
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}: {}",
        path.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(path.metadata().unwrap().len() > 10_000);
    // One read of it all, as the index's word may be older.
    let whole = sealgate_recorder::scan::outline(path).unwrap();
    assert_eq!(whole.good_bytes, whole.file_bytes);
    assert!(whole.duration_90k > ticks(Duration::from_millis(200)));
}

fn ticks(duration: Duration) -> u64 {
    sealgate_recorder::part::ticks(duration)
}
