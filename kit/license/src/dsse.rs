//! The envelope of every Sealgate file: DSSE (Dead Simple Signing Envelope) v1 as JSON text.
//!
//! Files survive mail and editors: a byte order mark, CRLF line ends and blank lines
//! around the text change nothing. Whatever is signed is carried as base64, so there
//! is no canonical form to agree on.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::encoding;

/// The largest file that is read at all, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;
/// More signatures than any rotation of keys needs.
const MAX_SIGNATURES: usize = 8;
/// What every payload type of ours begins with.
const TYPE_PREFIX: &str = "application/vnd.sealgate.";

/// What a file is, as its signed payload type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DocumentKind {
    /// A license, `.lic`.
    License,
    /// A request of a box for a license, `.req`.
    Request,
    /// An issuing key's certificate, signed by a vendor root.
    VendorKey,
    /// Which issuing keys sign no more, signed by a vendor root.
    RevocationList,
    /// What a box states about something it did, `.sgs`.
    Statement,
}

impl DocumentKind {
    /// The payload type, which the signature covers.
    pub fn payload_type(self) -> &'static str {
        match self {
            Self::License => "application/vnd.sealgate.license.v1+json",
            Self::Request => "application/vnd.sealgate.request.v1+json",
            Self::VendorKey => "application/vnd.sealgate.vendor-key.v1+json",
            Self::RevocationList => "application/vnd.sealgate.revocation-list.v1+json",
            Self::Statement => "application/vnd.sealgate.statement.v1+json",
        }
    }

    /// The payload type up to its version.
    fn stem(self) -> &'static str {
        let payload_type = self.payload_type();
        payload_type
            .strip_suffix("1+json")
            .expect("every payload type above ends with its version")
    }
}

/// Why a file is no document that can be read here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Something else entirely: a picture, a letter, a web page.
    #[error("the file is not a Sealgate document")]
    NotADocument,
    /// One of ours, but with a part missing or unreadable.
    #[error("the document is damaged: {part}")]
    Damaged {
        /// The part that could not be read.
        part: &'static str,
    },
    /// Larger than [`MAX_DOCUMENT_BYTES`].
    #[error("the file has {bytes} bytes, more than {MAX_DOCUMENT_BYTES}")]
    TooLarge {
        /// The size of the file.
        bytes: usize,
    },
    /// One of ours, of another type than was asked for.
    #[error("the document's type is {found:?}, not {:?}", expected.payload_type())]
    WrongType {
        /// What was asked for.
        expected: DocumentKind,
        /// The payload type in the file, shortened to 80 characters.
        found: String,
    },
    /// Written by a newer version in a format that this version can't read.
    #[error("the document's format {found} is newer than this version reads")]
    Newer {
        /// The format version in the file.
        found: u64,
    },
}

impl DocumentError {
    /// The code in the words catalog.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotADocument => "SG-DOC-001",
            Self::Damaged { .. } => "SG-DOC-002",
            Self::TooLarge { .. } => "SG-DOC-003",
            Self::WrongType { .. } => "SG-DOC-004",
            Self::Newer { .. } => "SG-DOC-005",
        }
    }
}

/// One signature over [`pae`] of an envelope's type and payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvelopeSignature {
    /// Which key signed; only a hint until the signature is checked.
    pub keyid: String,
    /// The signature, in the form that the payload type defines.
    #[serde(with = "encoding::base64_bytes")]
    pub sig: Vec<u8>,
    /// The signing key's certificate: the text of another envelope.
    #[serde(
        default,
        with = "encoding::base64_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub cert: Option<Vec<u8>>,
}

/// A parsed envelope. Nothing in it is proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// What the payload is.
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// The signed bytes.
    #[serde(with = "encoding::base64_bytes")]
    pub payload: Vec<u8>,
    /// At least one, at most eight.
    pub signatures: Vec<EnvelopeSignature>,
}

/// DSSE's pre-authentication encoding (protocol, "Signature Definition"): what is signed.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    )
    .into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

impl Envelope {
    /// Reads a file of any payload type of ours.
    pub fn parse(file: impl AsRef<[u8]>) -> Result<Self, DocumentError> {
        let file = file.as_ref();
        if file.len() > MAX_DOCUMENT_BYTES {
            return Err(DocumentError::TooLarge { bytes: file.len() });
        }
        let text = std::str::from_utf8(file).map_err(|_| DocumentError::NotADocument)?;
        let text = text.trim_start_matches('\u{feff}').trim();
        let envelope: Self = serde_json::from_str(text).map_err(|_| {
            // A torn or edited file still shows where it came from.
            if text.starts_with('{') && text.contains("payloadType") {
                DocumentError::Damaged {
                    part: "the envelope",
                }
            } else {
                DocumentError::NotADocument
            }
        })?;
        if !envelope.payload_type.starts_with(TYPE_PREFIX) {
            return Err(DocumentError::NotADocument);
        }
        if envelope.signatures.is_empty() || envelope.signatures.len() > MAX_SIGNATURES {
            return Err(DocumentError::Damaged {
                part: "the list of signatures",
            });
        }
        Ok(envelope)
    }

    /// Reads a file that has to be of this kind.
    pub fn parse_kind(file: impl AsRef<[u8]>, kind: DocumentKind) -> Result<Self, DocumentError> {
        let envelope = Self::parse(file)?;
        if envelope.payload_type == kind.payload_type() {
            return Ok(envelope);
        }
        let version = envelope
            .payload_type
            .strip_prefix(kind.stem())
            .and_then(|rest| rest.strip_suffix("+json"))
            .and_then(|version| version.parse().ok());
        Err(match version {
            Some(found) if found > 1 => DocumentError::Newer { found },
            _ => DocumentError::WrongType {
                expected: kind,
                found: envelope.payload_type.chars().take(80).collect(),
            },
        })
    }

    /// The bytes that each signature covers.
    pub fn signed_bytes(&self) -> Vec<u8> {
        pae(&self.payload_type, &self.payload)
    }

    /// Reads the payload, looking at `format_version` before anything else so that a
    /// newer format is named as such and not as damage.
    pub(crate) fn read_payload<T: DeserializeOwned>(&self) -> Result<T, DocumentError> {
        #[derive(Deserialize)]
        struct Version {
            format_version: u64,
        }
        let damaged = |_| DocumentError::Damaged {
            part: "the payload",
        };
        let version: Version = serde_json::from_slice(&self.payload).map_err(damaged)?;
        match version.format_version {
            1 => serde_json::from_slice(&self.payload).map_err(damaged),
            0 => Err(DocumentError::Damaged {
                part: "the format version",
            }),
            found => Err(DocumentError::Newer { found }),
        }
    }

    /// The file: JSON text that ends with a line feed.
    pub fn to_text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self)
            .expect("strings and lists of strings always serialise");
        text.push('\n');
        text
    }
}

/// The bytes of a payload that is being written.
pub(crate) fn write_payload<T: Serialize>(payload: &T) -> Vec<u8> {
    serde_json::to_vec(payload).expect("payload types hold nothing that JSON can't")
}
