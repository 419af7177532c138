//! Recorded video read back: played, exported and shown as pictures; judged by other programs.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::*;
use sealgate_camera::CameraId;
use sealgate_recorder_link::{DesiredCamera, DesiredSet, LiveFrame, RecordedFile, Recording};

/// Twice some seconds of a camera, with a pause between: two files.
async fn two_recordings(recorder: &RecorderProcess, camera: &Camera) -> Vec<Recording> {
    for _ in 0..2 {
        recorder.client.set_desired(set(&[camera])).await.unwrap();
        recorder.until(camera.id(), is_recording).await;
        recorder.until_frames(camera.id(), 55).await;
        recorder
            .client
            .set_desired(DesiredSet::default())
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let recordings = recorder.recordings(camera.id()).await;
    assert_eq!(recordings.len(), 2);
    recordings
}

fn end(recording: &Recording) -> i64 {
    recording.start_utc_ms + i64::try_from(recording.duration_ms).unwrap()
}

async fn bytes_of(mut file: RecordedFile) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(piece) = file.next().await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    bytes
}

/// ffmpeg decodes all of it without a word.
fn decodes(path: &Path) {
    let path = path.to_str().unwrap();
    silent("ffmpeg", &["-v", "error", "-i", path, "-f", "null", "-"]);
}

/// Runs a program that must find nothing wrong.
fn silent(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{program} {arguments:?}: {output:?}"
    );
    String::from_utf8(output.stdout).unwrap()
}

/// ffmpeg decodes every picture without a complaint; gives how many it shows.
fn pictures_by_ffmpeg(path: &Path) -> usize {
    let path = path.to_str().unwrap();
    let text = silent(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-i",
            path,
            "-f",
            "framemd5",
            "-fps_mode",
            "passthrough",
            "-",
        ],
    );
    text.lines().filter(|line| !line.starts_with('#')).count()
}

