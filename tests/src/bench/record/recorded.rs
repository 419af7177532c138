//! What is in recordings, as ffprobe reads them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::cameras::FPS;

/// Counts over all recordings of a folder.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Recorded {
    /// MP4 files.
    pub files: u64,
    /// Pictures in them.
    pub pictures: u64,
    /// Bytes of the pictures.
    pub bytes: u64,
    /// Pictures missing between the first and the last of each file.
    pub lost: f64,
}

impl Recorded {
    /// Reads every MP4 file below a folder.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut sum = Self::default();
        for file in mp4_files(folder)? {
            let output = Command::new("ffprobe")
                .args(["-v", "error", "-select_streams", "v:0", "-of", "csv=p=0"])
                .args(["-show_entries", "packet=pts_time,size"])
                .arg(&file)
                .output()
                .context("start ffprobe")?;
            ensure!(
                output.status.success(),
                "ffprobe of {}: {}",
                file.display(),
                String::from_utf8_lossy(&output.stderr)
            );
            sum.add(&String::from_utf8_lossy(&output.stdout))
                .with_context(|| format!("in {}", file.display()))?;
        }
        Ok(sum)
    }

    /// One file: lines of presentation time in seconds and length in bytes.
    fn add(&mut self, packets: &str) -> Result<()> {
        let mut times: Vec<f64> = Vec::new();
        for line in packets.lines().filter(|line| !line.is_empty()) {
            let mut fields = line.split(',');
            times.push(fields.next().context("a time")?.parse()?);
            self.bytes += fields.next().context("a length")?.parse::<u64>()?;
        }
        self.files += 1;
        self.pictures += times.len() as u64;
        for pair in times.windows(2) {
            let steps = ((pair[1] - pair[0]) * f64::from(FPS)).round();
            self.lost += (steps - 1.0).max(0.0);
        }
        Ok(())
    }

    /// A picture's bytes on average.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub fn bytes_per_picture(&self) -> f64 {
        self.bytes as f64 / self.pictures as f64
    }
}

/// Every MP4 file below a folder.
pub fn mp4_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    for entry in entries {
        let path = entry.context("list a folder")?.path();
        if path.is_dir() {
            found.extend(mp4_files(&path)?);
        } else if path.extension().is_some_and(|kind| kind == "mp4") {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_picture_is_lost_and_a_late_one_is_not() {
        let mut sum = Recorded::default();
        sum.add("0.000000,100\n0.040000,50\n0.160000,50\n0.195000,50\n\n")
            .unwrap();
        assert_eq!((sum.files, sum.pictures, sum.bytes), (1, 4, 250));
        assert!((sum.lost - 2.0).abs() < 1e-9, "{sum:?}");
        assert!(sum.add("N/A,5").is_err());
    }
}
