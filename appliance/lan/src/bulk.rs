//! A few passwords tried on many cameras, carefully.

use futures::StreamExt as _;
use futures::stream;

use crate::exchange::{Asker, Exchange};
use crate::{Credentials, LanError};

/// Passwords in one go.
pub const MAX_PASSWORDS: usize = 16;
/// Cameras in one go.
pub const MAX_CAMERAS: usize = 1024;
/// Refused by one camera before the others are left untried: cameras lock an account after
/// 5 refusals as a rule.
pub const MOST_REFUSALS: usize = 4;
/// Cameras that are asked at the same time.
const AT_ONCE: usize = 8;

/// What came of it at one camera.
#[derive(Debug)]
pub enum SignInOutcome {
    /// It asks nobody for a password.
    Open,
    /// It took the password in this place of the list.
    Accepted(usize),
    /// It refused all of them.
    NoneFits,
    /// It refused some, and the rest was not tried, so that it does not lock the account:
    /// from this place of the list on.
    Stopped(usize),
    /// It says that the account is locked.
    Locked,
    /// It could not be asked.
    Failed(LanError),
}

impl Asker {
    /// Tries passwords in the order of the list, each once a camera, until one fits. Beyond
    /// [`MAX_CAMERAS`] and [`MAX_PASSWORDS`] nothing is tried. Outcomes are in the cameras'
    /// order.
    pub async fn try_passwords(
        &self,
        services: &[String],
        passwords: &[Credentials],
    ) -> Vec<SignInOutcome> {
        // Owned, so that who awaits this may be sent to another thread.
        let services: Vec<String> = services.iter().take(MAX_CAMERAS).cloned().collect();
        let cameras = services.into_iter().map(|xaddr| async move {
            let outcome = Box::pin(self.try_at(&xaddr, passwords)).await;
            outcome.unwrap_or_else(SignInOutcome::Failed)
        });
        stream::iter(cameras).buffered(AT_ONCE).collect().await
    }

    async fn try_at(
        &self,
        xaddr: &str,
        passwords: &[Credentials],
    ) -> Result<SignInOutcome, LanError> {
        let mut refused = 0;
        for (place, password) in passwords.iter().take(MAX_PASSWORDS).enumerate() {
            if refused == MOST_REFUSALS {
                return Ok(SignInOutcome::Stopped(place));
            }
            let answer = match self.exchange(xaddr, Some(password)).await {
                Ok(mut exchange) => {
                    exchange.try_once();
                    let host = exchange.host;
                    Exchange::in_time(host, exchange.signs_in()).await
                }
                Err(error) => Err(error),
            };
            match answer {
                Ok(true) => return Ok(SignInOutcome::Accepted(place)),
                Ok(false) => return Ok(SignInOutcome::Open),
                // Refused now, or a moment ago, which is not tried again.
                Err(LanError::SignIn { .. } | LanError::HeldBack { .. }) => refused += 1,
                Err(LanError::Locked { .. }) => return Ok(SignInOutcome::Locked),
                Err(error) => return Err(error),
            }
        }
        Ok(SignInOutcome::NoneFits)
    }
}
