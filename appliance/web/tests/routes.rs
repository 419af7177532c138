//! Every registered route with every role, against a checked-in table.
#![allow(clippy::unwrap_used, clippy::panic)]

mod fakes;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, ORIGIN};
use axum::http::{Method, Request};

use fakes::client::{Client, OUR_HOST};
use fakes::{CAMERA_A, CODE, PASSWORD, World};

/// Method, path, then the answer before set-up, to anybody, and to the owner. The live
/// route answers 101 to a WebSocket; this request is none, so it answers 400.
const TABLE: &str = include_str!("routes.txt");

/// The body that lets a route succeed.
fn body(method: &Method, path: &str, csrf: &str) -> (&'static str, String) {
    const FORM: &str = "application/x-www-form-urlencoded";
    const JSON: &str = "application/json";
    match (method.as_str(), path) {
        ("POST", "/setup") => (
            FORM,
            format!("csrf={csrf}&code={CODE}&password={PASSWORD}&again={PASSWORD}"),
        ),
        ("POST", "/sign-in") => (FORM, format!("csrf={csrf}&name=owner&password={PASSWORD}")),
        ("POST", "/license/check") => (
            "multipart/form-data; boundary=edge",
            format!(
                "--edge\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{csrf}\r\n--edge\r\n\
                 Content-Disposition: form-data; name=\"file\"; filename=\"a.lic\"\r\n\r\nabc\r\n--edge--\r\n"
            ),
        ),
        ("POST", "/license/import") => (FORM, format!("csrf={csrf}&document=YWJj")),
        ("POST", "/api/v1/setup") => (
            JSON,
            format!(r#"{{"code":"{CODE}","password":"{PASSWORD}"}}"#),
        ),
        ("POST", "/api/v1/sessions") => (
            JSON,
            format!(r#"{{"name":"owner","password":"{PASSWORD}"}}"#),
        ),
        ("POST", "/api/v1/license/import") => ("application/octet-stream", "abc".into()),
        ("POST", "/api/v1/cameras/prefer") => (JSON, format!(r#"{{"cameras":["{CAMERA_A}"]}}"#)),
        ("PUT", "/api/v1/cameras/{mac}/credential") => {
            (JSON, r#"{"user":"admin","password":"s3cret"}"#.into())
        }
        ("POST", "/api/v1/cameras/{mac}/replace") => (JSON, r#"{"by":"02:00:00:00:0a:03"}"#.into()),
        ("PUT", "/api/v1/channels/{camera}/settings") => (JSON, fakes::settings_json()),
        ("POST", "/api/v1/clips") => (
            JSON,
            format!(r#"{{"camera":"{CAMERA_A}","from_utc_ms":1,"to_utc_ms":2}}"#),
        ),
        ("POST", "/api/v1/ptz/{camera}") => (JSON, r#"{"order":"move","pan":0.5}"#.into()),
        ("POST", "/api/v1/cameras/check") => (JSON, r#"{"address":"192.168.77.11"}"#.into()),
        ("POST", "/api/v1/cameras/check-list") => ("text/csv", "192.168.77.11".into()),
        ("POST", "/api/v1/cameras/add") => {
            (JSON, format!(r#"{{"check":"{}"}}"#, fakes::adding::CHECK))
        }
        ("POST", "/api/v1/cameras/passwords") => (
            JSON,
            r#"{"cameras":["02:00:00:00:00:0a"],"passwords":[{"user":"admin","password":"s3cret"}]}"#.into(),
        ),
        ("POST", "/cameras/check") => (FORM, format!("csrf={csrf}&address=192.168.77.11")),
        ("POST", "/cameras/check-list") => (
            "multipart/form-data; boundary=edge",
            format!(
                "--edge\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{csrf}\r\n--edge\r\n\
                 Content-Disposition: form-data; name=\"text\"\r\n\r\n192.168.77.11\r\n--edge--\r\n"
            ),
        ),
        ("POST", "/cameras/add") => (FORM, format!("csrf={csrf}&check={}", fakes::adding::CHECK)),
        ("POST", "/cameras/passwords") => (
            FORM,
            format!("csrf={csrf}&user=admin&password=s3cret&mac-02:00:00:00:00:0a=on"),
        ),
        ("POST", "/cameras/{camera}/credential") => {
            (FORM, format!("csrf={csrf}&user=admin&password=s3cret"))
        }
        ("POST", "/cameras/{camera}/replace") => {
            (FORM, format!("csrf={csrf}&by=02:00:00:00:0a:03"))
        }
        ("POST", "/playback/{camera}") => {
            (FORM, format!("csrf={csrf}&from_utc_ms=1&to_utc_ms=2"))
        }
        ("POST", path) if !path.starts_with("/api/") => (FORM, format!("csrf={csrf}")),
        _ => (JSON, String::new()),
    }
}

/// The status, and for a redirect where to.
async fn outcome(mut client: Client, method: &Method, path: &str, page: &str) -> String {
    let csrf = match page {
        "" => String::new(),
        page => client.get(page).await.csrf(),
    };
    let (kind, body) = body(method, path, &csrf);
    let file = sealgate_pages::STYLE.file_name();
    let real = path
        .replace("{camera}", CAMERA_A)
        .replace("{mac}", "02:00:00:00:00:0a")
        .replace("{number}", "1")
        .replace("{id}", "1")
        .replace("{file}", file)
        .replace("{*file}", fakes::RECORDING);
    let real = match path {
        "/api/v1/timeline/{camera}" => format!("{real}?from_utc_ms=1&to_utc_ms=2"),
        "/api/v1/still/{camera}" => format!("{real}?at_utc_ms=1"),
        "/api/v1/play/{camera}" => format!("{real}?from_utc_ms=1"),
        _ => real,
    };
    let mut request = Request::builder()
        .method(method)
        .uri(real)
        .header(CONTENT_TYPE, kind);
    if method != Method::GET {
        request = request.header(ORIGIN, format!("https://{OUR_HOST}"));
    }
    let answer = client.send(request.body(Body::from(body)).unwrap()).await;
    match answer.status.as_u16() {
        303 => {
            let location = answer.location().split('?').next().unwrap();
            format!("303:{location}")
        }
        status => status.to_string(),
    }
}

#[tokio::test]
async fn every_route_answers_every_role_as_the_table_says() {
    let mut found = String::new();
    for (method, path) in sealgate_web::registered_routes() {
        let before = Client::new(World::new().router());
        let anybody = Client::new(World::set_up().router());
        let world = World::set_up();
        let mut owner = Client::new(world.router());
        owner.sign_in().await;
        let roles = [
            outcome(before, &method, path, "/setup").await,
            outcome(anybody, &method, path, "/sign-in").await,
            outcome(owner, &method, path, "/license").await,
        ];
        // After a form a redirect to where its work shows is its success; a WebSocket's
        // is in `tests/live.rs`.
        let succeeds = roles.iter().any(|role| {
            role.starts_with('2')
                || (method == Method::POST
                    && role.starts_with("303:/")
                    && (path == "/sign-out" || !matches!(&role[4..], "/sign-in" | "/setup")))
        });
        assert!(
            succeeds || path == "/api/v1/live/{camera}" || path == "/api/v1/play/{camera}",
            "nobody can use {method} {path}: {roles:?}"
        );
        found.push_str(&format!("{method} {path} {}\n", roles.join(" ")));
    }
    let expected: String = TABLE
        .split_inclusive('\n')
        .filter(|line| !line.starts_with('#'))
        .collect();
    assert_eq!(found, expected, "what the routes answer now:\n{found}");
}

#[tokio::test]
async fn unknown_addresses_and_methods_say_so_in_the_right_form() {
    let world = World::set_up();
    let mut client = Client::new(world.router());
    let page = client.get("/nowhere").await;
    assert_eq!(page.status, 404);
    assert!(page.text.contains("SG-API-002"), "{}", page.text);
    let api = client.get("/api/v1/nowhere").await;
    assert_eq!(
        (api.status.as_u16(), api.code().as_str()),
        (404, "SG-API-002")
    );
    let method = client.json("PUT", "/api/v1/status", "".into()).await;
    assert_eq!(
        (method.status.as_u16(), method.code().as_str()),
        (405, "SG-API-006")
    );
    assert!(method.headers.contains_key("allow"));
    for answer in [page, api, method] {
        assert!(answer.headers.contains_key("content-security-policy"));
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert!(!answer.headers.contains_key("strict-transport-security"));
    }
}
