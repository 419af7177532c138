//! The license file, `.lic`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use crate::binding::DonglePublicKey;
use crate::dsse::{DocumentError, DocumentKind, Envelope, write_payload};
use crate::encoding;
use crate::entitlements::Entitlements;
use crate::tpm_wire::TpmName;
use crate::vendor::{
    IssueError, IssuingKey, KeyCertificate, RevocationList, Revocations, SigningCertificate,
    VendorRoots, VerifyError,
};

/// For whom a license was made; shown to people, compared with nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// The box, as its project calls it.
    pub server: String,
    /// The project.
    pub project: String,
    /// The distributor.
    pub distributor: String,
}

/// Why a license has an end; shown to people, and charged accordingly by the portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// Given for trying out, and charged to nobody.
    Trial,
    /// Sold for a time.
    Dated,
    /// Covers the change from one binding to another.
    Overlap,
}

/// When a license may be used; perpetual without dates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validity {
    /// The first instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// The last instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// Why it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<Term>,
}

impl Validity {
    /// Whether the license never ends.
    pub fn is_perpetual(&self) -> bool {
        self.not_after.is_none()
    }

    /// A license with a term has an end, and no license ends before it starts.
    pub(crate) fn is_sound(&self) -> bool {
        let ends = self.term.is_none() || self.not_after.is_some();
        let ordered = match (self.not_before, self.not_after) {
            (Some(first), Some(last)) => first <= last,
            _ => true,
        };
        ends && ordered
    }
}

/// Binds a license to one TPM and one step of its counter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TpmBinding {
    /// Name of the attestation key.
    pub ak_name: TpmName,
    /// Name of the endorsement key.
    pub ek_name: TpmName,
    /// Contents of the TPM2B_ID_OBJECT from MakeCredential, without its size.
    #[serde(with = "encoding::base64_bytes")]
    pub credential_blob: Vec<u8>,
    /// Contents of the TPM2B_ENCRYPTED_SECRET from MakeCredential, without its size.
    #[serde(with = "encoding::base64_bytes")]
    pub encrypted_secret: Vec<u8>,
    /// SHA-256 of the secret that ActivateCredential reveals.
    #[serde(with = "encoding::hex_array")]
    pub activation_secret_sha256: [u8; 32],
    /// The counter in the request.
    pub from: u64,
    /// The counter at which this license is the one in use.
    pub to: u64,
    /// The TPM's clock in the request, in milliseconds.
    pub tpm_clock_at_request_ms: u64,
}

/// Binds a license to one dongle, and to no box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DongleBinding {
    /// The serial number on the dongle, for people.
    pub serial: String,
    /// The public key of its slot 9E, which needs no PIN.
    pub public_key: DonglePublicKey,
}

/// What a license is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "serde_json::Value")]
pub enum Binding {
    /// A TPM.
    Tpm(TpmBinding),
    /// A dongle.
    Dongle(DongleBinding),
    /// Nothing but the cameras on the list in the entitlements: it can be copied.
    Mac,
    /// Anything that this version can't check.
    Other {
        /// `kind` in the file.
        kind: String,
        /// The whole binding, kept as it stands.
        value: serde_json::Map<String, serde_json::Value>,
    },
}

impl Binding {
    /// `kind` in the file.
    pub fn kind(&self) -> &str {
        match self {
            Self::Tpm(_) => "tpm",
            Self::Dongle(_) => "dongle",
            Self::Mac => "mac",
            Self::Other { kind, .. } => kind,
        }
    }
}

impl TryFrom<serde_json::Value> for Binding {
    type Error = serde_json::Error;

    fn try_from(value: serde_json::Value) -> Result<Self, Self::Error> {
        #[derive(Deserialize)]
        struct Kind {
            kind: String,
        }
        let Kind { kind } = Kind::deserialize(&value)?;
        match kind.as_str() {
            "tpm" => TpmBinding::deserialize(value).map(Self::Tpm),
            "dongle" => DongleBinding::deserialize(value).map(Self::Dongle),
            "mac" => Ok(Self::Mac),
            _ => serde_json::Map::deserialize(value).map(|value| Self::Other { kind, value }),
        }
    }
}

