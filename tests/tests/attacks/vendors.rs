//! Keys that must not sign for this box.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sealgate_license::entitlements::Entitlements;
use sealgate_license::license_document::SignedLicense;
use sealgate_license::state::LicenseState;
use sealgate_license::vendor::{Flavour, IssuingKey, KeyCertificate, VendorRootsFile};
use sealgate_portal::signer::{CERTIFICATE_FILE, ISSUING_KEY_FILE, ROOTS_FILE};
use sealgate_tests::licensing::{License, Portal, World, open_channels};

#[test]
fn attack_17_a_lab_license_on_a_product() {
    let mut lab = World::new();
    let mut product = World::of(Flavour::Product);
    let hobbyist = lab.distributor("Hobbyist", 1000);
    let north = product.distributor("North", 32);
    let (nvr, _) = product.licensed("NVR-0193", &north, 16);

    // Anyone can make a lab portal, which believes anything that he tells it to.
    lab.portal.believe(&nvr.tpm.ek_roots().unwrap());
    let server = lab.portal.server(&hobbyist, "NVR-0193");
    let request = nvr.request(32);
    let license = lab.portal.issue(&hobbyist, server, &request, 32).unwrap();
    assert_eq!(nvr.refuses(&license.text), "SG-LIC-005");
    let disk = nvr.copy_disk();
    nvr.put("active.lic", &license.text);
    let code = "SG-LIC-005".to_owned();
    let outcome = nvr.boot();
    assert_eq!(outcome.state, LicenseState::StoredLicenseUnusable { code });
    assert_eq!(open_channels(&outcome), 0);
    nvr.restore_disk(&disk);

    // A lab root that was smuggled into a product's roots is an error, not a root.
    let file = std::fs::read(lab.portal.folder().join("keys").join(ROOTS_FILE)).unwrap();
    let mut smuggled = VendorRootsFile::parse(file).unwrap();
    assert!(smuggled.clone().for_flavour(Flavour::Product).is_err());
    smuggled.flavour = Flavour::Product;
    assert!(smuggled.for_flavour(Flavour::Product).is_err());

    product.nothing_extra_opens(&[&nvr]);
    assert_eq!(nvr.open(), 16);
    product.license(&nvr, 32);
}

#[test]
fn attack_18_a_license_by_a_revoked_key() {
    let mut world = World::new();
    let north = world.distributor("North", 128);
    let (nvr, _) = world.licensed("NVR-0193", &north, 16);
    let thief = Thief::copies(&world.portal);
    let next_firmware = world.portal.revoke_issuing_key();

    // With the stolen key he makes of each license what he likes: for a box with the next
    // firmware, in vain.
    let honest = world.issue(&nvr, &nvr.request(20), 20).unwrap();
    let before = nvr.counter();
    let mut updated = nvr.start_with(nvr.tpm.address(), next_firmware);
    let import = updated.import(thief.with_channels(&honest, 64).as_bytes(), false);
    assert_eq!(import.unwrap_err().code(), "SG-LIC-003");
    assert_eq!(nvr.counter(), before, "nothing was changed");
    // What the owner had of that key, he keeps.
    assert_eq!(open_channels(&updated.boot()), 16);

    // A box with the old firmware learns it from its next license, and remembers.
    nvr.import(&honest.text).unwrap();
    let next = world.issue(&nvr, &nvr.request(24), 24).unwrap();
    assert_eq!(nvr.refuses(&thief.with_channels(&next, 64)), "SG-LIC-003");
    assert_eq!(nvr.open(), 20);
    nvr.import(&next.text).unwrap();
    assert_eq!(nvr.open(), 24);
    world.nothing_extra_opens(&[&nvr]);
}

/// Has copied the portal's issuing key.
struct Thief {
    key: IssuingKey,
    certificate: KeyCertificate,
}

impl Thief {
    fn copies(portal: &Portal) -> Self {
        let keys = portal.folder().join("keys");
        let pem = std::fs::read_to_string(keys.join(ISSUING_KEY_FILE)).unwrap();
        let digits: String = pem
            .lines()
            .filter(|line| !line.starts_with("-----"))
            .collect();
        // PKCS#8 (RFC 8410, 7): the seed begins at byte 16.
        let der = STANDARD.decode(digits).unwrap();
        let certificate = std::fs::read(keys.join(CERTIFICATE_FILE)).unwrap();
        Self {
            key: IssuingKey::from_seed(der[16..48].try_into().unwrap()),
            certificate: KeyCertificate::parse(certificate).unwrap(),
        }
    }

    /// The same license for more channels, without the list that betrays him.
    fn with_channels(&self, license: &License, channels: u32) -> String {
        let mut payload = SignedLicense::parse(&license.text)
            .unwrap()
            .unverified_payload()
            .clone();
        payload.entitlements = Entitlements::cameras(channels);
        payload.revocation_list = None;
        SignedLicense::issue(payload, &self.key, &self.certificate)
            .unwrap()
            .to_text()
    }
}
