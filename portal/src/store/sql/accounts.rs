//! Users, sessions, audit, EK roots.

use super::{NONE, SqlRow, SqlTx, get, params, parse, parse_optional};
use crate::store::{
    AccountsTx, AuditEntry, EkRootEntry, Origin, PasswordLink, Role, Session, StoreError,
    TokenHash, User, UserId,
};
use crate::trust::TrustClass;

pub(super) fn role_text(role: Role) -> &'static str {
    match role {
        Role::Admin => "admin",
        Role::Sales => "sales",
        Role::Support => "support",
        Role::Distributor => "distributor",
        Role::SubDistributor => "sub_distributor",
    }
}

/// Named apart from the columns of its user.
pub(super) const SESSION_COLUMNS: &str = "sessions.token_sha256, sessions.user_id, sessions.csrf,
    sessions.expires_utc_s, sessions.created_utc_s AS began_utc_s, sessions.address,
    sessions.user_agent";

pub(super) fn read_session(row: &SqlRow) -> Result<Session, StoreError> {
    Ok(Session {
        token: TokenHash(get(row, "token_sha256")?),
        user: parse(row, "user_id")?,
        csrf: get(row, "csrf")?,
        expires_utc_s: get(row, "expires_utc_s")?,
        created_utc_s: get(row, "began_utc_s")?,
        address: get(row, "address")?,
        user_agent: get(row, "user_agent")?,
    })
}

pub(super) fn read_user(row: &SqlRow) -> Result<User, StoreError> {
    Ok(User {
        id: parse(row, "id")?,
        email: get(row, "email")?,
        name: get(row, "name")?,
        role: match get::<String>(row, "role")?.as_str() {
            "admin" => Role::Admin,
            "sales" => Role::Sales,
            "support" => Role::Support,
            "distributor" => Role::Distributor,
            "sub_distributor" => Role::SubDistributor,
            _ => return Err(StoreError::Unreadable { column: "role" }),
        },
        distributor: parse_optional(row, "distributor_id")?,
        password_phc: get(row, "password_phc")?,
        disabled: get(row, "disabled")?,
        created_utc_s: get(row, "created_utc_s")?,
    })
}

pub(super) fn read_audit(row: &SqlRow) -> Result<AuditEntry, StoreError> {
    Ok(AuditEntry {
        at_utc_ms: get(row, "at_utc_ms")?,
        actor: parse_optional(row, "actor_id")?,
        action: get(row, "action")?,
        object: get(row, "object")?,
        detail: get(row, "detail")?,
        origin: Origin {
            address: get(row, "address")?,
            user_agent: get(row, "user_agent")?,
            reference: get(row, "reference")?,
        },
    })
}

