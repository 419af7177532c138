//! Tokens of programs.

use rusqlite::params;

use crate::{Store, StoreError};

/// An API token as it is kept: never with the token itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// By which it is removed.
    pub id: i64,
    /// What it is for.
    pub name: String,
    /// In whose name it asks.
    pub user_name: String,
    /// What it may do, a JSON array.
    pub scopes: String,
    /// When it was made, milliseconds since the Unix epoch.
    pub created_utc_ms: i64,
    /// When it ends, milliseconds since the Unix epoch.
    pub expires_utc_ms: i64,
}

impl Store {
    /// Keeps a token; `token.id` is not read. Gives the id.
    ///
    /// # Errors
    /// The database could not be written, or there is no such user.
    pub fn add_token(&self, token: &ApiToken, token_sha256: &[u8; 32]) -> Result<i64, StoreError> {
        self.lock()
            .query_row(
                "INSERT INTO api_token
                    (token_sha256, name, user_name, scopes, created_utc_ms, expires_utc_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id",
                params![
                    token_sha256,
                    token.name,
                    token.user_name,
                    token.scopes,
                    token.created_utc_ms,
                    token.expires_utc_ms
                ],
                |row| row.get(0),
            )
            .map_err(StoreError::query("keep a token"))
    }

    /// Every token, the newest first.
    ///
    /// # Errors
    /// The database could not be read.
    pub fn tokens(&self) -> Result<Vec<ApiToken>, StoreError> {
        self.rows(
            "list tokens",
            "SELECT id, name, user_name, scopes, created_utc_ms, expires_utc_ms
             FROM api_token ORDER BY id DESC",
            [],
            |row| {
                Ok(ApiToken {
                    id: row.get(0)?,
                    name: row.get(1)?,
                    user_name: row.get(2)?,
                    scopes: row.get(3)?,
                    created_utc_ms: row.get(4)?,
                    expires_utc_ms: row.get(5)?,
                })
            },
        )
    }

    /// Removes a token; false where there is none.
    ///
    /// # Errors
    /// The database could not be written.
    pub fn remove_token(&self, id: i64) -> Result<bool, StoreError> {
        self.change(
            "remove a token",
            "DELETE FROM api_token WHERE id = ?1",
            [id],
        )
        .map(|removed| removed == 1)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{User, in_memory};

    #[test]
    fn a_token_is_found_with_its_users_role_and_goes_with_them() {
        let store = in_memory();
        for (name, role) in [("owner", "admin"), ("ann", "operator")] {
            let user = User {
                name: name.into(),
                password_hash: "one".into(),
                role: role.into(),
                totp: None,
            };
            store.add_user(&user, 0).unwrap();
        }
        let token = ApiToken {
            id: 0,
            name: "wall".into(),
            user_name: "ann".into(),
            scopes: "[\"watch\"]".into(),
            created_utc_ms: 1,
            expires_utc_ms: 9,
        };
        let id = store.add_token(&token, &[5; 32]).unwrap();
        let found = store.session(&[5; 32]).unwrap().unwrap();
        assert_eq!(found.role, "operator");
        assert_eq!(found.scopes.as_deref(), Some("[\"watch\"]"));
        assert_eq!(store.tokens().unwrap()[0].id, id);
        assert!(store.remove_user("ann").unwrap());
        assert!(store.tokens().unwrap().is_empty());
        assert!(!store.remove_token(id).unwrap());
    }
}
