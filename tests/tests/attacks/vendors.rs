//! Keys that must not sign for this box.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sealgate_license::state::LicenseState;
use sealgate_license::vendor::{Flavour, RootKey, VendorRoots, VendorRootsFile};
use sealgate_portal::signer::{ROOT_KEY_FILE, ROOTS_FILE};
use sealgate_tests::licensing::{Nvr, World, open_channels};

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
    let north = world.distributor("North", 64);
    let (nvr, active) = world.licensed("NVR-0193", &north, 16);
    // With the stolen issuing key the thief makes what he likes.
    let stolen = world.issue(&nvr, &nvr.request(64), 64).unwrap();
    let revoked = |nvr: &Nvr| nvr.start_with(nvr.tpm.address(), revoking_roots(&world));

    let import = revoked(&nvr).import(stolen.text.as_bytes(), false);
    assert_eq!(import.unwrap_err().code(), "SG-LIC-003");
    assert_eq!(nvr.counter(), active.to, "nothing was changed");
    // Nor by way of an import that power is said to have cut.
    nvr.put("pending.lic", &stolen.text);
    let outcome = revoked(&nvr).boot();
    assert_eq!(open_channels(&outcome), 16, "what is in use stays in use");
    assert_eq!(nvr.read("pending.lic"), None);
    assert_eq!(nvr.counter(), active.to);
    world.nothing_extra_opens(&[&nvr]);
}

/// What a later firmware pins, after the issuing key was stolen.
fn revoking_roots(world: &World) -> VendorRoots {
    let keys = world.portal.folder().join("keys");
    let file = std::fs::read(keys.join(ROOTS_FILE)).unwrap();
    let mut file = VendorRootsFile::parse(file).unwrap();
    let list = root_key(&keys).revoke(
        world.flavour(),
        1,
        [world.portal.desk().signer().key_id()].into(),
        world.portal.desk().now(),
    );
    file.revocation_list = Some(list.to_text().into_bytes());
    file.for_flavour(world.flavour()).unwrap()
}

/// The root's private key, from its PKCS#8 file (RFC 8410, 7: the seed is at byte 16).
fn root_key(keys: &Path) -> RootKey {
    let pem = std::fs::read_to_string(keys.join(ROOT_KEY_FILE)).unwrap();
    let digits: String = pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let der = STANDARD.decode(digits).unwrap();
    RootKey::from_seed(der[16..48].try_into().unwrap())
}
