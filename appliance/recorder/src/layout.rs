//! How recordings are named: `<camera>/<day>/<time>.mp4`, all UTC, for example
//! `02000000000a-1/2026-11-24/050338.123.mp4`. The name alone says which camera and when, so
//! the index can be made anew.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use sealgate_camera::CameraId;

/// The path, below the recordings folder, of a recording that starts at this time.
pub fn file_name(camera: CameraId, start_utc_ms: i64) -> String {
    // A clock beyond jiff's 22 millennia is no clock.
    let start = Timestamp::from_millisecond(start_utc_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    let ms = start.as_millisecond().rem_euclid(1000);
    format!("{camera}/{}.{ms:03}.mp4", start.strftime("%Y-%m-%d/%H%M%S"))
}

/// Camera and start, milliseconds since the Unix epoch, of a recording with this path below
/// the recordings folder; `None` if the recorder names none like this.
pub fn parse_file_name(name: &str) -> Option<(CameraId, i64)> {
    let (camera, rest) = name.split_once('/')?;
    let camera = camera.parse().ok()?;
    let (seconds, ms) = rest.strip_suffix(".mp4")?.split_once('.')?;
    let ms: i64 = (ms.len() == 3).then(|| ms.parse().ok())??;
    let start = DateTime::strptime("%Y-%m-%d/%H%M%S", seconds).ok()?;
    let start = TimeZone::UTC.to_timestamp(start).ok()?;
    let start_utc_ms = start.as_millisecond().checked_add(ms)?;
    // Only the one spelling that `file_name` gives.
    (file_name(camera, start_utc_ms) == name).then_some((camera, start_utc_ms))
}

/// Every recording below the folder, as paths below it; what the recorder did not name is left
/// out, and links are not followed.
pub fn recordings(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for camera in sub_folders(folder) {
        for day in sub_folders(&camera) {
            for file in entries(&day, false) {
                let name = file.strip_prefix(folder).ok().and_then(Path::to_str);
                if let Some(name) = name.filter(|name| parse_file_name(name).is_some()) {
                    found.push(name.to_owned());
                }
            }
        }
    }
    found.sort();
    found
}

fn sub_folders(folder: &Path) -> Vec<PathBuf> {
    entries(folder, true)
}

fn entries(folder: &Path, folders: bool) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .filter(|entry| {
            entry.file_type().is_ok_and(|kind| {
                if folders {
                    kind.is_dir()
                } else {
                    kind.is_file()
                }
            })
        })
        .map(|entry| entry.path())
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_say_camera_and_time() {
        let camera = "02000000000a-1".parse().unwrap();
        for (utc_ms, name) in [
            (
                1_795_496_618_123,
                "02000000000a-1/2026-11-24/050338.123.mp4",
            ),
            (0, "02000000000a-1/1970-01-01/000000.000.mp4"),
            (-1, "02000000000a-1/1969-12-31/235959.999.mp4"),
        ] {
            assert_eq!(file_name(camera, utc_ms), name);
            assert_eq!(parse_file_name(name), Some((camera, utc_ms)), "{name}");
        }
    }

    #[test]
    fn other_names_are_not_ours() {
        for name in [
            "",
            "a.mp4",
            "02000000000a-1/2026-11-24/050338.123",
            "02000000000a-1/2026-11-24/050338.mp4",
            "02000000000a-1/2026-11-24/050338.1234.mp4",
            "02000000000A-1/2026-11-24/050338.123.mp4",
            "02000000000a-1/2026-13-24/050338.123.mp4",
            "02000000000a-1/../2026-11-24/050338.123.mp4",
            "lost+found/2026-11-24/050338.123.mp4",
        ] {
            assert_eq!(parse_file_name(name), None, "{name}");
        }
    }

    #[test]
    fn finds_its_own_files_only() {
        let folder = tempfile::tempdir().unwrap();
        let day = folder.path().join("02000000000a-1/2026-11-24");
        std::fs::create_dir_all(&day).unwrap();
        std::fs::create_dir(folder.path().join("lost+found")).unwrap();
        for name in ["050338.123.mp4", "040000.000.mp4", "note.txt"] {
            std::fs::write(day.join(name), b"").unwrap();
        }
        assert_eq!(
            recordings(folder.path()),
            [
                "02000000000a-1/2026-11-24/040000.000.mp4",
                "02000000000a-1/2026-11-24/050338.123.mp4"
            ]
        );
        assert!(recordings(Path::new("/nonexistent")).is_empty());
    }
}
