//! What the tracker makes of news.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::{Conflict, ConflictKind, Location, NetworkInterface, Scopes, locate};

const CAM0: &str = "cam0";

fn at(seconds: u64) -> Now {
    Now {
        monotonic: Duration::from_secs(1000 + seconds),
        utc_ms: i64::try_from(seconds).unwrap() * 1000,
    }
}

fn mac(n: u8) -> MacAddress {
    MacAddress::from_octets([2, 0, 0, 0, 0, n]).unwrap()
}

fn ip(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 77, n)
}

fn alive(n: u8, address: u8) -> Neighbour {
    confirmed(n, address, 0)
}

fn confirmed(n: u8, address: u8, seconds_ago: u64) -> Neighbour {
    Neighbour {
        ip: ip(address),
        state: NeighbourState::Known {
            mac: mac(n),
            confirmed_ago: Duration::from_secs(seconds_ago),
        },
    }
}

fn failed(address: u8) -> Neighbour {
    Neighbour {
        ip: ip(address),
        state: NeighbourState::Failed,
    }
}

fn tracker() -> Tracker {
    Tracker::new(Duration::from_secs(300))
}

fn announcement(xaddrs: &[&str]) -> Announcement {
    Announcement {
        endpoint: "urn:uuid:1".into(),
        scopes: Scopes {
            name: Some("Door".into()),
            hardware: Some("Scope model".into()),
            manufacturer: None,
        },
        xaddrs: xaddrs.iter().map(|xaddr| (*xaddr).to_owned()).collect(),
    }
}

fn on_link(address: Ipv4Addr) -> bool {
    address.octets()[..3] == [192, 168, 77]
}

fn hear(tracker: &mut Tracker, seconds: u64, from: Ipv4Addr, xaddrs: &[&str]) -> bool {
    tracker.announced(at(seconds), CAM0, from, on_link, announcement(xaddrs))
}

#[test]
fn a_neighbour_without_an_answer_is_listed_too() {
    let mut tracker = tracker();
    tracker.neighbours(at(0), CAM0, &[alive(1, 11)]);
    let seen = tracker.sightings(at(0));
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].mac, seen[0].ip), (Some(mac(1)), ip(11)));
    assert_eq!((&seen[0].name, &seen[0].xaddr), (&None, &None));
}

#[test]
fn an_answer_names_the_neighbour_at_its_address() {
    let mut tracker = tracker();
    let xaddr = "http://192.168.77.11/onvif/device_service";
    assert!(
        hear(&mut tracker, 0, ip(11), &["http://[fe80::1]/x", xaddr]),
        "the kernel does not know the address yet, so it is to be asked"
    );
    assert_eq!(tracker.sightings(at(0)), [], "no MAC address, no sighting");
    tracker.neighbours(at(1), CAM0, &[alive(1, 11)]);
    assert!(!hear(&mut tracker, 1, ip(11), &[xaddr]));
    let seen = tracker.sightings(at(1));
    assert_eq!(seen[0].name.as_deref(), Some("Door"));
    assert_eq!(seen[0].xaddr.as_deref(), Some(xaddr));

    let due = tracker.take_due(at(1), 4);
    assert_eq!((due.len(), due[0].ip), (1, ip(11)));
    assert_eq!((due[0].xaddr.as_str(), &due[0].credentials), (xaddr, &None));
    assert_eq!(tracker.take_due(at(2), 4), [], "asked a moment ago");
    assert_eq!(tracker.take_due(at(62), 4).len(), 1);
    let information = DeviceInformation {
        manufacturer: Some("Maker".into()),
        model: Some("Model".into()),
        serial: Some("S1".into()),
        firmware: None,
    };
    let identity = Identity {
        device: information,
        interfaces: vec![],
    };
    tracker.informed(at(62), CAM0, ip(11), identity);
    assert_eq!(tracker.take_due(at(100_000), 4), []);
    let seen = tracker.sightings(at(62));
    assert_eq!(seen[0].model.as_deref(), Some("Model"));
    assert_eq!(seen[0].serial.as_deref(), Some("S1"));
}

#[test]
fn an_address_off_the_cable_has_no_mac() {
    let mut tracker = tracker();
    // A router on the cable answers for a camera behind it.
    tracker.neighbours(at(0), CAM0, &[alive(9, 250)]);
    let behind = "http://10.9.0.5/onvif/device_service";
    assert!(!hear(&mut tracker, 0, ip(250), &[behind]));
    // And one that reaches us from there by itself.
    let farther = Announcement {
        endpoint: "urn:uuid:2".into(),
        ..Announcement::default()
    };
    let far = Ipv4Addr::new(10, 9, 0, 6);
    assert!(!tracker.announced(at(0), CAM0, far, on_link, farther));
    let seen: Vec<_> = tracker
        .sightings(at(0))
        .into_iter()
        .filter(Sighting::is_behind_router)
        .map(|sighting| (sighting.ip, sighting.xaddr))
        .collect();
    assert_eq!(
        seen,
        [(Ipv4Addr::new(10, 9, 0, 5), None), (far, None)],
        "listed, but with no address to ask"
    );
    assert_eq!(tracker.take_due(at(0), 4), []);
}

