//! What an owner may do to the counter: replace it, remake it, clear the TPM.

use sealgate_license::request_document::{RequestPayload, SignedRequest, UnsignedRequest};
use sealgate_license::state::LicenseState;
use sealgate_license::tpm_wire::{
    COUNTER_ATTRIBUTES, NV_AUTHREAD, NV_AUTHWRITE, NV_NO_DA, NV_OWNERREAD,
};
use sealgate_tests::licensing::{Nvr, World, open_channels, raw_tpm};

use crate::refused;

/// An index whose value can be written at will.
const ORDINARY: u32 = NV_AUTHWRITE | NV_AUTHREAD | NV_OWNERREAD | NV_NO_DA;

#[test]
fn attack_10_another_index_at_the_counters_place() {
    let mut world = World::new();
    let north = world.distributor("North", 32);
    let (nvr, license) = world.licensed("NVR-0193", &north, 32);
    let address = nvr.tpm.address();
    let small = world.license(&nvr, 8);
    let genuine = nvr.request(8);

    // An ordinary index can be set to the old license's counter, and others differ from
    // the license counter by one bit: without noDA, or ORDERLY, which jumps.
    const ORDERLY: u32 = 1 << 26;
    for (what, attributes) in [
        ("ordinary", ORDINARY),
        ("without noDA", COUNTER_ATTRIBUTES & !NV_NO_DA),
        ("orderly", COUNTER_ATTRIBUTES | ORDERLY),
    ] {
        nvr.undefine();
        raw_tpm::define_counter(&address, attributes, 8);
        if attributes == ORDINARY {
            raw_tpm::write_counter_place(&address, license.to);
        } else {
            raw_tpm::increment_counter_place(&address);
        }
        let disk = nvr.copy_disk();
        for text in [&license.text, &small.text] {
            nvr.put("active.lic", text);
            let outcome = nvr.boot();
            assert_eq!(outcome.state, LicenseState::CounterIndexForeign, "{what}");
            assert_eq!(open_channels(&outcome), 0, "{what}");
            assert!(!outcome.keep_last_decision, "{what}");
            let import = nvr.import(text).unwrap_err();
            assert_eq!(import.code(), "SG-TPM-007", "{what}");
        }
        nvr.restore_disk(&disk);

        // The box asks for nothing with it; software of the attacker's own would, and
        // the genuine attestation key signs: for an index with another Name.
        let request = nvr.start().export_request(0, 8).unwrap_err();
        assert_eq!(request.code(), "SG-TPM-007", "{what}");
        assert_eq!(
            refused(world.issue(&nvr, &certified_again(&nvr, &genuine), 8)),
            "SG-POR-022",
            "{what}"
        );
        world.nothing_extra_opens(&[&nvr]);
    }

    // Half-made: defined as it should be, and never incremented. The box completes it.
    nvr.undefine();
    raw_tpm::define_counter(&address, COUNTER_ATTRIBUTES, 8);
    let outcome = nvr.boot();
    assert_ne!(outcome.state, LicenseState::CounterIndexForeign);
    let again = world.reissue(&nvr, &nvr.request(8)).unwrap();
    nvr.import(&again.text).unwrap();
    assert_eq!(nvr.open(), 8, "one exchange helps the owner");
    assert_eq!(nvr.refuses(&license.text), "SG-LIC-011");
    world.nothing_extra_opens(&[&nvr]);
}

/// The payload of a request under a new certification of whatever is at the counter's
/// place.
fn certified_again(nvr: &Nvr, request: &str) -> String {
    let request = SignedRequest::parse(request).unwrap();
    let request = UnsignedRequest::new(RequestPayload {
        nonce: rand::random(),
        ..request.unverified_payload().clone()
    });
    let qualifying = request.qualifying_data();
    let (attest, signature) = raw_tpm::certify_counter_place(&nvr.tpm.address(), &qualifying);
    request.sign(&attest, &signature).unwrap().to_text()
}

