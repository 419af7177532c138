//! People and what belongs to them; the ledger's chain.

use super::{MemoryTx, must_exist};
use crate::store::people::{
    ApiToken, Attempts, AuditSearch, Authenticator, COUNTED, ChainedEntry, PeopleTx, Totals, link,
};
use crate::store::{
    AccountsTx as _, AuditEntry, DistributorId, LedgerEntry, Session, StoreError, TokenHash,
    TokenId, User, UserId,
};

/// The number of an entry: 1 for the first.
fn number(index: usize) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX).saturating_add(1)
}

impl MemoryTx {
    /// Links a new entry to the chain.
    pub(super) fn chain(&mut self, entry: &LedgerEntry) {
        let before = self.0.chain.last().copied().unwrap_or_default();
        let seq = number(self.0.chain.len());
        self.0.chain.push(link(&before, seq, entry));
    }
}

impl PeopleTx for MemoryTx {
    fn users(&mut self) -> Result<Vec<User>, StoreError> {
        let mut users = self.0.users.clone();
        users.sort_by_key(|user| user.email.to_lowercase());
        Ok(users)
    }

    fn update_user(&mut self, user: &User) -> Result<(), StoreError> {
        for known in self.0.users.iter_mut().filter(|known| known.id == user.id) {
            known.name.clone_from(&user.name);
            known.role = user.role;
            known.disabled = user.disabled;
        }
        Ok(())
    }

    fn clear_password(&mut self, id: UserId) -> Result<(), StoreError> {
        for user in self.0.users.iter_mut().filter(|user| user.id == id) {
            user.password_phc = None;
        }
        self.end_sessions(id, None)
    }

    fn sessions_of(&mut self, user: UserId, now_utc_s: i64) -> Result<Vec<Session>, StoreError> {
        let mut sessions: Vec<Session> = (self.0.sessions.iter())
            .filter(|session| session.user == user && session.expires_utc_s > now_utc_s)
            .cloned()
            .collect();
        sessions.sort_by_key(|session| (std::cmp::Reverse(session.created_utc_s), session.token.0));
        Ok(sessions)
    }

    fn end_sessions(&mut self, user: UserId, kept: Option<&TokenHash>) -> Result<(), StoreError> {
        (self.0.sessions)
            .retain(|session| session.user != user || kept.is_some_and(|k| *k == session.token));
        Ok(())
    }

    fn insert_second_step(
        &mut self,
        token: &TokenHash,
        user: UserId,
        expires_utc_s: i64,
        now_utc_s: i64,
    ) -> Result<(), StoreError> {
        must_exist(self.user(user)?.is_some(), "user_id")?;
        (self.0.second_steps).retain(|(_, _, expires)| *expires > now_utc_s);
        self.0.second_steps.push((*token, user, expires_utc_s));
        Ok(())
    }

    fn second_step(
        &mut self,
        token: &TokenHash,
        now_utc_s: i64,
    ) -> Result<Option<UserId>, StoreError> {
        let mut steps = self.0.second_steps.iter();
        let found = steps.find(|(of, _, expires)| of == token && *expires > now_utc_s);
        Ok(found.map(|(_, user, _)| *user))
    }

    fn delete_second_step(&mut self, token: &TokenHash) -> Result<(), StoreError> {
        self.0.second_steps.retain(|(of, _, _)| of != token);
        Ok(())
    }

    fn authenticator(
        &mut self,
        user: UserId,
        in_use: bool,
    ) -> Result<Option<Authenticator>, StoreError> {
        let mut apps = self.0.authenticators.iter();
        let found = apps.find(|(of, used, _)| (*of, *used) == (user, in_use));
        Ok(found.map(|(_, _, app)| app.clone()))
    }

    fn put_authenticator(
        &mut self,
        user: UserId,
        in_use: bool,
        authenticator: &Authenticator,
    ) -> Result<(), StoreError> {
        must_exist(self.user(user)?.is_some(), "user_id")?;
        (self.0.authenticators).retain(|(of, used, _)| (*of, *used) != (user, in_use));
        (self.0.authenticators).push((user, in_use, authenticator.clone()));
        Ok(())
    }

    fn remove_authenticators(&mut self, user: UserId) -> Result<(), StoreError> {
        self.0.authenticators.retain(|(of, _, _)| *of != user);
        self.0.recovery_codes.retain(|(of, _)| *of != user);
        Ok(())
    }

    fn set_recovery_codes(&mut self, user: UserId, codes: &[[u8; 32]]) -> Result<(), StoreError> {
        must_exist(self.user(user)?.is_some(), "user_id")?;
        self.0.recovery_codes.retain(|(of, _)| *of != user);
        (self.0.recovery_codes).extend(codes.iter().map(|code| (user, *code)));
        Ok(())
    }

    fn recovery_codes(&mut self, user: UserId) -> Result<usize, StoreError> {
        let codes = self.0.recovery_codes.iter();
        Ok(codes.filter(|(of, _)| *of == user).count())
    }

    fn take_recovery_code(&mut self, user: UserId, code: &[u8; 32]) -> Result<bool, StoreError> {
        let before = self.0.recovery_codes.len();
        (self.0.recovery_codes).retain(|(of, hash)| (*of, hash) != (user, code));
        Ok(self.0.recovery_codes.len() < before)
    }

    fn insert_api_token(&mut self, token: &ApiToken, now_utc_s: i64) -> Result<(), StoreError> {
        must_exist(self.user(token.user)?.is_some(), "user_id")?;
        (self.0.api_tokens).retain(|token| token.expires_utc_s > now_utc_s);
        self.0.api_tokens.push(token.clone());
        Ok(())
    }

