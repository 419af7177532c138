//! Copied, restored and edited disks.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sealgate_license::license_document::SignedLicense;
use sealgate_license::request_document::SignedRequest;
use sealgate_license::state::LicenseState;
use sealgate_tests::licensing::{License, World, open_channels};

use crate::refused;

#[test]
fn attack_01_a_disk_cloned_to_another_box() {
    let mut world = World::new();
    let north = world.distributor("North", 32);
    let (nvr, license) = world.licensed("NVR-0193", &north, 32);
    let clone = world.nvr("NVR-0666", &north);
    clone.boot();

    clone.restore_disk(&nvr.copy_disk());
    let outcome = clone.boot();
    assert!(matches!(outcome.state, LicenseState::OtherBoard { .. }));
    assert_eq!(open_channels(&outcome), 0);
    assert_eq!(clone.refuses(&license.text), "SG-LIC-010");

    // Not even with the counter where the license wants it.
    while clone.counter() < license.to {
        clone.increment(1);
    }
    let outcome = clone.boot();
    assert!(matches!(outcome.state, LicenseState::OtherBoard { .. }));
    assert_eq!(open_channels(&outcome), 0);

    // Its request claims neither the license nor its proof, and is another box's.
    let request = clone.request(32);
    let read = SignedRequest::parse(&request).unwrap();
    assert_eq!(read.unverified_payload().license, None);
    assert_eq!(read.unverified_payload().proof, None);
    assert_eq!(refused(world.issue(&nvr, &request, 32)), "SG-POR-004");
    assert_eq!(refused(world.issue(&clone, &request, 32)), "SG-POR-001");

    world.nothing_extra_opens(&[&nvr, &clone]);
    assert_eq!(nvr.open(), 32, "the box that was cloned is none the worse");
}

#[test]
fn attack_03_an_older_license() {
    let mut world = World::new();
    let north = world.distributor("North", 32);
    let (nvr, first) = world.licensed("NVR-0193", &north, 32);
    let second = world.license(&nvr, 16);

    assert_eq!(nvr.refuses(&first.text), "SG-LIC-011");
    // Left as if power had been cut within its import.
    nvr.put("pending.lic", &first.text);
    assert_eq!(nvr.open(), 16);
    assert_eq!(nvr.read("pending.lic"), None, "it can never be imported");
    // Put in place by hand.
    nvr.put("active.lic", &first.text);
    let outcome = nvr.boot();
    assert!(matches!(outcome.state, LicenseState::OlderLicense { .. }));
    assert_eq!(open_channels(&outcome), 0);

    world.nothing_extra_opens(&[&nvr]);
    nvr.import(&second.text).unwrap();
    assert_eq!(nvr.open(), 16, "the license in use may be imported again");
}

#[test]
fn attack_04_a_disk_backup_restored() {
    let mut world = World::new();
    let north = world.distributor("North", 32);
    let (nvr, _) = world.licensed("NVR-0193", &north, 32);
    let backup = nvr.copy_disk();

    // Half of it is given back, credited, and sold once more.
    let half = world.license(&nvr, 16);
    assert_eq!(world.charged(&north), 32, "not before it is proven");
    world.issue(&nvr, &nvr.request(16), 16).unwrap();
    assert_eq!(world.charged(&north), 16);
    let (other, _) = world.licensed("NVR-0194", &north, 16);

    nvr.restore_disk(&backup);
    let outcome = nvr.boot();
    assert!(matches!(outcome.state, LicenseState::OlderLicense { .. }));
    assert_eq!(open_channels(&outcome), 0);
    world.nothing_extra_opens(&[&nvr, &other]);

    // An owner whose disk merely broke is helped by one exchange: the same file.
    let again = world.reissue(&nvr, &nvr.request(16)).unwrap();
    assert_eq!(again.text, half.text);
    nvr.import(&again.text).unwrap();
    assert_eq!(nvr.open(), 16);
    assert_eq!(world.charged(&north), 32);
    world.nothing_extra_opens(&[&nvr, &other]);
}

#[test]
fn attack_05_an_edited_license() {
    let mut world = World::new();
    let north = world.distributor("North", 8);
    let (nvr, license) = world.licensed("NVR-0193", &north, 4);
    let other = world.nvr("NVR-0194", &north);
    other.boot();
    let theirs = SignedRequest::parse(other.request(4)).unwrap();
    let theirs = theirs.verify().unwrap().ak().name().to_string();

    let ours = SignedLicense::parse(&license.text).unwrap();
    let ours = ours.unverified_payload().clone();
    let ours = match ours.binding {
        sealgate_license::license_document::Binding::Tpm(binding) => binding.ak_name.to_string(),
        other => panic!("bound to a TPM, not {other:?}"),
    };
    for (what, from, to) in [
        ("more channels", "\"camera\":4", "\"camera\":400"),
        ("for every counter", "\"to\":8", "\"to\":9"),
        ("another license", "\"revision\":1", "\"revision\":9"),
        ("another box", ours.as_str(), theirs.as_str()),
    ] {
        let edited = edited(&license, from, to);
        assert_eq!(nvr.refuses(&edited), "SG-LIC-001", "{what}");
        assert_eq!(other.refuses(&edited), "SG-LIC-001", "{what}");
        let disk = nvr.copy_disk();
        nvr.put("active.lic", &edited);
        let outcome = nvr.boot();
        let code = "SG-LIC-001".to_owned();
        assert_eq!(
            outcome.state,
            LicenseState::StoredLicenseUnusable { code },
            "{what}"
        );
        assert_eq!(open_channels(&outcome), 0, "{what}");
        nvr.restore_disk(&disk);
        nvr.put("pending.lic", &edited);
        assert_eq!(nvr.open(), 4, "{what}: the license in use stays in use");
    }
    world.nothing_extra_opens(&[&nvr, &other]);
}

/// The same envelope, its payload edited.
fn edited(license: &License, from: &str, to: &str) -> String {
    let mut envelope: serde_json::Value = serde_json::from_str(&license.text).unwrap();
    let payload = STANDARD
        .decode(envelope["payload"].as_str().unwrap())
        .unwrap();
    let payload = String::from_utf8(payload).unwrap();
    let changed = payload.replace(from, to);
    assert_ne!(changed, payload, "{from} is in the payload");
    envelope["payload"] = STANDARD.encode(changed).into();
    envelope.to_string()
}
