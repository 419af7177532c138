//! The public areas that an endorsement key may have.
//!
//! A certificate vouches for a key and says nothing about the attributes beside it. The
//! ledger knows a TPM by its EK's Name, so one key must have one Name: everything but
//! the key is fixed to the TCG's template, and the Name is that of the form a TPM writes.

use sealgate_license::tpm_wire::{EccCurve, TpmKey, TpmPublic};

/// Why an endorsement key's public area is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EkTemplateError {
    /// Not RSA-2048 with exponent 65537, nor P-256, nor P-384.
    #[error("the endorsement key is of a kind that no supported template makes")]
    KeyKind,
    /// Attributes, policy, algorithms: not those of the template.
    #[error("the endorsement key's public area is not that of the TCG's template")]
    OtherTemplate,
}

impl EkTemplateError {
    /// The code in the words catalog.
    pub fn code(&self) -> &'static str {
        match self {
            Self::KeyKind => "SG-POR-029",
            Self::OtherTemplate => "SG-POR-030",
        }
    }
}

/// L-1 of the TCG EK Credential Profile 2.5, B.3.3: RSA-2048, up to the modulus.
const RSA_2048: [u8; 58] = [
    0x00, 0x01, 0x00, 0x0b, 0x00, 0x03, 0x00, 0xb2, 0x00, 0x20, 0x83, 0x71, 0x97, 0x67, 0x44, 0x84,
    0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24, 0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52,
    0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa, 0x00, 0x06, 0x00, 0x80, 0x00, 0x43,
    0x00, 0x10, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00,
];

/// L-2, B.3.4: P-256, up to the point.
const P256: [u8; 54] = [
    0x00, 0x23, 0x00, 0x0b, 0x00, 0x03, 0x00, 0xb2, 0x00, 0x20, 0x83, 0x71, 0x97, 0x67, 0x44, 0x84,
    0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24, 0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52,
    0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa, 0x00, 0x06, 0x00, 0x80, 0x00, 0x43,
    0x00, 0x10, 0x00, 0x03, 0x00, 0x10,
];

/// H-3, B.4.6: P-384, up to the point.
const P384: [u8; 70] = [
    0x00, 0x23, 0x00, 0x0c, 0x00, 0x03, 0x00, 0xf2, 0x00, 0x30, 0xb2, 0x6e, 0x7d, 0x28, 0xd1, 0x1a,
    0x50, 0xbc, 0x53, 0xd8, 0x82, 0xbc, 0xf5, 0xfd, 0x3a, 0x1a, 0x07, 0x41, 0x48, 0xbb, 0x35, 0xd3,
    0xb4, 0xe4, 0xcb, 0x1c, 0x0a, 0xd9, 0xbd, 0xe4, 0x19, 0xca, 0xcb, 0x47, 0xba, 0x09, 0x69, 0x96,
    0x46, 0x15, 0x0f, 0x9f, 0xc0, 0x00, 0xf3, 0xf8, 0x0e, 0x12, 0x00, 0x06, 0x01, 0x00, 0x00, 0x43,
    0x00, 0x10, 0x00, 0x04, 0x00, 0x10,
];

/// The one public area that a key of this kind has: the template with the key, its
/// coordinates padded as TPMs since revision 1.38 write them.
pub fn canonical_ek(ek: &TpmPublic) -> Result<TpmPublic, EkTemplateError> {
    let bytes = match ek.key() {
        TpmKey::Rsa {
            bits: 2048,
            exponent: 65537,
            modulus,
        } if modulus.len() == 256 && modulus[0] & 0x80 != 0 => [&RSA_2048[..], modulus].concat(),
        TpmKey::Rsa { .. } => return Err(EkTemplateError::KeyKind),
        TpmKey::Ecc { curve, x, y } => {
            let (template, size) = match curve {
                EccCurve::P256 => (&P256[..], [0, 32]),
                EccCurve::P384 => (&P384[..], [0, 48]),
            };
            [template, &size, x, &size, y].concat()
        }
    };
    let canonical = TpmPublic::parse(&bytes)
        .expect("a template with a key that was parsed is a whole public area");
    let same = ek.name_algorithm() == canonical.name_algorithm()
        && ek.attributes() == canonical.attributes()
        && ek.policy() == canonical.policy()
        && ek.symmetric_bits() == canonical.symmetric_bits()
        && ek.scheme() == canonical.scheme()
        && ek.key() == canonical.key();
    if same {
        Ok(canonical)
    } else {
        Err(EkTemplateError::OtherTemplate)
    }
}
