//! The files in `testdata/` are what this version writes, byte for byte, and what every
//! later version has to read. A change of format shows here first.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::PathBuf;

use sealgate_license::license_document::SignedLicense;
use sealgate_license::request_document::SignedRequest;
use sealgate_license::statement_document::{SignedStatement, Subject};
use sealgate_license::tpm_wire::TpmPublic;
use sealgate_license::vendor::{
    Flavour, KeyCertificate, RevocationList, Revocations, VendorRootsFile, VerifiedRevocationList,
};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("testdata")
        .join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap()
}

/// Every golden file, made from the fixed seeds in `support`.
fn files() -> [(&'static str, String); 9] {
    [
        ("l-2041.lic", support::license().to_text()),
        ("d-0007.lic", support::dongle_license().to_text()),
        ("m-0031.lic", support::mac_license().to_text()),
        ("revoked-keys.rev", support::revocation_list().to_text()),
        ("nvr-0207.req", support::request().to_text()),
        ("clip.sgs", statement(support::clip())),
        ("replaced.sgs", statement(support::replacement())),
        ("issuing-key.cert", support::certificate().to_text()),
        ("vendor-roots.json", support::roots_file().to_text()),
    ]
}

fn statement(subject: Subject) -> String {
    support::statement_by(&support::ak(), subject).to_text()
}

#[test]
fn the_same_seeds_give_the_same_files() {
    for (name, text) in files() {
        assert_eq!(text, read(name), "{name}");
    }
}

/// Writes the golden files anew, after a deliberate change of format:
/// `cargo test -p sealgate-license --test golden -- --ignored`.
#[test]
#[ignore = "writes testdata"]
fn write_golden_files() {
    for (name, text) in files() {
        std::fs::write(path(name), text).unwrap();
    }
}

#[test]
fn files_are_read_and_written_again_unchanged() {
    for (name, made) in [
        ("l-2041.lic", support::license()),
        ("d-0007.lic", support::dongle_license()),
        ("m-0031.lic", support::mac_license()),
    ] {
        let license = SignedLicense::parse(read(name)).unwrap();
        assert_eq!(license.to_text(), read(name));
        assert_eq!(license.unverified_payload(), made.unverified_payload());
    }
    let list = RevocationList::parse(read("revoked-keys.rev")).unwrap();
    assert_eq!(list.to_text(), read("revoked-keys.rev"));
    assert_eq!(list, support::revocation_list());
    let request = SignedRequest::parse(read("nvr-0207.req")).unwrap();
    assert_eq!(request.to_text(), read("nvr-0207.req"));
    assert_eq!(*request.unverified_payload(), support::request_payload());
    for name in ["clip.sgs", "replaced.sgs"] {
        let statement = SignedStatement::parse(read(name)).unwrap();
        assert_eq!(statement.to_text(), read(name));
    }
    let certificate = KeyCertificate::parse(read("issuing-key.cert")).unwrap();
    assert_eq!(certificate.to_text(), read("issuing-key.cert"));
    let roots = VendorRootsFile::parse(read("vendor-roots.json")).unwrap();
    assert_eq!(roots.to_text(), read("vendor-roots.json"));
}

#[test]
fn files_verify() {
    let roots = VendorRootsFile::parse(read("vendor-roots.json"))
        .unwrap()
        .for_flavour(Flavour::Lab)
        .unwrap();
    let list = VerifiedRevocationList::read(read("revoked-keys.rev"), &roots).unwrap();
    let revocations = Revocations::of([&list]);
    for (name, cameras) in [("l-2041.lic", 32), ("d-0007.lic", 32), ("m-0031.lic", 2)] {
        let license = SignedLicense::parse(read(name))
            .unwrap()
            .verify(&roots, &revocations)
            .unwrap();
        assert_eq!(license.payload().entitlements.camera_channels(), cameras);
        assert_eq!(license.to_text(), read(name));
        assert_eq!(license.key_id(), support::issuing_key().key_id());
    }
    let request = SignedRequest::parse(read("nvr-0207.req"))
        .unwrap()
        .verify()
        .unwrap();
    assert_eq!(request.counter().counter, support::FROM);
    assert_eq!(request.to_text(), read("nvr-0207.req"));
    for name in ["clip.sgs", "replaced.sgs"] {
        let statement = SignedStatement::parse(read(name)).unwrap();
        let evidence = statement.verify_of(&support::ak().public).unwrap();
        assert_eq!(evidence.counter, support::FROM);
    }
    let digest = "d63f2c8f70cc708dad551b2b5c59dd5af43e88abaf39efb436edf120e01fec84";
    assert_eq!(hex::encode(request.payload_sha256()), digest);
    assert_eq!(hex::encode(support::request().payload_sha256()), digest);
    assert!(request.proves(&support::ACTIVATION_SECRET));
    assert!(!request.proves(&[0; 32]));
    assert_eq!(
        *request.ek(),
        TpmPublic::parse(&support::ek_public()).unwrap()
    );
}
