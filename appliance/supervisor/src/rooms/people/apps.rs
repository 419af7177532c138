//! Authenticator apps and recovery codes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sealgate_store::StoreError;
use sealgate_totp as totp;
use sealgate_web::rooms::{Enrolment, User};
use sealgate_words::Problem;
use sha2::{Digest as _, Sha256};

use super::{People, user_of};
use crate::rooms::{blocking, entry};

/// Each good once.
const RECOVERY_CODES: usize = 8;
/// A key that isn't proved by then is made anew.
const ENROLLING_MS: i64 = 30 * 60 * 1000;

/// Keys that were shown and not proved yet, by user, with when they were made.
#[derive(Default)]
pub(super) struct Enrolling(Mutex<HashMap<String, ([u8; totp::KEY_BYTES], i64)>>);

impl Enrolling {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, ([u8; totp::KEY_BYTES], i64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl People {
    /// The key that waits to be proved, or a new one.
    pub(super) fn enrolment(&self, name: &str) -> Enrolment {
        let now = self.clock.utc_ms();
        let mut enrolling = self.enrolling.lock();
        enrolling.retain(|_, (_, made)| (0..ENROLLING_MS).contains(&(now - *made)));
        let (key, _) = enrolling
            .entry(name.to_owned())
            .or_insert_with(|| (rand::random(), now));
        Enrolment {
            key: totp::key_text(key),
            uri: totp::uri(key, &self.box_name, name),
        }
    }

    /// Takes the key into use if this is its code; gives new recovery codes.
    pub(super) async fn enrol(&self, name: &str, typed: &str) -> Result<Vec<String>, Problem> {
        let now = self.clock.utc_ms();
        let key = self.enrolling.lock().get(name).map(|(key, _)| *key);
        let proved = key.and_then(|key| Some((key, totp::step_of(&key, typed, now)?)));
        let Some(totp) = proved else {
            return Err(entry("SG-SES-021", &[]));
        };
        let codes: Vec<String> = (0..RECOVERY_CODES)
            .map(|_| totp::recovery_code(&rand::random()))
            .collect();
        let hashes: Vec<[u8; 32]> = codes.iter().map(|code| hash(code)).collect();
        let store = Arc::clone(&self.store);
        let user = name.to_owned();
        blocking("set an authenticator app", move || {
            store.set_totp(&user, Some(totp), &hashes)
        })
        .await?;
        self.enrolling.lock().remove(name);
        Ok(codes)
    }

    /// Uses up a code of the app, or a recovery code.
    pub(super) async fn take_code(&self, name: &str, typed: &str) -> Result<User, Problem> {
        let store = Arc::clone(&self.store);
        let now = self.clock.utc_ms();
        let (name, typed) = (name.to_owned(), typed.to_owned());
        let taken = blocking("check a code", move || {
            let Some(user) = store.user(&name)? else {
                return Ok(None);
            };
            let step = user
                .totp
                .and_then(|(key, _)| totp::step_of(&key, &typed, now));
            let fits = match step {
                Some(step) => store.take_totp_step(&name, step)?,
                None => store.take_recovery_code(&name, &hash(&typed))?,
            };
            Ok::<_, StoreError>(fits.then_some(user))
        })
        .await?;
        let user = taken.ok_or_else(|| entry("SG-SES-021", &[]))?;
        Ok(user_of(user.name, &user.role))
    }
}

fn hash(code: &str) -> [u8; 32] {
    Sha256::digest(totp::typed_recovery_code(code)).into()
}
