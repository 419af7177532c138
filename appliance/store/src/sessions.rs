//! Sessions of browsers and programs.

use rusqlite::{OptionalExtension, params};

use crate::{Store, StoreError};

/// A session; its token is kept nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of the token's bytes.
    pub token_sha256: [u8; 32],
    /// Whose it is.
    pub user_name: String,
    /// Where it was begun.
    pub address: Option<String>,
    /// When it began, milliseconds since the Unix epoch.
    pub created_utc_ms: i64,
    /// When it ends, milliseconds since the Unix epoch.
    pub expires_utc_ms: i64,
}

/// What a token gives: a session, or an API token, with its user's present role.
#[derive(Clone, PartialEq, Eq)]
pub struct FoundSession {
    /// The session; an API token looks like one.
    pub session: Session,
    /// The user's role now.
    pub role: String,
    /// What an API token is limited to, a JSON array; none for a session.
    pub scopes: Option<String>,
}

impl Store {
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
                "INSERT INTO session
                    (token_sha256, user_name, created_utc_ms, expires_utc_ms, address)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    session.token_sha256,
                    session.user_name,
                    session.created_utc_ms,
                    session.expires_utc_ms,
                    session.address
                ],
            )?;
            transaction.commit()
        };
        change().map_err(StoreError::query("remember a session"))
    }

    /// The session or API token with this hash, ended or not.
    ///
    /// # Errors
    /// The database could not be read.
    pub fn session(&self, token_sha256: &[u8; 32]) -> Result<Option<FoundSession>, StoreError> {
        self.lock()
            .prepare_cached(
                "SELECT token_sha256, user_name, address, session.created_utc_ms,
                        expires_utc_ms, role, NULL
                 FROM session JOIN user ON name = user_name WHERE token_sha256 = ?1
                 UNION ALL
                 SELECT token_sha256, user_name, NULL, api_token.created_utc_ms,
                        expires_utc_ms, role, scopes
                 FROM api_token JOIN user ON user.name = user_name WHERE token_sha256 = ?1",
            )
            .and_then(|mut query| {
                query
                    .query_row([token_sha256], |row| {
                        Ok(FoundSession {
                            session: session_of(row)?,
                            role: row.get(5)?,
                            scopes: row.get(6)?,
                        })
                    })
                    .optional()
            })
            .map_err(StoreError::query("find a session"))
    }

    /// The sessions of a user that have not ended, the newest first.
    ///
    /// # Errors
    /// The database could not be read.
    pub fn sessions_of(&self, name: &str, now_utc_ms: i64) -> Result<Vec<Session>, StoreError> {
        self.rows(
            "list sessions",
            "SELECT token_sha256, user_name, address, created_utc_ms, expires_utc_ms
             FROM session WHERE user_name = ?1 AND expires_utc_ms > ?2
             ORDER BY created_utc_ms DESC",
            params![name, now_utc_ms],
            session_of,
        )
    }

    /// Ends all sessions of a user but this one; gives how many.
    ///
    /// # Errors
    /// The database could not be written.
    pub fn end_other_sessions(&self, name: &str, kept: &[u8; 32]) -> Result<usize, StoreError> {
        self.change(
            "end sessions",
            "DELETE FROM session WHERE user_name = ?1 AND token_sha256 <> ?2",
            params![name, kept],
        )
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

fn session_of(row: &rusqlite::Row<'_>) -> Result<Session, rusqlite::Error> {
    Ok(Session {
        token_sha256: row.get(0)?,
        user_name: row.get(1)?,
        address: row.get(2)?,
        created_utc_ms: row.get(3)?,
        expires_utc_ms: row.get(4)?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{User, in_memory};

    fn owner() -> User {
        User {
            name: "owner".into(),
            password_hash: "one".into(),
            role: "admin".into(),
            totp: None,
        }
    }

    fn session(token: u8, created_utc_ms: i64) -> Session {
        Session {
            token_sha256: [token; 32],
            user_name: "owner".into(),
            address: Some("192.0.2.9".into()),
            created_utc_ms,
            expires_utc_ms: created_utc_ms + 100,
        }
    }

    #[test]
    fn ended_sessions_go_when_a_new_one_comes() {
        let store = in_memory();
        store.create_first_user(&owner(), 0).unwrap();
        store.insert_session(&session(1, 0)).unwrap();
        store.insert_session(&session(2, 99)).unwrap();
        assert!(store.session(&[1; 32]).unwrap().is_some());
        store.insert_session(&session(3, 100)).unwrap();
        assert!(store.session(&[1; 32]).unwrap().is_none());
        let found = store.session(&[2; 32]).unwrap().unwrap();
        assert!(found.session == session(2, 99));
        assert_eq!((found.role.as_str(), found.scopes), ("admin", None));
        assert_eq!(store.sessions_of("owner", 150).unwrap().len(), 2);
        assert_eq!(store.end_other_sessions("owner", &[3; 32]).unwrap(), 1);
        store.remove_session(&[3; 32]).unwrap();
        store.remove_session(&[3; 32]).unwrap();
        assert!(store.session(&[3; 32]).unwrap().is_none());
    }

    #[test]
    fn a_new_password_ends_the_sessions() {
        let store = in_memory();
        store.create_first_user(&owner(), 0).unwrap();
        store.insert_session(&session(1, 0)).unwrap();
        assert!(store.set_password("owner", "two", 5).unwrap());
        assert!(store.session(&[1; 32]).unwrap().is_none());
        assert_eq!(store.user("owner").unwrap().unwrap().password_hash, "two");
    }

    #[test]
    fn nobody_unknown_gets_a_session() {
        assert!(in_memory().insert_session(&session(1, 0)).is_err());
    }
}
