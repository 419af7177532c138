//! The pages, as a browser without scripts uses them.
#![allow(clippy::unwrap_used, clippy::panic)]

mod fakes;
#[path = "more/locked.rs"]
mod locked;

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use axum::http::header::{CONTENT_TYPE, ORIGIN};

use fakes::client::Client;
use fakes::{CAMERA_A, CAMERA_B, CODE, PASSWORD, World, camera, problem};
use sealgate_camera::CameraId;

#[tokio::test]
async fn the_first_start_sets_a_password_and_signs_in() {
    let world = World::new();
    let mut browser = Client::new(world.router());
    assert_eq!(browser.get("/").await.location(), "/setup");
    let page = browser.get("/setup").await;
    let csrf = page.csrf();
    for (code, password, again, status, said) in [
        (CODE, "too short", "too short", 422, "SG-SES-006"),
        (CODE, PASSWORD, "another password", 422, "SG-SES-009"),
        ("WRONG", PASSWORD, PASSWORD, 403, "SG-SES-002"),
    ] {
        let fields = [
            ("csrf", csrf.as_str()),
            ("code", code),
            ("password", password),
            ("again", again),
        ];
        let answer = browser.post_form("/setup", &fields).await;
        assert_eq!(answer.status, status, "{said}");
        assert!(answer.text.contains(said), "{}", answer.text);
        assert!(!answer.text.contains(PASSWORD));
        assert!(!world.fake.people.is_set_up());
    }
    let fields = [
        ("csrf", csrf.as_str()),
        ("code", CODE),
        ("password", PASSWORD),
        ("again", PASSWORD),
    ];
    let done = browser.post_form("/setup", &fields).await;
    assert_eq!(done.location(), "/start/time");
    let home = browser.get("/").await;
    assert_eq!(home.status, 200);
    for text in [
        "TPM present",
        "Not licensed",
        "2 cameras found, 0 admitted",
        "SG-STA-007",
        "No camera is recorded",
    ] {
        assert!(home.text.contains(text), "{text} is missing: {}", home.text);
    }
    assert_eq!(browser.get("/setup").await.location(), "/sign-in");
}

#[tokio::test]
async fn signs_in_goes_on_where_the_link_led_and_out_again() {
    let world = World::set_up();
    let mut browser = Client::new(world.router());
    let link = browser.get("/cameras").await;
    assert_eq!(link.location(), "/sign-in?next=/cameras");
    let page = browser.get("/sign-in?next=/cameras").await;
    let csrf = page.csrf();
    let wrong = [
        ("csrf", csrf.as_str()),
        ("name", "owner"),
        ("password", "wrong"),
    ];
    let answer = browser.post_form("/sign-in", &wrong).await;
    assert_eq!(answer.status, 401);
    assert!(answer.text.contains("SG-SES-001"));
    let right = [
        ("csrf", csrf.as_str()),
        ("name", "owner"),
        ("password", PASSWORD),
        ("next", "/cameras"),
    ];
    assert_eq!(
        browser.post_form("/sign-in", &right).await.location(),
        "/cameras"
    );
    let cameras = browser.get("/cameras").await;
    assert_eq!(cameras.status, 200);
    let csrf = cameras.csrf();
    assert_eq!(
        browser
            .post_form("/sign-out", &[("csrf", csrf.as_str())])
            .await
            .location(),
        "/sign-in"
    );
    assert!(world.fake.people.sessions.lock().unwrap().is_empty());
    assert_eq!(browser.get("/cameras").await.status, 303);
}

#[tokio::test]
async fn a_session_ends_after_a_day_and_when_the_clock_goes_far_back() {
    for change in [
        |world: &World| world.clock.advance(Duration::from_secs(24 * 3600)),
        |world: &World| world.clock.set_utc_ms(0),
    ] {
        let world = World::set_up();
        let mut browser = Client::new(world.router());
        browser.sign_in().await;
        assert_eq!(browser.get("/").await.status, 200);
        change(&world);
        assert_eq!(browser.get("/").await.status, 303);
    }
}

