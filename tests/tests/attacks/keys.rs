//! Attestation keys outside the TPM.

use sealgate_license::request_document::SignedRequest;
use sealgate_license::state::LicenseState;
use sealgate_license::tpm_wire::TpmPublic;
use sealgate_tests::licensing::{FakeTpm, Lies, Nvr, SoftwareKey, World, open_channels, raw_tpm};

use crate::refused;

/// The attestation key of a box, as its requests show it to everyone.
fn ak_of(nvr: &Nvr) -> TpmPublic {
    let request = SignedRequest::parse(nvr.request(1)).unwrap();
    request.verify().unwrap().ak().clone()
}

#[test]
fn attack_02_a_software_key_beside_a_genuine_endorsement_key() {
    let mut world = World::new();
    let north = world.distributor("North", 4);
    let crook = world.distributor("Crook", 64);
    let nvr = world.nvr("NVR-0193", &crook);
    nvr.boot();
    let genuine = nvr.request(64);

    // The portal can't tell, issues, and charges.
    let key = SoftwareKey::new(7);
    let license = world
        .issue(&nvr, &key.request_beside(&genuine, 3), 64)
        .unwrap();
    assert_eq!(world.charged(&crook), 64);

    // The box has another key.
    assert_eq!(nvr.refuses(&license.text), "SG-LIC-010");
    nvr.put("active.lic", &license.text);
    let outcome = nvr.boot();
    assert!(matches!(
        outcome.state,
        LicenseState::AttestationKeyChanged { .. }
    ));
    assert_eq!(open_channels(&outcome), 0);

    // Even where the box is shown the software key, with a counter and signatures to
    // match: the TPM does not reveal the secret to a key that it does not hold.
    let fake = FakeTpm::before(
        &nvr.tpm.address(),
        Lies {
            ak: key.public().clone(),
            counter: license.to,
            signer: key.clone(),
            recorded: None,
        },
    );
    for secret in [None, Some([0; 32])] {
        match secret {
            Some(secret) => nvr.put("secret", secret),
            None => assert_eq!(nvr.read("secret"), None),
        }
        let mut on_fake = nvr.start_on(fake.address());
        let outcome = on_fake.boot();
        let code = "SG-LIC-014".to_owned();
        assert_eq!(outcome.state, LicenseState::StoredLicenseUnusable { code });
        assert_eq!(open_channels(&outcome), 0);
        let import = on_fake.import(license.text.as_bytes(), false);
        assert_eq!(import.unwrap_err().code(), "SG-LIC-014");
    }
    drop(fake);
    world.nothing_extra_opens(&[&nvr]);

    // Another distributor's box never noticed; nor does this one, once it is used honestly.
    let (honest, _) = world.licensed("NVR-0194", &north, 4);
    nvr.lose_disk();
    world.portal.distributor("Grant", 1);
    assert_eq!(
        refused(world.issue(&nvr, &nvr.request(1), 1)),
        "SG-POR-001",
        "what the software key was charged stays charged"
    );
    world.nothing_extra_opens(&[&nvr, &honest]);
}

#[test]
fn attack_09_a_fake_tpm_with_the_right_public_names() {
    let mut world = World::new();
    let north = world.distributor("North", 32);
    let (nvr, license) = world.licensed("NVR-0193", &north, 32);
    let address = nvr.tpm.address();
    let recorded = raw_tpm::certify_counter_place(&address, &[7; 32]);
    let ak = ak_of(&nvr);

    // Another machine with the copied disk: the stored secret is the license's, and the
    // TPM there shows the first one's public key and counter. It only can't sign.
    let clone = world.nvr("NVR-0666", &north);
    clone.boot();
    clone.restore_disk(&nvr.copy_disk());
    for (what, recorded) in [("signs itself", None), ("plays back", Some(recorded))] {
        let fake = FakeTpm::before(
            &clone.tpm.address(),
            Lies {
                ak: ak.clone(),
                counter: license.to,
                signer: SoftwareKey::new(9),
                recorded,
            },
        );
        let mut on_fake = clone.start_on(fake.address());
        let outcome = on_fake.boot();
        assert_eq!(outcome.state, LicenseState::TpmFault, "{what}");
        assert_eq!(outcome.counter, Some(license.to), "{what}: it does pose");
        assert_eq!(open_channels(&outcome), 0, "{what}");
        assert!(!outcome.keep_last_decision, "{what}: no transient trouble");
        // What it signs is worth nothing to the portal either, and does not get there.
        let request = on_fake.export_request(0, 32).unwrap_err();
        assert_eq!(request.code(), "SG-TPM-008", "{what}");
    }
    world.nothing_extra_opens(&[&nvr, &clone]);
    assert_eq!(nvr.open(), 32);
}

#[test]
fn attack_19_a_foreign_key_with_a_huge_counter() {
    let mut world = World::new();
    let north = world.distributor("North", 64);
    let crook = world.distributor("Crook", 64);
    let (nvr, _) = world.licensed("NVR-0193", &north, 32);
    // A second server of the crook's, for requests that he makes of what he has seen.
    let his = world.nvr("NVR-0666", &crook);

    // The owner's endorsement key is public: it stands in every request he mails.
    let seen = nvr.request(32);
    let key = SoftwareKey::new(7);
    let huge = key.request_beside(&seen, 1 << 61);
    world.issue(&his, &huge, 8).unwrap();
    let impossible = SoftwareKey::new(8).request_beside(&seen, u64::MAX);
    assert_eq!(refused(world.issue(&his, &impossible, 8)), "SG-POR-007");
    // Even by somebody at the owner's own distributor, for the owner's own server.
    let within = SoftwareKey::new(9).request_beside(&seen, 1 << 61);
    world.issue(&nvr, &within, 8).unwrap();

    // The owner's counter is as good as before: all is kept per pair of keys.
    let larger = world.license(&nvr, 40);
    assert!(larger.to < 100, "{larger:?}");
    nvr.clear_tpm();
    let again = world.reissue(&nvr, &nvr.request(40)).unwrap();
    nvr.import(&again.text).unwrap();
    assert_eq!(nvr.open(), 40);
    world.nothing_extra_opens(&[&nvr, &his]);
}
