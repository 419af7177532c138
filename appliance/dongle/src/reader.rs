//! Questions to tokens, with a deadline.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use sealgate_license::binding::DonglePublicKey;

use crate::DongleError;
use crate::token::{self, Answer, Token};

/// Tokens sign within a second; a hub that wakes up takes some more.
const PATIENCE: Duration = Duration::from_secs(10);

/// Work for the thread that talks to the service.
type Question = Box<dyn FnOnce() + Send>;

/// Asks the tokens, from a thread of its own: the PC/SC calls have no deadline, and a
/// token may hold one up for ever.
#[derive(Debug)]
pub struct DongleReader {
    patience: Duration,
    thread: Option<mpsc::SyncSender<Question>>,
}

impl Default for DongleReader {
    fn default() -> Self {
        Self::new()
    }
}

impl DongleReader {
    /// Asks nothing yet: a box without the service has its pages too.
    pub fn new() -> Self {
        Self {
            patience: PATIENCE,
            thread: None,
        }
    }

    /// The same, less patient.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Every token with a key that can carry a license.
    ///
    /// # Errors
    /// The service is not there or does not answer. No token is an empty list.
    pub fn survey(&mut self) -> Result<Vec<Token>, DongleError> {
        self.ask(token::survey)
    }

    /// The answer to [`DonglePublicKey::challenge`] that this key made.
    ///
    /// # Errors
    /// There is no such token, or it is in the way of an answer.
    pub fn answer(
        &mut self,
        key: &DonglePublicKey,
        nonce: &[u8; 32],
    ) -> Result<Answer, DongleError> {
        let (key, nonce) = (*key, *nonce);
        self.ask(move || token::answer(&key, &nonce))
    }

    fn ask<T: Send + 'static>(
        &mut self,
        question: impl FnOnce() -> Result<T, DongleError> + Send + 'static,
    ) -> Result<T, DongleError> {
        let silent = DongleError::Silent {
            seconds: self.patience.as_secs(),
        };
        let (sender, answer) = mpsc::sync_channel(1);
        let question: Question = Box::new(move || {
            // Who asked may have given up.
            let _ = sender.send(question());
        });
        let thread = match self.thread.take() {
            Some(thread) => thread,
            None => start()?,
        };
        // No room: the thread is held up by an earlier question, which may still end.
        let taken = thread.try_send(question).is_ok();
        self.thread = Some(thread);
        if !taken {
            return Err(silent);
        }
        match answer.recv_timeout(self.patience) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => Err(silent),
            // The question panicked: the next one gets a new thread.
            Err(RecvTimeoutError::Disconnected) => {
                self.thread = None;
                Err(silent)
            }
        }
    }
}

fn start() -> Result<mpsc::SyncSender<Question>, DongleError> {
    let (sender, questions) = mpsc::sync_channel::<Question>(1);
    std::thread::Builder::new()
        .name("dongle".into())
        .spawn(move || {
            for question in questions {
                question();
            }
        })
        .map_err(|_| DongleError::Connect(pcsc::Error::NoMemory))?;
    Ok(sender)
}
