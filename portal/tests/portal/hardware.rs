//! Hardware that fails, is replaced, comes back and is sold again.

use serde_json::{Value, json};

use crate::boxes::{P384, RSA, SoftwareBox};
use crate::world::{ADMIN, Answer, Distributor, World};

impl World {
    async fn limit(&self, seller: &Distributor, channels: u32) {
        let body = json!({ "counts": { "camera": channels } });
        let path = format!("/api/v1/distributors/{}/write-offs", seller.id);
        self.put(&path, &self.sign_in(ADMIN).await, body)
            .await
            .expect(200, "");
    }

    async fn write_off(&self, server: &str) -> Answer {
        let path = format!("/api/v1/servers/{server}/write-off");
        let admin = self.sign_in(ADMIN).await;
        self.post(&path, &admin, json!({ "note": "case 7" })).await
    }

    async fn back(&self, request: &str) -> Answer {
        let body = json!({ "request": request, "note": "parcel 7" });
        let admin = self.sign_in(ADMIN).await;
        self.post("/api/v1/hardware-returns", &admin, body).await
    }

    async fn write_offs(&self, seller: &Distributor) -> Value {
        let path = format!("/api/v1/distributors/{}/write-offs", seller.id);
        self.get(&path, &seller.token).await.expect(200, "")
    }
}

#[tokio::test]
async fn a_failed_box_is_replaced_comes_back_and_is_sold_again() {
    let world = World::new();
    let seller = world.distributor("Nordlicht", 10).await;
    let server = world.server(&seller, "Harbour 1").await;
    let mut failed = SoftwareBox::new(RSA, 3, "NVR-0207");
    let first = world
        .issue(&seller, &server, &failed.request(None), 8)
        .await
        .expect(201, "");

    world.write_off(&server).await.expect(409, "SG-POR-075");
    world.limit(&seller, 9).await;
    assert_eq!(world.available(&seller).await, 2);
    world.write_off(&server).await.expect(200, "");
    world.write_off(&server).await.expect(409, "SG-POR-071");
    assert_eq!(
        world.available(&seller).await,
        10,
        "they may be licensed again"
    );
    assert_eq!(world.write_offs(&seller).await["written_off"]["camera"], 8);

    // The replacement takes the server's place.
    let mut replacement = SoftwareBox::new(P384, 4, "NVR-0300");
    world
        .issue(&seller, &server, &replacement.request(None), 8)
        .await
        .expect(201, "");
    assert_eq!(world.available(&seller).await, 2);
    world.write_off(&server).await.expect(409, "SG-POR-075");

    // The old one is seen again: with its own key, and with another one of its TPM.
    let request = failed.request(None);
    world
        .issue(&seller, &server, &request, 8)
        .await
        .expect(409, "SG-POR-071");
    let elsewhere = world.server(&seller, "Depot").await;
    let mut cleared = SoftwareBox::new(RSA, 9, "NVR-0207");
    world
        .issue(&seller, &elsewhere, &cleared.request(None), 1)
        .await
        .expect(409, "SG-POR-071");
    assert_eq!(
        world.audit(&format!("server:{server}")),
        [
            "server.add",
            "license.issue",
            "hardware.write_off",
            "license.issue"
        ]
        .into_iter()
        .chain(["hardware.seen_again"; 2])
        .collect::<Vec<_>>()
    );

    // Back: its counter has to be out of reach of all it had.
    failed.counter = 8 + 2;
    let low = world.back(&failed.request(None)).await;
    assert!(low.json()["cause"].as_str().unwrap().contains("11"));
    low.expect(409, "SG-POR-073");
    failed.counter = 8 + 3;
    let back = failed.request(None);
    world.back(&back).await.expect(200, "");
    world.back(&back).await.expect(409, "SG-POR-072");
    assert_eq!(world.available(&seller).await, 2, "nothing came or went");
    assert_eq!(
        world.write_offs(&seller).await["written_off"],
        json!({}),
        "nothing is written off"
    );

    // Sold again, to another distributor, who sees nothing of what was before.
    let other = world.distributor("Sued", 5).await;
    let theirs = world.server(&other, "Mill").await;
    let made = world
        .issue(&other, &theirs, &failed.request(None), 5)
        .await
        .expect(201, "");
    assert_eq!(world.available(&other).await, 0);
    assert_eq!(world.available(&seller).await, 2);
    let list = format!("/api/v1/servers/{theirs}/licenses");
    let list = world.get(&list, &other.token).await.expect(200, "");
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    for (who, license, status) in [
        (&other, &first, 404),
        (&seller, &made, 404),
        (&other, &made, 200),
    ] {
        let id = license["id"].as_str().unwrap();
        let path = format!("/api/v1/licenses/{id}/file");
        let answer = world.get(&path, &who.token).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
    }
}

#[tokio::test]
async fn the_journal_knows_what_was_written_off_and_what_came_back() {
    let mut world = World::new();
    let seller = world.distributor("Nordlicht", 10).await;
    let server = world.server(&seller, "Harbour 1").await;
    world.limit(&seller, 10).await;
    let mut failed = SoftwareBox::new(RSA, 3, "NVR-0207");
    world.back_up();
    world
        .issue(&seller, &server, &failed.request(None), 8)
        .await
        .expect(201, "");
    world.write_off(&server).await.expect(200, "");
    world.restore_backup();
    assert_eq!(world.available(&seller).await, 10);
    assert_eq!(world.write_offs(&seller).await["written_off"]["camera"], 8);
    let request = failed.request(None);
    world
        .issue(&seller, &server, &request, 8)
        .await
        .expect(409, "SG-POR-071");

    failed.counter = 11;
    world.back(&failed.request(None)).await.expect(200, "");
    world.restore_backup();
    assert_eq!(world.available(&seller).await, 10);
    assert_eq!(world.write_offs(&seller).await["written_off"], json!({}));
    let mill = world.server(&seller, "Mill").await;
    world
        .issue(&seller, &mill, &failed.request(None), 3)
        .await
        .expect(201, "");
    world.restore_backup();
    assert_eq!(world.available(&seller).await, 7);
}

#[tokio::test]
async fn only_staff_write_off() {
    let world = World::new();
    let seller = world.distributor("Nordlicht", 10).await;
    let server = world.server(&seller, "Harbour 1").await;
    let path = format!("/api/v1/servers/{server}/write-off");
    let note = json!({ "note": "lost" });
    world
        .post(&path, &seller.token, note)
        .await
        .expect(403, "SG-POR-017");
    world.write_off(&server).await.expect(404, "SG-API-002");
    let stranger = SoftwareBox::new(RSA, 3, "NVR-0207").request(None);
    world.back(&stranger).await.expect(404, "SG-API-002");
}
