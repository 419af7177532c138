//! Licenses that are bound to a dongle or to a list of cameras.
#![allow(clippy::unwrap_used)]

mod support;

use sealgate_license::binding::{BindRefusal, BoundLicense, DongleEvidence, DonglePublicKey};
use sealgate_license::license_document::{Binding, SignedLicense, Term, Validity};
use sealgate_license::vendor::IssueError;
use support::{
    DONGLE_SERIAL, NONCE, SoftwareDongle, dongle, dongle_license, issuing_key, license,
    license_payload, license_with, mac_license, now, time, verified,
};

fn bind_dongle(
    license: &SignedLicense,
    signature: &[u8],
    at: &str,
) -> Result<BoundLicense, BindRefusal> {
    verified(license).bind_dongle(&DongleEvidence { signature }, &NONCE, time(at))
}

#[test]
fn a_dongle_that_answers_binds_its_license() {
    let answer = dongle().sign(&dongle().public_key().challenge(&NONCE));
    let bound = bind_dongle(&dongle_license(), &answer, "2026-12-01T00:00:00Z").unwrap();
    assert_eq!(bound.license_id(), "D-0007");
    assert!(matches!(bound.binding(), Binding::Dongle(binding) if binding.serial == DONGLE_SERIAL));
    assert_eq!(bound.tpm(), None);
    assert_eq!(bound.issued_at(), time("2026-11-24T10:00:00Z"));
    assert_eq!(bound.earliest_now(), bound.issued_at());
    assert_eq!(*bound.verified(), verified(&dongle_license()));
    assert_eq!(bound.validity().term, Some(Term::Dated));
}

#[test]
fn no_other_answer_does() {
    let ours = dongle();
    let key = ours.public_key();
    let other = SoftwareDongle::new(6);
    let answer = ours.sign(&key.challenge(&NONCE));
    let mut longer = answer.clone();
    longer.push(0);
    for (what, answer) in [
        ("another dongle", other.sign(&key.challenge(&NONCE))),
        (
            "another dongle's challenge",
            other.sign(&other.public_key().challenge(&NONCE)),
        ),
        ("an old answer", ours.sign(&key.challenge(&[1; 32]))),
        ("the bare nonce", ours.sign(&NONCE)),
        ("nothing", Vec::new()),
        ("trailing bytes", longer),
        ("half an answer", answer[..answer.len() / 2].to_vec()),
    ] {
        let refusal = bind_dongle(&dongle_license(), &answer, "2026-12-01T00:00:00Z").unwrap_err();
        let serial = DONGLE_SERIAL.to_owned();
        assert_eq!(refusal, BindRefusal::Dongle { serial }, "{what}");
        assert_eq!(refusal.code(), "SG-LIC-020");
    }
}

/// A change of any of the three parts would let old dongles fail: the bytes are fixed.
#[test]
fn the_challenge_is_what_the_format_document_says() {
    use sha2::{Digest as _, Sha256};
    let key = dongle().public_key();
    let said = [
        &b"sealgate dongle challenge v1"[..],
        &NONCE,
        &key.as_bytes()[..],
    ]
    .concat();
    assert_eq!(
        key.challenge(&NONCE),
        <[u8; 32]>::from(Sha256::digest(said))
    );
}

#[test]
fn only_points_of_the_curve_are_dongle_keys() {
    let good = *dongle().public_key().as_bytes();
    assert_eq!(DonglePublicKey::from_sec1(&good).unwrap().as_bytes(), &good);
    let shown = format!("{:?}", dongle().public_key());
    assert!(shown.starts_with("0473103ec30b3ccf"), "{shown}");
    let mut off_curve = good;
    off_curve[64] ^= 1;
    let mut hybrid = good;
    hybrid[0] = 0x06;
    for bad in [&off_curve[..], &hybrid, &good[..64], &[0; 65], &[]] {
        assert!(DonglePublicKey::from_sec1(bad).is_err(), "{bad:?}");
    }
    let mut file = String::from_utf8(
        sealgate_license::dsse::Envelope::parse(dongle_license().to_text())
            .unwrap()
            .payload,
    )
    .unwrap();
    let at = file.find("\"public_key\":\"").unwrap() + 14;
    file.replace_range(at..at + 1, "Z");
    let mut envelope = sealgate_license::dsse::Envelope::parse(dongle_license().to_text()).unwrap();
    envelope.payload = file.into_bytes();
    assert_eq!(
        SignedLicense::parse(envelope.to_text()).unwrap_err().code(),
        "SG-DOC-002"
    );
}

