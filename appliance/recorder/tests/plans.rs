//! What is recorded when, by plans and motion; and what is read back where the format changes.
#![allow(clippy::unwrap_used, clippy::panic)]

mod made;

use std::time::Duration;

use made::*;
use sealgate_recorder_link::{
    EventKind, GapCause, Keeping, LiveFrame, LiveStream, RecordPlan, Week, When,
};

fn motion_plan(before_s: u64, after_s: u64) -> RecordPlan {
    let (before, after) = (Duration::from_secs(before_s), Duration::from_secs(after_s));
    RecordPlan::new(Week::all(When::Motion), before, after).unwrap()
}

fn now_utc_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn motion(made: &Made, active: bool) -> i64 {
    let now = now_utc_ms();
    made.recorder.report_motion(camera(1), active, now).unwrap();
    now
}

#[tokio::test]
async fn motion_is_recorded_with_what_came_before_it() {
    let made = Made::start(MadeSettings::default()).await;
    made.record(&[(camera(1), motion_plan(3, 1))]).await;
    let frames = |more| move |made: &Made| made.status(camera(1)).frames >= more;
    made.until("frames", frames(60)).await;
    assert_eq!(made.status(camera(1)).keeping, Keeping::AwaitingMotion);
    assert_eq!(made.recordings(camera(1)), []);

    let began = motion(&made, true);
    made.until_writing(camera(1)).await;
    made.until_bytes(camera(1), 10_000).await;
    let ended = motion(&made, false);
    let awaits = |made: &Made| made.status(camera(1)).keeping == Keeping::AwaitingMotion;
    made.until("the end", awaits).await;
    made.until("a finished file", |made| {
        !made.recordings(camera(1))[0].growing
    })
    .await;
    let found = made.recordings(camera(1));
    assert_eq!(found.len(), 1);
    let before_ms = began - found[0].start_utc_ms;
    assert!((3000..5000).contains(&before_ms), "{before_ms} ms before");
    let end = found[0].start_utc_ms + i64::try_from(found[0].duration_ms).unwrap();
    assert!(
        (900..2600).contains(&(end - ended)),
        "{} ms after",
        end - ended
    );
    println!(
        "recorded from {before_ms} ms before to {} ms after",
        end - ended
    );

    // The next one is a file of its own, and the time between is the plan's doing.
    let before = made.status(camera(1)).frames;
    made.until("frames", frames(before + 60)).await;
    motion(&made, true);
    made.until_writing(camera(1)).await;
    let timeline = made.timeline(camera(1));
    assert_eq!(timeline.spans.len(), 2, "{timeline:?}");
    let between = timeline
        .gaps
        .iter()
        .find(|gap| gap.span.start_utc_ms >= end);
    assert_eq!(between.unwrap().cause, Some(GapCause::Plan), "{timeline:?}");
    assert_eq!(timeline.events.len(), 2);
    assert_eq!(timeline.events[0].kind, EventKind::Motion);
    assert_eq!(timeline.events[0].span.start_utc_ms, began);
    assert_eq!(timeline.events[0].span.end_utc_ms, ended);
    let folder = made.stop().await;

    // A lost index is made anew with the times and events that the files tell.
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.path().join(format!("index.db{suffix}")));
    }
    let made = Made::start_in(folder, MadeSettings::default()).await;
    let again = made.timeline(camera(1));
    assert_eq!(again.events, timeline.events);
    assert_eq!(again.spans[0], timeline.spans[0]);
    assert_eq!(again.spans.len(), 2);
    made.stop().await;
}

#[tokio::test]
async fn a_plan_changes_without_a_new_session() {
    let made = Made::start(MadeSettings::default()).await;
    made.record(&[(camera(1), RecordPlan::OFF)]).await;
    made.until("frames", |made| made.status(camera(1)).frames >= 20)
        .await;
    assert_eq!(made.status(camera(1)).keeping, Keeping::Nothing);
    assert_eq!(made.recordings(camera(1)), []);
    let viewer = made.recorder.live(camera(1), LiveStream::Main).await;
    assert!(viewer.is_ok());
    let refused = made.recorder.report_motion(camera(2), true, 0);
    assert_eq!(refused.unwrap_err().code(), "SG-REC-002");

    made.record(&[(camera(1), RecordPlan::CONTINUOUS)]).await;
    made.until_bytes(camera(1), 20_000).await;
    made.record(&[(camera(1), RecordPlan::OFF)]).await;
    made.until("the end", |made| {
        made.status(camera(1)).keeping == Keeping::Nothing
    })
    .await;
    made.until("a finished file", |made| {
        !made.recordings(camera(1))[0].growing
    })
    .await;
    assert_eq!(made.recordings(camera(1)).len(), 1);
    let frames = made.status(camera(1)).frames;
    made.until("frames", |made| made.status(camera(1)).frames > frames)
        .await;
    made.stop().await;
}

#[tokio::test]
async fn a_new_format_is_told_to_players_and_ends_an_export() {
    let made = Made::start(MadeSettings {
        wide_from: Some(30),
        ..MadeSettings::default()
    })
    .await;
    made.record(&[(camera(1), RecordPlan::CONTINUOUS)]).await;
    made.until("two files", |made| made.recordings(camera(1)).len() == 2)
        .await;
    made.until_bytes(camera(1), 20_000).await;
    made.record(&[]).await;
    let [first, second] = &made.recordings(camera(1))[..] else {
        panic!("one for each format");
    };
    let (from, second) = (first.start_utc_ms, second.start_utc_ms);

    let recorder = std::sync::Arc::clone(&made.recorder);
    let mut frames = tokio::task::spawn_blocking(move || recorder.play(camera(1), from))
        .await
        .unwrap()
        .unwrap();
    let mut inits = 0;
    let mut parts = Vec::new();
    while let Some(frame) = frames.recv().await {
        match frame {
            LiveFrame::Init { .. } => {
                inits += 1;
                assert_eq!(parts.len(), if inits == 1 { 0 } else { 6 });
            }
            LiveFrame::Part { utc_ms, .. } => parts.push(utc_ms),
            LiveFrame::Skipped { .. } => panic!("nothing is left out"),
        }
    }
    assert_eq!(inits, 2);
    assert_eq!((parts[0], parts[6]), (from, second));

    let export = |from| {
        let recorder = std::sync::Arc::clone(&made.recorder);
        let export = move || {
            recorder
                .export(camera(1), from, i64::MAX)
                .map(|export| export.info)
        };
        tokio::task::spawn_blocking(export)
    };
    let info = export(from).await.unwrap().unwrap();
    assert_eq!(info.continues_utc_ms, Some(second));
    let rest = export(second).await.unwrap().unwrap();
    assert_eq!(rest.continues_utc_ms, None);
    assert_eq!(rest.spans[0].start_utc_ms, second);
    made.stop().await;
}
