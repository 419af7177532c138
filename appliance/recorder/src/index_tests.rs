#![allow(clippy::unwrap_used)]

use sealgate_camera::CameraId;
use sealgate_recorder_link::{Event, EventKind, Gap, GapCause, Keep, Recording, Span};

use super::*;
use crate::boxes::init_segment;
use crate::format::test_format;
use crate::part::{PartBuilder, test_picture};

const FILE: &str = "02000000000a-1/2026-11-24/050338.123.mp4";

fn camera(last: u8) -> CameraId {
    format!("0200000000{last:02x}-1").parse().unwrap()
}

/// Half a second of video.
fn recording_bytes() -> Vec<u8> {
    let mut builder = PartBuilder::new();
    for count in 0..5 {
        builder.push(test_picture(count, 50));
    }
    let part = builder.finish(9000).unwrap();
    let mut bytes = init_segment(&test_format(), None);
    bytes.extend_from_slice(&part.head_at(0));
    bytes.extend_from_slice(&part.media().concat());
    bytes
}

fn write(folder: &Path, file: &str, bytes: &[u8]) {
    let path = folder.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn span(start_utc_ms: i64, end_utc_ms: i64) -> Span {
    Span {
        start_utc_ms,
        end_utc_ms,
    }
}

const ALL: Span = Span {
    start_utc_ms: i64::MIN,
    end_utc_ms: i64::MAX,
};

fn newest(index: &Index, disk: DiskNumber) -> Vec<Recording> {
    index.newest(&[disk], None, 10).unwrap()
}

#[test]
fn lists_the_newest_first() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::open(&folder.path().join("index.db")).unwrap();
    let disk = index.disk("one").unwrap();
    for (count, last) in [(1, 1), (2, 2), (3, 1), (4, 2)] {
        let file = format!("{count}");
        index.begin(disk, camera(last), &file, count).unwrap();
        if count < 4 {
            index.finish(disk, &file, 60_000, 1000).unwrap();
        }
    }
    let files = |camera, limit| -> Vec<String> {
        let found = index.newest(&[disk], camera, limit).unwrap();
        found.into_iter().map(|found| found.file).collect()
    };
    assert_eq!(files(None, 3), ["4", "3", "2"]);
    assert_eq!(files(Some(camera(1)), 9), ["3", "1"]);
    assert_eq!(files(Some(camera(3)), 9), Vec::<String>::new());
    assert!(index.newest(&[disk], None, 1).unwrap()[0].growing);
    let oldest = |limit| -> Vec<String> {
        let found = index.oldest_of_disk(disk, limit).unwrap();
        found.into_iter().map(|found| found.file).collect()
    };
    assert_eq!(oldest(1), ["1"]);
    index.forget(disk, "1").unwrap();
    assert_eq!(oldest(9), ["2", "3"]);
}

#[test]
fn disks_are_told_apart_by_their_markers() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = Index::open(&folder.path().join("index.db")).unwrap();
    let (one, two) = (index.disk("one").unwrap(), index.disk("two").unwrap());
    assert_eq!(index.disk("one").unwrap(), one);
    for disk in [one, two] {
        index.begin(disk, camera(1), "same", 5).unwrap();
        index.finish(disk, "same", 1000, 100).unwrap();
    }
    assert_eq!(index.newest(&[one, two], None, 9).unwrap().len(), 2);
    assert_eq!(index.size_of_camera(&[one, two], camera(1)).unwrap(), 200);
    assert_eq!(index.newest(&[], None, 9).unwrap(), []);
    assert_eq!(index.other_disks(&[two]).unwrap(), [one]);
    // One disk's files are gone; the other's stay.
    index.reconcile(one, folder.path()).unwrap();
    assert_eq!(newest(&index, one), []);
    assert_eq!(newest(&index, two).len(), 1);
    assert_eq!(index.disk_of(&[one, two], "same").unwrap(), Some(two));
}

