//! TPM2_MakeCredential in software (TPM 2.0 Part 1, 24; Part 3, 12.6).
//!
//! Encrypts a secret so that only the TPM that holds both the endorsement key and the
//! named object reveals it (TPM2_ActivateCredential). This, and nothing else in a
//! request, proves that an attestation key lives beside an endorsement key.

use aes::cipher::KeyIvInit as _;
use p256::elliptic_curve::ecdh::EphemeralSecret;
use p256::elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point};
use p256::elliptic_curve::{
    AffinePoint, CurveArithmetic, FieldBytesSize, Generate as _, PublicKey,
};
use rand_core::CryptoRng;
use rsa::BoxedUint;
use sealgate_license::tpm_wire::{
    DECRYPT, EccCurve, FIXED_PARENT, FIXED_TPM, HashAlgorithm, RESTRICTED, SENSITIVE_DATA_ORIGIN,
    SIGN_ENCRYPT, TpmKey, TpmName, TpmPublic,
};
use sha2::{Sha256, Sha384};
use zeroize::Zeroizing;

use super::kdf::{hmac, kdfa, kdfe};

/// What the license carries for the box's TPM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Contents of a TPM2B_ID_OBJECT, without its size.
    pub credential_blob: Vec<u8>,
    /// Contents of a TPM2B_ENCRYPTED_SECRET, without its size.
    pub encrypted_secret: Vec<u8>,
}

/// Why no credential was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MakeCredentialError {
    /// Not a storage key that stays in its TPM.
    #[error("the endorsement key's attributes are {found:#010x}: no restricted decryption key")]
    Attributes {
        /// TPMA_OBJECT of the key.
        found: u32,
    },
    /// A size or curve that no EK template has.
    #[error("the endorsement key is neither RSA-2048, P-256 nor P-384 with AES")]
    KeyKind,
    /// Numbers that are no key: an even modulus, a point off its curve.
    #[error("the endorsement key is not a key of its kind")]
    NotAKey,
    /// TPMs take no secret larger than the name algorithm's digest.
    #[error("a credential of {bytes} bytes is too long")]
    TooLong {
        /// Size of the secret.
        bytes: usize,
    },
}

impl MakeCredentialError {
    /// The code in the words catalog.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Attributes { .. } => "SG-POR-030",
            Self::KeyKind | Self::NotAKey | Self::TooLong { .. } => "SG-POR-029",
        }
    }
}

/// Marshals a TPM2B.
fn sized(bytes: &[u8]) -> Vec<u8> {
    let size = u16::try_from(bytes.len()).expect("digests, points and secrets are short");
    [&size.to_be_bytes()[..], bytes].concat()
}

/// Makes a credential for `object` (an attestation key's Name) under `ek`.
pub fn make_credential<R: CryptoRng + ?Sized>(
    ek: &TpmPublic,
    object: &TpmName,
    secret: &[u8],
    rng: &mut R,
) -> Result<Credential, MakeCredentialError> {
    const MUST: u32 = FIXED_TPM | FIXED_PARENT | SENSITIVE_DATA_ORIGIN | RESTRICTED | DECRYPT;
    let found = ek.attributes();
    if found & MUST != MUST || found & SIGN_ENCRYPT != 0 {
        return Err(MakeCredentialError::Attributes { found });
    }
    let algorithm = ek.name_algorithm();
    let bytes = secret.len();
    if bytes > algorithm.digest_bytes() {
        return Err(MakeCredentialError::TooLong { bytes });
    }
    let (seed, encrypted_secret) = share_seed(ek, rng)?;

    // Part 1, 24.4 and 24.5: encrypt, then authenticate together with the object's Name.
    let key_bytes = match ek.symmetric_bits() {
        Some(128) => 16,
        Some(256) => 32,
        _ => return Err(MakeCredentialError::KeyKind),
    };
    let key = kdfa(
        algorithm,
        &seed,
        "STORAGE",
        object.as_bytes(),
        &[],
        key_bytes,
    );
    let mut identity = sized(secret);
    encrypt_cfb(&key, &mut identity)?;
    let mac_key = kdfa(
        algorithm,
        &seed,
        "INTEGRITY",
        &[],
        &[],
        algorithm.digest_bytes(),
    );
    let mac = hmac(algorithm, &mac_key, &[&identity, object.as_bytes()]);
    Ok(Credential {
        credential_blob: [sized(&mac), identity].concat(),
        encrypted_secret,
    })
}

