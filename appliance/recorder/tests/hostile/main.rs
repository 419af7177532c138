//! Cameras that behave as none should: no other camera notices, and memory stays bounded.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod server;

use std::time::{Duration, Instant};

use common::*;
use sealgate_camera::CameraId;
use sealgate_recorder_link::{DesiredCamera, DesiredSet, LiveFrame};
use server::{Habit, HostileServer, USELESS};

/// What the recorder may hold while it is attacked from all sides, KiB. One channel needs
/// about 11 MiB, and a picture is dropped above 4 MiB.
const MOST_KIB: u64 = 64 * 1024;

fn hostile_id(number: usize) -> CameraId {
    format!("0200000002{number:02x}-1").parse().unwrap()
}

fn desired(good: &Camera, servers: &[HostileServer]) -> DesiredSet {
    let hostile = servers.iter().enumerate().map(|(number, server)| {
        DesiredCamera::new(hostile_id(number), server.url.parse().unwrap())
    });
    DesiredSet {
        cameras: hostile.chain([good.desired()]).collect(),
    }
}

/// A recorder that records the good camera, among others with these habits.
async fn among(habits: &[Habit]) -> (Camera, RecorderProcess, Vec<HostileServer>) {
    let good = Camera::start('A', free_port());
    let recorder = RecorderProcess::start().await;
    let mut servers = Vec::new();
    for habit in habits {
        servers.push(HostileServer::start(*habit).await);
    }
    let desired = desired(&good, &servers);
    recorder.client.set_desired(desired).await.unwrap();
    recorder.until(good.id(), is_recording).await;
    (good, recorder, servers)
}

/// The good camera is recorded for as long as that; gives the most memory that was seen.
async fn record(recorder: &RecorderProcess, good: &Camera, time: Duration) -> u64 {
    let end = Instant::now() + time;
    let mut most_kib = 0;
    while Instant::now() < end {
        most_kib = most_kib.max(recorder.resident_kib());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(is_recording(&recorder.status(good.id()).await));
    most_kib
}

/// Nothing of the good camera is missing for longer than a busy machine explains.
async fn check_unharmed(recorder: &RecorderProcess, good: &Camera) {
    recorder
        .client
        .set_desired(DesiredSet::default())
        .await
        .unwrap();
    let recordings = recorder.recordings(good.id()).await;
    assert_eq!(recordings.len(), 1, "it was never interrupted");
    let codes = frame_codes(&recorder.path(&recordings[0]));
    let widest = codes
        .windows(2)
        .map(|pair| pair[1].1 - pair[0].1)
        .max()
        .unwrap();
    assert!(widest <= 10, "{widest} pictures are missing in a row");
    check_frame_codes(&codes, 'A');
}

#[tokio::test]
async fn useless_cameras_harm_nobody_and_cost_little_memory() {
    let (good, recorder, servers) = among(&USELESS).await;
    let most_kib = record(&recorder, &good, Duration::from_secs(25)).await;
    println!("{most_kib} KiB at most");
    assert!(most_kib < MOST_KIB, "{most_kib} KiB");
    for (number, habit) in USELESS.into_iter().enumerate() {
        // Each was given up, and is tried again.
        recorder
            .until(hostile_id(number), |status| !is_recording(status))
            .await;
        assert!(servers[number].connections() > 1, "{habit:?}");
        let recordings = recorder.recordings(hostile_id(number)).await;
        assert_eq!(recordings, [], "{habit:?}");
    }
    check_unharmed(&recorder, &good).await;
}

#[tokio::test]
async fn odd_times_and_sizes_are_recorded_all_the_same() {
    let habits = [Habit::FrozenTime, Habit::JumpingTime, Habit::ChangingSize];
    let (good, recorder, _servers) = among(&habits).await;
    for number in 0..habits.len() {
        recorder.until_frames(hostile_id(number), 80).await;
    }
    let most_kib = record(&recorder, &good, Duration::from_secs(2)).await;
    assert!(most_kib < MOST_KIB, "{most_kib} KiB");
    check_unharmed(&recorder, &good).await;
    for (number, habit) in habits.into_iter().enumerate() {
        let recordings = recorder.recordings(hostile_id(number)).await;
        let mut pictures = 0;
        for recording in &recordings {
            let probe = probe(&recorder.path(recording));
            let rising = probe.dts.windows(2).all(|pair| pair[0] < pair[1]);
            assert!(rising, "{habit:?}: {:?}", probe.dts);
            pictures += probe.dts.len();
        }
        assert!(pictures >= 70, "{habit:?}: {pictures} pictures");
        // A file has one size of picture; everything else goes on in one file.
        let many = recordings.len() > 2;
        assert_eq!(
            many,
            habit == Habit::ChangingSize,
            "{habit:?}: {recordings:?}"
        );
    }
}

#[tokio::test]
async fn a_storm_of_reconnections_is_a_breeze() {
    let (good, recorder, servers) = among(&[Habit::Closes; 64]).await;
    let before: u64 = servers.iter().map(HostileServer::connections).sum();
    let seconds = 10;
    let most_kib = record(&recorder, &good, Duration::from_secs(seconds)).await;
    assert!(most_kib < MOST_KIB, "{most_kib} KiB");
    let after: u64 = servers.iter().map(HostileServer::connections).sum();
    // Each waits half a second at least; none was forgotten.
    let tries = (after - before) / 64;
    assert!(
        (seconds / 2..=seconds * 2).contains(&tries),
        "{tries} tries each"
    );
    check_unharmed(&recorder, &good).await;
}

#[tokio::test]
async fn a_viewer_that_never_reads_is_left_behind() {
    let good = Camera::start('A', free_port());
    let recorder = RecorderProcess::start().await;
    recorder.client.set_desired(set(&[&good])).await.unwrap();
    recorder.until(good.id(), is_recording).await;
    let mut lazy = Vec::new();
    for _ in 0..8 {
        lazy.push(recorder.client.live(good.id()).await.unwrap());
    }
    let mut eager = recorder.client.live(good.id()).await.unwrap();
    let mut parts = 0;
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        let frame = tokio::time::timeout(Duration::from_secs(5), eager.next()).await;
        if let LiveFrame::Part { .. } = frame.unwrap().unwrap().unwrap() {
            parts += 1;
        }
    }
    assert!(parts >= 15, "{parts} parts");
    let kib = recorder.resident_kib();
    assert!(kib < MOST_KIB, "{kib} KiB");
    drop(lazy);
    check_unharmed(&recorder, &good).await;
}
