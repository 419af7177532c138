//! One viewer: what waits for it, and the times it is told.
//!
//! One that does not keep up loses what it has not fetched but the newest group, and is told. Its
//! parts are numbered anew from 0 without holes, so a player never finds a gap it would stop at.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use sealgate_recorder_link::LiveFrame;
use tokio::sync::Notify;

use crate::boxes::TIMESCALE;
use crate::format::InitSegment;
use crate::part::{Part, ms};

/// A viewer with more than this waiting skips to the newest IDR.
const LAGGING_90K: u64 = 3 * TIMESCALE as u64;
/// A viewer with more waiting after that loses all of it until the next IDR.
const MAX_QUEUED_90K: u64 = 30 * TIMESCALE as u64;
const MAX_QUEUED_BYTES: usize = 8 * 1024 * 1024;
/// The same: a camera may well say that a thousand pictures last no time.
const MAX_QUEUED_PARTS: usize = 2048;
/// Sound follows its pictures only where they are moved by more than this: their times are told
/// before they are certain, and sound would be cut by what is put right.
const SOUND_JITTER_90K: u128 = TIMESCALE as u128 / 8;

/// What one viewer has not fetched yet.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<QueueState>,
    changed: Notify,
}

#[derive(Debug)]
struct QueueState {
    init: Option<Arc<InitSegment>>,
    parts: VecDeque<Arc<Part>>,
    bytes: usize,
    duration_90k: u64,
    needs_idr: bool,
    /// What comes before the queue is being read from the disk.
    awaits_group: bool,
    /// Left out since the viewer was told so.
    skipped_90k: u64,
    closed: bool,
}

impl Default for QueueState {
    fn default() -> Self {
        Self {
            init: None,
            parts: VecDeque::new(),
            bytes: 0,
            duration_90k: 0,
            needs_idr: true,
            awaits_group: false,
            skipped_90k: 0,
            closed: false,
        }
    }
}

impl Queue {
    pub(crate) fn push_init(&self, init: &Arc<InitSegment>) {
        let mut state = lock(&self.state);
        // What waits was made for the former format.
        state.clear();
        state.init = Some(Arc::clone(init));
        self.changed.notify_one();
    }

    pub(crate) fn push_part(&self, part: &Arc<Part>) {
        let mut state = lock(&self.state);
        if state.needs_idr && !part.starts_with_idr {
            if state.skipped_90k > 0 {
                state.skipped_90k += part.duration_90k;
            }
            return;
        }
        state.needs_idr = false;
        state.bytes += part.len();
        state.duration_90k += part.duration_90k;
        state.parts.push_back(Arc::clone(part));
        if state.duration_90k > LAGGING_90K {
            state.skip_to_newest_idr();
        }
        if state.duration_90k > MAX_QUEUED_90K
            || state.bytes > MAX_QUEUED_BYTES
            || state.parts.len() > MAX_QUEUED_PARTS
        {
            state.skipped_90k += state.duration_90k.max(1);
            state.clear();
        }
        self.changed.notify_one();
    }

    pub(crate) fn await_idr(&self) {
        let mut state = lock(&self.state);
        state.needs_idr = true;
        if state.awaits_group {
            state.clear();
        }
    }

    pub(crate) fn await_group(&self) {
        let mut state = lock(&self.state);
        state.awaits_group = true;
        state.needs_idr = false;
    }

    fn give_group(&self, group: Option<Vec<Part>>) {
        let mut state = lock(&self.state);
        if !std::mem::take(&mut state.awaits_group) {
            return;
        }
        if let Some(group) = group {
            for part in group.into_iter().rev() {
                state.bytes += part.len();
                state.duration_90k += part.duration_90k;
                state.parts.push_front(Arc::new(part));
            }
        } else if state.parts.iter().any(|part| part.starts_with_idr) {
            state.skip_to_newest_idr();
        } else {
            state.clear();
        }
        self.changed.notify_one();
    }

    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
        self.changed.notify_one();
    }
}

impl QueueState {
    fn clear(&mut self) {
        self.parts.clear();
        self.bytes = 0;
        self.duration_90k = 0;
        self.needs_idr = true;
        self.awaits_group = false;
    }

    fn skip_to_newest_idr(&mut self) {
        let newest = self.parts.iter().rposition(|part| part.starts_with_idr);
        if let Some(newest) = newest.filter(|newest| *newest > 0) {
            self.awaits_group = false;
            for _ in 0..newest {
                if let Some(part) = self.pop() {
                    self.skipped_90k += part.duration_90k;
                }
            }
        }
    }

