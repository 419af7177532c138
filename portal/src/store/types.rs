//! The rows, as the rooms above see them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::rules::{Counts, Row, Term};
use crate::trust::TrustClass;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
            utoipa::ToSchema,
        )]
        #[serde(transparent)]
        #[schema(value_type = String, format = "uuid")]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new one, from 16 random bytes.
            pub fn random(rng: &mut dyn rand_core::Rng) -> Self {
                let mut bytes = [0; 16];
                rng.fill_bytes(&mut bytes);
                Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

id!(/// Names a user.
    UserId);
id!(/// Names a distributor.
    DistributorId);
id!(/// Names a project.
    ProjectId);
id!(/// Names a token for programs.
    TokenId);
id!(/// Names a server: a station as its project calls it, whatever box stands for it.
    ServerId);

/// SHA-256 of a session's or link's secret token: the token itself is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// Hashes a token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Vendor staff: everything.
    Admin,
    /// Vendor staff: what distributors buy.
    Sales,
    /// Vendor staff: hardware that failed, licenses that have to be made again.
    Support,
    /// A distributor: its own projects, and those of its sub-distributors.
    Distributor,
    /// A sub-distributor: its own projects.
    SubDistributor,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Signs in with this.
    pub email: String,
    /// How pages greet it; empty where nobody entered it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// For whom; `None` for vendor staff.
    pub distributor: Option<DistributorId>,
    /// PHC string; `None` until the first password is chosen.
    pub password_phc: Option<String>,
    /// It signs in no more.
    pub disabled: bool,
    /// Seconds since 1970.
    pub created_utc_s: i64,
}

/// A one-time link that lets a user choose a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordLink {
    /// Of the token in the link.
    pub token: TokenHash,
    /// Whose.
    pub user: UserId,
    /// Until when it may be used.
    pub expires_utc_s: i64,
}

/// A signed-in browser or program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Of the token in the cookie or header.
    pub token: TokenHash,
    /// Whose.
    pub user: UserId,
    /// What its forms carry.
    pub csrf: String,
    /// When it ends.
    pub expires_utc_s: i64,
    /// When it began, seconds since 1970.
    pub created_utc_s: i64,
    /// The network address it began from, where that is known.
    pub address: Option<String>,
    /// The browser or program, in its own words.
    pub user_agent: Option<String>,
}

/// Where a change came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The network address; none for the portal itself and its command line.
    pub address: Option<String>,
    /// The browser or program, in its own words.
    pub user_agent: Option<String>,
    /// Names the request, in the log too.
    pub reference: Option<String>,
}

/// A company that sells licenses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distributor {
    /// Its id.
    pub id: DistributorId,
    /// Its name, unique.
    pub name: String,
    /// Seconds since 1970.
    pub created_utc_s: i64,
}

/// A distributor's project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// Whose.
    pub distributor: DistributorId,
    /// Unique within its distributor.
    pub name: String,
    /// For people.
    pub description: String,
    /// The one that was there from the start.
    pub built_in: bool,
    /// Seconds since 1970.
    pub created_utc_s: i64,
}

/// A station of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its id.
    pub id: ServerId,
    /// In which project.
    pub project: ProjectId,
    /// Unique within its project.
    pub name: String,
    /// For people.
    pub description: String,
    /// Seconds since 1970.
    pub created_utc_s: i64,
}

/// What names a TPM here: Names of its endorsement and attestation keys, in hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TpmIdentity {
    /// Of the endorsement key.
    pub ek_name: String,
    /// Of the attestation key.
    pub ak_name: String,
}

/// The number of a [`Tpm`] in the database; 0 before it is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TpmId(pub i64);

/// An (EK, AK) pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tpm {
    /// Its number.
    pub id: TpmId,
    /// The keys.
    pub identity: TpmIdentity,
    /// Who vouches for the endorsement key.
    pub class: TrustClass,
    /// As the box's first request said.
    pub model: String,
    /// As the box's first request said.
    pub serial: String,
    /// The server it stands for, whose distributor is charged.
    pub server: ServerId,
    /// N in `L-N`.
    pub license_number: u64,
    /// What the rules work on.
    pub row: Row,
}

