//! Live video: parts for whoever watches, never waiting for any of them.
//!
//! A viewer starts with the current group of pictures, so it shows something at once. The group
//! is kept only while somebody watches; the first viewer gets it from the recording
//! ([`crate::group`]), or waits for the next IDR. One that does not keep up loses what it has not fetched but the newest group; its parts are
//! numbered anew from 0 without holes, so a player never finds a gap it would stop at.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::BytesMut;
use sealgate_recorder_link::LiveFrame;
use tokio::sync::Notify;

use crate::format::InitSegment;
use crate::part::Part;

/// Viewers of one camera at once.
pub const MAX_VIEWERS: usize = 16;
/// A group of pictures beyond this is not kept: a viewer then waits for the next IDR.
const MAX_GROUP_BYTES: usize = 6 * 1024 * 1024;
/// A viewer with more parts waiting skips to the newest IDR: about 4 s.
const LAGGING_PARTS: usize = 8;
/// A viewer with more waiting after that loses all of it until the next IDR.
const MAX_QUEUED_PARTS: usize = 64;
const MAX_QUEUED_BYTES: usize = 8 * 1024 * 1024;

/// One camera's live video.
#[derive(Debug, Default)]
pub struct LiveHub {
    state: Mutex<HubState>,
}

#[derive(Debug, Default)]
struct HubState {
    init: Option<Arc<InitSegment>>,
    group: Vec<Arc<Part>>,
    group_bytes: usize,
    viewers: Vec<Weak<Queue>>,
    /// Of the newest part, if its group goes on.
    newest_sequence: Option<u32>,
    closed: bool,
}

/// There are [`MAX_VIEWERS`] already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the camera has as many viewers as it can serve")]
pub struct TooManyViewers;

impl LiveHub {
    /// Announces the format of all following parts.
    pub fn set_init(&self, init: &Arc<InitSegment>) {
        let mut state = lock(&self.state);
        if state.init.as_ref() == Some(init) {
            return;
        }
        state.init = Some(Arc::clone(init));
        state.forget_group();
        state.each_viewer(|queue| queue.push_init(init));
    }

    /// Hands one part to every viewer.
    pub fn publish(&self, part: &Arc<Part>) {
        let mut state = lock(&self.state);
        state.viewers.retain(|viewer| viewer.strong_count() > 0);
        if part.starts_with_idr || state.viewers.is_empty() {
            state.forget_group();
        }
        state.newest_sequence = Some(part.sequence);
        if state.viewers.is_empty() {
            return;
        }
        let continues = part.starts_with_idr || !state.group.is_empty();
        if continues && state.group_bytes + part.len() <= MAX_GROUP_BYTES {
            state.group_bytes += part.len();
            state.group.push(Arc::clone(part));
        } else {
            state.forget_group();
            state.newest_sequence = Some(part.sequence);
        }
        state.each_viewer(|queue| queue.push_part(part));
    }

    /// The session ended: what it sent is no longer live.
    pub fn forget_group(&self) {
        let mut state = lock(&self.state);
        state.forget_group();
        state.each_viewer(Queue::await_idr);
    }

    /// Ends every viewer's video.
    pub fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        state.each_viewer(Queue::close);
    }

    /// Somebody watches.
    pub fn has_viewers(&self) -> bool {
        let state = lock(&self.state);
        state.viewers.iter().any(|viewer| viewer.strong_count() > 0)
    }

    /// One more viewer.
    ///
    /// # Errors
    /// [`TooManyViewers`].
    pub fn subscribe(&self) -> Result<Viewer, TooManyViewers> {
        let mut state = lock(&self.state);
        state.viewers.retain(|viewer| viewer.strong_count() > 0);
        if state.viewers.len() >= MAX_VIEWERS {
            return Err(TooManyViewers);
        }
        let queue = Arc::new(Queue::default());
        if let Some(init) = &state.init {
            queue.push_init(init);
        }
        for part in &state.group {
            queue.push_part(part);
        }
        let missing = state.newest_sequence.filter(|_| state.group.is_empty());
        if missing.is_some() {
            queue.await_group();
        }
        if state.closed {
            queue.close();
        }
        state.viewers.push(Arc::downgrade(&queue));
        Ok(Viewer {
            queue,
            next_time_90k: 0,
            missing,
        })
    }
}

impl HubState {
    fn forget_group(&mut self) {
        self.group.clear();
        self.group_bytes = 0;
        self.newest_sequence = None;
    }

    fn each_viewer(&mut self, action: impl Fn(&Queue)) {
        self.viewers.retain(|viewer| match viewer.upgrade() {
            Some(queue) => {
                action(&queue);
                true
            }
            None => false,
        });
    }
}

/// What one viewer has not fetched yet.
#[derive(Debug, Default)]
struct Queue {
    state: Mutex<QueueState>,
    changed: Notify,
}

#[derive(Debug)]
struct QueueState {
    init: Option<Arc<InitSegment>>,
    parts: VecDeque<Arc<Part>>,
    bytes: usize,
    needs_idr: bool,
    /// What comes before the queue is being read from the disk.
    awaits_group: bool,
    closed: bool,
}

