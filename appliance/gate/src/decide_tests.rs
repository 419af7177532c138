//! Tables and properties of the decision.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::num::NonZeroU8;

use proptest::prelude::*;
use sealgate_camera::{CameraId, MacAddress};

use super::*;
use crate::{Pool, Pools};

fn camera(n: u8) -> CameraId {
    CameraId::first_source(MacAddress::from_octets([2, 0, 0, 0, 0, n]).unwrap())
}

fn address(n: u8) -> Address {
    Address {
        ip: Ipv4Addr::new(192, 168, 77, n),
        port: 554,
    }
}

fn at(n: u8, ip: u8) -> Fact {
    Fact {
        camera: camera(n),
        whereabouts: Whereabouts::Resolved(address(ip)),
        brand: Brand::Own,
    }
}

fn since(n: u8, since_utc_ms: i64) -> Assignment {
    Assignment {
        camera: camera(n),
        since_utc_ms,
        preferred: false,
        brand: Brand::Own,
    }
}

fn of_other_brand(assignment: Assignment) -> Assignment {
    Assignment {
        brand: Brand::Other,
        ..assignment
    }
}

fn rights(places: u32) -> Rights {
    Rights {
        general: places,
        ..Rights::default()
    }
}

/// `+` open, `!` open but contested, otherwise the code's last digit; in camera order.
fn picture(decisions: &Decisions) -> String {
    decisions
        .cameras
        .values()
        .map(|decision| match decision {
            Decision::Open {
                contested: false, ..
            } => '+',
            Decision::Open {
                contested: true, ..
            } => '!',
            Decision::Closed { reason } => reason.code().chars().last().unwrap(),
        })
        .collect()
}

fn check(rights: Option<Rights>, assignments: &[Assignment], facts: &[Fact], expected: &str) {
    let decisions = decide_with(rights.as_ref(), assignments, facts);
    assert_eq!(picture(&decisions), expected);
}

#[test]
fn without_a_license_everything_is_closed() {
    assert_eq!(
        decide(None, &[], &[since(1, 0)], &[at(1, 11), at(2, 12)])
            .cameras
            .values()
            .map(|decision| decision.reason())
            .collect::<Vec<_>>(),
        [Some(Reason::NoLicense); 2]
    );
}

#[test]
fn the_thin_slice_one_place_two_cameras() {
    let facts = [at(1, 11), at(2, 12)];
    check(Some(rights(1)), &[], &facts, "88");
    check(Some(rights(1)), &[since(1, 5)], &facts, "+2");
    check(Some(rights(2)), &[since(1, 5)], &facts, "+8");
    check(Some(rights(0)), &[since(1, 5)], &facts, "22");
}

#[test]
fn a_smaller_license_keeps_the_longest_held_places() {
    let assignments = [since(3, 10), since(1, 30), since(2, 20)];
    let facts = [at(1, 11), at(2, 12), at(3, 13)];
    check(Some(rights(3)), &assignments, &facts, "+++");
    check(Some(rights(2)), &assignments, &facts, "2++");
    check(Some(rights(1)), &assignments, &facts, "22+");
    let same_moment = [since(2, 7), since(1, 7)];
    check(Some(rights(1)), &same_moment, &facts[..2], "+2");
}

#[test]
fn an_absent_camera_keeps_its_place() {
    let assignments = [since(1, 1), since(2, 2)];
    check(Some(rights(1)), &assignments, &[at(2, 12)], "42");
    let decisions = decide_with(Some(&rights(3)), &assignments, &[at(2, 12)]);
    let expected = Places {
        total: 3,
        used: 2,
        free: 1,
        waiting: 0,
        pools: Pools {
            camera: Pool { total: 3, used: 2 },
            ..Pools::default()
        },
    };
    assert_eq!(decisions.places, expected);
}

#[test]
fn where_a_camera_is_decides_too() {
    let one = |whereabouts| {
        let fact = Fact {
            camera: camera(1),
            whereabouts,
            brand: Brand::Own,
        };
        picture(&decide_with(Some(&rights(1)), &[since(1, 0)], &[fact]))
    };
    assert_eq!(one(Whereabouts::Resolved(address(11))), "+");
    assert_eq!(one(Whereabouts::Unresolved), "3");
    assert_eq!(one(Whereabouts::Conflict { incumbent: None }), "7");
    let incumbent = Some(address(11));
    assert_eq!(one(Whereabouts::Conflict { incumbent }), "!");
    let nowhere = Address {
        ip: Ipv4Addr::LOCALHOST,
        port: 554,
    };
    assert_eq!(one(Whereabouts::Resolved(nowhere)), "4");
    let no_port = Address {
        port: 0,
        ..address(11)
    };
    assert_eq!(one(Whereabouts::Resolved(no_port)), "4");
}

