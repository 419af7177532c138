//! A portal that is set back.

use sealgate_tests::licensing::World;

use crate::refused;

#[test]
fn attack_12_a_portal_database_restored() {
    let mut world = World::new();
    let north = world.distributor("North", 64);
    let (nvr, _) = world.licensed("NVR-0193", &north, 32);
    let old_request = nvr.request(32);
    let other = world.nvr("NVR-0194", &north);
    other.boot();
    let snapshot = world.portal.backup();

    // After the snapshot: a larger license, and one for another box.
    let larger = world.license(&nvr, 40);
    let unused = world.issue(&other, &other.request(20), 20).unwrap();
    assert_eq!(world.charged(&north), 60);

    // Twice from the same snapshot; the journal knows better each time.
    for _ in 0..2 {
        world.portal.restore(&snapshot).unwrap();
        assert_eq!(world.charged(&north), 60, "nothing is licensed twice");
        // The files are the same, and a replayed old request is as old as before.
        let again = world.issue(&nvr, &nvr.request(40), 40).unwrap();
        assert_eq!(again.text, larger.text);
        assert_eq!(refused(world.issue(&nvr, &old_request, 31)), "SG-POR-002");
        let again = world.issue(&other, &other.request(20), 20).unwrap();
        assert_eq!(again.text, unused.text);
        assert_eq!(
            refused(world.issue(&other, &other.request(25), 25)),
            "SG-POR-001",
            "what others hold is not to be had"
        );
        world.nothing_extra_opens(&[&nvr, &other]);
    }

    other.import(&unused.text).unwrap();
    assert_eq!((nvr.open(), other.open()), (40, 20));
    // A return after the restore is proven and credited as ever.
    world.license(&nvr, 30);
    world.issue(&nvr, &nvr.request(30), 30).unwrap();
    assert_eq!(world.charged(&north), 50);
    world.nothing_extra_opens(&[&nvr, &other]);
}

#[test]
fn attack_12_the_journal_lost_with_the_database() {
    let mut world = World::new();
    let north = world.distributor("North", 200);
    let nvr = world.nvr("NVR-0193", &north);
    nvr.boot();
    let old_request = nvr.request(64);
    let snapshot = world.portal.backup();

    // After the snapshot: a license, which the portal then forgets; and all that again,
    // from the same snapshot.
    let hidden = world.issue(&nvr, &old_request, 64).unwrap();
    world.portal.restore_without_journal(&snapshot);
    assert_eq!(world.charged(&north), 0, "it is forgotten");
    let other = world.issue(&nvr, &old_request, 48).unwrap();
    world.portal.restore_without_journal(&snapshot);

    // The owner imports what he hides, and then proves licenses for nothing, in order to
    // be charged for nothing.
    assert!(hidden.to < other.to);
    let mut license = world.issue(&nvr, &old_request, 64).unwrap();
    nvr.import(&hidden.text).unwrap();
    assert_eq!(nvr.open(), 64);
    assert_eq!(world.charged(&north), 64);
    let mut exchanges = 0;
    while world.charged(&north) == 64 {
        nvr.import(&license.text).unwrap();
        license = world.issue(&nvr, &nvr.request(0), 0).unwrap();
        for forgotten in [&hidden, &other] {
            if world.charged(&north) < 64 {
                assert_eq!(nvr.refuses(&forgotten.text), "SG-LIC-011");
            }
        }
        world.nothing_extra_opens(&[&nvr]);
        exchanges += 1;
        assert!(exchanges < 5, "an honest return is credited in the end");
    }
    assert_eq!(world.charged(&north), 0);
    world.nothing_extra_opens(&[&nvr]);
}
