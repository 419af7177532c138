//! Live video: parts for whoever watches, never waiting for any of them.
//!
//! A viewer starts with the current group of pictures, so it shows something at once. One that
//! does not keep up loses what it has not fetched but the newest group; its parts are
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
        if part.starts_with_idr {
            state.forget_group();
        }
        let continues = part.starts_with_idr || !state.group.is_empty();
        if continues && state.group_bytes + part.len() <= MAX_GROUP_BYTES {
            state.group_bytes += part.len();
            state.group.push(Arc::clone(part));
        } else {
            state.forget_group();
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
        if state.closed {
            queue.close();
        }
        state.viewers.push(Arc::downgrade(&queue));
        Ok(Viewer {
            queue,
            next_time_90k: 0,
        })
    }
}

impl HubState {
    fn forget_group(&mut self) {
        self.group.clear();
        self.group_bytes = 0;
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
    closed: bool,
}

impl Default for QueueState {
    fn default() -> Self {
        Self {
            init: None,
            parts: VecDeque::new(),
            bytes: 0,
            needs_idr: true,
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
        lock(&self.state).needs_idr = true;
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
    }

    fn skip_to_newest_idr(&mut self) {
        let newest = self.parts.iter().rposition(|part| part.starts_with_idr);
        if let Some(newest) = newest {
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
}

impl Viewer {
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
            let part = state.parts.pop_front()?;
            state.bytes -= part.len();
            part
        };
        let mut bytes = BytesMut::with_capacity(part.len());
        bytes.extend_from_slice(&part.head_at(self.next_time_90k));
        for picture in part.pictures() {
            bytes.extend_from_slice(picture);
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
        for part in &parts(30) {
            hub.publish(part);
        }
        let mut viewer = hub.subscribe().unwrap();
        let Some(LiveFrame::Init { mime_type, .. }) = next(&mut viewer) else {
            panic!("the initialization segment comes first");
        };
        assert_eq!(mime_type, "video/mp4; codecs=\"avc1.42C01E\"");
        assert_eq!(drain(&mut viewer), [(true, 0, 2000), (false, 45_000, 2500)]);
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