#[tokio::test]
async fn a_form_needs_its_proof_and_our_own_origin() {
    let world = World::set_up();
    let mut browser = Client::new(world.router());
    browser.sign_in().await;
    let csrf = browser.get("/cameras").await.csrf();
    let path = format!("/cameras/{CAMERA_A}/assign");
    for proof in ["", "made-up"] {
        let answer = browser.post_form(&path, &[("csrf", proof)]).await;
        assert_eq!(answer.status, 403);
        assert!(answer.text.contains("SG-SES-007"), "{}", answer.text);
    }
    let mut other = Client::new(world.router());
    other.sign_in().await;
    let answer = other.post_form(&path, &[("csrf", &csrf)]).await;
    assert!(
        answer.text.contains("SG-SES-007"),
        "another session's proof"
    );
    let elsewhere = Request::post(&path)
        .header(ORIGIN, "https://evil.example")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(format!("csrf={csrf}")))
        .unwrap();
    let answer = browser.send(elsewhere).await;
    assert_eq!(answer.status, 403);
    assert!(answer.text.contains("SG-API-005"));
    assert!(!world.fake.cameras.lock().unwrap()[0].assigned);
    assert_eq!(
        browser
            .post_form(&path, &[("csrf", &csrf)])
            .await
            .location(),
        "/cameras?done=assigned"
    );
    assert!(world.fake.cameras.lock().unwrap()[0].assigned);
}

#[tokio::test]
async fn a_license_is_shown_before_it_is_used() {
    let world = World::set_up();
    let mut browser = Client::new(world.router());
    browser.sign_in().await;
    let csrf = browser.get("/license").await.csrf();
    let request = browser
        .post_form("/license/request", &[("csrf", &csrf)])
        .await;
    assert_eq!(
        request.headers["content-disposition"],
        "attachment; filename=\"LAB-0001.req\""
    );

    let file = b"a license \xff with bytes that are no text";
    let shown = browser.post_file("/license/check", &csrf, file).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    assert!(shown.text.contains("L-2041"), "{}", shown.text);
    assert_eq!(*world.fake.imported.lock().unwrap(), [(file.len(), true)]);

    let document = shown.after("name=\"document\" value=\"");
    let fields = [("csrf", csrf.as_str()), ("document", document.as_str())];
    let used = browser.post_form("/license/import", &fields).await;
    assert_eq!(used.location(), "/license?done=imported");
    assert_eq!(
        *world.fake.imported.lock().unwrap(),
        [(file.len(), true), (file.len(), false)]
    );
    let page = browser.get("/license?done=imported").await;
    assert!(page.text.contains("0 of 1 used, 1 free"), "{}", page.text);
}

#[tokio::test]
async fn a_smaller_license_lets_the_owner_choose_who_stays() {
    let world = World::set_up();
    let mut browser = Client::new(world.router());
    browser.sign_in().await;
    for camera in world.fake.cameras.lock().unwrap().iter_mut() {
        camera.assigned = true;
    }
    let [a, b] = [CAMERA_A, CAMERA_B].map(|id| id.parse::<CameraId>().unwrap());
    *world.fake.stops.lock().unwrap() = vec![b];
    let csrf = browser.get("/license").await.csrf();
    let shown = browser.post_file("/license/check", &csrf, b"smaller").await;
    assert!(shown.text.contains("which cameras stay?"), "{}", shown.text);
    let ticked = |camera: CameraId| {
        shown
            .text
            .contains(&format!("name=\"keep-{camera}\" value=\"yes\" checked"))
    };
    assert!(ticked(a) && !ticked(b), "{}", shown.text);
    // The other one is to stay.
    let document = shown.after("name=\"document\" value=\"");
    let keep = format!("keep-{b}");
    let fields = [
        ("csrf", csrf.as_str()),
        ("document", document.as_str()),
        (keep.as_str(), "yes"),
    ];
    let used = browser.post_form("/license/import", &fields).await;
    assert_eq!(used.location(), "/license?done=imported");
    assert_eq!(*world.fake.preferred.lock().unwrap(), [b]);
}

