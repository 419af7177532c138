//! People and what belongs to them; the ledger's chain.

use zeroize::Zeroizing;

use super::accounts::{SESSION_COLUMNS, read_audit, read_session, read_user, role_text};
use super::licenses::read_entry;
use super::{NONE, SqlRow, SqlTx, ToValue, Value, get, params, parse, unsigned};
use crate::store::people::{
    ApiToken, Attempts, AuditSearch, Authenticator, COUNTED, ChainedEntry, PeopleTx, Totals, link,
};
use crate::store::{
    AuditEntry, DistributorId, LedgerEntry, Session, StoreError, TokenHash, TokenId, User, UserId,
};

fn read_token(row: &SqlRow) -> Result<ApiToken, StoreError> {
    Ok(ApiToken {
        id: parse(row, "token_id")?,
        token: TokenHash(get(row, "token_sha256")?),
        user: parse(row, "user_id")?,
        name: get(row, "token_name")?,
        scopes: get::<String>(row, "scopes")?
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
        created_utc_s: get(row, "token_created_utc_s")?,
        expires_utc_s: get(row, "expires_utc_s")?,
    })
}

/// Named apart from the columns of its user.
const TOKEN_COLUMNS: &str = "api_tokens.id AS token_id, api_tokens.token_sha256,
    api_tokens.user_id, api_tokens.name AS token_name, api_tokens.scopes,
    api_tokens.created_utc_s AS token_created_utc_s, api_tokens.expires_utc_s";

impl SqlTx<'_> {
    /// Links a new entry to the chain. Entries that an earlier version wrote come first.
    pub(super) fn chain(&mut self, seq: i64, entry: &LedgerEntry) -> Result<(), StoreError> {
        let newest = self.one(
            "read the ledger's chain",
            "SELECT sha256 FROM ledger_chain ORDER BY seq DESC LIMIT 1",
            NONE,
            |row| get::<[u8; 32]>(row, "sha256"),
        )?;
        match newest {
            Some(before) => self.add_link(seq, &link(&before, seq, entry)),
            None => self.begin_ledger_chain(),
        }
    }

    fn add_link(&mut self, seq: i64, sha256: &[u8; 32]) -> Result<(), StoreError> {
        self.execute(
            "chain the ledger",
            "INSERT INTO ledger_chain (seq, sha256) VALUES (?1, ?2)",
            params![seq, *sha256],
        )
    }
}

