//! Who may come in, over the store: the first start, sign-in, sessions, recovery; what admins
//! change is in `users`, authenticator apps are in `apps`.

mod apps;
mod recovery;
mod users;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use sealgate_base::Clock;
use sealgate_store::{self as store, AuditEntry, Store, StoreError};
use sealgate_web::rooms::{
    Checked, FIRST_USER, Right, Role, SessionStore, Setup, SignIn, StoredSession, User,
};
use sealgate_words::Problem;

use crate::passwords;
use crate::rooms::{blocking, entry};
use crate::setup_code::SetupCode;

/// Who may come in.
pub struct People {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    code: SetupCode,
    set_up: AtomicBool,
    box_name: String,
    enrolling: apps::Enrolling,
    recovery: recovery::RecoveryCode,
}

impl People {
    /// Reads whether set-up was done. Blocking.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn new(
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        code: SetupCode,
        box_name: &str,
    ) -> Result<Self, StoreError> {
        let set_up = AtomicBool::new(store.has_users()?);
        Ok(Self {
            store,
            clock,
            code,
            set_up,
            box_name: box_name.to_owned(),
            enrolling: apps::Enrolling::default(),
            recovery: recovery::RecoveryCode::default(),
        })
    }

    /// The code to show on the console, while set-up is not done.
    pub fn shown_code(&self) -> Option<String> {
        (!self.set_up.load(Ordering::Acquire)).then(|| self.code.shown())
    }

    /// Runs a change, and writes into the audit log that it was done or refused.
    async fn audited<T>(
        &self,
        by: &str,
        action: &'static str,
        object: &str,
        change: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let result = change.await;
        let code = result.as_ref().err().map(|problem| problem.code.clone());
        self.write_audit(Some(by), action, Some(object), code.as_deref())
            .await;
        result
    }

    /// Work that goes on without its line in the log says so in the journal.
    async fn write_audit(
        &self,
        by: Option<&str>,
        action: &str,
        object: Option<&str>,
        code: Option<&str>,
    ) {
        let store = Arc::clone(&self.store);
        let utc_ms = self.clock.utc_ms();
        let [by, object, code] = [by, object, code].map(|text| text.map(str::to_owned));
        let action = action.to_owned();
        // The fault was logged where it was turned into a problem.
        let _ = blocking("write the audit log", move || {
            store.audit(&AuditEntry {
                utc_ms,
                actor: by.as_deref(),
                action: &action,
                object: object.as_deref(),
                code: code.as_deref(),
            })
        })
        .await;
    }
}

#[async_trait]
impl Setup for People {
    async fn is_done(&self) -> bool {
        self.set_up.load(Ordering::Acquire)
    }

    async fn complete(&self, code: &str, password: &str) -> Result<User, Problem> {
        if self.is_done().await {
            return Err(entry("SG-SES-003", &[]));
        }
        if !self.code.matches(code) {
            return Err(entry("SG-SES-002", &[]));
        }
        let store = Arc::clone(&self.store);
        let now = self.clock.utc_ms();
        let password = password.to_owned();
        let created = blocking("set the first password", move || {
            let user = store::User {
                name: FIRST_USER.to_owned(),
                password_hash: passwords::hash(&password).map_err(SetPasswordError::Hash)?,
                role: Role::Admin.word().to_owned(),
                totp: None,
            };
            let created = store
                .create_first_user(&user, now)
                .map_err(SetPasswordError::Store)?;
            if created {
                let entry = AuditEntry {
                    utc_ms: now,
                    actor: Some(FIRST_USER),
                    action: "setup",
                    object: None,
                    code: None,
                };
                store.audit(&entry).map_err(SetPasswordError::Store)?;
            }
            Ok::<_, SetPasswordError>(created)
        })
        .await?;
        // Two browsers may have got this far at once: the store let one of them.
        self.set_up.store(true, Ordering::Release);
        self.code.forget();
        if !created {
            return Err(entry("SG-SES-003", &[]));
        }
        tracing::info!("the first password is set");
        Ok(User {
            name: FIRST_USER.to_owned(),
            role: Role::Admin,
        })
    }
}

