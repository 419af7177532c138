//! A database from a backup, and the journal that knows better.

use std::fs;
use std::path::Path;

use sealgate_portal::desk::OpenError;
use sealgate_portal::journal::JournalError;
use serde_json::json;

use crate::boxes::{P384, RSA, SoftwareBox};
use crate::world::{FakeClock, World, open};

/// Copies a closed database.
pub fn copy_database(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in ["portal.db", "portal.db-wal", "portal.db-shm"] {
        let _ = fs::remove_file(to.join(name));
        if from.join(name).exists() {
            fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
}

impl World {
    pub fn close(&mut self) {
        self.router = axum::Router::new();
    }

    pub fn reopen(&mut self) {
        self.close();
        self.router = open(self.folder.path(), &self.clock).unwrap();
    }

    pub fn back_up(&mut self) {
        self.close();
        copy_database(self.folder.path(), &self.folder.path().join("backup"));
        self.reopen();
    }

    /// The database comes out of the backup; the journal is there.
    pub fn restore_backup(&mut self) {
        self.close();
        copy_database(&self.folder.path().join("backup"), self.folder.path());
        self.reopen();
    }
}

#[tokio::test]
async fn a_restored_database_learns_what_was_handed_out_since() {
    let mut world = World::new();
    let seller = world.distributor("Nordlicht", 10).await;
    let server = world.server(&seller, "Harbour 1").await;
    let mut recorder = SoftwareBox::new(RSA, 3, "NVR-0207");
    let first = world
        .issue(&seller, &server, &recorder.request(None), 2)
        .await
        .expect(201, "");
    let backup = world.folder.path().join("backup");
    world.close();
    copy_database(world.folder.path(), &backup);
    world.reopen();

    // After the backup: an update, its proof, and a new project with a new box.
    let first_secret = world.secret(first["id"].as_str().unwrap());
    recorder.counter = 8;
    let request = recorder.request(Some(&first_secret));
    let larger = world
        .issue(&seller, &server, &request, 5)
        .await
        .expect(201, "");
    recorder.counter = 16;
    let larger_secret = world.secret(larger["id"].as_str().unwrap());
    let request = recorder.request(Some(&larger_secret));
    let smaller = world
        .issue(&seller, &server, &request, 4)
        .await
        .expect(201, "");
    let depot = world.server(&seller, "Depot").await;
    let mut second = SoftwareBox::new(P384, 4, "NVR-0193");
    let request = second.request(None);
    let depots = world
        .issue(&seller, &depot, &request, 3)
        .await
        .expect(201, "");
    assert_eq!(world.available(&seller).await, 2);

    world.close();
    copy_database(&backup, world.folder.path());
    world.reopen();
    assert_eq!(
        world.available(&seller).await,
        2,
        "nothing is licensed twice"
    );
    for made in [&first, &larger, &smaller, &depots] {
        let path = format!("/api/v1/licenses/{}/file", made["id"].as_str().unwrap());
        let file = world.get(&path, &seller.token).await;
        assert_eq!(file.text(), made["file"].as_str().unwrap());
    }
    let again = world
        .issue(&seller, &depot, &request, 3)
        .await
        .expect(200, "");
    assert_eq!(again["file"], depots["file"]);
    recorder.counter = 24;
    let smaller_secret = world.secret(smaller["id"].as_str().unwrap());
    let request = recorder.request(Some(&smaller_secret));
    world
        .issue(&seller, &server, &request, 4)
        .await
        .expect(200, "");
    assert_eq!(world.available(&seller).await, 3, "the return is credited");

    world.reopen();
    assert_eq!(
        world.available(&seller).await,
        3,
        "replaying once is enough"
    );
}

#[tokio::test]
async fn without_its_journal_the_portal_does_not_open() {
    let mut world = World::new();
    let seller = world.distributor("Nordlicht", 10).await;
    let server = world.server(&seller, "Harbour 1").await;
    let mut recorder = SoftwareBox::new(RSA, 3, "NVR-0207");
    world
        .issue(&seller, &server, &recorder.request(None), 2)
        .await
        .expect(201, "");
    let journal = world.folder.path().join("journal/handed-out.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    world.close();

    fs::remove_file(&journal).unwrap();
    let refused = open(world.folder.path(), &world.clock).unwrap_err();
    assert!(
        matches!(refused, OpenError::Journal(JournalError::NotOurs { .. })),
        "{refused}"
    );
    fs::write(&journal, text.replace("\"camera\":2", "\"camera\":1")).unwrap();
    let refused = open(world.folder.path(), &world.clock).unwrap_err();
    assert!(
        matches!(refused, OpenError::Journal(JournalError::NotOurs { .. })),
        "{refused}"
    );
    fs::write(&journal, &text).unwrap();
    world.reopen();
    assert_eq!(world.available(&seller).await, 8);
}

#[tokio::test]
async fn a_license_that_the_database_lost_in_a_crash_is_replayed() {
    let mut world = World::new();
    let seller = world.distributor("Nordlicht", 10).await;
    let server = world.server(&seller, "Harbour 1").await;
    let before = world.folder.path().join("before");
    world.close();
    copy_database(world.folder.path(), &before);
    world.reopen();
    let mut recorder = SoftwareBox::new(RSA, 3, "NVR-0207");
    let request = recorder.request(None);
    let made = world
        .issue(&seller, &server, &request, 2)
        .await
        .expect(201, "");
    // The power went between journal and commit.
    world.close();
    copy_database(&before, world.folder.path());
    world.reopen();
    let again = world
        .issue(&seller, &server, &request, 2)
        .await
        .expect(200, "");
    assert_eq!(
        (&again["file"], &again["again"]),
        (&made["file"], &json!(true))
    );
    assert_eq!(world.available(&seller).await, 8);
}

#[test]
fn a_product_portal_takes_no_lab_root() {
    use sealgate_license::vendor::Flavour;
    use sealgate_portal::desk::{
        EkRootFile, FirstAdmin, Places, add_ek_roots, initialise, list_ek_roots, open_store,
    };
    use sealgate_portal::trust::TrustClass;

    let folder = tempfile::tempdir().unwrap();
    let places = Places::in_folder(folder.path());
    let now = crate::support::now();
    let mut rng = rand::rng();
    let first = FirstAdmin::ByLink;
    initialise(&places, Flavour::Product, "a@b", &first, now, &mut rng).unwrap();
    let again = initialise(&places, Flavour::Product, "a@b", &first, now, &mut rng);
    assert!(matches!(again, Err(OpenError::AlreadyInitialised { .. })));
    let (store, flavour) = open_store(&places).unwrap();
    let root = vec![EkRootFile {
        subject: "swtpm".to_owned(),
        der: crate::boxes::ROOT.to_vec(),
    }];
    let refusal = add_ek_roots(&store, flavour, Some(TrustClass::Lab), root.clone(), now);
    assert_eq!(refusal.unwrap_err().code(), "SG-POR-031");
    assert!(list_ek_roots(&store).unwrap().is_empty());
    add_ek_roots(&store, flavour, Some(TrustClass::Hardware), root, now).unwrap();
    assert_eq!(list_ek_roots(&store).unwrap().len(), 1);
    drop(store);
    let refused = open(folder.path(), &FakeClock::default()).unwrap_err();
    assert!(
        matches!(refused, OpenError::OtherFlavour { .. }),
        "{refused}"
    );
}
