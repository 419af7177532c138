//! The API.

use axum::body::Body;
use axum::http::{Request, header};
use sealgate_license::license_document::{Binding, SignedLicense};
use sealgate_license::vendor::{Flavour, Revocations, VendorRootsFile};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::boxes::{P384, RSA, SoftwareBox};
use crate::world::{ADMIN, World};

#[tokio::test]
async fn a_request_becomes_a_license_that_a_box_would_believe() {
    let world = World::new();
    let seller = world.distributor("Nordlicht", 10).await;
    let server = world.server(&seller, "Harbour 1").await;
    let mut recorder = SoftwareBox::new(RSA, 3, "NVR-0207");
    let request = recorder.request(None);

    let path = format!("/api/v1/servers/{server}/licenses?dry_run=true");
    let body = json!({ "request": request, "entitlements": { "camera": 4 } });
    let dry = world.post(&path, &seller.token, body).await.expect(200, "");
    assert_eq!(dry["current"], json!({}));
    assert_eq!(dry["after"], json!({ "camera": 4 }));
    assert_eq!(dry["file"], json!(null));
    assert_eq!(
        world.available(&seller).await,
        10,
        "a dry run changes nothing"
    );

    let made = world
        .issue(&seller, &server, &request, 4)
        .await
        .expect(201, "");
    assert_eq!(
        (&made["revision"], &made["serial"]),
        (&json!(1), &json!("NVR-0207"))
    );
    assert_eq!(world.available(&seller).await, 6);
    let text = made["file"].as_str().unwrap();
    let roots = std::fs::read(world.folder.path().join("keys/vendor-roots.json")).unwrap();
    let roots = VendorRootsFile::parse(roots).unwrap();
    let license = SignedLicense::parse(text)
        .unwrap()
        .verify(
            &roots.for_flavour(Flavour::Lab).unwrap(),
            &Revocations::none(),
        )
        .unwrap();
    let payload = license.payload();
    assert_eq!(payload.entitlements.camera_channels(), 4);
    assert_eq!(payload.names.server, "Harbour 1");
    assert_eq!(payload.names.distributor, "Nordlicht");
    assert_eq!(made["license_id"], payload.license_id.as_str());
    let Binding::Tpm(binding) = &payload.binding else {
        panic!("bound to a TPM");
    };
    assert_eq!((binding.from, binding.to), (3, 8));
    let id = made["id"].as_str().unwrap();
    let secret: [u8; 32] = Sha256::digest(world.secret(id)).into();
    assert_eq!(binding.activation_secret_sha256, secret);

    // The same again, also after a mail program had it.
    let mailed = format!("\u{feff}\r\n{}\r\n", request.replace('\n', "\r\n"));
    let again = world
        .issue(&seller, &server, &mailed, 4)
        .await
        .expect(200, "");
    assert_eq!(
        (&again["file"], &again["again"]),
        (&made["file"], &json!(true))
    );
    assert_eq!(world.available(&seller).await, 6);

    let list = world
        .get(&format!("/api/v1/servers/{server}/licenses"), &seller.token)
        .await;
    let list = list.expect(200, "");
    assert_eq!(
        (list.as_array().unwrap().len(), &list[0]["id"]),
        (1, &made["id"])
    );
    let file = world
        .get(&format!("/api/v1/licenses/{id}/file"), &seller.token)
        .await;
    assert_eq!(file.text(), text);
    assert_eq!(
        file.header(header::CONTENT_DISPOSITION),
        format!("attachment; filename=\"{id}.lic\"")
    );
}