#[tokio::test]
async fn a_refused_file_changes_nothing_and_says_why() {
    let world = World::set_up();
    let mut browser = Client::new(world.router());
    browser.sign_in().await;
    let csrf = browser.get("/license").await.csrf();
    *world.fake.import.lock().unwrap() = Err(problem("SG-LIC-010"));
    let answer = browser.post_file("/license/check", &csrf, b"foreign").await;
    assert_eq!(answer.status, 422);
    assert!(answer.text.contains("SG-LIC-010"));
    assert!(
        answer.text.contains("SG-STA-007"),
        "the state is still shown"
    );

    world.fake.imported.lock().unwrap().clear();
    let big = vec![b'x'; 1024 * 1024 + 1];
    let answer = browser.post_file("/license/check", &csrf, &big).await;
    assert_eq!(answer.status, 413);
    assert!(answer.text.contains("SG-DOC-003"), "{}", answer.text);
    let huge = vec![b'x'; 3 * 1024 * 1024];
    let answer = browser.post_file("/license/check", &csrf, &huge).await;
    assert!(answer.text.contains("SG-DOC-003"));
    let empty = browser.post_file("/license/check", &csrf, b"").await;
    assert_eq!(empty.status, 400);
    assert!(empty.text.contains("no file was chosen"));
    let stranger = browser.post_file("/license/check", "made-up", b"x").await;
    assert!(stranger.text.contains("SG-SES-007"));
    assert!(world.fake.imported.lock().unwrap().is_empty());

    // The largest file that may be: it must survive the way through the confirm page.
    *world.fake.import.lock().unwrap() = Ok(fakes::licensed(0));
    let full = vec![b'x'; 1024 * 1024];
    let shown = browser.post_file("/license/check", &csrf, &full).await;
    let document = shown.after("name=\"document\" value=\"");
    let fields = [("csrf", csrf.as_str()), ("document", document.as_str())];
    let used = browser.post_form("/license/import", &fields).await;
    assert_eq!(used.status, 303, "{}", used.text);
}

#[tokio::test]
async fn what_a_camera_calls_itself_is_never_markup() {
    const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>";
    let world = World::set_up();
    {
        let mut cameras = world.fake.cameras.lock().unwrap();
        let mut hostile = camera(CAMERA_A, HOSTILE, 11);
        hostile.model = Some(HOSTILE.into());
        hostile.interface = Some(HOSTILE.into());
        hostile.stream_url = Some(HOSTILE.into());
        let mut reason = problem("SG-CAM-001");
        reason.cause = HOSTILE.into();
        hostile.reason = Some(reason);
        cameras[0] = hostile;
        let mut license = world.fake.license.lock().unwrap();
        license.project = Some(HOSTILE.into());
        license.tpm.manufacturer = Some(HOSTILE.into());
    }
    let mut browser = Client::new(world.router());
    browser.sign_in().await;
    let [live, one, playback] =
        ["live", "cameras", "playback"].map(|page| format!("/{page}/{CAMERA_A}"));
    for path in [
        "/",
        "/cameras",
        "/cameras/passwords",
        "/license",
        &live,
        &one,
        &playback,
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(!page.text.contains("<script>"), "{path}: {}", page.text);
        assert!(!page.text.contains("<img"), "{path}: {}", page.text);
        assert!(page.text.contains("&lt;script&gt;alert(1)"), "{path}");
    }
}

#[tokio::test]
async fn a_stopped_recorder_leaves_the_rest_of_the_page() {
    let world = World::set_up();
    *world.fake.recorder.lock().unwrap() = Some(problem("SG-REC-001"));
    let mut browser = Client::new(world.router());
    browser.sign_in().await;
    let home = browser.get("/").await;
    assert_eq!(home.status, 200);
    assert!(home.text.contains("SG-REC-001"));
    assert!(home.text.contains("Dock 3"));
}

#[tokio::test]
async fn a_stream_address_that_is_none_is_refused_without_showing_its_password() {
    let world = World::set_up();
    let mut browser = Client::new(world.router());
    browser.sign_in().await;
    let csrf = browser.get("/cameras").await.csrf();
    let path = format!("/cameras/{CAMERA_A}/assign");
    let fields = [
        ("csrf", csrf.as_str()),
        ("stream_url", "http://admin:s3cret@192.0.2.1/x"),
    ];
    let answer = browser.post_form(&path, &fields).await;
    assert_eq!(answer.status, 422);
    assert!(answer.text.contains("SG-CAM-006"));
    assert!(!answer.text.contains("s3cret"), "{}", answer.text);
}

