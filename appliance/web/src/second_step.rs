//! Between a right password and a right code: who it was, for five minutes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sealgate_base::Clock;

use crate::session::Token;

/// How long the code may take.
const TIME: Duration = Duration::from_secs(300);
/// Sign-ins that wait at once; more are refused by forgetting the oldest.
const WAITING: usize = 256;

/// The sign-ins that wait for their code.
pub(crate) struct SecondSteps {
    clock: Arc<dyn Clock>,
    waiting: Mutex<HashMap<[u8; 32], (String, Duration)>>,
}

impl SecondSteps {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            waiting: Mutex::default(),
        }
    }

    /// The password of this user was right; the token stands for that.
    pub(crate) fn begin(&self, user: String) -> Token {
        let now = self.clock.monotonic();
        let token = Token::random();
        let mut waiting = self.lock();
        waiting.retain(|_, (_, began)| now.saturating_sub(*began) < TIME);
        if waiting.len() >= WAITING {
            let oldest = waiting
                .iter()
                .min_by_key(|(_, (_, began))| *began)
                .map(|(key, _)| *key);
            if let Some(oldest) = oldest {
                waiting.remove(&oldest);
            }
        }
        waiting.insert(token.sha256(), (user, now));
        token
    }

    /// Whose password it was, while there is time.
    pub(crate) fn user(&self, token: &Token) -> Option<String> {
        let now = self.clock.monotonic();
        self.lock()
            .get(&token.sha256())
            .filter(|(_, began)| now.saturating_sub(*began) < TIME)
            .map(|(user, _)| user.clone())
    }

    /// The code was right.
    pub(crate) fn end(&self, token: &Token) {
        self.lock().remove(&token.sha256());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], (String, Duration)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use sealgate_base::FakeClock;

    use super::*;

    #[test]
    fn lasts_five_minutes_and_ends_with_the_code() {
        let clock = Arc::new(FakeClock::at_utc_ms(0));
        let steps = SecondSteps::new(Arc::<FakeClock>::clone(&clock));
        let (one, two) = (steps.begin("ann".into()), steps.begin("bob".into()));
        assert_eq!(steps.user(&one).as_deref(), Some("ann"));
        steps.end(&one);
        assert_eq!(steps.user(&one), None);
        clock.advance(TIME);
        assert_eq!(steps.user(&two), None);
        assert_eq!(steps.user(&Token::random()), None);
        for number in 0..2 * WAITING {
            steps.begin(number.to_string());
        }
        assert!(steps.lock().len() <= WAITING);
    }
}