#[tokio::test]
async fn channels_come_back_once_the_box_proves_the_smaller_license() {
    let world = World::new();
    let seller = world.distributor("Nordlicht", 10).await;
    let server = world.server(&seller, "Harbour 1").await;
    let mut recorder = SoftwareBox::new(RSA, 3, "NVR-0207");
    let request = recorder.request(None);
    let first = world
        .issue(&seller, &server, &request, 8)
        .await
        .expect(201, "");
    let first_secret = world.secret(first["id"].as_str().unwrap());

    recorder.counter = 8;
    let request = recorder.request(Some(&first_secret));
    let smaller = world
        .issue(&seller, &server, &request, 3)
        .await
        .expect(201, "");
    assert_eq!(smaller["waiting_for_return"], json!({ "camera": 5 }));
    assert_eq!(world.available(&seller).await, 2, "not yet");
    let view = world
        .get(&format!("/api/v1/servers/{server}"), &seller.token)
        .await;
    assert_eq!(
        view.expect(200, "")["waiting_for_return"],
        json!({ "camera": 5 })
    );

    // Another secret, or none, proves nothing.
    let smaller_secret = world.secret(smaller["id"].as_str().unwrap());
    recorder.counter = 16;
    for secret in [None, Some([9; 32])] {
        let request = recorder.request(secret.as_ref());
        world
            .issue(&seller, &server, &request, 3)
            .await
            .expect(200, "");
        assert_eq!(world.available(&seller).await, 2);
    }
    let request = recorder.request(Some(&smaller_secret));
    let again = world
        .issue(&seller, &server, &request, 3)
        .await
        .expect(200, "");
    assert_eq!(again["waiting_for_return"], json!({}));
    assert_eq!(world.available(&seller).await, 7);
}

#[tokio::test]
async fn what_a_request_gives_back_it_can_spend() {
    let world = World::new();
    let seller = world.distributor("Nordlicht", 10).await;
    let server = world.server(&seller, "Harbour 1").await;
    let mut recorder = SoftwareBox::new(RSA, 3, "NVR-0207");
    let request = recorder.request(None);
    world
        .issue(&seller, &server, &request, 8)
        .await
        .expect(201, "");
    recorder.counter = 8;
    let request = recorder.request(None);
    let smaller = world
        .issue(&seller, &server, &request, 3)
        .await
        .expect(201, "");
    recorder.counter = 16;
    let secret = world.secret(smaller["id"].as_str().unwrap());
    let request = recorder.request(Some(&secret));
    // The refusal keeps what was proven.
    world
        .issue(&seller, &server, &request, 11)
        .await
        .expect(409, "SG-POR-001");
    assert_eq!(world.available(&seller).await, 7);
    world
        .issue(&seller, &server, &request, 10)
        .await
        .expect(201, "");
    assert_eq!(world.available(&seller).await, 0);
}

#[tokio::test]
async fn too_few_channels_and_old_requests_are_refused() {
    let world = World::new();
    let seller = world.distributor("Nordlicht", 2).await;
    let server = world.server(&seller, "Harbour 1").await;
    let mut recorder = SoftwareBox::new(RSA, 3, "NVR-0207");
    let old = recorder.request(None);
    let refusal = world
        .issue(&seller, &server, &old, 3)
        .await
        .expect(409, "SG-POR-001");
    assert!(
        refusal["cause"]
            .as_str()
            .unwrap()
            .contains("3 more of Camera channels")
    );
    world.issue(&seller, &server, &old, 2).await.expect(201, "");
    recorder.counter = 9;
    let request = recorder.request(None);
    world
        .issue(&seller, &server, &request, 3)
        .await
        .expect(409, "SG-POR-001");
    world
        .issue(&seller, &server, &old, 1)
        .await
        .expect(409, "SG-POR-002");
    // What was made for the old request is still handed out.
    world.issue(&seller, &server, &old, 2).await.expect(200, "");
    let path = format!("/api/v1/servers/{server}/licenses");
    let body = json!({ "request": request, "reissue": true });
    let again = world.post(&path, &seller.token, body).await.expect(201, "");
    assert_eq!(
        (&again["after"], &again["revision"]),
        (&json!({ "camera": 2 }), &json!(2))
    );
    assert_eq!(world.available(&seller).await, 0);
}

