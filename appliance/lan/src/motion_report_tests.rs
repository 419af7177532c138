//! Notifications as makers send them.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn notification(topic: &str, source: &str, data: &str, operation: &str) -> String {
    format!(
        concat!(
            "<NotificationMessage><Topic Dialect='x'>{}</Topic><Message>",
            "<Message UtcTime='2026-01-01T00:00:00Z' PropertyOperation='{}'>",
            "<Source>{}</Source><Data>{}</Data></Message></Message></NotificationMessage>"
        ),
        topic, operation, source, data
    )
}

fn item(name: &str, value: &str) -> String {
    format!("<SimpleItem Name='{name}' Value='{value}'/>")
}

fn read(notifications: &str) -> Vec<Report> {
    reports(&XmlNode::parse(&format!("<R>{notifications}</R>")).unwrap())
}

#[test]
fn motion_is_told_from_other_events() {
    let check = |topic: &str, data: (&str, &str), expected: Option<bool>| {
        let xml = notification(topic, "", &item(data.0, data.1), "Changed");
        let found = read(&xml).first().and_then(|report| report.active);
        assert_eq!(found, expected, "{topic} {data:?}");
    };
    let cell = "tns1:RuleEngine/CellMotionDetector/Motion";
    check(cell, ("IsMotion", "true"), Some(true));
    check(cell, ("IsMotion", "0"), Some(false));
    check("tns1:VideoSource/MotionAlarm", ("State", "1"), Some(true));
    check(
        "tns1:RuleEngine/MotionRegionDetector/Motion",
        ("State", "True"),
        Some(true),
    );
    check(
        "tnsmaker:VideoAnalytics/tnsmaker:MotionDetection",
        ("motion", "false"),
        Some(false),
    );
    check("a:VideoMotion/VMD3", ("active", "1"), Some(true));
    check(cell, ("IsMotion", "maybe"), None);
    check(
        "tns1:Device/Trigger/DigitalInput",
        ("LogicalState", "true"),
        None,
    );
    check(
        "tns1:VideoSource/ImageTooDark/ImagingService",
        ("State", "true"),
        None,
    );
}

#[test]
fn a_source_moves_while_any_of_its_detectors_does() {
    let sources = BTreeMap::from([("config-1".to_owned(), 1), ("source-2".to_owned(), 2)]);
    let mut motion = Motion::new(sources, None);
    let now = 1_767_225_600_000; // 2026-01-01T00:00:00Z
    let mut tell = |topic: &str, token: &str, active: &str, operation: &str| {
        let source = item("VideoSourceConfigurationToken", token) + &item("Rule", topic);
        let xml = notification(topic, &source, &item("IsMotion", active), operation);
        let change = motion.reported(&read(&xml)[0], 0, now);
        change.map(|change| (change.source, change.active))
    };
    let (a, b) = (
        "tns1:RuleEngine/CellMotionDetector/Motion",
        "tns1:VideoSource/MotionAlarm",
    );
    assert_eq!(tell(a, "config-1", "false", "Initialized"), None);
    assert_eq!(tell(a, "config-1", "true", "Changed"), Some((1, true)));
    assert_eq!(tell(a, "config-1", "true", "Changed"), None);
    assert_eq!(tell(b, "config-1", "true", "Changed"), None);
    assert_eq!(tell(b, "source-2", "true", "Changed"), Some((2, true)));
    assert_eq!(
        tell(a, "config-1", "false", "Changed"),
        None,
        "the other rule goes on"
    );
    assert_eq!(tell(b, "config-1", "true", "Deleted"), Some((1, false)));
    assert_eq!(
        tell(a, "elsewhere", "true", "Changed"),
        None,
        "no source of this camera"
    );
    assert_eq!(motion.lost(), [2]);
    assert_eq!(motion.lost(), Vec::<u16>::new());
}

#[test]
fn the_cameras_time_is_put_right_or_not_believed() {
    let told = 1_767_225_600_000_i64; // what the notification says
    let check = |offset: i64, now: i64, expected: i64| {
        let mut motion = Motion::new(BTreeMap::new(), Some(1));
        let xml = notification("x/Motion", "", &item("State", "true"), "Changed");
        let change = motion.reported(&read(&xml)[0], offset, now).unwrap();
        assert_eq!(change.utc_ms, expected);
    };
    check(0, told + 2_000, told);
    // Its clock is an hour ahead, and that is known.
    check(3_600_000, told - 3_599_000, told - 3_600_000);
    // It is off, and that was not known.
    check(0, told - 3_600_000, told - 3_600_000);
    check(i64::MIN, told, told);
}

#[test]
fn floods_are_bounded() {
    let mut motion = Motion::new(BTreeMap::new(), Some(1));
    let flood: String = (0..1000)
        .map(|n| {
            notification(
                "x/Motion",
                &item("Rule", &n.to_string()),
                &item("State", "1"),
                "",
            )
        })
        .collect();
    let found = read(&flood);
    assert_eq!(found.len(), MAX_REPORTS);
    let changes = found
        .iter()
        .filter_map(|report| motion.reported(report, 0, 0));
    assert_eq!(changes.count(), 1);
    assert_eq!(motion.active.len(), MAX_DETECTORS);
    let long = notification(&"motion/".repeat(100), "", &item("State", "1"), "");
    assert_eq!(read(&long), []);
    assert_eq!(read("<NotificationMessage/>"), []);
}

/// Pieces of notifications, whole and broken, in any order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("<NotificationMessage>".to_owned()),
        Just("</NotificationMessage>".to_owned()),
        Just("<Topic>tns1:VideoSource/MotionAlarm</Topic>".to_owned()),
        Just("<Message UtcTime='2026-01-01T00:00:00Z'>".to_owned()),
        Just("<Message PropertyOperation='Deleted' UtcTime='-9999-99-99'>".to_owned()),
        Just("</Message>".to_owned()),
        Just("<Source><SimpleItem Name='VideoSourceToken' Value='x'/></Source>".to_owned()),
        Just("<Data><SimpleItem Name='State' Value='true'/></Data>".to_owned()),
        Just("<Data><SimpleItem Name='State'/></Data>".to_owned()),
        "[<>&'\"a-z/= ]{0,12}",
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn whatever_comes_is_followed_without_a_panic(text in pieces(), offset: i64, now: i64) {
        if let Ok(answer) = XmlNode::parse(&format!("<R>{text}</R>")) {
            let mut motion = Motion::new(BTreeMap::new(), Some(1));
            let mut is_active = false;
            for report in reports(&answer) {
                if let Some(change) = motion.reported(&report, offset, now) {
                    prop_assert_ne!(change.active, is_active, "only changes are told");
                    is_active = change.active;
                    prop_assert!(change.utc_ms.abs_diff(now) <= MOST_OFF_MS.unsigned_abs());
                }
            }
            prop_assert_eq!(motion.lost().len(), usize::from(is_active));
        }
    }
}
