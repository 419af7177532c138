//! The files in `testdata/` are what this version writes, byte for byte, and what every
//! later version has to read. A change of format shows here first.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::PathBuf;

use sealgate_license::license_document::SignedLicense;
use sealgate_license::request_document::SignedRequest;
use sealgate_license::tpm_wire::TpmPublic;
use sealgate_license::vendor::{Flavour, KeyCertificate, Revocations, VendorRootsFile};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("testdata")
        .join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap()
}

/// Every golden file, made from the fixed seeds in `support`.
fn files() -> [(&'static str, String); 4] {
    [
        ("l-2041.lic", support::license().to_text()),
        ("nvr-0207.req", support::request().to_text()),
        ("issuing-key.cert", support::certificate().to_text()),
        ("vendor-roots.json", support::roots_file().to_text()),
    ]
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
    let license = SignedLicense::parse(read("l-2041.lic")).unwrap();
    assert_eq!(license.to_text(), read("l-2041.lic"));
    assert_eq!(*license.unverified_payload(), support::license_payload());
    let request = SignedRequest::parse(read("nvr-0207.req")).unwrap();
    assert_eq!(request.to_text(), read("nvr-0207.req"));
    assert_eq!(*request.unverified_payload(), support::request_payload());
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
    let license = SignedLicense::parse(read("l-2041.lic"))
        .unwrap()
        .verify(&roots, &Revocations::none())
        .unwrap();
    assert_eq!(license.payload().entitlements.camera_channels(), 32);
    let request = SignedRequest::parse(read("nvr-0207.req"))
        .unwrap()
        .verify()
        .unwrap();
    assert_eq!(request.counter().counter, support::FROM);
    assert!(request.proves(&support::ACTIVATION_SECRET));
    assert!(!request.proves(&[0; 32]));
    assert_eq!(
        *request.ek(),
        TpmPublic::parse(&support::ek_public()).unwrap()
    );
}
