//! Binding to a dongle: a PIV token whose slot 9E key answers a challenge.

use std::fmt;

use jiff::Timestamp;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest as _, Sha256};

use super::BoundLicense;
use super::refusal::{BindRefusal, short};
use crate::encoding;
use crate::license_document::{Binding, DongleBinding, VerifiedLicense};

/// Keeps an answer to us from being an answer to anybody else who uses the same key.
const CHALLENGE_DOMAIN: &[u8] = b"sealgate dongle challenge v1";

/// A dongle's public key: a P-256 point, uncompressed (SEC 1, 2.3.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DonglePublicKey([u8; 65]);

/// The bytes are no point of P-256 in uncompressed form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an uncompressed P-256 public key of 65 bytes")]
pub struct DongleKeyError;

impl DonglePublicKey {
    /// Accepts `04 || x || y`, if it is a point of the curve.
    pub fn from_sec1(bytes: &[u8]) -> Result<Self, DongleKeyError> {
        let point: [u8; 65] = bytes.try_into().map_err(|_| DongleKeyError)?;
        VerifyingKey::from_sec1_bytes(&point).map_err(|_| DongleKeyError)?;
        Ok(Self(point))
    }

    /// `04 || x || y`.
    pub fn as_bytes(&self) -> &[u8; 65] {
        &self.0
    }

    /// What the dongle signs in answer to a nonce: SHA-256 of the domain, the nonce and
    /// this key. PIV signs a digest that the host made (NIST SP 800-73-5 Part 1, 3.2.1).
    pub fn challenge(&self, nonce: &[u8; 32]) -> [u8; 32] {
        Sha256::new()
            .chain_update(CHALLENGE_DOMAIN)
            .chain_update(nonce)
            .chain_update(self.0)
            .finalize()
            .into()
    }

    /// Whether this key made the answer: a DER Ecdsa-Sig-Value (RFC 3279, 2.2.3), as PIV
    /// returns it, over [`challenge`](Self::challenge).
    pub fn answers(&self, nonce: &[u8; 32], signature: &[u8]) -> bool {
        let Ok(key) = VerifyingKey::from_sec1_bytes(&self.0) else {
            return false;
        };
        Signature::from_der(signature).is_ok_and(|signature| {
            key.verify_prehash(&self.challenge(nonce), &signature)
                .is_ok()
        })
    }
}

impl fmt::Debug for DonglePublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl Serialize for DonglePublicKey {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        encoding::base64_bytes::serialize(&self.0, out)
    }
}

impl<'de> Deserialize<'de> for DonglePublicKey {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Self::from_sec1(&encoding::base64_bytes::deserialize(input)?).map_err(D::Error::custom)
    }
}

/// What a dongle shows for a license.
#[derive(Debug, Clone, Copy)]
pub struct DongleEvidence<'a> {
    /// The answer of slot 9E to [`DonglePublicKey::challenge`], DER.
    pub signature: &'a [u8],
}

impl VerifiedLicense {
    /// The binding to a dongle, if it is one.
    pub fn dongle_binding(&self) -> Result<&DongleBinding, BindRefusal> {
        match &self.payload().binding {
            Binding::Dongle(binding) => Ok(binding),
            other => Err(BindRefusal::unsupported(other)),
        }
    }

    /// Checks that the license's dongle is here and that the dates allow its use.
    ///
    /// `nonce` must be fresh: random, and given to this dongle's challenge alone.
    pub fn bind_dongle(
        &self,
        evidence: &DongleEvidence<'_>,
        nonce: &[u8; 32],
        now: Timestamp,
    ) -> Result<BoundLicense, BindRefusal> {
        let binding = self.dongle_binding()?;
        if !binding.public_key.answers(nonce, evidence.signature) {
            return Err(BindRefusal::Dongle {
                serial: short(&binding.serial),
            });
        }
        self.check_validity(now)?;
        Ok(BoundLicense::of(self, None))
    }
}
