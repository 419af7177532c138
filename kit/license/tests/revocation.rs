//! Lists of revoked keys, and the change from one issuing key to the next.
#![allow(clippy::unwrap_used)]

mod support;

use jiff::Timestamp;
use sealgate_license::license_document::SignedLicense;
use sealgate_license::vendor::{
    Flavour, IssuingKey, RevocationList, RevocationListError, Revocations, RootEntry, RootKey,
    VendorRoots, VendorRootsError, VendorRootsFile, VerifiedRevocationList, VerifyError,
};
use support::{
    dongle_license, issuing_key, license, license_payload, revocation_list, root, roots,
    roots_file, time, verified,
};

fn product_root() -> RootKey {
    RootKey::from_seed(&[11; 32])
}

fn roots_of(flavour: Flavour, roots: &[(&RootKey, Flavour)]) -> VendorRoots {
    VendorRootsFile {
        flavour,
        roots: roots
            .iter()
            .map(|(root, class)| RootEntry {
                name: "Root".to_owned(),
                public_key: root.public_key(),
                class: *class,
            })
            .collect(),
        revocation_list: None,
    }
    .for_flavour(flavour)
    .unwrap()
}

fn list_by(root: &RootKey, flavour: Flavour) -> RevocationList {
    let key_ids = [issuing_key().key_id()].into();
    root.revoke(flavour, 7, key_ids, time("2026-11-25T00:00:00Z"))
}

#[test]
fn a_list_says_what_was_signed() {
    let list = VerifiedRevocationList::read(revocation_list().to_text(), &roots()).unwrap();
    assert_eq!(list.sequence(), 3);
    assert_eq!(list.issued_at(), time("2026-11-20T08:00:00Z"));
    let lost = IssuingKey::from_seed(&[5; 32]).key_id();
    assert_eq!(list.key_ids().iter().collect::<Vec<_>>(), [&lost]);
    assert_eq!(list.to_text(), revocation_list().to_text());
}

#[test]
fn a_list_needs_a_pinned_root_of_its_flavour() {
    let product = product_root();
    let lab_build = roots_of(
        Flavour::Lab,
        &[(&root(), Flavour::Lab), (&product, Flavour::Product)],
    );
    let product_build = roots_of(Flavour::Product, &[(&product, Flavour::Product)]);
    for (list, roots, expected) in [
        (list_by(&root(), Flavour::Lab), &lab_build, "ok"),
        (list_by(&product, Flavour::Product), &lab_build, "ok"),
        // A lab root may not revoke a product's keys.
        (list_by(&root(), Flavour::Product), &lab_build, "SG-LIC-002"),
        (list_by(&product, Flavour::Product), &product_build, "ok"),
        (list_by(&root(), Flavour::Lab), &product_build, "SG-LIC-005"),
        (
            list_by(&product, Flavour::Lab),
            &product_build,
            "SG-LIC-005",
        ),
        (
            list_by(&root(), Flavour::Product),
            &product_build,
            "SG-LIC-002",
        ),
    ] {
        let code = list
            .verify(roots)
            .map_or_else(|error| error.code(), |_| "ok");
        assert_eq!(code, expected, "{:?}", list.unverified_payload());
    }
}

#[test]
fn an_edited_list_revokes_nothing() {
    let mut envelope =
        sealgate_license::dsse::Envelope::parse(revocation_list().to_text()).unwrap();
    let payload = String::from_utf8(envelope.payload).unwrap();
    envelope.payload = payload
        .replace("\"sequence\":3", "\"sequence\":9")
        .into_bytes();
    let refusal = VerifiedRevocationList::read(envelope.to_text(), &roots()).unwrap_err();
    assert!(matches!(
        refusal,
        RevocationListError::Verify(VerifyError::Changed { .. })
    ));
    assert_eq!(refusal.code(), "SG-LIC-022");
    let refusal = VerifiedRevocationList::read(license().to_text(), &roots()).unwrap_err();
    assert!(matches!(refusal, RevocationListError::Document(_)));
    assert_eq!(refusal.code(), "SG-LIC-022");
}

#[test]
fn a_license_carries_the_list_inside_what_is_signed() {
    let carried = verified(&dongle_license()).revocation_list().unwrap();
    assert_eq!(carried, Some(revocation_list()));
    assert_eq!(verified(&license()).revocation_list().unwrap(), None);
    let torn = support::license_with(|payload| payload.revocation_list = Some(b"{".to_vec()));
    assert!(verified(&torn).revocation_list().is_err());
}

