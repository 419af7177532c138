//! Lists as people send them.

#![allow(clippy::unwrap_used)]

use super::*;
use RowProblem::{
    Address, Columns, Control, Encoding, NoAddress, NoHost, PasswordAlone, TooLong, Twice,
};

fn one(line: &str) -> Result<ListedCamera, Vec<RowProblem>> {
    let mut rows = read_camera_list(line.as_bytes()).unwrap();
    assert_eq!(rows.len(), 1, "{line:?}");
    rows.remove(0).verdict
}

fn at(ip: &str, port: Option<u16>) -> Place {
    Place::Address {
        ip: ip.parse().unwrap(),
        port,
    }
}

#[test]
fn good_lines() {
    let check = |line: &str, place: Place, name: Option<&str>, sign_in: Option<(&str, &str)>| {
        let camera = one(line).unwrap();
        assert_eq!(camera.place, place, "{line}");
        assert_eq!(camera.name.as_deref(), name, "{line}");
        let known = camera.credentials.as_ref();
        let known = known.map(|known| (known.user.as_str(), known.password.as_str()));
        assert_eq!(known, sign_in, "{line}");
    };
    check("192.0.2.7", at("192.0.2.7", None), None, None);
    check(
        " 192.0.2.7:8000 ,Door",
        at("192.0.2.7", Some(8000)),
        Some("Door"),
        None,
    );
    check(
        "192.0.2.7,\"Gate, \"\"north\"\"\",admin,\"a,b\"\"c \"",
        at("192.0.2.7", None),
        Some("Gate, \"north\""),
        Some(("admin", "a,b\"c ")),
    );
    check(
        "192.0.2.7;Door;admin;p",
        at("192.0.2.7", None),
        Some("Door"),
        Some(("admin", "p")),
    );
    check(
        "192.0.2.7,,admin,,,",
        at("192.0.2.7", None),
        None,
        Some(("admin", "")),
    );
    check(
        "rtsp://u:p%40s@192.0.2.7:8554/main?x=1,Yard",
        Place::Stream("rtsp://192.0.2.7:8554/main?x=1".into()),
        Some("Yard"),
        Some(("u", "p@s")),
    );
    check(
        "http://192.0.2.7:8899/onvif/x,,admin,p",
        Place::Service("http://192.0.2.7:8899/onvif/x".into()),
        None,
        Some(("admin", "p")),
    );
    check(
        "rtsp://u:p@192.0.2.7/m,,other,q",
        Place::Stream("rtsp://192.0.2.7/m".into()),
        None,
        Some(("other", "q")),
    );
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let check = |line: &str, expected: &[RowProblem]| {
        assert_eq!(one(line).unwrap_err(), expected, "{line}");
    };
    check(",Door", &[NoAddress]);
    check("camera.local", &[Address("camera.local".into())]);
    check(
        "rtsp://u:secret@camera.local/x",
        &[Address("camera.local/x".into())],
    );
    check("ftp://192.0.2.7/", &[Address("ftp://192.0.2.7/".into())]);
    check("192.0.2.7:0", &[Address("192.0.2.7:0".into())]);
    check("fe80::1", &[Address("fe80::1".into())]);
    check("239.1.1.1", &[NoHost(Ipv4Addr::new(239, 1, 1, 1))]);
    check("192.0.2.7,,,secret", &[PasswordAlone]);
    check(
        "nowhere,Door,,secret",
        &[Address("nowhere".into()), PasswordAlone],
    );
    check("192.0.2.7,a,b,c,d", &[Columns(5)]);
    check(
        "192.0.2.7,\"two\nlines\",u,\"p\u{7}\"",
        &[Control("name"), Control("password")],
    );
    let long = "x".repeat(600);
    check(&format!("192.0.2.7,{long},u,p"), &[TooLong("name")]);
    let problems = [NoAddress, Twice(1), PasswordAlone];
    assert_eq!(
        problems.map(|problem| problem.code()),
        ["SG-CAM-036", "SG-CAM-037", "SG-CAM-038"]
    );
}

#[test]
fn one_bad_line_stops_no_other() {
    let list = b"\xef\xbb\xbfName,IP Address,Password,User,Remark\r\nDoor,192.0.2.7,p,admin,old\r\n\r\nGate,192.0.2.7,,\r\n\xff,192.0.2.8\r\nYard,192.0.2.9\r\n";
    let rows = read_camera_list(list).unwrap();
    let seen: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.line,
                row.verdict.as_ref().map(|camera| camera.place.ip()),
            )
        })
        .collect();
    assert_eq!(
        rows[0].verdict.as_ref().unwrap().name.as_deref(),
        Some("Door")
    );
    assert_eq!(
        rows[0]
            .verdict
            .as_ref()
            .unwrap()
            .credentials
            .as_ref()
            .unwrap()
            .password,
        "p"
    );
    assert_eq!(seen[1], (4, Err(&vec![Twice(2)])));
    assert_eq!(seen[2], (5, Err(&vec![Encoding])));
    assert_eq!(seen[3], (6, Ok(Some(Ipv4Addr::new(192, 0, 2, 9)))));
}

#[test]
fn a_camera_may_be_named_like_a_column() {
    let rows = read_camera_list(b"192.0.2.9,host,url,x\n").unwrap();
    let camera = rows[0].verdict.as_ref().unwrap();
    assert_eq!(camera.name.as_deref(), Some("host"));
}

#[test]
fn lists_are_bounded() {
    assert_eq!(
        read_camera_list(&vec![b'a'; MAX_LIST_BYTES + 1]),
        Err(ListError::TooLong)
    );
    let lines = "192.0.2.7\n".repeat(MAX_LIST_ROWS + 1);
    assert_eq!(
        read_camera_list(lines.as_bytes()),
        Err(ListError::TooManyRows)
    );
    assert_eq!(read_camera_list(b""), Ok(vec![]));
    assert_eq!(read_camera_list(b"\n\n , ,\n"), Ok(vec![]));
    // A quote that is never closed is one long field.
    let rows = read_camera_list(b"192.0.2.7,\"open\n192.0.2.8\n").unwrap();
    assert_eq!(rows[0].verdict, Err(vec![Control("name")]));
}

#[test]
fn nothing_written_is_a_formula() {
    let check = |field: &str, expected: &str| {
        assert_eq!(write_list([&[field][..]]), format!("{expected}\r\n"));
    };
    check("Door", "Door");
    check("=1+1", "\"'=1+1\"");
    check("@SUM(A1)", "\"'@SUM(A1)\"");
    check(" -2", "\"' -2\"");
    check("+49", "\"'+49\"");
    check("\t=1", "\"'\t=1\"");
    check("a,\"b\"", "\"a,\"\"b\"\"\"");
    check("\u{ff1d}1", "\"'\u{ff1d}1\"");
    let row: &[&str] = &["192.0.2.7", "=cmd|' /C calc'!A0"];
    let text = write_list([row]);
    let read = read_camera_list(text.as_bytes()).unwrap();
    let name = read[0].verdict.as_ref().unwrap().name.clone();
    assert_eq!(name.as_deref(), Some("'=cmd|' /C calc'!A0"));
}

#[test]
fn problems_show_no_password() {
    let line = "http://u:s3cret@nowhere.example/,,,s3cret";
    let shown = format!("{:?}", one(line));
    assert!(!shown.contains("s3cret"), "{shown}");
}
