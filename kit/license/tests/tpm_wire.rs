//! TPM structures: what swtpm really wrote, and what nothing should write.
#![allow(clippy::unwrap_used)]

mod support;

use proptest::prelude::*;
use sealgate_license::attestation::verify_counter;
use sealgate_license::tpm_wire::{
    AK_ATTRIBUTES, AK_TEMPLATE, AK_UNIQUE_X, AkError, Attest, COUNTER_ATTRIBUTES, EccCurve,
    EcdsaSignature, HashAlgorithm, TpmKey, TpmName, TpmPublic, WireError, check_ak, counter_name,
};
use sha2::{Digest as _, Sha256};

/// Written by swtpm 0.7.1: AK_TEMPLATE as a primary of the endorsement hierarchy, and
/// TPM2_NV_Certify by it of the counter, incremented twice on a fresh TPM, with
/// qualifying data SHA-256("question").
mod swtpm {
    pub const AK_PUBLIC: &[u8] = include_bytes!("../testdata/swtpm/ak_public.bin");
    pub const ATTEST: &[u8] = include_bytes!("../testdata/swtpm/attest.bin");
    pub const SIGNATURE: &[u8] = include_bytes!("../testdata/swtpm/signature.bin");
}

#[test]
fn a_tpm_proves_its_counter() {
    let ak = TpmPublic::parse(swtpm::AK_PUBLIC).unwrap();
    check_ak(&ak).unwrap();
    let question: [u8; 32] = Sha256::digest("question").into();
    let evidence = verify_counter(&ak, swtpm::ATTEST, swtpm::SIGNATURE, &question).unwrap();
    assert_eq!(evidence.counter, 2);
    assert_eq!(evidence.clock_ms, 0x5ef);
    assert_eq!((evidence.reset_count, evidence.restart_count), (2, 0));
    assert!(evidence.safe);
    assert_eq!(evidence.firmware_version, 0x2019_1023_0016_3636);
    assert!(verify_counter(&ak, swtpm::ATTEST, swtpm::SIGNATURE, &[0; 32]).is_err());
}

#[test]
fn the_attestation_key_template_is_frozen() {
    assert_eq!(
        AK_UNIQUE_X[..],
        Sha256::digest("sealgate license AK v1")[..]
    );
    assert_eq!(
        hex::encode(Sha256::digest(AK_TEMPLATE)),
        "c48b028480648a84350c35da177303731e6e404eb7259cac387dc66f96e28a62"
    );
    let template = TpmPublic::parse(&AK_TEMPLATE).unwrap();
    check_ak(&template).unwrap();
    assert_eq!(template.attributes(), AK_ATTRIBUTES);
    assert_eq!(
        *template.key(),
        TpmKey::Ecc {
            curve: EccCurve::P256,
            x: AK_UNIQUE_X.to_vec(),
            y: vec![0; 32],
        }
    );
}

/// As swtpm computed it, from TPM2_NV_ReadPublic.
#[test]
fn the_counter_name_is_what_a_tpm_computes() {
    assert_eq!(COUNTER_ATTRIBUTES, 0x0206_0014);
    assert_eq!(
        counter_name().to_string(),
        "000b2b8a8d09a56a117d9897f3fc19c3035980072f934410ec92a397f67cc416465c"
    );
}

#[test]
fn other_keys_are_no_attestation_keys() {
    let change = |position: usize, mask: u8| {
        let mut bytes = swtpm::AK_PUBLIC.to_vec();
        bytes[position] ^= mask;
        check_ak(&TpmPublic::parse(&bytes).unwrap())
    };
    // Each attribute, one after the other: fixedTPM, restricted, decrypt, noDA, ...
    for bit in [1, 4, 5, 6, 7, 10, 16, 17, 18] {
        assert!(
            matches!(
                change(7 - bit / 8, 1 << (bit % 8)),
                Err(AkError::Attributes { .. })
            ),
            "attribute bit {bit}"
        );
    }
    // SHA-384 as the scheme's hash.
    assert_eq!(change(15, 0x07), Err(AkError::Algorithm));
    // SHA-384 as the name algorithm.
    assert_eq!(change(3, 0x07), Err(AkError::Algorithm));
    let rsa = TpmPublic::parse(&support::ek_public()).unwrap();
    assert!(check_ak(&rsa).is_err());
    let with_policy = [
        &swtpm::AK_PUBLIC[..8],
        &[0, 32],
        &[7; 32],
        &swtpm::AK_PUBLIC[10..],
    ]
    .concat();
    assert_eq!(
        check_ak(&TpmPublic::parse(&with_policy).unwrap()),
        Err(AkError::Policy)
    );
}