/// AES-CFB with a zero vector: the key is used once.
fn encrypt_cfb(key: &[u8], data: &mut [u8]) -> Result<(), MakeCredentialError> {
    let vector = [0; 16];
    match key.len() {
        16 => cfb_mode::Encryptor::<aes::Aes128>::new_from_slices(key, &vector)
            .map_err(|_| MakeCredentialError::KeyKind)?
            .encrypt(data),
        _ => cfb_mode::Encryptor::<aes::Aes256>::new_from_slices(key, &vector)
            .map_err(|_| MakeCredentialError::KeyKind)?
            .encrypt(data),
    }
    Ok(())
}

/// A seed, and what lets the TPM find it (Part 1, B.10.3 for RSA and C.6.3 for ECC).
fn share_seed<R: CryptoRng + ?Sized>(
    ek: &TpmPublic,
    rng: &mut R,
) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), MakeCredentialError> {
    let algorithm = ek.name_algorithm();
    match ek.key() {
        TpmKey::Rsa {
            bits: 2048,
            exponent,
            modulus,
        } => {
            let key = rsa::PublicKey::new_with_size_limits(
                BoxedUint::from_be_slice_vartime(modulus),
                BoxedUint::from(*exponent),
                2048..=2048,
            )
            .map_err(|_| MakeCredentialError::NotAKey)?;
            let mut seed = Zeroizing::new(vec![0; algorithm.digest_bytes()]);
            rng.fill_bytes(&mut seed);
            // The label's NUL is part of it (Part 1, B.4).
            const LABEL: &[u8] = b"IDENTITY\0";
            let encrypted = match algorithm {
                HashAlgorithm::Sha256 => {
                    key.encrypt(rng, rsa::Oaep::<Sha256>::new_with_label(LABEL), &seed)
                }
                HashAlgorithm::Sha384 => {
                    key.encrypt(rng, rsa::Oaep::<Sha384>::new_with_label(LABEL), &seed)
                }
            }
            .map_err(|_| MakeCredentialError::NotAKey)?;
            Ok((seed, encrypted))
        }
        TpmKey::Rsa { .. } => Err(MakeCredentialError::KeyKind),
        TpmKey::Ecc { curve, x, y } => match curve {
            EccCurve::P256 => share_point::<p256::NistP256, R>(algorithm, x, y, rng),
            EccCurve::P384 => share_point::<p384::NistP384, R>(algorithm, x, y, rng),
        },
    }
}

/// One-pass Diffie-Hellman with the EK's point; the TPM finds the seed with our own.
fn share_point<C, R>(
    algorithm: HashAlgorithm,
    x: &[u8],
    y: &[u8],
    rng: &mut R,
) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), MakeCredentialError>
where
    C: CurveArithmetic,
    FieldBytesSize<C>: ModulusSize,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    R: CryptoRng + ?Sized,
{
    let point = [&[0x04], x, y].concat();
    let public =
        PublicKey::<C>::from_sec1_bytes(&point).map_err(|_| MakeCredentialError::NotAKey)?;
    let ephemeral = EphemeralSecret::<C>::generate_from_rng(rng);
    let shared = ephemeral.diffie_hellman(&public);
    let ours = ephemeral.public_key().to_sec1_point(false);
    let (ours_x, ours_y) = ours.as_bytes()[1..].split_at(x.len());
    let seed = kdfe(
        algorithm,
        shared.raw_secret_bytes(),
        "IDENTITY",
        ours_x,
        x,
        algorithm.digest_bytes(),
    );
    Ok((seed, [sized(ours_x), sized(ours_y)].concat()))
}

#[cfg(test)]
#[path = "make_credential_tests.rs"]
mod tests;
