//! The pages, as a browser without scripts uses them.

use axum::body::Body;
use axum::http::{Request, header};
use sealgate_portal::desk::{Desk, FirstAdmin, Places, initialise};
use sealgate_portal::signer;
use sealgate_portal::web::{WebSettings, router};

use crate::boxes::{RSA, SoftwareBox};
use crate::support::now;
use crate::world::{Answer, PASSWORD, World};

/// A browser: a cookie, and the proof from the last page.
#[derive(Default)]
pub struct Browser {
    cookie: String,
    csrf: String,
}

impl Browser {
    pub async fn get(&mut self, world: &World, path: &str) -> Answer {
        let request = Request::get(path).header(header::COOKIE, &self.cookie);
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        self.look(&answer);
        answer
    }

    fn look(&mut self, answer: &Answer) {
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        if let Some((_, rest)) = text.split_once("name=\"csrf\" value=\"") {
            self.csrf = rest.split('"').next().unwrap().to_owned();
        }
        if let Some(cookie) = answer.headers.get(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.contains("HttpOnly; SameSite=Lax"), "{cookie}");
            self.cookie = cookie.split(';').next().unwrap().to_owned();
        }
    }

    pub async fn post(&mut self, world: &World, path: &str, fields: &[(&str, &str)]) -> Answer {
        let boundary = "----seam";
        let mut body = String::new();
        for (name, value) in fields.iter().chain([&("csrf", self.csrf.as_str())]) {
            let file = if *name == "request" {
                "; filename=\"a.req\""
            } else {
                ""
            };
            body += &format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n"
            );
        }
        body += &format!("--{boundary}--\r\n");
        let request = Request::post(path)
            .header(header::COOKIE, &self.cookie)
            .header(
                header::CONTENT_TYPE,
                format!("multipart/form-data; boundary={boundary}"),
            );
        let answer = world.send(request.body(Body::from(body)).unwrap()).await;
        self.look(&answer);
        answer
    }
}

