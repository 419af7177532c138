//! What a request carries.

use sealgate_license::{
    request_document::{ChannelCounts, LicenseInUse, SignedRequest},
    vendor::Flavour,
};
use sealgate_portal::{
    evidence::{EkRoots, EvidenceError, check_request},
    trust::TrustClass,
};

use crate::bench::Bench;

#[test]
fn a_request_is_proven_by_the_tpm_and_proves_the_import() {
    let bench = Bench::new();
    let mut nvr = bench.start();
    // A box that was never started makes its counter for the request.
    let first = SignedRequest::parse(nvr.export_request(0, 32).unwrap()).unwrap();
    let first = first.verify().unwrap();
    assert_eq!(first.counter().counter, bench.tpm().counter().unwrap());
    assert_eq!(first.payload().license, None);
    assert_eq!(first.payload().proof, None);
    assert_eq!(first.payload().model, "NVR-32");
    assert_eq!(first.payload().tpm.manufacturer, "IBM");
    assert!(first.payload().ek.certificate.is_some());
    assert_eq!(
        first.payload().channels,
        ChannelCounts {
            used: 0,
            wanted: 32
        }
    );

    let license = bench.vendor.issue(&first.to_text(), 32);
    nvr.import(license.text.as_bytes(), false).unwrap();
    // The secret need not be on disk.
    std::fs::remove_file(bench.disk.path().join("secret")).unwrap();
    let second = SignedRequest::parse(nvr.export_request(30, 16).unwrap()).unwrap();
    let second = second.verify().unwrap();
    assert_eq!(second.counter().counter, license.to);
    assert_eq!(
        second.payload().license,
        Some(LicenseInUse {
            id: "L-2041".to_owned(),
            revision: 1
        })
    );
    assert!(second.proves(&license.secret));
    assert!(!second.proves(&[0; 32]));
    assert_ne!(second.payload().nonce, first.payload().nonce);
}

/// The portal follows the certificate to the maker's root, which is another for each TPM
/// made here, and in the end wraps for the very key that this box has.
#[test]
fn a_portal_that_knows_the_maker_believes_the_request() {
    let bench = Bench::new();
    let request = bench.start().export_request(0, 32).unwrap();
    let request = SignedRequest::parse(request).unwrap().verify().unwrap();
    let roots_of = |maker: &sealgate_tests::swtpm::EkRoots| {
        let mut roots = EkRoots::new(Flavour::Lab);
        roots.add_root(&maker.root, TrustClass::Lab).unwrap();
        roots.add_intermediate(&maker.intermediate).unwrap();
        roots
    };
    let maker = bench.swtpm.ek_roots().unwrap();
    let identity = check_request(&request, &roots_of(&maker)).unwrap();
    assert_eq!(identity.trust_class, TrustClass::Lab);
    assert_eq!(identity.ek_name, request.ek().name());
    assert!(bench.tpm().has_ek(&identity.ek_name).unwrap());

    let other = Bench::new().swtpm.ek_roots().unwrap();
    assert!(matches!(
        check_request(&request, &roots_of(&other)),
        Err(EvidenceError::Certificate(_))
    ));
}
