//! Licenses for dongles and lists of cameras, over the API.

use serde_json::{Value, json};

use crate::world::{ADMIN, Answer, Distributor, World};

/// Points of P-256: the generator's multiples 1, 2 and 3.
const KEYS: [&str; 3] = [
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
    "047cf27b188d034f7e8a52380304b51ac3c08969e277f21b35a60b48fc4766997807775510db8ed040293d9ac69f7430dbba7dade63ce982299e04b79d227873d1",
    "045ecbe4d1a6330a44c8f7ef951d4bf165e6c6b721efada985fb41661bc6e7fd6c8734640c4998ff7e374b06ce1a64a2ecd82ab036384fb83d9a79b127a27d5032",
];

impl World {
    async fn grant(&self, to: &Distributor, counts: Value) {
        let admin = self.sign_in(ADMIN).await;
        let path = format!("/api/v1/distributors/{}/grants", to.id);
        let body = json!({ "counts": counts });
        self.post(&path, &admin, body).await.expect(201, "");
    }

    async fn available_of(&self, distributor: &Distributor, kind: &str) -> i64 {
        let path = format!("/api/v1/distributors/{}/balance", distributor.id);
        let answer = self.get(&path, &distributor.token).await.expect(200, "");
        answer[kind]["available"].as_i64().unwrap_or(0)
    }

    async fn may_list(&self, distributor: &Distributor, may: bool) {
        let admin = self.sign_in(ADMIN).await;
        let path = format!("/api/v1/distributors/{}/permissions", distributor.id);
        let answer = self.put(&path, &admin, json!({ "mac": may })).await;
        assert_eq!(answer.status, 204);
    }

    async fn mac(&self, who: &Distributor, server: &str, body: Value) -> Answer {
        let path = format!("/api/v1/servers/{server}/mac-licenses");
        self.post(&path, &who.token, body).await
    }

    async fn dongle(&self, who: &Distributor, server: &str, body: Value) -> Answer {
        let path = format!("/api/v1/servers/{server}/dongle-licenses");
        self.post(&path, &who.token, body).await
    }

    async fn register(&self, to: &Distributor, serial: &str, key: &str) -> Answer {
        let admin = self.sign_in(ADMIN).await;
        let body = json!({ "distributor": to.id, "serial": serial, "public_key": key });
        self.post("/api/v1/dongles", &admin, body).await
    }
}

#[tokio::test]
async fn a_mac_license_is_charged_by_the_address_and_never_credited() {
    let world = World::new();
    let seller = world.distributor("Nordlicht", 10).await;
    let server = world.server(&seller, "Virtual 1").await;
    let list = json!({ "list": "0001BD05E111\n00:01:bd:05:e1:12\n0001BD05E112\n" });
    world
        .mac(&seller, &server, list.clone())
        .await
        .expect(403, "SG-POR-094");
    world.may_list(&seller, true).await;
    world
        .mac(&seller, &server, list.clone())
        .await
        .expect(409, "SG-POR-001");
    world.grant(&seller, json!({ "mac": 5 })).await;
    let first = world
        .mac(&seller, &server, list.clone())
        .await
        .expect(201, "");
    assert_eq!(first["charged"], json!({ "mac": 2 }));
    assert_eq!(world.available_of(&seller, "mac").await, 3);
    let path = format!("/api/v1/servers/{server}");
    let view = world.get(&path, &seller.token).await.expect(200, "");
    assert_eq!(view["charged"], json!({ "mac": 2 }));
    let projects = world.get("/api/v1/projects", &seller.token).await;
    assert_eq!(projects.json()[0]["charged"], json!({ "mac": 2 }));
    let ledger = format!("/distributors/{}/ledger", seller.id);
    let page = world.get(&ledger, &seller.token).await;
    assert!(page.text().contains("Listed cameras"));
    let again = world.mac(&seller, &server, list).await.expect(200, "");
    assert_eq!(again["file"], first["file"]);
    assert_eq!(world.available_of(&seller, "mac").await, 3);

    // An address stands on one of its licenses only.
    let other = world.server(&seller, "Virtual 2").await;
    let twice = json!({ "list": "0001BD05E112\n0001BD05E113" });
    let refused = world.mac(&seller, &other, twice).await;
    let cause = refused.expect(409, "SG-POR-093")["cause"].to_string();
    assert!(
        cause.contains("00:01:bd:05:e1:12") && !cause.contains("e1:13"),
        "{cause}"
    );

    // With channels for any camera beside the list.
    let both = json!({ "list": "0001BD05E113", "entitlements": { "camera": 4 } });
    world.mac(&seller, &other, both).await.expect(201, "");
    assert_eq!(world.available_of(&seller, "mac").await, 2);
    assert_eq!(world.available_of(&seller, "camera").await, 6);

    // Staff replace a camera: what is gone stays charged, as the first file still lists it.
    let admin = world.sign_in(ADMIN).await;
    let path = format!(
        "/api/v1/licenses/{}-1/mac-list",
        first["license_id"].as_str().unwrap()
    );
    let list = json!({ "list": "0001BD05E111\n0001BD05E1FF" });
    let refused = world.post(&path, &seller.token, list.clone()).await;
    refused.expect(403, "SG-POR-017");
    let next = world.post(&path, &admin, list).await.expect(201, "");
    assert_eq!(
        (&next["revision"], &next["charged"]),
        (&json!(2), &json!({ "mac": 3 }))
    );
    assert_eq!(world.available_of(&seller, "mac").await, 1);
}

