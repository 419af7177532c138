//! Disks that fill, vanish, come back, hang and refuse: real file systems, mounted here.
#![allow(clippy::unwrap_used, clippy::panic)]

mod made;

use std::path::Path;
use std::time::{Duration, Instant};

use made::*;
use sealgate_recorder::scan::outline;
use sealgate_recorder_link::{DiskState, GapCause, Keep, Keeping, RecordPlan};

/// What a disk must be able to lose a camera in.
const SECONDS: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_full_disk_goes_on_by_deleting() {
    let folder = tempfile::tempdir().unwrap();
    let mount = Mount::memory(folder.path().join("small"), 24);
    // 1 MB/s each; files of 2 s.
    let made = Made::start(MadeSettings {
        first: Some(&mount.path),
        picture_bytes: 100_000,
        max_file_duration: Duration::from_secs(2),
        ..MadeSettings::default()
    })
    .await;
    // What is not ours takes nearly all at once: the disk is full before anybody looked.
    made.record(&[
        (camera(1), RecordPlan::CONTINUOUS),
        (camera(2), RecordPlan::CONTINUOUS),
    ])
    .await;
    made.until_bytes(camera(1), 5_000_000).await;
    let free = made.disk(0).free_bytes;
    let foreign = mount.path.join("foreign");
    let _ = std::fs::write(&foreign, vec![1; usize::try_from(free).unwrap()]);
    made.until_bytes(camera(1), 5_000_000).await;
    made.until_bytes(camera(2), 5_000_000).await;
    // In the long run there is always room.
    std::fs::remove_file(&foreign).unwrap();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(8) {
        let space = rustix::fs::statvfs(&mount.path).unwrap();
        let free = space.f_bavail * space.f_frsize;
        assert!(free > 0, "it is never full");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    made.until_writing(camera(1)).await;
    assert_eq!(made.disk(0).state, DiskState::InUse);
    let left = made.recordings(camera(1));
    println!(
        "{} files of camera 1 are left of a disk of 24 MiB",
        left.len()
    );
    made.stop().await;
    for recording in left {
        let path = mount.path.join(&recording.file);
        if let Ok(found) = outline(&path) {
            assert_eq!(found.good_bytes, found.file_bytes);
        }
    }
}

#[tokio::test]
async fn a_disk_full_of_other_things_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let mount = Mount::memory(folder.path().join("full"), 16);
    let second = Mount::memory(folder.path().join("second"), 64);
    let _ = std::fs::write(mount.path.join("foreign"), vec![1; 17 << 20]);
    let made = Made::start(MadeSettings {
        first: Some(&mount.path),
        disks: &[("second", &second.path)],
        picture_bytes: 10_000,
        ..MadeSettings::default()
    })
    .await;
    made.record(&[(camera(1), RecordPlan::CONTINUOUS)]).await;
    made.until_bytes(camera(1), 100_000).await;
    std::fs::remove_file(mount.path.join("foreign")).unwrap();
    made.until_disk(0, DiskState::InUse).await;
    made.stop().await;
}

#[tokio::test]
async fn one_cameras_rule_bounds_its_bytes_also_after_it_left() {
    let made = Made::start(MadeSettings {
        picture_bytes: 10_000,
        max_file_duration: Duration::from_secs(1),
        ..MadeSettings::default()
    })
    .await;
    let keep = |bytes| Keep {
        max_age_s: None,
        max_bytes: Some(bytes),
    };
    made.keep(camera(1), keep(500_000)).await;
    made.until_bytes(camera(1), 1_200_000).await;
    let size = |made: &Made| -> u64 {
        let found = made.recordings(camera(1));
        found.iter().map(|found| found.size_bytes).sum()
    };
    // What comes in between two looks is on top of it.
    made.until("the rule", |made| size(made) <= 500_000).await;
    made.keep(camera(2), Keep::default()).await;
    let folder = made.stop().await;
    let made = Made::start_in(folder, MadeSettings::default()).await;
    assert!(
        size(&made) <= 500_000 && size(&made) > 100_000,
        "{}",
        size(&made)
    );
    made.stop().await;
}

