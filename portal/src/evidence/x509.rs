//! The parts of X.509 (RFC 5280) that EK certificates need.

use der::{Decode as _, Reader as _, SliceReader};
use rsa::BoxedUint;
use rsa::signature::Verifier as _;
use rsa::signature::hazmat::PrehashVerifier as _;
use sealgate_license::tpm_wire::{EccCurve, TpmKey};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use spki::ObjectIdentifier;
use x509_cert::Certificate;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

/// Larger than any certificate in a TPM.
const MAX_CERTIFICATE_BYTES: usize = 16 * 1024;

mod oid {
    use spki::ObjectIdentifier;

    pub(super) const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
    /// Some makers mark EKs so; the key itself is written alike (RFC 4055, 4.1).
    pub(super) const RSA_OAEP: ObjectIdentifier =
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.7");
    pub(super) const RSA_SHA256: ObjectIdentifier =
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
    pub(super) const RSA_SHA384: ObjectIdentifier =
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
    pub(super) const RSA_SHA512: ObjectIdentifier =
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
    pub(super) const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
    pub(super) const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
    pub(super) const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
    pub(super) const ECDSA_SHA256: ObjectIdentifier =
        ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
    pub(super) const ECDSA_SHA384: ObjectIdentifier =
        ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
}

/// A certificate with the exact bytes that were signed: encoding it anew could differ.
#[derive(Debug, Clone)]
pub(super) struct Parsed {
    pub(super) certificate: Certificate,
    pub(super) der: Vec<u8>,
    tbs: Vec<u8>,
}

/// The first DER value in `bytes`, and what follows it.
pub(super) fn split_der(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut reader = SliceReader::new(bytes).ok()?;
    let value = reader.tlv_bytes().ok()?;
    bytes.split_at_checked(value.len())
}

/// A signature does not fit, or can't be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadSignature;

impl Parsed {
    pub(super) fn parse(der: &[u8]) -> Option<Self> {
        if der.len() > MAX_CERTIFICATE_BYTES {
            return None;
        }
        let certificate = Certificate::from_der(der).ok()?;
        let mut reader = SliceReader::new(der).ok()?;
        let tbs = reader
            .sequence(|inner| -> der::Result<Vec<u8>> {
                let tbs = inner.tlv_bytes()?.to_vec();
                while !inner.is_finished() {
                    inner.tlv_bytes()?;
                }
                Ok(tbs)
            })
            .ok()?;
        Some(Self {
            certificate,
            der: der.to_vec(),
            tbs,
        })
    }

    pub(super) fn issued_by(&self, issuer: &Self) -> bool {
        self.certificate.tbs_certificate().issuer()
            == issuer.certificate.tbs_certificate().subject()
    }

    pub(super) fn self_issued(&self) -> bool {
        self.issued_by(self)
    }

    /// The extension's value, if it is there; an error if it can't be read or is doubled.
    pub(super) fn extension<'a, T: der::Decode<'a> + const_oid::AssociatedOid>(
        &'a self,
    ) -> Result<Option<T>, ()> {
        self.certificate
            .tbs_certificate()
            .get_extension::<T>()
            .map(|found| found.map(|(_, value)| value))
            .map_err(|_| ())
    }

    /// Critical extensions other than these must not be skipped (RFC 5280, 4.2).
    pub(super) fn unknown_critical(&self, known: &[ObjectIdentifier]) -> Option<ObjectIdentifier> {
        self.certificate
            .tbs_certificate()
            .extensions()
            .into_iter()
            .flatten()
            .find(|extension| extension.critical && !known.contains(&extension.extn_id))
            .map(|extension| extension.extn_id)
    }

    /// Whether this may stand between an EK certificate and a root, with `below`
    /// authorities between it and the EK certificate (RFC 5280, 6.1.4).
    pub(super) fn may_issue(&self, below: usize) -> bool {
        use const_oid::db::rfc5280::{
            ID_CE_BASIC_CONSTRAINTS, ID_CE_CERTIFICATE_POLICIES, ID_CE_KEY_USAGE,
        };
        let known = [
            ID_CE_BASIC_CONSTRAINTS,
            ID_CE_KEY_USAGE,
            // Any policy will do: the makers' policies are judged when a root is pinned.
            ID_CE_CERTIFICATE_POLICIES,
        ];
        let Ok(Some(constraints)) = self.extension::<BasicConstraints>() else {
            return false;
        };
        let long_enough = constraints
            .path_len_constraint
            .is_none_or(|most| below <= usize::from(most));
        let signs = match self.extension::<KeyUsage>() {
            Ok(usage) => usage.is_none_or(|usage| usage.key_cert_sign()),
            Err(()) => false,
        };
        constraints.ca && long_enough && signs && self.unknown_critical(&known).is_none()
    }

