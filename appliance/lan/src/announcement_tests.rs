//! Golden and hostile datagrams.

#![allow(clippy::unwrap_used)]

use super::*;

/// As a camera of a large maker answers, with its prefixes and white space.
const PROBE_MATCH: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope" xmlns:wsadis="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:dn="http://www.onvif.org/ver10/network/wsdl">
<env:Header><wsadis:MessageID>urn:uuid:48600000</wsadis:MessageID>
<wsadis:To>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</wsadis:To></env:Header>
<env:Body><d:ProbeMatches><d:ProbeMatch>
<wsadis:EndpointReference><wsadis:Address>urn:uuid:48600000-aaaa</wsadis:Address></wsadis:EndpointReference>
<d:Types>dn:NetworkVideoTransmitter</d:Types>
<d:Scopes>onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/name/Front%20door_2 onvif://www.onvif.org/hardware/DS-2CD2143G0-I onvif://www.onvif.org/location/city/hangzhou</d:Scopes>
<d:XAddrs>http://192.168.77.11/onvif/device_service http://[fe80::aa]/onvif/device_service</d:XAddrs>
<d:MetadataVersion>10</d:MetadataVersion>
</d:ProbeMatch></d:ProbeMatches></env:Body></env:Envelope>
"#;

fn parse(datagram: &str) -> Vec<Announcement> {
    Announcement::parse(datagram.as_bytes()).unwrap()
}

#[test]
fn reads_a_probe_match() {
    assert_eq!(
        parse(PROBE_MATCH),
        [Announcement {
            endpoint: "urn:uuid:48600000-aaaa".into(),
            scopes: Scopes {
                name: Some("Front door 2".into()),
                hardware: Some("DS-2CD2143G0-I".into()),
                manufacturer: None,
            },
            xaddrs: vec![
                "http://192.168.77.11/onvif/device_service".into(),
                "http://[fe80::aa]/onvif/device_service".into(),
            ],
        }]
    );
    let hello = PROBE_MATCH
        .replace("d:ProbeMatches>", "d:Other>")
        .replace("d:ProbeMatch>", "d:Hello>");
    assert_eq!(parse(&hello), parse(PROBE_MATCH));
}

#[test]
fn other_messages_announce_nothing() {
    assert_eq!(parse(&probe("1", "tds:Device")), []);
    assert_eq!(parse(&PROBE_MATCH.replace("d:ProbeMatch>", "d:Bye>")), []);
    assert_eq!(parse("<a/>"), []);
}

#[test]
fn reads_what_cameras_get_wrong() {
    // A bare ampersand, entities, and a name that is no UTF-8.
    let wrong = PROBE_MATCH.replace("Front%20door_2", "Yard&Gate&amp;x&#65;&nope;");
    assert_eq!(
        parse(&wrong)[0].scopes.name.as_deref(),
        Some("Yard&Gate&xA&nope;")
    );
    let mut gbk = PROBE_MATCH.replace("Front%20door_2", "@").into_bytes();
    let place = gbk.iter().position(|byte| *byte == b'@').unwrap();
    gbk.splice(place..=place, [0xc7, 0xb0, 0xc3, 0xc5]);
    let name = Announcement::parse(&gbk).unwrap()[0].scopes.name.clone();
    assert!(name.unwrap().contains('\u{fffd}'));
    // Cut off after the service address.
    let cut = PROBE_MATCH.split("<d:MetadataVersion>").next().unwrap();
    assert_eq!(parse(cut)[0].xaddrs.len(), 2);
}

#[test]
fn hostile_bytes_are_refused_or_bounded() {
    for bytes in [
        &b""[..],
        b"\0\0\0\0",
        b"GET / HTTP/1.1\r\n\r\n",
        &[0xff; 4000],
    ] {
        assert_eq!(
            Announcement::parse(bytes),
            Err(AnnouncementError::Malformed)
        );
    }
    let deep = format!("<ProbeMatch>{}", "<a>".repeat(20_000));
    assert_eq!(
        Announcement::parse(deep.as_bytes()),
        Err(AnnouncementError::TooDeep)
    );
    let many = "<ProbeMatch><XAddrs>http://a/</XAddrs></ProbeMatch>".repeat(1000);
    assert_eq!(parse(&many).len(), MAX_ANNOUNCEMENTS);
    let long = format!(
        "<ProbeMatch><Address>{0}</Address><Scopes>onvif://www.onvif.org/name/{0}</Scopes><XAddrs>{1}</XAddrs></ProbeMatch>",
        "é".repeat(5000),
        "http://192.168.77.11/ ".repeat(500)
    );
    let long = &parse(&long)[0];
    assert_eq!(long.endpoint.chars().count(), 128);
    assert_eq!(long.scopes.name.as_ref().unwrap().chars().count(), 128);
    assert_eq!(long.xaddrs.len(), 8);
    // No entity is expanded, so none can explode.
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaa\"><!ENTITY b \"&a;&a;\">]><Hello><Address>&b;</Address></Hello>";
    assert_eq!(parse(bomb)[0].endpoint, "&b;");
    // Every cut of a good datagram is harmless.
    for length in 0..PROBE_MATCH.len() {
        let _ = Announcement::parse(&PROBE_MATCH.as_bytes()[..length]);
    }
}

#[test]
fn percent_signs_that_are_no_escapes_stay() {
    assert_eq!(percent_decoded("100%"), "100%");
    assert_eq!(percent_decoded("%zz%4"), "%zz%4");
    assert_eq!(percent_decoded("%+1%41"), "%+1A");
    assert_eq!(percent_decoded("%e2%82%ac"), "€");
}

#[test]
fn asks_in_well_formed_xml() {
    let probe = probe("5f4bcfa0", "dn:NetworkVideoTransmitter");
    let mut reader = Reader::from_str(&probe);
    loop {
        match reader.read_event().unwrap() {
            Event::Eof => break,
            _ => continue,
        }
    }
    assert!(probe.contains("urn:uuid:5f4bcfa0"));
}