#[test]
fn attack_11_the_counter_remade_past_every_license() {
    let mut world = World::new();
    let north = world.distributor("North", 64);
    let (nvr, license) = world.licensed("NVR-0193", &north, 32);
    let backup = nvr.copy_disk();
    let outstanding = world.issue(&nvr, &nvr.request(40), 40).unwrap();
    assert_eq!(world.charged(&north), 40);

    // Remade, and raised past everything that was ever issued to this box. It never
    // counts anew, whatever is undefined.
    let before = nvr.counter();
    nvr.undefine();
    raw_tpm::define_counter(&nvr.tpm.address(), COUNTER_ATTRIBUTES, 8);
    raw_tpm::increment_counter_place(&nvr.tpm.address());
    assert!(nvr.counter() > before);
    while nvr.counter() <= outstanding.to {
        nvr.increment(1);
    }
    assert_eq!(nvr.open(), 0);
    assert_eq!(nvr.refuses(&license.text), "SG-LIC-011");
    assert_eq!(nvr.refuses(&outstanding.text), "SG-LIC-011");

    // His request still proves that he had the license, and that nothing he holds can be
    // imported: but not that a smaller one was. Nothing is credited.
    let request = nvr.request(1);
    let proven = SignedRequest::parse(&request).unwrap();
    assert!(proven.unverified_payload().proof.is_some());
    let one = world.issue(&nvr, &request, 1).unwrap();
    assert_eq!(
        world.charged(&north),
        40,
        "charged until the next is proven"
    );
    world.nothing_extra_opens(&[&nvr]);

    // The honest way is open: by a re-issue to all of it, by the smaller one to less.
    let again = world.reissue(&nvr, &request).unwrap();
    nvr.import(&again.text).unwrap();
    assert_eq!(nvr.open(), again.channels);
    assert!(again.channels >= 32, "{again:?}");
    nvr.restore_disk(&backup);
    assert_eq!(nvr.open(), 0);
    assert_eq!(nvr.refuses(&one.text), "SG-LIC-011");
    world.nothing_extra_opens(&[&nvr]);
}

#[test]
fn attack_13_the_tpm_cleared_again_and_again() {
    let mut world = World::new();
    let north = world.distributor("North", 64);
    let (nvr, license) = world.licensed("NVR-0193", &north, 32);

    // Twice the cameras stay, and the seven days count from the first time.
    nvr.clear_tpm();
    let outcome = nvr.boot();
    assert!(matches!(
        outcome.state,
        LicenseState::TpmClearedGrace { .. }
    ));
    assert_eq!(open_channels(&outcome), 32);
    world.days_pass(6);
    nvr.clear_tpm();
    assert_eq!(nvr.open(), 32);
    world.nothing_extra_opens(&[&nvr]);
    world.days_pass(1);
    assert_eq!(nvr.open(), 0, "seven days are over");
    // A third time is too much, on whatever day.
    nvr.clear_tpm();
    let outcome = nvr.boot();
    assert!(matches!(outcome.state, LicenseState::OlderLicense { .. }));
    assert_eq!(open_channels(&outcome), 0);
    assert_eq!(nvr.refuses(&license.text), "SG-LIC-011");

    // Nor is there a smaller license whose grace would reach to the next one's counter:
    // the old one stays charged while it could still run.
    let again = world.reissue(&nvr, &nvr.request(32)).unwrap();
    nvr.import(&again.text).unwrap();
    assert_eq!(nvr.open(), 32);
    assert_eq!(world.charged(&north), 32);
    world.nothing_extra_opens(&[&nvr]);
}

#[test]
fn attack_13_a_clear_between_any_two_cuts_of_an_import() {
    let mut world = World::new();
    let north = world.distributor("North", 64);
    let (nvr, _) = world.licensed("NVR-0193", &north, 32);
    // Where the import stands when the TPM is cleared and power comes back: the file is
    // pending and the counter raised so often; or, at the end, the file was renamed.
    for (round, raised) in (0..=8).chain([8]).enumerate() {
        let renamed = round == 9;
        let (old, new) = if round % 2 == 0 { (32, 16) } else { (16, 32) };
        let license = world.issue(&nvr, &nvr.request(new), new).unwrap();
        let left = license.to - nvr.counter();
        nvr.put(
            if renamed { "active.lic" } else { "pending.lic" },
            &license.text,
        );
        nvr.increment(left.min(raised));
        nvr.clear_tpm();
        let open = nvr.open();
        assert!(
            open == new || (open == old && !renamed),
            "cut after {raised} increments: {open} open, neither {old} nor {new}"
        );
        assert_eq!(nvr.read("pending.lic"), None);
        assert_eq!(nvr.open(), open, "and so it stays");
        world.nothing_extra_opens(&[&nvr]);
        // Back to a plain state, with one exchange.
        world.license(&nvr, new);
    }
}
