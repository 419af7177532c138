//! One progressive MP4 of a camera's recordings between two moments, and pictures of moments.
//!
//! Two passes over the files: the first reads their headers and tells the length, the second
//! sends the media as it lies in them. The files are kept from being deleted meanwhile.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use sealgate_camera::CameraId;
use sealgate_recorder_link::{ExportInfo, RecorderRefusal, Span};
use tokio::sync::mpsc;

use crate::disks::Pin;
use crate::fragments::{Fragment, Recorded, Retimer, Run, Track};
use crate::index::Found;
use crate::movie::{Movie, Shown};
use crate::playback::{OpenRecording, ticks_ms};
use crate::recorder::Recorder;

/// Samples of an export at most: a day of 25 pictures a second with audio, and 30 MByte of
/// tables.
const MAX_SAMPLES: usize = 4_000_000;
/// Recordings of an export at most.
const MAX_FILES: usize = 5000;
/// Two parts further apart are two spans.
const SAME_SPAN_MS: i64 = 1500;
/// How long the one picture of a still is shown.
const STILL_MS: u64 = 1000;
/// Bytes read at once.
const PIECE_BYTES: usize = 256 * 1024;

/// A file that is about to be sent.
pub struct Export {
    /// What is in it.
    pub info: ExportInfo,
    header: Bytes,
    extents: Vec<Extent>,
    _pins: Vec<Pin>,
}

/// Media in one recording; neighbours are joined.
struct Extent {
    path: Arc<PathBuf>,
    from: u64,
    length: u64,
}

/// A picture of a moment.
pub struct Still {
    /// When it arrived, milliseconds since the Unix epoch.
    pub utc_ms: i64,
    /// An MP4 file of one picture.
    pub file: Vec<u8>,
}

impl Recorder {
    /// The export of what was recorded between two moments. Reads the disk: call it where
    /// blocking is allowed.
    ///
    /// # Errors
    /// Nothing was recorded then, or too much for one file.
    pub fn export(
        &self,
        camera: CameraId,
        from_utc_ms: i64,
        to_utc_ms: i64,
    ) -> Result<Export, RecorderRefusal> {
        let nothing = || RecorderRefusal::NothingRecorded { camera };
        let range = Span {
            start_utc_ms: from_utc_ms,
            end_utc_ms: to_utc_ms,
        };
        let readable = self.disks.readable();
        let found =
            self.ask_index(|index| index.between(&readable, camera, from_utc_ms, to_utc_ms))?;
        if found.len() > MAX_FILES {
            return Err(RecorderRefusal::TooLong);
        }
        // Files may overlap by some milliseconds: the newest that has begun by then is the first.
        let begun = |found: &Found| found.recording.start_utc_ms <= from_utc_ms;
        let first = found.iter().rposition(begun).unwrap_or(0);
        let mut plan: Option<Planned> = None;
        let mut pins = Vec::new();
        for found in found.into_iter().skip(first) {
            let disk = found.disk;
            let Some(mut open) = self.open_found(found) else {
                continue;
            };
            let plan = plan.get_or_insert_with(|| Planned::new(&open, range));
            if open.recorded.init != plan.init {
                let start_utc_ms = open.recording.start_utc_ms;
                plan.continues_utc_ms = Some(start_utc_ms.max(from_utc_ms));
                break;
            }
            let Some(place) = self.disks.find(disk) else {
                continue;
            };
            let path = Arc::new(place.disk.folder().join(&open.recording.file));
            open.recorded.read_ahead();
            if let Err(error) = plan.add_file(&mut open, &path) {
                tracing::warn!(%error, path = %path.display(), "an export leaves out the rest of a file");
            }
            if plan.movie.samples() > MAX_SAMPLES {
                return Err(RecorderRefusal::TooLong);
            }
            pins.push(open.into_pin());
        }
        let plan = plan.filter(|plan| !plan.extents.is_empty());
        Ok(plan.ok_or_else(nothing)?.finish(pins))
    }

