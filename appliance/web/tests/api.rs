//! The API, as programs use it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod fakes;

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use axum::http::header::{CONTENT_TYPE, ORIGIN};
use serde_json::json;

use fakes::client::Client;
use fakes::{CAMERA_A, CAMERA_B, CODE, PASSWORD, World, problem};

#[tokio::test]
async fn before_set_up_only_name_and_state() {
    let world = World::new();
    let mut program = Client::new(world.router());
    let status = program.get("/api/v1/status").await;
    assert_eq!(
        status.json(),
        json!({ "name": "NVR-0207", "state": "set_up_needed" })
    );
    let refused = program.get("/api/v1/cameras").await;
    assert_eq!(
        (refused.status.as_u16(), refused.code().as_str()),
        (403, "SG-SES-008")
    );
    let body = json!({ "code": CODE, "password": PASSWORD });
    let done = program.json("POST", "/api/v1/setup", body.clone()).await;
    assert_eq!(done.status, 201);
    program.bearer = Some(done.json()["token"].as_str().unwrap().into());
    let status = program.get("/api/v1/status").await.json();
    assert_eq!(status["state"], "ready");
    assert_eq!(status["license_code"], "SG-STA-007");
    assert_eq!(
        status["cameras"],
        json!({ "found": 2, "admitted": 0, "recording": 0 })
    );
    let again = program.json("POST", "/api/v1/setup", body).await;
    assert_eq!(
        (again.status.as_u16(), again.code().as_str()),
        (409, "SG-SES-003")
    );
}

#[tokio::test]
async fn channels_are_given_and_taken() {
    let world = World::set_up();
    let mut program = Client::new(world.router());
    let path = format!("/api/v1/channels/{CAMERA_A}");
    let stranger = program.json("PUT", &path, json!({})).await;
    assert_eq!(
        (stranger.status.as_u16(), stranger.code().as_str()),
        (401, "SG-SES-004")
    );
    assert_eq!(stranger.headers["www-authenticate"], "Bearer");
    program.begin_session().await;
    let given = program.json("PUT", &path, json!({})).await;
    assert_eq!(given.status, 200, "{}", given.text);
    assert_eq!(given.json()["state"], "admitted");
    assert_eq!(given.json()["mac"], "02:00:00:00:00:0a");
    let body = json!({ "stream_url": "rtsp://admin:s3cret@192.168.77.11/other" });
    let given = program.json("PUT", &path, body).await;
    assert_eq!(given.json()["stream_url"], "rtsp://192.168.77.11/other");
    let bare = Request::put(&path).body(Body::empty()).unwrap();
    assert_eq!(program.send(bare).await.status, 200);
    let taken = Request::delete(&path).body(Body::empty()).unwrap();
    assert_eq!(program.send(taken).await.json()["assigned"], false);
    for (path, body, status, code) in [
        ("/api/v1/channels/nonsense", json!({}), 404, "SG-API-002"),
        (
            "/api/v1/channels/02000000000c-1",
            json!({}),
            404,
            "SG-CAM-004",
        ),
        (&path, json!({ "stream_url": "ftp://x" }), 422, "SG-CAM-006"),
        (&path, json!({ "stream": "rtsp://x/" }), 400, "SG-API-001"),
    ] {
        let answer = program.json("PUT", path, body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (status, code)
        );
    }
}

#[tokio::test]
async fn license_files_are_checked_then_used_and_large_ones_refused() {
    let world = World::set_up();
    let mut program = Client::new(world.router());
    program.begin_session().await;
    let send = |query: &str, bytes: Vec<u8>| {
        Request::post(format!("/api/v1/license/import{query}"))
            .body(Body::from(bytes))
            .unwrap()
    };
    let dry = program.send(send("?dry_run=true", b"abc".to_vec())).await;
    assert_eq!(dry.json()["dry_run"], true);
    assert_eq!(dry.json()["after"]["places"]["total"], 1);
    assert_eq!(program.get("/api/v1/license").await.json()["ok"], false);
    let wet = program.send(send("", b"abc".to_vec())).await;
    assert_eq!(wet.json()["dry_run"], false);
    assert_eq!(program.get("/api/v1/license").await.json()["ok"], true);
    let large = program.send(send("", vec![b'x'; 1024 * 1024 + 1])).await;
    assert_eq!(
        (large.status.as_u16(), large.code().as_str()),
        (413, "SG-DOC-003")
    );
    let odd = program
        .send(send("?dry_run=perhaps", b"abc".to_vec()))
        .await;
    assert_eq!(
        (odd.status.as_u16(), odd.code().as_str()),
        (400, "SG-API-001")
    );
    *world.fake.import.lock().unwrap() = Err(problem("SG-LIC-001"));
    let changed = program.send(send("", b"abc".to_vec())).await;
    assert_eq!(
        (changed.status.as_u16(), changed.code().as_str()),
        (422, "SG-LIC-001")
    );
    for field in ["cause", "effect", "cure", "owner"] {
        assert!(changed.json()[field].is_string(), "{field}");
    }
}

