//! Authenticator apps, recovery codes, and tokens for programs: what one's own account has
//! besides a password.

use sealgate_totp as totp;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::accounts::{check_name, random_token};
use super::roles::Right;
use super::sign_in::TOKEN_PREFIX;
use super::{Actor, Desk, DeskError};
use crate::store::people::{ApiToken, Authenticator};
use crate::store::{TokenHash, TokenId, UserId};

/// How many recovery codes an app comes with; each is good once.
const RECOVERY_CODES: usize = 8;
/// The longest life of a token, days.
const MOST_TOKEN_DAYS: u16 = 3650;
/// The most tokens of one user.
const MOST_TOKENS: usize = 50;
/// What apps list the portal as.
const ISSUER: &str = "Sealgate-portal";

/// An app that is about to be enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// For typing: Base32 in groups of four.
    pub key: String,
    /// For the camera: `otpauth://totp/…`.
    pub uri: String,
    /// An app is in use already; this one would replace it.
    pub has_app: bool,
    /// Recovery codes that were not used yet.
    pub recovery_codes: usize,
}

fn hash(code: &str) -> [u8; 32] {
    Sha256::digest(totp::typed_recovery_code(code)).into()
}

impl Desk {
    /// Uses up a code of the app, or a recovery code. `false` where it is neither.
    pub(super) fn take_code(&self, user: UserId, typed: &str) -> Result<bool, DeskError> {
        let now_ms = self.now().as_millisecond();
        self.transact(|tx| {
            let Some(mut app) = tx.authenticator(user, true)? else {
                return Ok(false);
            };
            // A code that was seen over a shoulder must not work a second time.
            match totp::step_of(&app.key, typed, now_ms) {
                Some(step) if step > app.last_step => {
                    app.last_step = step;
                    tx.put_authenticator(user, true, &app)?;
                    Ok(true)
                }
                Some(_) => Ok(false),
                None => Ok(tx.take_recovery_code(user, &hash(typed))?),
            }
        })
    }

    /// The app that waits to be proved, or a new one. Nothing changes before it is proved.
    ///
    /// # Errors
    /// The database failed.
    pub fn begin_app(&self, actor: &Actor) -> Result<Enrolment, DeskError> {
        self.transact(|tx| {
            let waiting = match tx.authenticator(actor.user, false)? {
                Some(waiting) => waiting,
                None => {
                    let new = Authenticator {
                        key: Zeroizing::new(rand::random()),
                        last_step: 0,
                    };
                    tx.put_authenticator(actor.user, false, &new)?;
                    new
                }
            };
            // The label of the key's URI takes no other letters.
            let label: String = (actor.email.chars())
                .map(|c| {
                    if c.is_ascii_alphanumeric() || "._-".contains(c) {
                        c
                    } else {
                        '-'
                    }
                })
                .collect();
            Ok(Enrolment {
                key: totp::key_text(&waiting.key),
                uri: totp::uri(&waiting.key, ISSUER, &label),
                has_app: tx.authenticator(actor.user, true)?.is_some(),
                recovery_codes: tx.recovery_codes(actor.user)?,
            })
        })
    }

    /// Has this person an app, and how many recovery codes are left?
    ///
    /// # Errors
    /// The database failed.
    pub fn app_state(&self, actor: &Actor) -> Result<(bool, usize), DeskError> {
        self.transact(|tx| {
            let has_app = tx.authenticator(actor.user, true)?.is_some();
            Ok((has_app, tx.recovery_codes(actor.user)?))
        })
    }

