//! Clocks that are set to what suits.

use std::time::Duration;

use sealgate_license::state::LicenseState;
use sealgate_tests::licensing::{World, open_channels};

const DAY_S: i64 = 24 * 3600;

fn days(days: u64) -> Duration {
    Duration::from_hours(24 * days)
}

#[test]
fn attack_16_a_clock_set_back_to_before_the_end() {
    let mut world = World::new();
    let north = world.distributor("North", 64);
    let nvr = world.nvr("NVR-0193", &north);
    nvr.boot();
    let began = world.now_utc_s();
    let ends = began + 10 * DAY_S;
    let request = nvr.request(16);
    let license = world
        .portal
        .issue_until(&north, nvr.server, &request, 16, ends)
        .unwrap();
    nvr.import(&license.text).unwrap();
    assert_eq!(nvr.open(), 16);

    // It ends, as the box's own clock and its TPM's agree.
    nvr.powered_for(days(20));
    world.days_pass(20);
    let outcome = nvr.boot();
    assert!(matches!(outcome.state, LicenseState::Expired { .. }));
    assert_eq!(open_channels(&outcome), 0);

    // Set back, the clock shows less than the TPM attests; what has ended stays so.
    world.clock.set_synchronised(false);
    for back_to in [began, began + DAY_S, ends - 1] {
        world.set_clock(back_to);
        let outcome = nvr.boot();
        let expired = matches!(outcome.state, LicenseState::Expired { .. });
        assert!(expired, "{back_to}: {:?}", outcome.state);
        assert_eq!(open_channels(&outcome), 0);
        // Nor does saying that it is right make it so.
        assert_eq!(
            nvr.start().confirm_clock().unwrap_err().code(),
            "SG-LIC-030"
        );
    }
    // TPM2_Clear restarts the TPM's clock; a license with an end has no grace for it.
    nvr.clear_tpm();
    let outcome = nvr.boot();
    assert!(matches!(outcome.state, LicenseState::OlderLicense { .. }));
    assert_eq!(open_channels(&outcome), 0);

    // With the right time the owner goes on, by one exchange.
    world.set_clock(began + 20 * DAY_S);
    world.clock.set_synchronised(true);
    world.license(&nvr, 16);
    world.nothing_extra_opens(&[&nvr]);
}

#[test]
fn attack_16_a_clock_set_forward_and_an_honest_one_that_was() {
    let mut world = World::new();
    let north = world.distributor("North", 64);
    let nvr = world.nvr("NVR-0193", &north);
    nvr.boot();
    let began = world.now_utc_s();
    let request = nvr.request(16);
    let license = world
        .portal
        .issue_until(&north, nvr.server, &request, 16, began + 30 * DAY_S)
        .unwrap();
    nvr.import(&license.text).unwrap();
    world.clock.set_synchronised(false);

    // A dead battery: the clock shows a far year. Nothing is lost for good by that.
    world.set_clock(began + 3650 * DAY_S);
    let outcome = nvr.boot();
    assert_eq!(outcome.state, LicenseState::ClockUnsure);
    assert_eq!(open_channels(&outcome), 0);
    world.set_clock(began + DAY_S);
    assert_eq!(nvr.open(), 16);

    // A perpetual license is touched by no clock.
    world.set_clock(began);
    let second = world.nvr("NVR-0194", &north);
    second.boot();
    world.license(&second, 8);
    for wrong in [0, began - DAY_S, began + 36_500 * DAY_S] {
        world.set_clock(wrong);
        assert_eq!(second.open(), 8);
    }
    world.set_clock(began + DAY_S);
    world.nothing_extra_opens(&[&nvr, &second]);
}
