//! Reads recordings back, fragment by fragment (ISO/IEC 14496-12, 8.8).
//!
//! Takes every form of `tfhd` and `trun` that a recording may have, for any number of tracks;
//! what does not hold together ends the file there, as a torn one does.

use std::fs::File;
use std::io;
use std::path::Path;

use bytes::Bytes;

use crate::box_reader::{
    MAX_HEADER_BYTES, boxes, bytes_at, child, header_at, placed_boxes, u32_at,
};

/// The largest part, with room for a single key frame of the largest size.
pub const MAX_PART_BYTES: u64 = 6 * 1024 * 1024;

/// One track of a recording, as its `moov` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// As in `tkhd` and `tfhd`.
    pub id: u32,
    /// Ticks per second.
    pub timescale: u32,
    /// It holds the pictures.
    pub is_video: bool,
    /// The bodies of these boxes, their version and flags included.
    pub tkhd: Vec<u8>,
    /// The same.
    pub hdlr: Vec<u8>,
    /// The same.
    pub stsd: Vec<u8>,
    /// The whole `vmhd` or `smhd` box.
    pub media_header: Vec<u8>,
    defaults: Defaults,
}

/// What samples have that do not say it themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Defaults {
    duration: u32,
    size: u32,
    flags: u32,
}

/// One picture, or a frame of audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredSample {
    /// Ticks of its track.
    pub duration: u32,
    /// Bytes.
    pub size: u32,
    /// A player can start here.
    pub is_sync: bool,
}

/// Samples of one track that lie one after another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Place of its track in [`Recorded::tracks`].
    pub track: usize,
    /// Of its first sample, ticks of the track.
    pub decode_time: u64,
    /// Its first byte, from the start of the part's media.
    pub offset: u64,
    /// At least one.
    pub samples: Vec<StoredSample>,
}

impl Run {
    /// How long it lasts, ticks of its track.
    pub fn duration(&self) -> u64 {
        self.samples
            .iter()
            .map(|sample| u64::from(sample.duration))
            .sum()
    }

    /// How long it is, bytes.
    pub fn size(&self) -> u64 {
        self.samples
            .iter()
            .map(|sample| u64::from(sample.size))
            .sum()
    }
}

/// One part: its header, and where its media is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// The `moof` box.
    pub moof: Vec<u8>,
    /// Where in it the 64-bit decode time of each `traf` is, with the track's place.
    pub decode_times: Vec<(usize, usize)>,
    /// In order.
    pub runs: Vec<Run>,
    /// First byte of the media in the file.
    pub media_at: u64,
    /// Length of the media, bytes.
    pub media_bytes: u64,
}

impl Fragment {
    /// The run of pictures, if it has any.
    pub fn video(&self, tracks: &[Track]) -> Option<&Run> {
        let is_video = |run: &&Run| tracks.get(run.track).is_some_and(|track| track.is_video);
        self.runs.iter().find(is_video)
    }

    /// A player can start here.
    pub fn starts_with_idr(&self, tracks: &[Track]) -> bool {
        self.video(tracks).is_some_and(|run| run.samples[0].is_sync)
    }
}

/// A recording that is read from its start.
#[derive(Debug)]
pub struct Recorded {
    file: File,
    position: u64,
    /// Nothing beyond is read.
    whole_bytes: u64,
    /// The initialization segment.
    pub init: Bytes,
    /// What it announces.
    pub tracks: Vec<Track>,
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "its boxes do not hold together")
}

impl Recorded {
    /// Opens a recording, of which this much is whole.
    ///
    /// # Errors
    /// It can't be read, or is none.
    pub fn open(path: &Path, whole_bytes: u64) -> io::Result<Self> {
        let mut recorded = Self {
            file: File::open(path)?,
            position: 0,
            whole_bytes,
            init: Bytes::new(),
            tracks: Vec::new(),
        };
        let mut init = Vec::new();
        loop {
            let (kind, length) = recorded.next_box()?.ok_or_else(damaged)?;
            if length > MAX_HEADER_BYTES || !matches!(&kind, b"ftyp" | b"moov") {
                return Err(damaged());
            }
            let bytes = recorded.read(recorded.position, length)?;
            recorded.position += length;
            init.extend_from_slice(&bytes);
            if &kind == b"moov" {
                recorded.tracks = tracks(&bytes[8..]).ok_or_else(damaged)?;
                recorded.init = init.into();
                return Ok(recorded);
            }
        }
    }

    /// More of it is whole now.
    pub fn grow_to(&mut self, whole_bytes: u64) {
        self.whole_bytes = whole_bytes;
    }

