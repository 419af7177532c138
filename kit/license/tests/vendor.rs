//! Who may sign licenses: roots, dated keys, revocation, lab and product.
#![allow(clippy::unwrap_used)]

mod support;

use sealgate_license::license_document::SignedLicense;
use sealgate_license::vendor::{
    Flavour, IssueError, IssuingKey, Revocations, RootEntry, RootKey, VendorRoots,
    VendorRootsError, VendorRootsFile, key_id,
};
use support::{certificate_of_class, issuing_key, license, license_payload, root, roots, time};

fn product_roots() -> VendorRoots {
    VendorRootsFile {
        flavour: Flavour::Product,
        roots: vec![RootEntry {
            name: "Root 1".to_owned(),
            public_key: product_root().public_key(),
            class: Flavour::Product,
        }],
        revocation_list: None,
    }
    .for_flavour(Flavour::Product)
    .unwrap()
}

fn product_root() -> RootKey {
    RootKey::from_seed(&[11; 32])
}

fn issued_under(root: &RootKey, class: Flavour) -> SignedLicense {
    let certificate = certificate_of_class(root, class);
    SignedLicense::issue(license_payload(), &issuing_key(), &certificate).unwrap()
}

fn check(license: &SignedLicense, roots: &VendorRoots, revoked: &[String], expected: &str) {
    let revocations = Revocations::new(revoked.iter().cloned());
    let code = license
        .verify(roots, &revocations)
        .map_or_else(|error| error.code(), |_| "ok");
    assert_eq!(code, expected);
}

#[test]
fn a_license_needs_a_pinned_root() {
    check(&license(), &roots(), &[], "ok");
    check(
        &issued_under(&RootKey::from_seed(&[12; 32]), Flavour::Lab),
        &roots(),
        &[],
        "SG-LIC-002",
    );
}

#[test]
fn a_root_key_id_is_not_taken_on_trust() {
    // A stranger's certificate that names our root as its signer.
    let stranger = certificate_of_class(&RootKey::from_seed(&[12; 32]), Flavour::Lab).to_text();
    let posing = stranger.replace(
        &key_id(&RootKey::from_seed(&[12; 32]).public_key()),
        &root().key_id(),
    );
    let certificate = sealgate_license::vendor::KeyCertificate::parse(posing).unwrap();
    let license = SignedLicense::issue(license_payload(), &issuing_key(), &certificate).unwrap();
    check(&license, &roots(), &[], "SG-LIC-001");
}

#[test]
fn a_product_refuses_the_lab() {
    check(
        &issued_under(&root(), Flavour::Lab),
        &product_roots(),
        &[],
        "SG-LIC-005",
    );
    check(
        &issued_under(&product_root(), Flavour::Product),
        &product_roots(),
        &[],
        "ok",
    );
    // A root says what its key is for, and a product root does not sign lab keys for products.
    check(
        &issued_under(&product_root(), Flavour::Lab),
        &product_roots(),
        &[],
        "SG-LIC-005",
    );
    // Nor does the lab's root make product keys, not even in the lab.
    check(
        &issued_under(&root(), Flavour::Product),
        &roots(),
        &[],
        "SG-LIC-002",
    );
}

#[test]
fn a_product_refuses_lab_roots() {
    let lab = support::roots_file();
    assert!(matches!(
        lab.for_flavour(Flavour::Product),
        Err(VendorRootsError::OtherFlavour { .. })
    ));
    let disguised = VendorRootsFile {
        flavour: Flavour::Product,
        ..lab.clone()
    };
    assert!(matches!(
        disguised.for_flavour(Flavour::Product),
        Err(VendorRootsError::LabRoot { .. })
    ));
    let pinned = lab.for_flavour(Flavour::Lab).unwrap();
    assert_eq!(pinned.flavour(), Flavour::Lab);
    assert_eq!(Flavour::Lab.to_string(), "lab");
    assert_eq!(Flavour::Product.to_string(), "product");
}

#[test]
fn unusable_roots_are_refused() {
    let mut file = support::roots_file();
    // The neutral element: anyone can sign for it.
    file.roots[0].public_key = [0; 32];
    file.roots[0].public_key[0] = 1;
    assert!(matches!(
        file.for_flavour(Flavour::Lab),
        Err(VendorRootsError::Key { .. })
    ));
    file.roots.clear();
    assert!(matches!(
        file.for_flavour(Flavour::Lab),
        Err(VendorRootsError::Empty)
    ));
    assert!(matches!(
        VendorRootsFile::parse("{}"),
        Err(VendorRootsError::Unreadable(_))
    ));
}

#[test]
fn revocation_stops_what_asks_about_it() {
    let revoked = [issuing_key().key_id()];
    check(&license(), &roots(), &revoked, "SG-LIC-003");
    check(&license(), &roots(), &["00".repeat(16)], "ok");
    let mut file = support::roots_file();
    let list = root().revoke(
        Flavour::Lab,
        1,
        revoked.into(),
        time("2026-11-25T00:00:00Z"),
    );
    file.revocation_list = Some(list.to_text().into_bytes());
    let roots = VendorRootsFile::parse(file.to_text())
        .unwrap()
        .for_flavour(Flavour::Lab)
        .unwrap();
    assert!(license().verify(&roots, &roots.revocations()).is_err());
    assert!(license().verify(&roots, &Revocations::none()).is_ok());
}

#[test]
fn key_dates_are_compared_with_the_date_of_issue() {
    let issued = |at: &str| {
        // Signed under a certificate that covers everything, then checked with ours.
        let wide = root().certify(
            "wide",
            issuing_key().public_key(),
            Flavour::Lab,
            time("2000-01-01T00:00:00Z"),
            time("2100-01-01T00:00:00Z"),
        );
        let mut payload = license_payload();
        payload.issued_at = time(at);
        let text = SignedLicense::issue(payload, &issuing_key(), &wide)
            .unwrap()
            .to_text();
        let mut envelope = sealgate_license::dsse::Envelope::parse(text).unwrap();
        envelope.signatures[0].cert = Some(support::certificate().to_text().into_bytes());
        SignedLicense::parse(envelope.to_text()).unwrap()
    };
    for (at, expected) in [
        ("2025-12-31T23:59:59Z", "SG-LIC-004"),
        ("2026-01-01T00:00:00Z", "ok"),
        ("2027-12-31T23:59:59Z", "ok"),
        ("2028-01-01T00:00:00Z", "SG-LIC-004"),
    ] {
        check(&issued(at), &roots(), &[], expected);
    }
}

#[test]
fn nothing_is_signed_that_every_box_would_refuse() {
    let other = IssuingKey::from_seed(&[13; 32]);
    assert!(matches!(
        SignedLicense::issue(license_payload(), &other, &support::certificate()),
        Err(IssueError::OtherKey { .. })
    ));
    let mut payload = license_payload();
    payload.issued_at = time("2028-01-01T00:00:00Z");
    assert!(matches!(
        SignedLicense::issue(payload, &issuing_key(), &support::certificate()),
        Err(IssueError::Dates { .. })
    ));
}