#[test]
fn a_false_service_address_is_put_right() {
    let mut tracker = tracker();
    tracker.neighbours(at(0), CAM0, &[alive(1, 11), alive(2, 12)]);
    // B, at .12, claims A's services: it is asked at .12, and A is not touched.
    hear(
        &mut tracker,
        0,
        ip(12),
        &["http://192.168.77.11:8000/onvif/x"],
    );
    let seen = tracker.sightings(at(0));
    assert_eq!(seen[0].xaddr, None);
    assert_eq!(
        seen[1].xaddr.as_deref(),
        Some("http://192.168.77.12:8000/onvif/x")
    );
}

#[test]
fn one_mac_at_two_addresses() {
    let mut tracker = tracker();
    tracker.neighbours(at(0), CAM0, &[alive(1, 11)]);
    tracker.neighbours(at(10), CAM0, &[alive(1, 11), alive(1, 13)]);
    let seen = tracker.sightings(at(10));
    let kind = ConflictKind::SharedMac;
    let conflict = |incumbent, other: u8| {
        Some(Conflict {
            kind,
            incumbent,
            other_mac: None,
            other_ip: Some(ip(other)),
            since_utc_ms: 10_000,
            evidence: Evidence::NeighbourTable,
        })
    };
    assert_eq!(seen[0].conflict, conflict(true, 13));
    assert_eq!(seen[1].conflict, conflict(false, 11));
    let incumbent = Some(ip(11));
    assert_eq!(locate(&seen, mac(1)), Location::Contested { incumbent });

    // The old address falls silent: it was a move, and the new one counts alone.
    tracker.neighbours(at(20), CAM0, &[failed(11), alive(1, 13)]);
    let seen = tracker.sightings(at(20));
    assert!(seen.iter().all(|sighting| sighting.conflict.is_none()));
    assert_eq!(locate(&seen, mac(1)), Location::At(ip(13)));
    // It speaks again: now the other one was first, by then.
    tracker.neighbours(at(30), CAM0, &[alive(1, 11), alive(1, 13)]);
    assert!(matches!(
        locate(&tracker.sightings(at(30)), mac(1)),
        Location::Contested { .. }
    ));
}

#[test]
fn two_macs_at_one_address() {
    let mut tracker = tracker();
    tracker.neighbours(at(0), CAM0, &[alive(1, 11)]);
    tracker.neighbours(at(10), CAM0, &[alive(2, 11)]);
    let seen = tracker.sightings(at(10));
    assert_eq!(
        locate(&seen, mac(1)),
        Location::Contested {
            incumbent: Some(ip(11))
        }
    );
    assert_eq!(
        locate(&seen, mac(2)),
        Location::Contested { incumbent: None }
    );
    // Two minutes on, only one of them was seen.
    tracker.neighbours(at(140), CAM0, &[alive(2, 11)]);
    let seen = tracker.sightings(at(140));
    assert_eq!(locate(&seen, mac(2)), Location::At(ip(11)));
}

#[test]
fn seen_together_from_the_start_neither_was_first() {
    let mut tracker = tracker();
    tracker.neighbours(at(0), CAM0, &[alive(1, 11), alive(1, 12)]);
    assert_eq!(
        locate(&tracker.sightings(at(0)), mac(1)),
        Location::Contested { incumbent: None }
    );
}

#[test]
fn the_silent_are_forgotten() {
    let mut tracker = tracker();
    tracker.neighbours(at(0), CAM0, &[alive(1, 11)]);
    hear(&mut tracker, 0, ip(11), &["http://192.168.77.11/x"]);
    // The kernel keeps a stale entry for ever; that is no sign of life.
    tracker.neighbours(at(299), CAM0, &[confirmed(1, 11, 299)]);
    assert_eq!(tracker.sightings(at(299)).len(), 1);
    tracker.neighbours(at(301), CAM0, &[confirmed(1, 11, 301)]);
    assert_eq!(tracker.sightings(at(301)), []);
    assert_eq!(locate(&[], mac(1)), Location::Unknown);
    assert_eq!(tracker.addresses(CAM0), Vec::<Ipv4Addr>::new());
    tracker.neighbours(at(400), CAM0, &[alive(1, 11)]);
    assert_eq!(tracker.sightings(at(400)).len(), 1);
}

