#![allow(clippy::unwrap_used, clippy::panic)]

use futures::FutureExt;
use sealgate_recorder_link::LiveFrame;

use super::*;
use crate::boxes::DECODE_TIME_OFFSET;
use crate::feed::Feed;
use crate::format::test_format;
use crate::part::{PartBuilder, TimedSound, test_picture};

/// As they go to disk: half a second each.
fn parts(pictures: u64) -> Vec<Arc<Part>> {
    let mut builder = PartBuilder::new();
    (0..=pictures)
        .filter_map(|count| builder.push(test_picture(count, 100)))
        .map(Arc::new)
        .collect()
}

/// As viewers get them: a picture each.
fn pictures(from: u64, to: u64) -> Vec<Arc<Part>> {
    let mut feed = Feed::default();
    (from..to)
        .filter_map(|count| feed.push(test_picture(count, 100), 9000))
        .map(Arc::new)
        .collect()
}

fn init() -> Arc<InitSegment> {
    Arc::new(InitSegment::new(test_format()))
}

fn next(viewer: &mut Viewer) -> Option<LiveFrame> {
    viewer.next().now_or_never().flatten()
}

fn decode_time(bytes: &[u8]) -> u64 {
    let place = DECODE_TIME_OFFSET..DECODE_TIME_OFFSET + 8;
    u64::from_be_bytes(bytes[place].try_into().unwrap())
}

/// (starts with an IDR, decode time, arrival of the part's first picture), until none waits.
fn drain(viewer: &mut Viewer) -> Vec<(bool, u64, i64)> {
    std::iter::from_fn(|| next(viewer))
        .map(|frame| match frame {
            LiveFrame::Part {
                bytes,
                starts_with_idr,
                utc_ms,
            } => (
                starts_with_idr,
                decode_time(&bytes),
                utc_ms - 1_795_000_000_000,
            ),
            other => panic!("{other:?} was not expected"),
        })
        .collect()
}

#[test]
fn starts_at_once_with_the_current_group() {
    let hub = LiveHub::default();
    hub.set_init(&init());
    // Somebody watches already, so the group is kept.
    let _first = hub.subscribe().unwrap();
    for part in &pictures(0, 23) {
        hub.feed(part);
    }
    let mut viewer = hub.subscribe().unwrap();
    assert_eq!(viewer.missing(), None);
    let Some(LiveFrame::Init { mime_type, .. }) = next(&mut viewer) else {
        panic!("the initialization segment comes first");
    };
    assert_eq!(mime_type, "video/mp4; codecs=\"avc1.42C01E\"");
    assert_eq!(
        drain(&mut viewer),
        [(true, 0, 2000), (false, 9000, 2100), (false, 18_000, 2200)]
    );
}

#[test]
fn nobody_watches_and_nothing_is_kept() {
    let hub = LiveHub::default();
    hub.set_init(&init());
    for part in &parts(30) {
        hub.publish(part);
    }
    assert_eq!(hub.watched(), Watched::No);
    let viewer = hub.subscribe().unwrap();
    assert_eq!(hub.watched(), Watched::Begins);
    for part in &pictures(0, 10) {
        hub.feed(part);
        assert_eq!(hub.watched(), Watched::Goes);
    }
    assert_eq!(lock(&hub.state).group.len(), 10);
    drop(viewer);
    hub.feed(&pictures(10, 11)[0]);
    assert_eq!(hub.watched(), Watched::No);
    assert!(lock(&hub.state).group.is_empty());
}

/// The first viewer, after six parts of which two are of the newest group; a seventh follows.
fn first_viewer(hub: &LiveHub, parts: &[Arc<Part>]) -> Viewer {
    hub.set_init(&init());
    for part in &parts[..6] {
        hub.publish(part);
    }
    let mut viewer = hub.subscribe().unwrap();
    assert_eq!(viewer.missing(), Some(6));
    assert!(lock(&hub.state).group.is_empty(), "nobody watched");
    assert!(matches!(next(&mut viewer), Some(LiveFrame::Init { .. })));
    hub.publish(&parts[6]);
    assert_eq!(drain(&mut viewer), [], "the group comes first");
    viewer
}