#[tokio::test]
async fn a_list_names_the_row_that_is_wrong() {
    let world = World::new();
    let seller = world.distributor("Nordlicht", 1).await;
    let server = world.server(&seller, "Virtual 1").await;
    world.may_list(&seller, true).await;
    for (list, code, row) in [
        ("0001BD05E111\n0001BD05E12", "SG-POR-090", "2"),
        ("0001BD05E111\n\nFFFFFFFFFFFF", "SG-POR-091", "3"),
        ("000000000000", "SG-POR-091", "1"),
        ("\n\n", "SG-POR-092", ""),
    ] {
        let answer = world.mac(&seller, &server, json!({ "list": list })).await;
        let cause = answer.expect(422, code)["cause"].to_string();
        assert!(cause.contains(row) && !cause.contains('{'), "{cause}");
    }
    // Nothing is tried, and nothing ends before it begins.
    let past = json!({ "list": "0001BD05E111", "valid_until": "2020-01-01T00:00:00Z" });
    world
        .mac(&seller, &server, past)
        .await
        .expect(422, "SG-POR-096");
    let endless = json!({ "list": "0001BD05E111", "overlap": true });
    world
        .mac(&seller, &server, endless)
        .await
        .expect(400, "SG-API-001");
}

/// Whether somebody else has listed an address shows in nothing that a distributor gets.
#[tokio::test]
async fn an_address_of_another_tenant_is_issued_and_flagged_for_the_vendor_alone() {
    let world = World::new();
    let (north, south) = (
        world.distributor("Nordlicht", 1).await,
        world.distributor("Sur", 1).await,
    );
    let mut answers = Vec::new();
    for seller in [&north, &south] {
        world.may_list(seller, true).await;
        world.grant(seller, json!({ "mac": 5 })).await;
        let server = world.server(seller, "Virtual 1").await;
        let body = json!({ "list": "0001BD05E111" });
        let mut answer = world.mac(seller, &server, body).await.expect(201, "");
        for own in ["license_id", "file", "file_name"] {
            answer.as_object_mut().unwrap().remove(own);
        }
        answers.push(answer);
        let refused = world.get("/api/v1/contested-macs", &seller.token).await;
        refused.expect(403, "SG-POR-017");
    }
    assert_eq!(answers[0], answers[1]);
    let admin = world.sign_in(ADMIN).await;
    let flagged = world
        .get("/api/v1/contested-macs", &admin)
        .await
        .expect(200, "");
    let flagged = flagged.as_array().unwrap();
    let whose: Vec<_> = flagged.iter().map(|claim| &claim["distributor"]).collect();
    assert!(whose.contains(&&json!(north.id)) && whose.contains(&&json!(south.id)));
    assert_eq!(
        flagged
            .iter()
            .filter(|claim| claim["later"] == true)
            .count(),
        1
    );
}

