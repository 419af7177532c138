//! What ties a license to one box, one counter and one moment; each refusal once.
#![allow(clippy::unwrap_used)]

mod support;

use jiff::Timestamp;
use proptest::prelude::*;
use sealgate_license::attestation::AttestationError;
use sealgate_license::binding::{
    BindRefusal, BoundLicense, IMPORT_MAX_AHEAD, LICENSE_TO_SPACING, Standing, TpmEvidence,
};
use sealgate_license::license_document::{Binding, LicensePayload, SignedLicense, TpmBinding};
use sealgate_license::tpm_wire::{TpmPublic, counter_name};
use support::{
    ACTIVATION_SECRET, Certified, FROM, NONCE, SoftwareAk, TO, ak, attest, license,
    license_payload, license_with, now, time, verified,
};

fn bind_at(
    license: &SignedLicense,
    key: &TpmPublic,
    certified: &Certified,
    secret: &[u8],
    now: Timestamp,
) -> Result<BoundLicense, BindRefusal> {
    let evidence = TpmEvidence {
        ak_public: key,
        attest: &certified.attest,
        signature: &certified.signature,
        activation_secret: secret,
    };
    verified(license).bind_tpm(&evidence, &NONCE, now)
}

fn bind(license: &SignedLicense, certified: &Certified) -> Result<BoundLicense, BindRefusal> {
    bind_at(license, &ak().public, certified, &ACTIVATION_SECRET, now())
}

fn tpm_binding(payload: &mut LicensePayload) -> &mut TpmBinding {
    let Binding::Tpm(binding) = &mut payload.binding else {
        unreachable!("support makes TPM bindings");
    };
    binding
}

#[test]
fn a_license_binds_at_its_counter() {
    let bound = bind(&license(), &ak().certify(&NONCE, TO)).unwrap();
    assert_eq!(*bound.binding(), license_payload().binding);
    let tpm = bound.tpm().unwrap();
    assert_eq!(tpm.standing(), Standing::Exact);
    assert_eq!(bound.license_id(), "L-2041");
    assert_eq!(bound.revision(), 2);
    assert_eq!(bound.entitlements().camera_channels(), 32);
    assert_eq!(bound.entitlements().count("failover"), 1);
    assert_eq!(bound.names().server, "NVR-0207");
    assert_eq!(tpm.binding().to, TO);
    assert_eq!(tpm.counter().counter, TO);
    // Issued at 10:00; 1000 s of powered time since the request.
    assert_eq!(bound.earliest_now(), time("2026-11-24T10:16:40Z"));
    assert_eq!(tpm.earliest_now(), bound.earliest_now());
}

#[test]
fn the_counter_decides() {
    for (counter, expected) in [
        (0, Err("SG-LIC-012")),
        (FROM, Err("SG-LIC-012")),
        (TO - 1, Err("SG-LIC-012")),
        (TO, Ok(Standing::Exact)),
        (TO + 1, Ok(Standing::Grace { ahead: 1 })),
        (TO + 2, Ok(Standing::Grace { ahead: 2 })),
        (TO + 3, Err("SG-LIC-011")),
        (TO + LICENSE_TO_SPACING, Err("SG-LIC-011")),
        (u64::MAX, Err("SG-LIC-011")),
    ] {
        let found = bind(&license(), &ak().certify(&NONCE, counter))
            .map(|bound| bound.tpm().unwrap().standing())
            .map_err(|refusal| refusal.code());
        assert_eq!(found, expected, "counter {counter}");
    }
    // At the top of the range nothing wraps into the grace.
    let last = license_with(|payload| tpm_binding(payload).to = u64::MAX);
    assert!(bind(&last, &ak().certify(&NONCE, 0)).is_err());
    assert!(bind(&last, &ak().certify(&NONCE, u64::MAX)).is_ok());
}

#[test]
fn another_box_is_refused() {
    let other = SoftwareAk::new(9);
    let refusal = bind_at(
        &license(),
        &other.public,
        &other.certify(&NONCE, TO),
        &ACTIVATION_SECRET,
        now(),
    )
    .unwrap_err();
    assert!(matches!(refusal, BindRefusal::OtherBox { .. }));
    assert_eq!(refusal.code(), "SG-LIC-010");
}