#[tokio::test]
async fn a_cookie_alone_changes_nothing_from_elsewhere() {
    let world = World::set_up();
    let mut browser = Client::new(world.router());
    browser.sign_in().await;
    let path = format!("/api/v1/channels/{CAMERA_A}");
    let send = |header: Option<(&'static str, &'static str)>| {
        let mut request = Request::put(&path);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        request.body(Body::empty()).unwrap()
    };
    for header in [
        None,
        Some(("origin", "https://evil.example")),
        Some(("origin", "null")),
        Some(("sec-fetch-site", "cross-site")),
    ] {
        let answer = browser.send(send(header)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (403, "SG-API-005"),
            "{header:?}"
        );
    }
    for header in [
        ("origin", "https://192.0.2.7"),
        ("x-requested-with", "fetch"),
    ] {
        assert_eq!(
            browser.send(send(Some(header))).await.status,
            200,
            "{header:?}"
        );
    }
}

#[tokio::test]
async fn a_form_elsewhere_cannot_send_json() {
    let world = World::set_up();
    let mut browser = Client::new(world.router());
    let request = Request::post("/api/v1/sessions")
        .header(CONTENT_TYPE, "text/plain")
        .body(Body::from(
            json!({ "name": "owner", "password": PASSWORD }).to_string(),
        ))
        .unwrap();
    let answer = browser.send(request).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (400, "SG-API-001")
    );
    let request = Request::post("/api/v1/sessions")
        .header(ORIGIN, "https://evil.example")
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(
            json!({ "name": "owner", "password": PASSWORD }).to_string(),
        ))
        .unwrap();
    assert_eq!(browser.send(request).await.code(), "SG-API-005");
}

#[tokio::test]
async fn guessing_grows_slow_even_with_the_right_password() {
    let world = World::set_up();
    let mut program = Client::new(world.router());
    let guess = |password: &str| json!({ "name": "owner", "password": password });
    for _ in 0..5 {
        let answer = program
            .json("POST", "/api/v1/sessions", guess("wrong"))
            .await;
        assert_eq!(answer.code(), "SG-SES-001");
    }
    let early = program
        .json("POST", "/api/v1/sessions", guess(PASSWORD))
        .await;
    assert_eq!(
        (early.status.as_u16(), early.code().as_str()),
        (429, "SG-SES-005")
    );
    assert!(early.headers.contains_key("retry-after"));
    world.clock.advance(Duration::from_secs(2));
    let later = program
        .json("POST", "/api/v1/sessions", guess(PASSWORD))
        .await;
    assert_eq!(later.status, 201);
    let ended = Request::delete("/api/v1/sessions")
        .body(Body::empty())
        .unwrap();
    program.bearer = Some(later.json()["token"].as_str().unwrap().into());
    assert_eq!(program.send(ended).await.status, 204);
    assert_eq!(program.get("/api/v1/gate").await.status, 401);
}

#[tokio::test]
async fn large_and_long_requests_are_refused() {
    let world = World::set_up();
    let mut program = Client::new(world.router());
    let long = json!({ "name": "owner", "password": "x".repeat(17_000) });
    let answer = program.json("POST", "/api/v1/sessions", long).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (413, "SG-API-004")
    );
    let long = json!({ "name": "owner", "password": "x".repeat(2_000) });
    let answer = program.json("POST", "/api/v1/sessions", long).await;
    assert_eq!(answer.code(), "SG-API-004");
}

#[tokio::test]
async fn figures_for_prometheus() {
    let world = World::set_up();
    let mut program = Client::new(world.router());
    assert_eq!(program.get("/metrics").await.status, 401);
    program.begin_session().await;
    let text = program.get("/metrics").await.text;
    for line in [
        "sealgate_cameras_found 2",
        "sealgate_license_ok 0",
        "sealgate_gate_packets_total{counter=\"cam0/dropped\"} 400",
        "sealgate_storage_free_bytes 5700000000",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
}

#[tokio::test]
async fn live_video_says_why_not_before_it_upgrades() {
    let world = World::set_up();
    let mut program = Client::new(world.router());
    program.begin_session().await;
    let answer = program.get(&format!("/api/v1/live/{CAMERA_B}")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (409, "SG-REC-002")
    );
    let answer = program.get(&format!("/api/v1/live/{CAMERA_A}")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (400, "SG-API-001")
    );
}
