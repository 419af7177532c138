//! Every registered route with every role, against a checked-in table.
#![allow(clippy::unwrap_used, clippy::panic)]

mod fakes;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, ORIGIN};
use axum::http::{Method, Request};

use fakes::client::{Client, OUR_HOST};
use fakes::{CAMERA_A, CODE, PASSWORD, World};

/// One line a route, in any order; its first lines say what the columns are.
const TABLE: &str = include_str!("routes.txt");

/// What a token can be limited to.
const SCOPES: [&str; 5] = ["see", "watch", "export", "operate", "license"];

/// The body that lets a route succeed.
fn body(method: &Method, path: &str, csrf: &str) -> (&'static str, String) {
    const FORM: &str = "application/x-www-form-urlencoded";
    const JSON: &str = "application/json";
    match (method.as_str(), path) {
        ("POST", "/setup") => (
            FORM,
            format!("csrf={csrf}&code={CODE}&password={PASSWORD}&again={PASSWORD}"),
        ),
        ("POST", "/sign-in/code") => (FORM, format!("csrf={csrf}&code=123456&step=none")),
        ("POST", "/recover") => (
            FORM,
            format!("csrf={csrf}&code={CODE}&name=owner&password={PASSWORD}&again={PASSWORD}"),
        ),
        ("POST", "/account/password") => (
            FORM,
            format!("csrf={csrf}&present={PASSWORD}&password={PASSWORD}&again={PASSWORD}"),
        ),
        ("POST", "/account/app") => (FORM, format!("csrf={csrf}&code=123456&present={PASSWORD}")),
        ("POST", "/account/app/remove") => (FORM, format!("csrf={csrf}&present={PASSWORD}")),
        ("POST", "/users") => (
            FORM,
            format!("csrf={csrf}&name=ann&role=viewer&password={PASSWORD}"),
        ),
        ("POST", "/users/{name}/role") => (FORM, format!("csrf={csrf}&role=operator")),
        ("POST", "/users/{name}/password") => (FORM, format!("csrf={csrf}&password={PASSWORD}")),
        ("POST", "/tokens") => (FORM, format!("csrf={csrf}&name=wall&days=30&watch=on")),
        ("POST", "/api/v1/users") => (
            JSON,
            format!(r#"{{"name":"ann","role":"viewer","password":"{PASSWORD}"}}"#),
        ),
        ("PUT", "/api/v1/users/{name}") => (JSON, r#"{"role":"operator"}"#.into()),
        ("POST", "/api/v1/tokens") => (
            JSON,
            r#"{"name":"wall","scopes":["watch"],"days":30}"#.into(),
        ),
        ("POST", "/sign-in") => (FORM, format!("csrf={csrf}&name=owner&password={PASSWORD}")),
        ("POST", "/updates") => (
            "multipart/form-data; boundary=edge",
            format!(
                "--edge\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{csrf}\r\n--edge\r\n\
                 Content-Disposition: form-data; name=\"file\"; filename=\"a.sgu\"\r\n\r\nabc\r\n--edge--\r\n"
            ),
        ),
        ("POST", "/updates/recovery-key") => (FORM, format!("csrf={csrf}&present={PASSWORD}")),
        ("POST", "/api/v1/updates") => ("application/octet-stream", "abc".into()),
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
        .replace("{name}", "viewer")
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

async fn as_role(role: &str, method: &Method, path: &str) -> String {
    let world = World::set_up();
    let mut client = Client::new(world.router());
    client.sign_in().await;
    // There is something to remove.
    let token = serde_json::json!({ "name": "wall", "scopes": ["see"], "days": 1 });
    let mut request = Request::post("/api/v1/tokens").header(CONTENT_TYPE, "application/json");
    request = request.header(ORIGIN, format!("https://{OUR_HOST}"));
    let made = client
        .send(request.body(Body::from(token.to_string())).unwrap())
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    client.cookies.clear();
    client.sign_in_as(role).await;
    outcome(client, method, path, "/account").await
}

/// Which tokens of one scope get what an admin gets; `-` where none does.
async fn scopes(method: &Method, path: &str) -> String {
    let mut through = Vec::new();
    for scope in SCOPES {
        let world = World::set_up();
        let mut client = Client::new(world.router());
        client.begin_session().await;
        let body = serde_json::json!({ "name": "wall", "scopes": [scope], "days": 1 });
        let made = client.json("POST", "/api/v1/tokens", body).await;
        client.bearer = Some(made.json()["token"].as_str().unwrap().to_owned());
        let answer = outcome(client, method, path, "").await;
        match answer.as_str() {
            "401" | "403" | "303:/sign-in" | "303:/setup" => {}
            _ => through.push(scope),
        }
    }
    if through.is_empty() {
        "-".into()
    } else {
        through.join("+")
    }
}

/// A form's success is the redirect to where its work shows; a WebSocket's is in
/// `tests/live.rs`; the second step of a sign-in needs a first: `pages.rs` takes both.
fn is_success(method: &Method, path: &str, answer: &str) -> bool {
    let elsewhere = [
        "/api/v1/live/{camera}",
        "/api/v1/play/{camera}",
        "/sign-in/code",
    ];
    answer.starts_with('2')
        || elsewhere.contains(&path)
        || (method == Method::POST
            && answer.starts_with("303:/")
            && (path == "/sign-out" || !matches!(&answer[4..], "/sign-in" | "/setup")))
}

#[tokio::test]
async fn every_route_answers_every_role_as_the_table_says() {
    let mut found = Vec::new();
    for (method, path) in sealgate_web::registered_routes() {
        let before = Client::new(World::new().router());
        let anybody = Client::new(World::set_up().router());
        let roles = [
            outcome(before, &method, path, "/setup").await,
            outcome(anybody, &method, path, "/sign-in").await,
            as_role("viewer", &method, path).await,
            as_role("operator", &method, path).await,
            as_role("owner", &method, path).await,
        ];
        assert!(
            roles.iter().any(|role| is_success(&method, path, role)),
            "nobody can use {method} {path}: {roles:?}"
        );
        let scopes = scopes(&method, path).await;
        found.push(format!("{method} {path} {} {scopes}", roles.join(" ")));
    }
    let mut expected: Vec<&str> = TABLE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    expected.sort_unstable();
    found.sort_unstable();
    let missing: Vec<_> = found
        .iter()
        .filter(|line| !expected.contains(&line.as_str()))
        .cloned()
        .collect();
    let wrong: Vec<_> = expected
        .iter()
        .filter(|line| !found.iter().any(|found| found == *line))
        .collect();
    assert!(
        missing.is_empty() && wrong.is_empty() && found.len() == expected.len(),
        "routes.txt lacks what the routes answer now:\n{}\nand has what they don't:\n{wrong:#?}",
        missing.join("\n")
    );
}

#[tokio::test]
async fn a_request_for_another_host_is_refused() {
    let world = World::set_up();
    for (host, status) in [
        (OUR_HOST, 200),
        ("nvr-0207.local", 200),
        ("evil.example", 421),
        ("192.0.2.7.evil.example", 421),
    ] {
        for path in ["/sign-in", "/api/v1/status", "/healthz"] {
            let mut client = Client::new(world.router());
            let request = Request::get(path).header("host", host);
            let answer = client.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status, status, "{host} {path}: {}", answer.text);
            assert_eq!(answer.text.contains("SG-API-010"), status == 421);
        }
    }
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
