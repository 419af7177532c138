//! Moonfire NVR as a peer: its database is made by its own `init`, and filled with what its
//! interactive set-up would write. Its recordings are samples in files of a minute, without
//! a container; what is in them stands in the database.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use rusqlite::Connection;
use serde_json::json;

use super::cameras::{Cameras, FPS};
use super::peers::{Children, Foreign, await_files, spawn};
use super::recorded::Recorded;

/// The folder's mark: a length, a message with the two UUIDs, zeros.
const MARK_LENGTH: usize = 512;
/// Its ticks a second.
const TICKS: f64 = 90_000.0;

/// `moonfire-nvr run`, one process for all cameras.
pub struct Moonfire {
    children: Children,
    samples: PathBuf,
    database: PathBuf,
    count: usize,
}

impl Moonfire {
    /// Starts it with every camera's stream recorded.
    pub fn start(program: &Path, folder: &Path, cameras: &Cameras) -> Result<Self> {
        let samples = folder.join("samples");
        std::fs::create_dir_all(&samples).context("create a folder")?;
        let folder = folder.canonicalize().context("a whole path")?;
        let samples = folder.join("samples");
        let databases = folder.join("db");
        let made = Command::new(program)
            .args(["init", "--db-dir"])
            .arg(&databases)
            .output()
            .context("start moonfire-nvr init")?;
        ensure!(
            made.status.success(),
            "moonfire-nvr init: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let database = databases.join("db");
        set_up(&database, &samples, cameras).context("set Moonfire up")?;
        let config = folder.join("moonfire.toml");
        // Without pages of its own: none are asked for.
        let text = format!(
            "dbDir = {databases:?}\nuiDir = {samples:?}\n[[binds]]\nunix = {:?}\n\
             ownUidIsPrivileged = true\n",
            folder.join("moonfire.sock")
        );
        std::fs::write(&config, text).context("write the configuration")?;
        let mut command = Command::new(program);
        command.arg("run").arg("--config").arg(&config);
        // As quiet as the others are told to be.
        command.env("MOONFIRE_LOG", "error");
        Ok(Self {
            children: Children::of(vec![spawn(&mut command)?]),
            samples,
            database,
            count: usize::from(cameras.count()),
        })
    }
}

impl Foreign for Moonfire {
    fn name(&self) -> &'static str {
        "Moonfire NVR"
    }

    fn processes(&self) -> Vec<u32> {
        self.children.ids()
    }

    fn folder(&self) -> &Path {
        &self.samples
    }

    fn await_recording(&self) -> Result<()> {
        await_files(self.count, || sample_files(&self.samples))
    }

    fn stop(&self) -> Result<()> {
        self.children.end()
    }

    /// From its own index: a file of samples says nothing by itself.
    fn recorded(&self) -> Result<Recorded> {
        let database = Connection::open(&self.database).context("open Moonfire's database")?;
        let mut sum = Recorded::default();
        let mut streams = database.prepare(
            "SELECT sum(video_samples), sum(sample_file_bytes),
                    CAST(sum(wall_duration_90k + media_duration_delta_90k) AS REAL)
             FROM recording GROUP BY stream_id",
        )?;
        let mut rows = streams.query([])?;
        while let Some(row) = rows.next()? {
            let (pictures, bytes, ticks): (u32, u32, f64) = row.try_into()?;
            sum.files += 1;
            sum.pictures += u64::from(pictures);
            sum.bytes += u64::from(bytes);
            let due = (ticks / TICKS * f64::from(FPS)).round();
            sum.lost += (due - f64::from(pictures)).max(0.0);
        }
        Ok(sum)
    }
}

/// What the interactive set-up writes: a folder, and a camera with one stream each.
fn set_up(database: &Path, samples: &Path, cameras: &Cameras) -> Result<()> {
    let mut database = Connection::open(database)?;
    let own: Vec<u8> = database.query_row("SELECT uuid FROM meta", [], |row| row.get(0))?;
    let folder = uuid(u32::MAX);
    let mut mark = vec![36, 0x0a, 16];
    mark.extend(&own);
    mark.extend([0x12, 16]);
    mark.extend(&folder);
    mark.resize(MARK_LENGTH, 0);
    std::fs::write(samples.join("meta"), mark)?;
    let change = database.transaction()?;
    change.execute(
        "INSERT INTO sample_file_dir (id, uuid, config) VALUES (1, ?, ?)",
        (folder, json!({ "path": samples }).to_string()),
    )?;
    for (number, url) in (1..).zip(cameras.urls()) {
        change.execute(
            "INSERT INTO camera (id, uuid, short_name, config) VALUES (?, ?, ?, '{}')",
            (number, uuid(number), format!("camera {number}")),
        )?;
        let config = json!({
            "mode": "record", "url": url, "rtspTransport": "tcp",
            "retainBytes": 1_u64 << 40, "flushIfSec": 10,
        });
        change.execute(
            "INSERT INTO stream (camera_id, sample_file_dir_id, type, config, cum_recordings,
                                 cum_media_duration_90k, cum_runs)
             VALUES (?, 1, 'main', ?, 0, 0, 0)",
            (number, config.to_string()),
        )?;
    }
    change.commit()?;
    Ok(())
}

/// Differs for each number; nobody asks for more.
fn uuid(number: u32) -> Vec<u8> {
    [[0x5a; 12].as_slice(), &number.to_be_bytes()].concat()
}

/// Files of samples with something in them.
fn sample_files(folder: &Path) -> Result<usize> {
    let mut found = 0;
    for entry in std::fs::read_dir(folder).context("list the samples")? {
        let entry = entry.context("list the samples")?;
        let is_mark = entry.file_name() == "meta";
        found += usize::from(!is_mark && entry.metadata().is_ok_and(|data| data.len() > 0));
    }
    Ok(found)
}
