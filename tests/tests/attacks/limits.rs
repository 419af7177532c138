//! What the design does not prevent, and what it does about it.

use sealgate_portal::trust::TrustClass;
use sealgate_tests::licensing::World;

use crate::refused;

/// Whoever runs a virtual TPM can set it back, counter and all. So a return by such a TPM
/// credits nothing by itself, and a TPM that was set back is known by its counter.
#[test]
fn limit_a_virtual_tpm_set_back() {
    let mut world = World::new();
    let north = world.distributor("North", 64);
    let mut nvr = world.nvr("VM-0001", &north);
    world
        .portal
        .believe_as(&nvr.tpm.ek_roots().unwrap(), TrustClass::Virtual);
    nvr.boot();
    world.license(&nvr, 32);
    let disk = nvr.copy_disk();
    let snapshot = nvr.snapshot_tpm();

    // Half is given back, and proven.
    world.license(&nvr, 16);
    world.issue(&nvr, &nvr.request(16), 16).unwrap();
    assert_eq!(world.charged(&north), 32, "no credit without a person");

    nvr.restore_tpm(&snapshot);
    nvr.restore_disk(&disk);
    assert_eq!(nvr.open(), 32, "this is the limit");
    world.nothing_extra_opens(&[&nvr]);
    assert_eq!(
        refused(world.issue(&nvr, &nvr.request(33), 33)),
        "SG-POR-002",
        "and it is seen"
    );
}
