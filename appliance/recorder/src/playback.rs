//! Recorded video for a player: parts from the key frame at or before a moment, across files
//! and changes of format, as fast as they are taken.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealgate_camera::CameraId;
use sealgate_recorder_link::{LiveFrame, RecorderRefusal, Recording};
use tokio::sync::mpsc;

use crate::codecs;
use crate::disks::Pin;
use crate::fragments::{Fragment, Recorded, Retimer, Track};
use crate::index::Found;
use crate::part;
use crate::recorder::Recorder;
use crate::scan;

/// Frames that are read before the player has taken the former: about two seconds.
const READ_AHEAD: usize = 4;

/// A recording that is open for reading, and not deleted meanwhile.
pub struct OpenRecording {
    /// As the index has it, with what has grown since.
    pub recording: Recording,
    /// Its parts.
    pub recorded: Recorded,
    path: PathBuf,
    pin: Pin,
}

impl OpenRecording {
    /// Closes it; it is not deleted until the pin is dropped.
    pub fn into_pin(self) -> Pin {
        self.pin
    }

    /// When the first picture of a part arrived, milliseconds since the Unix epoch.
    pub fn utc_ms(&self, fragment: &Fragment) -> i64 {
        let tracks = &self.recorded.tracks;
        let Some(video) = fragment.video(tracks) else {
            return self.recording.start_utc_ms;
        };
        let ms = ticks_ms(video.decode_time, &tracks[video.track]);
        self.recording.start_utc_ms.saturating_add(ms)
    }
}

/// Ticks of a track as milliseconds.
pub fn ticks_ms(ticks: u64, track: &Track) -> i64 {
    let ms = u128::from(ticks) * 1000 / u128::from(track.timescale);
    i64::try_from(ms).unwrap_or(i64::MAX)
}

impl Recorder {
    /// Opens what the index found; `None` if it is gone or damaged.
    pub(crate) fn open_found(&self, found: Found) -> Option<OpenRecording> {
        let Found {
            disk,
            mut recording,
        } = found;
        let place = self.disks.find(disk)?;
        let file = (disk, recording.file.clone());
        let pin = self.disks.pin(std::iter::once(file));
        let path = place.disk.folder().join(&recording.file);
        let opened = self.refresh(&mut recording, &path);
        match opened.and_then(|()| Recorded::open(&path, recording.size_bytes)) {
            Ok(recorded) => Some(OpenRecording {
                recording,
                recorded,
                path,
                pin,
            }),
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "a recording can't be read");
                None
            }
        }
    }

    /// Sees how far a recording that was growing has come, or where it ended.
    fn refresh(&self, recording: &mut Recording, path: &Path) -> io::Result<()> {
        if recording.growing && !self.see_growing(recording) {
            let outline = scan::outline(path).map_err(io::Error::other)?;
            recording.growing = false;
            recording.duration_ms = part::ms(outline.duration_90k);
            recording.size_bytes = outline.good_bytes;
        }
        Ok(())
    }

    /// The recording that holds this moment or else the next after it.
    pub(crate) fn recording_at(
        &self,
        camera: CameraId,
        utc_ms: i64,
    ) -> Result<Option<OpenRecording>, RecorderRefusal> {
        let readable = self.disks.readable();
        let before = self.ask_index(|index| index.at_or_before(&readable, camera, utc_ms))?;
        if let Some(found) = before
            && let Some(open) = self.open_found(found)
            && end_utc_ms(&open.recording) > utc_ms
        {
            return Ok(Some(open));
        }
        self.recording_after(camera, utc_ms)
    }

    /// The first readable recording that begins after this moment.
    pub(crate) fn recording_after(
        &self,
        camera: CameraId,
        mut utc_ms: i64,
    ) -> Result<Option<OpenRecording>, RecorderRefusal> {
        let readable = self.disks.readable();
        while let Some(found) = self.ask_index(|index| index.after(&readable, camera, utc_ms))? {
            utc_ms = found.recording.start_utc_ms;
            let open = self.open_found(found);
            if open.is_some() {
                return Ok(open);
            }
        }
        Ok(None)
    }

    /// Recorded video from the key frame at or before this moment. Reads the disk: call it where
    /// blocking is allowed. The frames come from a thread of their own, which ends when the
    /// receiver is dropped.
    ///
    /// # Errors
    /// Nothing is recorded at or after that moment.
    pub fn play(
        self: &Arc<Self>,
        camera: CameraId,
        from_utc_ms: i64,
    ) -> Result<mpsc::Receiver<LiveFrame>, RecorderRefusal> {
        let first = self.recording_at(camera, from_utc_ms)?;
        let first = first.ok_or(RecorderRefusal::NothingRecorded { camera })?;
        let (frames, receiver) = mpsc::channel(READ_AHEAD);
        let recorder = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let mut player = Player {
                recorder,
                frames,
                retimer: Retimer::default(),
                init: None,
            };
            if let Err(refusal) = player.run(first, from_utc_ms) {
                tracing::warn!(camera_id = %camera, %refusal, "playback ended early");
            }
        });
        Ok(receiver)
    }
}

