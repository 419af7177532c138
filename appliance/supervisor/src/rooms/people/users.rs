//! What admins decide about users and tokens.

use std::sync::Arc;

use async_trait::async_trait;
use sealgate_store as store;
use sealgate_web::rooms::{
    ApiTokenView, AuditView, Enrolment, NewApiToken, Right, Role, UserRoom, UserView,
};
use sealgate_words::Problem;

use super::{People, scopes_of, user_of};
use crate::passwords;
use crate::rooms::{blocking, entry};

const LONGEST_NAME: usize = 64;

/// Whether a user can be called so: what stands in paths, mails and QR codes unescaped.
pub(super) fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        // A path of dots leads elsewhere.
        && name.bytes().any(|byte| byte.is_ascii_alphanumeric())
}

pub(super) async fn password_hash(password: &str) -> Result<String, Problem> {
    let password = password.to_owned();
    blocking("hash a password", move || passwords::hash(&password)).await
}

fn no_user() -> Problem {
    entry("SG-API-002", &[("object", "user")])
}

impl People {
    /// Whether a change that found nobody to change did so because they are the last admin.
    async fn why_unchanged(&self, name: &str) -> Problem {
        let store = Arc::clone(&self.store);
        let asked = name.to_owned();
        match blocking("find a user", move || store.user(&asked)).await {
            Ok(Some(_)) => entry("SG-SES-025", &[("name", name)]),
            Ok(None) => no_user(),
            Err(problem) => problem,
        }
    }
}

#[async_trait]
impl UserRoom for People {
    async fn list(&self) -> Result<Vec<UserView>, Problem> {
        let store = Arc::clone(&self.store);
        let users = blocking("list the users", move || store.users()).await?;
        Ok(users
            .into_iter()
            .map(|user| UserView {
                role: user_of(String::new(), &user.role).role,
                name: user.name,
                has_totp: user.has_totp,
                recovery_codes: user.recovery_codes,
                created_utc_ms: user.created_utc_ms,
            })
            .collect())
    }

    async fn add(&self, by: &str, name: &str, role: Role, password: &str) -> Result<(), Problem> {
        if !is_name(name) {
            return Err(entry("SG-SES-024", &[]));
        }
        let add = async {
            let user = store::User {
                name: name.to_owned(),
                password_hash: password_hash(password).await?,
                role: role.word().to_owned(),
                totp: None,
            };
            let store = Arc::clone(&self.store);
            let now = self.clock.utc_ms();
            let added = blocking("add a user", move || store.add_user(&user, now)).await?;
            if added {
                Ok(())
            } else {
                Err(entry("SG-SES-023", &[("name", name)]))
            }
        };
        let object = format!("{name} as {}", role.word());
        self.audited(by, "user.add", &object, add).await
    }

    async fn set_role(&self, by: &str, name: &str, role: Role) -> Result<(), Problem> {
        let change = async {
            let store = Arc::clone(&self.store);
            let user = name.to_owned();
            let set = move || store.set_role(&user, role.word());
            if blocking("change a role", set).await? {
                Ok(())
            } else {
                Err(self.why_unchanged(name).await)
            }
        };
        let object = format!("{name} to {}", role.word());
        self.audited(by, "user.role", &object, change).await
    }

    async fn remove(&self, by: &str, name: &str) -> Result<(), Problem> {
        let remove = async {
            let store = Arc::clone(&self.store);
            let user = name.to_owned();
            if blocking("remove a user", move || store.remove_user(&user)).await? {
                Ok(())
            } else {
                Err(self.why_unchanged(name).await)
            }
        };
        self.audited(by, "user.remove", name, remove).await
    }

    async fn set_password(&self, by: &str, name: &str, password: &str) -> Result<(), Problem> {
        let change = async {
            let hash = password_hash(password).await?;
            let store = Arc::clone(&self.store);
            let user = name.to_owned();
            let now = self.clock.utc_ms();
            let set = move || store.set_password(&user, &hash, now);
            if blocking("set a password", set).await? {
                Ok(())
            } else {
                Err(no_user())
            }
        };
        self.audited(by, "user.password", name, change).await
    }