#[tokio::test]
async fn a_disk_that_vanishes_takes_no_camera_with_it_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    let point = folder.path().join("second");
    let mount = Mount::ext4(&image, point.clone(), 300);
    let first = Mount::memory(folder.path().join("first"), 100);
    let settings = || MadeSettings {
        first: Some(&first.path),
        disks: &[],
        ..MadeSettings::default()
    };
    let disks = [("second", point.as_path())];
    let made = Made::start(MadeSettings {
        disks: &disks,
        ..settings()
    })
    .await;
    assert_eq!(made.disk(1).state, DiskState::InUse);
    // The larger disk is chosen.
    made.record(&[(camera(1), RecordPlan::CONTINUOUS)]).await;
    made.until_bytes(camera(1), 30_000).await;
    assert_eq!(
        std::fs::read_dir(&point).unwrap().count(),
        3,
        "lost+found, marker, camera"
    );
    let before = made.recordings(camera(1));
    assert_eq!(before.len(), 1);

    drop(mount);
    let moved = made.until("moving", |made| {
        made.recordings(camera(1))
            .iter()
            .any(|found| found.file != before[0].file)
    });
    let moved = moved.await;
    println!("recording went on elsewhere after {moved:?}");
    assert!(moved < SECONDS);
    made.until_disk(1, DiskState::Away).await;
    made.until_bytes(camera(1), 30_000).await;
    assert_eq!(
        std::fs::read_dir(&point).unwrap().count(),
        0,
        "the mount point stays empty"
    );
    // Its recordings are known to be away.
    assert_eq!(made.recordings(camera(1)).len(), 1);

    // It comes back, after some time at another place of the file system.
    made.until_bytes(camera(1), 30_000).await;
    let mount = Mount::image(&image, point.clone());
    let back = made.until_disk(1, DiskState::InUse).await;
    println!("the disk was in use again after {back:?}");
    made.until("its recording", |made| {
        made.recordings(camera(1)).len() == 2
    })
    .await;
    let found = made.recordings(camera(1));
    assert_eq!(found[0].file, before[0].file);
    assert!(!found[0].growing && found[0].duration_ms > 1000);
    let timeline = made.timeline(camera(1));
    println!("{timeline:?}");
    let folder_of_index = made.stop().await;

    // At another mount point it is the same disk.
    drop(mount);
    let elsewhere = Mount::image(&image, folder.path().join("elsewhere"));
    let disks = [("renamed", elsewhere.path.as_path())];
    let made = Made::start_in(
        folder_of_index,
        MadeSettings {
            disks: &disks,
            ..settings()
        },
    )
    .await;
    assert_eq!(made.recordings(camera(1)).len(), 2);
    made.stop().await;
}

/// A recorder on one disk in memory and a second one in an image, of these sizes in MiB.
async fn on_two_disks(folder: &Path, second_mib: u64, first_mib: u64) -> (Mount, Mount, Made) {
    let second = Mount::ext4(&folder.join("image"), folder.join("second"), second_mib);
    let first = Mount::memory(folder.join("first"), first_mib);
    let disks = [("second", second.path.as_path())];
    let made = Made::start(MadeSettings {
        first: Some(&first.path),
        disks: &disks,
        ..MadeSettings::default()
    })
    .await;
    (first, second, made)
}

