//! Who may come in, and what they may do.

use std::fmt;

use async_trait::async_trait;
use sealgate_words::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a user is to the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Watches.
    Viewer,
    /// Watches, runs the cameras, and takes video away.
    Operator,
    /// Everything.
    Admin,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// As it is stored and sent.
    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The role of this word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }

    /// Whether the role includes this. The one place that says so.
    pub fn may(self, right: Right) -> bool {
        match right {
            Right::See | Right::Watch => true,
            Right::Export | Right::Operate => self != Self::Viewer,
            Right::License | Right::Manage => self == Self::Admin,
        }
    }
}

/// What a route does, as far as it matters who may. Also the scopes of API tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// See how box, license and cameras stand.
    See,
    /// Watch live and recorded video.
    Watch,
    /// Take video away.
    Export,
    /// Run the cameras: channels, settings, steering.
    Operate,
    /// Request and import licenses.
    License,
    /// Decide about users and tokens, and read what was done. No token has it.
    Manage,
}

impl Right {
    /// What a token can be limited to.
    pub const SCOPES: [Self; 5] = [
        Self::See,
        Self::Watch,
        Self::Export,
        Self::Operate,
        Self::License,
    ];

    /// As it is stored and sent.
    pub fn word(self) -> &'static str {
        match self {
            Self::See => "see",
            Self::Watch => "watch",
            Self::Export => "export",
            Self::Operate => "operate",
            Self::License => "license",
            Self::Manage => "manage",
        }
    }
}

/// Somebody who proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name they sign in with.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

/// A name and a password that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Whose they are.
    pub user: User,
    /// The account wants a code from its authenticator app as well.
    pub wants_code: bool,
}

/// The first start: sets the first password.
#[async_trait]
pub trait Setup: Send + Sync {
    /// Whether a first password was set. Asked at each request: keep the answer in memory.
    async fn is_done(&self) -> bool;

    /// Sets the password of [`FIRST_USER`](super::FIRST_USER). The pages have checked its
    /// length; the room checks the code from the console.
    ///
    /// # Errors
    /// `SG-SES-002` wrong code, `SG-SES-003` already done.
    async fn complete(&self, code: &str, password: &str) -> Result<User, Problem>;
}

/// A way back in for whoever stands at the box.
#[async_trait]
pub trait Recovery: Send + Sync {
    /// Makes a code that is good for 15 minutes and once, and ends the one before. Only the
    /// box's own console may ask.
    async fn begin(&self) -> String;

    /// Makes this user an admin with this password and without an authenticator app, adding
    /// them if need be. The pages have checked the password's length.
    ///
    /// # Errors
    /// `SG-SES-028` wrong or old code, `SG-SES-024` not a name.
    async fn complete(&self, code: &str, name: &str, password: &str) -> Result<User, Problem>;
}

/// Names, passwords and codes.
#[async_trait]
pub trait SignIn: Send + Sync {
    /// Takes as long for an unknown name as for a wrong password.
    ///
    /// # Errors
    /// `SG-SES-001` for either.
    async fn check(&self, name: &str, password: &str) -> Result<Checked, Problem>;

    /// Uses up a code of the user's authenticator app, or a recovery code.
    ///
    /// # Errors
    /// `SG-SES-021` if it doesn't fit or was used.
    async fn check_code(&self, name: &str, code: &str) -> Result<User, Problem>;
}

/// A session, or an API token, as it is kept: never with its token.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredSession {
    /// SHA-256 of the token's 32 bytes.
    pub token_sha256: [u8; 32],
    /// Whose it is, with what they may do now.
    pub user: User,
    /// What an API token is limited to; none for a session.
    pub scopes: Option<Vec<Right>>,
    /// Where it was begun, if that is known.
    pub address: Option<String>,
    /// When it began, milliseconds since the Unix epoch.
    pub created_utc_ms: i64,
    /// When it ends, milliseconds since the Unix epoch.
    pub expires_utc_ms: i64,
}

impl fmt::Debug for StoredSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredSession")
            .field("user", &self.user)
            .field("scopes", &self.scopes)
            .field("expires_utc_ms", &self.expires_utc_ms)
            .finish_non_exhaustive()
    }
}

/// Where sessions are kept. The pages decide on tokens and expiry; this only remembers.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Remembers a session and forgets those that ended at or before its `created_utc_ms`.
    ///
    /// # Errors
    /// `SG-API-003` if it could not be written.
    async fn insert(&self, session: StoredSession) -> Result<(), Problem>;

    /// The session or API token with this hash, ended or not.
    ///
    /// # Errors
    /// `SG-API-003` if it could not be read.
    async fn find(&self, token_sha256: &[u8; 32]) -> Result<Option<StoredSession>, Problem>;

    /// Forgets a session; one that is not there is no error.
    ///
    /// # Errors
    /// `SG-API-003` if it could not be written.
    async fn remove(&self, token_sha256: &[u8; 32]) -> Result<(), Problem>;

    /// The sessions of a user that have not ended, the newest first; no API tokens.
    ///
    /// # Errors
    /// `SG-API-003` if they could not be read.
    async fn of_user(&self, name: &str) -> Result<Vec<StoredSession>, Problem>;

    /// Ends every session of a user but this one.
    ///
    /// # Errors
    /// `SG-API-003` if it could not be written.
    async fn end_others(&self, name: &str, kept: &[u8; 32]) -> Result<(), Problem>;
}