impl AccountsTx for SqlTx<'_> {
    fn meta(&mut self, key: &str) -> Result<Option<String>, StoreError> {
        self.one(
            "read a fact",
            "SELECT value FROM meta WHERE key = ?1",
            [key],
            |row| get(row, "value"),
        )
    }

    fn set_meta(&mut self, key: &str, value: &str) -> Result<(), StoreError> {
        self.execute(
            "note a fact",
            "INSERT INTO meta (key, value) VALUES (?1, ?2)
             ON CONFLICT (key) DO UPDATE SET value = ?2",
            params![key, value],
        )
    }

    fn insert_user(&mut self, user: &User) -> Result<(), StoreError> {
        self.insert(
            "add a user",
            "a user with this address",
            "INSERT INTO users (id, email, role, distributor_id, password_phc, created_utc_s,
                                name, disabled)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                user.id.to_string(),
                user.email,
                role_text(user.role),
                user.distributor.map(|id| id.to_string()),
                user.password_phc,
                user.created_utc_s,
                user.name,
                user.disabled,
            ],
        )
    }

    fn user_by_email(&mut self, email: &str) -> Result<Option<User>, StoreError> {
        self.one(
            "find a user",
            "SELECT * FROM users WHERE lower(email) = lower(?1)",
            [email],
            read_user,
        )
    }

    fn user(&mut self, id: UserId) -> Result<Option<User>, StoreError> {
        self.one(
            "find a user",
            "SELECT * FROM users WHERE id = ?1",
            [id.to_string()],
            read_user,
        )
    }

    fn set_password(&mut self, id: UserId, phc: &str) -> Result<(), StoreError> {
        self.execute(
            "set a password",
            "UPDATE users SET password_phc = ?2 WHERE id = ?1",
            params![id.to_string(), phc],
        )?;
        self.execute(
            "end sessions",
            "DELETE FROM sessions WHERE user_id = ?1",
            [id.to_string()],
        )
    }

    fn insert_password_link(&mut self, link: &PasswordLink) -> Result<(), StoreError> {
        self.execute(
            "add a link",
            "INSERT INTO password_links (token_sha256, user_id, expires_utc_s)
             VALUES (?1, ?2, ?3)",
            params![link.token.0, link.user.to_string(), link.expires_utc_s],
        )
    }

    fn password_link(
        &mut self,
        token: &TokenHash,
        now_utc_s: i64,
    ) -> Result<Option<PasswordLink>, StoreError> {
        self.one(
            "find a link",
            "SELECT * FROM password_links WHERE token_sha256 = ?1 AND expires_utc_s > ?2",
            params![token.0, now_utc_s],
            |row| {
                Ok(PasswordLink {
                    token: TokenHash(get(row, "token_sha256")?),
                    user: parse(row, "user_id")?,
                    expires_utc_s: get(row, "expires_utc_s")?,
                })
            },
        )
    }

    fn delete_password_links(&mut self, user: UserId) -> Result<(), StoreError> {
        self.execute(
            "use up links",
            "DELETE FROM password_links WHERE user_id = ?1",
            [user.to_string()],
        )
    }

    fn insert_session(&mut self, session: &Session, now_utc_s: i64) -> Result<(), StoreError> {
        self.execute(
            "forget old sessions",
            "DELETE FROM sessions WHERE expires_utc_s <= ?1",
            [now_utc_s],
        )?;
        self.execute(
            "add a session",
            "INSERT INTO sessions (token_sha256, user_id, csrf, expires_utc_s, created_utc_s,
                                   address, user_agent)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                session.token.0,
                session.user.to_string(),
                session.csrf,
                session.expires_utc_s,
                session.created_utc_s,
                session.address,
                session.user_agent,
            ],
        )
    }

    fn session(
        &mut self,
        token: &TokenHash,
        now_utc_s: i64,
    ) -> Result<Option<(Session, User)>, StoreError> {
        self.one(
            "find a session",
            &format!(
                "SELECT {SESSION_COLUMNS}, users.*
                 FROM sessions JOIN users ON users.id = sessions.user_id
                 WHERE token_sha256 = ?1 AND expires_utc_s > ?2"
            ),
            params![token.0, now_utc_s],
            |row| Ok((read_session(row)?, read_user(row)?)),
        )
    }

    fn delete_session(&mut self, token: &TokenHash) -> Result<(), StoreError> {
        self.execute(
            "end a session",
            "DELETE FROM sessions WHERE token_sha256 = ?1",
            [token.0],
        )
    }

    fn append_audit(&mut self, entry: &AuditEntry) -> Result<(), StoreError> {
        self.execute(
            "write the audit",
            "INSERT INTO audit (at_utc_ms, actor_id, action, object, detail, address, user_agent,
                                reference)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                entry.at_utc_ms,
                entry.actor.map(|id| id.to_string()),
                entry.action,
                entry.object,
                entry.detail,
                entry.origin.address,
                entry.origin.user_agent,
                entry.origin.reference,
            ],
        )
    }

    fn audit_of(&mut self, object: &str, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        self.all(
            "read the audit",
            "SELECT * FROM audit WHERE object = ?1 ORDER BY seq DESC LIMIT ?2",
            params![object, limit],
            read_audit,
        )
    }

    fn put_ek_root(&mut self, root: &EkRootEntry) -> Result<(), StoreError> {
        self.execute(
            "add an EK root",
            "INSERT INTO ek_roots (sha256, class, subject, der, added_utc_s)
                 VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (sha256) DO UPDATE SET class = ?2",
            params![
                root.sha256,
                root.class.map(TrustClass::as_str),
                root.subject,
                root.der,
                root.added_utc_s
            ],
        )
    }

    fn ek_roots(&mut self) -> Result<Vec<EkRootEntry>, StoreError> {
        self.all(
            "read the EK roots",
            "SELECT * FROM ek_roots ORDER BY subject, sha256",
            NONE,
            |row| {
                Ok(EkRootEntry {
                    sha256: get(row, "sha256")?,
                    class: parse_optional(row, "class")?,
                    subject: get(row, "subject")?,
                    der: get(row, "der")?,
                    added_utc_s: get(row, "added_utc_s")?,
                })
            },
        )
    }
}
