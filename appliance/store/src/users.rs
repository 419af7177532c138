//! Users: names, passwords, roles, authenticator apps.

use rusqlite::{OptionalExtension, params};

use crate::{Store, StoreError};

/// A person who may sign in.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// As typed at sign-in.
    pub name: String,
    /// PHC string.
    pub password_hash: String,
    /// `viewer`, `operator` or `admin`.
    pub role: String,
    /// Key of the authenticator app, and the newest 30 s step whose code was taken.
    pub totp: Option<([u8; 20], i64)>,
}

/// A person as they are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownUser {
    /// As typed at sign-in.
    pub name: String,
    /// `viewer`, `operator` or `admin`.
    pub role: String,
    /// They sign in with an authenticator app too.
    pub has_totp: bool,
    /// Recovery codes that were not used yet.
    pub recovery_codes: u32,
    /// When they were added, milliseconds since the Unix epoch.
    pub created_utc_ms: i64,
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

    /// Adds the first user, an admin; false, and nothing changed, where there is one already.
    ///
    /// # Errors
    /// The database could not be written.
    pub fn create_first_user(&self, user: &User, now_utc_ms: i64) -> Result<bool, StoreError> {
        let added = self
            .lock()
            .execute(
                "INSERT INTO user (name, password_hash, role, created_utc_ms, password_set_utc_ms)
                 SELECT ?1, ?2, 'admin', ?3, ?3 WHERE NOT EXISTS (SELECT 1 FROM user)",
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
                "SELECT name, password_hash, role, totp_key, totp_step FROM user WHERE name = ?1",
                [name],
                |row| {
                    let key: Option<[u8; 20]> = row.get(3)?;
                    let step = row.get(4)?;
                    Ok(User {
                        name: row.get(0)?,
                        password_hash: row.get(1)?,
                        role: row.get(2)?,
                        totp: key.map(|key| (key, step)),
                    })
                },
            )
            .optional()
            .map_err(StoreError::query("find a user"))
    }

    /// Everybody, by name.
    ///
    /// # Errors
    /// The database could not be read.
    pub fn users(&self) -> Result<Vec<KnownUser>, StoreError> {
        self.rows(
            "list the users",
            "SELECT name, role, totp_key IS NOT NULL,
                    (SELECT count(*) FROM recovery_code WHERE user_name = name), created_utc_ms
             FROM user ORDER BY name",
            [],
            |row| {
                Ok(KnownUser {
                    name: row.get(0)?,
                    role: row.get(1)?,
                    has_totp: row.get(2)?,
                    recovery_codes: row.get(3)?,
                    created_utc_ms: row.get(4)?,
                })
            },
        )
    }

    /// Adds a user; false, and nothing changed, where the name is taken.
    ///
    /// # Errors
    /// The database could not be written.
    pub fn add_user(&self, user: &User, now_utc_ms: i64) -> Result<bool, StoreError> {
        self.change(
            "add a user",
            "INSERT INTO user (name, password_hash, role, created_utc_ms, password_set_utc_ms)
             VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT (name) DO NOTHING",
            params![user.name, user.password_hash, user.role, now_utc_ms],
        )
        .map(|added| added == 1)
    }

    /// Changes what a user may do; false, and nothing changed, where there is no such user
    /// or they are the last admin.
    ///
    /// # Errors
    /// The database could not be written.
    pub fn set_role(&self, name: &str, role: &str) -> Result<bool, StoreError> {
        self.change(
            "change a role",
            "UPDATE user SET role = ?2 WHERE name = ?1 AND (?2 = 'admin' OR EXISTS
                (SELECT 1 FROM user AS other WHERE other.role = 'admin' AND other.name <> ?1))",
            [name, role],
        )
        .map(|changed| changed == 1)
    }

    /// Removes a user with their sessions and tokens; false, and nothing changed, where
    /// there is no such user or they are the last admin.
    ///
    /// # Errors
    /// The database could not be written.
    pub fn remove_user(&self, name: &str) -> Result<bool, StoreError> {
        self.change(
            "remove a user",
            "DELETE FROM user WHERE name = ?1 AND EXISTS
                (SELECT 1 FROM user AS other WHERE other.role = 'admin' AND other.name <> ?1)",
            [name],
        )
        .map(|removed| removed == 1)
    }

    /// Sets or removes the authenticator app of a user, with hashes of new recovery codes,
    /// and notes the step whose code proved the app.
    ///
    /// # Errors
    /// The database could not be written.
    pub fn set_totp(
        &self,
        name: &str,
        totp: Option<([u8; 20], i64)>,
        recovery_codes_sha256: &[[u8; 32]],
    ) -> Result<(), StoreError> {
        let mut connection = self.lock();
        let mut change = || -> Result<(), rusqlite::Error> {
            let transaction = connection.transaction()?;
            transaction.execute(
                "UPDATE user SET totp_key = ?2, totp_step = ?3 WHERE name = ?1",
                params![
                    name,
                    totp.map(|(key, _)| key),
                    totp.map_or(0, |(_, step)| step)
                ],
            )?;
            transaction.execute("DELETE FROM recovery_code WHERE user_name = ?1", [name])?;
            for code in recovery_codes_sha256 {
                transaction.execute(
                    "INSERT INTO recovery_code (user_name, code_sha256) VALUES (?1, ?2)",
                    params![name, code],
                )?;
            }
            transaction.commit()
        };
        change().map_err(StoreError::query("set an authenticator app"))
    }

    /// Notes that the code of this step was taken; false where it, or a later one, was
    /// before.
    ///
    /// # Errors
    /// The database could not be written.
    pub fn take_totp_step(&self, name: &str, step: i64) -> Result<bool, StoreError> {
        self.change(
            "take a code",
            "UPDATE user SET totp_step = ?2 WHERE name = ?1 AND totp_step < ?2",
            params![name, step],
        )
        .map(|changed| changed == 1)
    }

    /// Uses a recovery code up; false where there is no such one.
    ///
    /// # Errors
    /// The database could not be written.
    pub fn take_recovery_code(
        &self,
        name: &str,
        code_sha256: &[u8; 32],
    ) -> Result<bool, StoreError> {
        self.change(
            "take a recovery code",
            "DELETE FROM recovery_code WHERE user_name = ?1 AND code_sha256 = ?2",
            params![name, code_sha256],
        )
        .map(|removed| removed == 1)
    }

    /// Makes this user an admin with this password and without an authenticator app, adding
    /// them if need be, and ends their sessions and tokens.
    ///
    /// # Errors
    /// The database could not be written.
    pub fn restore_admin(&self, user: &User, now_utc_ms: i64) -> Result<(), StoreError> {
        let mut connection = self.lock();
        let mut change = || -> Result<(), rusqlite::Error> {
            let transaction = connection.transaction()?;
            transaction.execute(
                "INSERT INTO user (name, password_hash, role, created_utc_ms, password_set_utc_ms)
                 VALUES (?1, ?2, 'admin', ?3, ?3)
                 ON CONFLICT (name) DO UPDATE SET password_hash = ?2, role = 'admin',
                     password_set_utc_ms = ?3, totp_key = NULL, totp_step = 0",
                params![user.name, user.password_hash, now_utc_ms],
            )?;
            for table in ["session", "api_token", "recovery_code"] {
                transaction.execute(
                    &format!("DELETE FROM {table} WHERE user_name = ?1"),
                    [&user.name],
                )?;
            }
            transaction.commit()
        };
        change().map_err(StoreError::query("restore an admin"))
    }

    /// Sets a user's password and ends their sessions; false where there is no such user.
    ///
    /// # Errors
    /// The database could not be written.
    pub fn set_password(
        &self,
        name: &str,
        password_hash: &str,
        now_utc_ms: i64,
    ) -> Result<bool, StoreError> {
        let mut connection = self.lock();
        let mut change = || -> Result<bool, rusqlite::Error> {
            let transaction = connection.transaction()?;
            let changed = transaction.execute(
                "UPDATE user SET password_hash = ?2, password_set_utc_ms = ?3 WHERE name = ?1",
                params![name, password_hash, now_utc_ms],
            )?;
            transaction.execute("DELETE FROM session WHERE user_name = ?1", [name])?;
            transaction.commit()?;
            Ok(changed == 1)
        };
        change().map_err(StoreError::query("set a password"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Session, in_memory};

    fn user(name: &str, role: &str) -> User {
        User {
            name: name.into(),
            password_hash: "one".into(),
            role: role.into(),
            totp: None,
        }
    }

    #[test]
    fn the_first_user_is_made_once_and_is_an_admin() {
        let store = in_memory();
        assert!(!store.has_users().unwrap());
        assert!(
            store
                .create_first_user(&user("owner", "viewer"), 1)
                .unwrap()
        );
        assert!(!store.create_first_user(&user("other", "admin"), 2).unwrap());
        assert_eq!(store.user("owner").unwrap().unwrap().role, "admin");
        assert!(store.user("Owner").unwrap().is_none());
        assert!(store.has_users().unwrap());
    }

    #[test]
    fn the_last_admin_stays_an_admin() {
        let store = in_memory();
        store.create_first_user(&user("owner", "admin"), 1).unwrap();
        assert!(store.add_user(&user("ann", "viewer"), 2).unwrap());
        assert!(!store.add_user(&user("ann", "admin"), 3).unwrap(), "taken");
        assert!(!store.set_role("owner", "operator").unwrap());
        assert!(!store.remove_user("owner").unwrap());
        assert!(store.set_role("ann", "admin").unwrap());
        assert!(store.set_role("owner", "operator").unwrap());
        assert!(!store.remove_user("ann").unwrap());
        assert!(store.remove_user("owner").unwrap());
        assert!(!store.remove_user("nobody").unwrap());
        assert!(
            store.add_user(&user("bob", "king"), 4).is_err(),
            "no such role"
        );
    }

    #[test]
    fn a_code_is_taken_once() {
        let store = in_memory();
        store.create_first_user(&user("owner", "admin"), 1).unwrap();
        store
            .set_totp("owner", Some(([7; 20], 10)), &[[1; 32], [2; 32]])
            .unwrap();
        assert!(!store.take_totp_step("owner", 10).unwrap());
        assert!(store.take_totp_step("owner", 11).unwrap());
        assert!(!store.take_totp_step("owner", 11).unwrap());
        assert!(store.take_recovery_code("owner", &[1; 32]).unwrap());
        assert!(!store.take_recovery_code("owner", &[1; 32]).unwrap());
        let listed = &store.users().unwrap()[0];
        assert!(listed.has_totp);
        assert_eq!(listed.recovery_codes, 1);
        store.set_totp("owner", None, &[]).unwrap();
        assert!(store.user("owner").unwrap().unwrap().totp.is_none());
        assert!(!store.take_recovery_code("owner", &[2; 32]).unwrap());
    }

    #[test]
    fn a_restored_admin_starts_afresh() {
        let store = in_memory();
        store.create_first_user(&user("owner", "admin"), 1).unwrap();
        store
            .set_totp("owner", Some(([7; 20], 10)), &[[1; 32]])
            .unwrap();
        store
            .insert_session(&Session {
                token_sha256: [1; 32],
                user_name: "owner".into(),
                address: None,
                created_utc_ms: 0,
                expires_utc_ms: 100,
            })
            .unwrap();
        let mut again = user("owner", "admin");
        again.password_hash = "two".into();
        store.restore_admin(&again, 5).unwrap();
        store.restore_admin(&user("new", "admin"), 5).unwrap();
        let owner = store.user("owner").unwrap().unwrap();
        assert_eq!(owner.password_hash, "two");
        assert!(owner.totp.is_none());
        assert!(store.session(&[1; 32]).unwrap().is_none());
        assert_eq!(store.user("new").unwrap().unwrap().role, "admin");
    }
}
