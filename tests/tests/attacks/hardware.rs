//! Hardware that serves two.

use sealgate_license::state::LicenseState;
use sealgate_tests::licensing::{World, open_channels};
use tempfile::tempdir;

use crate::refused;

/// Prevention is not promised: whoever relays can also answer for the TPM at any moment.
/// But the box that was there first stops, and says why.
#[test]
fn attack_14_two_boxes_on_one_tpm() {
    let mut world = World::new();
    let north = world.distributor("North", 64);
    let (nvr, _) = world.licensed("NVR-0193", &north, 16);
    let (run, elsewhere) = (tempdir().unwrap(), tempdir().unwrap());
    let mut first = nvr.start().with_run_folder(run.path());
    assert_eq!(open_channels(&first.boot()), 16);
    assert_eq!(open_channels(&first.check()), 16);

    // The copy of the disk runs on another machine, which relays to the same TPM.
    let mut second = nvr.start().with_run_folder(elsewhere.path());
    assert_eq!(open_channels(&second.boot()), 16);
    let outcome = first.check();
    assert_eq!(outcome.state, LicenseState::TpmShared);
    assert_eq!(open_channels(&outcome), 0, "one of the two stops");
    // Started again without a restart of the machine, it still says so.
    let outcome = nvr.start().with_run_folder(run.path()).boot();
    assert_eq!(outcome.state, LicenseState::TpmShared);

    // Once more: whoever starts last goes on, and the other stops at its next check.
    let anew = tempdir().unwrap();
    let mut first = nvr.start().with_run_folder(anew.path());
    assert_eq!(open_channels(&first.boot()), 16);
    let outcome = second.check();
    assert_eq!(outcome.state, LicenseState::TpmShared);
    assert_eq!(open_channels(&outcome), 0);
    // The honest owner, alone with his TPM, restarts and goes on.
    assert_eq!(open_channels(&first.check()), 16);
    world.nothing_extra_opens(&[&nvr]);
}

#[test]
fn attack_20_hardware_written_off_and_used_or_resold() {
    let mut world = World::new();
    let north = world.distributor("North", 64);
    let south = world.distributor("South", 64);
    let (lost, license) = world.licensed("NVR-0193", &north, 32);
    let disk = lost.copy_disk();
    // Beyond the distributor's limit nothing is written off.
    let refusal = world.portal.write_off(&north, lost.server, 31);
    assert_eq!(refusal.unwrap_err().code(), "SG-POR-075");
    world.portal.write_off(&north, lost.server, 32).unwrap();
    assert_eq!(world.portal.written_off(&north), 32);

    // The replacement has its channels. The box that is said to be lost runs on, which
    // nobody can prevent; the vendor bears 32 channels for it, and no more.
    let (replacement, _) = world.licensed("NVR-0300", &north, 32);
    assert_eq!(lost.open(), 32);
    let borne = i64::from(world.portal.written_off(&north));
    let open = i64::from(lost.open() + replacement.open());
    assert!(open <= world.charged(&north) + borne);
    // Seen again, it gets nothing.
    let request = lost.request(32);
    assert_eq!(refused(world.issue(&lost, &request, 32)), "SG-POR-071");
    assert_eq!(refused(world.reissue(&lost, &request)), "SG-POR-071");

    // It comes back with a counter at which the old license could still run.
    let back = world.portal.hardware_back(&lost.request(0));
    assert_eq!(back.unwrap_err().code(), "SG-POR-073");
    lost.increment(2);
    let back = world.portal.hardware_back(&lost.request(0));
    assert_eq!(back.unwrap_err().code(), "SG-POR-073");
    lost.increment(1);
    world.portal.hardware_back(&lost.request(0)).unwrap();
    assert_eq!(world.portal.written_off(&north), 0);
    // The first owner's disk is worth nothing on it any more.
    lost.restore_disk(&disk);
    let outcome = lost.boot();
    assert!(matches!(outcome.state, LicenseState::OlderLicense { .. }));
    assert_eq!(open_channels(&outcome), 0);
    assert_eq!(lost.refuses(&license.text), "SG-LIC-011");

    // Sold again, it is its new owner's.
    lost.lose_disk();
    let server = world.portal.server(&south, "Mill");
    let request = lost.request(8);
    let theirs = world.portal.issue(&south, server, &request, 8).unwrap();
    lost.import(&theirs.text).unwrap();
    assert_eq!((lost.open(), replacement.open()), (8, 32));
    assert_eq!((world.charged(&south), world.charged(&north)), (8, 32));
}