#[test]
fn finds_what_reaches_into_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::open(&folder.path().join("index.db")).unwrap();
    let disk = index.disk("one").unwrap();
    for (start, duration) in [(0, 10), (10, 10), (50, 10), (100, 0)] {
        let file = format!("{start}");
        index.begin(disk, camera(1), &file, start).unwrap();
        if duration > 0 {
            index.finish(disk, &file, duration, 1).unwrap();
        }
    }
    let between = |from, to| -> Vec<i64> {
        let found = index.between(&[disk], camera(1), from, to).unwrap();
        found
            .iter()
            .map(|found| found.recording.start_utc_ms)
            .collect()
    };
    assert_eq!(between(5, 11), [0, 10]);
    assert_eq!(between(10, 50), [10]);
    assert_eq!(between(20, 50), [0; 0]);
    assert_eq!(between(55, 1000), [50, 100]);
    let at = |utc_ms| {
        let found = index.at_or_before(&[disk], camera(1), utc_ms).unwrap();
        found.map(|found| found.recording.start_utc_ms)
    };
    assert_eq!(
        (at(-1), at(0), at(49), at(999)),
        (None, Some(0), Some(10), Some(100))
    );
    let after = |utc_ms| {
        let found = index.after(&[disk], camera(1), utc_ms).unwrap();
        found.map(|found| found.recording.start_utc_ms)
    };
    assert_eq!(
        (after(-1), after(10), after(100)),
        (Some(0), Some(50), None)
    );
    let old = index.oldest_of_camera(&[disk], camera(1), 60, 9).unwrap();
    assert_eq!(old.len(), 2, "what ends at 60 or grows is not older");
}

#[test]
fn is_made_anew_from_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let whole = recording_bytes();
    write(folder.path(), FILE, &whole);
    let torn = "02000000000a-1/2026-11-24/060000.000.mp4";
    write(folder.path(), torn, &[&whole[..], &whole[..100]].concat());
    let empty = "02000000000b-1/2026-11-24/060000.000.mp4";
    write(folder.path(), empty, b"");

    let path = folder.path().join("index.db");
    std::fs::write(
        &path,
        b"this is no database, and long enough to be read as one",
    )
    .unwrap();
    let mut index = Index::open(&path).unwrap();
    let disk = index.disk("one").unwrap();
    index.reconcile(disk, folder.path()).unwrap();
    let found = newest(&index, disk);
    let size = u64::try_from(whole.len()).unwrap();
    assert_eq!(found.len(), 2);
    for (found, file) in found.iter().zip([torn, FILE]) {
        assert_eq!(found.file, file);
        assert_eq!(found.duration_ms, 500);
        assert_eq!(found.size_bytes, size);
        assert!(!found.growing);
    }
    assert_eq!(found[1].start_utc_ms, 1_795_496_618_123);
    assert!(!folder.path().join(empty).exists());
}

#[test]
fn finds_what_a_power_cut_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.db");
    let mut index = Index::open(&path).unwrap();
    let disk = index.disk("one").unwrap();
    let start = 1_795_496_618_123;
    index.begin(disk, camera(10), FILE, start).unwrap();
    index.begin(disk, camera(10), "lost", 5).unwrap();
    write(folder.path(), FILE, &recording_bytes());
    index.reconcile(disk, folder.path()).unwrap();
    let found = newest(&index, disk);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].duration_ms, found[0].growing), (500, false));
}

#[test]
fn times_and_events_are_in_the_files_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = Index::open(&folder.path().join("index.db")).unwrap();
    let disk = index.disk("one").unwrap();
    let event = Event {
        span: span(1_795_496_618_300, 1_795_496_620_000),
        kind: EventKind::Motion,
    };
    let whole = recording_bytes();
    let init = init_segment(&test_format(), None);
    let marks = [
        crate::marks::start(1_795_496_618_125),
        crate::marks::event(&event, 0),
    ];
    let bytes = [&init[..], &marks.concat(), &whole[init.len()..]].concat();
    write(folder.path(), FILE, &bytes);
    index.reconcile(disk, folder.path()).unwrap();
    let found = newest(&index, disk);
    assert_eq!(
        (found[0].start_utc_ms, found[0].duration_ms),
        (1_795_496_618_125, 500)
    );
    assert_eq!(index.events(camera(10), ALL).unwrap(), [event]);
}

