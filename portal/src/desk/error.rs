//! Why the desk did not do it.

use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sealgate_license::dsse::DocumentError;
use sealgate_license::entitlements::ListedMac;
use sealgate_license::request_document::RequestError;
use sealgate_license::vendor::Flavour;
use sealgate_words::{Problem, catalog};

use crate::evidence::{EkRootError, EvidenceError, MakeCredentialError};
use crate::journal::JournalError;
use crate::rules::dongle::DongleRefusal;
use crate::rules::mac::{MAC_KIND, MAX_ROWS, MacListError, MacRefusal};
use crate::rules::{Refusal, TrialRefusal};
use crate::signer::SignerError;
use crate::store::{Role, StoreError};

/// Why the portal does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No `init` was run.
    #[error("{path} holds no portal: run `sealgate-portal init` first", path = path.display())]
    NotInitialised {
        /// The data folder.
        path: PathBuf,
    },
    /// `init` was run before.
    #[error("{path} holds a portal already", path = path.display())]
    AlreadyInitialised {
        /// The data folder.
        path: PathBuf,
    },
    /// The portal is of the other flavour.
    #[error("this portal is a {found} portal, and {expected} was asked for")]
    OtherFlavour {
        /// What was asked for.
        expected: Flavour,
        /// What it is.
        found: Flavour,
    },
    /// A folder can't be made.
    #[error("the folder {path} can't be made", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The database is unfit.
    #[error("the database can't be used")]
    Store(#[from] StoreError),
    /// The journal is unfit.
    #[error("the journal can't be used")]
    Journal(#[from] JournalError),
    /// The journal is said to be lost and is not.
    #[error("the journal {path} fits the database: nothing is lost", path = path.display())]
    JournalFits {
        /// The journal.
        path: PathBuf,
    },
    /// The keys are unfit.
    #[error("the signing keys can't be used")]
    Signer(#[from] SignerError),
    /// The first admin was not made.
    #[error("the first admin was not made")]
    FirstAdmin(#[source] Box<DeskError>),
}

impl OpenError {
    /// The stable code of the catalog.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(StoreError::NewerSchema { .. }) => "SG-POR-014",
            Self::Store(StoreError::NotABackup) => "SG-POR-103",
            Self::Store(StoreError::Taken { .. }) => "SG-POR-015",
            Self::NotInitialised { .. } | Self::AlreadyInitialised { .. } => "SG-POR-015",
            Self::OtherFlavour { .. } => "SG-POR-012",
            Self::Journal(JournalError::NotOurs { .. } | JournalError::Damaged { .. }) => {
                "SG-POR-079"
            }
            Self::Journal(_) => "SG-POR-011",
            Self::JournalFits { .. } => "SG-POR-074",
            Self::Signer(error) => error.code(),
            Self::FirstAdmin(error) => error.code(),
            Self::Store(_) | Self::Folder { .. } => "SG-API-003",
        }
    }
}

/// Why an operation was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// Address and password don't belong together.
    #[error("address and password don't belong together")]
    WrongPassword,
    /// No session, or one that ended.
    #[error("not signed in")]
    NotSignedIn,
    /// Too many wrong passwords.
    #[error("too many attempts, wait {wait_s} s")]
    TooManyAttempts {
        /// How long, in seconds.
        wait_s: i64,
    },
    /// A new password is too short.
    #[error("the password has fewer than {least} characters")]
    PasswordShort {
        /// The least.
        least: usize,
    },
    /// The two passwords differ.
    #[error("the two passwords differ")]
    PasswordsDiffer,
    /// A one-time link was used or has expired.
    #[error("the link was used or has expired")]
    LinkUsed,
    /// Nothing is there, or nothing this person may know of.
    #[error("there is no such {what}")]
    NotFound {
        /// Of what kind.
        what: &'static str,
    },
    /// Only vendor staff may.
    #[error("only vendor staff may do this")]
    NotAllowed,
    /// The person's role does not include it.
    #[error("the role {role:?} does not include this")]
    RoleLacks {
        /// The role.
        role: Role,
    },
    /// The token's scopes do not include it.
    #[error("the token's scopes do not include this")]
    ScopeLacks,
    /// The name or scopes of a new token can't be.
    #[error("the token's name or scopes can't be")]
    UnfitToken,
    /// It would leave the portal without an admin.
    #[error("this is the only vendor admin")]
    LastAdmin,
    /// The password was right, and the account has an authenticator app, too.
    #[error("the account wants a code as well")]
    WantsCode,
    /// A code that does not fit or was used.
    #[error("the code does not fit")]
    WrongCode,
    /// The code came too late, or without a password before.
    #[error("the second step took too long")]
    SecondStepOver,
    /// The command line named a user that there is not.
    #[error("there is no user with this address")]
    NoSuchAddress,
    /// Not the password of who is signed in.
    #[error("this is not the present password")]
    WrongPresent,
    /// A name or address is empty, too long, or not one.
    #[error("the {field} can't be used")]
    Unfit {
        /// Which.
        field: &'static str,
        /// What it has to be.
        rule: &'static str,
    },
    /// Something of this name exists.
    #[error("{what} exists already")]
    Taken {
        /// What.
        what: &'static str,
    },
    /// The file is no request that can be read.
    #[error("the request file can't be read")]
    Document(#[from] DocumentError),
    /// The request proves nothing.
    #[error("the request proves nothing")]
    Request(#[from] RequestError),
    /// The TPM can't be believed, or no license can be made for it.
    #[error("the request's TPM is not believed")]
    Evidence(#[from] EvidenceError),
    /// No activation secret can be sealed for the TPM.
    #[error("no license can be sealed for the request's TPM")]
    Seal(#[from] MakeCredentialError),
    /// An EK root can't be used.
    #[error("the EK root can't be used")]
    EkRoot(#[from] EkRootError),
    /// The portal rules refuse.
    #[error("the portal rules refuse")]
    Rules(#[from] Refusal),
    /// The list of cameras can't be read.
    #[error("the list of MAC addresses can't be read")]
    MacList(#[from] MacListError),
    /// The list of cameras can't be issued.
    #[error("the list of MAC addresses can't be issued")]
    Mac(#[from] MacRefusal),
    /// The distributor has no permission to list cameras.
    #[error("the distributor may not use MAC licenses")]
    MacsNotAllowed,
    /// The dongle's key gets no such license.
    #[error("the dongle gets no such license")]
    Dongle(#[from] DongleRefusal),
    /// The text is no dongle's public key.
    #[error("this is no P-256 public key")]
    DongleKey,
    /// This can't be tried for nothing.
    #[error("it can't be tried")]
    Trial(#[from] TrialRefusal),
    /// More would be written off than the vendor allows.
    #[error("{needed} {kind} would be written off, and {limit} may be")]
    WriteOffLimit {
        /// Of which kind.
        kind: String,
        /// How many may be at a time.
        limit: u32,
        /// How many would be.
        needed: u32,
    },
    /// The distributor has too few.
    #[error("{needed} more {kind} are needed and {available} are available")]
    Balance {
        /// Of which kind.
        kind: String,
        /// How many are there.
        available: i64,
        /// How many more the license needs.
        needed: i64,
    },
    /// Somebody else changed it after this person had opened it.
    #[error("{by} changed it meanwhile")]
    ChangedMeanwhile {
        /// Who, for people.
        by: String,
        /// When; seconds since 1970.
        at_utc_s: i64,
    },
    /// The request does not show that the newest license was imported.
    #[error("the request does not prove the return")]
    NotProven,
    /// What this TPM proves is never credited.
    #[error("a return that this TPM proves is not credited by itself")]
    NotCredited,
    /// No box may fetch anything with this code.
    #[error("the claim code is unknown, over or used")]
    ClaimUnknown,
    /// Somebody reported this hardware already.
    #[error("the hardware was reported already")]
    ReportedAlready,
    /// A key names one request, and this is another.
    #[error("the key was used for another request")]
    KeyReused,
    /// The project that was there from the start keeps its name and its place.
    #[error("the built-in project keeps its name and its place")]
    BuiltIn,
    /// The server stands for another box.
    #[error("the request is of box {theirs}, and server {server:?} is box {ours}")]
    OtherBox {
        /// The server's name.
        server: String,
        /// The serial of the server's box.
        ours: String,
        /// The serial in the request.
        theirs: String,
    },
    /// The box stands for another server that this person sees.
    #[error("box {serial} is server {server:?} already")]
    BoxOfServer {
        /// The serial in the request.
        serial: String,
        /// The other server's name.
        server: String,
    },
    /// The box stands for a server that this person doesn't see.
    #[error("box {serial} is registered elsewhere")]
    BoxElsewhere {
        /// The serial in the request.
        serial: String,
    },
    /// The database failed.
    #[error("the database failed")]
    Store(#[source] StoreError),
    /// The journal failed: nothing may be issued.
    #[error("the journal failed")]
    Journal(#[from] JournalError),
    /// The signing key failed.
    #[error("the signing key failed")]
    Signer(#[from] SignerError),
    /// A password could not be hashed.
    #[error("the password could not be hashed")]
    Hash,
    /// The work panicked.
    #[error("the work stopped in the middle")]
    Crashed,
    /// The request can't be read.
    #[error("the request can't be read: {detail}")]
    Malformed {
        /// What is wrong with it.
        detail: String,
    },
    /// More than is taken at once.
    #[error("the request has more than {limit_bytes} bytes")]
    BodyTooLarge {
        /// The most.
        limit_bytes: usize,
    },
    /// No such method here.
    #[error("{method} is not taken here")]
    WrongMethod {
        /// The method.
        method: String,
    },
    /// Another site sent it.
    #[error("the request comes from another site")]
    OtherOrigin,
    /// A form without its session's proof.
    #[error("the form is of another session")]
    StaleForm,
}

impl From<StoreError> for DeskError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Taken { what } => Self::Taken { what },
            error => Self::Store(error),
        }
    }
}

impl DeskError {
    /// The stable code of the catalog.
    pub fn code(&self) -> &'static str {
        match self {
            Self::WrongPassword => "SG-SES-001",
            Self::NotSignedIn => "SG-SES-004",
            Self::TooManyAttempts { .. } => "SG-SES-005",
            Self::PasswordShort { .. } => "SG-SES-006",
            Self::PasswordsDiffer => "SG-SES-009",
            Self::NotFound { .. } => "SG-API-002",
            Self::Document(error) => error.code(),
            Self::Request(error) => error.code(),
            Self::Evidence(error) => error.code(),
            Self::Seal(error) => error.code(),
            Self::EkRoot(error) => error.code(),
            Self::Rules(refusal) => refusal.code(),
            Self::MacList(error) => error.code(),
            Self::Mac(refusal) => refusal.code(),
            Self::MacsNotAllowed => "SG-POR-094",
            Self::Dongle(refusal) => refusal.code(),
            Self::DongleKey => "SG-POR-098",
            Self::Trial(TrialRefusal::TooMany { .. }) => "SG-POR-076",
            Self::Trial(TrialRefusal::TooLong { .. }) => "SG-POR-077",
            Self::Trial(TrialRefusal::Had) => "SG-POR-078",
            Self::WriteOffLimit { .. } => "SG-POR-075",
            Self::Balance { .. } => "SG-POR-001",
            Self::OtherBox { .. } => "SG-POR-004",
            Self::BoxOfServer { .. } => "SG-POR-005",
            Self::BoxElsewhere { .. } => "SG-POR-006",
            Self::ChangedMeanwhile { .. } => "SG-POR-130",
            Self::NotProven => "SG-POR-133",
            Self::NotCredited => "SG-POR-134",
            Self::ReportedAlready => "SG-POR-135",
            Self::ClaimUnknown => "SG-POR-136",
            Self::KeyReused => "SG-POR-131",
            Self::BuiltIn => "SG-POR-132",
            Self::Unfit { .. } => "SG-POR-009",
            Self::Taken { .. } => "SG-POR-010",
            Self::Journal(_) => "SG-POR-011",
            Self::LinkUsed => "SG-POR-016",
            Self::NotAllowed => "SG-POR-017",
            Self::RoleLacks { .. } => "SG-POR-100",
            Self::LastAdmin => "SG-POR-101",
            Self::NoSuchAddress => "SG-POR-105",
            Self::ScopeLacks => "SG-SES-030",
            Self::UnfitToken => "SG-SES-029",
            Self::WantsCode => "SG-SES-020",
            Self::WrongCode => "SG-SES-021",
            Self::SecondStepOver => "SG-SES-031",
            Self::WrongPresent => "SG-SES-026",
            Self::Signer(error) => error.code(),
            Self::Store(_) | Self::Hash | Self::Crashed => "SG-API-003",
            Self::Malformed { .. } => "SG-API-001",
            Self::BodyTooLarge { .. } => "SG-API-004",
            Self::OtherOrigin => "SG-API-005",
            Self::WrongMethod { .. } => "SG-API-006",
            Self::StaleForm => "SG-SES-007",
        }
    }

    /// Is it the portal's own fault, so that the details belong in its log?
    pub fn is_fault(&self) -> bool {
        matches!(
            self,
            Self::Store(_) | Self::Journal(_) | Self::Signer(_) | Self::Hash | Self::Crashed
        )
    }

    /// The words for people.
    pub fn problem(&self) -> Problem {
        let text = |value: &dyn std::fmt::Display| value.to_string();
        let values: Vec<(&str, String)> = match self {
            Self::TooManyAttempts { wait_s } => vec![("seconds", text(wait_s))],
            Self::RoleLacks { role } => vec![("role", role.label().to_owned())],
            Self::PasswordShort { least } => vec![("characters", text(least))],
            Self::NotFound { what } => vec![("object", text(what))],
            Self::Unfit { field, rule } => vec![("field", text(field)), ("rule", text(rule))],
            Self::Taken { what } => vec![("what", text(what))],
            Self::Balance {
                kind,
                available,
                needed,
            } => vec![
                ("kind", kind_label(kind)),
                ("available", text(available)),
                ("needed", text(needed)),
            ],
            Self::ChangedMeanwhile { by, at_utc_s } => {
                vec![("by", by.clone()), ("when", date_words(*at_utc_s))]
            }
            Self::Trial(TrialRefusal::TooMany { kind, most }) => {
                vec![("kind", kind_label(kind)), ("most", text(most))]
            }
            Self::Trial(TrialRefusal::TooLong { most_days }) => vec![("days", text(most_days))],
            Self::WriteOffLimit {
                kind,
                limit,
                needed,
            } => vec![
                ("kind", kind_label(kind)),
                ("limit", text(limit)),
                ("needed", text(needed)),
            ],
            Self::Rules(Refusal::NotRaised { counter, needed }) => {
                vec![("counter", text(counter)), ("needed", text(needed))]
            }
            Self::OtherBox {
                server,
                ours,
                theirs,
            } => vec![
                ("server", server.clone()),
                ("ours", ours.clone()),
                ("theirs", theirs.clone()),
            ],
            Self::BoxOfServer { serial, server } => {
                vec![("serial", serial.clone()), ("server", server.clone())]
            }
            Self::BoxElsewhere { serial } => vec![("serial", serial.clone())],
            Self::Rules(Refusal::TooManyOutstanding { outstanding }) => {
                vec![("outstanding", text(outstanding))]
            }
            Self::Rules(
                Refusal::CounterWentBack { counter, .. } | Refusal::CounterOutOfRange { counter },
            ) => vec![("counter", text(counter))],
            Self::MacList(
                MacListError::Malformed { row, text: shown }
                | MacListError::NoCamera { row, text: shown },
            ) => vec![("row", text(row)), ("text", shown.clone())],
            Self::MacList(_) => vec![("most", text(&MAX_ROWS))],
            Self::Mac(MacRefusal::Listed {
                macs,
                license_number,
            }) => vec![
                ("macs", some_of(macs)),
                ("license", format!("L-{license_number}")),
            ],
            Self::Store(_) => vec![("operation", "the database".to_owned())],
            Self::Hash => vec![("operation", "hashing a password".to_owned())],
            Self::Crashed => vec![("operation", "the portal".to_owned())],
            Self::Malformed { detail } => vec![("detail", detail.clone())],
            Self::BodyTooLarge { limit_bytes } => {
                vec![("limit", format!("{} KiB", limit_bytes / 1024))]
            }
            Self::WrongMethod { method } => vec![("method", method.clone())],
            _ => Vec::new(),
        };
        let values: Vec<(&str, &str)> = values
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        problem(self.code(), &values)
    }
}

/// An instant as an absolute date for people, in UTC.
pub(crate) fn date_words(utc_s: i64) -> String {
    Timestamp::from_second(utc_s)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_zoned_datetime(TimeZone::UTC)
        .strftime("%-d %B %Y, %H:%M UTC")
        .to_string()
}

/// The first few addresses, and how many more there are.
fn some_of(macs: &std::collections::BTreeSet<ListedMac>) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = macs.iter().take(SHOWN).map(ToString::to_string).collect();
    match macs.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// A kind of channel, for people.
pub(crate) fn kind_label(kind: &str) -> String {
    match kind {
        // Sold like the others, and in licenses it is a list instead of a count.
        MAC_KIND => MAC_LABEL,
        other => sealgate_license::entitlements::kind::label(other),
    }
    .to_owned()
}

/// What a place on a list of cameras is called.
pub(crate) const MAC_LABEL: &str = "Listed cameras";

/// An occurrence of a code of the catalog.
pub(crate) fn problem(code: &str, values: &[(&str, &str)]) -> Problem {
    match catalog::find(code) {
        Some(entry) => entry.problem(values),
        // A test walks every code; this is for a catalog that lost one since.
        None => Problem {
            code: code.to_owned(),
            cause: "The portal refused this.".to_owned(),
            effect: "Nothing was changed.".to_owned(),
            cure: "Send the code to support.".to_owned(),
            owner: sealgate_words::Owner::Support,
            reference: None,
        },
    }
}