impl Tpm {
    /// The license's id, the same through all revisions.
    pub fn license_id(&self) -> String {
        format!("L-{}", self.license_number)
    }

    /// The id of one revision's file.
    pub fn file_id(&self, revision: u32) -> FileId {
        FileId(format!("L-{}-{revision}", self.license_number))
    }
}

/// `L-N-R`: license number and revision.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct FileId(pub String);

/// Not of the form of a [`FileId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a file's id is of the form L-N-R")]
pub struct UnfitFileId;

impl FileId {
    /// The license's number.
    pub fn number(&self) -> Option<u64> {
        self.0.split('-').nth(1)?.parse().ok()
    }
}

impl FromStr for FileId {
    type Err = UnfitFileId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = |part: &str| {
            (1..=20).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        match text.split('-').collect::<Vec<_>>()[..] {
            ["L", number, revision] if digits(number) && digits(revision) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(UnfitFileId),
        }
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An issued license file.
#[derive(Clone, PartialEq, Eq)]
pub struct LicenseFile {
    /// Its id.
    pub id: FileId,
    /// For which TPM.
    pub tpm: TpmId,
    /// 1 for the first.
    pub revision: u32,
    /// See [`crate::rules::Issued::from`].
    pub from: u64,
    /// See [`crate::rules::Issued::to`].
    pub to: u64,
    /// What it gives.
    pub counts: Counts,
    /// Until when.
    pub term: Term,
    /// What the TPM reveals when it activates the license.
    pub activation_secret: Zeroizing<[u8; 32]>,
    /// Of the request it was made for.
    pub request_sha256: [u8; 32],
    /// The file.
    pub text: String,
    /// Seconds since 1970.
    pub issued_utc_s: i64,
}

impl fmt::Debug for LicenseFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LicenseFile")
            .field("id", &self.id)
            .field("from", &self.from)
            .field("to", &self.to)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

/// Why channels came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerReason {
    /// The vendor sold them.
    Grant,
    /// A license holds them.
    Charge,
    /// A box proved that it gave them up, or their time is over.
    Credit,
    /// Their hardware failed or is lost: they may be licensed again, until it is back.
    WriteOff,
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Milliseconds since 1970.
    pub at_utc_ms: i64,
    /// Whose balance.
    pub distributor: DistributorId,
    /// Of which kind.
    pub kind: String,
    /// How many came; fewer than 0 when they went.
    pub delta: i64,
    /// Why.
    pub reason: LedgerReason,
    /// For which TPM; none for grants.
    pub tpm: Option<TpmId>,
    /// For people.
    pub note: String,
    /// By whom; `None` where the portal itself acted.
    pub actor: Option<UserId>,
    /// Names a grant, so that a repeated one counts once.
    pub idempotency_key: Option<String>,
}

/// What a distributor has of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balance {
    /// The kind.
    pub kind: String,
    /// What may still be licensed. Below 0 only when a journal was replayed onto an
    /// older database.
    pub available: i64,
    /// All that was ever granted.
    pub granted: i64,
    /// What is written off at present: licensed twice, at the vendor's risk.
    pub written_off: i64,
}

/// One line of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Milliseconds since 1970.
    pub at_utc_ms: i64,
    /// By whom; `None` where the portal or its command line acted.
    pub actor: Option<UserId>,
    /// What was done, for example `license.issue`.
    pub action: String,
    /// With what, for example `server:UUID`.
    pub object: String,
    /// JSON.
    pub detail: String,
    /// From where.
    pub origin: Origin,
}

/// An authority whose EK certificates are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EkRootEntry {
    /// Of the DER.
    pub sha256: [u8; 32],
    /// What its TPMs are; none for an intermediate authority, which proves nothing by
    /// itself.
    pub class: Option<TrustClass>,
    /// The certificate's subject, for people.
    pub subject: String,
    /// The certificate.
    pub der: Vec<u8>,
    /// Seconds since 1970.
    pub added_utc_s: i64,
}
