//! Every doubt, by table.

#![allow(clippy::unwrap_used)]

use super::*;

fn mac(n: u8) -> MacAddress {
    MacAddress::from_octets([2, 0, 0, 0, 0, n]).unwrap()
}

fn claim(n: u8, address: u8, first_seen_s: u64, admitted: bool) -> Claim {
    Claim {
        ip: Ipv4Addr::new(192, 168, 77, address),
        mac: mac(n),
        first_seen: Duration::from_secs(first_seen_s),
        first_seen_utc_ms: i64::try_from(first_seen_s).unwrap() * 1000,
        evidence: Evidence::Arp,
        admitted,
    }
}

fn enrolled(address: Option<u8>, serial: Option<&str>, model: Option<&str>) -> Enrolment {
    Enrolment {
        mac: mac(1),
        ip: address.map(|address| Ipv4Addr::new(192, 168, 77, address)),
        serial: serial.map(str::to_owned),
        model: model.map(str::to_owned),
        credentials: None,
        service: None,
    }
}

fn said(serial: Option<&str>, model: Option<&str>) -> DeviceInformation {
    DeviceInformation {
        serial: serial.map(str::to_owned),
        model: model.map(str::to_owned),
        ..DeviceInformation::default()
    }
}

#[test]
fn who_it_is() {
    use ConflictKind::{OtherIdentity, UnprovenMove};
    let check = |known: &Enrolment, said: &DeviceInformation, expected: Option<ConflictKind>| {
        let found = doubt(claim(1, 11, 0, false), vec![], Some(known), Some(said), &[]);
        assert_eq!(
            found.map(|conflict| conflict.kind),
            expected,
            "{known:?} {said:?}"
        );
        assert!(found.is_none_or(|conflict| !conflict.incumbent));
    };
    let at_home = enrolled(Some(11), Some("S1"), Some("DS-2CD21"));
    check(&at_home, &said(Some("S1"), None), None);
    check(&at_home, &said(Some("S1"), Some("other")), None);
    check(
        &at_home,
        &said(Some("S2"), Some("DS-2CD21")),
        Some(OtherIdentity),
    );
    check(&at_home, &said(None, None), None);
    check(&at_home, &said(None, Some("Maker DS_2cd21")), None);
    check(&at_home, &said(None, Some("DS-9")), Some(OtherIdentity));
    let elsewhere = enrolled(Some(12), Some("S1"), Some("M"));
    check(&elsewhere, &said(Some("S1"), None), None);
    check(&elsewhere, &said(None, Some("M")), Some(UnprovenMove));
    check(&elsewhere, &said(Some("S2"), None), Some(OtherIdentity));
    // Nothing was known of it, so nothing is asked of it.
    check(&enrolled(Some(12), None, None), &said(None, None), None);
    check(&enrolled(None, Some("S1"), None), &said(None, None), None);
}

#[test]
fn who_was_first() {
    let check = |own: Claim, rivals: &[Claim], kind: ConflictKind, incumbent: bool| {
        let found = doubt(own, rivals.to_vec(), None, None, &[]).unwrap();
        assert_eq!(
            (found.kind, found.incumbent),
            (kind, incumbent),
            "{own:?} {rivals:?}"
        );
    };
    let (mac, ip) = (ConflictKind::SharedMac, ConflictKind::SharedIp);
    let at = |n, address, seconds| claim(n, address, seconds, false);
    check(at(1, 11, 0), &[at(1, 12, 5)], mac, true);
    check(at(1, 12, 5), &[at(1, 11, 0)], mac, false);
    check(at(1, 11, 5), &[at(1, 12, 5)], mac, false);
    check(at(1, 11, 0), &[at(2, 11, 5)], ip, true);
    check(at(2, 11, 5), &[at(1, 11, 0)], ip, false);
    check(at(1, 11, 3), &[at(1, 12, 5), at(2, 11, 0)], mac, false);
    let admitted = claim(1, 11, 9, true);
    check(admitted, &[at(1, 12, 1), at(2, 11, 0)], mac, true);
    check(at(2, 11, 0), &[admitted], ip, false);
    check(admitted, &[claim(1, 12, 0, true)], mac, false);
    assert_eq!(doubt(admitted, vec![], None, None, &[]), None);
}

#[test]
fn what_it_says_its_mac_is() {
    let kind = |told: &[MacAddress]| {
        let found = doubt(claim(1, 11, 0, false), vec![], None, None, told);
        found.map(|conflict| (conflict.kind, conflict.other_mac))
    };
    assert_eq!(kind(&[]), None);
    assert_eq!(kind(&[mac(2), mac(1)]), None, "one of several interfaces");
    assert_eq!(
        kind(&[mac(2)]),
        Some((ConflictKind::OtherMacTold, Some(mac(2))))
    );
}
