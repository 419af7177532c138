//! Threads that may hang in a disk, and are then left behind.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A thread that is waited for, but not for ever.
#[derive(Debug)]
pub struct Thread {
    handle: JoinHandle<()>,
    /// Its sender goes with the thread.
    ended: Receiver<()>,
}

impl Thread {
    /// Starts one.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let (running, ended) = mpsc::channel();
        let handle = std::thread::Builder::new()
            .name(name.into())
            .spawn(move || {
                let _running = running;
                work();
            })?;
        Ok(Self { handle, ended })
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }
}

/// Waits for threads, but not longer than this in all.
pub fn join_within(threads: impl IntoIterator<Item = Thread>, limit: Duration) {
    let deadline = Instant::now() + limit;
    for Thread { handle, ended } in threads {
        let left = deadline.saturating_duration_since(Instant::now());
        if ended.recv_timeout(left) == Err(RecvTimeoutError::Timeout) {
            tracing::error!("a thread hangs in its disk and is left behind");
        } else if handle.join().is_err() {
            tracing::error!("a thread had failed");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_hangs_is_left_behind() {
        let (release, held) = mpsc::channel::<()>();
        let hanging = Thread::start("hanging", move || {
            let _ = held.recv();
        })
        .unwrap();
        let quick = Thread::start("quick", || {}).unwrap();
        let started = Instant::now();
        assert!(!hanging.is_finished());
        join_within([hanging, quick], Duration::from_millis(50));
        let took = started.elapsed();
        assert!((50..2000).contains(&took.as_millis()), "{took:?}");
        drop(release);
    }
}
