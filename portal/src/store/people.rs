//! People, their second factors, tokens and waits; who is whose sub-distributor; the chain
//! of the ledger; the search in the audit.

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{
    AuditEntry, DistributorId, LedgerEntry, LedgerReason, Session, StoreError, TokenHash, TokenId,
    User, UserId,
};

/// An authenticator app.
#[derive(Clone, PartialEq, Eq)]
pub struct Authenticator {
    /// What its codes come from.
    pub key: Zeroizing<[u8; sealgate_totp::KEY_BYTES]>,
    /// Codes of this step of 30 s and earlier ones are used up.
    pub last_step: i64,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authenticator")
    }
}

/// A token for programs, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Its id.
    pub id: TokenId,
    /// Of the secret.
    pub token: TokenHash,
    /// In whose name it asks.
    pub user: UserId,
    /// What it is for.
    pub name: String,
    /// What it may do, as words.
    pub scopes: Vec<String>,
    /// Seconds since 1970.
    pub created_utc_s: i64,
    /// When it ends.
    pub expires_utc_s: i64,
}

/// Wrong passwords or codes in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    /// How many.
    pub count: u32,
    /// When the last one was.
    pub last_utc_s: i64,
}

/// What is looked for in the audit; what is `None` matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditSearch {
    /// The reference of a request.
    pub reference: Option<String>,
    /// Who did it.
    pub actor: Option<UserId>,
    /// With what, for example `server:UUID`.
    pub object: Option<String>,
    /// At this instant or later, milliseconds since 1970.
    pub from_utc_ms: Option<i64>,
    /// Before this instant, milliseconds since 1970.
    pub until_utc_ms: Option<i64>,
    /// Only entries with a lower number: the next page.
    pub before: Option<i64>,
}

/// A ledger entry with its number and link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainedEntry {
    /// Its number.
    pub seq: i64,
    /// The entry.
    pub entry: LedgerEntry,
    /// The hash that was noted for it.
    pub sha256: Option<[u8; 32]>,
}

/// The hash of an entry and of all before it. It goes over the entry as JSON, so that no two
/// entries read alike.
pub fn link(before: &[u8; 32], seq: i64, entry: &LedgerEntry) -> [u8; 32] {
    let reason = match entry.reason {
        LedgerReason::Grant => "grant",
        LedgerReason::Charge => "charge",
        LedgerReason::Credit => "credit",
        LedgerReason::WriteOff => "write_off",
    };
    let text = serde_json::json!([
        seq,
        entry.at_utc_ms,
        entry.distributor,
        entry.kind,
        entry.delta,
        reason,
        entry.tpm.map(|tpm| tpm.0),
        entry.note,
        entry.actor,
        entry.idempotency_key,
    ]);
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update(text.to_string());
    hash.finalize().into()
}

/// How much there is, for a monitor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Name and number.
    pub counts: Vec<(&'static str, i64)>,
}

/// What a monitor may count: tables, with what they are called there.
pub(super) const COUNTED: [(&str, &str); 9] = [
    ("users", "users"),
    ("sessions", "sessions"),
    ("api_tokens", "tokens"),
    ("distributors", "distributors"),
    ("projects", "projects"),
    ("servers", "servers"),
    ("license_files", "tpm_license_files"),
    ("other_files", "other_license_files"),
    ("ledger", "ledger_entries"),
];

/// People and what belongs to them.
pub trait PeopleTx {
    /// Everybody, by address.
    fn users(&mut self) -> Result<Vec<User>, StoreError>;
    /// Writes back name, role and whether the user is disabled.
    fn update_user(&mut self, user: &User) -> Result<(), StoreError>;
    /// Takes a user's password away, and ends all sessions.
    fn clear_password(&mut self, id: UserId) -> Result<(), StoreError>;
    /// The sessions of a user that have not ended, newest first.
    fn sessions_of(&mut self, user: UserId, now_utc_s: i64) -> Result<Vec<Session>, StoreError>;
    /// Ends every session of a user but one.
    fn end_sessions(&mut self, user: UserId, kept: Option<&TokenHash>) -> Result<(), StoreError>;

