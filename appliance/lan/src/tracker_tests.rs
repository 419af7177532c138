//! What the tracker makes of news.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::{Location, Scopes, locate};

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

    assert_eq!(
        tracker.take_due(at(1), 4),
        [(CAM0.to_owned(), ip(11), xaddr.to_owned())]
    );
    assert_eq!(tracker.take_due(at(2), 4), [], "asked a moment ago");
    assert_eq!(tracker.take_due(at(62), 4).len(), 1);
    let information = DeviceInformation {
        manufacturer: Some("Maker".into()),
        model: Some("Model".into()),
        serial: Some("S1".into()),
        firmware: None,
    };
    tracker.informed(CAM0, ip(11), information);
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
    let conflict = |incumbent| Some(Conflict { kind, incumbent });
    assert_eq!(seen[0].conflict, conflict(true));
    assert_eq!(seen[1].conflict, conflict(false));
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