    /// The key frame at or before a moment. Reads the disk: call it where blocking is allowed.
    ///
    /// # Errors
    /// Nothing was recorded then.
    pub fn still(&self, camera: CameraId, at_utc_ms: i64) -> Result<Still, RecorderRefusal> {
        let nothing = || RecorderRefusal::NothingRecorded { camera };
        let open = self.recording_at(camera, at_utc_ms)?;
        let mut open = open.ok_or_else(nothing)?;
        match still_of(&mut open, at_utc_ms) {
            Ok(still) => still.ok_or_else(nothing),
            Err(error) => {
                tracing::warn!(%error, file = open.recording.file, "no picture can be taken of a recording");
                Err(nothing())
            }
        }
    }
}

/// An export as far as its files were read.
struct Planned {
    init: Bytes,
    movie: Movie,
    retimer: Retimer,
    range: Span,
    /// The group of the range's start, until it is reached.
    group: Vec<(Fragment, i64)>,
    /// When the first picture in the file arrived.
    first_utc_ms: Option<i64>,
    spans: Vec<Span>,
    extents: Vec<Extent>,
    continues_utc_ms: Option<i64>,
}

impl Planned {
    fn new(open: &OpenRecording, range: Span) -> Self {
        Self {
            init: open.recorded.init.clone(),
            movie: Movie::new(&open.recorded.tracks),
            retimer: Retimer::default(),
            range,
            group: Vec::new(),
            first_utc_ms: None,
            spans: Vec::new(),
            extents: Vec::new(),
            continues_utc_ms: None,
        }
    }

    fn add_file(&mut self, open: &mut OpenRecording, path: &Arc<PathBuf>) -> io::Result<()> {
        self.retimer.start_file();
        self.group.clear();
        while let Some(fragment) = open.recorded.next_fragment()? {
            let utc_ms = open.utc_ms(&fragment);
            let tracks = &open.recorded.tracks;
            if utc_ms >= self.range.end_utc_ms {
                break;
            }
            if utc_ms <= self.range.start_utc_ms {
                if fragment.starts_with_idr(tracks) {
                    self.group.clear();
                }
                self.group.push((fragment, utc_ms));
                continue;
            }
            self.take_group(tracks, path);
            self.add(&fragment, utc_ms, tracks, path);
        }
        let reaches = |(fragment, utc_ms): &(Fragment, i64)| {
            let tracks = &open.recorded.tracks;
            utc_ms + video_ms(fragment, tracks) > self.range.start_utc_ms
        };
        if self.group.last().is_some_and(reaches) {
            self.take_group(&open.recorded.tracks, path);
        }
        Ok(())
    }

    fn take_group(&mut self, tracks: &[Track], path: &Arc<PathBuf>) {
        for (fragment, utc_ms) in std::mem::take(&mut self.group) {
            self.add(&fragment, utc_ms, tracks, path);
        }
    }

    fn add(&mut self, fragment: &Fragment, utc_ms: i64, tracks: &[Track], path: &Arc<PathBuf>) {
        let shifts = self.retimer.shifts(fragment, tracks);
        self.movie.add(fragment, &shifts);
        self.first_utc_ms.get_or_insert(utc_ms);
        let span = Span {
            start_utc_ms: utc_ms,
            end_utc_ms: utc_ms + video_ms(fragment, tracks),
        };
        match self.spans.last_mut() {
            Some(last) if (span.start_utc_ms - last.end_utc_ms).abs() <= SAME_SPAN_MS => {
                last.end_utc_ms = span.end_utc_ms;
            }
            _ => self.spans.push(span),
        }
        match self.extents.last_mut() {
            Some(last)
                if Arc::ptr_eq(&last.path, path)
                    && last.from + last.length == fragment.media_at =>
            {
                last.length += fragment.media_bytes;
            }
            _ => self.extents.push(Extent {
                path: Arc::clone(path),
                from: fragment.media_at,
                length: fragment.media_bytes,
            }),
        }
    }