#[test]
fn firmware_carries_a_list_of_its_own_roots() {
    let with = |list: &RevocationList| {
        let mut file = roots_file();
        file.revocation_list = Some(list.to_text().into_bytes());
        VendorRootsFile::parse(file.to_text())
            .unwrap()
            .for_flavour(Flavour::Lab)
    };
    let pinned = with(&list_by(&root(), Flavour::Lab)).unwrap();
    assert_eq!(pinned.revocation_list().unwrap().sequence(), 7);
    assert!(pinned.revocations().contains(&issuing_key().key_id()));
    assert!(matches!(
        with(&list_by(&product_root(), Flavour::Lab)),
        Err(VendorRootsError::RevocationList(_))
    ));
    assert_eq!(roots().revocations(), Revocations::none());
}

#[test]
fn lists_add_up() {
    let one = list_by(&root(), Flavour::Lab).verify(&roots()).unwrap();
    let other = revocation_list().verify(&roots()).unwrap();
    let both = Revocations::of([&one, &other]);
    assert!(both.contains(&issuing_key().key_id()));
    assert!(both.contains(&IssuingKey::from_seed(&[5; 32]).key_id()));
    assert!(!both.contains(&IssuingKey::from_seed(&[6; 32]).key_id()));
    assert_eq!(Revocations::of([]), Revocations::none());
}

/// The old key's last weeks and the new one's first overlap; each signs within its own.
#[test]
fn issuing_keys_are_rotated_without_a_gap() {
    let old = IssuingKey::from_seed(&[21; 32]);
    let new = IssuingKey::from_seed(&[22; 32]);
    let certify = |key: &IssuingKey, from: &str, until: &str| {
        root().certify(
            "key",
            key.public_key(),
            Flavour::Lab,
            time(from),
            time(until),
        )
    };
    let old_certificate = certify(&old, "2026-01-01T00:00:00Z", "2026-12-31T00:00:00Z");
    let new_certificate = certify(&new, "2026-12-01T00:00:00Z", "2027-12-31T00:00:00Z");
    let issue = |key, certificate, at: Timestamp| {
        let mut payload = license_payload();
        payload.issued_at = at;
        SignedLicense::issue(payload, key, certificate)
    };
    let revoke = |key: &IssuingKey| Revocations::new([key.key_id()]);
    for (at, by_old, by_new) in [
        ("2026-11-30T23:59:59Z", true, false),
        ("2026-12-15T00:00:00Z", true, true),
        ("2027-01-01T00:00:00Z", false, true),
    ] {
        for (key, certificate, fits) in [
            (&old, &old_certificate, by_old),
            (&new, &new_certificate, by_new),
        ] {
            let issued = issue(key, certificate, time(at));
            assert_eq!(issued.is_ok(), fits, "{at}");
            let Ok(license) = issued else { continue };
            let license = SignedLicense::parse(license.to_text()).unwrap();
            let verified = license.verify(&roots(), &Revocations::none()).unwrap();
            assert_eq!(verified.key_id(), key.key_id());
            // Revoking one stops what it signed, and nothing of the other.
            assert!(license.verify(&roots(), &revoke(key)).is_err());
        }
    }
    let both = |at: &str| {
        let old = issue(&old, &old_certificate, time(at)).unwrap();
        let new = issue(&new, &new_certificate, time(at)).unwrap();
        (old, new)
    };
    let (by_old, by_new) = both("2026-12-15T00:00:00Z");
    assert!(by_new.verify(&roots(), &revoke(&old)).is_ok());
    assert!(by_old.verify(&roots(), &revoke(&new)).is_ok());
    // One file may bear the signatures of both: either is enough.
    let mut envelope = sealgate_license::dsse::Envelope::parse(by_old.to_text()).unwrap();
    let other = sealgate_license::dsse::Envelope::parse(by_new.to_text()).unwrap();
    assert_eq!(envelope.payload, other.payload);
    envelope.signatures.extend(other.signatures);
    let file = SignedLicense::parse(envelope.to_text()).unwrap();
    for (revoked, key) in [(&old, &new), (&new, &old)] {
        let verified = file.verify(&roots(), &revoke(revoked)).unwrap();
        assert_eq!(verified.key_id(), key.key_id());
    }
    let neither = Revocations::new([old.key_id(), new.key_id()]);
    assert_eq!(
        file.verify(&roots(), &neither).unwrap_err().code(),
        "SG-LIC-003"
    );
}