#[tokio::test]
async fn a_box_belongs_to_one_server() {
    let world = World::new();
    let seller = world.distributor("Nordlicht", 10).await;
    let other = world.distributor("Suedwind", 10).await;
    let server = world.server(&seller, "Harbour 1").await;
    let mut recorder = SoftwareBox::new(RSA, 3, "NVR-0207");
    let request = recorder.request(None);
    world
        .issue(&seller, &server, &request, 1)
        .await
        .expect(201, "");

    let second = world.server(&seller, "Harbour 2").await;
    let refusal = world
        .issue(&seller, &second, &request, 1)
        .await
        .expect(409, "SG-POR-005");
    assert!(refusal["cause"].as_str().unwrap().contains("Harbour 1"));
    let mut another = SoftwareBox::new(P384, 4, "NVR-0193");
    let refusal = world
        .issue(&seller, &server, &another.request(None), 1)
        .await;
    let refusal = refusal.expect(409, "SG-POR-004");
    assert!(refusal["cause"].as_str().unwrap().contains("NVR-0193"));
    let foreign = world.server(&other, "Depot").await;
    let refusal = world
        .issue(&other, &foreign, &request, 1)
        .await
        .expect(409, "SG-POR-006");
    assert!(!refusal.to_string().contains("Harbour"), "{refusal}");

    // A new attestation key beside the same endorsement key is charged for itself.
    let mut reborn = SoftwareBox::new(RSA, 5, "NVR-0207");
    world
        .issue(&seller, &server, &reborn.request(None), 2)
        .await
        .expect(201, "");
    assert_eq!(world.available(&seller).await, 7);
}