    /// Remembers that a password was right, and forgets what expired.
    fn insert_second_step(
        &mut self,
        token: &TokenHash,
        user: UserId,
        expires_utc_s: i64,
        now_utc_s: i64,
    ) -> Result<(), StoreError>;
    /// Whose password it was.
    fn second_step(
        &mut self,
        token: &TokenHash,
        now_utc_s: i64,
    ) -> Result<Option<UserId>, StoreError>;
    /// Forgets it.
    fn delete_second_step(&mut self, token: &TokenHash) -> Result<(), StoreError>;

    /// The app in use, or the one that waits to be proved.
    fn authenticator(
        &mut self,
        user: UserId,
        in_use: bool,
    ) -> Result<Option<Authenticator>, StoreError>;
    /// Puts it in the other's place.
    fn put_authenticator(
        &mut self,
        user: UserId,
        in_use: bool,
        authenticator: &Authenticator,
    ) -> Result<(), StoreError>;
    /// Removes both, and the recovery codes.
    fn remove_authenticators(&mut self, user: UserId) -> Result<(), StoreError>;
    /// Puts these in the place of all others.
    fn set_recovery_codes(&mut self, user: UserId, codes: &[[u8; 32]]) -> Result<(), StoreError>;
    /// How many are left.
    fn recovery_codes(&mut self, user: UserId) -> Result<usize, StoreError>;
    /// Uses one up; `false` where it is none.
    fn take_recovery_code(&mut self, user: UserId, code: &[u8; 32]) -> Result<bool, StoreError>;

    /// Adds a token, and forgets the expired ones.
    fn insert_api_token(&mut self, token: &ApiToken, now_utc_s: i64) -> Result<(), StoreError>;
    /// Reads a token that has not expired, with its user.
    fn api_token(
        &mut self,
        token: &TokenHash,
        now_utc_s: i64,
    ) -> Result<Option<(ApiToken, User)>, StoreError>;
    /// The tokens of a user that have not expired, newest first.
    fn api_tokens_of(&mut self, user: UserId, now_utc_s: i64) -> Result<Vec<ApiToken>, StoreError>;
    /// Removes a token.
    fn delete_api_token(&mut self, id: TokenId) -> Result<(), StoreError>;

    /// The wrong attempts at something.
    fn attempts(&mut self, subject: &[u8; 32]) -> Result<Option<Attempts>, StoreError>;
    /// Notes them, and forgets all whose last was before `forget_utc_s`.
    fn put_attempts(
        &mut self,
        subject: &[u8; 32],
        attempts: Attempts,
        forget_utc_s: i64,
    ) -> Result<(), StoreError>;
    /// Forgets them.
    fn delete_attempts(&mut self, subject: &[u8; 32]) -> Result<(), StoreError>;

    /// The entries that match, newest first, with their numbers.
    fn search_audit(
        &mut self,
        search: &AuditSearch,
        limit: u32,
    ) -> Result<Vec<(i64, AuditEntry)>, StoreError>;

    /// Makes one the sub-distributor of another, for good.
    fn set_parent(&mut self, child: DistributorId, parent: DistributorId)
    -> Result<(), StoreError>;
    /// Whose sub-distributor it is; `None` for the vendor's own.
    fn parent(&mut self, child: DistributorId) -> Result<Option<DistributorId>, StoreError>;
    /// A distributor with all below it.
    fn subtree(&mut self, root: DistributorId) -> Result<Vec<DistributorId>, StoreError>;

    /// Links the entries of earlier versions, if none was linked yet.
    fn begin_ledger_chain(&mut self) -> Result<(), StoreError>;
    /// The ledger from after `seq` on, oldest first.
    fn ledger_chain(&mut self, after: i64, limit: u32) -> Result<Vec<ChainedEntry>, StoreError>;
    /// The number of the newest link.
    fn newest_link(&mut self) -> Result<Option<i64>, StoreError>;

    /// How much there is.
    fn totals(&mut self) -> Result<Totals, StoreError>;
}