/// A user as the pages list them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UserView {
    /// The name they sign in with.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// They sign in with an authenticator app too.
    pub has_totp: bool,
    /// Recovery codes that were not used yet.
    pub recovery_codes: u32,
    /// When they were added, milliseconds since the Unix epoch.
    pub created_utc_ms: i64,
}

/// An authenticator app that is about to be enrolled.
#[derive(Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// For typing: Base32 (RFC 4648) in groups of four.
    pub key: String,
    /// For the camera: `otpauth://totp/…`.
    pub uri: String,
}

/// A token to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiToken {
    /// SHA-256 of the token's 32 bytes.
    pub token_sha256: [u8; 32],
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Right>,
    /// When it ends, milliseconds since the Unix epoch.
    pub expires_utc_ms: i64,
}

/// A token as the pages list it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ApiTokenView {
    /// By which it is removed.
    pub id: i64,
    /// What it is for.
    pub name: String,
    /// In whose name it asks.
    pub user: String,
    /// What it may do.
    pub scopes: Vec<Right>,
    /// When it was made, milliseconds since the Unix epoch.
    pub created_utc_ms: i64,
    /// When it ends, milliseconds since the Unix epoch.
    pub expires_utc_ms: i64,
}

/// Something that was done, or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AuditView {
    /// When, milliseconds since the Unix epoch.
    pub utc_ms: i64,
    /// Who; none for what the box did by itself.
    pub actor: Option<String>,
    /// What, for example `license.import`.
    pub action: String,
    /// To what.
    pub object: Option<String>,
    /// The refusal's code; none where it succeeded.
    pub code: Option<String>,
}

/// Who may come in, and what they may do. `by` is who asks, for the audit log; each change
/// is written there.
#[async_trait]
pub trait UserRoom: Send + Sync {
    /// Everybody, by name.
    ///
    /// # Errors
    /// `SG-API-003` if they could not be read.
    async fn list(&self) -> Result<Vec<UserView>, Problem>;

    /// Adds a user. The pages have checked the password's length.
    ///
    /// # Errors
    /// `SG-SES-023` the name is taken, `SG-SES-024` it can't be a name.
    async fn add(&self, by: &str, name: &str, role: Role, password: &str) -> Result<(), Problem>;

    /// Changes what a user may do.
    ///
    /// # Errors
    /// `SG-API-002` no such user, `SG-SES-025` the last admin.
    async fn set_role(&self, by: &str, name: &str, role: Role) -> Result<(), Problem>;

    /// Removes a user with their sessions and tokens.
    ///
    /// # Errors
    /// As [`set_role`](Self::set_role).
    async fn remove(&self, by: &str, name: &str) -> Result<(), Problem>;

    /// Sets a user's password and ends their sessions. The pages have checked its length.
    ///
    /// # Errors
    /// `SG-API-002` no such user.
    async fn set_password(&self, by: &str, name: &str, password: &str) -> Result<(), Problem>;

    /// Begins to enrol an authenticator app. Nothing changes before it is proved; a key that
    /// waits for that is shown again.
    ///
    /// # Errors
    /// None of its own.
    async fn begin_totp(&self, name: &str) -> Result<Enrolment, Problem>;

    /// Enrols the app whose code this is; gives recovery codes, which are shown once.
    ///
    /// # Errors
    /// `SG-SES-021` if the code doesn't fit.
    async fn confirm_totp(&self, name: &str, code: &str) -> Result<Vec<String>, Problem>;

    /// Removes a user's authenticator app and recovery codes.
    ///
    /// # Errors
    /// `SG-API-002` no such user.
    async fn remove_totp(&self, by: &str, name: &str) -> Result<(), Problem>;

    /// Every API token, the newest first.
    ///
    /// # Errors
    /// `SG-API-003` if they could not be read.
    async fn tokens(&self) -> Result<Vec<ApiTokenView>, Problem>;

    /// Makes a token that asks in the name of `by`.
    ///
    /// # Errors
    /// `SG-SES-029` for a name or scopes that can't be.
    async fn add_token(&self, by: &str, token: NewApiToken) -> Result<ApiTokenView, Problem>;

    /// Removes a token.
    ///
    /// # Errors
    /// `SG-API-002` no such token.
    async fn remove_token(&self, by: &str, id: i64) -> Result<(), Problem>;

    /// What was done, the newest first, at most `limit`.
    ///
    /// # Errors
    /// `SG-API-003` if it could not be read.
    async fn audit(&self, limit: u32) -> Result<Vec<AuditView>, Problem>;

    /// Writes what was done, or refused with `code`, into the audit log.
    async fn note(&self, by: Option<&str>, action: &str, object: Option<&str>, code: Option<&str>);
}