fn unescape(text: &str) -> String {
    text.replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

#[tokio::test]
async fn from_sign_in_to_download() {
    let world = World::new();
    let seller = world.distributor("Nordlicht", 10).await;
    let server = world.server(&seller, "Harbour 1").await;
    let server_path = format!("/servers/{server}");
    let mut browser = Browser::default();

    let answer = browser.get(&world, &server_path).await;
    assert_eq!(answer.status, 303);
    let sign_in = answer.header(header::LOCATION).to_owned();
    assert_eq!(sign_in, format!("/sign-in?next={server_path}"));
    let page = browser.get(&world, &sign_in).await;
    assert!(
        page.text()
            .contains(&format!("name=\"next\" value=\"{server_path}\""))
    );
    let wrong = [("email", "nordlicht@seller.test"), ("password", "no")];
    let page = browser.post(&world, "/sign-in", &wrong).await;
    assert_eq!(page.status, 401);
    assert!(page.text().contains("SG-SES-001"));
    let fields = [
        ("email", "nordlicht@seller.test"),
        ("password", PASSWORD),
        ("next", server_path.as_str()),
    ];
    let answer = browser.post(&world, "/sign-in", &fields).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header(header::LOCATION)),
        (303, &*server_path)
    );

    let page = browser.get(&world, &server_path).await;
    assert!(
        page.header(header::CONTENT_SECURITY_POLICY)
            .starts_with("default-src 'none'")
    );
    assert_eq!(page.header(header::CACHE_CONTROL), "no-store");
    assert!(page.text().contains("Harbour 1"));

    let mut recorder = SoftwareBox::new(RSA, 3, "NVR-0207");
    let request = recorder.request(None);
    let check = format!("{server_path}/check");
    let fields = [("request", request.as_str()), ("camera", "20")];
    let page = browser.post(&world, &check, &fields).await;
    assert_eq!(page.status, 409);
    assert!(page.text().contains("SG-POR-001") && page.text().contains("value=\"20\""));
    let fields = [("request", request.as_str()), ("camera", "4")];
    let page = browser.post(&world, &check, &fields).await;
    assert_eq!(page.status, 200);
    let text = page.text();
    assert!(
        text.contains("Confirm change") && text.contains("NVR-0207"),
        "{text}"
    );
    let carried = text.split_once("name=\"request\" value=\"").unwrap().1;
    let carried = unescape(carried.split('"').next().unwrap());
    assert_eq!(carried, request);
    assert_eq!(world.available(&seller).await, 10);

    let generate = format!("{server_path}/licenses");
    let fields = [("request", carried.as_str()), ("camera", "4")];
    let answer = browser.post(&world, &generate, &fields).await;
    assert_eq!(answer.status, 303);
    let license_path = answer.header(header::LOCATION).to_owned();
    let page = browser.get(&world, &license_path).await;
    assert!(page.text().contains("License is generated"));
    let file = browser
        .get(&world, &format!("{license_path}/download"))
        .await;
    assert!(
        file.text()
            .contains("application/vnd.sealgate.license.v1+json")
    );
    assert_eq!(world.available(&seller).await, 6);
    let page = browser.get(&world, "/").await;
    assert!(page.text().contains("Project Harbour 1"));

    let ledger = format!("/distributors/{}/ledger", seller.id);
    assert!(page.text().contains(&ledger));
    let page = browser.get(&world, &ledger).await;
    let text = page.text();
    let (licensed, bought) = (text.find("Licensed").unwrap(), text.find("Bought").unwrap());
    assert!(licensed < bought, "the newest is first");
    assert!(text.contains("−4") && text.contains("+10"), "{text}");
    // The grant was staff's, whose addresses are not the distributor's to know.
    assert!(
        text.contains("The vendor") && !text.contains("admin@"),
        "{text}"
    );

    let move_path = format!("{server_path}/move");
    let history = format!("{server_path}/history");
    let projects = world.get("/api/v1/projects", &seller.token).await;
    let ungroup = (projects.json().as_array().unwrap().iter())
        .find(|project| project["built_in"] == true)
        .unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let answer = browser
        .post(&world, &move_path, &[("project", &ungroup)])
        .await;
    assert_eq!(answer.header(header::LOCATION), server_path);
    let page = browser.get(&world, &history).await;
    let text = page.text();
    for words in [
        "Moved",
        "License made",
        "Server added",
        "L-1001-1.lic",
        "Ungroup",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let project_path = format!("/projects/{ungroup}");
    for (find, found) in [("harb", true), ("0207", true), ("mill", false)] {
        let page = browser
            .get(&world, &format!("{project_path}?find={find}"))
            .await;
        assert_eq!(page.text().contains(&server_path), found, "{find}");
        assert_eq!(page.text().contains("No server matches"), !found, "{find}");
    }

    // Another distributor learns nothing of it, not even that it is there.
    let other = world.distributor("Sued", 1).await;
    let nowhere = "00000000-0000-4000-8000-000000000000";
    for (path, unknown) in [
        (ledger.clone(), format!("/distributors/{nowhere}/ledger")),
        (history.clone(), format!("/servers/{nowhere}/history")),
    ] {
        let foreign = world.get(&path, &other.token).await;
        let missing = world.get(&unknown, &other.token).await;
        assert_eq!(
            (foreign.status, missing.status),
            (404.try_into().unwrap(), foreign.status)
        );
        assert_eq!(foreign.text(), missing.text());
    }
    let theirs = world.get("/api/v1/projects", &other.token).await.json();
    let theirs = theirs[0]["id"].as_str().unwrap().to_owned();
    let answer = browser
        .post(&world, &move_path, &[("project", &theirs)])
        .await;
    assert_eq!(answer.status, 404);

    let answer = browser.post(&world, "/sign-out", &[]).await;
    assert_eq!(answer.header(header::LOCATION), "/sign-in");
    assert_eq!(browser.get(&world, "/").await.status, 303);
}

#[tokio::test]
async fn a_form_needs_its_sessions_proof_and_our_origin() {
    let world = World::new();
    world.distributor("Nordlicht", 10).await;
    let mut browser = Browser::default();
    let fields = [("email", "nordlicht@seller.test"), ("password", PASSWORD)];
    browser.post(&world, "/sign-in", &fields).await;
    browser.get(&world, "/").await;
    browser.csrf.push('x');
    let answer = browser.post(&world, "/projects", &[("name", "Evil")]).await;
    assert_eq!(answer.status, 403);
    assert!(answer.text().contains("SG-SES-007"));

    browser.get(&world, "/").await;
    let body = format!("name=Evil&csrf={}", browser.csrf);
    let request = Request::post("/projects")
        .header(header::COOKIE, &browser.cookie)
        .header(header::HOST, "portal.test")
        .header(header::ORIGIN, "https://evil.test")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = world
        .send(request.body(Body::from(body.clone())).unwrap())
        .await;
    assert_eq!(answer.status, 403);
    assert!(answer.text().contains("SG-API-005"));
    let request = Request::post("/projects")
        .header(header::COOKIE, &browser.cookie)
        .header(header::HOST, "portal.test")
        .header(header::ORIGIN, "https://portal.test")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = world.send(request.body(Body::from(body)).unwrap()).await;
    assert_eq!(answer.status, 303);
}