    async fn begin_totp(&self, name: &str) -> Result<Enrolment, Problem> {
        Ok(self.enrolment(name))
    }

    async fn confirm_totp(&self, name: &str, code: &str) -> Result<Vec<String>, Problem> {
        self.audited(name, "user.app", name, self.enrol(name, code))
            .await
    }

    async fn remove_totp(&self, by: &str, name: &str) -> Result<(), Problem> {
        let remove = async {
            let store = Arc::clone(&self.store);
            let user = name.to_owned();
            blocking("remove an authenticator app", move || {
                let found = store.user(&user)?.is_some();
                store.set_totp(&user, None, &[])?;
                Ok::<_, store::StoreError>(found)
            })
            .await?
            .then_some(())
            .ok_or_else(no_user)
        };
        self.audited(by, "user.app-remove", name, remove).await
    }

    async fn tokens(&self) -> Result<Vec<ApiTokenView>, Problem> {
        let store = Arc::clone(&self.store);
        let tokens = blocking("list tokens", move || store.tokens()).await?;
        Ok(tokens.into_iter().map(token_view).collect())
    }

    async fn add_token(&self, by: &str, token: NewApiToken) -> Result<ApiTokenView, Problem> {
        let name = token.name.trim().to_owned();
        let fits = (1..=LONGEST_NAME).contains(&name.chars().count())
            && !token.scopes.is_empty()
            && token
                .scopes
                .iter()
                .all(|right| Right::SCOPES.contains(right));
        if !fits {
            return Err(entry("SG-SES-029", &[]));
        }
        let words: Vec<&str> = token.scopes.iter().map(|right| right.word()).collect();
        let mut kept = store::ApiToken {
            id: 0,
            name: name.clone(),
            user_name: by.to_owned(),
            scopes: serde_json::json!(words).to_string(),
            created_utc_ms: self.clock.utc_ms(),
            expires_utc_ms: token.expires_utc_ms,
        };
        let add = async {
            let store = Arc::clone(&self.store);
            blocking("keep a token", move || {
                kept.id = store.add_token(&kept, &token.token_sha256)?;
                Ok::<_, store::StoreError>(token_view(kept))
            })
            .await
        };
        let object = format!("{name}: {}", words.join(", "));
        self.audited(by, "token.add", &object, add).await
    }

    async fn remove_token(&self, by: &str, id: i64) -> Result<(), Problem> {
        let remove = async {
            let store = Arc::clone(&self.store);
            blocking("remove a token", move || store.remove_token(id))
                .await?
                .then_some(())
                .ok_or_else(|| entry("SG-API-002", &[("object", "token")]))
        };
        self.audited(by, "token.remove", &id.to_string(), remove)
            .await
    }

    async fn audit(&self, limit: u32) -> Result<Vec<AuditView>, Problem> {
        let store = Arc::clone(&self.store);
        let log = blocking("read the audit log", move || store.audit_log(limit)).await?;
        Ok(log
            .into_iter()
            .map(|record| AuditView {
                utc_ms: record.utc_ms,
                actor: record.actor,
                action: record.action,
                object: record.object,
                code: record.code,
            })
            .collect())
    }

    async fn note(&self, by: Option<&str>, action: &str, object: Option<&str>, code: Option<&str>) {
        self.write_audit(by, action, object, code).await;
    }
}

fn token_view(token: store::ApiToken) -> ApiTokenView {
    ApiTokenView {
        id: token.id,
        name: token.name,
        user: token.user_name,
        scopes: scopes_of(&token.scopes),
        created_utc_ms: token.created_utc_ms,
        expires_utc_ms: token.expires_utc_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_paths() {
        for (name, expected) in [
            ("owner", true),
            ("a.b-c_1", true),
            ("", false),
            ("..", false),
            ("a b", false),
            ("a/b", false),
            ("ä", false),
            (&"x".repeat(65), false),
        ] {
            assert_eq!(is_name(name), expected, "{name}");
        }
    }
}
