//! The pages of cameras and their recordings.
#![allow(clippy::unwrap_used, clippy::panic)]

mod fakes;

use axum::body::Body;
use axum::http::Request;
use serde_json::json;

use fakes::client::Client;
use fakes::{CAMERA_A, CAMERA_B, World, failed_disk, problem};

async fn signed_in(world: &World) -> Client {
    let mut browser = Client::new(world.router());
    browser.sign_in().await;
    browser
}

#[tokio::test]
async fn cameras_are_found_by_whatever_identifies_them() {
    let world = World::set_up();
    let mut browser = signed_in(&world).await;
    let check = async |browser: &mut Client, query: &str, dock: bool, gate: bool| {
        let page = browser.get(&format!("/cameras?{query}")).await.text;
        let row = |id: &str| page.contains(&format!("href=\"/cameras/{id}\""));
        assert_eq!((row(CAMERA_A), row(CAMERA_B)), (dock, gate), "{query}");
    };
    check(&mut browser, "q=", true, true).await;
    check(&mut browser, "q=dock+3", true, false).await;
    check(&mut browser, "q=0200.0000.000B", false, true).await;
    check(&mut browser, "q=02-00-00-00-00-0a", true, false).await;
    check(&mut browser, "q=192.168.77.12", false, true).await;
    check(&mut browser, "q=harbour", true, true).await;
    check(&mut browser, "q=nothing+of+that", false, false).await;
    check(&mut browser, "show=found", true, true).await;
    check(&mut browser, "show=admitted", false, false).await;
    check(&mut browser, "show=nonsense", true, true).await;
}

#[tokio::test]
async fn whoever_only_watches_is_shown_nothing_they_may_not_do() {
    let world = World::set_up();
    let pages = [
        "/cameras".to_owned(),
        format!("/cameras/{CAMERA_A}"),
        format!("/live/{CAMERA_A}"),
        format!("/playback/{CAMERA_A}"),
    ];
    let mut operator = Client::new(world.router());
    operator.sign_in_as("operator").await;
    let mut viewer = Client::new(world.router());
    viewer.sign_in_as("viewer").await;
    let changes = |html: &str| {
        let forms = html.matches("method=\"post\"").count();
        // Signing out is for everybody.
        forms - 1
            + html.matches("data-ptz").count()
            + html.matches("/release\"").count()
            + html.matches("Mark a clip").count()
    };
    for path in pages {
        assert!(changes(&operator.get(&path).await.text) > 0, "{path}");
        assert_eq!(changes(&viewer.get(&path).await.text), 0, "{path}");
    }
}

#[tokio::test]
async fn a_doubtful_camera_and_a_mended_gate_stand_on_top() {
    let world = World::set_up();
    let mut browser = signed_in(&world).await;
    let quiet = browser.get("/cameras").await.text;
    assert!(!quiet.contains("SG-CAM-067"), "{quiet}");
    world.fake.cameras.lock().unwrap()[0].reason = Some(problem("SG-CAM-040"));
    *world.fake.mended.lock().unwrap() = 2;
    *world.fake.disks.lock().unwrap() = vec![failed_disk()];
    let page = browser.get("/cameras").await.text;
    let alarms = page.split("data-part=\"cameras\"").next().unwrap();
    assert!(alarms.contains("data-code=\"SG-CAM-040\""), "{alarms}");
    assert!(alarms.contains("data-code=\"SG-CAM-067\""), "{alarms}");
    assert!(alarms.contains("data-code=\"SG-REC-021\""), "{alarms}");
    assert!(alarms.contains("times since the start: 2"), "{alarms}");
}

