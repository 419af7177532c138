//! People without a store: one of each role, all with the same password.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use sealgate_web::rooms::*;
use sealgate_words::Problem;

use super::{CODE, FakeBox, NOW_UTC_MS, PASSWORD, problem};

/// What a code of every authenticator app is.
pub const APP_CODE: &str = "123456";

#[derive(Default)]
pub struct People {
    is_set_up: AtomicBool,
    pub users: Mutex<Vec<UserView>>,
    pub sessions: Mutex<HashMap<[u8; 32], StoredSession>>,
    pub tokens: Mutex<Vec<ApiTokenView>>,
    pub notes: Mutex<Vec<AuditView>>,
}

impl People {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn is_set_up(&self) -> bool {
        self.is_set_up.load(Ordering::SeqCst)
    }

    pub fn set_up(&self) {
        self.is_set_up.store(true, Ordering::SeqCst);
        let roles = [
            ("operator", Role::Operator),
            ("owner", Role::Admin),
            ("viewer", Role::Viewer),
        ];
        *self.users.lock().unwrap() = roles
            .map(|(name, role)| UserView {
                name: name.into(),
                role,
                has_totp: false,
                recovery_codes: 0,
                created_utc_ms: NOW_UTC_MS,
            })
            .into();
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut UserView)) -> Result<User, Problem> {
        let mut users = self.users.lock().unwrap();
        let user = users.iter_mut().find(|user| user.name == name);
        let user = user.ok_or_else(|| problem("SG-API-002"))?;
        change(user);
        Ok(User {
            name: user.name.clone(),
            role: user.role,
        })
    }
}

#[async_trait]
impl Setup for FakeBox {
    async fn is_done(&self) -> bool {
        self.people.is_set_up()
    }

    async fn complete(&self, code: &str, _: &str) -> Result<User, Problem> {
        if code != CODE {
            return Err(problem("SG-SES-002"));
        }
        self.people.set_up();
        self.people.change(FIRST_USER, |_| ())
    }
}

#[async_trait]
impl Recovery for FakeBox {
    async fn begin(&self) -> String {
        CODE.into()
    }

    async fn complete(&self, code: &str, name: &str, _: &str) -> Result<User, Problem> {
        if code != CODE {
            return Err(problem("SG-SES-028"));
        }
        self.people.change(name, |user| user.role = Role::Admin)
    }
}

#[async_trait]
impl SignIn for FakeBox {
    async fn check(&self, name: &str, password: &str) -> Result<Checked, Problem> {
        let mut wants_code = false;
        let user = self.people.change(name, |user| wants_code = user.has_totp);
        match user {
            Ok(user) if password == PASSWORD => Ok(Checked { user, wants_code }),
            _ => Err(problem("SG-SES-001")),
        }
    }

    async fn check_code(&self, name: &str, code: &str) -> Result<User, Problem> {
        if code == APP_CODE {
            self.people.change(name, |_| ())
        } else {
            Err(problem("SG-SES-021"))
        }
    }
}

#[async_trait]
impl SessionStore for FakeBox {
    async fn insert(&self, session: StoredSession) -> Result<(), Problem> {
        let mut sessions = self.people.sessions.lock().unwrap();
        sessions.insert(session.token_sha256, session);
        Ok(())
    }

    async fn find(&self, token_sha256: &[u8; 32]) -> Result<Option<StoredSession>, Problem> {
        Ok(self
            .people
            .sessions
            .lock()
            .unwrap()
            .get(token_sha256)
            .cloned())
    }

    async fn remove(&self, token_sha256: &[u8; 32]) -> Result<(), Problem> {
        self.people.sessions.lock().unwrap().remove(token_sha256);
        Ok(())
    }

    async fn of_user(&self, name: &str) -> Result<Vec<StoredSession>, Problem> {
        let sessions = self.people.sessions.lock().unwrap();
        Ok(sessions
            .values()
            .filter(|session| session.user.name == name && session.scopes.is_none())
            .cloned()
            .collect())
    }

    async fn end_others(&self, name: &str, kept: &[u8; 32]) -> Result<(), Problem> {
        let mut sessions = self.people.sessions.lock().unwrap();
        sessions.retain(|token, session| session.user.name != name || token == kept);
        Ok(())
    }
}