fn own(parts: &[Arc<Part>]) -> Vec<Part> {
    let copy = |part: &Arc<Part>| {
        let mut bytes = part.head_at(part.decode_time_90k).to_vec();
        bytes.extend(part.media().concat());
        Part::parse(bytes.into(), part.utc_ms).unwrap()
    };
    parts.iter().map(copy).collect()
}

#[test]
fn the_first_viewer_gets_the_group_from_elsewhere_and_then_each_picture() {
    let parts = parts(60);
    let hub = LiveHub::default();
    let mut viewer = first_viewer(&hub, &parts);
    viewer.give_group(Some(own(&parts[4..6])));
    assert_eq!(
        drain(&mut viewer),
        [
            (true, 0, 2000),
            (false, 45_000, 2500),
            (false, 90_000, 3000)
        ]
    );
    for part in &pictures(35, 37) {
        hub.feed(part);
    }
    // What goes to disk is not for viewers any more.
    hub.publish(&parts[7]);
    assert_eq!(
        drain(&mut viewer),
        [(false, 135_000, 3500), (false, 144_000, 3600)]
    );
}

#[test]
fn a_second_viewer_gets_the_same_group() {
    let parts = parts(60);
    let hub = LiveHub::default();
    let _first = first_viewer(&hub, &parts);
    for part in &pictures(35, 37) {
        hub.feed(part);
    }
    let mut second = hub.subscribe().unwrap();
    assert_eq!(second.missing(), Some(6));
    assert!(matches!(next(&mut second), Some(LiveFrame::Init { .. })));
    second.give_group(Some(own(&parts[4..6])));
    let found = drain(&mut second);
    let arrivals: Vec<_> = found.iter().map(|(_, _, arrival)| *arrival).collect();
    assert_eq!(arrivals, [2000, 2500, 3000, 3500, 3600]);
    assert_eq!(found[4].1, 144_000);
}

#[test]
fn a_group_that_is_not_found_or_comes_too_late_is_no_hole() {
    let parts = parts(60);
    let hub = LiveHub::default();
    let mut viewer = first_viewer(&hub, &parts);
    viewer.give_group(None);
    hub.publish(&parts[7]);
    assert_eq!(drain(&mut viewer), []);
    hub.publish(&parts[8]);
    assert_eq!(drain(&mut viewer), [(true, 0, 4000)]);

    let hub = LiveHub::default();
    let mut viewer = first_viewer(&hub, &parts);
    hub.forget_group();
    viewer.give_group(Some(own(&parts[4..6])));
    assert_eq!(drain(&mut viewer), []);
    hub.publish(&parts[8]);
    assert_eq!(drain(&mut viewer), [(true, 0, 4000)]);
}

#[test]
fn a_lagging_viewer_skips_to_the_newest_idr_without_a_hole_and_is_told() {
    let hub = LiveHub::default();
    hub.set_init(&init());
    let mut viewer = hub.subscribe().unwrap();
    assert!(next(&mut viewer).is_some());
    let pictures = pictures(0, 105);
    hub.feed(&pictures[0]);
    assert_eq!(drain(&mut viewer), [(true, 0, 0)]);
    for part in &pictures[1..] {
        hub.feed(part);
    }
    // Pictures 1 to 79 were left out: the newest IDR before 3 s were waiting again is the 80th.
    assert_eq!(next(&mut viewer), Some(LiveFrame::Skipped { ms: 7900 }));
    let found = drain(&mut viewer);
    assert_eq!(found[0], (true, 9000, 8000));
    assert_eq!(found.last().unwrap().2, 10_400);
    assert!(found.windows(2).all(|pair| pair[1].1 - pair[0].1 == 9000));
}

