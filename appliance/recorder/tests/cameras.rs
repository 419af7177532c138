//! The recorder as a process, with virtual cameras: what an owner relies on.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::time::{Duration, Instant};

use common::*;
use sealgate_recorder_link::{LiveFrame, SessionState};

#[tokio::test]
async fn records_what_a_camera_sends_and_stops_when_told() {
    let camera = Camera::start('A', free_port());
    let recorder = RecorderProcess::start().await;
    recorder.client.set_desired(set(&[&camera])).await.unwrap();
    recorder.until(camera.id(), is_recording).await;
    // The same set again changes nothing: there is one file in the end.
    recorder.client.set_desired(set(&[&camera])).await.unwrap();
    recorder.until_frames(camera.id(), 60).await;

    let growing = recorder.recordings(camera.id()).await;
    assert!(
        growing[0].growing && growing[0].duration_ms >= 5000,
        "{growing:?}"
    );
    let status = recorder.client.status().await.unwrap();
    assert!(status.free_bytes > 0 && status.total_bytes > status.free_bytes);
    assert!(status.cameras[0].recorded_bytes > 0);
    println!(
        "resident memory with one channel: {} KiB",
        recorder.resident_kib()
    );

    let asked = Instant::now();
    recorder.record_nothing().await;
    let took = asked.elapsed();
    println!("stopped within {took:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    let ended_at = frame_number_now();

    let recordings = recorder.recordings(camera.id()).await;
    assert_eq!(recordings.len(), 1);
    assert!(!recordings[0].growing);
    let path = recorder.path(&recordings[0]);
    assert_eq!(path.metadata().unwrap().len(), recordings[0].size_bytes);
    let probe = check_recording(&path);
    assert!(probe.dts.len() >= 60);
    let codes = frame_codes(&path);
    assert_eq!(codes.len(), probe.dts.len());
    check_frame_codes(&codes, 'A');
    let last = codes.last().unwrap().1;
    assert!(
        last <= ended_at && ended_at - last < 20,
        "{last} {ended_at}"
    );

    // What is no longer desired is not recorded.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(recorder.client.status().await.unwrap().cameras, []);
    assert_eq!(path.metadata().unwrap().len(), recordings[0].size_bytes);
    let refused = recorder.client.live(camera.id()).await.unwrap_err();
    assert_eq!(refused.code(), "SG-REC-002");
}

#[tokio::test]
async fn a_viewer_sees_the_camera_live() {
    let camera = Camera::start('L', free_port());
    let recorder = RecorderProcess::start().await;
    recorder.client.set_desired(set(&[&camera])).await.unwrap();
    recorder.until(camera.id(), is_recording).await;
    recorder.until_frames(camera.id(), 25).await;

    let asked = Instant::now();
    let mut live = recorder.client.live(camera.id()).await.unwrap();
    let Some(LiveFrame::Init { mime_type, bytes }) = live.next().await.unwrap() else {
        panic!("the initialization segment comes first");
    };
    assert!(
        mime_type.starts_with("video/mp4; codecs=\"avc1.42"),
        "{mime_type}"
    );
    let mut video = bytes.to_vec();
    let mut received_at = 0;
    // The current group at once, then each picture as it comes.
    for count in 0..20 {
        let Some(LiveFrame::Part {
            bytes,
            starts_with_idr,
            utc_ms,
        }) = live.next().await.unwrap()
        else {
            panic!("parts follow");
        };
        if count == 0 {
            println!("first part after {:?}", asked.elapsed());
            assert!(starts_with_idr);
            assert!(asked.elapsed() < Duration::from_secs(1));
        }
        received_at = frame_number_now();
        let age_ms = i64::try_from(received_at).unwrap() * 100 - utc_ms;
        assert!((-200..4000).contains(&age_ms), "{age_ms}");
        video.extend_from_slice(&bytes);
    }
    let path = recorder.folder.path().join("live.mp4");
    std::fs::write(&path, video).unwrap();
    check_recording(&path);
    let codes = frame_codes(&path);
    check_frame_codes(&codes, 'L');
    let age = received_at - codes.last().unwrap().1;
    println!("newest picture is {} ms old on arrival", age * 100);
    assert!(age <= 3, "{age}");

    // The stream ends with the channel.
    recorder.record_nothing().await;
    let ended = tokio::time::timeout(Duration::from_secs(2), async {
        while let Some(frame) = live.next().await.unwrap() {
            drop(frame);
        }
    });
    ended.await.unwrap();
}

#[tokio::test]
async fn comes_back_after_the_camera_restarts() {
    let port = free_port();
    let camera = Camera::start('B', port);
    let recorder = RecorderProcess::start().await;
    let id = camera.id();
    recorder.client.set_desired(set(&[&camera])).await.unwrap();
    recorder.until(id, is_recording).await;
    recorder.until_frames(id, 20).await;
    drop(camera);
    let status = recorder.until(id, is_waiting).await;
    let SessionState::Waiting { reason, .. } = status.session else {
        panic!("just waited for this");
    };
    assert!(!reason.is_empty() && !reason.contains('\n'), "{reason:?}");
    // What came before the failure becomes a finished file now, not at the next session.
    recorder.until_finished(id).await;

    // Long enough for the longest wait between attempts.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let camera = Camera::start('B', port);
    let returned = Instant::now();
    recorder.until(id, is_recording).await;
    println!("recorded again {:?} after it returned", returned.elapsed());
    assert!(returned.elapsed() < Duration::from_secs(2));
    recorder.until_frames(id, 20).await;
    recorder.record_nothing().await;
    let recordings = recorder.recordings(id).await;
    assert_eq!(recordings.len(), 2);
    assert!(recordings[0].start_utc_ms < recordings[1].start_utc_ms);
    for recording in &recordings {
        check_recording(&recorder.path(recording));
        check_frame_codes(&frame_codes(&recorder.path(recording)), 'B');
    }
    drop(camera);
}

#[tokio::test]
async fn a_camera_that_sends_garbage_harms_only_itself() {
    let good = Camera::start('C', free_port());
    let bad = Camera::start_garbage('D', free_port());
    let recorder = RecorderProcess::start().await;
    recorder
        .client
        .set_desired(set(&[&bad, &good]))
        .await
        .unwrap();
    recorder.until(good.id(), is_recording).await;
    recorder.until(bad.id(), is_waiting).await;
    recorder.until_frames(good.id(), 50).await;
    assert_eq!(recorder.status(bad.id()).await.frames, 0);
    assert_eq!(recorder.recordings(bad.id()).await, []);
    let asked = Instant::now();
    recorder.client.set_desired(set(&[&good])).await.unwrap();
    assert!(asked.elapsed() < Duration::from_secs(2));
    recorder.until_frames(good.id(), 10).await;
    recorder.record_nothing().await;
    let recordings = recorder.recordings(good.id()).await;
    assert_eq!(recordings.len(), 1, "nothing interrupted it");
    check_frame_codes(&frame_codes(&recorder.path(&recordings[0])), 'C');
}

#[tokio::test]
async fn recordings_outlive_the_recorder() {
    let camera = Camera::start('E', free_port());
    let recorder = RecorderProcess::start().await;
    recorder.client.set_desired(set(&[&camera])).await.unwrap();
    recorder.until_frames(camera.id(), 30).await;
    let folder = recorder.terminate().await;

    let recorder = RecorderProcess::start_in(folder).await;
    let recordings = recorder.recordings(camera.id()).await;
    assert_eq!(recordings.len(), 1);
    assert!(!recordings[0].growing);
    check_recording(&recorder.path(&recordings[0]));
    // Nothing is recorded until the supervisor says so again.
    assert_eq!(recorder.client.status().await.unwrap().cameras, []);
    recorder.client.set_desired(set(&[&camera])).await.unwrap();
    recorder.until_frames(camera.id(), 30).await;
    let growing = recorder.recordings(camera.id()).await.pop().unwrap();
    let path = recorder.path(&growing);
    let folder = recorder.kill();
    // A power cut in the middle of a part.
    let torn = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    torn.set_len(path.metadata().unwrap().len() - 100).unwrap();

    let recorder = RecorderProcess::start_in(folder).await;
    let recordings = recorder.recordings(camera.id()).await;
    assert_eq!(recordings.len(), 2);
    for recording in &recordings {
        assert!(
            !recording.growing && recording.duration_ms > 1000,
            "{recording:?}"
        );
        let path = recorder.path(recording);
        assert_eq!(path.metadata().unwrap().len(), recording.size_bytes);
        check_recording(&path);
        check_frame_codes(&frame_codes(&path), 'E');
    }
}
