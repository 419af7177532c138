//! Cameras that are being added: how far each list has come.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sealgate_web::rooms::{AddedView, AddingView};
use sealgate_words::Problem;
use tokio::sync::watch;

/// Lists at once, with those that are done; one more takes the place of the oldest.
const MAX_JOBS: usize = 8;

/// Every list that is being added, or was lately.
#[derive(Debug, Default)]
pub struct Jobs {
    jobs: Mutex<Vec<(String, Arc<Job>)>>,
}

/// One list.
#[derive(Debug)]
pub(super) struct Job {
    total: usize,
    state: watch::Sender<State>,
}

#[derive(Debug, Default)]
struct State {
    asked: usize,
    done: Option<Result<Vec<AddedView>, Problem>>,
}

impl Jobs {
    /// One begins, of so many cameras.
    pub(super) fn begin(&self, id: &str, total: usize) -> Arc<Job> {
        let job = Arc::new(Job {
            total,
            state: watch::Sender::default(),
        });
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if jobs.len() == MAX_JOBS {
            jobs.remove(0);
        }
        jobs.push((id.to_owned(), Arc::clone(&job)));
        job
    }

    /// The one of this name.
    pub(super) fn find(&self, id: &str) -> Option<Arc<Job>> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = jobs.iter();
        known
            .find(|(known, _)| known == id)
            .map(|(_, job)| Arc::clone(job))
    }
}

impl Job {
    /// One more camera was asked.
    pub(super) fn asked(&self) {
        self.state.send_modify(|state| state.asked += 1);
    }

    /// All is written down, or nothing.
    pub(super) fn done(&self, result: Result<Vec<AddedView>, Problem>) {
        self.state.send_modify(|state| state.done = Some(result));
    }

    /// How far it is; waits for its end, but no longer than this.
    pub(super) async fn view(&self, wait: Duration) -> Result<AddingView, Problem> {
        let mut state = self.state.subscribe();
        let end = state.wait_for(|state| state.done.is_some());
        let _ = tokio::time::timeout(wait, end).await;
        let state = self.state.borrow();
        Ok(AddingView {
            asked: state.asked,
            total: self.total,
            added: state.done.clone().transpose()?,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_job_tells_how_far_it_is_and_its_end() {
        let jobs = Jobs::default();
        let job = jobs.begin("one", 2);
        job.asked();
        let view = jobs
            .find("one")
            .unwrap()
            .view(Duration::ZERO)
            .await
            .unwrap();
        assert_eq!((view.asked, view.total, view.added), (1, 2, None));
        let ends = jobs.find("one").unwrap();
        let waiting = tokio::spawn(async move { ends.view(Duration::from_secs(3600)).await });
        tokio::task::yield_now().await;
        job.asked();
        job.done(Ok(Vec::new()));
        let view = waiting.await.unwrap().unwrap();
        assert_eq!((view.asked, view.added), (2, Some(Vec::new())));
        for n in 0..MAX_JOBS {
            jobs.begin(&n.to_string(), 1);
        }
        assert!(jobs.find("one").is_none());
    }
}
