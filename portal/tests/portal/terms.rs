//! Licenses that end.

use serde_json::json;

use crate::boxes::{P384, RSA, SoftwareBox};
use crate::support::now;
use crate::world::{ADMIN, Answer, Distributor, World};

const DAY: i64 = 24 * 3600;

fn in_days(days: i64) -> String {
    let later = now().as_second() + days * DAY;
    jiff::Timestamp::from_second(later).unwrap().to_string()
}

impl World {
    async fn issue_for(
        &self,
        token: &str,
        server: &str,
        request: &str,
        (channels, term, days): (u32, &str, i64),
    ) -> Answer {
        let body = json!({
            "request": request, "entitlements": { "camera": channels },
            "term": term, "ends_at": in_days(days),
        });
        let path = format!("/api/v1/servers/{server}/licenses");
        self.post(&path, token, body).await
    }

    /// Time passes, and the seller's session is over.
    async fn later(&self, days: i64, seller: &mut Distributor) {
        self.clock.advance(days * DAY);
        seller.token = self.sign_in("nordlicht@seller.test").await;
    }

    async fn reissue(&self, who: &Distributor, server: &str, request: &str) -> Answer {
        let body = json!({ "request": request, "reissue": true });
        let path = format!("/api/v1/servers/{server}/licenses");
        self.post(&path, &who.token, body).await
    }
}

#[tokio::test]
async fn a_dated_license_is_charged_until_it_is_over() {
    let world = World::new();
    let mut seller = world.distributor("Nordlicht", 10).await;
    let server = world.server(&seller, "Harbour 1").await;
    let mut recorder = SoftwareBox::new(RSA, 3, "NVR-0207");
    let first = world
        .issue(&seller, &server, &recorder.request(None), 2)
        .await
        .expect(201, "");
    recorder.counter = 8;
    let request = recorder.request(Some(&world.secret(first["id"].as_str().unwrap())));
    let dated = world
        .issue_for(&seller.token, &server, &request, (9, "dated", 30))
        .await
        .expect(201, "");
    assert!(dated["file"].as_str().unwrap().contains("payload"));
    assert_eq!(world.available(&seller).await, 1);

    // It is imported and proven: what it replaced comes back when it ends, so it stays
    // charged beneath.
    recorder.counter = 16;
    let secret = world.secret(dated["id"].as_str().unwrap());
    let request = recorder.request(Some(&secret));
    let again = world
        .reissue(&seller, &server, &request)
        .await
        .expect(200, "");
    assert_eq!(again["file"], dated["file"]);
    assert_eq!(world.available(&seller).await, 1);
    world.later(30, &mut seller).await;
    // At its end, but within the slack.
    assert_eq!(world.available(&seller).await, 1);
    world.later(1, &mut seller).await;
    // Found by a random walk: whoever looks at the server first has to see it, too.
    let path = format!("/api/v1/servers/{server}");
    let view = world.get(&path, &seller.token).await.expect(200, "");
    assert_eq!(view["charged"]["camera"], 2, "{view}");
    assert_eq!(world.available(&seller).await, 8);

    // The box has what it had before.
    let request = recorder.request(Some(&secret));
    let back = world
        .reissue(&seller, &server, &request)
        .await
        .expect(201, "");
    assert_eq!(back["after"]["camera"], 2);
    assert_eq!(world.available(&seller).await, 8);
}

#[tokio::test]
async fn a_trial_is_not_charged_and_had_once() {
    let world = World::new();
    let seller = world.distributor("Nordlicht", 1).await;
    let server = world.server(&seller, "Harbour 1").await;
    let mut recorder = SoftwareBox::new(RSA, 3, "NVR-0207");
    let request = recorder.request(None);
    let try_it = async |wanted| {
        let token = &seller.token;
        world.issue_for(token, &server, &request, wanted).await
    };
    try_it((17, "trial", 30)).await.expect(422, "SG-POR-076");
    try_it((16, "trial", 31)).await.expect(422, "SG-POR-077");
    try_it((16, "trial", 0)).await.expect(422, "SG-POR-070");
    try_it((16, "trial", 30)).await.expect(201, "");
    try_it((16, "trial", 30)).await.expect(200, "");
    try_it((15, "trial", 30)).await.expect(409, "SG-POR-078");
    assert_eq!(world.available(&seller).await, 1);
    let body = json!({ "request": request, "entitlements": {}, "term": "trial" });
    let path = format!("/api/v1/servers/{server}/licenses");
    world
        .post(&path, &seller.token, body)
        .await
        .expect(400, "SG-API-001");
}

#[tokio::test]
async fn an_overlap_is_charged_beside_what_it_bridges_and_given_by_staff() {
    let world = World::new();
    let mut seller = world.distributor("Nordlicht", 10).await;
    let server = world.server(&seller, "Harbour 1").await;
    let depot = world.server(&seller, "Depot").await;
    world
        .issue(
            &seller,
            &depot,
            &SoftwareBox::new(P384, 4, "NVR-1").request(None),
            4,
        )
        .await
        .expect(201, "");
    let request = SoftwareBox::new(RSA, 3, "NVR-0207").request(None);
    let wanted = (4, "overlap", 14);
    world
        .issue_for(&seller.token, &server, &request, wanted)
        .await
        .expect(403, "SG-POR-017");
    let admin = world.sign_in(ADMIN).await;
    world
        .issue_for(&admin, &server, &request, wanted)
        .await
        .expect(201, "");
    assert_eq!(world.available(&seller).await, 2, "both are charged");
    world.later(15, &mut seller).await;
    assert_eq!(world.available(&seller).await, 6);
}