#[derive(Debug, thiserror::Error)]
enum SetPasswordError {
    #[error("could not hash the password")]
    Hash(#[source] passwords::HashError),
    #[error("could not store the user")]
    Store(#[source] StoreError),
}

#[async_trait]
impl SignIn for People {
    async fn check(&self, name: &str, password: &str) -> Result<Checked, Problem> {
        let store = Arc::clone(&self.store);
        let user_name = name.to_owned();
        let password = password.to_owned();
        let checked = blocking("check a password", move || {
            let user = store.user(&user_name)?;
            let hash = user.as_ref().map(|user| user.password_hash.as_str());
            let fits = passwords::verify(&password, hash);
            Ok::<_, StoreError>(user.filter(|_| fits))
        })
        .await?;
        let user = checked.ok_or_else(|| entry("SG-SES-001", &[]))?;
        Ok(Checked {
            wants_code: user.totp.is_some(),
            user: user_of(user.name, &user.role),
        })
    }

    async fn check_code(&self, name: &str, code: &str) -> Result<User, Problem> {
        self.take_code(name, code).await
    }
}

/// A user with what they may do; a role that this version doesn't know may do the least.
fn user_of(name: String, role: &str) -> User {
    User {
        name,
        role: Role::of_word(role).unwrap_or(Role::Viewer),
    }
}

/// What a token is limited to; words that this version doesn't know allow nothing.
fn scopes_of(words: &str) -> Vec<Right> {
    let words: Vec<String> = serde_json::from_str(words).unwrap_or_default();
    Right::SCOPES
        .into_iter()
        .filter(|right| words.iter().any(|word| word == right.word()))
        .collect()
}

#[async_trait]
impl SessionStore for People {
    async fn insert(&self, session: StoredSession) -> Result<(), Problem> {
        let store = Arc::clone(&self.store);
        blocking("keep a session", move || {
            store.insert_session(&store::Session {
                token_sha256: session.token_sha256,
                user_name: session.user.name,
                address: session.address,
                created_utc_ms: session.created_utc_ms,
                expires_utc_ms: session.expires_utc_ms,
            })
        })
        .await
    }

    async fn find(&self, token_sha256: &[u8; 32]) -> Result<Option<StoredSession>, Problem> {
        let store = Arc::clone(&self.store);
        let token_sha256 = *token_sha256;
        let found = blocking("find a session", move || store.session(&token_sha256)).await?;
        Ok(found.map(|found| StoredSession {
            scopes: found.scopes.as_deref().map(scopes_of),
            ..stored(found.session, &found.role)
        }))
    }

    async fn remove(&self, token_sha256: &[u8; 32]) -> Result<(), Problem> {
        let store = Arc::clone(&self.store);
        let token_sha256 = *token_sha256;
        blocking("end a session", move || store.remove_session(&token_sha256)).await
    }

    async fn of_user(&self, name: &str) -> Result<Vec<StoredSession>, Problem> {
        let store = Arc::clone(&self.store);
        let name = name.to_owned();
        let now = self.clock.utc_ms();
        let (role, sessions) = blocking("list sessions", move || {
            let role = store.user(&name)?.map(|user| user.role);
            Ok::<_, StoreError>((role, store.sessions_of(&name, now)?))
        })
        .await?;
        let role = role.unwrap_or_default();
        Ok(sessions
            .into_iter()
            .map(|session| stored(session, &role))
            .collect())
    }

    async fn end_others(&self, name: &str, kept: &[u8; 32]) -> Result<(), Problem> {
        let store = Arc::clone(&self.store);
        let (user, kept) = (name.to_owned(), *kept);
        let end = async {
            blocking("end sessions", move || {
                store.end_other_sessions(&user, &kept).map(drop)
            })
            .await
        };
        self.audited(name, "session.end-others", name, end).await
    }
}

fn stored(session: store::Session, role: &str) -> StoredSession {
    StoredSession {
        token_sha256: session.token_sha256,
        user: user_of(session.user_name, role),
        scopes: None,
        address: session.address,
        created_utc_ms: session.created_utc_ms,
        expires_utc_ms: session.expires_utc_ms,
    }
}