impl PeopleTx for SqlTx<'_> {
    fn users(&mut self) -> Result<Vec<User>, StoreError> {
        self.all(
            "read the users",
            "SELECT * FROM users ORDER BY lower(email)",
            NONE,
            read_user,
        )
    }

    fn update_user(&mut self, user: &User) -> Result<(), StoreError> {
        self.execute(
            "change a user",
            "UPDATE users SET name = ?2, role = ?3, disabled = ?4 WHERE id = ?1",
            params![
                user.id.to_string(),
                user.name,
                role_text(user.role),
                user.disabled
            ],
        )
    }

    fn clear_password(&mut self, id: UserId) -> Result<(), StoreError> {
        self.execute(
            "take a password away",
            "UPDATE users SET password_phc = NULL WHERE id = ?1",
            [id.to_string()],
        )?;
        self.end_sessions(id, None)
    }

    fn sessions_of(&mut self, user: UserId, now_utc_s: i64) -> Result<Vec<Session>, StoreError> {
        self.all(
            "read a user's sessions",
            &format!(
                "SELECT {SESSION_COLUMNS} FROM sessions WHERE user_id = ?1 AND expires_utc_s > ?2
                 ORDER BY created_utc_s DESC, token_sha256"
            ),
            params![user.to_string(), now_utc_s],
            read_session,
        )
    }

    fn end_sessions(&mut self, user: UserId, kept: Option<&TokenHash>) -> Result<(), StoreError> {
        // No token has an empty hash.
        let kept = kept.map_or(Vec::new(), |kept| kept.0.to_vec());
        self.execute(
            "end sessions",
            "DELETE FROM sessions WHERE user_id = ?1 AND token_sha256 <> ?2",
            params![user.to_string(), kept],
        )
    }

    fn insert_second_step(
        &mut self,
        token: &TokenHash,
        user: UserId,
        expires_utc_s: i64,
        now_utc_s: i64,
    ) -> Result<(), StoreError> {
        self.execute(
            "forget old sign-ins",
            "DELETE FROM second_steps WHERE expires_utc_s <= ?1",
            [now_utc_s],
        )?;
        self.execute(
            "note a sign-in",
            "INSERT INTO second_steps (token_sha256, user_id, expires_utc_s) VALUES (?1, ?2, ?3)",
            params![token.0, user.to_string(), expires_utc_s],
        )
    }

    fn second_step(
        &mut self,
        token: &TokenHash,
        now_utc_s: i64,
    ) -> Result<Option<UserId>, StoreError> {
        self.one(
            "find a sign-in",
            "SELECT user_id FROM second_steps WHERE token_sha256 = ?1 AND expires_utc_s > ?2",
            params![token.0, now_utc_s],
            |row| parse(row, "user_id"),
        )
    }

    fn delete_second_step(&mut self, token: &TokenHash) -> Result<(), StoreError> {
        self.execute(
            "end a sign-in",
            "DELETE FROM second_steps WHERE token_sha256 = ?1",
            [token.0],
        )
    }

    fn authenticator(
        &mut self,
        user: UserId,
        in_use: bool,
    ) -> Result<Option<Authenticator>, StoreError> {
        self.one(
            "read an authenticator app",
            "SELECT totp_key, last_step FROM authenticators WHERE user_id = ?1 AND in_use = ?2",
            params![user.to_string(), in_use],
            |row| {
                Ok(Authenticator {
                    key: Zeroizing::new(get(row, "totp_key")?),
                    last_step: get(row, "last_step")?,
                })
            },
        )
    }

    fn put_authenticator(
        &mut self,
        user: UserId,
        in_use: bool,
        authenticator: &Authenticator,
    ) -> Result<(), StoreError> {
        self.execute(
            "set an authenticator app",
            "INSERT INTO authenticators (user_id, in_use, totp_key, last_step)
             VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (user_id, in_use) DO UPDATE SET totp_key = ?3, last_step = ?4",
            params![
                user.to_string(),
                in_use,
                *authenticator.key,
                authenticator.last_step
            ],
        )
    }

    fn remove_authenticators(&mut self, user: UserId) -> Result<(), StoreError> {
        self.execute(
            "remove an authenticator app",
            "DELETE FROM authenticators WHERE user_id = ?1",
            [user.to_string()],
        )?;
        self.execute(
            "remove recovery codes",
            "DELETE FROM recovery_codes WHERE user_id = ?1",
            [user.to_string()],
        )
    }

    fn set_recovery_codes(&mut self, user: UserId, codes: &[[u8; 32]]) -> Result<(), StoreError> {
        self.execute(
            "remove recovery codes",
            "DELETE FROM recovery_codes WHERE user_id = ?1",
            [user.to_string()],
        )?;
        for code in codes {
            self.execute(
                "add a recovery code",
                "INSERT INTO recovery_codes (user_id, code_sha256) VALUES (?1, ?2)",
                params![user.to_string(), *code],
            )?;
        }
        Ok(())
    }

    fn recovery_codes(&mut self, user: UserId) -> Result<usize, StoreError> {
        let left = self.one(
            "count recovery codes",
            "SELECT COUNT(*) AS n FROM recovery_codes WHERE user_id = ?1",
            [user.to_string()],
            |row| unsigned(row, "n"),
        )?;
        Ok(left.unwrap_or_default())
    }

    fn take_recovery_code(&mut self, user: UserId, code: &[u8; 32]) -> Result<bool, StoreError> {
        let taken = self.one(
            "use up a recovery code",
            "DELETE FROM recovery_codes WHERE user_id = ?1 AND code_sha256 = ?2 RETURNING user_id",
            params![user.to_string(), *code],
            |row| get::<String>(row, "user_id"),
        )?;
        Ok(taken.is_some())
    }

    fn insert_api_token(&mut self, token: &ApiToken, now_utc_s: i64) -> Result<(), StoreError> {
        self.execute(
            "forget old tokens",
            "DELETE FROM api_tokens WHERE expires_utc_s <= ?1",
            [now_utc_s],
        )?;
        self.execute(
            "add a token",
            "INSERT INTO api_tokens
                 (id, token_sha256, user_id, name, scopes, created_utc_s, expires_utc_s)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                token.id.to_string(),
                token.token.0,
                token.user.to_string(),
                token.name,
                token.scopes.join(" "),
                token.created_utc_s,
                token.expires_utc_s,
            ],
        )
    }

    fn api_token(
        &mut self,
        token: &TokenHash,
        now_utc_s: i64,
    ) -> Result<Option<(ApiToken, User)>, StoreError> {
        self.one(
            "find a token",
            &format!(
                "SELECT {TOKEN_COLUMNS}, users.*
                 FROM api_tokens JOIN users ON users.id = api_tokens.user_id
                 WHERE token_sha256 = ?1 AND expires_utc_s > ?2"
            ),
            params![token.0, now_utc_s],
            |row| Ok((read_token(row)?, read_user(row)?)),
        )
    }

    fn api_tokens_of(&mut self, user: UserId, now_utc_s: i64) -> Result<Vec<ApiToken>, StoreError> {
        self.all(
            "read a user's tokens",
            &format!(
                "SELECT {TOKEN_COLUMNS} FROM api_tokens
                 WHERE user_id = ?1 AND expires_utc_s > ?2
                 ORDER BY created_utc_s DESC, id"
            ),
            params![user.to_string(), now_utc_s],
            read_token,
        )
    }

    fn delete_api_token(&mut self, id: TokenId) -> Result<(), StoreError> {
        self.execute(
            "remove a token",
            "DELETE FROM api_tokens WHERE id = ?1",
            [id.to_string()],
        )
    }

    fn attempts(&mut self, subject: &[u8; 32]) -> Result<Option<Attempts>, StoreError> {
        self.one(
            "read attempts",
            "SELECT count, last_utc_s FROM attempts WHERE subject_sha256 = ?1",
            [*subject],
            |row| {
                Ok(Attempts {
                    count: unsigned(row, "count")?,
                    last_utc_s: get(row, "last_utc_s")?,
                })
            },
        )
    }

    fn put_attempts(
        &mut self,
        subject: &[u8; 32],
        attempts: Attempts,
        forget_utc_s: i64,
    ) -> Result<(), StoreError> {
        self.execute(
            "forget old attempts",
            "DELETE FROM attempts WHERE last_utc_s < ?1",
            [forget_utc_s],
        )?;
        self.execute(
            "note an attempt",
            "INSERT INTO attempts (subject_sha256, count, last_utc_s) VALUES (?1, ?2, ?3)
             ON CONFLICT (subject_sha256) DO UPDATE SET count = ?2, last_utc_s = ?3",
            params![*subject, attempts.count, attempts.last_utc_s],
        )
    }

    fn delete_attempts(&mut self, subject: &[u8; 32]) -> Result<(), StoreError> {
        self.execute(
            "forget attempts",
            "DELETE FROM attempts WHERE subject_sha256 = ?1",
            [*subject],
        )
    }

    fn search_audit(
        &mut self,
        search: &AuditSearch,
        limit: u32,
    ) -> Result<Vec<(i64, AuditEntry)>, StoreError> {
        let mut conditions = String::from("1 = 1");
        let mut values: Vec<Value> = Vec::new();
        let mut wanted = |condition: &str, value: Option<Value>| {
            if let Some(value) = value {
                values.push(value);
                conditions += &format!(" AND {condition} ?{}", values.len());
            }
        };
        let text = |text: &Option<String>| text.as_ref().map(ToValue::to_value);
        wanted("reference =", text(&search.reference));
        wanted(
            "actor_id =",
            search.actor.map(|id| id.to_string().to_value()),
        );
        wanted("object =", text(&search.object));
        wanted("at_utc_ms >=", search.from_utc_ms.map(|ms| ms.to_value()));
        wanted("at_utc_ms <", search.until_utc_ms.map(|ms| ms.to_value()));
        wanted("seq <", search.before.map(|seq| seq.to_value()));
        values.push(limit.to_value());
        let sql = format!(
            "SELECT * FROM audit WHERE {conditions} ORDER BY seq DESC LIMIT ?{}",
            values.len()
        );
        self.all("search the audit", &sql, values, |row| {
            Ok((get(row, "seq")?, read_audit(row)?))
        })
    }

    fn set_parent(
        &mut self,
        child: DistributorId,
        parent: DistributorId,
    ) -> Result<(), StoreError> {
        self.execute(
            "note a sub-distributor",
            "INSERT INTO distributor_parents (distributor_id, parent_id) VALUES (?1, ?2)",
            params![child.to_string(), parent.to_string()],
        )
    }

    fn parent(&mut self, child: DistributorId) -> Result<Option<DistributorId>, StoreError> {
        self.one(
            "find a parent",
            "SELECT parent_id FROM distributor_parents WHERE distributor_id = ?1",
            [child.to_string()],
            |row| parse(row, "parent_id"),
        )
    }

    fn subtree(&mut self, root: DistributorId) -> Result<Vec<DistributorId>, StoreError> {
        self.all(
            "read the sub-distributors",
            "WITH RECURSIVE below (id) AS (
                 SELECT id FROM distributors WHERE id = ?1
                 UNION
                 SELECT distributor_id FROM distributor_parents JOIN below ON parent_id = below.id
             )
             SELECT id FROM below",
            [root.to_string()],
            |row| parse(row, "id"),
        )
    }

    fn begin_ledger_chain(&mut self) -> Result<(), StoreError> {
        if self.newest_link()?.is_some() {
            return Ok(());
        }
        let mut before = [0; 32];
        let mut after = 0;
        loop {
            let page = self.ledger_chain(after, 1000)?;
            for ChainedEntry { seq, entry, .. } in &page {
                before = link(&before, *seq, entry);
                self.add_link(*seq, &before)?;
                after = *seq;
            }
            if page.is_empty() {
                return Ok(());
            }
        }
    }

    fn ledger_chain(&mut self, after: i64, limit: u32) -> Result<Vec<ChainedEntry>, StoreError> {
        self.all(
            "read the ledger",
            "SELECT ledger.*, ledger_chain.sha256
             FROM ledger LEFT JOIN ledger_chain ON ledger_chain.seq = ledger.seq
             WHERE ledger.seq > ?1 ORDER BY ledger.seq LIMIT ?2",
            params![after, limit],
            |row| {
                Ok(ChainedEntry {
                    seq: get(row, "seq")?,
                    entry: read_entry(row)?,
                    sha256: get(row, "sha256")?,
                })
            },
        )
    }

    fn newest_link(&mut self) -> Result<Option<i64>, StoreError> {
        self.one(
            "read the ledger's chain",
            "SELECT seq FROM ledger_chain ORDER BY seq DESC LIMIT 1",
            NONE,
            |row| get(row, "seq"),
        )
    }

    fn totals(&mut self) -> Result<Totals, StoreError> {
        let mut totals = Totals::default();
        for (table, name) in COUNTED {
            let count = self.one(
                "count",
                &format!("SELECT COUNT(*) AS n FROM {table}"),
                NONE,
                |row| get(row, "n"),
            )?;
            totals.counts.push((name, count.unwrap_or_default()));
        }
        Ok(totals)
    }
}