    /// Lets the system read the file ahead, as all of its headers are about to be read.
    pub fn read_ahead(&self) {
        // Advice: nothing depends on it.
        let _ = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::WillNeed);
    }

    /// The next part; `None` after the last whole one.
    ///
    /// # Errors
    /// The disk refuses, or the file is damaged here.
    pub fn next_fragment(&mut self) -> io::Result<Option<Fragment>> {
        let mut moof = None;
        while let Some((kind, length)) = self.next_box()? {
            match &kind {
                b"moof" if moof.is_none() && length <= MAX_HEADER_BYTES => {
                    moof = Some((self.position, self.read(self.position, length)?));
                }
                b"mdat" => {
                    let (moof_at, moof) = moof.take().ok_or_else(damaged)?;
                    let media_at = self.position + 8;
                    let mut fragment = Fragment {
                        moof,
                        decode_times: Vec::new(),
                        runs: Vec::new(),
                        media_at,
                        media_bytes: length - 8,
                    };
                    read_moof(&mut fragment, &self.tracks, media_at - moof_at)
                        .filter(|()| length <= MAX_PART_BYTES)
                        .ok_or_else(damaged)?;
                    self.position += length;
                    return Ok(Some(fragment));
                }
                b"prft" | b"emsg" if moof.is_none() => {}
                _ => return Err(damaged()),
            }
            self.position += length;
        }
        if let Some((moof_at, _)) = moof {
            // Its media is not there yet.
            self.position = moof_at;
        }
        Ok(None)
    }

    /// Some bytes of the file.
    ///
    /// # Errors
    /// The disk refuses, or the file is shorter.
    pub fn read(&mut self, position: u64, length: u64) -> io::Result<Vec<u8>> {
        bytes_at(&mut self.file, position, length)
    }

    fn next_box(&mut self) -> io::Result<Option<([u8; 4], u64)>> {
        let header = header_at(&mut self.file, self.position, self.whole_bytes)?;
        let Some((kind, length)) = header else {
            return Ok(None);
        };
        if length < 8 {
            return Err(damaged());
        }
        Ok((self.position + length <= self.whole_bytes).then_some((kind, length)))
    }
}

fn tracks(moov: &[u8]) -> Option<Vec<Track>> {
    let mut found = Vec::new();
    for (_, trak) in boxes(moov).filter(|(kind, _)| kind == b"trak") {
        let tkhd = child(trak, b"tkhd")?;
        let mdia = child(trak, b"mdia")?;
        let (mdhd, hdlr) = (child(mdia, b"mdhd")?, child(mdia, b"hdlr")?);
        let minf = child(mdia, b"minf")?;
        let wide = tkhd.first()? == &1;
        let is_header = |kind: &[u8; 4]| matches!(kind, b"vmhd" | b"smhd");
        let (kind, header) = boxes(minf).find(|(kind, _)| is_header(kind))?;
        let length = u32::try_from(header.len() + 8).ok()?;
        found.push(Track {
            id: u32_at(tkhd, if wide { 20 } else { 12 })?,
            timescale: u32_at(mdhd, if mdhd.first()? == &1 { 20 } else { 12 })
                .filter(|timescale| *timescale > 0)?,
            is_video: hdlr.get(8..12)? == b"vide",
            tkhd: tkhd.to_vec(),
            hdlr: hdlr.to_vec(),
            stsd: child(child(minf, b"stbl")?, b"stsd")?.to_vec(),
            media_header: [&length.to_be_bytes(), &kind[..], header].concat(),
            defaults: Defaults::default(),
        });
    }
    for (_, trex) in boxes(child(moov, b"mvex")?).filter(|(kind, _)| kind == b"trex") {
        let id = u32_at(trex, 4)?;
        if let Some(track) = found.iter_mut().find(|track| track.id == id) {
            track.defaults = Defaults {
                duration: u32_at(trex, 12)?,
                size: u32_at(trex, 16)?,
                flags: u32_at(trex, 20)?,
            };
        }
    }
    found.iter().any(|track| track.is_video).then_some(found)
}