impl Default for QueueState {
    fn default() -> Self {
        Self {
            init: None,
            parts: VecDeque::new(),
            bytes: 0,
            needs_idr: true,
            awaits_group: false,
            closed: false,
        }
    }
}

impl Queue {
    fn push_init(&self, init: &Arc<InitSegment>) {
        let mut state = lock(&self.state);
        // What waits was made for the former format.
        state.clear();
        state.init = Some(Arc::clone(init));
        self.changed.notify_one();
    }

    fn push_part(&self, part: &Arc<Part>) {
        let mut state = lock(&self.state);
        if state.needs_idr && !part.starts_with_idr {
            return;
        }
        state.needs_idr = false;
        state.bytes += part.len();
        state.parts.push_back(Arc::clone(part));
        if state.parts.len() > LAGGING_PARTS {
            state.skip_to_newest_idr();
        }
        if state.parts.len() > MAX_QUEUED_PARTS || state.bytes > MAX_QUEUED_BYTES {
            state.clear();
        }
        self.changed.notify_one();
    }

    fn await_idr(&self) {
        let mut state = lock(&self.state);
        state.needs_idr = true;
        if state.awaits_group {
            state.clear();
        }
    }

    fn await_group(&self) {
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
                state.parts.push_front(Arc::new(part));
            }
        } else if state.parts.iter().any(|part| part.starts_with_idr) {
            state.skip_to_newest_idr();
        } else {
            state.clear();
        }
        self.changed.notify_one();
    }

    fn close(&self) {
        lock(&self.state).closed = true;
        self.changed.notify_one();
    }
}

impl QueueState {
    fn clear(&mut self) {
        self.parts.clear();
        self.bytes = 0;
        self.needs_idr = true;
        self.awaits_group = false;
    }

    fn skip_to_newest_idr(&mut self) {
        let newest = self.parts.iter().rposition(|part| part.starts_with_idr);
        if let Some(newest) = newest {
            self.awaits_group = false;
            for part in self.parts.drain(..newest) {
                self.bytes -= part.len();
            }
        }
    }
}

/// One viewer's end. Dropping it makes room for another.
#[derive(Debug)]
pub struct Viewer {
    queue: Arc<Queue>,
    next_time_90k: u64,
    missing: Option<u32>,
}