#[tokio::test]
async fn what_is_foreign_answers_as_what_is_not_there() {
    let world = World::new();
    let seller = world.distributor("Nordlicht", 10).await;
    let other = world.distributor("Suedwind", 10).await;
    let server = world.server(&seller, "Harbour 1").await;
    let mut recorder = SoftwareBox::new(RSA, 3, "NVR-0207");
    let made = world
        .issue(&seller, &server, &recorder.request(None), 1)
        .await
        .expect(201, "");
    let license = made["id"].as_str().unwrap();
    let projects = world
        .get("/api/v1/projects", &seller.token)
        .await
        .expect(200, "");
    let project = projects[0]["id"].as_str().unwrap();
    let nothing = "00000000-0000-4000-8000-000000000000";
    for (path, id, missing) in [
        ("/api/v1/servers/{}", server.as_str(), nothing),
        ("/api/v1/servers/{}/licenses", server.as_str(), nothing),
        ("/api/v1/projects/{}/servers", project, nothing),
        (
            "/api/v1/distributors/{}/balance",
            seller.id.as_str(),
            nothing,
        ),
        ("/api/v1/licenses/{}/file", license, "L-999-1"),
    ] {
        let foreign = world.get(&path.replace("{}", id), &other.token).await;
        let absent = world.get(&path.replace("{}", missing), &other.token).await;
        assert_eq!(foreign.body, absent.body, "{path}");
        foreign.expect(404, "SG-API-002");
        assert_eq!(
            world
                .get(&path.replace("{}", id), &seller.token)
                .await
                .status,
            200,
            "{path}"
        );
        world
            .get(&path.replace("{}", "x"), &seller.token)
            .await
            .expect(404, "SG-API-002");
    }
    let request = recorder.request(None);
    world
        .issue(&other, &server, &request, 1)
        .await
        .expect(404, "SG-API-002");
    let own = world
        .get("/api/v1/projects", &other.token)
        .await
        .expect(200, "");
    assert_eq!(
        (own.as_array().unwrap().len(), &own[0]["name"]),
        (1, &json!("Ungroup"))
    );
    let sellers = world
        .get("/api/v1/distributors", &other.token)
        .await
        .expect(200, "");
    assert_eq!(sellers.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn files_that_are_no_requests_are_refused() {
    let world = World::new();
    let seller = world.distributor("Nordlicht", 10).await;
    let server = world.server(&seller, "Harbour 1").await;
    let mut recorder = SoftwareBox::new(RSA, 3, "NVR-0207");
    let request = recorder.request(None);
    let made = world
        .issue(&seller, &server, &request, 1)
        .await
        .expect(201, "");
    for (text, status, code) in [
        ("", 422, "SG-DOC-001"),
        ("hello", 422, "SG-DOC-001"),
        (&request[..request.len() / 2], 422, "SG-DOC-002"),
        (made["file"].as_str().unwrap(), 422, "SG-DOC-004"),
    ] {
        world
            .issue(&seller, &server, text, 1)
            .await
            .expect(status, code);
    }
    let large = "x".repeat(1024 * 1024 + 1);
    world
        .issue(&seller, &server, &large, 1)
        .await
        .expect(413, "SG-DOC-003");
    let larger = "x".repeat(1200 * 1024);
    world
        .issue(&seller, &server, &larger, 1)
        .await
        .expect(413, "SG-API-004");
    for body in [
        json!({ "request": request }),
        json!({ "request": request, "reissue": true, "entitlements": { "camera": 1 } }),
        json!({ "request": request, "entitlements": { "camera": -1 } }),
        json!({}),
    ] {
        let path = format!("/api/v1/servers/{server}/licenses");
        world
            .post(&path, &seller.token, body)
            .await
            .expect(400, "SG-API-001");
    }
    for (kind, count) in [
        ("camera", 4_000_000),
        ("Camera", 1),
        ("mac_list", 1),
        ("", 1),
    ] {
        let path = format!("/api/v1/servers/{server}/licenses");
        let body = json!({ "request": request, "entitlements": { kind: count } });
        world
            .post(&path, &seller.token, body)
            .await
            .expect(422, "SG-POR-009");
    }
}

#[tokio::test]
async fn grants_are_the_vendors_and_count_once() {
    let world = World::new();
    let seller = world.distributor("Nordlicht", 10).await;
    let admin = world.sign_in(ADMIN).await;
    let path = format!("/api/v1/distributors/{}/grants", seller.id);
    let grant = json!({ "counts": { "camera": 5, "vca": 1 }, "idempotency_key": "PO-1" });
    world
        .post(&path, &seller.token, grant.clone())
        .await
        .expect(403, "SG-POR-017");
    for _ in 0..2 {
        let balance = world
            .post(&path, &admin, grant.clone())
            .await
            .expect(201, "");
        assert_eq!(balance["camera"], json!({ "available": 15, "granted": 15 }));
        assert_eq!(balance["vca"], json!({ "available": 1, "granted": 1 }));
    }
    world
        .post(&path, &admin, json!({ "counts": { "camera": 0 } }))
        .await
        .expect(422, "SG-POR-009");
    let taken = json!({ "name": "Nordlicht", "email": "new@seller.test" });
    world
        .post("/api/v1/distributors", &admin, taken)
        .await
        .expect(409, "SG-POR-010");
    let taken = json!({ "name": "New", "email": "NORDLICHT@seller.test" });
    world
        .post("/api/v1/distributors", &admin, taken)
        .await
        .expect(409, "SG-POR-010");
    let all = world
        .get("/api/v1/distributors", &admin)
        .await
        .expect(200, "");
    assert_eq!(all.as_array().unwrap().len(), 1, "all or nothing");
}

#[tokio::test]
async fn sessions_begin_with_the_password_and_end() {
    let world = World::new();
    world
        .get("/api/v1/status", "")
        .await
        .expect(401, "SG-SES-004");
    let token = world.sign_in(&ADMIN.to_uppercase()).await;
    let status = world.get("/api/v1/status", &token).await.expect(200, "");
    assert_eq!(
        (&status["flavour"], &status["user"]["role"]),
        (&json!("lab"), &json!("admin"))
    );
    let request = Request::delete("/api/v1/sessions")
        .header(header::AUTHORIZATION, format!("Bearer {token}"));
    let answer = world.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 204);
    world
        .get("/api/v1/status", &token)
        .await
        .expect(401, "SG-SES-004");

    for email in [ADMIN, "nobody@vendor.test"] {
        for _ in 0..5 {
            let body = json!({ "email": email, "password": "wrong horse battery" });
            world
                .post("/api/v1/sessions", "", body)
                .await
                .expect(401, "SG-SES-001");
        }
        let body = json!({ "email": email, "password": "wrong horse battery" });
        world
            .post("/api/v1/sessions", "", body)
            .await
            .expect(429, "SG-SES-005");
    }
}