#[tokio::test]
async fn a_disk_that_hangs_holds_up_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let (_first, second, made) = on_two_disks(folder.path(), 400, 350).await;
    let (one, two) = (camera(1), camera(2));
    made.record(&[(one, RecordPlan::CONTINUOUS), (two, RecordPlan::CONTINUOUS)])
        .await;
    made.until_bytes(one, 30_000).await;
    made.until_bytes(two, 30_000).await;
    let on_second = |number: u8| second.path.join(camera(number).to_string()).exists();
    assert!(on_second(1) != on_second(2), "one camera on each disk");
    let (hanging, other) = if on_second(1) { (one, two) } else { (two, one) };

    run("fsfreeze", &["-f", second.path.to_str().unwrap()]);
    let frozen = Instant::now();
    // The other camera loses nothing.
    let mut last = made.status(other).recorded_bytes;
    let mut seen = Instant::now();
    let mut worst = Duration::ZERO;
    while frozen.elapsed() < Duration::from_secs(14) {
        let now = made.status(other).recorded_bytes;
        if now > last {
            last = now;
            worst = worst.max(seen.elapsed());
            seen = Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let state = made.disk(1).state;
    let moved = made.status(hanging).keeping;
    let alive = made.recorder.is_alive();
    run("fsfreeze", &["-u", second.path.to_str().unwrap()]);
    println!("the other camera's longest silence was {worst:?}");
    assert!(worst < Duration::from_millis(1500), "{worst:?}");
    assert_eq!(state, DiskState::Hanging);
    assert_eq!(moved, Keeping::Writing, "it writes to the other disk");
    assert!(alive);
    made.until_disk(1, DiskState::InUse).await;
    // Nothing that waited was lost: what the hanging disk had taken, and then the other's.
    made.record(&[]).await;
    let timeline = made.timeline(hanging);
    println!("{timeline:?}");
    let lost: i64 = timeline
        .gaps
        .iter()
        .filter(|gap| gap.span.start_utc_ms >= timeline.spans[0].start_utc_ms)
        .map(|gap| gap.span.end_utc_ms - gap.span.start_utc_ms)
        .sum();
    assert!(lost < 3000, "{lost} ms");
    made.stop().await;
}

#[tokio::test]
async fn a_slow_disk_costs_its_own_camera_a_gap_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let second = Mount::ext4(
        &folder.path().join("image"),
        folder.path().join("second"),
        900,
    );
    let made = Made::start(MadeSettings {
        first: Some(&second.path),
        // 8 MB/s: what may wait for the disk is full after 4 s.
        picture_bytes: 800_000,
        ..MadeSettings::default()
    })
    .await;
    let quick = Made::start(MadeSettings::default()).await;
    made.record(&[(camera(1), RecordPlan::CONTINUOUS)]).await;
    quick.record(&[(camera(2), RecordPlan::CONTINUOUS)]).await;
    made.until_bytes(camera(1), 8_000_000).await;
    run("fsfreeze", &["-f", second.path.to_str().unwrap()]);
    let frozen = Instant::now();
    while frozen.elapsed() < Duration::from_secs(8) {
        quick.until_bytes(camera(2), 1000).await;
    }
    let keeping = made.status(camera(1)).keeping;
    let frames = made.status(camera(1)).frames;
    run("fsfreeze", &["-u", second.path.to_str().unwrap()]);
    assert_eq!(keeping, Keeping::Refused);
    made.until_writing(camera(1)).await;
    made.until_bytes(camera(1), 8_000_000).await;
    assert!(
        made.status(camera(1)).frames > frames,
        "the session went on"
    );
    made.record(&[]).await;
    let timeline = made.timeline(camera(1));
    let lost: Vec<_> = timeline
        .gaps
        .iter()
        .filter(|gap| gap.cause == Some(GapCause::Disk))
        .map(|gap| gap.span.end_utc_ms - gap.span.start_utc_ms)
        .collect();
    println!("lost {lost:?} ms of a camera on a disk that stood for 8 s");
    assert!(
        lost.len() == 1 && (2000..8000).contains(&lost[0]),
        "{timeline:?}"
    );
    made.stop().await;
    let others = quick.timeline(camera(2));
    assert_eq!(others.spans.len(), 1, "{others:?}");
    assert!(
        others
            .gaps
            .iter()
            .all(|gap| gap.cause != Some(GapCause::Disk))
    );
    quick.stop().await;
}

