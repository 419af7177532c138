//! `sealgate-tpm` alone.

use sealgate_license::{
    attestation::{AttestationError, verify_counter},
    tpm_wire::{
        COUNTER_ATTRIBUTES, COUNTER_INDEX, NV_AUTHREAD, NV_AUTHWRITE, NV_NO_DA, TpmKey, TpmPublic,
        check_ak,
    },
};
use sealgate_tests::swtpm::Swtpm;
use sealgate_tpm::{EkKind, Tpm, TpmError, TpmErrorKind};

use crate::bench::{clear, define_counter, own, owner_command, undefine_counter, wrap, write_nv};

fn fresh() -> (Swtpm, Tpm) {
    let swtpm = Swtpm::start_fresh().unwrap();
    let tpm = Tpm::open(&swtpm.address()).unwrap();
    (swtpm, tpm)
}

#[test]
fn says_who_it_is_with_each_endorsement_key() {
    let (swtpm, mut tpm) = fresh();
    assert_eq!(tpm.facts().manufacturer, "IBM");
    assert!(tpm.facts().firmware.split('.').count() == 4);

    let certificates = tpm.ek_certificates().unwrap();
    let kinds: Vec<EkKind> = certificates.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [EkKind::Rsa2048, EkKind::P384]);

    let first = tpm.identity().unwrap();
    assert_eq!(first.ek_kind, EkKind::Rsa2048);
    let ak = TpmPublic::parse(&first.ak_public).unwrap();
    check_ak(&ak).unwrap();
    for kind in EkKind::ALL {
        let identity = tpm.identity_of(kind).unwrap();
        let certified = kind != EkKind::P256;
        assert_eq!(identity.ek_certificate.is_some(), certified, "{kind}");
        assert_eq!(identity.ak_public, first.ak_public);
        assert_eq!(identity.epoch_name, first.epoch_name);
        let ek = TpmPublic::parse(&identity.ek_public).unwrap();
        // The certificate is about this very key.
        let key = match ek.key() {
            TpmKey::Rsa { modulus, .. } => modulus,
            TpmKey::Ecc { x, .. } => x,
        };
        if let Some(certificate) = identity.ek_certificate {
            assert!(certificate.windows(key.len()).any(|bytes| bytes == key));
            assert_eq!(certificate[..2], [0x30, 0x82]);
        }
        // Each can open what was wrapped for it, and nothing else.
        let secret = [0x5A; 32];
        let (blob, wrapped) = wrap(&ek, &ak.name(), &secret);
        let opened = tpm.activate(&ek.name(), &blob, &wrapped).unwrap();
        assert_eq!(opened[..], secret);
        let (other_blob, other_wrapped) = wrap(&ek, &ek.name(), &secret);
        let refused = tpm.activate(&ek.name(), &other_blob, &other_wrapped);
        assert_eq!(refused.unwrap_err().kind(), TpmErrorKind::Refused);
        let unknown = tpm.activate(&ak.name(), &blob, &wrapped).unwrap_err();
        assert!(matches!(unknown, TpmError::NoSuchEk));
    }

    // Power cuts and TPM2_Clear leave the attestation key, and Clear shows in the epoch.
    clear(&swtpm.address());
    let after = tpm.identity().unwrap();
    assert_eq!(after.ak_public, first.ak_public);
    assert_eq!(after.ek_public, first.ek_public);
    assert_ne!(after.epoch_name, first.epoch_name);
}

/// Certificates as makers leave them: wrapped and padded in their own index, and the
/// authorities' one after the other across the indices of the chain.
#[test]
fn certificates_are_cut_out_of_what_nv_holds() {
    let (swtpm, mut tpm) = fresh();
    let certificates = tpm.ek_certificates().unwrap();
    let [(_, rsa), (_, p384)] = &certificates[..] else {
        panic!("swtpm makes two certificates");
    };
    let size = (rsa.len() as u16).to_be_bytes();
    let wrapped = [&[0x10, 0x01, 0x00][..], &size, rsa, &[0xFF; 37]].concat();
    write_nv(&swtpm.address(), EkKind::P256.certificate_index(), &wrapped);
    let identity = tpm.identity_of(EkKind::P256).unwrap();
    assert_eq!(identity.ek_certificate.as_ref(), Some(rsa));
    assert!(identity.ek_chain.is_empty());

    // Any two certificates stand in for a maker's authorities.
    let chain = [&rsa[..], p384, &[0; 20]].concat();
    let (first, second) = chain.split_at(700);
    write_nv(&swtpm.address(), 0x01C0_0100, first);
    write_nv(&swtpm.address(), 0x01C0_0101, second);
    let identity = tpm.identity().unwrap();
    assert_eq!(identity.ek_kind, EkKind::Rsa2048);
    assert_eq!(identity.ek_chain, [rsa.clone(), p384.clone()]);
}

/// swtpm_setup leaves the RSA key persistent, and TPM2_Clear removes it from there.
#[test]
fn the_persistent_key_and_the_derived_one_are_the_same() {
    let (swtpm, mut tpm) = fresh();
    let persistent = tpm.identity_of(EkKind::Rsa2048).unwrap().ek_public;
    const EVICT_CONTROL: u32 = 0x120;
    const PLATFORM_OR_OWNER: u32 = 0x4000_0001;
    let evicted = owner_command(
        &swtpm.address(),
        EVICT_CONTROL,
        &[PLATFORM_OR_OWNER, 0x8101_0001],
        1,
        &0x8101_0001_u32.to_be_bytes(),
    );
    assert_eq!(evicted, 0);
    assert_eq!(
        tpm.identity_of(EkKind::Rsa2048).unwrap().ek_public,
        persistent
    );
}

