//! `scripts/bench record`: what recording many cameras costs, beside others that record the
//! same cameras, one after another on the same file system.

mod cameras;
mod moonfire;
mod peers;
mod recorded;
mod usage;

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use self::cameras::Cameras;
use self::moonfire::Moonfire;
use self::peers::{Ffmpeg, Foreign, MediaMtx, Ours};
use self::recorded::Recorded;
use self::usage::Usage;
use super::{Figure, Goal};

/// Pictures before the counted time: every session is up and every cache is warm.
const WARM_UP: Duration = Duration::from_secs(10);

/// Who else records, where a path to its program is given.
#[derive(Debug, Clone)]
pub enum PeerPath {
    /// MediaMTX.
    MediaMtx(PathBuf),
    /// Moonfire NVR.
    Moonfire(PathBuf),
}

impl FromStr for PeerPath {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, path) = text.split_once('=').context("write NAME=PATH")?;
        match name {
            "mediamtx" => Ok(Self::MediaMtx(path.into())),
            "moonfire" => Ok(Self::Moonfire(path.into())),
            _ => {
                anyhow::bail!("'{name}' is no peer of this bench; there are mediamtx and moonfire")
            }
        }
    }
}

/// What is measured.
#[derive(Debug, Clone)]
pub struct RecordOptions {
    /// How many cameras.
    pub cameras: u16,
    /// The counted time, seconds.
    pub seconds: u64,
    /// Whom besides ffmpeg.
    pub peers: Vec<PeerPath>,
}

/// What one recorder did in the counted time.
struct Measured {
    usage: Usage,
    recorded: Recorded,
}

/// All figures of recording.
///
/// # Errors
/// A recorder does not start, or does not record every camera.
pub fn record(options: &RecordOptions) -> Result<Vec<Figure>> {
    // Where the recordings of a checkout may go: /tmp is often memory.
    std::fs::create_dir_all("build").context("create the folder build")?;
    let folder = tempfile::tempdir_in("build").context("create a folder in build")?;
    let cameras = Cameras::start(folder.path(), options.cameras)?;
    let ours = measure(
        &Ours::start(&folder.path().join("ours"), &cameras)?,
        &cameras,
        options,
    )?;
    let ffmpeg = measure(
        &Ffmpeg::start(&folder.path().join("ffmpeg"), &cameras)?,
        &cameras,
        options,
    )?;
    let mut figures = own_figures(&ours, &cameras, options);
    beside(
        &mut figures,
        "ffmpeg -c copy",
        &ours,
        &ffmpeg,
        Goals::FFMPEG,
    );
    for peer in &options.peers {
        match peer {
            PeerPath::MediaMtx(program) => {
                let peer = MediaMtx::start(program, &folder.path().join("mediamtx"), &cameras)?;
                let peer = measure(&peer, &cameras, options)?;
                beside(&mut figures, "MediaMTX", &ours, &peer, Goals::NONE);
            }
            PeerPath::Moonfire(program) => {
                let peer = Moonfire::start(program, &folder.path().join("moonfire"), &cameras)?;
                let peer = measure(&peer, &cameras, options)?;
                beside(&mut figures, "Moonfire NVR", &ours, &peer, Goals::MOONFIRE);
            }
        }
    }
    Ok(figures)
}

fn measure(recorder: &dyn Foreign, cameras: &Cameras, options: &RecordOptions) -> Result<Measured> {
    let name = recorder.name();
    eprintln!("{name}: {} cameras, {} s", cameras.count(), options.seconds);
    recorder.await_recording()?;
    usage::pause(WARM_UP);
    let usage = Usage::over(&recorder.processes(), Duration::from_secs(options.seconds))?;
    let folder = recorder.folder().to_owned();
    recorder.stop()?;
    let recorded = recorder.recorded()?;
    ensure!(
        recorded.files == u64::from(cameras.count()),
        "{name} made {} files of {} cameras",
        recorded.files,
        cameras.count()
    );
    let expected = u64::from(cameras.count()) * options.seconds * u64::from(cameras::FPS);
    ensure!(
        recorded.pictures >= expected,
        "{name} recorded {} of at least {expected} pictures",
        recorded.pictures
    );
    std::fs::remove_dir_all(&folder).context("delete the recordings")?;
    Ok(Measured { usage, recorded })
}

fn own_figures(ours: &Measured, cameras: &Cameras, options: &RecordOptions) -> Vec<Figure> {
    let memory = match options.cameras {
        ..=64 => Goal::AtMost(48.0),
        65..=128 => Goal::AtMost(80.0),
        _ => Goal::None,
    };
    let to_source = ours.recorded.bytes_per_picture() / cameras.bytes_per_picture();
    vec![
        Figure::new(
            "record.cpu",
            ours.usage.cpu_percent,
            "% of a core",
            Goal::None,
        ),
        Figure::new("record.rss", ours.usage.rss_mb, "MB", memory),
        Figure::new("record.pss", ours.usage.pss_mb, "MB", memory),
        Figure::new(
            "record.lost_pictures",
            ours.recorded.lost,
            "of all",
            Goal::AtMost(0.0),
        ),
        Figure::new(
            "record.bytes_least",
            to_source,
            "of the source",
            Goal::AtLeast(0.98),
        ),
        Figure::new(
            "record.bytes_most",
            to_source,
            "of the source",
            Goal::AtMost(1.02),
        ),
    ]
}

/// Goals of ours over a peer's.
struct Goals {
    cpu: Goal,
    pss: Goal,
}

impl Goals {
    const FFMPEG: Self = Self {
        cpu: Goal::AtMost(0.28),
        pss: Goal::AtMost(1.0 / 18.0),
    };
    const MOONFIRE: Self = Self {
        cpu: Goal::AtMost(0.85),
        pss: Goal::None,
    };
    const NONE: Self = Self {
        cpu: Goal::None,
        pss: Goal::None,
    };
}

fn beside(
    figures: &mut Vec<Figure>,
    peer: &'static str,
    ours: &Measured,
    theirs: &Measured,
    goals: Goals,
) {
    for (name, goal, our_value, value) in [
        (
            "record.cpu_ratio",
            goals.cpu,
            ours.usage.cpu_percent,
            theirs.usage.cpu_percent,
        ),
        (
            "record.pss_ratio",
            goals.pss,
            ours.usage.pss_mb,
            theirs.usage.pss_mb,
        ),
    ] {
        let mut figure = Figure::new(name, our_value / value, "of the peer's", goal);
        figure.peer = Some(peer);
        figure.peer_value = Some(value);
        figure.ratio = Some(our_value / value);
        figures.push(figure);
    }
    figures.push(
        Figure::new(
            "record.lost_pictures_beside",
            ours.recorded.lost,
            "of all",
            Goal::None,
        )
        .beside(peer, Some(theirs.recorded.lost)),
    );
}
