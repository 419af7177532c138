//! TPM2_ActivateCredential in software, for each kind of endorsement key.
#![allow(clippy::unwrap_used)]

use aes::cipher::KeyIvInit as _;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rsa::traits::PublicKeyParts as _;
use sealgate_license::tpm_wire::{HashAlgorithm, TpmKey, TpmName, TpmPublic, counter_name};

use super::super::ek_template::canonical_ek;
use super::super::kdf::{hmac, kdfa, kdfe};
use super::{Credential, MakeCredentialError, make_credential};

enum Private {
    Rsa(Box<rsa::PrivateKey>),
    P256(p256::SecretKey),
    P384(p384::SecretKey),
}

/// A TPM with one endorsement key.
struct SoftwareTpm {
    private: Private,
    ek: TpmPublic,
}

fn rng() -> StdRng {
    StdRng::seed_from_u64(7)
}

/// The public area of a template, with another key in it.
fn with_key(template: &[u8], key: &[u8]) -> TpmPublic {
    let start = template.len() - key.len();
    let ek = TpmPublic::parse(&[&template[..start], key].concat()).unwrap();
    canonical_ek(&ek).unwrap()
}

fn point(sec1: &[u8]) -> Vec<u8> {
    let half = (sec1.len() - 1) / 2;
    let size = [0, half as u8];
    [&size, &sec1[1..=half], &size, &sec1[half + 1..]].concat()
}

impl SoftwareTpm {
    fn rsa() -> Self {
        let private = rsa::PrivateKey::new(&mut rng(), 2048).unwrap();
        let modulus = private.n_bytes();
        let template = include_bytes!("../../testdata/swtpm/ek-rsa.pub");
        Self {
            ek: with_key(template, &modulus),
            private: Private::Rsa(Box::new(private)),
        }
    }

    fn p256() -> Self {
        let private = p256::SecretKey::from_slice(&[5; 32]).unwrap();
        let public = private.public_key().to_sec1_point(false);
        let template = include_bytes!("../../testdata/swtpm/ek-p256.pub");
        Self {
            ek: with_key(template, &point(public.as_bytes())),
            private: Private::P256(private),
        }
    }

    fn p384() -> Self {
        let private = p384::SecretKey::from_slice(&[6; 48]).unwrap();
        let public = private.public_key().to_sec1_point(false);
        let template = include_bytes!("../../testdata/swtpm/ek-p384.pub");
        Self {
            ek: with_key(template, &point(public.as_bytes())),
            private: Private::P384(private),
        }
    }

    fn seed(&self, encrypted: &[u8]) -> Option<Vec<u8>> {
        let algorithm = self.ek.name_algorithm();
        let from_point = |shared: &[u8], x: &[u8]| {
            let TpmKey::Ecc { x: ours, .. } = self.ek.key() else {
                unreachable!("an ECC key shares points");
            };
            let bytes = algorithm.digest_bytes();
            kdfe(algorithm, shared, "IDENTITY", x, ours, bytes).to_vec()
        };
        match &self.private {
            Private::Rsa(key) => {
                let padding = rsa::Oaep::<sha2::Sha256>::new_with_label(&b"IDENTITY\0"[..]);
                key.decrypt(padding, encrypted).ok()
            }
            Private::P256(key) => {
                let (x, y) = (&encrypted[2..34], &encrypted[36..68]);
                let theirs = p256::PublicKey::from_sec1_bytes(&[&[4], x, y].concat()).ok()?;
                let shared =
                    p256::ecdh::diffie_hellman(key.to_nonzero_scalar(), theirs.as_affine());
                Some(from_point(shared.raw_secret_bytes(), x))
            }
            Private::P384(key) => {
                let (x, y) = (&encrypted[2..50], &encrypted[52..100]);
                let theirs = p384::PublicKey::from_sec1_bytes(&[&[4], x, y].concat()).ok()?;
                let shared =
                    p384::ecdh::diffie_hellman(key.to_nonzero_scalar(), theirs.as_affine());
                Some(from_point(shared.raw_secret_bytes(), x))
            }
        }
    }