    /// Takes the app into use whose code this is; returns new recovery codes.
    ///
    /// # Errors
    /// The password or the code is wrong.
    pub fn confirm_app(
        &self,
        actor: &Actor,
        present: &str,
        code: &str,
    ) -> Result<Vec<String>, DeskError> {
        self.confirm_present(actor, present)?;
        let now_ms = self.now().as_millisecond();
        let codes: Vec<String> = (0..RECOVERY_CODES)
            .map(|_| totp::recovery_code(&rand::random()))
            .collect();
        let hashes: Vec<[u8; 32]> = codes.iter().map(|code| hash(code)).collect();
        self.transact(|tx| {
            let waiting = tx.authenticator(actor.user, false)?;
            let proved = waiting.and_then(|app| {
                let step = totp::step_of(&app.key, code, now_ms)?;
                Some(Authenticator {
                    last_step: step,
                    ..app
                })
            });
            let app = proved.ok_or(DeskError::WrongCode)?;
            tx.remove_authenticators(actor.user)?;
            tx.put_authenticator(actor.user, true, &app)?;
            tx.set_recovery_codes(actor.user, &hashes)?;
            let object = format!("user:{}", actor.user);
            Ok(self.audit(tx, Some(actor.user), "app.set", object, json!({}))?)
        })?;
        Ok(codes)
    }

    /// Removes one's own app and recovery codes.
    ///
    /// # Errors
    /// The password is wrong.
    pub fn remove_app(&self, actor: &Actor, present: &str) -> Result<(), DeskError> {
        self.confirm_present(actor, present)?;
        self.transact(|tx| {
            tx.remove_authenticators(actor.user)?;
            let object = format!("user:{}", actor.user);
            Ok(self.audit(tx, Some(actor.user), "app.remove", object, json!({}))?)
        })
    }

    /// One's own tokens, newest first.
    ///
    /// # Errors
    /// The database failed.
    pub fn tokens(&self, actor: &Actor) -> Result<Vec<ApiToken>, DeskError> {
        let now_s = self.now().as_second();
        self.transact(|tx| Ok(tx.api_tokens_of(actor.user, now_s)?))
    }

    /// Makes a token; its secret is returned this once. It never does more than its user's
    /// role at the time it is used.
    ///
    /// # Errors
    /// The name, scopes or days can't be, or there are too many tokens.
    pub fn add_token(
        &self,
        actor: &Actor,
        name: &str,
        scopes: &[Right],
        days: u16,
    ) -> Result<(ApiToken, String), DeskError> {
        let name = check_name(name)?;
        let mut words: Vec<String> = Vec::new();
        for right in Right::SCOPES {
            if scopes.contains(&right) && actor.role.may(right) {
                words.push(right.word().to_owned());
            }
        }
        let allowed = scopes.iter().all(|right| Right::SCOPES.contains(right));
        if words.is_empty() || !allowed {
            return Err(DeskError::UnfitToken);
        }
        if !(1..=MOST_TOKEN_DAYS).contains(&days) {
            return Err(DeskError::Unfit {
                field: "number of days",
                rule: "from 1 to 3650",
            });
        }
        let mut rng = rand::rng();
        let now_s = self.now().as_second();
        let secret = format!("{TOKEN_PREFIX}{}", random_token(&mut rng));
        let token = ApiToken {
            id: TokenId::random(&mut rng),
            token: TokenHash::of(&secret),
            user: actor.user,
            name,
            scopes: words,
            created_utc_s: now_s,
            expires_utc_s: now_s + i64::from(days) * 24 * 3600,
        };
        self.transact(|tx| {
            if tx.api_tokens_of(actor.user, now_s)?.len() >= MOST_TOKENS {
                return Err(DeskError::Unfit {
                    field: "number of tokens",
                    rule: "at most 50: remove one first",
                });
            }
            tx.insert_api_token(&token, now_s)?;
            let object = format!("user:{}", actor.user);
            let detail = json!({ "name": token.name, "scopes": token.scopes });
            Ok(self.audit(tx, Some(actor.user), "token.add", object, detail)?)
        })?;
        Ok((token, secret))
    }

    /// Removes one of one's own tokens.
    ///
    /// # Errors
    /// There is no such token of this person's.
    pub fn remove_token(&self, actor: &Actor, id: TokenId) -> Result<(), DeskError> {
        let now_s = self.now().as_second();
        self.transact(|tx| {
            let own = tx.api_tokens_of(actor.user, now_s)?;
            let token = own.iter().find(|token| token.id == id);
            let token = token.ok_or(DeskError::NotFound { what: "token" })?;
            tx.delete_api_token(id)?;
            let object = format!("user:{}", actor.user);
            let detail = json!({ "name": token.name });
            Ok(self.audit(tx, Some(actor.user), "token.remove", object, detail)?)
        })
    }
}