#[test]
fn contradicting_facts_open_nothing() {
    check(
        Some(rights(2)),
        &[since(1, 0)],
        &[at(1, 11), at(1, 12)],
        "7",
    );
    let two_at_one = [at(1, 11), at(2, 11)];
    let assignments = [since(1, 9), since(2, 3)];
    check(Some(rights(2)), &assignments, &two_at_one, "7+");
}

#[test]
fn sources_behind_one_mac_need_a_place_each_and_share_its_address() {
    let second = CameraId::new(camera(1).mac(), NonZeroU8::new(2).unwrap());
    let facts = [
        at(1, 11),
        Fact {
            camera: second,
            whereabouts: Whereabouts::Resolved(address(11)),
            brand: Brand::Own,
        },
    ];
    let assignments = [
        since(1, 1),
        Assignment {
            camera: second,
            ..since(1, 2)
        },
    ];
    check(Some(rights(1)), &assignments, &facts, "+2");
    check(Some(rights(2)), &assignments, &facts, "++");
}

fn listing(general: u32, listed: &[u8]) -> Rights {
    Rights {
        general,
        listed: listed.iter().map(|n| camera(*n).mac()).collect(),
        ..Rights::default()
    }
}

#[test]
fn a_list_admits_nobody_else() {
    let assignments = [since(1, 1), since(2, 2)];
    let facts = [at(1, 11), at(2, 12), at(3, 13)];
    check(Some(listing(0, &[2])), &assignments, &facts, "9+9");
    check(Some(listing(0, &[2, 3])), &assignments, &facts, "9+8");
}

#[test]
fn a_listed_camera_leaves_the_general_places_to_others() {
    let facts = [at(1, 11), at(2, 12), at(3, 13)];
    let all = [since(1, 1), since(2, 2), since(3, 3)];
    // Whoever came first: the listed one has its own place.
    check(Some(listing(1, &[1])), &all, &facts, "++2");
    check(Some(listing(1, &[3])), &all, &facts, "+2+");
    check(Some(listing(2, &[2])), &all, &facts, "+++");
    // A place for a camera that is not there is nobody else's.
    check(Some(listing(1, &[6])), &all, &facts, "+22");
    let decisions = decide_with(Some(&listing(1, &[6])), &all, &facts);
    let expected = Places {
        total: 2,
        used: 1,
        free: 1,
        waiting: 2,
        pools: Pools {
            camera: Pool { total: 1, used: 1 },
            listed: Pool { total: 1, used: 0 },
            ..Pools::default()
        },
    };
    assert_eq!(decisions.places, expected);
}

#[test]
fn a_listed_place_is_for_one_source() {
    let second = CameraId::new(camera(1).mac(), NonZeroU8::new(2).unwrap());
    let facts = [
        at(1, 11),
        Fact {
            camera: second,
            whereabouts: Whereabouts::Resolved(address(11)),
            brand: Brand::Own,
        },
    ];
    let assignments = [
        since(1, 1),
        Assignment {
            camera: second,
            ..since(1, 2)
        },
    ];
    check(Some(listing(0, &[1])), &assignments, &facts, "+9");
    check(Some(listing(1, &[1])), &assignments, &facts, "++");
}

#[test]
fn each_brand_has_channels_of_its_own() {
    let facts = [at(1, 11), at(2, 12), at(3, 13)];
    let decided = check;
    let check = |(general, other, other_free), assignments: &[Assignment], expected: &str| {
        let rights = Rights {
            general,
            other,
            other_free,
            ..Rights::default()
        };
        check(Some(rights), assignments, &facts, expected);
    };
    let [one, two, three] = [since(1, 1), since(2, 2), since(3, 3)];
    let others = [one, two, three].map(of_other_brand);
    // Camera channels are for own-brand cameras, free ones for the others.
    check((3, 0, 0), &others, "000");
    check((3, 0, 2), &others, "++0");
    check((0, 0, 3), &[one, two, three], "222");
    // Bought other-brand channels are for both, and nobody takes one before his own are used.
    check((1, 1, 1), &[one, of_other_brand(two), three], "+++");
    check((1, 1, 1), &others, "++0");
    check((1, 1, 0), &[one, two, of_other_brand(three)], "++0");
    // What is only seen is told whether there is room for its brand.
    check((1, 0, 1), &[one], "+22");
    check((1, 1, 0), &[one], "+88");
    let other_seen = [Fact {
        brand: Brand::Other,
        ..at(2, 12)
    }];
    let room = |general, other_free| Rights {
        general,
        other_free,
        ..Rights::default()
    };
    decided(Some(room(1, 0)), &[], &other_seen, "0");
    decided(Some(room(0, 1)), &[], &other_seen, "8");
    decided(Some(room(0, 1)), &[of_other_brand(one)], &other_seen, "40");
}