#[test]
fn notes_gaps_and_events() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::open(&folder.path().join("index.db")).unwrap();
    index
        .add_gap(camera(1), span(10, 20), GapCause::Disk)
        .unwrap();
    index
        .add_gap(camera(2), span(30, 40), GapCause::Plan)
        .unwrap();
    let gap = |span, cause| Gap {
        span,
        cause: Some(cause),
    };
    assert_eq!(
        index.gaps(camera(1), ALL).unwrap(),
        [gap(span(10, 20), GapCause::Disk)]
    );
    assert_eq!(index.gaps(camera(2), span(39, 99)).unwrap().len(), 1);
    assert_eq!(index.gaps(camera(2), span(40, 99)).unwrap(), []);

    let motion = |span| Event {
        span,
        kind: EventKind::Motion,
    };
    for (start, end) in [(10, 10), (10, 30), (10, 20), (50, 60)] {
        index
            .note_event(camera(1), &motion(span(start, end)))
            .unwrap();
    }
    let found = index.events(camera(1), ALL).unwrap();
    assert_eq!(found, [motion(span(10, 30)), motion(span(50, 60))]);
    assert_eq!(index.events(camera(1), span(31, 50)).unwrap(), []);
}

#[test]
fn rules_of_other_cameras_stay() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = Index::open(&folder.path().join("index.db")).unwrap();
    let keep = |max_age_s, max_bytes| Keep {
        max_age_s,
        max_bytes,
    };
    let old = [
        (camera(1), keep(Some(60), None)),
        (camera(2), keep(None, Some(9))),
    ];
    index.set_rules(old.into_iter()).unwrap();
    let new = [
        (camera(2), keep(Some(1), None)),
        (camera(3), keep(None, None)),
    ];
    index.set_rules(new.into_iter()).unwrap();
    assert_eq!(index.rules().unwrap(), [old[0], new[0]]);
}

#[test]
fn an_older_index_is_brought_to_the_present_schema() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.db");
    let sql = Connection::open(&path).unwrap();
    sql.execute_batch(MIGRATIONS[0]).unwrap();
    sql.execute_batch(
        "PRAGMA user_version = 1;
         INSERT INTO gap (camera, start_utc_ms, end_utc_ms) VALUES ('02000000000a-1', 1, 2);",
    )
    .unwrap();
    drop(sql);
    let index = Index::try_open(&path).unwrap();
    assert_eq!(
        index.gaps(camera(10), ALL).unwrap()[0].cause,
        Some(GapCause::Disk)
    );
    let schema = |path: &Path| -> Vec<String> {
        let sql = Connection::open(path).unwrap();
        let mut found = sql
            .prepare("SELECT sql FROM sqlite_schema ORDER BY name")
            .unwrap();
        let rows = found
            .query_map([], |row| row.get::<_, Option<String>>(0))
            .unwrap();
        rows.map(|row| row.unwrap().unwrap_or_default()).collect()
    };
    let fresh = folder.path().join("fresh.db");
    drop(Index::try_open(&fresh).unwrap());
    assert_eq!(schema(&path), schema(&fresh));
    assert_eq!(MIGRATIONS.len(), usize::try_from(SCHEMA_VERSION).unwrap());
}

#[test]
fn an_index_of_a_newer_version_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.db");
    drop(Index::open(&path).unwrap());
    let sql = Connection::open(&path).unwrap();
    sql.pragma_update(None, "user_version", 99).unwrap();
    drop(sql);
    let error = Index::try_open(&path).unwrap_err();
    assert!(matches!(error, IndexError::Newer { found: 99 }));
    assert_eq!(error.code(), "SG-REC-004");
    let index = Index::open(&path).unwrap();
    assert_eq!(newest(&index, DiskNumber(1)), []);
}