#[tokio::test]
async fn a_dongle_is_charged_until_check_in_makes_a_new_key() {
    let world = World::new();
    let (seller, other) = (
        world.distributor("Nordlicht", 20).await,
        world.distributor("Sur", 20).await,
    );
    let server = world.server(&seller, "Van").await;
    let order = |count: u32| json!({ "serial": "1949", "entitlements": { "camera": count } });
    world
        .dongle(&seller, &server, order(4))
        .await
        .expect(404, "SG-API-002");
    world
        .register(&seller, "1949", "04ff")
        .await
        .expect(422, "SG-POR-098");
    assert_eq!(world.register(&seller, "1949", KEYS[0]).await.status, 204);
    world
        .register(&seller, "1950", KEYS[0])
        .await
        .expect(409, "SG-POR-097");
    world
        .register(&seller, "1949", KEYS[1])
        .await
        .expect(409, "SG-POR-010");

    // To anybody else the dongle does not exist.
    let theirs = world.server(&other, "Van").await;
    world
        .dongle(&other, &theirs, order(4))
        .await
        .expect(404, "SG-API-002");

    let first = world
        .dongle(&seller, &server, order(16))
        .await
        .expect(201, "");
    assert_eq!(world.available(&seller).await, 4);
    let again = world
        .dongle(&seller, &server, order(16))
        .await
        .expect(200, "");
    assert_eq!(again["file"], first["file"]);
    world
        .dongle(&seller, &server, order(4))
        .await
        .expect(201, "");
    assert_eq!(
        world.available(&seller).await,
        4,
        "the larger file still works"
    );
    world
        .dongle(&seller, &server, order(21))
        .await
        .expect(409, "SG-POR-001");

    let admin = world.sign_in(ADMIN).await;
    let path = "/api/v1/dongles/1949/check-in";
    let key = |key: &str| json!({ "public_key": key });
    world
        .post(path, &seller.token, key(KEYS[1]))
        .await
        .expect(403, "SG-POR-017");
    world
        .post(path, &admin, key(KEYS[0]))
        .await
        .expect(409, "SG-POR-097");
    let credited = world.post(path, &admin, key(KEYS[1])).await.expect(200, "");
    assert_eq!(credited["credited"], json!({ "camera": 16 }));
    assert_eq!(world.available(&seller).await, 20);
    // The old key never comes back.
    world
        .post(path, &admin, key(KEYS[0]))
        .await
        .expect(409, "SG-POR-097");

    // The new key gets licenses of its own; an overlap is charged like any.
    let far = json!({ "serial": "1949", "entitlements": { "camera": 8 }, "overlap": true,
                      "valid_until": "2030-01-01T00:00:00Z" });
    world
        .dongle(&seller, &server, far)
        .await
        .expect(422, "SG-POR-096");
    let next = world
        .dongle(&seller, &server, order(8))
        .await
        .expect(201, "");
    assert_ne!(next["license_id"], first["license_id"]);
    assert_eq!(world.available(&seller).await, 12);
}

#[tokio::test]
async fn a_restored_database_learns_of_dongles_and_lists() {
    let mut world = World::new();
    let seller = world.distributor("Nordlicht", 20).await;
    world.may_list(&seller, true).await;
    world.grant(&seller, json!({ "mac": 5 })).await;
    let server = world.server(&seller, "Van").await;
    assert_eq!(world.register(&seller, "1949", KEYS[0]).await.status, 204);
    world.back_up();

    let order = json!({ "serial": "1949", "entitlements": { "camera": 16 } });
    let mac = json!({ "list": "0001BD05E111\n0001BD05E112" });
    let handed_out = world
        .mac(&seller, &server, mac.clone())
        .await
        .expect(201, "");
    world
        .dongle(&seller, &server, order.clone())
        .await
        .expect(201, "");
    let admin = world.sign_in(ADMIN).await;
    let path = "/api/v1/dongles/1949/check-in";
    let key = json!({ "public_key": KEYS[1] });
    world.post(path, &admin, key).await.expect(200, "");
    world.dongle(&seller, &server, order).await.expect(201, "");
    assert_eq!(world.available(&seller).await, 4);

    world.restore_backup();
    assert_eq!(
        world.available(&seller).await,
        4,
        "nothing is licensed twice"
    );
    assert_eq!(world.available_of(&seller, "mac").await, 3);
    let again = world.mac(&seller, &server, mac).await.expect(200, "");
    assert_eq!(again["file"], handed_out["file"]);
    let admin = world.sign_in(ADMIN).await;
    let old = json!({ "public_key": KEYS[0] });
    world
        .post(path, &admin, old)
        .await
        .expect(409, "SG-POR-097");
}