#[test]
fn a_mac_license_binds_anywhere_within_its_dates() {
    let license = verified(&mac_license());
    let bound = license.bind_mac(now()).unwrap();
    assert_eq!(*bound.binding(), Binding::Mac);
    assert_eq!(bound.tpm(), None);
    assert_eq!(bound.entitlements().mac_list.len(), 2);
    for (at, expected) in [
        ("2026-11-23T23:59:59Z", "SG-LIC-015"),
        ("2026-11-24T00:00:00Z", "ok"),
        ("2026-12-24T00:00:00Z", "ok"),
        ("2026-12-24T00:00:01Z", "SG-LIC-016"),
    ] {
        let code = license
            .bind_mac(time(at))
            .map_or_else(|refusal| refusal.code(), |_| "ok");
        assert_eq!(code, expected, "{at}");
    }
}

#[test]
fn a_mac_license_without_cameras_binds_nowhere() {
    let empty = license_with(|payload| payload.binding = Binding::Mac);
    let refusal = verified(&empty).bind_mac(now()).unwrap_err();
    assert_eq!(refusal, BindRefusal::EmptyMacList);
    assert_eq!(refusal.code(), "SG-LIC-021");
}

#[test]
fn a_dongle_license_ends_too() {
    let answer = dongle().sign(&dongle().public_key().challenge(&NONCE));
    let refusal = bind_dongle(&dongle_license(), &answer, "2027-11-24T00:00:01Z").unwrap_err();
    assert_eq!(refusal.code(), "SG-LIC-016");
}

#[test]
fn each_kind_binds_in_its_own_way_only() {
    let answer = dongle().sign(&dongle().public_key().challenge(&NONCE));
    for (license, kind) in [(license(), "tpm"), (mac_license(), "mac")] {
        let refusal = bind_dongle(&license, &answer, "2026-12-01T00:00:00Z").unwrap_err();
        let kind = kind.to_owned();
        assert_eq!(refusal, BindRefusal::UnsupportedBinding { kind });
    }
    for (license, kind) in [(license(), "tpm"), (dongle_license(), "dongle")] {
        let refusal = verified(&license).bind_mac(now()).unwrap_err();
        let kind = kind.to_owned();
        assert_eq!(refusal, BindRefusal::UnsupportedBinding { kind });
    }
    for license in [dongle_license(), mac_license()] {
        assert_eq!(
            verified(&license).tpm_binding().unwrap_err().code(),
            "SG-LIC-018"
        );
        assert_eq!(
            verified(&license).import_check(0).unwrap_err().code(),
            "SG-LIC-018"
        );
    }
}

#[test]
fn a_term_needs_an_end_and_an_end_comes_after_the_start() {
    let early = Some(time("2026-11-24T00:00:00Z"));
    let late = Some(time("2026-12-24T00:00:00Z"));
    for (not_before, not_after, term, sound) in [
        (None, None, None, true),
        (early, None, None, true),
        (early, late, None, true),
        (early, early, Some(Term::Trial), true),
        (early, late, Some(Term::Overlap), true),
        (None, late, Some(Term::Dated), true),
        (late, early, None, false),
        (None, None, Some(Term::Trial), false),
        (early, None, Some(Term::Overlap), false),
    ] {
        let mut payload = license_payload();
        payload.validity = Validity {
            not_before,
            not_after,
            term,
        };
        assert_eq!(payload.validity.is_perpetual(), not_after.is_none());
        let bytes = serde_json::to_vec(&payload).unwrap();
        let issued = SignedLicense::issue(payload, &issuing_key(), &support::certificate());
        assert_eq!(issued.is_ok(), sound);
        if let Err(error) = issued {
            assert_eq!(error, IssueError::Validity);
        }
        // What somebody else signed is judged when it is read.
        let mut envelope = sealgate_license::dsse::Envelope::parse(license().to_text()).unwrap();
        envelope.payload = bytes;
        assert_eq!(SignedLicense::parse(envelope.to_text()).is_ok(), sound);
    }
}
