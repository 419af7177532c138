//! What the journal holds: enough to put a license back into a database that has never
//! heard of its server.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::other_records::{DongleCheckedInRecord, OtherIssuedRecord};
use crate::rules::{Counts, Term};
use crate::store::{
    DistributorId, FileId, LicenseFile, ProjectId, ServerId, Tpm, TpmId, TpmIdentity,
};
use crate::trust::TrustClass;

/// One line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Record {
    /// A license was made.
    Issued(Box<IssuedRecord>),
    /// A box proved which license it imported.
    Proven(ProvenRecord),
    /// A license was made for a dongle or a list of cameras.
    OtherIssued(Box<OtherIssuedRecord>),
    /// A dongle has a new key.
    DongleCheckedIn(DongleCheckedInRecord),
    /// Hardware was written off.
    WrittenOff(HardwareRecord),
    /// Written-off hardware came back.
    HardwareBack(HardwareRecord),
    /// A portal began here.
    Begun(BeginRecord),
    /// The journal before this line is lost, and with it what it alone knew.
    JournalLost(BeginRecord),
}

/// The first line of a journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BeginRecord {
    /// Milliseconds since 1970.
    pub at_utc_ms: i64,
    /// How many journals were lost, as far as the database knows.
    pub journals_lost: u32,
}

/// A decision about hardware.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HardwareRecord {
    /// Milliseconds since 1970.
    pub at_utc_ms: i64,
    /// Whose.
    pub tpm: TpmIdentity,
    /// The counter of the request; the highest attested one for a write-off.
    pub counter: u64,
    /// Why.
    pub note: String,
}

/// A distributor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DistributorRef {
    /// Its id.
    pub id: DistributorId,
    /// Its name then.
    pub name: String,
}

/// A project.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProjectRef {
    /// Its id.
    pub id: ProjectId,
    /// Its name then.
    pub name: String,
    /// See [`crate::store::Project::built_in`].
    pub built_in: bool,
}

/// A server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerRef {
    /// Its id.
    pub id: ServerId,
    /// Its name then.
    pub name: String,
}

/// A TPM.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TpmRef {
    /// The keys.
    pub identity: TpmIdentity,
    /// Who vouches for it.
    pub class: TrustClass,
    /// As the box's first request said.
    pub model: String,
    /// As the box's first request said.
    pub serial: String,
    /// N in `L-N`.
    pub license_number: u64,
    /// The counter of the request.
    pub attested: u64,
}

/// An issued license, whole.
#[derive(Clone, Serialize, Deserialize)]
pub struct IssuedRecord {
    /// Milliseconds since 1970.
    pub at_utc_ms: i64,
    /// Who is charged.
    pub distributor: DistributorRef,
    /// For which project.
    pub project: ProjectRef,
    /// For which server.
    pub server: ServerRef,
    /// For which TPM.
    pub tpm: TpmRef,
    /// See [`LicenseFile::id`].
    pub file_id: FileId,
    /// See [`LicenseFile::revision`].
    pub revision: u32,
    /// See [`LicenseFile::from`].
    pub from: u64,
    /// See [`LicenseFile::to`].
    pub to: u64,
    /// See [`LicenseFile::counts`].
    pub counts: Counts,
    /// See [`LicenseFile::term`].
    #[serde(default)]
    pub term: Term,
    /// See [`LicenseFile::activation_secret`].
    #[serde(with = "hex_32")]
    pub activation_secret: [u8; 32],
    /// See [`LicenseFile::request_sha256`].
    #[serde(with = "hex_32")]
    pub request_sha256: [u8; 32],
    /// See [`LicenseFile::text`].
    pub text: String,
}

impl std::fmt::Debug for IssuedRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedRecord")
            .field("file_id", &self.file_id)
            .finish_non_exhaustive()
    }
}

impl IssuedRecord {
    /// The file as the database keeps it.
    pub fn to_file(&self, tpm: TpmId) -> LicenseFile {
        LicenseFile {
            id: self.file_id.clone(),
            tpm,
            revision: self.revision,
            from: self.from,
            to: self.to,
            counts: self.counts.clone(),
            term: self.term,
            activation_secret: Zeroizing::new(self.activation_secret),
            request_sha256: self.request_sha256,
            text: self.text.clone(),
            issued_utc_s: self.at_utc_ms.div_euclid(1000),
        }
    }
}

impl TpmRef {
    /// A TPM as the journal names it.
    pub fn of(tpm: &Tpm) -> Self {
        Self {
            identity: tpm.identity.clone(),
            class: tpm.class,
            model: tpm.model.clone(),
            serial: tpm.serial.clone(),
            license_number: tpm.license_number,
            attested: tpm.row.attested,
        }
    }
}

/// A proof that was accepted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProvenRecord {
    /// Milliseconds since 1970.
    pub at_utc_ms: i64,
    /// Whose.
    pub tpm: TpmIdentity,
    /// The license whose secret made it.
    pub file_id: FileId,
    /// The counter it came with.
    pub counter: u64,
    /// See [`crate::rules::Observation::credits`].
    pub credits: bool,
    /// Of the request.
    #[serde(with = "hex_32")]
    pub request_sha256: [u8; 32],
}

/// 32 bytes as hex.
mod hex_32 {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 32], out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(input)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| D::Error::custom("not 32 hex bytes"))?;
        Ok(bytes)
    }
}
