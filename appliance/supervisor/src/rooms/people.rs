//! The first start, sign-in and sessions, over the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use sealgate_base::Clock;
use sealgate_store::{self as store, AuditEntry, Store, StoreError};
use sealgate_web::rooms::{FIRST_USER, SessionStore, Setup, SignIn, StoredSession, User};
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
    ) -> Result<Self, StoreError> {
        let set_up = AtomicBool::new(store.has_users()?);
        Ok(Self {
            store,
            clock,
            code,
            set_up,
        })
    }

    /// The code to show on the console, while set-up is not done.
    pub fn shown_code(&self) -> Option<String> {
        (!self.set_up.load(Ordering::Acquire)).then(|| self.code.shown())
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
    async fn check(&self, name: &str, password: &str) -> Result<User, Problem> {
        let store = Arc::clone(&self.store);
        let user_name = name.to_owned();
        let password = password.to_owned();
        let fits = blocking("check a password", move || {
            let user = store.user(&user_name)?;
            let hash = user.as_ref().map(|user| user.password_hash.as_str());
            Ok::<_, StoreError>(passwords::verify(&password, hash))
        })
        .await?;
        if fits {
            Ok(User {
                name: name.to_owned(),
            })
        } else {
            Err(entry("SG-SES-001", &[]))
        }
    }
}

#[async_trait]
impl SessionStore for People {
    async fn insert(&self, session: StoredSession) -> Result<(), Problem> {
        let store = Arc::clone(&self.store);
        blocking("keep a session", move || {
            store.insert_session(&store::Session {
                token_sha256: session.token_sha256,
                user_name: session.user,
                created_utc_ms: session.created_utc_ms,
                expires_utc_ms: session.expires_utc_ms,
            })
        })
        .await
    }

    async fn find(&self, token_sha256: &[u8; 32]) -> Result<Option<StoredSession>, Problem> {
        let store = Arc::clone(&self.store);
        let token_sha256 = *token_sha256;
        let session = blocking("find a session", move || store.session(&token_sha256)).await?;
        Ok(session.map(|session| StoredSession {
            token_sha256: session.token_sha256,
            user: session.user_name,
            created_utc_ms: session.created_utc_ms,
            expires_utc_ms: session.expires_utc_ms,
        }))
    }

    async fn remove(&self, token_sha256: &[u8; 32]) -> Result<(), Problem> {
        let store = Arc::clone(&self.store);
        let token_sha256 = *token_sha256;
        blocking("end a session", move || store.remove_session(&token_sha256)).await
    }
}