#[tokio::test]
async fn vendor_staff_add_distributors_and_channels() {
    let world = World::new();
    let mut browser = Browser::default();
    let fields = [("email", crate::world::ADMIN), ("password", PASSWORD)];
    browser.post(&world, "/sign-in", &fields).await;
    browser.get(&world, "/distributors").await;
    let fields = [("name", "Nordlicht <b>"), ("email", "n@seller.test")];
    let page = browser.post(&world, "/distributors", &fields).await;
    let text = page.text();
    assert!(text.contains("Nordlicht &lt;b&gt;") && !text.contains("Nordlicht <b>"));
    let link = text.split_once("/welcome/").unwrap().1;
    let link = format!("/welcome/{}", link.split('<').next().unwrap());
    let one = text.split_once("href=\"/distributors/").unwrap().1;
    let one = format!("/distributors/{}", one.split('"').next().unwrap());
    let page = browser.get(&world, &one).await.text();
    let key = page.split_once("name=\"key\" value=\"").unwrap().1;
    let key = key.split('"').next().unwrap();
    let grants = format!("{one}/grants");
    for _ in 0..2 {
        let fields = [("camera", "7"), ("key", key), ("note", "PO-1")];
        let answer = browser.post(&world, &grants, &fields).await;
        assert_eq!(answer.status, 303);
    }
    let page = browser.get(&world, &one).await.text();
    assert!(page.contains(">7<") && !page.contains(">14<"), "{page}");

    // The first user's link works once.
    let mut user = Browser::default();
    assert!(
        user.get(&world, &link)
            .await
            .text()
            .contains("n@seller.test")
    );
    let fields = [("password", "short"), ("again", "short")];
    assert_eq!(user.post(&world, &link, &fields).await.status, 422);
    let fields = [("password", PASSWORD), ("again", "something else")];
    assert!(
        user.post(&world, &link, &fields)
            .await
            .text()
            .contains("SG-SES-009")
    );
    let fields = [("password", PASSWORD), ("again", PASSWORD)];
    let answer = user.post(&world, &link, &fields).await;
    assert_eq!(answer.header(header::LOCATION), "/");
    assert!(user.get(&world, "/").await.text().contains("Ungroup"));
    assert_eq!(Browser::default().get(&world, &link).await.status, 410);
    assert_eq!(user.get(&world, "/distributors").await.status, 403);
}

#[tokio::test]
async fn behind_tls_the_cookie_stays_there() {
    use sealgate_license::vendor::Flavour;
    let folder = tempfile::tempdir().unwrap();
    let places = Places::in_folder(folder.path());
    let mut rng = rand::rng();
    signer::init(&places.keys, Flavour::Product, now(), &mut rng).unwrap();
    let first = FirstAdmin::WithPassword(PASSWORD.to_owned().into());
    initialise(&places, Flavour::Product, "a@b", &first, now(), &mut rng).unwrap();
    let desk = Desk::open(&places, None, std::sync::Arc::new(now)).unwrap();
    let settings = WebSettings {
        public_url: Some("https://license.test".to_owned()),
    };
    let world = World {
        clock: crate::world::FakeClock::default(),
        folder,
        router: router(std::sync::Arc::new(desk), settings),
    };
    let mut browser = Browser::default();
    let fields = [("email", "a@b"), ("password", PASSWORD)];
    let answer = browser.post(&world, "/sign-in", &fields).await;
    let cookie = answer.header(header::SET_COOKIE);
    assert!(
        cookie.starts_with("__Host-") && cookie.ends_with("; Secure"),
        "{cookie}"
    );
    assert_eq!(browser.get(&world, "/").await.status, 200);
}