    /// Checks that `issuer`'s key signed this certificate.
    pub(super) fn verify_signature(&self, issuer: &Self) -> Result<(), BadSignature> {
        let algorithm = self.certificate.signature_algorithm();
        // RFC 5280, 4.1.1.2: both places name the same algorithm.
        if algorithm != self.certificate.tbs_certificate().signature() {
            return Err(BadSignature);
        }
        let signature = self
            .certificate
            .signature()
            .as_bytes()
            .ok_or(BadSignature)?;
        let key = issuer
            .certificate
            .tbs_certificate()
            .subject_public_key_info();
        match algorithm.oid {
            oid::RSA_SHA256 => verify_rsa::<Sha256>(key, &self.tbs, signature),
            oid::RSA_SHA384 => verify_rsa::<Sha384>(key, &self.tbs, signature),
            oid::RSA_SHA512 => verify_rsa::<Sha512>(key, &self.tbs, signature),
            oid::ECDSA_SHA256 => verify_ecdsa(key, &Sha256::digest(&self.tbs), signature),
            oid::ECDSA_SHA384 => verify_ecdsa(key, &Sha384::digest(&self.tbs), signature),
            _ => Err(BadSignature),
        }
    }

    /// The certified key, if it is one that a TPM template makes.
    pub(super) fn key(&self) -> Option<TpmKey> {
        let info = self.certificate.tbs_certificate().subject_public_key_info();
        match info.algorithm.oid {
            oid::RSA | oid::RSA_OAEP => {
                let (modulus, exponent) = rsa_parts(info)?;
                let exponent = exponent.iter().try_fold(0_u32, |value, byte| {
                    value.checked_mul(256)?.checked_add(u32::from(*byte))
                })?;
                let bits = u16::try_from(modulus.len().checked_mul(8)?).ok()?;
                Some(TpmKey::Rsa {
                    bits,
                    exponent,
                    modulus,
                })
            }
            oid::EC => {
                let curve = named_curve(info)?;
                let bytes = curve.coordinate_bytes();
                // SEC 1, 2.3.3: an uncompressed point.
                let point = info.subject_public_key.as_bytes()?.strip_prefix(&[0x04])?;
                let (x, y) = point.split_at_checked(bytes)?;
                (y.len() == bytes).then(|| TpmKey::Ecc {
                    curve,
                    x: x.to_vec(),
                    y: y.to_vec(),
                })
            }
            _ => None,
        }
    }
}

fn named_curve(info: &SubjectPublicKeyInfoOwned) -> Option<EccCurve> {
    let parameters = info.algorithm.parameters.as_ref()?;
    match parameters.decode_as::<ObjectIdentifier>().ok()? {
        oid::P256 => Some(EccCurve::P256),
        oid::P384 => Some(EccCurve::P384),
        _ => None,
    }
}

/// Modulus and exponent, big-endian without leading zeros.
fn rsa_parts(info: &SubjectPublicKeyInfoOwned) -> Option<(Vec<u8>, Vec<u8>)> {
    let key = rsa::pkcs1::RsaPublicKeyRef::from_der(info.subject_public_key.as_bytes()?).ok()?;
    Some((
        key.modulus.as_bytes().to_vec(),
        key.public_exponent.as_bytes().to_vec(),
    ))
}

fn verify_rsa<D>(
    info: &SubjectPublicKeyInfoOwned,
    message: &[u8],
    signature: &[u8],
) -> Result<(), BadSignature>
where
    D: sha2::Digest + const_oid::AssociatedOid,
{
    if info.algorithm.oid != oid::RSA {
        return Err(BadSignature);
    }
    let (modulus, exponent) = rsa_parts(info).ok_or(BadSignature)?;
    let key = rsa::PublicKey::new_with_size_limits(
        BoxedUint::from_be_slice_vartime(&modulus),
        BoxedUint::from_be_slice_vartime(&exponent),
        2048..=8192,
    )
    .map_err(|_| BadSignature)?;
    let signature = rsa::pkcs1v15::Signature::try_from(signature).map_err(|_| BadSignature)?;
    rsa::pkcs1v15::VerifyingKey::<D>::new(key)
        .verify(message, &signature)
        .map_err(|_| BadSignature)
}

fn verify_ecdsa(
    info: &SubjectPublicKeyInfoOwned,
    digest: &[u8],
    signature: &[u8],
) -> Result<(), BadSignature> {
    if info.algorithm.oid != oid::EC {
        return Err(BadSignature);
    }
    let point = info.subject_public_key.as_bytes().ok_or(BadSignature)?;
    let verified = match named_curve(info).ok_or(BadSignature)? {
        EccCurve::P256 => {
            let key =
                p256::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(|_| BadSignature)?;
            let signature =
                p256::ecdsa::Signature::from_der(signature).map_err(|_| BadSignature)?;
            key.verify_prehash(digest, &signature)
        }
        EccCurve::P384 => {
            let key =
                p384::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(|_| BadSignature)?;
            let signature =
                p384::ecdsa::Signature::from_der(signature).map_err(|_| BadSignature)?;
            key.verify_prehash(digest, &signature)
        }
    };
    verified.map_err(|_| BadSignature)
}

/// An attribute's value as text, whatever string type it has.
pub(super) fn text(value: &der::Any) -> Option<String> {
    value
        .decode_as::<x509_cert::ext::pkix::name::DirectoryString>()
        .ok()
        .map(|text| text.value().into_owned())
        .map(|text| text.chars().take(80).collect())
}

/// Serial numbers are shown as hex.
pub(super) fn serial(parsed: &Parsed) -> String {
    hex::encode(
        parsed
            .certificate
            .tbs_certificate()
            .serial_number()
            .as_bytes(),
    )
}
