//! License files and requests that are kept, collected and sent again.

use sealgate_tests::licensing::World;

use crate::refused;

#[test]
fn attack_06_two_outstanding_files() {
    let mut world = World::new();
    let north = world.distributor("North", 64);
    // Whichever of the two is imported, and in whatever order.
    for (serial, large_first) in [("NVR-0193", true), ("NVR-0194", false)] {
        let nvr = world.nvr(serial, &north);
        nvr.boot();
        let before = world.charged(&north);
        let request = nvr.request(32);
        let large = world.issue(&nvr, &request, 32).unwrap();
        let small = world.issue(&nvr, &request, 8).unwrap();
        assert!(small.to > large.to, "no two files for one counter");
        assert_eq!(world.charged(&north) - before, 32, "the larger of the two");
        // Asked for once more, each is the same file.
        let again = world.issue(&nvr, &request, 32).unwrap();
        assert!(again.again && again.text == large.text);

        if large_first {
            nvr.import(&large.text).unwrap();
            assert_eq!(nvr.open(), 32);
            // A proof of the large one credits nothing: the small one may yet come.
            world.issue(&nvr, &nvr.request(32), 32).unwrap();
            assert_eq!(world.charged(&north) - before, 32);
            world.nothing_extra_opens(&[&nvr]);
        }
        nvr.import(&small.text).unwrap();
        assert_eq!(nvr.refuses(&large.text), "SG-LIC-011");
        assert_eq!(nvr.open(), 8);
        world.issue(&nvr, &nvr.request(8), 8).unwrap();
        assert_eq!(world.charged(&north) - before, 8, "returned, and proven");
        assert_eq!(nvr.refuses(&large.text), "SG-LIC-011");
        world.nothing_extra_opens(&[&nvr]);
    }
}

#[test]
fn attack_07_more_than_sixteen_outstanding_files() {
    let mut world = World::new();
    let north = world.distributor("North", 64);
    let (nvr, _) = world.licensed("NVR-0193", &north, 32);
    let request = nvr.request(32);
    let collected: Vec<_> = (1..=16)
        .map(|channels| world.issue(&nvr, &request, channels).unwrap())
        .collect();
    assert_eq!(refused(world.issue(&nvr, &request, 17)), "SG-POR-003");
    assert_eq!(
        refused(world.issue(&nvr, &nvr.request(17), 17)),
        "SG-POR-003"
    );
    assert_eq!(world.charged(&north), 32);

    // There is still room to help an owner who lost his disk or cleared his TPM.
    nvr.clear_tpm();
    nvr.lose_disk();
    let lost = nvr.request(32);
    let again = world.reissue(&nvr, &lost).unwrap();
    assert_eq!(again.channels, 32);
    assert_eq!(refused(world.issue(&nvr, &lost, 17)), "SG-POR-003");
    nvr.import(&again.text).unwrap();
    assert_eq!(nvr.open(), 32);

    // All that he collected is old now, and the room is free again.
    for license in &collected {
        assert_eq!(nvr.refuses(&license.text), "SG-LIC-011");
    }
    let next = world.license(&nvr, 17);
    assert!(next.to - again.to <= 8, "{next:?}");
    world.nothing_extra_opens(&[&nvr]);
}

#[test]
fn attack_08_a_replayed_return_proof() {
    let mut world = World::new();
    let north = world.distributor("North", 64);
    let (nvr, _) = world.licensed("NVR-0193", &north, 64);
    world.license(&nvr, 32);
    assert_eq!(world.charged(&north), 64, "nothing before it is proven");

    let proof = nvr.request(32);
    for time in 1..=3 {
        world.issue(&nvr, &proof, 32).unwrap();
        assert_eq!(world.charged(&north), 32, "credited once, upload {time}");
    }
    // A new request with the same proof is the same return.
    world.issue(&nvr, &nvr.request(32), 32).unwrap();
    assert_eq!(world.charged(&north), 32);

    // After the next license the old proof is history.
    let larger = world.license(&nvr, 48);
    assert_eq!(world.charged(&north), 48);
    world.issue(&nvr, &proof, 32).unwrap();
    assert_eq!(world.charged(&north), 48, "the old proof credits nothing");
    // Once the portal has seen the box again, it buys nothing new either.
    world.issue(&nvr, &nvr.request(48), 48).unwrap();
    for channels in [31, 32] {
        assert_eq!(refused(world.issue(&nvr, &proof, channels)), "SG-POR-002");
    }
    assert_eq!(world.charged(&north), 48);
    world.nothing_extra_opens(&[&nvr]);

    // And the owner's later return is worth what it is worth.
    world.license(&nvr, 40);
    world.issue(&nvr, &nvr.request(40), 40).unwrap();
    assert_eq!(world.charged(&north), 40);
    assert_eq!(nvr.refuses(&larger.text), "SG-LIC-011");
    assert_eq!(nvr.open(), 40);
}