#[tokio::test]
async fn an_account_with_an_app_takes_a_code_after_the_password() {
    let world = World::set_up();
    let mut browser = Client::new(world.router());
    browser.sign_in().await;
    let page = browser.get("/account/app").await;
    assert!(page.text.contains("class=\"qr\""), "{}", page.text);
    let csrf = page.csrf();
    let mut proof = [
        ("csrf", csrf.as_str()),
        ("present", PASSWORD),
        ("code", "000000"),
    ];
    let wrong = browser.post_form("/account/app", &proof).await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.text.contains("SG-SES-021"));
    proof[2].1 = "123456";
    let codes = browser.post_form("/account/app", &proof).await;
    assert_eq!(codes.text.matches("ABCDE-FGH").count(), 8, "{}", codes.text);

    let mut other = Client::new(world.router());
    let csrf = other.get("/sign-in").await.csrf();
    let fields = [
        ("csrf", csrf.as_str()),
        ("name", "owner"),
        ("password", PASSWORD),
        ("next", "/cameras"),
    ];
    let second = other.post_form("/sign-in", &fields).await;
    assert_eq!(second.status, 200, "{}", second.text);
    assert_eq!(
        other.get("/").await.status,
        303,
        "half a proof opens nothing"
    );
    let step = second.after("name=\"step\" value=\"");
    let mut fields = [
        ("csrf", csrf.as_str()),
        ("step", step.as_str()),
        ("next", "/cameras"),
        ("code", "000000"),
    ];
    let wrong = other.post_form("/sign-in/code", &fields).await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.text.contains("SG-SES-021"));
    fields[3].1 = "123456";
    let right = other.post_form("/sign-in/code", &fields).await;
    assert_eq!(right.location(), "/cameras");
    assert_eq!(other.get("/cameras").await.status, 200);
    let again = other.post_form("/sign-in/code", &fields).await;
    assert!(again.text.contains("SG-SES-007"), "the form is of before");
}

#[tokio::test]
async fn a_role_sees_the_way_to_what_it_may_do() {
    let world = World::set_up();
    let mut viewer = Client::new(world.router());
    viewer.sign_in_as("viewer").await;
    let home = viewer.get("/").await;
    assert!(!home.text.contains("href=\"/settings\""));
    let license = viewer.get("/license").await;
    assert!(!license.text.contains("Create request"));
    let refused = viewer.get("/users").await;
    assert_eq!(refused.status, 403);
    assert!(refused.text.contains("SG-SES-022") && refused.text.contains("viewer"));
    // The page that says no keeps the way out.
    assert!(refused.text.contains("href=\"/cameras\""));
    let mut admin = Client::new(world.router());
    admin.sign_in().await;
    assert!(admin.get("/").await.text.contains("href=\"/settings\""));
}

