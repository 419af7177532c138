//! A way back in for whoever stands at the box: see docs/decisions/0012.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sealgate_store as store;
use sealgate_web::rooms::{Recovery, Role, User};
use sealgate_words::Problem;
use subtle::ConstantTimeEq as _;

use super::users::{is_name, password_hash};
use super::{People, user_of};
use crate::rooms::{blocking, entry};
use crate::setup_code::{in_halves, normalized, random_code};

const LETTERS: usize = 10;
const TIME: Duration = Duration::from_secs(15 * 60);

/// The code in force, and when it was made. In memory only: a restart ends it.
#[derive(Default)]
pub(super) struct RecoveryCode(Mutex<Option<(String, Duration)>>);

impl RecoveryCode {
    fn replace(&self, code: String, now: Duration) {
        *self.lock() = Some((code, now));
    }

    /// Uses the code up if this is it: of two browsers one wins.
    fn take(&self, typed: &str, now: Duration) -> bool {
        let mut held = self.lock();
        let fits = held.as_ref().is_some_and(|(code, made)| {
            now.saturating_sub(*made) < TIME
                && bool::from(code.as_bytes().ct_eq(normalized(typed).as_bytes()))
        });
        if fits {
            *held = None;
        }
        fits
    }

    fn lock(&self) -> MutexGuard<'_, Option<(String, Duration)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Recovery for People {
    async fn begin(&self) -> String {
        let code = random_code(LETTERS);
        let shown = in_halves(&code);
        self.recovery.replace(code, self.clock.monotonic());
        tracing::warn!("a recovery code was asked for on the console");
        self.write_audit(None, "recovery.begin", None, None).await;
        shown
    }

    async fn complete(&self, code: &str, name: &str, password: &str) -> Result<User, Problem> {
        if !is_name(name) {
            return Err(entry("SG-SES-024", &[]));
        }
        if !self.recovery.take(code, self.clock.monotonic()) {
            return Err(entry("SG-SES-028", &[]));
        }
        let user = store::User {
            name: name.to_owned(),
            password_hash: password_hash(password).await?,
            role: Role::Admin.word().to_owned(),
            totp: None,
        };
        let store = Arc::clone(&self.store);
        let now = self.clock.utc_ms();
        let restore =
            async { blocking("restore an admin", move || store.restore_admin(&user, now)).await };
        self.audited(name, "recovery.complete", name, restore)
            .await?;
        tracing::warn!(user = name, "an admin was restored from the console");
        Ok(user_of(name.to_owned(), Role::Admin.word()))
    }
}
