#![allow(clippy::unwrap_used)]

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

#[test]
fn lists_the_newest_first() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::open(&folder.path().join("index.db")).unwrap();
    for (count, last) in [(1, 1), (2, 2), (3, 1), (4, 2)] {
        let file = format!("{count}");
        index.begin(camera(last), &file, count).unwrap();
        if count < 4 {
            index.finish(&file, 60_000, 1000).unwrap();
        }
    }
    let files = |camera, limit| -> Vec<String> {
        let found = index.newest(camera, limit).unwrap();
        found.into_iter().map(|found| found.file).collect()
    };
    assert_eq!(files(None, 3), ["4", "3", "2"]);
    assert_eq!(files(Some(camera(1)), 9), ["3", "1"]);
    assert_eq!(files(Some(camera(3)), 9), Vec::<String>::new());
    assert!(index.newest(None, 1).unwrap()[0].growing);
    assert_eq!(index.oldest_finished().unwrap().as_deref(), Some("1"));
    index.forget("1").unwrap();
    assert_eq!(index.oldest_finished().unwrap().as_deref(), Some("2"));
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
    index.reconcile(folder.path()).unwrap();
    let found = index.newest(None, 10).unwrap();
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
    index.begin(camera(10), FILE, 1_795_496_618_123).unwrap();
    index.begin(camera(10), "lost", 5).unwrap();
    write(folder.path(), FILE, &recording_bytes());
    index.reconcile(folder.path()).unwrap();
    let found = index.newest(None, 10).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].duration_ms, found[0].growing), (500, false));
}

#[test]
fn notes_gaps() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::open(&folder.path().join("index.db")).unwrap();
    index.add_gap(camera(1), 10, 20).unwrap();
    index.add_gap(camera(2), 30, 40).unwrap();
    assert_eq!(index.gaps(camera(1)).unwrap(), [(10, 20)]);
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
    assert_eq!(Index::open(&path).unwrap().newest(None, 1).unwrap(), []);
}
