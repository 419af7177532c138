//! What the desk makes of what is seen, said and wished.
#![allow(clippy::unwrap_used)]

use sealgate_lan::{CameraDescription, VideoSource};

use std::sync::Arc;

use super::*;

fn mac(last: u8) -> MacAddress {
    MacAddress::from_octets([2, 0, 0, 0, 0, last]).unwrap()
}

fn camera(last: u8, source: u8) -> CameraId {
    CameraId::new(mac(last), NonZeroU8::new(source).unwrap())
}

fn seen(last: u8) -> Sighting {
    Sighting {
        interface: "cam0".into(),
        mac: Some(mac(last)),
        ip: Ipv4Addr::new(192, 168, 77, last),
        name: None,
        manufacturer: Some("Acme".into()),
        model: Some("M1".into()),
        serial: Some(format!("S{last}")),
        firmware: None,
        told_macs: Vec::new(),
        xaddr: None,
        last_seen_utc_ms: 1,
        oui_manufacturer: None,
        pinned: false,
        conflict: None,
    }
}

fn channel(camera: CameraId) -> Channel {
    Channel {
        camera,
        stream_url: Some("rtsp://192.168.77.200:8554/main".parse().unwrap()),
        sub_stream_url: Some("rtsp://a:b@192.168.77.200:8554/sub".parse().unwrap()),
        assigned_utc_ms: 1,
        assigned_by: "owner".into(),
        pinned_model: None,
        pinned_serial: None,
        name: None,
        preferred: false,
        other_brand: false,
        settings: r#"{"audio":true}"#.into(),
    }
}

fn open(camera: CameraId) -> Decisions {
    let ip = Ipv4Addr::new(192, 168, 77, camera.mac().octets()[5]);
    let decision = Decision::Open {
        mac: camera.mac(),
        ip,
        port: 8554,
        contested: false,
    };
    Decisions {
        cameras: BTreeMap::from([(camera, decision)]),
        ..Decisions::default()
    }
}

#[test]
fn a_restreamer_shows_every_source_it_needs_a_channel_for() {
    let source = |number| VideoSource {
        token: format!("source {number}"),
        number,
        streams: Vec::new(),
        snapshot: None,
        configurations: Vec::new(),
    };
    let described = CameraDescription {
        sources: vec![source(1), source(2), source(3)],
        ..CameraDescription::default()
    };
    let descriptions = Descriptions::from([(mac(10), Arc::new(described))]);
    let facts = facts(&[seen(10), seen(11)], &descriptions, &[], None);
    let cameras: Vec<CameraId> = facts.iter().map(|fact| fact.camera).collect();
    let expected = [camera(10, 1), camera(10, 2), camera(10, 3), camera(11, 1)];
    assert_eq!(cameras, expected);
}

#[test]
fn brand_is_the_vendors_word_about_addresses_and_names() {
    let own = OwnBrand {
        ouis: Vec::new(),
        names: vec!["acme".into()],
    };
    let other = OwnBrand {
        ouis: Vec::new(),
        names: vec!["Other".into()],
    };
    let sightings = [seen(10)];
    assert_eq!(brand(&sightings, mac(10), None), Brand::Own);
    assert_eq!(brand(&sightings, mac(10), Some(&own)), Brand::Own);
    assert_eq!(brand(&sightings, mac(10), Some(&other)), Brand::Other);
    assert_eq!(brand(&sightings, mac(11), Some(&own)), Brand::Other);
}

#[test]
fn streams_follow_the_camera_and_carry_its_password() {
    let id = camera(10, 1);
    let credential = Credential {
        user: "admin".into(),
        password: "p@ss".into(),
    };
    let credentials = BTreeMap::from([(mac(10), credential)]);
    let set = desired(&open(id), &[channel(id)], &credentials, |_| true);
    assert_eq!(set.cameras.len(), 1);
    let wanted = &set.cameras[0];
    assert_eq!(wanted.stream.to_string(), "rtsp://192.168.77.10:8554/main");
    let signed_in = |stream: &StreamUrl| stream.credentials().unwrap();
    assert_eq!(
        signed_in(&wanted.stream),
        ("admin".to_owned(), "p@ss".to_owned())
    );
    // Typed into the address: goes before the camera's.
    let sub = wanted.sub_stream.as_ref().unwrap();
    assert_eq!(signed_in(sub), ("a".to_owned(), "b".to_owned()));
    assert!(wanted.audio);
    let none = desired(&open(id), &[channel(id)], &credentials, |_| false);
    assert!(none.cameras.is_empty());
}

#[test]
fn the_network_is_told_who_is_enrolled_and_who_is_admitted() {
    let id = camera(10, 1);
    let channels = [channel(id), channel(camera(10, 2)), channel(camera(11, 1))];
    let admitted = BTreeMap::from([(mac(10), Ipv4Addr::new(192, 168, 77, 10))]);
    let services = BTreeMap::from([(mac(11), "http://192.168.77.11:2020/x".to_owned())]);
    let enrolled = enrolments(&channels, &admitted, &BTreeMap::new(), &services);
    let served: Vec<_> = enrolled.iter().map(|one| one.service.clone()).collect();
    assert_eq!(served, [None, services.get(&mac(11)).cloned()]);
    let told: Vec<_> = enrolled.iter().map(|one| (one.mac, one.ip)).collect();
    assert_eq!(
        told,
        [
            (mac(10), Some(Ipv4Addr::new(192, 168, 77, 10))),
            (mac(11), None)
        ]
    );
    let pinned = pins(&admissions(&open(id)), &[seen(10), seen(11)]);
    assert_eq!(pinned.len(), 1);
    assert!(pinned.iter().all(|pin| pin.mac == mac(10)));
    assert!(pins(&admissions(&open(id)), &[seen(11)]).is_empty());
}

#[test]
fn what_a_camera_says_later_is_pinned_once() {
    let unsaid = channel(camera(10, 1));
    let said = Channel {
        pinned_serial: Some("S11".into()),
        ..channel(camera(11, 1))
    };
    let found = unpinned(&[unsaid.clone(), said], &[seen(10), seen(11)]);
    let expected = (camera(10, 1), Some("M1".to_owned()), Some("S10".to_owned()));
    assert_eq!(found, [expected]);
    let silent = Sighting {
        serial: None,
        ..seen(10)
    };
    assert!(unpinned(&[unsaid], &[silent]).is_empty());
}