#[tokio::test]
async fn a_disk_that_becomes_read_only_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second, made) = on_two_disks(folder.path(), 300, 100).await;
    made.record(&[(camera(1), RecordPlan::CONTINUOUS)]).await;
    made.until_bytes(camera(1), 30_000).await;
    assert!(second.path.join(camera(1).to_string()).exists());
    second.fail();
    let failed = made.until("a failure", |made| made.disk(1).state != DiskState::InUse);
    println!("the disk was left out after {:?}", failed.await);
    let moved = made.until("moving", |_| {
        first.path.join(camera(1).to_string()).exists()
    });
    let moved = moved.await;
    assert!(moved < SECONDS, "{moved:?}");
    made.until_bytes(camera(1), 30_000).await;
    made.until_disk(1, DiskState::ReadOnly).await;
    made.stop().await;
}

#[tokio::test]
async fn a_disk_that_answers_eio_costs_its_camera_seconds_and_nobody_else_anything() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("second");
    let mut second = FailingDisk::new(folder.path(), path.clone(), 400);
    let first = Mount::memory(folder.path().join("first"), 350);
    let disks = [("second", path.as_path())];
    let made = Made::start(MadeSettings {
        first: Some(&first.path),
        disks: &disks,
        picture_bytes: 20_000,
        ..MadeSettings::default()
    })
    .await;
    let (one, two) = (camera(1), camera(2));
    made.record(&[(one, RecordPlan::CONTINUOUS), (two, RecordPlan::CONTINUOUS)])
        .await;
    made.until_bytes(one, 400_000).await;
    made.until_bytes(two, 400_000).await;
    let on_second = |number: u8| path.join(camera(number).to_string()).exists();
    assert!(on_second(1) != on_second(2), "one camera on each disk");
    let (failing, other) = if on_second(1) { (one, two) } else { (two, one) };

    second.fail();
    let failed = made.until("EIO", |made| {
        matches!(made.disk(1).state, DiskState::Failed { .. })
    });
    let failed = failed.await;
    let DiskState::Failed { reason } = made.disk(1).state else {
        panic!("{:?}", made.disk(1));
    };
    assert!(reason.contains("os error 5"), "{reason}");
    let moved = made.until("moving", |made| {
        let files = made.recordings(failing);
        files
            .iter()
            .any(|file| file.growing && first.path.join(&file.file).exists())
    });
    let moved = moved.await;
    println!("EIO was seen after {failed:?}, and the camera recorded elsewhere {moved:?} later");
    assert!(failed + moved < SECONDS, "{failed:?} {moved:?}");
    made.until_bytes(failing, 400_000).await;

    second.replug().await;
    let back = made.until_disk(1, DiskState::InUse).await;
    println!("it was in use again {back:?} after it was plugged in");
    // It has the most room, so a further camera goes there.
    let three = camera(3);
    let all = [one, two, three].map(|camera| (camera, RecordPlan::CONTINUOUS));
    made.record(&all).await;
    made.until_bytes(three, 400_000).await;
    assert!(on_second(3));
    assert_eq!(made.disk(1).state, DiskState::InUse);
    made.record(&[]).await;

    let others = made.timeline(other);
    assert_eq!(others.spans.len(), 1, "{others:?}");
    assert!(
        others
            .gaps
            .iter()
            .all(|gap| gap.cause != Some(GapCause::Disk)),
        "{others:?}"
    );
    // What the disk took before is found again, up to what it took last.
    let timeline = made.timeline(failing);
    println!("{timeline:?}");
    let lost: i64 = timeline
        .gaps
        .iter()
        .filter(|gap| gap.span.start_utc_ms >= timeline.spans[0].start_utc_ms)
        .map(|gap| gap.span.end_utc_ms - gap.span.start_utc_ms)
        .sum();
    assert!(lost < 5000, "{lost} ms");
    let files = made.recordings(failing);
    made.stop().await;
    assert!(files.iter().any(|file| path.join(&file.file).exists()));
    for file in files {
        let here = [&first.path, &path].map(|disk| disk.join(&file.file));
        let file_path = here.iter().find(|path| path.exists()).unwrap();
        let found = outline(file_path).unwrap();
        assert_eq!(
            found.good_bytes,
            found.file_bytes,
            "{}",
            file_path.display()
        );
    }
}