#[test]
fn the_owners_choice_goes_before_the_longest_held_place() {
    let facts = [at(1, 11), at(2, 12), at(3, 13)];
    let chosen = Assignment {
        preferred: true,
        ..since(3, 30)
    };
    let assignments = [since(1, 10), since(2, 20), chosen];
    check(Some(rights(1)), &assignments, &facts, "22+");
    check(Some(rights(2)), &assignments, &facts, "+2+");
}

#[test]
fn every_reason_is_in_the_order_of_its_code() {
    let all = [
        Reason::NoLicense,
        Reason::NoPlaceLeft,
        Reason::MacUnresolved,
        Reason::AddressUnknown,
        Reason::MacConflict,
        Reason::NotAssigned,
        Reason::NotOnList,
        Reason::NoOtherBrandPlace,
    ];
    assert!(all.map(Reason::code).is_sorted());
}

fn any_whereabouts() -> impl Strategy<Value = Whereabouts> {
    let any_address =
        (0_u8..6, prop::sample::select(vec![0_u16, 554, 8554])).prop_map(|(last, port)| Address {
            ip: Ipv4Addr::new(192, 168, 77, last),
            port,
        });
    prop_oneof![
        4 => any_address.clone().prop_map(Whereabouts::Resolved),
        1 => Just(Whereabouts::Unresolved),
        1 => prop::option::of(any_address)
            .prop_map(|incumbent| Whereabouts::Conflict { incumbent }),
    ]
}

fn any_brand() -> impl Strategy<Value = Brand> {
    prop::sample::select(vec![Brand::Own, Brand::Other])
}

fn holding(rights: &Rights, assignments: &[Assignment]) -> BTreeSet<CameraId> {
    let held = rights.hold(&queue(assignments));
    held.cameras.into_iter().collect()
}

fn any_camera() -> impl Strategy<Value = CameraId> {
    (1_u8..7, 1_u8..3)
        .prop_map(|(mac, source)| CameraId::new(camera(mac).mac(), NonZeroU8::new(source).unwrap()))
}

