//! Live video: pictures for whoever watches, never waiting for any of them.
//!
//! While nobody watches, a camera's hub only knows the number of its newest part. From the first
//! viewer on it gets each picture at once ([`crate::feed`]), and keeps the current group of
//! pictures, with which later viewers start. The first viewer gets the group's beginning from the
//! recording ([`crate::group`]), or waits for the next IDR.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::format::InitSegment;
use crate::part::Part;
use crate::viewer::Queue;

pub use crate::viewer::Viewer;

/// Viewers of one camera at once.
pub const MAX_VIEWERS: usize = 16;
/// A group of pictures beyond this is not kept: a viewer then waits for the next IDR.
const MAX_GROUP_BYTES: usize = 6 * 1024 * 1024;
/// The same, in pictures: a minute of them.
const MAX_GROUP_PARTS: usize = 1800;

/// What a session has to do for viewers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// Nothing.
    No,
    /// From now on: give what is held back for the disk.
    Begins,
    /// Give each picture.
    Goes,
}

/// One camera's live video.
#[derive(Debug, Default)]
pub struct LiveHub {
    state: Mutex<HubState>,
    /// There are viewers, or were until a moment ago.
    watched: AtomicBool,
    /// Pictures come by [`LiveHub::feed`].
    fed: AtomicBool,
}

#[derive(Debug, Default)]
struct HubState {
    init: Option<Arc<InitSegment>>,
    group: Vec<Arc<Part>>,
    group_bytes: usize,
    group_start: GroupStart,
    viewers: Vec<Weak<Queue>>,
    /// Of the newest part, if its group goes on.
    newest_sequence: Option<u32>,
    closed: bool,
}

/// What is before the pictures in [`HubState::group`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum GroupStart {
    /// What is lost: nobody can start with them.
    #[default]
    Lost,
    /// Nothing: they begin with an IDR.
    Idr,
    /// The part with this number, which is on the disk.
    After(u32),
}

/// There are [`MAX_VIEWERS`] already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the camera has as many viewers as it can serve")]
pub struct TooManyViewers;

impl LiveHub {
    /// Announces the format of all following pictures.
    pub fn set_init(&self, init: &Arc<InitSegment>) {
        let mut state = lock(&self.state);
        if state.init.as_ref() == Some(init) {
            return;
        }
        state.init = Some(Arc::clone(init));
        state.forget_group();
        state.each_viewer(|queue| queue.push_init(init));
    }

    /// What is to be done with the next picture.
    pub fn watched(&self) -> Watched {
        match (
            self.watched.load(Ordering::Relaxed),
            self.fed.load(Ordering::Relaxed),
        ) {
            (false, _) => Watched::No,
            (true, false) => Watched::Begins,
            (true, true) => Watched::Goes,
        }
    }

    /// A part is finished and goes to disk. Viewers get it only while they are not
    /// [fed](Self::feed) by pictures yet.
    pub fn publish(&self, part: &Arc<Part>) {
        let mut state = lock(&self.state);
        state.newest_sequence = Some(part.sequence);
        if self.watched() == Watched::Begins {
            state.add(part);
        }
    }

    /// Hands a part of one picture, or the first ones, to every viewer.
    pub fn feed(&self, part: &Arc<Part>) {
        let mut state = lock(&self.state);
        self.fed.store(true, Ordering::Relaxed);
        state.add(part);
        if state.viewers.is_empty() {
            self.watched.store(false, Ordering::Relaxed);
            self.fed.store(false, Ordering::Relaxed);
            state.forget_pictures();
        }
    }

    /// The session ended: what it sent is no longer live.
    pub fn forget_group(&self) {
        let mut state = lock(&self.state);
        self.fed.store(false, Ordering::Relaxed);
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
        if self.watched() == Watched::No {
            state.forget_pictures();
            state.group_start = match state.newest_sequence {
                Some(newest) => GroupStart::After(newest),
                None => GroupStart::Lost,
            };
            self.watched.store(true, Ordering::Relaxed);
        }
        let queue = Arc::new(Queue::default());
        if let Some(init) = &state.init {
            queue.push_init(init);
        }
        let missing = match state.group_start {
            GroupStart::After(sequence) => Some(sequence),
            GroupStart::Idr | GroupStart::Lost => None,
        };
        if missing.is_some() {
            queue.await_group();
        }
        for part in &state.group {
            queue.push_part(part);
        }
        if state.closed {
            queue.close();
        }
        state.viewers.push(Arc::downgrade(&queue));
        Ok(Viewer::new(queue, missing))
    }
}

impl HubState {
    /// Gives a part to every viewer, and keeps it for those who come later.
    fn add(&mut self, part: &Arc<Part>) {
        if part.starts_with_idr {
            self.forget_pictures();
            self.group_start = GroupStart::Idr;
        }
        if self.group_bytes + part.len() > MAX_GROUP_BYTES || self.group.len() >= MAX_GROUP_PARTS {
            self.forget_pictures();
        }
        if self.group_start != GroupStart::Lost {
            self.group_bytes += part.len();
            self.group.push(Arc::clone(part));
        }
        self.each_viewer(|queue| queue.push_part(part));
    }

    fn forget_pictures(&mut self) {
        self.group = Vec::new();
        self.group_bytes = 0;
        self.group_start = GroupStart::Lost;
    }

    fn forget_group(&mut self) {
        self.forget_pictures();
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code that could panic runs under this lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