#[tokio::test]
async fn the_first_start_goes_on_at_the_first_step_that_is_left() {
    let world = World::new();
    let mut phone = Client::new(world.router());
    let csrf = phone.get("/setup").await.csrf();
    let fields = [
        ("csrf", csrf.as_str()),
        ("code", CODE),
        ("password", PASSWORD),
        ("again", PASSWORD),
    ];
    phone.post_form("/setup", &fields).await;
    let page = phone.get("/start/time").await;
    assert!(page.text.contains("aria-current=\"step\""), "{}", page.text);
    let csrf = page.csrf();
    let wrong = [
        ("csrf", csrf.as_str()),
        ("language", "en"),
        ("zone", "Mars/Base"),
    ];
    let refused = phone.post_form("/start/time", &wrong).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("SG-SES-032"), "{}", refused.text);
    let right = [
        ("csrf", csrf.as_str()),
        ("language", "en"),
        ("zone", "Asia/Taipei"),
    ];
    let answer = phone.post_form("/start/time", &right).await;
    assert_eq!(answer.location(), "/start/cameras");
    let all = [("csrf", csrf.as_str()), ("all", "yes")];
    let answer = phone.post_form("/start/cameras", &all).await;
    assert_eq!(answer.location(), "/start/license");
    // Without a license nothing is given yet.
    assert!(
        world
            .fake
            .cameras
            .lock()
            .unwrap()
            .iter()
            .all(|it| !it.assigned)
    );

    // Another device: signing in leads on, and the home page says so.
    let mut desk = Client::new(world.router());
    let page = desk.get("/sign-in").await;
    let csrf = page.csrf();
    let fields = [
        ("csrf", csrf.as_str()),
        ("name", "owner"),
        ("password", PASSWORD),
    ];
    let answer = desk.post_form("/sign-in", &fields).await;
    assert_eq!(answer.location(), "/start/license");
    assert!(
        desk.get("/")
            .await
            .text
            .contains("The set-up of this box is not over.")
    );

    let csrf = desk.get("/start/license").await.csrf();
    let checked = desk.post_file("/start/license/check", &csrf, b"abc").await;
    assert!(
        checked.text.contains("Use this license?"),
        "{}",
        checked.text
    );
    let confirm = [("csrf", csrf.as_str()), ("document", "YWJj")];
    let answer = desk.post_form("/license/import", &confirm).await;
    assert_eq!(answer.location(), "/start/done");
    assert!(
        world
            .fake
            .cameras
            .lock()
            .unwrap()
            .iter()
            .all(|it| it.assigned)
    );
    let done = desk.get("/start/done").await;
    assert!(
        done.text.contains("Recording 2 of 2 cameras"),
        "{}",
        done.text
    );
    let over = [("csrf", csrf.as_str())];
    assert_eq!(desk.post_form("/start/done", &over).await.location(), "/");
    assert!(!desk.get("/").await.text.contains("set-up of this box"));
    // Dates are in the zone that was chosen.
    assert!(
        desk.get("/account").await.text.contains(" CST"),
        "China standard time"
    );
}

#[tokio::test]
async fn every_step_of_the_first_start_can_be_left_out() {
    let world = World::set_up();
    world.fake.owner.start.lock().unwrap().is_open = true;
    let mut browser = Client::new(world.router());
    browser.sign_in().await;
    let csrf = browser.get("/start/cameras").await.csrf();
    let none = [("csrf", csrf.as_str())];
    let answer = browser.post_form("/start/cameras", &none).await;
    assert_eq!(answer.location(), "/start/time");
    browser.post_form("/start/license", &none).await;
    assert!(
        world
            .fake
            .cameras
            .lock()
            .unwrap()
            .iter()
            .all(|it| !it.assigned)
    );
    assert_eq!(browser.get("/start").await.location(), "/start/time");
    browser.post_form("/start/done", &none).await;
    assert!(!world.fake.owner.start.lock().unwrap().is_open);
}

#[tokio::test]
async fn the_license_page_counts_what_was_bought_and_says_where_a_return_is() {
    let world = World::set_up();
    let mut browser = Client::new(world.router());
    browser.sign_in().await;
    *world.fake.license.lock().unwrap() = fakes::licensed(1);
    let page = browser.get("/license").await;
    for text in [
        "Purchased",
        "Used, own brand",
        "Used, other brand",
        "0 of 0 used",
        "Failover",
        "LAB-0001/L-2041/1",
        "000b9c2f1d77",
        "<svg class=\"qr\"",
        "Nothing was imported or requested yet.",
        "How a return goes",
    ] {
        assert!(page.text.contains(text), "{text} is missing: {}", page.text);
    }
    let proof = sealgate_web::rooms::LicenseEventView {
        utc_ms: fakes::NOW_UTC_MS,
        kind: sealgate_web::rooms::LicenseEventKind::Proof,
        license_id: Some("L-2041".into()),
        revision: Some(2),
        places: Some(32),
    };
    world.fake.owner.history.lock().unwrap().push(proof);
    let page = browser.get("/license").await;
    assert!(page.text.contains("Return file made"), "{}", page.text);
    assert!(
        page.text.contains("must confirm the credit"),
        "{}",
        page.text
    );
    let states = browser.get("/license/states").await;
    for entry in sealgate_words::catalog::sta::ENTRIES {
        assert!(states.text.contains(entry.code), "{}", entry.code);
    }
    assert_eq!(states.text.matches(">Now<").count(), 1);
}