#[test]
fn an_rsa_endorsement_key_is_read() {
    let ek = TpmPublic::parse(&support::ek_public()).unwrap();
    assert_eq!(ek.symmetric_bits(), Some(128));
    assert_eq!(ek.name_algorithm(), HashAlgorithm::Sha256);
    assert_eq!(ek.policy().len(), 32);
    assert_eq!(ek.scheme(), None);
    assert!(matches!(
        ek.key(),
        TpmKey::Rsa { bits: 2048, exponent: 65537, modulus } if modulus.len() == 256
    ));
}

#[test]
fn structures_end_where_they_end() {
    for bytes in [swtpm::AK_PUBLIC, &support::ek_public()] {
        for length in 0..bytes.len() {
            assert_eq!(TpmPublic::parse(&bytes[..length]), Err(WireError::Short));
        }
        let longer = [bytes, &[0]].concat();
        assert_eq!(TpmPublic::parse(&longer), Err(WireError::Trailing));
    }
    for length in 0..swtpm::ATTEST.len() {
        assert_eq!(
            Attest::parse(&swtpm::ATTEST[..length]),
            Err(WireError::Short)
        );
    }
    for length in 0..swtpm::SIGNATURE.len() {
        assert_eq!(
            EcdsaSignature::parse(&swtpm::SIGNATURE[..length]),
            Err(WireError::Short)
        );
    }
}

#[test]
fn short_scalars_and_coordinates_are_padded() {
    let signature = EcdsaSignature::parse(&[0, 0x18, 0, 0x0b, 0, 1, 7, 0, 2, 1, 2]).unwrap();
    assert_eq!(signature.r[31], 7);
    assert_eq!(signature.s[30..], [1, 2]);
    let short = [&AK_TEMPLATE[..20], &[0, 1, 9], &[0, 0]].concat();
    let TpmKey::Ecc { x, y, .. } = TpmPublic::parse(&short).unwrap().key().clone() else {
        unreachable!("the template is an ECC key");
    };
    assert_eq!((x.len(), x[31], y), (32, 9, vec![0; 32]));
}

#[test]
fn names_are_hex() {
    let name = counter_name();
    assert_eq!(name.to_string().parse::<TpmName>(), Ok(name.clone()));
    for text in ["", "000b", "000b00", "0004aa", "zz"] {
        assert!(text.parse::<TpmName>().is_err(), "{text}");
    }
    assert!(format!("{name}00").parse::<TpmName>().is_err());
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = TpmPublic::parse(&bytes);
        let _ = Attest::parse(&bytes);
        let _ = EcdsaSignature::parse(&bytes);
        let _ = TpmName::from_bytes(&bytes);
    }

    #[test]
    fn changed_structures_never_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let ek_public = support::ek_public();
        for original in [swtpm::AK_PUBLIC, swtpm::ATTEST, swtpm::SIGNATURE, &ek_public] {
            let mut bytes = original.to_vec();
            for (position, value) in &changes {
                let position = position.index(bytes.len());
                bytes[position] = *value;
            }
            if let Ok(public) = TpmPublic::parse(&bytes) {
                let _ = check_ak(&public);
                let _ = verify_counter(&public, swtpm::ATTEST, swtpm::SIGNATURE, &[0; 32]);
            }
            let _ = Attest::parse(&bytes);
            let _ = EcdsaSignature::parse(&bytes);
        }
    }
}