impl Viewer {
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
            if state.awaits_group {
                return None;
            }
            let part = state.parts.pop_front()?;
            state.bytes -= part.len();
            part
        };
        let mut bytes = BytesMut::with_capacity(part.len());
        bytes.extend_from_slice(&part.head_at(self.next_time_90k));
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
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code that could panic runs under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::boxes::DECODE_TIME_OFFSET;
    use crate::format::test_format;
    use crate::part::{PartBuilder, test_picture};

    fn parts(pictures: u64) -> Vec<Arc<Part>> {
        let mut builder = PartBuilder::new();
        (0..=pictures)
            .filter_map(|count| builder.push(test_picture(count, 100)))
            .map(Arc::new)
            .collect()
    }

    fn init() -> Arc<InitSegment> {
        Arc::new(InitSegment::new(test_format()))
    }

    fn next(viewer: &mut Viewer) -> Option<LiveFrame> {
        viewer.next().now_or_never().flatten()
    }

    /// (starts with an IDR, decode time, arrival of the part's first picture), until none waits.
    fn drain(viewer: &mut Viewer) -> Vec<(bool, u64, i64)> {
        std::iter::from_fn(|| next(viewer))
            .map(|frame| match frame {
                LiveFrame::Part {
                    bytes,
                    starts_with_idr,
                    utc_ms,
                } => {
                    let place = DECODE_TIME_OFFSET..DECODE_TIME_OFFSET + 8;
                    let time = u64::from_be_bytes(bytes[place].try_into().unwrap());
                    (starts_with_idr, time, utc_ms - 1_795_000_000_000)
                }
                LiveFrame::Init { .. } => panic!("an unexpected initialization segment"),
            })
            .collect()
    }

    #[test]
    fn starts_at_once_with_the_current_group() {
        let hub = LiveHub::default();
        hub.set_init(&init());
        // Somebody watches already, so the group is kept.
        let _first = hub.subscribe().unwrap();
        for part in &parts(30) {
            hub.publish(part);
        }
        let mut viewer = hub.subscribe().unwrap();
        assert_eq!(viewer.missing(), None);
        let Some(LiveFrame::Init { mime_type, .. }) = next(&mut viewer) else {
            panic!("the initialization segment comes first");
        };
        assert_eq!(mime_type, "video/mp4; codecs=\"avc1.42C01E\"");
        assert_eq!(drain(&mut viewer), [(true, 0, 2000), (false, 45_000, 2500)]);
    }

    /// The first viewer, after seven parts of which two are of the newest group.
    fn first_viewer(hub: &LiveHub, parts: &[Arc<Part>]) -> Viewer {
        hub.set_init(&init());
        for part in &parts[..6] {
            hub.publish(part);
        }
        let mut viewer = hub.subscribe().unwrap();
        assert_eq!(viewer.missing(), Some(6));
        assert!(lock(&hub.state).group.is_empty(), "nobody watched");
        assert!(matches!(next(&mut viewer), Some(LiveFrame::Init { .. })));
        hub.publish(&parts[6]);
        assert_eq!(drain(&mut viewer), [], "the group comes first");
        viewer
    }

    fn own(parts: &[Arc<Part>]) -> Vec<Part> {
        let copy = |part: &Arc<Part>| {
            let mut bytes = part.head_at(part.decode_time_90k).to_vec();
            bytes.extend(part.media().concat());
            Part::parse(bytes.into(), part.utc_ms).unwrap()
        };
        parts.iter().map(copy).collect()
    }

    #[test]
    fn the_first_viewer_gets_the_group_from_elsewhere() {
        let parts = parts(60);
        let hub = LiveHub::default();
        let mut viewer = first_viewer(&hub, &parts);
        viewer.give_group(Some(own(&parts[4..6])));
        assert_eq!(
            drain(&mut viewer),
            [
                (true, 0, 2000),
                (false, 45_000, 2500),
                (false, 90_000, 3000)
            ]
        );
        hub.publish(&parts[7]);
        assert_eq!(drain(&mut viewer), [(false, 135_000, 3500)]);
    }

    #[test]
    fn a_group_that_is_not_found_or_comes_too_late_is_no_hole() {
        let parts = parts(60);
        let hub = LiveHub::default();
        let mut viewer = first_viewer(&hub, &parts);
        viewer.give_group(None);
        hub.publish(&parts[7]);
        assert_eq!(drain(&mut viewer), []);
        hub.publish(&parts[8]);
        assert_eq!(drain(&mut viewer), [(true, 0, 4000)]);

        let hub = LiveHub::default();
        let mut viewer = first_viewer(&hub, &parts);
        hub.forget_group();
        viewer.give_group(Some(own(&parts[4..6])));
        assert_eq!(drain(&mut viewer), []);
        hub.publish(&parts[8]);
        assert_eq!(drain(&mut viewer), [(true, 0, 4000)]);
    }

    #[test]
    fn a_lagging_viewer_skips_to_the_newest_idr_without_a_hole() {
        let hub = LiveHub::default();
        hub.set_init(&init());
        let mut viewer = hub.subscribe().unwrap();
        assert!(next(&mut viewer).is_some());
        let parts = parts(110);
        hub.publish(&parts[0]);
        assert_eq!(drain(&mut viewer), [(true, 0, 0)]);
        for part in &parts[1..] {
            hub.publish(part);
        }
        let found = drain(&mut viewer);
        assert!(found.len() <= LAGGING_PARTS, "{found:?}");
        assert_eq!(found[0], (true, 45_000, 8000));
        assert_eq!(found.last().unwrap().2, 10_500);
        for pair in found.windows(2) {
            assert_eq!(pair[1].1 - pair[0].1, 45_000);
        }
    }

    #[test]
    fn a_group_that_never_ends_is_bounded() {
        let hub = LiveHub::default();
        hub.set_init(&init());
        let mut viewer = hub.subscribe().unwrap();
        assert!(next(&mut viewer).is_some());
        let mut builder = PartBuilder::new();
        for count in 0..2000 {
            let mut picture = test_picture(count, 100_000);
            picture.is_idr = count == 0;
            if let Some(part) = builder.push(picture) {
                hub.publish(&Arc::new(part));
            }
        }
        assert!(lock(&hub.state).group_bytes <= MAX_GROUP_BYTES);
        assert_eq!(drain(&mut viewer), []);
    }

    #[test]
    fn a_new_format_or_session_waits_for_an_idr() {
        let hub = LiveHub::default();
        hub.set_init(&init());
        let mut viewer = hub.subscribe().unwrap();
        let parts = parts(60);
        hub.publish(&parts[0]);
        let mut format = test_format();
        format.width = 320;
        hub.set_init(&Arc::new(InitSegment::new(format)));
        hub.publish(&parts[1]);
        assert!(matches!(next(&mut viewer), Some(LiveFrame::Init { .. })));
        assert_eq!(drain(&mut viewer), []);
        hub.publish(&parts[4]);
        assert_eq!(drain(&mut viewer).len(), 1);
        hub.forget_group();
        hub.publish(&parts[5]);
        assert_eq!(drain(&mut viewer), []);
        hub.publish(&parts[8]);
        assert_eq!(drain(&mut viewer).len(), 1);
    }

    #[tokio::test]
    async fn ends_with_the_camera_and_counts_viewers() {
        let hub = LiveHub::default();
        let mut viewers: Vec<_> = (0..MAX_VIEWERS).map(|_| hub.subscribe().unwrap()).collect();
        assert_eq!(hub.subscribe().unwrap_err(), TooManyViewers);
        viewers.pop();
        let mut last = hub.subscribe().unwrap();
        hub.close();
        assert_eq!(last.next().await, None);
        drop(viewers);
        assert_eq!(hub.subscribe().unwrap().next().await, None);
    }
}