#[tokio::test]
async fn a_camera_is_asked_then_added() {
    let world = World::set_up();
    let mut browser = signed_in(&world).await;
    let csrf = browser.get("/cameras/add").await.csrf();
    let fields = [
        ("csrf", csrf.as_str()),
        ("address", "nonsense"),
        ("password", "s3cret"),
    ];
    let wrong = browser.post_form("/cameras/check", &fields).await;
    assert!(wrong.text.contains("SG-CAM-061"), "{}", wrong.text);
    assert!(wrong.text.contains("value=\"nonsense\""), "{}", wrong.text);
    assert!(!wrong.text.contains("name=\"check\""), "{}", wrong.text);
    assert!(!wrong.text.contains("s3cret"), "{}", wrong.text);
    let fields = [("csrf", csrf.as_str()), ("address", "192.168.77.11")];
    let right = browser.post_form("/cameras/check", &fields).await;
    assert!(right.text.contains("1920 × 1080"), "{}", right.text);
    assert!(
        right.text.contains("Can't be recorded") || right.text.contains("Can&#39;t be recorded")
    );
    let check = right.after("name=\"check\" value=\"");
    let fields = [("csrf", csrf.as_str()), ("check", check.as_str())];
    let added = browser.post_form("/cameras/add", &fields).await;
    assert!(
        added.text.contains("1 camera was added, 1 not."),
        "{}",
        added.text
    );
    // A long list goes on behind a page that tells how far it is.
    let long = [("csrf", csrf.as_str()), ("check", fakes::adding::LONG)];
    let goes_on = browser.post_form("/cameras/add", &long).await;
    assert_eq!(goes_on.status, 303);
    let progress = browser.get("/cameras/adding/1").await;
    assert!(
        progress.text.contains("26 of 30 asked"),
        "{}",
        progress.text
    );
    let fields = [("csrf", csrf.as_str()), ("check", "used")];
    let stale = browser.post_form("/cameras/add", &fields).await;
    assert_eq!(stale.status, 409);
    assert!(stale.text.contains("SG-CAM-062"), "{}", stale.text);
}

#[tokio::test]
async fn every_line_of_a_list_gets_its_verdict() {
    let world = World::set_up();
    let mut browser = signed_in(&world).await;
    let csrf = browser.get("/cameras/import").await.csrf();
    let list = b"192.168.77.11,Dock\nhere,<b>Gate</b>,,s3cret\n";
    let page = browser.post_file("/cameras/check-list", &csrf, list).await;
    for words in ["1 line can", "SG-CAM-036", "SG-CAM-038", "Add 1 camera"] {
        assert!(page.text.contains(words), "{words}: {}", page.text);
    }
    assert!(!page.text.contains("s3cret"), "{}", page.text);
    let bad = browser
        .post_file("/cameras/check-list", &csrf, b"here\n")
        .await;
    assert!(!bad.text.contains("name=\"check\""), "{}", bad.text);
    let foreign = browser.post_file("/cameras/check-list", "no", list).await;
    assert_eq!(foreign.status, 403);
}

#[tokio::test]
async fn lists_for_programs_are_bounded() {
    let world = World::set_up();
    let mut program = Client::new(world.router());
    program.begin_session().await;
    let send = |bytes: Vec<u8>| {
        Request::post("/api/v1/cameras/check-list")
            .body(Body::from(bytes))
            .unwrap()
    };
    let read = program
        .send(send(b"192.168.77.11\nx\n".to_vec()))
        .await
        .json();
    assert_eq!(read["id"], fakes::adding::CHECK);
    assert_eq!(read["rows"][1]["problems"][0]["code"], "SG-CAM-036");
    let long = program.send(send(vec![b'a'; 1024 * 1024 + 1])).await;
    assert_eq!(
        (long.status.as_u16(), long.code().as_str()),
        (422, "SG-CAM-039")
    );
    let none = json!({ "cameras": [], "passwords": [] });
    let none = program
        .json("POST", "/api/v1/cameras/passwords", none)
        .await;
    assert_eq!(none.code(), "SG-API-001");
}

#[tokio::test]
async fn several_passwords_are_tried_at_the_chosen_cameras() {
    let world = World::set_up();
    let mut browser = signed_in(&world).await;
    let csrf = browser.get("/cameras/passwords").await.csrf();
    let base = [("csrf", csrf.as_str()), ("user", "admin")];
    let nobody = browser.post_form("/cameras/passwords", &base).await;
    assert!(nobody.text.contains("href=\"#cameras\""), "{}", nobody.text);
    let fields = [
        base[0],
        ("more", "admin%20wrong%0aroot%20s3cret"),
        ("mac-02%3A00%3A00%3A00%3A00%3A0a", "on"),
    ];
    let tried = browser.post_form("/cameras/passwords", &fields).await;
    assert!(
        tried.text.contains("The password of root fits."),
        "{}",
        tried.text
    );
    assert!(!tried.text.contains("s3cret"), "{}", tried.text);
    let fields = [
        base[0],
        ("more", "admin"),
        ("mac-02%3A00%3A00%3A00%3A00%3A0a", "on"),
    ];
    let odd = browser.post_form("/cameras/passwords", &fields).await;
    assert!(odd.text.contains("Line 1 has no blank"), "{}", odd.text);
}