fn any_rights() -> impl Strategy<Value = Option<Rights>> {
    let listed = prop_oneof![
        2 => Just(BTreeSet::new()),
        1 => prop::collection::btree_set((1_u8..7).prop_map(|n| camera(n).mac()), 0..4),
    ];
    prop::option::weighted(
        0.9,
        ((0_u32..6, 0_u32..3, 0_u32..3), listed).prop_map(
            |((general, other, other_free), listed)| Rights {
                general,
                other,
                other_free,
                listed,
                replacements_left: 0,
            },
        ),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_gate_never_opens_more_than_it_may(
        rights in any_rights(),
        assignments in prop::collection::vec(
            (any_camera(), 0_i64..4, any::<bool>(), any_brand()).prop_map(
                |(camera, since_utc_ms, preferred, brand)| Assignment {
                    camera, since_utc_ms, preferred, brand,
                },
            ),
            0..12,
        ),
        facts in prop::collection::vec(
            (any_camera(), any_whereabouts(), any_brand()).prop_map(
                |(camera, whereabouts, brand)| Fact { camera, whereabouts, brand },
            ),
            0..12,
        ),
    ) {
        let decisions = decide_with(rights.as_ref(), &assignments, &facts);
        let open: Vec<CameraId> = decisions.open().map(|(camera, _)| camera).collect();

        // Never without a license, and never more than its places.
        let places = rights.as_ref().map_or(0, Rights::total);
        prop_assert!(open.len() <= places as usize);
        prop_assert_eq!(decisions.places.total, places);
        prop_assert_eq!(decisions.places.used + decisions.places.free, places);

        // A listed MAC address has one place of its own, which is nobody else's, so that
        // the others share the general ones; and it takes none of these for its first source.
        if let Some(rights) = &rights {
            let on_list = |camera: &&CameraId| rights.listed.contains(&camera.mac());
            let own_places: BTreeSet<MacAddress> =
                open.iter().filter(on_list).map(|camera| camera.mac()).collect();
            let brand_of = |camera: &CameraId| {
                assignments
                    .iter()
                    .filter(|assignment| assignment.camera == *camera)
                    .map(|assignment| assignment.brand)
                    .max()
            };
            let mut own_place_of = own_places.clone();
            let (others, own): (Vec<CameraId>, Vec<CameraId>) = open
                .iter()
                .copied()
                .filter(|camera| !own_place_of.remove(&camera.mac()))
                .partition(|camera| brand_of(camera) == Some(Brand::Other));
            prop_assert!(own.len() <= (rights.general + rights.other) as usize);
            prop_assert!(others.len() <= (rights.other_free + rights.other) as usize);
            prop_assert!(
                own.len().saturating_sub(rights.general as usize)
                    + others.len().saturating_sub(rights.other_free as usize)
                    <= rights.other as usize
            );
            let general_only = Rights { listed: BTreeSet::new(), ..rights.clone() };
            let unlisted: Vec<Assignment> = assignments
                .iter()
                .filter(|assignment| !rights.listed.contains(&assignment.camera.mac()))
                .copied()
                .collect();
            let first_sources: BTreeSet<MacAddress> = assignments
                .iter()
                .map(|assignment| assignment.camera.mac())
                .filter(|mac| rights.listed.contains(mac))
                .collect();
            let second_sources = assignments
                .iter()
                .map(|assignment| assignment.camera)
                .filter(|camera| rights.listed.contains(&camera.mac()))
                .collect::<BTreeSet<_>>()
                .len()
                - first_sources.len();
            if second_sources == 0 {
                // Then the unlisted cameras fare as if the listed ones were not there.
                let without = decide_with(Some(&general_only), &unlisted, &[]);
                prop_assert_eq!(
                    decisions.places.used as usize,
                    without.places.used as usize + first_sources.len()
                );
            }
        }

        let mut ips = BTreeMap::new();
        let mut macs = BTreeMap::new();
        for (camera, decision) in decisions.open() {
            let Decision::Open { mac, ip, port, contested } = decision else { unreachable!() };
            prop_assert_eq!(mac, camera.mac());
            // Only who was given a place, and is on the list if that is all there is.
            prop_assert!(assignments.iter().any(|assignment| assignment.camera == camera));
            let rights = rights.as_ref().unwrap();
            prop_assert!(!rights.only_listed() || rights.listed.contains(&mac));
            // Only where the network says it is.
            let address = Address { ip, port };
            let told = if contested {
                Whereabouts::Conflict { incumbent: Some(address) }
            } else {
                Whereabouts::Resolved(address)
            };
            for fact in facts.iter().filter(|fact| fact.camera == camera) {
                prop_assert_eq!(fact.whereabouts, told);
            }
            prop_assert!(facts.iter().any(|fact| fact.camera == camera));
            // One MAC address is at one IP address.
            prop_assert_eq!(*ips.entry(ip).or_insert(mac), mac);
            prop_assert_eq!(*macs.entry(mac).or_insert(ip), ip);
        }

        // Everything assigned or seen is decided, and nothing else.
        let known: BTreeSet<CameraId> = assignments
            .iter()
            .map(|assignment| assignment.camera)
            .chain(facts.iter().map(|fact| fact.camera))
            .collect();
        prop_assert_eq!(known, decisions.cameras.keys().copied().collect::<BTreeSet<_>>());

        // The order of the inputs says nothing.
        let reversed: Vec<Assignment> = assignments.iter().rev().copied().collect();
        let facts_reversed: Vec<Fact> = facts.iter().rev().copied().collect();
        prop_assert_eq!(
            &decide_with(rights.as_ref(), &reversed, &facts_reversed),
            &decisions
        );

        // A larger license takes no place away.
        if let Some(rights) = &rights {
            for larger in [
                Rights { general: rights.general + 1, ..rights.clone() },
                Rights { other: rights.other + 1, ..rights.clone() },
                Rights { other_free: rights.other_free + 1, ..rights.clone() },
            ] {
                let before = holding(rights, &assignments);
                let after = holding(&larger, &assignments);
                prop_assert!(before.is_subset(&after), "{before:?} {after:?}");
            }
        }
    }
}