/// When a recording ends, milliseconds since the Unix epoch.
pub fn end_utc_ms(recording: &Recording) -> i64 {
    let duration_ms = i64::try_from(recording.duration_ms).unwrap_or(i64::MAX);
    recording.start_utc_ms.saturating_add(duration_ms)
}

struct Player {
    recorder: Arc<Recorder>,
    frames: mpsc::Sender<LiveFrame>,
    retimer: Retimer,
    init: Option<bytes::Bytes>,
}

impl Player {
    fn run(&mut self, first: OpenRecording, from_utc_ms: i64) -> Result<(), RecorderRefusal> {
        let mut next = Some(first);
        let mut from_utc_ms = Some(from_utc_ms);
        while let Some(mut open) = next {
            self.retimer.start_file();
            match self.play_file(&mut open, from_utc_ms.take()) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                // The rest of a damaged file is left out.
                Err(error) => tracing::warn!(%error, file = open.recording.file, "not played"),
            }
            let Recording {
                camera,
                start_utc_ms,
                ..
            } = open.recording;
            next = self.recorder.recording_after(camera, start_utc_ms)?;
        }
        Ok(())
    }

    /// False once nobody takes any more.
    fn play_file(
        &mut self,
        open: &mut OpenRecording,
        from_utc_ms: Option<i64>,
    ) -> io::Result<bool> {
        // The group of the moment that is asked for, until it is reached.
        let mut group: Vec<Fragment> = Vec::new();
        let mut seeking = from_utc_ms;
        loop {
            let Some(fragment) = open.recorded.next_fragment()? else {
                let before = open.recording.size_bytes;
                self.recorder.refresh(&mut open.recording, &open.path)?;
                open.recorded.grow_to(open.recording.size_bytes);
                if open.recording.size_bytes == before {
                    break;
                }
                continue;
            };
            match seeking {
                Some(from) if open.utc_ms(&fragment) <= from => {
                    if fragment.starts_with_idr(&open.recorded.tracks) {
                        group.clear();
                    }
                    group.push(fragment);
                }
                _ => {
                    seeking = None;
                    group.push(fragment);
                    for fragment in group.drain(..) {
                        if !self.show(open, fragment)? {
                            return Ok(false);
                        }
                    }
                }
            }
        }
        for fragment in group {
            if !self.show(open, fragment)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn show(&mut self, open: &mut OpenRecording, fragment: Fragment) -> io::Result<bool> {
        let utc_ms = open.utc_ms(&fragment);
        let recorded = &mut open.recorded;
        if self.init.as_ref() != Some(&recorded.init) {
            self.init = Some(recorded.init.clone());
            let init = LiveFrame::Init {
                mime_type: codecs::mime_type(&recorded.tracks),
                bytes: recorded.init.clone(),
            };
            if self.frames.blocking_send(init).is_err() {
                return Ok(false);
            }
        }
        let media = recorded.read(fragment.media_at - 8, fragment.media_bytes + 8)?;
        let starts_with_idr = fragment.starts_with_idr(&recorded.tracks);
        let shifts = self.retimer.shifts(&fragment, &recorded.tracks);
        let mut bytes = fragment.moof;
        for (place, track) in fragment.decode_times {
            let time = &mut bytes[place..place + 8];
            let was = u64::from_be_bytes((&*time).try_into().expect("eight bytes"));
            let moved = (i128::from(was) + shifts[track]).max(0);
            let moved = u64::try_from(moved).unwrap_or(u64::MAX);
            time.copy_from_slice(&moved.to_be_bytes());
        }
        bytes.extend_from_slice(&media);
        let part = LiveFrame::Part {
            bytes: bytes.into(),
            starts_with_idr,
            utc_ms,
        };
        Ok(self.frames.blocking_send(part).is_ok())
    }
}
