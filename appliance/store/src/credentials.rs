//! Names and passwords that cameras want.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, MutexGuard, PoisonError};

use rusqlite::{Connection, params};
use sealgate_camera::MacAddress;

use crate::{Store, StoreError};

/// What a camera wants to be told. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}

/// Writes one, perhaps within a transaction. Whoever calls it holds what was read, emptied.
pub(crate) fn insert(
    connection: &Connection,
    mac: MacAddress,
    Credential { user, password }: &Credential,
    now_utc_ms: i64,
) -> rusqlite::Result<()> {
    connection
        .execute(
            "INSERT INTO credential (mac, user_name, password, set_utc_ms)
             VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (mac) DO UPDATE
             SET user_name = ?2, password = ?3, set_utc_ms = ?4",
            params![mac.compact(), user, password, now_utc_ms],
        )
        .map(|_| ())
}

impl Store {
    /// Remembers what this camera wants; `None` forgets it.
    ///
    /// # Errors
    /// The database could not be written.
    pub fn set_credential(
        &self,
        mac: MacAddress,
        credential: Option<&Credential>,
        now_utc_ms: i64,
    ) -> Result<(), StoreError> {
        // Held until the change is made: who reads meanwhile waits for it.
        let mut read = self.read_credentials();
        *read = None;
        match credential {
            Some(credential) => insert(&self.lock(), mac, credential, now_utc_ms)
                .map_err(StoreError::query("remember a password")),
            None => self
                .change(
                    "forget a password",
                    "DELETE FROM credential WHERE mac = ?1",
                    params![mac.compact()],
                )
                .map(|_| ()),
        }
    }

    /// What every camera wants whose wishes are known. Read from the database once, and again
    /// after a change.
    ///
    /// # Errors
    /// The database could not be read, or holds what no MAC address is.
    pub fn credentials(&self) -> Result<Arc<BTreeMap<MacAddress, Credential>>, StoreError> {
        let mut read = self.read_credentials();
        if let Some(known) = &*read {
            return Ok(Arc::clone(known));
        }
        let rows = self.rows(
            "list the passwords",
            "SELECT mac, user_name, password FROM credential",
            [],
            |row| {
                let credential = Credential {
                    user: row.get(1)?,
                    password: row.get(2)?,
                };
                Ok((row.get::<_, String>(0)?, credential))
            },
        )?;
        let known = rows
            .into_iter()
            .map(|(mac, credential)| {
                let mac = mac.parse().map_err(StoreError::foreign("credential.mac"))?;
                Ok((mac, credential))
            })
            .collect::<Result<_, StoreError>>()?;
        Ok(Arc::clone(read.insert(Arc::new(known))))
    }

    /// What this camera wants, as far as it is known.
    ///
    /// # Errors
    /// As for [`Store::credentials`].
    pub fn credential(&self, mac: MacAddress) -> Result<Option<Credential>, StoreError> {
        Ok(self.credentials()?.get(&mac).cloned())
    }

    /// Locked before the connection, wherever both are.
    pub(crate) fn read_credentials(
        &self,
    ) -> MutexGuard<'_, Option<Arc<BTreeMap<MacAddress, Credential>>>> {
        // Whoever panicked with it had emptied or filled it, each of which is right.
        self.credentials
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::in_memory;

    #[test]
    fn remembers_changes_and_forgets() {
        let store = in_memory();
        let mac: MacAddress = "02:00:00:00:00:0a".parse().unwrap();
        let credential = |password: &str| Credential {
            user: "admin".into(),
            password: password.into(),
        };
        assert_eq!(store.credential(mac).unwrap(), None);
        for password in ["one", "two"] {
            let given = credential(password);
            store.set_credential(mac, Some(&given), 1).unwrap();
            assert_eq!(store.credential(mac).unwrap(), Some(given.clone()));
            assert_eq!(
                *store.credentials().unwrap(),
                BTreeMap::from([(mac, given)])
            );
        }
        assert_eq!(format!("{:?}", credential("s3cret")), "Credential");
        store.set_credential(mac, None, 2).unwrap();
        assert_eq!(store.credential(mac).unwrap(), None);
    }
}