#[test]
fn a_flood_is_bounded() {
    let mut tracker = tracker();
    for n in 0..3000_u32 {
        let octets = n.to_be_bytes();
        let from = Ipv4Addr::new(192, 168, 77, octets[3]);
        let neighbour = Neighbour {
            ip: Ipv4Addr::from(0x0a00_0000 + n),
            state: NeighbourState::Known {
                mac: MacAddress::from_octets([2, 0, 0, 0, octets[2], octets[3]]).unwrap(),
                confirmed_ago: Duration::ZERO,
            },
        };
        tracker.neighbours(at(0), CAM0, &[neighbour]);
        let announced = Announcement {
            endpoint: format!("urn:{n}"),
            xaddrs: vec!["http://10.0.0.1/".into()],
            ..Announcement::default()
        };
        tracker.announced(at(0), CAM0, from, on_link, announced);
    }
    assert_eq!(tracker.sightings(at(0)).len(), 2 * MAX_TRACKED);
}

fn enrolled(n: u8, address: u8, serial: Option<&str>) -> Enrolment {
    Enrolment {
        mac: mac(n),
        ip: Some(ip(address)),
        serial: serial.map(str::to_owned),
        model: None,
        credentials: None,
        service: None,
    }
}

fn identity(serial: &str, told: Option<u8>) -> Identity {
    Identity {
        device: DeviceInformation {
            serial: Some(serial.into()),
            ..DeviceInformation::default()
        },
        interfaces: told
            .map(|n| NetworkInterface {
                name: None,
                mac: Some(mac(n)),
            })
            .into_iter()
            .collect(),
    }
}

fn kind(seen: &[Sighting], address: u8) -> Option<ConflictKind> {
    let sighting = seen.iter().find(|sighting| sighting.ip == ip(address));
    sighting.unwrap().conflict.map(|conflict| conflict.kind)
}

/// Asks for the due addresses each second, and lets `answers` answer.
fn wait(tracker: &mut Tracker, from: u64, to: u64, answers: &[(u8, u8)]) {
    for second in from..to {
        for (interface, asked) in tracker.take_arp_due(at(second), |_| true) {
            for (n, address) in answers {
                if asked == ip(*address) {
                    tracker.claimed(at(second), &interface, asked, mac(*n));
                }
            }
        }
    }
}

#[test]
fn a_camera_moves_once_its_old_address_is_silent_and_it_shows_its_serial_number() {
    let mut tracker = tracker();
    tracker.enrol(vec![enrolled(1, 11, Some("S1"))]);
    tracker.neighbours(at(0), CAM0, &[alive(1, 11)]);
    hear(
        &mut tracker,
        0,
        ip(11),
        &["http://192.168.77.11:8000/onvif/x"],
    );
    tracker.informed(at(0), CAM0, ip(11), identity("S1", None));
    assert_eq!(
        locate(&tracker.sightings(at(1)), mac(1)),
        Location::At(ip(11))
    );

    tracker.claimed(at(20), CAM0, ip(12), mac(1));
    let incumbent = Some(ip(11));
    let seen = tracker.sightings(at(20));
    assert_eq!(locate(&seen, mac(1)), Location::Contested { incumbent });
    // Nobody answers at the old address.
    wait(&mut tracker, 20, 25, &[(1, 12)]);
    let seen = tracker.sightings(at(25));
    assert_eq!(kind(&seen, 12), Some(ConflictKind::UnprovenMove));
    let unproven = Location::Contested { incumbent: None };
    assert_eq!(locate(&seen, mac(1)), unproven);
    // It is asked where its service was, at its new address.
    let due = tracker.take_due(at(25), 4);
    let moved = due.iter().find(|due| due.ip == ip(12)).unwrap();
    assert_eq!(moved.xaddr, "http://192.168.77.12:8000/onvif/x");
    tracker.informed(at(25), CAM0, ip(12), identity("S1", None));
    let seen = tracker.sightings(at(25));
    assert_eq!(locate(&seen, mac(1)), Location::At(ip(12)));

    // With another serial number it is another camera.
    tracker.informed(at(25), CAM0, ip(12), identity("S2", None));
    let seen = tracker.sightings(at(25));
    assert_eq!(kind(&seen, 12), Some(ConflictKind::OtherIdentity));
    assert_eq!(locate(&seen, mac(1)), unproven);
}