#[tokio::test]
async fn the_owner_chooses_who_stays() {
    let world = World::set_up();
    let mut browser = signed_in(&world).await;
    let csrf = browser.get("/cameras").await.csrf();
    let stay = format!("stay-{CAMERA_B}");
    let fields = [
        ("csrf", csrf.as_str()),
        (stay.as_str(), "on"),
        ("stay-x", "on"),
    ];
    let chosen = browser.post_form("/cameras/stay", &fields).await;
    assert_eq!(chosen.location(), "/cameras?done=stay");
    assert_eq!(
        *world.fake.preferred.lock().unwrap(),
        [CAMERA_B.parse().unwrap()]
    );
}

#[tokio::test]
async fn a_camera_is_configured_by_a_plain_form() {
    let world = World::set_up();
    let mut browser = signed_in(&world).await;
    let csrf = browser.get("/cameras").await.csrf();
    let assign = format!("/cameras/{CAMERA_A}/assign");
    browser.post_form(&assign, &[("csrf", &csrf)]).await;
    let path = format!("/cameras/{CAMERA_A}");
    let page = browser.get(&path).await;
    for words in [
        "HO-0011",
        "another brand",
        "Mbit/s",
        "data-plan",
        "name=\"word6\"",
    ] {
        assert!(page.text.contains(words), "{words}: {}", page.text);
    }
    let drawn = "a".repeat(40) + "mmmm----";
    let mut fields = vec![
        ("csrf", csrf.as_str()),
        ("name", "Quay"),
        ("audio", "on"),
        ("transport", "udp"),
        ("before_s", "5"),
        ("after_s", "10"),
        ("keep_days", "30"),
        ("keep_gb", ""),
        ("day0", "drawn"),
        ("word0", drawn.as_str()),
    ];
    let days: Vec<String> = (1..7).map(|day| format!("day{day}")).collect();
    fields.extend(days.iter().map(|day| (day.as_str(), "motion")));
    let settings = format!("{path}/settings");
    let saved = browser.post_form(&settings, &fields).await;
    assert_eq!(
        saved.location(),
        format!("{path}?done=saved"),
        "{}",
        saved.text
    );
    let configured = world.fake.configured.lock().unwrap().clone().unwrap();
    assert_eq!(configured.plan.week[0], drawn);
    assert_eq!(configured.plan.week[6], "m".repeat(48));
    assert_eq!(configured.keep_age_s, Some(30 * 86_400));
    assert_eq!(configured.keep_bytes, None);
    fields[4].1 = "soon";
    let refused = browser.post_form(&settings, &fields).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("SG-CAM-055"), "{}", refused.text);
}

#[tokio::test]
async fn a_password_is_kept_or_forgotten_and_never_shown() {
    let world = World::set_up();
    let mut browser = signed_in(&world).await;
    let path = format!("/cameras/{CAMERA_A}");
    let csrf = browser.get(&path).await.csrf();
    let kept = |world: &World| {
        let credentials = world.fake.credentials.lock().unwrap();
        credentials.values().next().cloned().unwrap()
    };
    let fields = [
        ("csrf", csrf.as_str()),
        ("user", " admin "),
        ("password", "s3 cret"),
    ];
    let done = browser
        .post_form(&format!("{path}/credential"), &fields)
        .await;
    assert_eq!(done.location(), format!("{path}?done=credential"));
    assert_eq!(kept(&world), Some(("admin".into(), "s3 cret".into())));
    assert!(!browser.get(&path).await.text.contains("s3 cret"));
    let fields = [("csrf", csrf.as_str()), ("user", "")];
    browser
        .post_form(&format!("{path}/credential"), &fields)
        .await;
    assert_eq!(kept(&world), None);
}

#[tokio::test]
async fn recordings_are_listed_by_hours_and_saved_without_a_script() {
    let world = World::set_up();
    let mut browser = signed_in(&world).await;
    let path = format!("/playback/{CAMERA_A}");
    let page = browser.get(&format!("{path}?day=2026-11-24")).await;
    assert!(page.text.contains("role=\"slider\""), "{}", page.text);
    assert!(page.text.contains("24 pieces to save"), "{}", page.text);
    let (csrf, from) = (page.csrf(), page.after("name=\"from_utc_ms\" value=\""));
    let to = page.after("name=\"to_utc_ms\" value=\"");
    let fields = [
        ("csrf", csrf.as_str()),
        ("from_utc_ms", &from),
        ("to_utc_ms", &to),
    ];
    let clip = browser.post_form(&path, &fields).await;
    for words in [
        "/api/v1/clips/1\"",
        "/api/v1/clips/1/statement\"",
        "SHA-256",
    ] {
        assert!(clip.text.contains(words), "{words}: {}", clip.text);
    }
    let odd = browser.get(&format!("{path}?day=yesterday")).await;
    assert_eq!(odd.status, 200);
    assert_eq!(browser.get("/playback/nonsense").await.status, 404);
}