#[test]
fn a_group_that_never_ends_is_bounded() {
    for (bytes, count) in [(100_000, 2000), (10, 20_000)] {
        let hub = LiveHub::default();
        hub.set_init(&init());
        let mut viewer = hub.subscribe().unwrap();
        assert!(next(&mut viewer).is_some());
        let mut feed = Feed::default();
        for count in 0..count {
            let mut picture = test_picture(count, bytes);
            picture.is_idr = count == 0;
            hub.feed(&Arc::new(feed.push(picture, 9000).unwrap()));
        }
        assert!(lock(&hub.state).group_bytes <= MAX_GROUP_BYTES);
        assert!(lock(&hub.state).group.len() <= MAX_GROUP_PARTS);
        assert_eq!(drain(&mut viewer), []);
        let mut idr = test_picture(count, bytes);
        idr.is_idr = true;
        hub.feed(&Arc::new(feed.push(idr, 9000).unwrap()));
        let Some(LiveFrame::Skipped { ms }) = next(&mut viewer) else {
            panic!("the viewer is told");
        };
        assert_eq!(ms, count * 100);
        assert_eq!(drain(&mut viewer).len(), 1);
    }
}

#[test]
fn a_new_format_or_session_waits_for_an_idr() {
    let hub = LiveHub::default();
    hub.set_init(&init());
    let mut viewer = hub.subscribe().unwrap();
    let pictures = pictures(0, 60);
    hub.feed(&pictures[0]);
    let mut format = test_format();
    format.width = 320;
    hub.set_init(&Arc::new(InitSegment::new(format)));
    hub.feed(&pictures[1]);
    assert!(matches!(next(&mut viewer), Some(LiveFrame::Init { .. })));
    assert_eq!(drain(&mut viewer), []);
    hub.feed(&pictures[20]);
    assert_eq!(drain(&mut viewer).len(), 1);
    hub.forget_group();
    assert_eq!(hub.watched(), Watched::Begins);
    hub.feed(&pictures[21]);
    assert_eq!(drain(&mut viewer), []);
    hub.feed(&pictures[40]);
    assert_eq!(drain(&mut viewer).len(), 1);
}

/// Pictures' times jump about by 10 ms, sound's do not.
#[test]
fn sound_is_not_cut_by_what_is_put_right_about_pictures() {
    let hub = LiveHub::default();
    hub.set_init(&init());
    let mut viewer = hub.subscribe().unwrap();
    assert!(next(&mut viewer).is_some());
    let mut feed = Feed::default();
    let mut ends = Vec::new();
    for count in 0..40 {
        feed.push_sound(TimedSound {
            data: vec![1; 20].into(),
            time_90k: count * 9000,
            duration_90k: 9000,
        });
        let mut picture = test_picture(count, 100);
        picture.decode_time_90k += count % 2 * 900;
        hub.feed(&Arc::new(feed.push(picture, 9000).unwrap()));
        let Some(LiveFrame::Part { bytes, .. }) = next(&mut viewer) else {
            panic!("a picture");
        };
        let part = Part::parse(bytes, 0).unwrap();
        ends.push(part.sound_time_at(part.decode_time_90k).unwrap());
    }
    let steps: Vec<_> = ends.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(steps, [9000; 39]);
}

#[tokio::test]
async fn ends_with_the_camera_and_counts_viewers() {
    let hub = LiveHub::default();
    let mut viewers: Vec<_> = (0..MAX_VIEWERS).map(|_| hub.subscribe().unwrap()).collect();
    assert_eq!(hub.subscribe().unwrap_err(), TooManyViewers);
    viewers.pop();
    let mut last = hub.subscribe().unwrap();
    hub.close();
    assert_eq!(last.next().await, None);
    drop(viewers);
    assert_eq!(hub.subscribe().unwrap().next().await, None);
}
