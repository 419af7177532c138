//! Requests that carry a key do their work once: who repeats one, because the answer was
//! lost or a button pressed twice, gets the first answer.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Actor, Desk, DeskError};
use crate::store::Tx;

/// The longest key, in bytes.
const LONGEST_KEY: usize = 200;

/// A request that may carry a key.
pub(super) struct Once<'a> {
    key: Option<&'a str>,
    request_sha256: [u8; 32],
}

impl<'a> Once<'a> {
    /// Of what this person asks for: the operation's name, and all that it depends on.
    ///
    /// # Errors
    /// The key is too long.
    pub(super) fn of(
        actor: &'a Actor,
        operation: &str,
        asked: &impl Serialize,
    ) -> Result<Self, DeskError> {
        let key = actor.request_key.as_deref().filter(|key| !key.is_empty());
        if key.is_some_and(|key| key.len() > LONGEST_KEY) {
            return Err(DeskError::Unfit {
                field: "key of the request",
                rule: "at most 200 bytes",
            });
        }
        let asked = serde_json::to_vec(&(operation, asked)).expect("what is asked for is JSON");
        Ok(Self {
            key,
            request_sha256: Sha256::digest(asked).into(),
        })
    }
}

impl Desk {
    /// The answer that this request got before.
    ///
    /// # Errors
    /// The key was used for something else.
    pub(super) fn answered(
        &self,
        tx: &mut dyn Tx,
        actor: &Actor,
        once: &Once<'_>,
    ) -> Result<Option<String>, DeskError> {
        let Some(key) = once.key else {
            return Ok(None);
        };
        match tx.answer(actor.user, key)? {
            None => Ok(None),
            Some((request, answer)) if request == once.request_sha256 => Ok(Some(answer)),
            Some(_) => Err(DeskError::KeyReused),
        }
    }

    /// Keeps the answer, in the transaction that does the work.
    pub(super) fn answer(
        &self,
        tx: &mut dyn Tx,
        actor: &Actor,
        once: &Once<'_>,
        answer: &str,
    ) -> Result<(), DeskError> {
        if let Some(key) = once.key {
            let at_utc_s = self.now().as_second();
            tx.insert_answer(actor.user, key, &once.request_sha256, answer, at_utc_s)?;
        }
        Ok(())
    }
}