/// Reads the runs; `media_from_moof` bytes lie between the start of `moof` and the media.
fn read_moof(fragment: &mut Fragment, tracks: &[Track], media_from_moof: u64) -> Option<()> {
    let moof = std::mem::take(&mut fragment.moof);
    let mut next_at = media_from_moof;
    let trafs = placed_boxes(moof.get(8..)?).filter(|(kind, ..)| kind == b"traf");
    for (_, traf_at, traf) in trafs {
        let mut tfhd = Fields::of(child(traf, b"tfhd")?)?;
        let id = tfhd.take()?;
        let track = tracks.iter().position(|track| track.id == id)?;
        if tfhd.has(1) {
            return None;
        }
        let mut defaults = tracks[track].defaults;
        tfhd.take_if(2);
        defaults.duration = tfhd.take_if(8).unwrap_or(defaults.duration);
        defaults.size = tfhd.take_if(0x10).unwrap_or(defaults.size);
        defaults.flags = tfhd.take_if(0x20).unwrap_or(defaults.flags);
        let (_, tfdt_at, tfdt) = placed_boxes(traf).find(|(kind, ..)| kind == b"tfdt")?;
        if tfdt.first()? != &1 {
            return None;
        }
        let mut decode_time = u64::from_be_bytes(tfdt.get(4..12)?.try_into().ok()?);
        fragment
            .decode_times
            .push((8 + traf_at + tfdt_at + 4, track));
        for (_, trun) in boxes(traf).filter(|(kind, _)| kind == b"trun") {
            let mut trun = Fields::of(trun)?;
            let count = trun.take()?;
            if let Some(offset) = trun.take_if(1) {
                next_at = u64::from(offset);
            }
            let first_flags = trun.take_if(4);
            let mut samples = Vec::new();
            for number in 0..count {
                let duration = trun.take_if(0x100).unwrap_or(defaults.duration);
                let size = trun.take_if(0x200).unwrap_or(defaults.size);
                let flags = trun.take_if(0x400).unwrap_or(defaults.flags);
                trun.take_if(0x800);
                let flags = first_flags.filter(|_| number == 0).unwrap_or(flags);
                if trun.is_short || samples.len() > 100_000 {
                    return None;
                }
                samples.push(StoredSample {
                    duration,
                    size,
                    is_sync: flags & 0x1_0000 == 0,
                });
            }
            if samples.is_empty() {
                continue;
            }
            let run = Run {
                track,
                decode_time,
                offset: next_at.checked_sub(media_from_moof)?,
                samples,
            };
            if run.offset + run.size() > fragment.media_bytes {
                return None;
            }
            next_at += run.size();
            decode_time = decode_time.checked_add(run.duration())?;
            fragment.runs.push(run);
        }
    }
    fragment.moof = moof;
    Some(())
}

/// The 32-bit fields of a box with flags that say which of them are there.
struct Fields<'a> {
    flags: u32,
    rest: &'a [u8],
    /// A field that should be there was not.
    is_short: bool,
}

impl<'a> Fields<'a> {
    fn of(body: &'a [u8]) -> Option<Self> {
        Some(Self {
            flags: u32_at(body, 0)? & 0xff_ffff,
            rest: &body[4..],
            is_short: false,
        })
    }

    fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    fn take(&mut self) -> Option<u32> {
        let value = u32_at(self.rest, 0);
        self.is_short |= value.is_none();
        self.rest = self.rest.get(4..).unwrap_or_default();
        value
    }

    fn take_if(&mut self, flag: u32) -> Option<u32> {
        if self.has(flag) { self.take() } else { None }
    }
}

/// Gives parts times that go on without holes, whatever file they come from: pictures lead, the
/// other tracks keep their place beside them.
#[derive(Debug, Default)]
pub struct Retimer {
    /// Where the next picture is to be, in ticks of the video track.
    next: u64,
    /// What is added to the video track's times, and the time it expects next.
    shift: Option<(i128, u64)>,
}

impl Retimer {
    /// Another file begins.
    pub fn start_file(&mut self) {
        self.shift = None;
    }

    /// What this part adds to the times of each track, in ticks of the track.
    pub fn shifts(&mut self, fragment: &Fragment, tracks: &[Track]) -> Vec<i128> {
        let Some(video) = fragment.video(tracks) else {
            let shift = self.shift.map_or(0, |(shift, _)| shift);
            return scaled(shift, None, tracks);
        };
        let shift = match self.shift {
            Some((shift, expected)) if expected == video.decode_time => shift,
            _ => i128::from(self.next) - i128::from(video.decode_time),
        };
        let end = video.decode_time.saturating_add(video.duration());
        self.shift = Some((shift, end));
        self.next = u64::try_from(i128::from(end) + shift).unwrap_or(0);
        scaled(shift, Some(video.track), tracks)
    }
}

fn scaled(shift: i128, video: Option<usize>, tracks: &[Track]) -> Vec<i128> {
    let video = video.or_else(|| tracks.iter().position(|track| track.is_video));
    let from = video
        .and_then(|video| tracks.get(video))
        .map_or(1, |track| track.timescale);
    let scale = |track: &Track| shift * i128::from(track.timescale) / i128::from(from);
    tracks.iter().map(scale).collect()
}

#[cfg(test)]
#[path = "fragments_tests.rs"]
mod tests;