impl Serialize for Binding {
    /// Field by field, so that the bytes never depend on how some build of serde_json
    /// orders its maps.
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Tagged<'a, T> {
            kind: &'a str,
            #[serde(flatten)]
            binding: T,
        }
        #[derive(Serialize)]
        struct Nothing {}
        let kind = self.kind();
        match self {
            Self::Tpm(binding) => Tagged { kind, binding }.serialize(out),
            Self::Dongle(binding) => Tagged { kind, binding }.serialize(out),
            Self::Mac => Tagged {
                kind,
                binding: Nothing {},
            }
            .serialize(out),
            Self::Other { value, .. } => value.serialize(out),
        }
    }
}

/// What the vendor signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicensePayload {
    /// 1.
    pub format_version: u32,
    /// For example `L-2041`; the same through all revisions.
    pub license_id: String,
    /// Counts up with each file of this license.
    pub revision: u32,
    /// For whom.
    #[serde(flatten)]
    pub names: Names,
    /// To what.
    pub binding: Binding,
    /// What it allows.
    pub entitlements: Entitlements,
    /// When.
    #[serde(default)]
    pub validity: Validity,
    /// When it was issued: what the issuing key's dates are compared with.
    pub issued_at: Timestamp,
    /// The vendor's newest [`RevocationList`], a whole file. It travels inside what is
    /// signed, so that nobody can take it out.
    #[serde(
        default,
        with = "encoding::base64_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub revocation_list: Option<Vec<u8>>,
}

/// A license file that could be read. Nothing in it is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedLicense {
    envelope: Envelope,
    payload: LicensePayload,
}

impl SignedLicense {
    /// Reads a license file.
    pub fn parse(file: impl AsRef<[u8]>) -> Result<Self, DocumentError> {
        let envelope = Envelope::parse_kind(file, DocumentKind::License)?;
        let payload: LicensePayload = envelope.read_payload()?;
        if !payload.validity.is_sound() {
            return Err(DocumentError::Damaged {
                part: "the validity",
            });
        }
        Ok(Self { envelope, payload })
    }

    /// Signs a license. Deterministic: the same payload and keys give the same file.
    pub fn issue(
        payload: LicensePayload,
        key: &IssuingKey,
        certificate: &KeyCertificate,
    ) -> Result<Self, IssueError> {
        if !payload.validity.is_sound() {
            return Err(IssueError::Validity);
        }
        let bytes = write_payload(&payload);
        let envelope = key.sign_license(bytes, payload.issued_at, certificate)?;
        Ok(Self { envelope, payload })
    }

    /// What the file says, unproven: for words about a file that was refused.
    pub fn unverified_payload(&self) -> &LicensePayload {
        &self.payload
    }

    /// The file.
    pub fn to_text(&self) -> String {
        self.envelope.to_text()
    }

    /// Checks that the vendor issued it: one of its signatures must lead to a pinned
    /// root, from a key that is not revoked and whose dates cover the date of issue.
    ///
    /// For the license in use pass [`Revocations::none`]: revocation stops imports only.
    pub fn verify(
        &self,
        roots: &VendorRoots,
        revocations: &Revocations,
    ) -> Result<VerifiedLicense, VerifyError> {
        let signed = self.envelope.signed_bytes();
        let mut refusal = None;
        for signature in &self.envelope.signatures {
            let verified = SigningCertificate::of(signature).and_then(|certificate| {
                certificate.verify_license(
                    &signed,
                    signature,
                    self.payload.issued_at,
                    roots,
                    revocations,
                )
            });
            match verified {
                Ok(key_id) => {
                    return Ok(VerifiedLicense {
                        license: self.clone(),
                        key_id,
                    });
                }
                Err(error) => {
                    refusal.get_or_insert(error);
                }
            }
        }
        Err(
            refusal.unwrap_or(VerifyError::Document(DocumentError::Damaged {
                part: "the list of signatures",
            })),
        )
    }
}

/// A license that the vendor issued. It says nothing yet about this box: see
/// [`bind_tpm`](Self::bind_tpm) and its like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedLicense {
    license: SignedLicense,
    key_id: String,
}

impl VerifiedLicense {
    /// What the vendor signed.
    pub fn payload(&self) -> &LicensePayload {
        &self.license.payload
    }

    /// The revocation list that the license carries, unproven.
    pub fn revocation_list(&self) -> Result<Option<RevocationList>, DocumentError> {
        self.payload()
            .revocation_list
            .as_ref()
            .map(RevocationList::parse)
            .transpose()
    }

    /// The issuing key that signed.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The file.
    pub fn to_text(&self) -> String {
        self.license.to_text()
    }
}