#[test]
fn provisions_once_and_only_counts_up() {
    let (swtpm, mut tpm) = fresh();
    assert!(matches!(tpm.counter(), Err(TpmError::NotProvisioned)));
    assert_eq!(
        tpm.certify_counter(&[0; 32]).unwrap_err().kind(),
        TpmErrorKind::NotProvisioned
    );
    tpm.provision().unwrap();
    let counter = tpm.counter().unwrap();
    tpm.provision().unwrap();
    assert_eq!(tpm.counter().unwrap(), counter);
    assert_eq!(tpm.increment().unwrap(), counter + 1);

    // Neither removing it nor clearing the TPM takes the counter back.
    undefine_counter(&swtpm.address());
    tpm.provision().unwrap();
    assert_eq!(tpm.counter().unwrap(), counter + 2);
    clear(&swtpm.address());
    tpm.provision().unwrap();
    assert_eq!(tpm.counter().unwrap(), counter + 3);
}

#[test]
fn finishes_a_half_made_counter_and_leaves_a_foreign_index_alone() {
    let (swtpm, mut tpm) = fresh();
    define_counter(&swtpm.address(), COUNTER_ATTRIBUTES, 8);
    assert_eq!(
        tpm.counter().unwrap_err().kind(),
        TpmErrorKind::CounterHalfMade
    );
    tpm.provision().unwrap();
    tpm.counter().unwrap();

    for (attributes, size) in [
        // An ordinary index, which its owner could write back.
        (NV_AUTHWRITE | NV_AUTHREAD | NV_NO_DA, 8),
        // A counter that a power cut sends ahead (ORDERLY).
        (COUNTER_ATTRIBUTES | 1 << 26, 8),
    ] {
        undefine_counter(&swtpm.address());
        define_counter(&swtpm.address(), attributes, size);
        for result in [
            tpm.provision(),
            tpm.counter().map(|_| ()),
            tpm.increment().map(|_| ()),
        ] {
            let error = result.unwrap_err();
            assert!(
                matches!(
                    error,
                    TpmError::CounterForeign {
                        index: COUNTER_INDEX,
                        ..
                    }
                ),
                "{error}"
            );
            assert_eq!(error.code(), "SG-TPM-007");
        }
    }
}

#[test]
fn certifies_the_counter_for_one_question_only() {
    let (_swtpm, mut tpm) = fresh();
    tpm.provision().unwrap();
    let counter = tpm.counter().unwrap();
    let nonce = [7; 32];
    let proof = tpm.certify_counter(&nonce).unwrap();
    let ak = TpmPublic::parse(&proof.ak_public).unwrap();
    assert_eq!(tpm.ak_public().unwrap(), proof.ak_public);
    let evidence = verify_counter(&ak, &proof.attest, &proof.signature, &nonce).unwrap();
    assert_eq!(evidence.counter, counter);
    assert_eq!(
        verify_counter(&ak, &proof.attest, &proof.signature, &[8; 32]),
        Err(AttestationError::QualifyingData)
    );
}

/// swtpm has three slots for keys and sessions: forty rounds, refusals among them, would
/// fill them if one flush were forgotten.
#[test]
fn leaves_nothing_behind() {
    let (_swtpm, mut tpm) = fresh();
    tpm.provision().unwrap();
    let ek = TpmPublic::parse(&tpm.identity_of(EkKind::P256).unwrap().ek_public).unwrap();
    for _ in 0..40 {
        assert!(tpm.activate(&ek.name(), &[0; 40], &[0; 68]).is_err());
        tpm.certify_counter(&[1; 32]).unwrap();
    }
    tpm.identity().unwrap();
}

#[test]
fn an_owned_hierarchy_is_named_as_such() {
    let (swtpm, mut tpm) = fresh();
    own(&swtpm.address());
    let error = tpm.provision().unwrap_err();
    assert_eq!(
        error.kind(),
        TpmErrorKind::HierarchyUnavailable,
        "{error:?}"
    );
    let error = tpm.identity().unwrap_err();
    assert_eq!(
        error.kind(),
        TpmErrorKind::HierarchyUnavailable,
        "{error:?}"
    );
}

#[test]
fn a_tpm_that_goes_away_is_absent_and_comes_back() {
    let (mut swtpm, mut tpm) = fresh();
    tpm.provision().unwrap();
    let counter = tpm.counter().unwrap();
    swtpm.cut_power().unwrap();
    for result in [
        tpm.provision(),
        tpm.counter().map(|_| ()),
        tpm.certify_counter(&[0; 32]).map(|_| ()),
        tpm.identity().map(|_| ()),
        Tpm::open(&swtpm.address()).map(|_| ()),
    ] {
        assert_eq!(result.unwrap_err().kind(), TpmErrorKind::Absent);
    }
    swtpm.power_on().unwrap();
    let mut tpm = Tpm::open(&swtpm.address()).unwrap();
    assert_eq!(tpm.counter().unwrap(), counter);
}

#[test]
fn a_missing_device_is_absent() {
    let error = Tpm::open(&"device:/dev/no-such-tpm".parse().unwrap()).unwrap_err();
    assert_eq!(error.kind(), TpmErrorKind::Absent);
    assert_eq!(error.code(), "SG-TPM-001");
}