#[test]
fn another_secret_is_refused() {
    for secret in [&[0; 32][..], &[], &ACTIVATION_SECRET[..31]] {
        let certified = ak().certify(&NONCE, TO);
        let refusal = bind_at(&license(), &ak().public, &certified, secret, now()).unwrap_err();
        assert_eq!(refusal, BindRefusal::ActivationSecret);
        assert_eq!(refusal.code(), "SG-LIC-014");
    }
}

#[test]
fn only_the_whole_truth_is_an_attestation() {
    let ak = ak();
    let signer = ak.qualified_name();
    let signer = signer.as_bytes();
    let name = counter_name();
    let name = name.as_bytes();
    let value = &TO.to_be_bytes();
    let foreign_name = [&name[..33], &[name[33] ^ 1]].concat();
    let by_other = Certified {
        signature: SoftwareAk::new(9).certify(&NONCE, TO).signature,
        ..ak.certify(&NONCE, TO)
    };
    let mut other_type = attest(signer, &NONCE, name, 0, value);
    other_type[5] = 0x17;
    let mut other_magic = attest(signer, &NONCE, name, 0, value);
    other_magic[0] = 0;
    let longer = [attest(signer, &NONCE, name, 0, value), vec![0]].concat();
    let name_of_ak = ak.public.name();
    for (what, certified, expected) in [
        ("another key", by_other, "SG-LIC-019"),
        ("an old answer", ak.certify(&[1; 32], TO), "SG-LIC-019"),
        ("no question", ak.certify(&[], TO), "SG-LIC-019"),
        (
            "a signer outside the endorsement hierarchy",
            ak.sign(&attest(name_of_ak.as_bytes(), &NONCE, name, 0, value)),
            "SG-LIC-019",
        ),
        (
            "another index",
            ak.sign(&attest(signer, &NONCE, &foreign_name, 0, value)),
            "SG-TPM-007",
        ),
        (
            "another offset",
            ak.sign(&attest(signer, &NONCE, name, 1, value)),
            "SG-TPM-007",
        ),
        (
            "half a counter",
            ak.sign(&attest(signer, &NONCE, name, 0, &value[..4])),
            "SG-TPM-007",
        ),
        (
            "more than a counter",
            ak.sign(&attest(signer, &NONCE, name, 0, &[0; 16])),
            "SG-TPM-007",
        ),
        ("another type", ak.sign(&other_type), "SG-TPM-008"),
        ("no magic", ak.sign(&other_magic), "SG-TPM-008"),
        ("trailing bytes", ak.sign(&longer), "SG-TPM-008"),
        (
            "no signature",
            Certified {
                signature: Vec::new(),
                ..ak.certify(&NONCE, TO)
            },
            "SG-TPM-008",
        ),
        (
            "a zero signature",
            Certified {
                signature: [&[0, 0x18, 0, 0x0b, 0, 32][..], &[0; 32], &[0, 32], &[0; 32]].concat(),
                ..ak.certify(&NONCE, TO)
            },
            "SG-LIC-019",
        ),
    ] {
        let refusal = bind(&license(), &certified).unwrap_err();
        assert!(matches!(refusal, BindRefusal::Attestation(_)), "{what}");
        assert_eq!(refusal.code(), expected, "{what}");
    }
}

#[test]
fn every_attested_byte_is_signed() {
    let certified = ak().certify(&NONCE, TO);
    for position in 0..certified.attest.len() {
        let mut changed = certified.attest.clone();
        changed[position] ^= 1;
        let changed = Certified {
            attest: changed,
            signature: certified.signature.clone(),
        };
        assert_eq!(
            bind(&license(), &changed).unwrap_err(),
            BindRefusal::Attestation(AttestationError::Signature)
        );
    }
}