    fn pop(&mut self) -> Option<Arc<Part>> {
        let part = self.parts.pop_front()?;
        self.bytes -= part.len();
        self.duration_90k -= part.duration_90k;
        Some(part)
    }
}

/// One viewer's end. Dropping it makes room for another.
#[derive(Debug)]
pub struct Viewer {
    queue: Arc<Queue>,
    next_time_90k: u64,
    /// What is added to the times of sound: what was added to the pictures', but steady.
    sound_shift_90k: Option<i128>,
    /// How much later than its pictures it has to be, as nothing is before 0.
    sound_late_90k: i128,
    /// Where the sound of the last part ended, or at least began.
    sound_end_90k: u64,
    missing: Option<u32>,
}

impl Viewer {
    pub(crate) fn new(queue: Arc<Queue>, missing: Option<u32>) -> Self {
        Self {
            queue,
            next_time_90k: 0,
            sound_shift_90k: None,
            sound_late_90k: 0,
            sound_end_90k: 0,
            missing,
        }
    }

    /// The sequence number of the newest part before what this viewer gets: someone must
    /// [give it](Self::give_group) that part's group.
    pub fn missing(&self) -> Option<u32> {
        self.missing
    }

    /// The group up to the [missing](Self::missing) part; without it the viewer waits for the next
    /// IDR.
    pub fn give_group(&mut self, group: Option<Vec<Part>>) {
        self.missing = None;
        self.queue.give_group(group);
    }

    /// The next frame, or `None` when the camera is no longer desired. Safe to cancel.
    pub async fn next(&mut self) -> Option<LiveFrame> {
        loop {
            if let Some(frame) = self.take() {
                return frame;
            }
            self.queue.changed.notified().await;
        }
    }

    /// `None`: nothing yet; `Some(None)`: the end.
    fn take(&mut self) -> Option<Option<LiveFrame>> {
        let part = {
            let mut state = lock(&self.queue.state);
            if state.closed {
                return Some(None);
            }
            if let Some(init) = state.init.take() {
                return Some(Some(LiveFrame::Init {
                    mime_type: init.mime_type(),
                    bytes: init.bytes.clone(),
                }));
            }
            if state.awaits_group || state.parts.is_empty() {
                return None;
            }
            let skipped_ms = ms(std::mem::take(&mut state.skipped_90k));
            if skipped_ms > 0 {
                return Some(Some(LiveFrame::Skipped { ms: skipped_ms }));
            }
            state.pop()?
        };
        let mut bytes = BytesMut::with_capacity(part.len());
        bytes.extend_from_slice(&self.head(&part));
        for piece in part.media() {
            bytes.extend_from_slice(piece);
        }
        self.next_time_90k += part.duration_90k;
        Some(Some(LiveFrame::Part {
            bytes: bytes.freeze(),
            starts_with_idr: part.starts_with_idr,
            utc_ms: part.utc_ms,
        }))
    }

    /// The part's header on this viewer's timeline. Its sound never goes back, nor jumps by little.
    fn head(&mut self, part: &Part) -> BytesMut {
        let mut head = part.head_at(self.next_time_90k);
        if let Some(own_90k) = part.sound_time_at(part.decode_time_90k) {
            let shift = i128::from(self.next_time_90k) - i128::from(part.decode_time_90k);
            let wanted = shift + self.sound_late_90k;
            let mut shift = match self.sound_shift_90k {
                Some(former) if former.abs_diff(wanted) <= SOUND_JITTER_90K => former,
                _ => wanted,
            };
            // The first frame may have begun before the first picture of all: all sound is then
            // as late as this one has to be.
            let early = -(i128::from(own_90k) + shift);
            if early > 0 {
                self.sound_late_90k += early;
                shift += early;
            }
            self.sound_shift_90k = Some(shift);
            let time_90k = u64::try_from(i128::from(own_90k) + shift).unwrap_or(0);
            let time_90k = time_90k.max(self.sound_end_90k);
            part.set_sound_time(&mut head, time_90k);
            let duration_90k = part.sound_duration_90k().unwrap_or(0);
            self.sound_end_90k = time_90k.saturating_add(duration_90k);
        }
        head
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code that could panic runs under this lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
