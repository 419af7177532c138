#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::disk::{Disk, DiskSettings, Initialize};
use crate::writer::{Writer, WriterSettings};

/// Two disks; on the first, files of two cameras in turn, of 100 bytes and 10 s each, from 0 s,
/// 10 s, ... The last grows.
struct Bench {
    folder: tempfile::TempDir,
    index: Index,
    disks: Arc<Disks>,
    camera: CameraId,
    other: CameraId,
}

const NAMES: [&str; 6] = ["a/old", "b/1", "a/2", "b/3", "a/4", "b/growing"];

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.db");
        let index = Index::open(&path).unwrap();
        let (camera, other) = (
            "02000000000a-1".parse().unwrap(),
            "02000000000b-1".parse().unwrap(),
        );
        let place = |name: &str| {
            let disk = Arc::new(Disk::new(DiskSettings {
                name: name.into(),
                folder: folder.path().join(name),
                initialize: Initialize::Always,
            }));
            let settings = WriterSettings {
                max_file_duration: Duration::from_secs(60),
                max_waiting_bytes: 1000,
            };
            let reopened = Index::reopen(&path).unwrap();
            let writer = Writer::start(settings, Arc::clone(&disk), reopened).unwrap();
            Place { disk, writer }
        };
        let disks = Arc::new(Disks::new(vec![place("one"), place("two")], 0));
        for place in disks.places() {
            let marker = place.disk.try_out(&disks.markers).unwrap();
            place.disk.take_into_use(index.disk(&marker).unwrap());
        }
        let bench = Self {
            folder,
            index,
            disks,
            camera,
            other,
        };
        for (name, count) in NAMES.iter().zip(0..) {
            let owner = if count % 2 == 0 { camera } else { other };
            bench.add(0, owner, name, count * 10_000);
        }
        bench
    }

    fn number(&self, place: usize) -> DiskNumber {
        self.disks.places()[place].disk.number().unwrap()
    }

    fn add(&self, place: usize, camera: CameraId, name: &str, start_utc_ms: i64) {
        let path = self.disks.places()[place].disk.folder().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, [0; 100]).unwrap();
        let number = self.number(place);
        self.index
            .begin(number, camera, name, start_utc_ms)
            .unwrap();
        if !name.ends_with("growing") {
            self.index.finish(number, name, 10_000, 100).unwrap();
        }
    }

    fn left(&self) -> Vec<&'static str> {
        let there = |name: &&str| self.folder.path().join("one").join(name).exists();
        let left: Vec<_> = NAMES.into_iter().filter(there).collect();
        let listed = self.index.newest(&[self.number(0)], None, 9).unwrap();
        assert_eq!(listed.len(), left.len());
        left
    }

    fn room(&self, free_bytes: u64, floor_bytes: u64) -> Option<usize> {
        let space = Space {
            free_bytes,
            total_bytes: 1000,
        };
        let place = &self.disks.places()[0];
        make_room(
            &self.index,
            &self.disks,
            place,
            self.number(0),
            space,
            floor_bytes,
        )
        .ok()
    }

    fn rule(&self, place: usize, max_age_s: Option<u64>, max_bytes: Option<u64>) -> usize {
        let keep = Keep {
            max_age_s,
            max_bytes,
        };
        let place = &self.disks.places()[place];
        let rule = (self.camera, keep);
        keep_rule(&self.index, &self.disks, place, rule, 70_000).unwrap()
    }
}

#[test]
fn deletes_no_more_than_needed_and_the_oldest_first() {
    let bench = Bench::new();
    assert_eq!(bench.room(200, 200), Some(0));
    assert_eq!(bench.left(), NAMES);
    assert_eq!(bench.room(200, 201), Some(1));
    assert_eq!(bench.left(), NAMES[1..]);
    assert_eq!(bench.room(0, 200), Some(2));
    assert_eq!(bench.left(), NAMES[3..]);
    assert!(bench.folder.path().join("one/a").exists());
    assert_eq!(bench.room(0, 200), Some(2));
    assert!(
        !bench.folder.path().join("one/a").exists(),
        "an empty day goes too"
    );
}

#[test]
fn never_deletes_what_is_being_written_or_read() {
    let bench = Bench::new();
    let pin = bench
        .disks
        .pin([(bench.number(0), "a/old".to_owned())].into_iter());
    assert_eq!(bench.room(0, 100), Some(1));
    assert_eq!(bench.rule(0, Some(0), Some(0)), 2);
    assert_eq!(bench.left(), ["a/old", "b/3", "b/growing"]);
    drop(pin);
    assert_eq!(bench.room(0, 1000), None, "there is not that much");
    assert_eq!(bench.left(), ["b/growing"]);
}

#[test]
fn a_rule_is_for_one_camera() {
    let bench = Bench::new();
    // At 70 s: what ended before 20 s, and nothing of the other camera.
    assert_eq!(bench.rule(0, Some(50), None), 1);
    assert_eq!(bench.left(), NAMES[1..]);
    assert_eq!(bench.rule(0, Some(50), Some(200)), 0);
    assert_eq!(bench.rule(0, None, Some(199)), 1);
    assert_eq!(bench.left(), ["b/1", "b/3", "a/4", "b/growing"]);
    assert_eq!(
        bench
            .index
            .size_of_camera(&[bench.number(0)], bench.other)
            .unwrap(),
        200
    );
}

#[test]
fn a_rule_counts_all_disks_and_deletes_the_oldest_where_it_is() {
    let bench = Bench::new();
    bench.add(1, bench.camera, "a/there", 5000);
    // 400 bytes: the oldest is on the first disk, the next on the second.
    assert_eq!(bench.rule(1, None, Some(300)), 0);
    assert_eq!(bench.rule(0, None, Some(200)), 1);
    assert_eq!(bench.left(), NAMES[1..]);
    assert_eq!(bench.rule(1, None, Some(200)), 1);
    assert_eq!(bench.rule(1, None, Some(200)), 0);
    assert!(!bench.folder.path().join("two/a/there").exists());
}

#[test]
fn a_small_disk_keeps_its_share_free() {
    let (mib, gib) = (1 << 20, 1 << 30);
    for (min_free, total, expected) in [
        (gib, 1000 * gib, gib + 128 * mib),
        (gib, 1000 * mib, 250 * mib),
        (64 * mib, 40 * mib, 10 * mib),
        (0, 0, 0),
    ] {
        assert_eq!(floor(min_free, total), expected);
    }
}

#[test]
fn tells_the_space_of_a_disk() {
    let space = space_of(Path::new("/")).unwrap();
    assert!(space.free_bytes <= space.total_bytes && space.total_bytes > 0);
    assert!(space_of(Path::new("/nonexistent")).is_err());
}
