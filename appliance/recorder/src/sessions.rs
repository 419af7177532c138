//! The threads that poll the cameras' sessions.
//!
//! A camera's picture arrives as many packets, and many cameras make thousands of packets a
//! second. A thread that wakes for each of them spends its time on waking. So, once nothing is
//! left to do, a session thread sleeps for [`GATHER`] before it asks the system again: what
//! arrived meanwhile is read in a few long reads, of all cameras in one turn. Pictures wait that
//! much longer at most; the system's receive buffers hold what comes in that time.

use std::future::Future;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long packets gather. Longer saves little more, and what is live gets old.
const GATHER: Duration = Duration::from_millis(40);
/// Cameras of one thread before another is used: a thread has room for some 20 times the
/// work of these.
const CAMERAS_PER_THREAD: usize = 128;
/// Threads at most.
const MOST_THREADS: usize = 4;

/// Runs sessions.
#[derive(Debug)]
pub struct SessionThreads {
    threads: Vec<SessionThread>,
}

#[derive(Debug)]
struct SessionThread {
    handle: Handle,
    ended: CancellationToken,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

impl SessionThreads {
    /// Starts the threads; one without cameras sleeps.
    ///
    /// # Errors
    /// The system has no thread or no descriptor left.
    pub fn start() -> io::Result<Self> {
        let count =
            thread::available_parallelism().map_or(1, |count| count.get().min(MOST_THREADS));
        let threads = (0..count).map(|_| SessionThread::start());
        Ok(Self {
            threads: threads.collect::<io::Result<_>>()?,
        })
    }

    /// Runs the work of one more camera where `running` others run already.
    pub fn spawn(
        &self,
        running: usize,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        let place = running / CAMERAS_PER_THREAD % self.threads.len();
        self.threads[place].handle.spawn(work)
    }

    /// Ends the threads. What still runs there ends where it waits.
    pub fn end(&self) {
        for thread in &self.threads {
            thread.ended.cancel();
        }
        for thread in &self.threads {
            let thread = thread
                .thread
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(thread) = thread
                && thread.join().is_err()
            {
                tracing::error!("a session thread had failed");
            }
        }
    }
}

/// The thread's turn is over.
#[expect(
    clippy::disallowed_methods,
    reason = "waiting for an event is what this thread must not do yet"
)]
fn gather() {
    thread::sleep(GATHER);
}

impl SessionThread {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .on_thread_park(gather)
            .build()?;
        let handle = runtime.handle().clone();
        let ended = CancellationToken::new();
        let until = ended.clone();
        let thread = thread::Builder::new()
            .name("sessions".into())
            .spawn(move || runtime.block_on(until.cancelled()))?;
        Ok(Self {
            handle,
            ended,
            thread: Mutex::new(Some(thread)),
        })
    }
}

impl Drop for SessionThreads {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write as _;
    use std::time::Instant;

    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[test]
    fn what_arrives_together_is_read_together_and_soon() {
        let threads = SessionThreads::start().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, lengths) = std::sync::mpsc::channel();
        let reading = threads.spawn(0, async move {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let mut buffer = vec![0; 4096];
            loop {
                let length = stream.read(&mut buffer).await.unwrap();
                sender.send(length).unwrap();
                if length == 0 {
                    return;
                }
            }
        });
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let began = Instant::now();
        for _ in 0..20 {
            stream.write_all(&[7; 100]).unwrap();
        }
        drop(stream);
        let lengths: Vec<usize> = lengths.iter().collect();
        assert!(began.elapsed() < GATHER * 20);
        assert_eq!(lengths.iter().sum::<usize>(), 2000);
        assert!(lengths.len() < 20, "{lengths:?}");
        assert!(reading.is_finished() || began.elapsed() < Duration::from_secs(10));
        threads.end();
    }

    #[test]
    fn work_that_never_ends_does_not_keep_the_threads() {
        let threads = SessionThreads::start().unwrap();
        let work = threads.spawn(CAMERAS_PER_THREAD, std::future::pending());
        threads.end();
        assert!(work.is_finished());
    }
}