/// GStreamer decodes it to its end.
fn check_by_gstreamer(path: &Path) {
    let output = Command::new("gst-launch-1.0")
        .args(["-q", "filesrc"])
        .arg(format!("location={}", path.display()))
        .args([
            "!",
            "qtdemux",
            "!",
            "h264parse",
            "!",
            "avdec_h264",
            "!",
            "fakesink",
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("ERROR"), "{said}");
}

async fn play_to_the_end(
    recorder: &RecorderProcess,
    camera: CameraId,
    from_utc_ms: i64,
) -> (Vec<u8>, Vec<i64>, usize) {
    let mut video = recorder.client.play(camera, from_utc_ms).await.unwrap();
    let (mut bytes, mut times, mut inits) = (Vec::new(), Vec::new(), 0);
    while let Some(frame) = video.next().await.unwrap() {
        match frame {
            LiveFrame::Init {
                mime_type,
                bytes: init,
            } => {
                assert!(
                    mime_type.starts_with("video/mp4; codecs=\"avc1.42"),
                    "{mime_type}"
                );
                inits += 1;
                bytes.extend_from_slice(&init);
            }
            LiveFrame::Part {
                bytes: part,
                starts_with_idr,
                utc_ms,
            } => {
                assert!(!times.is_empty() || starts_with_idr);
                times.push(utc_ms);
                bytes.extend_from_slice(&part);
            }
            LiveFrame::Skipped { .. } => panic!("nothing is left out"),
        }
    }
    (bytes, times, inits)
}

#[tokio::test]
async fn recordings_are_played_exported_and_pictured() {
    let camera = Camera::start('K', free_port());
    let id = camera.id();
    let recorder = RecorderProcess::start().await;
    let [first, second] = &two_recordings(&recorder, &camera).await[..] else {
        panic!("two were made");
    };
    let file = |name: &str| recorder.folder.path().join(name);

    // The time line.
    let (from, to) = (first.start_utc_ms - 5000, end(second) + 500);
    let timeline = recorder.client.timeline(id, from, to).await.unwrap();
    assert_eq!(timeline.spans.len(), 2, "{timeline:?}");
    assert_eq!(timeline.spans[0].start_utc_ms, first.start_utc_ms);
    assert_eq!(timeline.spans[1].end_utc_ms, end(second));
    assert_eq!(timeline.gaps.len(), 2, "before and between: {timeline:?}");

    // Played from the middle of the first, over the gap, to the end of the second.
    let asked = Instant::now();
    let middle = first.start_utc_ms + 2500;
    let (bytes, times, inits) = play_to_the_end(&recorder, id, middle).await;
    println!("{} parts played in {:?}", times.len(), asked.elapsed());
    assert_eq!(inits, 1);
    assert!(times[0] <= middle && middle - times[0] < 2500, "{times:?}");
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    let jump = times
        .windows(2)
        .filter(|pair| pair[1] - pair[0] > 1500)
        .count();
    assert_eq!(jump, 1, "the gap: {times:?}");
    std::fs::write(file("played.mp4"), bytes).unwrap();
    let played = check_recording(&file("played.mp4"));
    let step = played.dts.windows(2).map(|pair| pair[1] - pair[0]).max();
    assert!(
        step.unwrap() < 45_000,
        "no hole in the player's time: {step:?}"
    );
    check_frame_codes_of_two(&frame_codes(&file("played.mp4")));

    // From within the gap: the second from its start.
    let (_, times, _) = play_to_the_end(&recorder, id, end(first) + 500).await;
    assert_eq!(times[0], second.start_utc_ms);
    let refused = recorder.client.play(id, end(second) + 1).await.unwrap_err();
    assert_eq!(refused.code(), "SG-REC-007");

    // Exported from one exact moment to another, over the gap.
    let (from, to) = (first.start_utc_ms + 1730, second.start_utc_ms + 2210);
    let (info, export) = recorder.client.export(id, from, to).await.unwrap();
    let bytes = bytes_of(export).await;
    assert_eq!(u64::try_from(bytes.len()).unwrap(), info.size_bytes);
    assert_eq!(info.continues_utc_ms, None);
    assert_eq!(info.spans.len(), 2, "{info:?}");
    assert_eq!(
        (info.spans[0].start_utc_ms, info.spans[1].end_utc_ms),
        (from, to)
    );
    std::fs::write(file("export.mp4"), &bytes).unwrap();
    let expected_ms = (end(first) - from) + 2210;
    check_export(&file("export.mp4"), expected_ms);

    // A picture of a moment.
    for (at, near) in [
        (middle, first.start_utc_ms),
        (end(second) - 1, second.start_utc_ms),
    ] {
        let (utc_ms, bytes) = recorder.client.still(id, at).await.unwrap();
        assert!(
            (near..=at).contains(&utc_ms) && at - utc_ms < 2500,
            "{utc_ms}"
        );
        std::fs::write(file("still.mp4"), &bytes).unwrap();
        println!("a picture has {} bytes", bytes.len());
        assert_eq!(pictures_by_ffmpeg(&file("still.mp4")), 1);
        assert_eq!(probe(&file("still.mp4")).dts, [0]);
        check_by_gstreamer(&file("still.mp4"));
        let code = frame_codes(&file("still.mp4"))[0];
        let drawn_ms = i64::try_from(code.1).unwrap() * 100;
        assert!(
            (-200..1500).contains(&(utc_ms - drawn_ms)),
            "{}",
            utc_ms - drawn_ms
        );
    }
    for (from, to) in [
        (0, 1000),
        (end(first) + 100, second.start_utc_ms - 100),
        (to, from),
    ] {
        let refused = recorder.client.export(id, from, to).await.unwrap_err();
        assert_eq!(refused.code(), "SG-REC-007");
    }
}

/// ffprobe's view of a file with pictures and sound: codec and packets of each.
fn tracks(path: &Path) -> Vec<(String, u64, f64)> {
    let text = silent(
        "ffprobe",
        &[
            "-v",
            "error",
            "-count_packets",
            "-of",
            "json",
            "-show_entries",
            "stream=codec_name,nb_read_packets,duration",
            path.to_str().unwrap(),
        ],
    );
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    let streams = found["streams"].as_array().unwrap().iter();
    streams
        .map(|stream| {
            let text = |key: &str| stream[key].as_str().unwrap_or_default().to_owned();
            let packets = text("nb_read_packets").parse().unwrap();
            (
                text("codec_name"),
                packets,
                text("duration").parse().unwrap_or(0.0),
            )
        })
        .collect()
}

#[tokio::test]
async fn sound_is_played_and_exported_too() {
    let camera = ClipCamera::start(
        'S',
        &ClipOptions {
            audio: Some("aac"),
            ..ClipOptions::default()
        },
    );
    let id = camera.id();
    let recorder = RecorderProcess::start().await;
    let desired = DesiredCamera {
        audio: true,
        ..camera.desired.clone()
    };
    let cameras = vec![desired];
    recorder
        .client
        .set_desired(DesiredSet { cameras })
        .await
        .unwrap();
    recorder.until(id, is_recording).await;
    recorder.until_frames(id, 200).await;
    // Exported while it is being written.
    let growing = recorder.recordings(id).await.remove(0);
    assert!(growing.growing);
    let from = growing.start_utc_ms + 1300;
    let (info, export) = recorder.client.export(id, from, from + 4000).await.unwrap();
    let bytes = bytes_of(export).await;
    assert_eq!(info.spans.len(), 1);
    let path = recorder.folder.path().join("export.mp4");
    std::fs::write(&path, bytes).unwrap();
    let [pictures, sound] = &tracks(&path)[..] else {
        panic!("pictures and sound");
    };
    println!("{pictures:?} {sound:?}");
    assert_eq!((pictures.0.as_str(), sound.0.as_str()), ("h264", "aac"));
    assert!((pictures.2 - 4.0).abs() < 0.01 && (sound.2 - 4.0).abs() < 0.1);
    decodes(&path);

    recorder.record_nothing().await;
    let mut video = recorder.client.play(id, from).await.unwrap();
    let mut played = Vec::new();
    while let Some(frame) = video.next().await.unwrap() {
        match frame {
            LiveFrame::Init { mime_type, bytes } => {
                assert!(mime_type.ends_with(", mp4a.40.2\""), "{mime_type}");
                played.extend_from_slice(&bytes);
            }
            LiveFrame::Part { bytes, .. } => played.extend_from_slice(&bytes),
            LiveFrame::Skipped { .. } => panic!("nothing is left out"),
        }
    }
    let path = recorder.folder.path().join("played.mp4");
    std::fs::write(&path, played).unwrap();
    let [pictures, sound] = &tracks(&path)[..] else {
        panic!("pictures and sound");
    };
    println!("{pictures:?} {sound:?}");
    decodes(&path);
}

/// Two runs of rising numbers, with the pause between.
fn check_frame_codes_of_two(codes: &[(char, u64)]) {
    let jumps = codes.windows(2).filter(|pair| pair[1].1 > pair[0].1 + 10);
    assert_eq!(jumps.count(), 1, "{codes:?}");
    assert!(
        codes.windows(2).all(|pair| pair[0].1 < pair[1].1),
        "{codes:?}"
    );
}

/// One progressive file of this length that three readers take and can search.
fn check_export(path: &Path, expected_ms: i64) {
    let text = path.to_str().unwrap();
    let shown = silent(
        "ffprobe",
        &[
            "-v",
            "error",
            "-of",
            "csv=p=0",
            "-show_entries",
            "format=duration",
            text,
        ],
    );
    let seconds: f64 = shown.trim().parse().unwrap();
    let expected = f64::from(i32::try_from(expected_ms).unwrap()) / 1000.0;
    println!("the export lasts {seconds} s; {expected} s were asked for");
    assert!((seconds - expected).abs() < 0.002, "{seconds} {expected}");
    // Ten pictures a second, but for one more or less at each cut.
    let pictures = pictures_by_ffmpeg(path);
    let wanted = expected * 10.0;
    let found = f64::from(u32::try_from(pictures).unwrap());
    assert!(
        (found - wanted).abs() <= 4.0,
        "{found} of {wanted} pictures"
    );
    check_by_gstreamer(path);
    check_frame_codes_of_two(&frame_codes(path));
    // Searched: a second from the end there is less than that left.
    let late = format!("{:.3}", seconds - 1.0);
    let rest = silent(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-ss",
            &late,
            "-i",
            text,
            "-f",
            "framemd5",
            "-fps_mode",
            "passthrough",
            "-",
        ],
    );
    let rest = rest.lines().filter(|line| !line.starts_with('#')).count();
    assert!(
        (8..=11).contains(&rest),
        "{rest} pictures in the last second"
    );
    let bytes = std::fs::read(path).unwrap();
    let place = |kind: &[u8]| bytes.windows(4).position(|found| found == kind).unwrap();
    assert!(place(b"moov") < place(b"mdat"), "its header comes first");
}
