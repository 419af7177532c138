//! A distributor's work on the pages: lists in pages, a return, a pasted list, changes
//! that meet.

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::json;

use crate::boxes::{RSA, SoftwareBox};
use crate::pages::Browser;
use crate::world::{ADMIN, Distributor, PASSWORD, World};

async fn signed_in(world: &World, email: &str) -> Browser {
    let mut browser = Browser::default();
    let fields = [("email", email), ("password", PASSWORD)];
    browser.post(world, "/sign-in", &fields).await;
    browser.get(world, "/").await;
    browser
}

/// A server of the type, by the API.
async fn server_of(world: &World, seller: &Distributor, kind: &str) -> (String, String) {
    let projects = world.get("/api/v1/projects", &seller.token).await.json();
    let project = projects[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/projects/{project}/servers");
    let body = json!({ "name": "Harbour 1", "kind": kind });
    let answer = world.post(&path, &seller.token, body).await;
    let server = answer.expect(201, "")["id"].as_str().unwrap().to_owned();
    (project, format!("/servers/{server}"))
}

#[tokio::test]
async fn thirty_two_channels_come_back_by_the_pages() {
    let world = World::new();
    let seller = world.distributor("Nordlicht", 100).await;
    let mut browser = signed_in(&world, "nordlicht@seller.test").await;
    let server = world.server(&seller, "Harbour 1").await;
    let (path, mut recorder) = (
        format!("/servers/{server}"),
        SoftwareBox::new(RSA, 3, "NVR-1"),
    );
    let request = recorder.request(None);
    let made = world.issue(&seller, &server, &request, 64).await;
    let first = made.expect(201, "")["id"].as_str().unwrap().to_owned();
    recorder.counter = 8;
    let request = recorder.request(Some(&world.secret(&first)));
    let made = world.issue(&seller, &server, &request, 32).await;
    let second = made.expect(201, "")["id"].as_str().unwrap().to_owned();
    assert_eq!(world.available(&seller).await, 36);

    let home = browser.get(&world, "/").await.text();
    assert!(
        home.contains("Returns to confirm") && home.contains("(Return: 32)"),
        "{home}"
    );
    assert!(
        browser
            .get(&world, &path)
            .await
            .text()
            .contains("Waiting confirm")
    );
    let confirm = format!("{path}/return");
    assert!(
        browser
            .get(&world, &confirm)
            .await
            .text()
            .contains("aria-current=\"step\"")
    );
    // The old license's proof proves nothing about the new one.
    let early = recorder.request(Some(&world.secret(&first)));
    let page = browser.post(&world, &confirm, &[("request", &early)]).await;
    assert!(
        page.status == 422 && page.text().contains("SG-POR-133"),
        "{}",
        page.text()
    );
    // Another recorder's request is not this one's.
    let mut other = SoftwareBox::new(RSA, 4, "NVR-2");
    let foreign = other.request(None);
    let page = browser
        .post(&world, &confirm, &[("request", &foreign)])
        .await;
    assert!(page.text().contains("SG-POR-004"), "{}", page.text());

    recorder.counter = 16;
    let proof = recorder.request(Some(&world.secret(&second)));
    let page = browser
        .post(&world, &confirm, &[("request", &proof)])
        .await
        .text();
    assert!(
        page.contains("Channel returned success") && page.contains(">68<"),
        "{page}"
    );
    assert_eq!(world.available(&seller).await, 68);
    // Once more changes nothing.
    browser.post(&world, &confirm, &[("request", &proof)]).await;
    assert_eq!(world.available(&seller).await, 68);
    let info = browser.get(&world, &format!("{path}/info")).await.text();
    assert!(
        info.contains("Endorsement key") && info.contains(&second),
        "{info}"
    );
    assert!(
        !browser
            .get(&world, "/")
            .await
            .text()
            .contains("Returns to confirm")
    );
}

#[tokio::test]
async fn a_pasted_list_gets_a_verdict_for_each_row() {
    let world = World::new();
    let seller = world.distributor("Nordlicht", 10).await;
    let admin = world.sign_in(ADMIN).await;
    let grants = format!("/api/v1/distributors/{}/grants", seller.id);
    world
        .post(&grants, &admin, json!({ "counts": { "mac": 3 } }))
        .await
        .expect(201, "");
    let permissions = format!("/api/v1/distributors/{}/permissions", seller.id);
    let body = json!({ "mac": true });
    assert!(
        world
            .put(&permissions, &admin, body)
            .await
            .status
            .is_success()
    );
    let mut browser = signed_in(&world, "nordlicht@seller.test").await;
    let (project, path) = server_of(&world, &seller, "mac").await;
    let check = format!("{path}/mac/check");
    assert!(
        browser
            .get(&world, &format!("{path}/update"))
            .await
            .text()
            .contains("<textarea")
    );

    let list = "0001BD05E111\nrubbish\n00-01-bd-05-e1-11\nFFFFFFFFFFFF";
    let page = browser.post(&world, &check, &[("list", list)]).await.text();
    for words in [
        "2 of 4 rows",
        "Repeated",
        "The same as row 1",
        "12 hexadecimal",
        "rubbish",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains("Confirm change"));
    let list = "0001BD05E111\n0001.bd05.e112";
    let page = browser.post(&world, &check, &[("list", list)]).await.text();
    assert!(
        page.contains("Confirm change") && page.contains("+2"),
        "{page}"
    );
    let answer = browser
        .post(&world, &format!("{path}/mac"), &[("list", list)])
        .await;
    let made = answer.header(header::LOCATION).to_owned();
    let page = browser.get(&world, &made).await.text();
    assert!(page.contains(">2</span> listed cameras"), "{page}");
    let file = browser.get(&world, &format!("{made}/download")).await;
    assert!(file.text().contains("vnd.sealgate.license") && file.status == 200);
    let newest = browser.get(&world, &format!("{path}/download")).await;
    assert_eq!(newest.text(), file.text());
    // What is licensed says so, and a camera finds its server.
    let page = browser
        .post(&world, &check, &[("list", "0001BD05E112")])
        .await
        .text();
    assert!(page.contains("On your license L-1001"), "{page}");
    let found = browser
        .get(&world, &format!("/projects/{project}?find=0001bd05e112"))
        .await;
    assert!(found.text().contains("Harbour 1") && found.text().contains("MAC license"));
}

#[tokio::test]
async fn who_comes_second_is_told_who_was_first() {
    let world = World::new();
    let seller = world.distributor("Nordlicht", 10).await;
    let mut browser = signed_in(&world, "nordlicht@seller.test").await;
    let (project, path) = server_of(&world, &seller, "software").await;
    for info in [format!("/projects/{project}/info"), format!("{path}/info")] {
        let name = if info.contains("servers") {
            "Crane"
        } else {
            "Ungroup"
        };
        let first = [("name", name), ("description", "ours"), ("version", "1")];
        assert_eq!(
            browser.post(&world, &info, &first).await.status,
            303,
            "{info}"
        );
        let second = [
            ("name", name),
            ("description", "mine <b>"),
            ("version", "1"),
        ];
        let page = browser.post(&world, &info, &second).await;
        assert_eq!(page.status, 409);
        let text = page.text();
        for words in [
            "SG-POR-130",
            "nordlicht@seller.test",
            "mine &lt;b&gt;",
            "ours",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        let history = browser
            .get(&world, &info.replace("info", "history"))
            .await
            .text();
        assert!(
            history.contains("ours") && !history.contains("mine"),
            "{history}"
        );
    }
    let archive = [("name", "Ungroup"), ("archived", "on"), ("version", "2")];
    let page = browser
        .post(&world, &format!("/projects/{project}/info"), &archive)
        .await;
    assert!(page.text().contains("SG-POR-132"));

    let mut staff = signed_in(&world, ADMIN).await;
    let settings = format!("/distributors/{}", seller.id);
    let fields = [
        ("country", "Norway"),
        ("may_list_macs", "on"),
        ("version", "1"),
    ];
    assert_eq!(staff.post(&world, &settings, &fields).await.status, 303);
    assert_eq!(staff.post(&world, &settings, &fields).await.status, 409);
    let list = staff.get(&world, "/distributors").await.text();
    assert!(
        list.contains("Norway") && list.contains("1 distributor"),
        "{list}"
    );
    let fields = [("email", "nowhere"), ("version", "2")];
    assert_eq!(staff.post(&world, &settings, &fields).await.status, 422);
    assert_eq!(browser.post(&world, &settings, &fields).await.status, 403);
}

#[tokio::test]
async fn a_repeated_request_does_its_work_once() {
    let world = World::new();
    let seller = world.distributor("Nordlicht", 10).await;
    let send = |path: &str, key: &str, body: serde_json::Value| {
        let request = Request::post(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", seller.token))
            .header(header::CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", key);
        world.send(request.body(Body::from(body.to_string())).unwrap())
    };
    let projects = "/api/v1/projects";
    let body = json!({ "name": "Port" });
    let first = send(projects, "a", body.clone()).await.expect(201, "");
    let again = send(projects, "a", body.clone()).await.expect(201, "");
    assert_eq!(first["id"], again["id"]);
    send(projects, "a", json!({ "name": "Zoo" }))
        .await
        .expect(422, "SG-POR-131");
    send(projects, "b", body.clone())
        .await
        .expect(409, "SG-POR-010");
    let servers = format!("{projects}/{}/servers", first["id"].as_str().unwrap());
    let body = json!({ "name": "Crane" });
    let first = send(&servers, "c", body.clone()).await.expect(201, "");
    let again = send(&servers, "c", body).await.expect(201, "");
    assert_eq!(first["id"], again["id"]);
    send(&servers, &"x".repeat(201), json!({ "name": "Mill" }))
        .await
        .expect(422, "SG-POR-009");
}

#[tokio::test]
async fn a_list_leads_to_its_next_page() {
    let world = World::new();
    let seller = world.distributor("Nordlicht", 10).await;
    let mut browser = signed_in(&world, "nordlicht@seller.test").await;
    for number in 10..62 {
        let body = json!({ "name": format!("Project & {number}") });
        world
            .post("/api/v1/projects", &seller.token, body)
            .await
            .expect(201, "");
    }
    let mut path = "/api/v1/projects?limit=20".to_owned();
    let mut names = Vec::new();
    for rows in [20, 33] {
        let answer = world.get(&path, &seller.token).await;
        let link = answer
            .headers
            .get(header::LINK)
            .map(|link| link.to_str().unwrap().to_owned());
        let page = answer.expect(200, "");
        let page = page.as_array().unwrap();
        assert_eq!(page.len(), rows);
        names.extend(
            page.iter()
                .map(|row| row["name"].as_str().unwrap().to_owned()),
        );
        match link {
            Some(link) => path = link[1..link.find('>').unwrap()].to_owned(),
            None => path.clear(),
        }
    }
    assert!(path.is_empty() && names.is_sorted(), "{names:?}");
    assert_eq!(names.len(), 53);
    let home = browser.get(&world, "/").await.text();
    assert!(home.contains("Project &amp; 59") && !home.contains("Project &amp; 60"));
    let next = home.split_once("rel=\"next\" href=\"").unwrap().1;
    let next = next.split('"').next().unwrap().replace("&amp;", "&");
    let page = browser.get(&world, &next).await.text();
    assert!(
        page.contains("Project &amp; 60") && page.contains("First page"),
        "{page}"
    );
    for path in ["/api/v1/projects?after=x", "/api/v1/projects?limit=x"] {
        let status = world.get(path, &seller.token).await.status.as_u16();
        assert!([400, 404].contains(&status), "{path}: {status}");
    }
}

#[tokio::test]
async fn a_box_fetches_its_license_by_a_claim_code_of_its_own() {
    let world = World::new();
    let seller = world.distributor("Nordlicht", 10).await;
    let mut browser = signed_in(&world, "nordlicht@seller.test").await;
    let (_, path) = server_of(&world, &seller, "software").await;
    let page = browser
        .post(&world, &format!("{path}/claim"), &[("camera", "4")])
        .await
        .text();
    let code = page.split_once("class=\"mono\">").unwrap().1;
    let code = code.split('<').next().unwrap().to_lowercase();
    assert_eq!(world.available(&seller).await, 10, "nothing is charged yet");
    let activations = "/api/v1/activations";
    let body = |code: &str, request: &str| json!({ "code": code, "request": request });
    let mut recorder = SoftwareBox::new(RSA, 3, "NVR-1");
    let request = recorder.request(None);
    let wrong = world.post(activations, "", body("0000", &request)).await;
    wrong.expect(422, "SG-POR-136");
    let made = world
        .post(activations, "", body(&code, &request))
        .await
        .expect(201, "");
    assert_eq!(made["after"]["camera"], 4);
    assert_eq!(world.available(&seller).await, 6);
    let again = world
        .post(activations, "", body(&code, &request))
        .await
        .expect(200, "");
    assert_eq!(again["file"], made["file"]);
    let other = SoftwareBox::new(RSA, 4, "NVR-2").request(None);
    world
        .post(activations, "", body(&code, &other))
        .await
        .expect(422, "SG-POR-136");
    let page = browser
        .post(&world, &format!("{path}/claim"), &[("camera", "1")])
        .await
        .text();
    let late = page.split_once("class=\"mono\">").unwrap().1;
    world.clock.advance(15 * 86_400);
    let late = late.split('<').next().unwrap();
    world
        .post(activations, "", body(late, &request))
        .await
        .expect(422, "SG-POR-136");
}

#[tokio::test]
async fn a_report_waits_for_the_vendor_who_writes_off_or_declines() {
    let world = World::new();
    let seller = world.distributor("Nordlicht", 10).await;
    let mut browser = signed_in(&world, "nordlicht@seller.test").await;
    let (_, path) = server_of(&world, &seller, "software").await;
    let server = path.rsplit('/').next().unwrap().to_owned();
    let report = format!("{path}/report");
    let fields = [("note", "it burnt")];
    assert_eq!(
        browser.post(&world, &report, &fields).await.status,
        404,
        "no box yet"
    );
    let request = SoftwareBox::new(RSA, 3, "NVR-1").request(None);
    world
        .issue(&seller, &server, &request, 4)
        .await
        .expect(201, "");
    assert_eq!(
        browser.post(&world, &report, &[("note", " ")]).await.status,
        422
    );
    assert_eq!(browser.post(&world, &report, &fields).await.status, 303);
    let page = browser.post(&world, &report, &fields).await;
    assert!(page.status == 409 && page.text().contains("SG-POR-135"));
    assert!(
        !browser
            .get(&world, "/")
            .await
            .text()
            .contains("Reported hardware")
    );

    let mut staff = signed_in(&world, ADMIN).await;
    let home = staff.get(&world, "/").await.text();
    assert!(
        home.contains("Reported hardware") && home.contains("it burnt"),
        "{home}"
    );
    let decide = [("decision", "approve"), ("answer", "RMA 4711")];
    // The vendor's own limit stands, and the report stays open.
    let page = staff.post(&world, "/reports/1", &decide).await;
    assert!(page.text().contains("SG-POR-075") && page.text().contains("it burnt"));
    let limit = format!("/api/v1/distributors/{}/write-offs", seller.id);
    let admin = world.sign_in(ADMIN).await;
    let body = json!({ "counts": { "camera": 4 } });
    assert!(world.put(&limit, &admin, body).await.status.is_success());
    assert_eq!(staff.post(&world, "/reports/1", &decide).await.status, 303);
    assert_eq!(staff.post(&world, "/reports/1", &decide).await.status, 404);
    assert_eq!(world.available(&seller).await, 10);
    let history = browser.get(&world, &format!("{path}/history")).await.text();
    assert!(
        history.contains("Hardware reported") && history.contains("written off"),
        "{history}"
    );
    assert_eq!(
        browser.post(&world, "/reports/1", &decide).await.status,
        403
    );
}