    /// Part 3, 12.5: nothing, unless the blob is whole and for this object.
    fn activate(&self, credential: &Credential, object: &TpmName) -> Option<Vec<u8>> {
        let algorithm = self.ek.name_algorithm();
        let digest = algorithm.digest_bytes();
        let seed = self.seed(&credential.encrypted_secret)?;
        let (size, rest) = credential.credential_blob.split_at(2);
        assert_eq!(size, [0, digest as u8]);
        let (mac, identity) = rest.split_at(digest);
        let mac_key = kdfa(algorithm, &seed, "INTEGRITY", &[], &[], digest);
        if hmac(algorithm, &mac_key, &[identity, object.as_bytes()]) != mac {
            return None;
        }
        let bytes = usize::from(self.ek.symmetric_bits()?) / 8;
        let key = kdfa(algorithm, &seed, "STORAGE", object.as_bytes(), &[], bytes);
        let mut secret = identity.to_vec();
        match algorithm {
            HashAlgorithm::Sha256 => {
                cfb_mode::Decryptor::<aes::Aes128>::new_from_slices(&key, &[0; 16])
                    .unwrap()
                    .decrypt(&mut secret);
            }
            HashAlgorithm::Sha384 => {
                cfb_mode::Decryptor::<aes::Aes256>::new_from_slices(&key, &[0; 16])
                    .unwrap()
                    .decrypt(&mut secret);
            }
        }
        let (size, secret) = secret.split_at(2);
        assert_eq!(size, [0, secret.len() as u8]);
        Some(secret.to_vec())
    }
}

fn check(tpm: &SoftwareTpm) {
    let object = counter_name();
    let other = TpmName::of(HashAlgorithm::Sha256, &[b"another key"]);
    let secret = [0x5e; 32];
    let made = make_credential(&tpm.ek, &object, &secret, &mut rng()).unwrap();
    assert_eq!(tpm.activate(&made, &object).as_deref(), Some(&secret[..]));
    assert_eq!(tpm.activate(&made, &other), None);
    let mut changed = made.clone();
    *changed.credential_blob.last_mut().unwrap() ^= 1;
    assert_eq!(tpm.activate(&changed, &object), None);
    // Each credential has a seed of its own.
    let mut later = rng();
    let first = make_credential(&tpm.ek, &object, &secret, &mut later).unwrap();
    let second = make_credential(&tpm.ek, &object, &secret, &mut later).unwrap();
    assert_ne!(first, second);
    // Longer secrets than the digest are refused by TPMs.
    let long = vec![0; tpm.ek.name_algorithm().digest_bytes() + 1];
    assert_eq!(
        make_credential(&tpm.ek, &object, &long, &mut rng()),
        Err(MakeCredentialError::TooLong { bytes: long.len() })
    );
}

#[test]
fn an_rsa_tpm_activates() {
    let tpm = SoftwareTpm::rsa();
    check(&tpm);
    let made = make_credential(&tpm.ek, &counter_name(), &[1; 32], &mut rng()).unwrap();
    assert_eq!(made.encrypted_secret.len(), 256);
    assert_eq!(made.credential_blob.len(), 2 + 32 + 2 + 32);
}

#[test]
fn a_p256_tpm_activates() {
    check(&SoftwareTpm::p256());
}

#[test]
fn a_p384_tpm_activates() {
    check(&SoftwareTpm::p384());
}

#[test]
fn other_keys_are_refused() {
    let template = include_bytes!("../../testdata/swtpm/ek-p256.pub");
    let make = |bytes: &[u8]| {
        let ek = TpmPublic::parse(bytes).unwrap();
        make_credential(&ek, &counter_name(), &[0; 32], &mut rng())
    };
    assert!(make(template).is_ok());
    // Not restricted; a signing key; a copyable key.
    for (position, mask) in [(5, 0x01), (5, 0x04), (7, 0x02)] {
        let mut bytes = template.to_vec();
        bytes[position] ^= mask;
        assert!(matches!(
            make(&bytes),
            Err(MakeCredentialError::Attributes { .. })
        ));
    }
    // A point off the curve: what it would give away is the ephemeral key.
    let mut off_curve = template.to_vec();
    *off_curve.last_mut().unwrap() ^= 1;
    assert_eq!(make(&off_curve), Err(MakeCredentialError::NotAKey));
    // An even modulus, and one of another size.
    let rsa = include_bytes!("../../testdata/swtpm/ek-rsa.pub");
    let mut even = rsa.to_vec();
    *even.last_mut().unwrap() &= !1;
    assert_eq!(make(&even), Err(MakeCredentialError::NotAKey));
    let mut zero = rsa.to_vec();
    zero[58..].fill(0);
    assert_eq!(make(&zero), Err(MakeCredentialError::NotAKey));
    let mut bits = rsa.to_vec();
    bits[50] = 0x0c;
    assert_eq!(make(&bits), Err(MakeCredentialError::KeyKind));
}
