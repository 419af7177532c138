//! Users and their sessions.

use rusqlite::{OptionalExtension, params};

use crate::{Store, StoreError};

/// A person who may sign in.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// As typed at sign-in.
    pub name: String,
    /// PHC string.
    pub password_hash: String,
}

/// A session; its token is kept nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of the token's bytes.
    pub token_sha256: [u8; 32],
    /// Whose it is.
    pub user_name: String,
    /// When it began, milliseconds since the Unix epoch.
    pub created_utc_ms: i64,
    /// When it ends, milliseconds since the Unix epoch.
    pub expires_utc_ms: i64,
}

impl Store {
    /// Whether anybody may sign in yet.
    ///
    /// # Errors
    /// The database could not be read.
    pub fn has_users(&self) -> Result<bool, StoreError> {
        self.lock()
            .query_row("SELECT EXISTS (SELECT 1 FROM user)", [], |row| row.get(0))
            .map_err(StoreError::query("count the users"))
    }

    /// Adds the first user; false, and nothing changed, where there is one already.
    ///
    /// # Errors
    /// The database could not be written.
    pub fn create_first_user(&self, user: &User, now_utc_ms: i64) -> Result<bool, StoreError> {
        let added = self
            .lock()
            .execute(
                "INSERT INTO user (name, password_hash, created_utc_ms, password_set_utc_ms)
                 SELECT ?1, ?2, ?3, ?3 WHERE NOT EXISTS (SELECT 1 FROM user)",
                params![user.name, user.password_hash, now_utc_ms],
            )
            .map_err(StoreError::query("add the first user"))?;
        Ok(added == 1)
    }

    /// The user of this name.
    ///
    /// # Errors
    /// The database could not be read.
    pub fn user(&self, name: &str) -> Result<Option<User>, StoreError> {
        self.lock()
            .query_row(
                "SELECT name, password_hash FROM user WHERE name = ?1",
                [name],
                |row| {
                    Ok(User {
                        name: row.get(0)?,
                        password_hash: row.get(1)?,
                    })
                },
            )
            .optional()
            .map_err(StoreError::query("find a user"))
    }

    /// Sets a user's password and ends their sessions; false where there is no such user.
    ///
    /// # Errors
    /// The database could not be written.
    pub fn set_password(&self, user: &User, now_utc_ms: i64) -> Result<bool, StoreError> {
        let mut connection = self.lock();
        let mut change = || -> Result<bool, rusqlite::Error> {
            let transaction = connection.transaction()?;
            let changed = transaction.execute(
                "UPDATE user SET password_hash = ?2, password_set_utc_ms = ?3 WHERE name = ?1",
                params![user.name, user.password_hash, now_utc_ms],
            )?;
            transaction.execute("DELETE FROM session WHERE user_name = ?1", [&user.name])?;
            transaction.commit()?;
            Ok(changed == 1)
        };
        change().map_err(StoreError::query("set a password"))
    }

    /// Remembers a session, and forgets those that ended at or before its beginning.
    ///
    /// # Errors
    /// The database could not be written, or there is no such user.
    pub fn insert_session(&self, session: &Session) -> Result<(), StoreError> {
        let mut connection = self.lock();
        let mut change = || -> Result<(), rusqlite::Error> {
            let transaction = connection.transaction()?;
            transaction.execute(
                "DELETE FROM session WHERE expires_utc_ms <= ?1",
                [session.created_utc_ms],
            )?;
            transaction.execute(
                "INSERT INTO session (token_sha256, user_name, created_utc_ms, expires_utc_ms)
                 VALUES (?1, ?2, ?3, ?4)",
                params![
                    session.token_sha256,
                    session.user_name,
                    session.created_utc_ms,
                    session.expires_utc_ms
                ],
            )?;
            transaction.commit()
        };
        change().map_err(StoreError::query("remember a session"))
    }

    /// The session of this token, ended or not.
    ///
    /// # Errors
    /// The database could not be read.
    pub fn session(&self, token_sha256: &[u8; 32]) -> Result<Option<Session>, StoreError> {
        self.lock()
            .prepare_cached(
                "SELECT token_sha256, user_name, created_utc_ms, expires_utc_ms
                 FROM session WHERE token_sha256 = ?1",
            )
            .and_then(|mut query| {
                query
                    .query_row([token_sha256], |row| {
                        Ok(Session {
                            token_sha256: row.get(0)?,
                            user_name: row.get(1)?,
                            created_utc_ms: row.get(2)?,
                            expires_utc_ms: row.get(3)?,
                        })
                    })
                    .optional()
            })
            .map_err(StoreError::query("find a session"))
    }

    /// Forgets a session; one that is not there is no error.
    ///
    /// # Errors
    /// The database could not be written.
    pub fn remove_session(&self, token_sha256: &[u8; 32]) -> Result<(), StoreError> {
        self.lock()
            .execute(
                "DELETE FROM session WHERE token_sha256 = ?1",
                [token_sha256],
            )
            .map(|_| ())
            .map_err(StoreError::query("forget a session"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::in_memory;

    fn owner(hash: &str) -> User {
        User {
            name: "owner".into(),
            password_hash: hash.into(),
        }
    }

    fn session(token: u8, created_utc_ms: i64) -> Session {
        Session {
            token_sha256: [token; 32],
            user_name: "owner".into(),
            created_utc_ms,
            expires_utc_ms: created_utc_ms + 100,
        }
    }

    #[test]
    fn the_first_user_is_made_once() {
        let store = in_memory();
        assert!(!store.has_users().unwrap());
        assert!(store.create_first_user(&owner("one"), 1).unwrap());
        assert!(!store.create_first_user(&owner("two"), 2).unwrap());
        assert_eq!(store.user("owner").unwrap().unwrap().password_hash, "one");
        assert!(store.user("Owner").unwrap().is_none());
        assert!(store.has_users().unwrap());
    }

    #[test]
    fn ended_sessions_go_when_a_new_one_comes() {
        let store = in_memory();
        store.create_first_user(&owner("one"), 0).unwrap();
        store.insert_session(&session(1, 0)).unwrap();
        store.insert_session(&session(2, 99)).unwrap();
        assert!(store.session(&[1; 32]).unwrap().is_some());
        store.insert_session(&session(3, 100)).unwrap();
        assert!(store.session(&[1; 32]).unwrap().is_none());
        assert!(store.session(&[2; 32]).unwrap() == Some(session(2, 99)));
        store.remove_session(&[2; 32]).unwrap();
        store.remove_session(&[2; 32]).unwrap();
        assert!(store.session(&[2; 32]).unwrap().is_none());
    }

    #[test]
    fn a_new_password_ends_the_sessions() {
        let store = in_memory();
        store.create_first_user(&owner("one"), 0).unwrap();
        store.insert_session(&session(1, 0)).unwrap();
        assert!(store.set_password(&owner("two"), 5).unwrap());
        assert!(store.session(&[1; 32]).unwrap().is_none());
        assert_eq!(store.user("owner").unwrap().unwrap().password_hash, "two");
    }

    #[test]
    fn nobody_unknown_gets_a_session() {
        assert!(in_memory().insert_session(&session(1, 0)).is_err());
    }
}