#[async_trait]
impl UserRoom for FakeBox {
    async fn list(&self) -> Result<Vec<UserView>, Problem> {
        Ok(self.people.users.lock().unwrap().clone())
    }

    async fn add(&self, _: &str, name: &str, role: Role, _: &str) -> Result<(), Problem> {
        let mut users = self.people.users.lock().unwrap();
        if users.iter().any(|user| user.name == name) {
            return Err(problem("SG-SES-023"));
        }
        users.push(UserView {
            name: name.into(),
            role,
            has_totp: false,
            recovery_codes: 0,
            created_utc_ms: NOW_UTC_MS,
        });
        Ok(())
    }

    async fn set_role(&self, _: &str, name: &str, role: Role) -> Result<(), Problem> {
        self.people.change(name, |user| user.role = role).map(drop)
    }

    async fn remove(&self, _: &str, name: &str) -> Result<(), Problem> {
        self.people.change(name, |_| ())?;
        self.people
            .users
            .lock()
            .unwrap()
            .retain(|user| user.name != name);
        Ok(())
    }

    async fn set_password(&self, _: &str, name: &str, _: &str) -> Result<(), Problem> {
        self.people.change(name, |_| ()).map(drop)
    }

    async fn begin_totp(&self, name: &str) -> Result<Enrolment, Problem> {
        Ok(Enrolment {
            key: "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ".into(),
            uri: format!(
                "otpauth://totp/NVR-0207:{name}?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=NVR-0207"
            ),
        })
    }

    async fn confirm_totp(&self, name: &str, code: &str) -> Result<Vec<String>, Problem> {
        if code != APP_CODE {
            return Err(problem("SG-SES-021"));
        }
        self.people.change(name, |user| {
            user.has_totp = true;
            user.recovery_codes = 8;
        })?;
        Ok((0..8).map(|number| format!("ABCDE-FGH{number}K")).collect())
    }

    async fn remove_totp(&self, _: &str, name: &str) -> Result<(), Problem> {
        self.people
            .change(name, |user| user.has_totp = false)
            .map(drop)
    }

    async fn tokens(&self) -> Result<Vec<ApiTokenView>, Problem> {
        Ok(self.people.tokens.lock().unwrap().clone())
    }

    async fn add_token(&self, by: &str, new: NewApiToken) -> Result<ApiTokenView, Problem> {
        let user = self.people.change(by, |_| ())?;
        let mut tokens = self.people.tokens.lock().unwrap();
        let view = ApiTokenView {
            id: 1 + i64::try_from(tokens.len()).unwrap(),
            name: new.name,
            user: by.into(),
            scopes: new.scopes.clone(),
            created_utc_ms: NOW_UTC_MS,
            expires_utc_ms: new.expires_utc_ms,
        };
        tokens.push(view.clone());
        let session = StoredSession {
            token_sha256: new.token_sha256,
            user,
            scopes: Some(new.scopes),
            address: None,
            created_utc_ms: NOW_UTC_MS,
            expires_utc_ms: new.expires_utc_ms,
        };
        self.people
            .sessions
            .lock()
            .unwrap()
            .insert(new.token_sha256, session);
        Ok(view)
    }

    async fn remove_token(&self, _: &str, id: i64) -> Result<(), Problem> {
        let mut tokens = self.people.tokens.lock().unwrap();
        let before = tokens.len();
        tokens.retain(|token| token.id != id);
        if tokens.len() == before {
            return Err(problem("SG-API-002"));
        }
        Ok(())
    }

    async fn audit(&self, limit: u32) -> Result<Vec<AuditView>, Problem> {
        let notes = self.people.notes.lock().unwrap();
        Ok(notes.iter().rev().take(limit as usize).cloned().collect())
    }

    async fn note(&self, by: Option<&str>, action: &str, object: Option<&str>, code: Option<&str>) {
        let note = AuditView {
            utc_ms: NOW_UTC_MS,
            actor: by.map(str::to_owned),
            action: action.into(),
            object: object.map(str::to_owned),
            code: code.map(str::to_owned),
        };
        self.people.notes.lock().unwrap().push(note);
    }
}
