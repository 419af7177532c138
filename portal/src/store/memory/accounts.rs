//! Users, sessions, audit, EK roots.

use super::{MemoryTx, must_be_new, must_exist};
use crate::store::{
    AccountsTx, AuditEntry, EkRootEntry, PasswordLink, Session, StoreError, TokenHash, User, UserId,
};

impl AccountsTx for MemoryTx {
    fn meta(&mut self, key: &str) -> Result<Option<String>, StoreError> {
        Ok(self.0.meta.get(key).cloned())
    }

    fn set_meta(&mut self, key: &str, value: &str) -> Result<(), StoreError> {
        self.0.meta.insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    fn insert_user(&mut self, user: &User) -> Result<(), StoreError> {
        let taken = self.user_by_email(&user.email)?.is_some();
        must_be_new(taken, "a user with this address")?;
        self.0.users.push(user.clone());
        Ok(())
    }

    fn user_by_email(&mut self, email: &str) -> Result<Option<User>, StoreError> {
        let found = (self.0.users.iter()).find(|user| user.email.eq_ignore_ascii_case(email));
        Ok(found.cloned())
    }

    fn user(&mut self, id: UserId) -> Result<Option<User>, StoreError> {
        Ok(self.0.users.iter().find(|user| user.id == id).cloned())
    }

    fn set_password(&mut self, id: UserId, phc: &str) -> Result<(), StoreError> {
        for user in self.0.users.iter_mut().filter(|user| user.id == id) {
            user.password_phc = Some(phc.to_owned());
        }
        self.0.sessions.retain(|session| session.user != id);
        Ok(())
    }

    fn insert_password_link(&mut self, link: &PasswordLink) -> Result<(), StoreError> {
        must_exist(self.user(link.user)?.is_some(), "user_id")?;
        self.0.links.push(link.clone());
        Ok(())
    }

    fn password_link(
        &mut self,
        token: &TokenHash,
        now_utc_s: i64,
    ) -> Result<Option<PasswordLink>, StoreError> {
        let found = (self.0.links.iter())
            .find(|link| link.token == *token && link.expires_utc_s > now_utc_s);
        Ok(found.cloned())
    }

    fn delete_password_links(&mut self, user: UserId) -> Result<(), StoreError> {
        self.0.links.retain(|link| link.user != user);
        Ok(())
    }

    fn insert_session(&mut self, session: &Session, now_utc_s: i64) -> Result<(), StoreError> {
        must_exist(self.user(session.user)?.is_some(), "user_id")?;
        (self.0.sessions).retain(|session| session.expires_utc_s > now_utc_s);
        self.0.sessions.push(session.clone());
        Ok(())
    }

    fn session(
        &mut self,
        token: &TokenHash,
        now_utc_s: i64,
    ) -> Result<Option<(Session, User)>, StoreError> {
        let found = (self.0.sessions.iter())
            .find(|session| session.token == *token && session.expires_utc_s > now_utc_s)
            .cloned();
        let Some(session) = found else {
            return Ok(None);
        };
        Ok(self.user(session.user)?.map(|user| (session, user)))
    }

    fn delete_session(&mut self, token: &TokenHash) -> Result<(), StoreError> {
        self.0.sessions.retain(|session| session.token != *token);
        Ok(())
    }

    fn append_audit(&mut self, entry: &AuditEntry) -> Result<(), StoreError> {
        self.0.audit.push(entry.clone());
        Ok(())
    }

    fn audit_of(&mut self, object: &str, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        let newest_first = self.0.audit.iter().rev();
        Ok(newest_first
            .filter(|entry| entry.object == object)
            .take(limit as usize)
            .cloned()
            .collect())
    }

    fn put_ek_root(&mut self, root: &EkRootEntry) -> Result<(), StoreError> {
        match (self.0.ek_roots.iter_mut()).find(|other| other.sha256 == root.sha256) {
            Some(known) => known.class = root.class,
            None => self.0.ek_roots.push(root.clone()),
        }
        (self.0.ek_roots).sort_by(|a, b| (&a.subject, a.sha256).cmp(&(&b.subject, b.sha256)));
        Ok(())
    }

    fn ek_roots(&mut self) -> Result<Vec<EkRootEntry>, StoreError> {
        Ok(self.0.ek_roots.clone())
    }
}
