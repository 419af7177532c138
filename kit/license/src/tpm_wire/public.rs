//! Public areas of keys (TPMT_PUBLIC, Part 2, 12.2.4), and the license's attestation key.

use super::names::{HashAlgorithm, TpmName};
use super::reader::{Reader, WireError};

/// TPMA_OBJECT bits (Part 2, 8.3).
pub const FIXED_TPM: u32 = 1 << 1;
/// The key's parent can't change.
pub const FIXED_PARENT: u32 = 1 << 4;
/// The TPM itself made the private part.
pub const SENSITIVE_DATA_ORIGIN: u32 = 1 << 5;
/// The key's authorization value allows its use.
pub const USER_WITH_AUTH: u32 = 1 << 6;
/// Administration needs the policy.
pub const ADMIN_WITH_POLICY: u32 = 1 << 7;
/// Failures never lead to dictionary-attack lockout.
pub const NO_DA: u32 = 1 << 10;
/// Acts only on what the TPM made.
pub const RESTRICTED: u32 = 1 << 16;
/// The key decrypts.
pub const DECRYPT: u32 = 1 << 17;
/// The key signs.
pub const SIGN_ENCRYPT: u32 = 1 << 18;

const ALG_NULL: u16 = 0x0010;
const ALG_ECDSA: u16 = 0x0018;

/// The curves of EKs and AKs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EccCurve {
    /// TPM_ECC_NIST_P256.
    P256,
    /// TPM_ECC_NIST_P384.
    P384,
}

impl EccCurve {
    /// Bytes in a coordinate.
    pub fn coordinate_bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
        }
    }
}

/// A signing or decryption scheme: its TPM_ALG_ID and hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scheme {
    /// TPM_ALG_ID of the scheme.
    pub algorithm: u16,
    /// Its hash.
    pub hash: HashAlgorithm,
}

/// The key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TpmKey {
    /// TPM_ALG_RSA.
    Rsa {
        /// Bits in the modulus.
        bits: u16,
        /// The public exponent; the wire form's 0 is read as 65537.
        exponent: u32,
        /// The modulus, big-endian.
        modulus: Vec<u8>,
    },
    /// TPM_ALG_ECC.
    Ecc {
        /// The curve.
        curve: EccCurve,
        /// Padded to the curve's coordinate size.
        x: Vec<u8>,
        /// Padded to the curve's coordinate size.
        y: Vec<u8>,
    },
}

/// A parsed TPMT_PUBLIC of an RSA or ECC key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TpmPublic {
    raw: Vec<u8>,
    name_algorithm: HashAlgorithm,
    attributes: u32,
    policy: Vec<u8>,
    symmetric_bits: Option<u16>,
    scheme: Option<Scheme>,
    key: TpmKey,
}

fn pad(coordinate: &[u8], bytes: usize) -> Vec<u8> {
    let mut padded = vec![0; bytes.saturating_sub(coordinate.len())];
    padded.extend_from_slice(coordinate);
    padded
}

impl TpmPublic {
    /// Reads a TPMT_PUBLIC, without the size that a TPM2B_PUBLIC has in front.
    pub fn parse(raw: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(raw);
        let kind = reader.u16()?;
        let name_algorithm = HashAlgorithm::from_id(reader.u16()?)?;
        let attributes = reader.u32()?;
        let policy = reader.sized("policy", 64)?.to_vec();
        if kind != 0x0001 && kind != 0x0023 {
            return Err(WireError::Unsupported {
                field: "object type",
                value: kind,
            });
        }
        let symmetric_bits = read_symmetric(&mut reader)?;
        let scheme = read_scheme(&mut reader)?;
        let key = if kind == 0x0001 {
            let bits = reader.u16()?;
            let exponent = match reader.u32()? {
                0 => 65537,
                exponent => exponent,
            };
            let modulus = reader.sized("modulus", 512)?.to_vec();
            TpmKey::Rsa {
                bits,
                exponent,
                modulus,
            }
        } else {
            let curve = match reader.u16()? {
                0x0003 => EccCurve::P256,
                0x0004 => EccCurve::P384,
                value => {
                    return Err(WireError::Unsupported {
                        field: "curve",
                        value,
                    });
                }
            };
            // The KDF scheme: NULL in every template of use.
            if let value @ 1.. = reader.u16()? ^ ALG_NULL {
                return Err(WireError::Unsupported {
                    field: "key derivation scheme",
                    value: value ^ ALG_NULL,
                });
            }
            let bytes = curve.coordinate_bytes();
            let x = pad(reader.sized("x", bytes)?, bytes);
            let y = pad(reader.sized("y", bytes)?, bytes);
            TpmKey::Ecc { curve, x, y }
        };
        reader.end()?;
        Ok(Self {
            raw: raw.to_vec(),
            name_algorithm,
            attributes,
            policy,
            symmetric_bits,
            scheme,
            key,
        })
    }

    /// The object's Name, computed from the bytes that were read.
    pub fn name(&self) -> TpmName {
        TpmName::of(self.name_algorithm, &[&self.raw])
    }

    /// The bytes that were read.
    pub fn as_bytes(&self) -> &[u8] {
        &self.raw
    }

    /// The algorithm of the Name, also that of MakeCredential for an EK.
    pub fn name_algorithm(&self) -> HashAlgorithm {
        self.name_algorithm
    }

    /// TPMA_OBJECT.
    pub fn attributes(&self) -> u32 {
        self.attributes
    }

    /// The authorization policy's digest; empty if there is none.
    pub fn policy(&self) -> &[u8] {
        &self.policy
    }