#[test]
fn dates_bound_a_license() {
    let dated = license_with(|payload| {
        payload.validity.not_before = Some(time("2026-11-24T11:00:00Z"));
        payload.validity.not_after = Some(time("2026-11-24T13:00:00Z"));
    });
    for (at, expected) in [
        ("2026-11-24T10:59:59Z", "SG-LIC-015"),
        ("2026-11-24T11:00:00Z", "ok"),
        ("2026-11-24T13:00:00Z", "ok"),
        ("2026-11-24T13:00:01Z", "SG-LIC-016"),
    ] {
        let certified = ak().certify(&NONCE, TO);
        let code = bind_at(
            &dated,
            &ak().public,
            &certified,
            &ACTIVATION_SECRET,
            time(at),
        )
        .map_or_else(|refusal| refusal.code(), |_| "ok");
        assert_eq!(code, expected, "{at}");
    }
}

/// TPM2_Clear restarts the clock by which its days are measured.
#[test]
fn a_license_with_an_end_has_no_grace() {
    let dated = license_with(|payload| {
        payload.validity.not_after = Some("2027-01-01T00:00:00Z".parse().unwrap());
    });
    for (counter, expected) in [
        (TO, Ok(Standing::Exact)),
        (TO + 1, Err("SG-LIC-011")),
        (TO + 2, Err("SG-LIC-011")),
    ] {
        let bound = bind(&dated, &ak().certify(&NONCE, counter));
        assert_eq!(
            bound
                .map(|bound| bound.tpm().unwrap().standing())
                .map_err(|refusal| refusal.code()),
            expected,
            "counter {counter}"
        );
    }
}

#[test]
fn other_kinds_of_binding_are_refused_by_name() {
    let later = license_with(|payload| {
        payload.binding = serde_json::from_value(serde_json::json!({
            "kind": "enclave", "serial": 7
        }))
        .unwrap();
    });
    let read = SignedLicense::parse(later.to_text()).unwrap();
    let refusal = bind(&read, &ak().certify(&NONCE, TO)).unwrap_err();
    assert_eq!(refusal.code(), "SG-LIC-018");
    assert_eq!(
        verified(&read).import_check(FROM).unwrap_err().code(),
        "SG-LIC-018"
    );
}

#[test]
fn an_import_only_raises_the_counter_and_not_far() {
    let long = license_with(|payload| tpm_binding(payload).to = FROM + IMPORT_MAX_AHEAD + 1);
    for (license, counter, expected) in [
        (license(), FROM - 1, Err("SG-LIC-012")),
        (license(), FROM, Ok(TO - FROM)),
        (license(), TO - 1, Ok(1)),
        (license(), TO, Ok(0)),
        (license(), TO + 1, Err("SG-LIC-011")),
        (license(), u64::MAX, Err("SG-LIC-011")),
        (long.clone(), FROM, Err("SG-LIC-013")),
        (long.clone(), FROM + 1, Ok(IMPORT_MAX_AHEAD)),
    ] {
        let plan = verified(&license).import_check(counter);
        assert_eq!(
            plan.map(|plan| plan.increments)
                .map_err(|refusal| refusal.code()),
            expected,
            "counter {counter}"
        );
    }
}

#[test]
fn an_import_that_was_cut_short_goes_on_in_the_grace_too() {
    for (counter, expected) in [
        (FROM - 1, Err("SG-LIC-012")),
        (FROM, Ok(TO - FROM)),
        (TO, Ok(0)),
        (TO + 1, Ok(0)),
        (TO + 2, Ok(0)),
        (TO + 3, Err("SG-LIC-011")),
    ] {
        let plan = verified(&license()).roll_forward_check(counter);
        assert_eq!(
            plan.map(|plan| plan.increments)
                .map_err(|refusal| refusal.code()),
            expected,
            "counter {counter}"
        );
    }
}

proptest! {
    #[test]
    fn arbitrary_evidence_never_binds(
        attest in proptest::collection::vec(any::<u8>(), 0..300),
        signature in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let certified = Certified { attest, signature };
        prop_assert!(bind(&license(), &certified).is_err());
    }

    #[test]
    fn a_license_binds_only_at_its_counter_or_just_above(
        to: u64,
        offset in prop_oneof![-5..=5_i64, any::<i64>()],
    ) {
        let counter = to.wrapping_add_signed(offset);
        let license = license_with(|payload| tpm_binding(payload).to = to);
        let bound = bind(&license, &ak().certify(&NONCE, counter)).is_ok();
        prop_assert_eq!(bound, (0..=2).contains(&(i128::from(counter) - i128::from(to))));
    }
}
