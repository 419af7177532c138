//! The TPM's key derivation functions (TPM 2.0 Part 1, 11.4.10).

use hmac::{Hmac, KeyInit as _, Mac as _};
use sealgate_license::tpm_wire::HashAlgorithm;
use sha2::{Sha256, Sha384};
use zeroize::Zeroizing;

/// HMAC over the parts, one after the other.
pub(super) fn hmac(algorithm: HashAlgorithm, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    const ANY_LENGTH: &str = "HMAC takes keys of any length";
    match algorithm {
        HashAlgorithm::Sha256 => {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).expect(ANY_LENGTH);
            parts.iter().for_each(|part| mac.update(part));
            mac.finalize().into_bytes().to_vec()
        }
        HashAlgorithm::Sha384 => {
            let mut mac = Hmac::<Sha384>::new_from_slice(key).expect(ANY_LENGTH);
            parts.iter().for_each(|part| mac.update(part));
            mac.finalize().into_bytes().to_vec()
        }
    }
}

/// Concatenates blocks for counters from 1 until there are `bytes`.
fn expand(bytes: usize, mut block: impl FnMut([u8; 4]) -> Vec<u8>) -> Zeroizing<Vec<u8>> {
    let mut derived = Zeroizing::new(Vec::new());
    for counter in 1_u32.. {
        if derived.len() >= bytes {
            break;
        }
        derived.extend_from_slice(&Zeroizing::new(block(counter.to_be_bytes())));
    }
    derived.truncate(bytes);
    derived
}

fn bits(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes * 8)
        .expect("keys and digests are short")
        .to_be_bytes()
}

/// KDFa (11.4.10.2): SP 800-108 in counter mode. The label is given without its NUL.
pub(super) fn kdfa(
    algorithm: HashAlgorithm,
    key: &[u8],
    label: &str,
    context_u: &[u8],
    context_v: &[u8],
    bytes: usize,
) -> Zeroizing<Vec<u8>> {
    expand(bytes, |counter| {
        let parts = [
            &counter,
            label.as_bytes(),
            &[0],
            context_u,
            context_v,
            &bits(bytes),
        ];
        hmac(algorithm, key, &parts)
    })
}

/// KDFe (11.4.10.3): SP 800-56A for a shared point's x-coordinate. The label is given
/// without its NUL.
pub(super) fn kdfe(
    algorithm: HashAlgorithm,
    shared_x: &[u8],
    label: &str,
    party_u: &[u8],
    party_v: &[u8],
    bytes: usize,
) -> Zeroizing<Vec<u8>> {
    expand(bytes, |counter| {
        let parts = [&counter, shared_x, label.as_bytes(), &[0], party_u, party_v];
        algorithm.digest(&parts)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python's hmac and hashlib from the formulas in the standard.
    #[test]
    fn derives_what_the_standard_says() {
        let key: Vec<u8> = (0..32).collect();
        let name = [0xab; 34];
        for (algorithm, bytes, expected) in [
            (
                HashAlgorithm::Sha256,
                16,
                "aa2d88fb4e7a85cf55e9150ab5198cd6",
            ),
            (
                HashAlgorithm::Sha256,
                48,
                "686b194efc8b755e08e3233a36ad5a88173688f6fe9715bf2c2334c0a4608aa0e71a24b85baf23c5588a70049d9550eb",
            ),
            (
                HashAlgorithm::Sha384,
                32,
                "469b2c184aa3cb08d7e77196c6b7e47913a71b7df4f7d161e1d874d7db81bdf6",
            ),
        ] {
            let derived = kdfa(algorithm, &key, "STORAGE", &name, &[], bytes);
            assert_eq!(hex::encode(&*derived), expected);
        }
        for (algorithm, bytes, expected) in [
            (
                HashAlgorithm::Sha256,
                32,
                "46c1a8b985095523623fbee1f5d4b3df184a6991e5706b9bbee430d76b9b5909",
            ),
            (
                HashAlgorithm::Sha384,
                64,
                "1e77d15a8bb1e9acaefba391afd07c066605499da6b8052fae5b0769f86e422aad554eaff18a5e7bf958a964cb80829513ca155a3fc1903dd6f1eda29f125521",
            ),
        ] {
            let derived = kdfe(algorithm, &key, "IDENTITY", &[1; 32], &[2; 32], bytes);
            assert_eq!(hex::encode(&*derived), expected);
        }
    }
}