    /// Key size of the AES-CFB that protects children and credentials, in bits.
    pub fn symmetric_bits(&self) -> Option<u16> {
        self.symmetric_bits
    }

    /// The scheme, unless the key leaves it to each use.
    pub fn scheme(&self) -> Option<Scheme> {
        self.scheme
    }

    /// The key.
    pub fn key(&self) -> &TpmKey {
        &self.key
    }
}

/// TPMT_SYM_DEF_OBJECT (Part 2, 11.1.7): AES in CFB mode, or nothing.
fn read_symmetric(reader: &mut Reader<'_>) -> Result<Option<u16>, WireError> {
    match reader.u16()? {
        ALG_NULL => Ok(None),
        0x0006 => {
            let bits = reader.u16()?;
            match reader.u16()? {
                0x0043 => Ok(Some(bits)),
                value => Err(WireError::Unsupported {
                    field: "symmetric mode",
                    value,
                }),
            }
        }
        value => Err(WireError::Unsupported {
            field: "symmetric algorithm",
            value,
        }),
    }
}

/// TPMT_RSA_SCHEME or TPMT_ECC_SCHEME: those whose detail is a hash (Part 2, 11.2).
fn read_scheme(reader: &mut Reader<'_>) -> Result<Option<Scheme>, WireError> {
    match reader.u16()? {
        ALG_NULL => Ok(None),
        // RSASSA, RSAPSS, OAEP, ECDSA, ECDH.
        algorithm @ (0x0014 | 0x0016 | 0x0017 | ALG_ECDSA | 0x0019) => Ok(Some(Scheme {
            algorithm,
            hash: HashAlgorithm::from_id(reader.u16()?)?,
        })),
        value => Err(WireError::Unsupported {
            field: "scheme",
            value,
        }),
    }
}

/// Attributes of the license's attestation key.
pub const AK_ATTRIBUTES: u32 = FIXED_TPM
    | FIXED_PARENT
    | SENSITIVE_DATA_ORIGIN
    | USER_WITH_AUTH
    | NO_DA
    | RESTRICTED
    | SIGN_ENCRYPT;

/// SHA-256 of "sealgate license AK v1": keeps our key apart from every other primary.
pub const AK_UNIQUE_X: [u8; 32] = [
    0xd9, 0x0c, 0x0a, 0x5b, 0x14, 0xb7, 0x37, 0x17, 0x96, 0x39, 0xb9, 0x57, 0xc4, 0xfe, 0x5d, 0xf0,
    0x71, 0xed, 0xc3, 0xd0, 0x10, 0xeb, 0x88, 0xfa, 0x6b, 0x7a, 0xe5, 0xff, 0x49, 0xaf, 0xbd, 0xa7,
];

/// The template of the license's attestation key, a primary in the endorsement
/// hierarchy. Frozen: one changed byte is another key in every box in the field.
pub const AK_TEMPLATE: [u8; 88] = [
    0x00, 0x23, // TPM_ALG_ECC
    0x00, 0x0b, // name algorithm SHA-256
    0x00, 0x05, 0x04, 0x72, // AK_ATTRIBUTES
    0x00, 0x00, // no policy
    0x00, 0x10, // no symmetric algorithm
    0x00, 0x18, 0x00, 0x0b, // ECDSA with SHA-256
    0x00, 0x03, // NIST P-256
    0x00, 0x10, // no key derivation scheme
    0x00, 0x20, // unique x: AK_UNIQUE_X
    0xd9, 0x0c, 0x0a, 0x5b, 0x14, 0xb7, 0x37, 0x17, 0x96, 0x39, 0xb9, 0x57, 0xc4, 0xfe, 0x5d, 0xf0,
    0x71, 0xed, 0xc3, 0xd0, 0x10, 0xeb, 0x88, 0xfa, 0x6b, 0x7a, 0xe5, 0xff, 0x49, 0xaf, 0xbd, 0xa7,
    0x00, 0x20, // unique y: zero
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

/// Why a key is not the license's attestation key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AkError {
    /// Other attributes: it might be copied, or sign what the TPM did not make.
    #[error("the attestation key's attributes are {found:#010x}, not {AK_ATTRIBUTES:#010x}")]
    Attributes {
        /// TPMA_OBJECT of the key.
        found: u32,
    },
    /// Another algorithm than the template's.
    #[error("the attestation key is not a P-256 key for ECDSA with SHA-256")]
    Algorithm,
    /// A policy: the template has none.
    #[error("the attestation key has a policy")]
    Policy,
}

impl AkError {
    /// The code in the words catalog.
    pub fn code(&self) -> &'static str {
        "SG-POR-021"
    }
}

/// Insists on everything that [`AK_TEMPLATE`] fixes: restricted, never duplicable, made
/// by the TPM, P-256 with ECDSA and SHA-256. (Whether a TPM holds it is proven by
/// ActivateCredential alone.)
pub fn check_ak(ak: &TpmPublic) -> Result<(), AkError> {
    if ak.attributes != AK_ATTRIBUTES {
        return Err(AkError::Attributes {
            found: ak.attributes,
        });
    }
    let ecdsa = Scheme {
        algorithm: ALG_ECDSA,
        hash: HashAlgorithm::Sha256,
    };
    let p256 = matches!(
        ak.key,
        TpmKey::Ecc {
            curve: EccCurve::P256,
            ..
        }
    );
    if !p256
        || ak.scheme != Some(ecdsa)
        || ak.symmetric_bits.is_some()
        || ak.name_algorithm != HashAlgorithm::Sha256
    {
        return Err(AkError::Algorithm);
    }
    if !ak.policy.is_empty() {
        return Err(AkError::Policy);
    }
    Ok(())
}