    fn api_token(
        &mut self,
        token: &TokenHash,
        now_utc_s: i64,
    ) -> Result<Option<(ApiToken, User)>, StoreError> {
        let mut tokens = self.0.api_tokens.iter();
        let found = tokens.find(|known| known.token == *token && known.expires_utc_s > now_utc_s);
        let Some(token) = found.cloned() else {
            return Ok(None);
        };
        Ok(self.user(token.user)?.map(|user| (token, user)))
    }

    fn api_tokens_of(&mut self, user: UserId, now_utc_s: i64) -> Result<Vec<ApiToken>, StoreError> {
        let mut tokens: Vec<ApiToken> = (self.0.api_tokens.iter())
            .filter(|token| token.user == user && token.expires_utc_s > now_utc_s)
            .cloned()
            .collect();
        tokens.sort_by_key(|token| (std::cmp::Reverse(token.created_utc_s), token.id.to_string()));
        Ok(tokens)
    }

    fn delete_api_token(&mut self, id: TokenId) -> Result<(), StoreError> {
        self.0.api_tokens.retain(|token| token.id != id);
        Ok(())
    }

    fn attempts(&mut self, subject: &[u8; 32]) -> Result<Option<Attempts>, StoreError> {
        Ok(self.0.attempts.get(subject).copied())
    }

    fn put_attempts(
        &mut self,
        subject: &[u8; 32],
        attempts: Attempts,
        forget_utc_s: i64,
    ) -> Result<(), StoreError> {
        (self.0.attempts).retain(|_, known| known.last_utc_s >= forget_utc_s);
        self.0.attempts.insert(*subject, attempts);
        Ok(())
    }

    fn delete_attempts(&mut self, subject: &[u8; 32]) -> Result<(), StoreError> {
        self.0.attempts.remove(subject);
        Ok(())
    }

    fn search_audit(
        &mut self,
        search: &AuditSearch,
        limit: u32,
    ) -> Result<Vec<(i64, AuditEntry)>, StoreError> {
        let fits = |seq: i64, entry: &AuditEntry| {
            let reference = &search.reference;
            (reference.is_none() || entry.origin.reference == *reference)
                && search.actor.is_none_or(|id| entry.actor == Some(id))
                && (search.object.as_ref()).is_none_or(|object| entry.object == *object)
                && search.from_utc_ms.is_none_or(|ms| entry.at_utc_ms >= ms)
                && search.until_utc_ms.is_none_or(|ms| entry.at_utc_ms < ms)
                && search.before.is_none_or(|before| seq < before)
        };
        let numbered = self.0.audit.iter().enumerate();
        Ok(numbered
            .map(|(index, entry)| (number(index), entry))
            .rev()
            .filter(|(seq, entry)| fits(*seq, entry))
            .take(limit as usize)
            .map(|(seq, entry)| (seq, entry.clone()))
            .collect())
    }

    fn set_parent(
        &mut self,
        child: DistributorId,
        parent: DistributorId,
    ) -> Result<(), StoreError> {
        for id in [child, parent] {
            let known = self.0.distributors.iter().any(|other| other.id == id);
            must_exist(known, "distributor_id")?;
        }
        must_exist(child != parent, "parent_id")?;
        must_exist(!self.0.parents.contains_key(&child), "distributor_id")?;
        self.0.parents.insert(child, parent);
        Ok(())
    }

    fn parent(&mut self, child: DistributorId) -> Result<Option<DistributorId>, StoreError> {
        Ok(self.0.parents.get(&child).copied())
    }

    fn subtree(&mut self, root: DistributorId) -> Result<Vec<DistributorId>, StoreError> {
        let mut below = Vec::new();
        if self.0.distributors.iter().any(|other| other.id == root) {
            below.push(root);
        }
        let mut next = 0;
        while let Some(parent) = below.get(next).copied() {
            let children = self.0.parents.iter();
            below.extend(children.filter(|(_, of)| **of == parent).map(|(id, _)| *id));
            next += 1;
        }
        Ok(below)
    }

    fn begin_ledger_chain(&mut self) -> Result<(), StoreError> {
        // Every entry is linked as it comes.
        Ok(())
    }

    fn ledger_chain(&mut self, after: i64, limit: u32) -> Result<Vec<ChainedEntry>, StoreError> {
        let entries = self.0.ledger.iter().enumerate();
        Ok(entries
            .map(|(index, entry)| ChainedEntry {
                seq: number(index),
                entry: entry.clone(),
                sha256: self.0.chain.get(index).copied(),
            })
            .filter(|entry| entry.seq > after)
            .take(limit as usize)
            .collect())
    }

    fn newest_link(&mut self) -> Result<Option<i64>, StoreError> {
        Ok((self.0.chain.len().checked_sub(1)).map(number))
    }

    fn totals(&mut self) -> Result<Totals, StoreError> {
        let files = self.0.others.iter().map(|other| other.files.len()).sum();
        let counts = [
            self.0.users.len(),
            self.0.sessions.len(),
            self.0.api_tokens.len(),
            self.0.distributors.len(),
            self.0.projects.len(),
            self.0.servers.len(),
            self.0.files.len(),
            files,
            self.0.ledger.len(),
        ];
        let named = COUNTED.iter().zip(counts);
        Ok(Totals {
            counts: named
                .map(|((_, name), count)| (*name, i64::try_from(count).unwrap_or(i64::MAX)))
                .collect(),
        })
    }
}