#[test]
fn where_a_camera_was_admitted_counts_more_than_who_was_first() {
    let mut tracker = tracker();
    tracker.enrol(vec![enrolled(1, 11, None)]);
    // After a restart the impostors are heard first.
    tracker.claimed(at(0), CAM0, ip(13), mac(1));
    tracker.claimed(at(0), CAM0, ip(11), mac(9));
    tracker.claimed(at(5), CAM0, ip(11), mac(1));
    wait(&mut tracker, 5, 10, &[(1, 13), (9, 11), (1, 11)]);
    let seen = tracker.sightings(at(10));
    let incumbent = Some(ip(11));
    assert_eq!(locate(&seen, mac(1)), Location::Contested { incumbent });
    let impostor = seen.iter().find(|s| s.mac == Some(mac(9))).unwrap();
    let conflict = impostor.conflict.unwrap();
    assert_eq!(
        (conflict.kind, conflict.incumbent),
        (ConflictKind::SharedIp, false)
    );
    assert_eq!(conflict.other_mac, Some(mac(1)));
    assert_eq!(
        (conflict.evidence, conflict.since_utc_ms),
        (Evidence::Arp, 5_000)
    );
}

#[test]
fn a_pinned_camera_is_asked_for_and_falls_silent() {
    let mut tracker = tracker();
    let pin = Pin {
        interface: CAM0.into(),
        ip: ip(11),
        mac: mac(1),
    };
    tracker.pinned([pin].into());
    tracker.claimed(at(0), CAM0, ip(11), mac(1));
    assert_eq!(tracker.take_arp_due(at(9), |_| true).len(), 0);
    assert_eq!(
        tracker.take_arp_due(at(11), |_| false).len(),
        0,
        "no ear there"
    );
    wait(&mut tracker, 10, 12, &[(1, 11)]);
    assert!(tracker.sightings(at(12))[0].pinned);
    // Silent now; it is asked on, and heard when it is back.
    wait(&mut tracker, 12, 60, &[]);
    let again = tracker.take_arp_due(at(70), |_| true);
    assert_eq!(again.len(), 1);
    tracker.take_newcomers();
    tracker.claimed(at(71), CAM0, ip(11), mac(1));
    assert_eq!(
        tracker.take_newcomers().len(),
        1,
        "it shows again who it is"
    );
}

#[test]
fn a_camera_that_says_it_has_another_mac_is_not_resolved() {
    let mut tracker = tracker();
    tracker.neighbours(at(0), CAM0, &[alive(1, 11)]);
    hear(&mut tracker, 0, ip(11), &["http://192.168.77.11/x"]);
    tracker.informed(at(0), CAM0, ip(11), identity("S1", Some(5)));
    let seen = tracker.sightings(at(1));
    assert_eq!(locate(&seen, mac(1)), Location::Unresolved);
    let conflict = seen[0].conflict.unwrap();
    assert_eq!(conflict.kind, ConflictKind::OtherMacTold);
    assert_eq!(
        (conflict.other_mac, conflict.evidence),
        (Some(mac(5)), Evidence::Onvif)
    );
    assert_eq!(seen[0].told_macs, [mac(5)]);
    tracker.informed(at(2), CAM0, ip(11), identity("S1", Some(1)));
    assert_eq!(
        locate(&tracker.sightings(at(2)), mac(1)),
        Location::At(ip(11))
    );
}

#[test]
fn a_camera_that_announces_nothing_is_asked_where_its_service_was_found() {
    let mut tracker = tracker();
    tracker.neighbours(at(0), CAM0, &[alive(1, 11), alive(2, 12)]);
    assert_eq!(tracker.take_due(at(0), 4), []);
    let found = |service: Option<&str>| Enrolment {
        service: service.map(str::to_owned),
        ..enrolled(1, 11, None)
    };
    // It was elsewhere when it was found.
    tracker.enrol(vec![found(Some("http://192.168.77.99:2020/onvif/x"))]);
    let due = tracker.take_due(at(1), 4);
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].xaddr, "http://192.168.77.11:2020/onvif/x");
    tracker.informed(at(1), CAM0, ip(11), identity("S1", None));
    // It is not forgotten while the camera is seen.
    tracker.neighbours(at(200), CAM0, &[alive(1, 11)]);
    assert_eq!(tracker.sightings(at(200)).len(), 2);
    tracker.neighbours(at(400), CAM0, &[alive(1, 11)]);
    let seen = tracker.sightings(at(400));
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].serial.as_deref(), Some("S1"));
    assert_eq!(
        seen[0].xaddr.as_deref(),
        Some("http://192.168.77.11:2020/onvif/x")
    );
    // Nothing answers there any more.
    tracker.enrol(vec![found(None)]);
    assert_eq!(tracker.sightings(at(401))[0].xaddr, None);
    // What it announces itself goes before what was found.
    hear(
        &mut tracker,
        402,
        ip(11),
        &["http://192.168.77.11:8000/onvif/y"],
    );
    tracker.enrol(vec![found(Some("http://192.168.77.99:2020/onvif/x"))]);
    assert_eq!(
        tracker.sightings(at(402))[0].xaddr.as_deref(),
        Some("http://192.168.77.11:8000/onvif/y")
    );
}