    fn finish(mut self, pins: Vec<Pin>) -> Export {
        let first_utc_ms = self.first_utc_ms.unwrap_or(self.range.start_utc_ms);
        let skipped = self.range.start_utc_ms.saturating_sub(first_utc_ms);
        let from_ms = u64::try_from(skipped).unwrap_or(0);
        let last_utc_ms = self
            .spans
            .last()
            .map_or(first_utc_ms, |span| span.end_utc_ms);
        let beyond = last_utc_ms.saturating_sub(self.range.end_utc_ms);
        let beyond_ms = u64::try_from(beyond).unwrap_or(0);
        let duration_ms = self.movie.duration_ms().saturating_sub(from_ms + beyond_ms);
        for span in &mut self.spans {
            span.start_utc_ms = span.start_utc_ms.max(self.range.start_utc_ms);
            span.end_utc_ms = span.end_utc_ms.min(self.range.end_utc_ms);
        }
        let shown = Shown {
            from_ms,
            duration_ms,
        };
        let created = first_utc_ms.max(self.range.start_utc_ms);
        let header: Bytes = self.movie.header(created, shown).into();
        let header_bytes = u64::try_from(header.len()).unwrap_or(u64::MAX);
        Export {
            info: ExportInfo {
                size_bytes: header_bytes + self.movie.media_bytes(),
                spans: self.spans,
                continues_utc_ms: self.continues_utc_ms,
            },
            header,
            extents: self.extents,
            _pins: pins,
        }
    }
}

impl Export {
    /// Sends the file's bytes, as fast as they are taken. Blocks; ends early if nobody takes
    /// them any more.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn send(self, pieces: &mpsc::Sender<Bytes>) -> io::Result<()> {
        for piece in self.header.chunks(PIECE_BYTES) {
            if pieces.blocking_send(self.header.slice_ref(piece)).is_err() {
                return Ok(());
            }
        }
        for extent in self.extents {
            let mut file = File::open(&*extent.path)?;
            file.seek(SeekFrom::Start(extent.from))?;
            let mut left = extent.length;
            while left > 0 {
                let length = usize::try_from(left)
                    .unwrap_or(PIECE_BYTES)
                    .min(PIECE_BYTES);
                let mut piece = BytesMut::zeroed(length);
                file.read_exact(&mut piece)?;
                left -= u64::try_from(length).unwrap_or(left);
                if pieces.blocking_send(piece.freeze()).is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

fn video_ms(fragment: &Fragment, tracks: &[Track]) -> i64 {
    let video = fragment.video(tracks);
    video.map_or(0, |run| ticks_ms(run.duration(), &tracks[run.track]))
}

fn still_of(open: &mut OpenRecording, at_utc_ms: i64) -> io::Result<Option<Still>> {
    let mut newest = None;
    while let Some(fragment) = open.recorded.next_fragment()? {
        let utc_ms = open.utc_ms(&fragment);
        // What begins after the moment is taken only where nothing else is.
        if utc_ms > at_utc_ms && newest.is_some() {
            break;
        }
        if fragment.starts_with_idr(&open.recorded.tracks) {
            newest = Some((fragment, utc_ms));
        }
    }
    let Some((fragment, utc_ms)) = newest else {
        return Ok(None);
    };
    let file = still_file(&mut open.recorded, &fragment, utc_ms)?;
    Ok(file.map(|file| Still { utc_ms, file }))
}

/// The part's first picture, alone.
fn still_file(
    recorded: &mut Recorded,
    fragment: &Fragment,
    utc_ms: i64,
) -> io::Result<Option<Vec<u8>>> {
    let Some(video) = fragment.video(&recorded.tracks) else {
        return Ok(None);
    };
    let track = &recorded.tracks[video.track];
    let mut sample = video.samples[0];
    sample.duration = track.timescale;
    let picture_at = fragment.media_at + video.offset;
    let alone = Fragment {
        moof: Vec::new(),
        decode_times: Vec::new(),
        media_at: picture_at,
        media_bytes: sample.size.into(),
        runs: vec![Run {
            track: 0,
            decode_time: 0,
            offset: 0,
            samples: vec![sample],
        }],
    };
    let mut movie = Movie::new(std::slice::from_ref(track));
    movie.add(&alone, &[0]);
    let shown = Shown {
        from_ms: 0,
        duration_ms: STILL_MS,
    };
    let mut file = movie.header(utc_ms, shown);
    file.extend_from_slice(&recorded.read(picture_at, alone.media_bytes)?);
    Ok(Some(file))
}
