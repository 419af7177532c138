//! A database from a backup whose journal is lost: nothing is licensed twice by a credit,
//! and honest boxes catch up.

use std::fs;

use sealgate_portal::desk::{OpenError, Places, restore_without_journal};
use sealgate_portal::rules::MAX_AHEAD;
use serde_json::Value;

use crate::boxes::{P384, RSA, SoftwareBox};
use crate::restore::copy_database;
use crate::support::now;
use crate::world::{Distributor, World, open};

impl World {
    /// The database comes out of the backup, and the journal is gone. Secrets are the
    /// owner's, so they are read before.
    fn restore_without_journal(&mut self) -> u32 {
        self.close();
        copy_database(&self.folder.path().join("backup"), self.folder.path());
        fs::remove_file(self.folder.path().join("journal/handed-out.jsonl")).unwrap();
        let refused = open(self.folder.path(), &self.clock).unwrap_err();
        assert_eq!(refused.code(), "SG-POR-079", "{refused}");
        let places = Places::in_folder(self.folder.path());
        let done = restore_without_journal(&places, now()).unwrap();
        let again = restore_without_journal(&places, now()).unwrap_err();
        assert!(matches!(again, OpenError::JournalFits { .. }), "{again}");
        assert_eq!(again.code(), "SG-POR-074");
        self.reopen();
        done.journals_lost
    }

    /// One honest exchange: the newest license is imported, proven, and the next fetched.
    async fn exchange(
        &self,
        seller: &Distributor,
        server: &str,
        recorder: &mut SoftwareBox,
        license: &Value,
        channels: u32,
    ) -> Value {
        let id = license["id"].as_str().unwrap();
        recorder.counter = self.to_of(seller, server, id).await;
        let request = recorder.request(Some(&self.secret(id)));
        let answer = self.issue(seller, server, &request, channels).await;
        assert!(answer.status.is_success(), "{}", answer.text());
        answer.json()
    }

    pub async fn to_of(&self, seller: &Distributor, server: &str, id: &str) -> u64 {
        let path = format!("/api/v1/servers/{server}/licenses");
        let all = self.get(&path, &seller.token).await.expect(200, "");
        let found = all.as_array().unwrap().iter().find(|one| one["id"] == id);
        found.unwrap()["to"].as_u64().unwrap()
    }
}

#[tokio::test]
async fn a_return_is_credited_once_the_box_has_caught_up() {
    let mut world = World::new();
    let seller = world.distributor("Nordlicht", 100).await;
    let server = world.server(&seller, "Harbour 1").await;
    let mut recorder = SoftwareBox::new(RSA, 3, "NVR-0207");
    world.back_up();
    // After the backup: a license that the portal will not know.
    let large = world
        .issue(&seller, &server, &recorder.request(None), 64)
        .await
        .expect(201, "");
    let large_secret = world.secret(large["id"].as_str().unwrap());
    assert_eq!(world.restore_without_journal(), 1);
    assert_eq!(world.available(&seller).await, 100, "it is forgotten");

    recorder.counter = 8;
    let request = recorder.request(Some(&large_secret));
    let first = world
        .issue(&seller, &server, &request, 64)
        .await
        .expect(201, "");
    assert_eq!(world.available(&seller).await, 36);
    let mut licenses = vec![first];
    for _ in 0..2 {
        let last = licenses.last().unwrap().clone();
        let next = world
            .exchange(&seller, &server, &mut recorder, &last, 32)
            .await;
        assert_eq!(next["again"], false, "{next}");
        assert_eq!(world.available(&seller).await, 36, "no credit yet");
        licenses.push(next);
    }
    let last = licenses.last().unwrap().clone();
    world
        .exchange(&seller, &server, &mut recorder, &last, 32)
        .await;
    assert_eq!(world.available(&seller).await, 68, "caught up: 32 are back");
    let mut counter = 8;
    for license in &licenses {
        let id = license["id"].as_str().unwrap();
        let to = world.to_of(&seller, &server, id).await;
        assert!(to - counter <= MAX_AHEAD, "the box takes each step: {to}");
        counter = to;
    }
}

#[tokio::test]
async fn restored_twice_from_one_backup_with_an_old_request_replayed() {
    let mut world = World::new();
    let seller = world.distributor("Nordlicht", 1000).await;
    let server = world.server(&seller, "Harbour 1").await;
    let mut recorder = SoftwareBox::new(RSA, 3, "NVR-0207");
    let old_request = recorder.request(None);
    world.back_up();
    assert_eq!(world.restore_without_journal(), 1);
    // Between the restores: a large license, which the owner keeps for later.
    let first = world
        .issue(&seller, &server, &old_request, 1)
        .await
        .expect(201, "");
    let hidden = world
        .exchange(&seller, &server, &mut recorder, &first, 64)
        .await;
    let hidden_to = world
        .to_of(&seller, &server, hidden["id"].as_str().unwrap())
        .await;
    // The count came out of the backup, too: safety must not rest on it.
    assert_eq!(world.restore_without_journal(), 1);

    // The owner sends the old request again, and then proves a license for nothing
    // wherever his counter could still import what he hides.
    let mut license = world
        .issue(&seller, &server, &old_request, 64)
        .await
        .expect(201, "");
    loop {
        let id = license["id"].as_str().unwrap().to_owned();
        let to = world.to_of(&seller, &server, &id).await;
        if to > hidden_to {
            break;
        }
        license = world
            .exchange(&seller, &server, &mut recorder, &license, 0)
            .await;
        assert_eq!(
            world.available(&seller).await,
            936,
            "at {to} license {hidden_to} could still be imported"
        );
    }
}

#[tokio::test]
async fn a_box_that_the_backup_does_not_know_catches_up_too() {
    let mut world = World::new();
    let seller = world.distributor("Nordlicht", 10).await;
    let server = world.server(&seller, "Harbour 1").await;
    let known = world.server(&seller, "Depot").await;
    let mut depot = SoftwareBox::new(P384, 4, "NVR-0193");
    world
        .issue(&seller, &known, &depot.request(None), 1)
        .await
        .expect(201, "");
    world.back_up();
    world.restore_without_journal();
    let mut recorder = SoftwareBox::new(RSA, 3, "NVR-0207");
    let first = world
        .issue(&seller, &server, &recorder.request(None), 5)
        .await
        .expect(201, "");
    let second = world
        .exchange(&seller, &server, &mut recorder, &first, 2)
        .await;
    let third = world
        .exchange(&seller, &server, &mut recorder, &second, 2)
        .await;
    assert_eq!(world.available(&seller).await, 4, "no credit yet");
    world
        .exchange(&seller, &server, &mut recorder, &third, 2)
        .await;
    assert_eq!(world.available(&seller).await, 7);
}
