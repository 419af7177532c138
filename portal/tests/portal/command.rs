//! The program itself: people, backup and restore while it serves, the check of the ledger.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use sealgate_license::vendor::Flavour;
use sealgate_portal::desk::{
    LedgerFault, LedgerVerdict, Places, PostgresPlace, back_up, restore_backup, verify_ledger,
};
use sealgate_portal::store::postgres::PostgresStore;
use sealgate_portal::store::sqlite::SqliteStore;
use sealgate_portal::store::{Store, StoreError, transact};
use sealgate_portal::{desk, signer};

use crate::boxes::{RSA, SoftwareBox};
use crate::cluster::Cluster;
use crate::support::now;
use crate::world::{ADMIN, FakeClock, PASSWORD, World};

fn portal(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sealgate-portal"))
        .args(arguments)
        .arg("--data")
        .arg(folder)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    out + &String::from_utf8_lossy(&output.stderr)
}

fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = portal(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    text(&output)
}

fn refused(folder: &Path, arguments: &[&str], words: &str) {
    let output = portal(folder, arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    assert!(text(&output).contains(words), "{}", text(&output));
}

/// A portal that serves until it is dropped.
struct Served(Child);

impl Served {
    /// With the lines that it printed until it was ready.
    fn start(folder: &Path, arguments: &[&str]) -> (Self, Vec<String>) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sealgate-portal"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let is_ready = line.contains("ready at");
            lines.push(line);
            if is_ready {
                break;
            }
        }
        (Self(child), lines)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn the_first_start_makes_a_portal_and_its_demo_balances() {
    let folder = tempfile::tempdir().unwrap();
    let output = portal(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert!(!output.status.success(), "without keys there is no portal");
    assert!(!folder.path().join("portal.db").exists());

    let (served, lines) = Served::start(folder.path(), &["--demo"]);
    let links = lines.iter().filter(|line| line.contains("/welcome/"));
    assert_eq!(links.count(), 6, "{lines:?}");
    let whole = done(folder.path(), &["verify-ledger"]);
    assert!(whole.contains("The ledger is whole"), "{whole}");
    let users = done(folder.path(), &["user", "list"]);
    for words in [
        "admin@localhost",
        "Vendor admin",
        "Sub-distributor",
        "6 users.",
    ] {
        assert!(users.contains(words), "{words}: {users}");
    }
    drop(served);
    let (_served, lines) = Served::start(folder.path(), &["--demo"]);
    assert_eq!(
        lines.len(),
        1,
        "only the first start prints links: {lines:?}"
    );
}

#[test]
fn people_are_kept_by_command() {
    let world = World::new();
    let folder = world.folder.path();
    let role = [
        "user",
        "add",
        "mina@vendor.test",
        "--role",
        "sales",
        "--name",
        "Mina",
    ];
    let added = done(folder, &role);
    assert!(added.contains("http://127.0.0.1:8480/welcome/"), "{added}");
    refused(folder, &role, "SG-POR-010");
    let unknown = ["user", "add", "x@seller.test", "--distributor", "Nobody"];
    refused(folder, &unknown, "SG-API-002");
    assert!(done(folder, &["user", "list"]).contains("has not come yet"));
    refused(folder, &["user", "disable", ADMIN], "SG-POR-101");
    refused(folder, &["user", "reset", "nobody@x"], "SG-POR-105");
    assert!(done(folder, &["user", "disable", "MINA@vendor.test"]).contains("is shut out"));
    assert!(done(folder, &["user", "list"]).contains("disabled"));
    done(folder, &["user", "enable", "mina@vendor.test"]);
    let link = done(
        folder,
        &["user", "reset", ADMIN, "--public-url", "https://l.test/"],
    );
    assert!(link.contains("https://l.test/welcome/"), "{link}");
}

#[tokio::test]
async fn a_backup_of_a_serving_portal_comes_back_with_what_was_issued_since() {
    let mut world = World::new();
    let seller = world.distributor("Nordlicht", 10).await;
    let server = world.server(&seller, "Harbour 1").await;
    let mut recorder = SoftwareBox::new(RSA, 3, "NVR-0207");
    let request = recorder.request(None);
    let first = world.issue(&seller, &server, &request, 2).await;
    first.expect(201, "");
    let folder = world.folder.path().to_owned();
    let backup = folder.join("backup.db");
    let backup = backup.to_str().unwrap();
    // Its desk is open all the while.
    done(&folder, &["backup", backup]);
    refused(&folder, &["backup", backup], "SG-POR-104");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(backup).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);

    recorder.counter = 8;
    let request = recorder.request(None);
    let larger = world.issue(&seller, &server, &request, 7).await;
    let larger = larger.expect(201, "");
    assert_eq!(world.available(&seller).await, 3);
    refused(&folder, &["restore", "--from", backup], "SG-POR-011");

    world.close();
    let broken = folder.join("broken.db");
    let bytes = std::fs::read(backup).unwrap();
    std::fs::write(&broken, &bytes[..bytes.len() / 2]).unwrap();
    let broken = broken.to_str().unwrap();
    refused(&folder, &["restore", "--from", broken], "SG-POR-103");
    let said = done(&folder, &["restore", "--from", backup]);
    assert!(said.contains("was kept as"), "{said}");
    world.reopen();
    assert_eq!(
        world.available(&seller).await,
        3,
        "nothing is licensed twice"
    );
    let path = format!("/api/v1/licenses/{}/file", larger["id"].as_str().unwrap());
    let file = world.get(&path, &seller.token).await;
    assert_eq!(file.text(), larger["file"].as_str().unwrap());
    assert!(done(&folder, &["verify-ledger"]).contains("The ledger is whole"));
}

#[test]
fn a_backup_of_postgresql_comes_back_with_what_was_issued_since() {
    let (first, second) = (Cluster::start(), Cluster::start());
    let folder = tempfile::tempdir().unwrap();
    let on = |cluster: &Cluster| Places {
        postgres: Some(PostgresPlace {
            address: cluster.address(),
            instance: "1".to_owned(),
        }),
        ..Places::in_folder(folder.path())
    };
    let places = on(&first);
    let rng = &mut rand::rng();
    signer::init(&places.keys, Flavour::Lab, now(), rng).unwrap();
    let password = desk::FirstAdmin::WithPassword(PASSWORD.to_owned().into());
    desk::initialise(&places, Flavour::Lab, ADMIN, &password, now(), rng).unwrap();
    let clock = FakeClock::default();
    let time = clock.clone();
    let clock: desk::Clock = std::sync::Arc::new(move || time.now());
    let open = desk::Desk::open(&places, None, clock.clone()).unwrap();
    desk::fill_demo(&open, ADMIN).unwrap();
    let desk::FirstStep::Begun(session) = open.sign_in(ADMIN, PASSWORD).unwrap() else {
        unreachable!("no app is set up");
    };
    let admin = session.actor;
    let backup = folder.path().join("backup");
    back_up(&places, &backup).unwrap();

    // Since then: a tab, a backslash and a line's end in what is kept, and one more license.
    let all = open.distributors(&admin).unwrap();
    let seller = all
        .iter()
        .find(|seller| seller.name == "Sur Vigilancia")
        .unwrap();
    let project = open
        .add_project(&admin, Some(seller.id), "New", "a\tb\\c\nd")
        .unwrap();
    let new = desk::NewServer {
        name: "New",
        description: "",
        kind: sealgate_portal::store::lists::ServerKind::Mac,
    };
    let server = open.add_server(&admin, project.id, &new).unwrap();
    let order = desk::MacOrder {
        server: server.id,
        list: "0001BD09E111",
        counts: sealgate_portal::rules::Counts::of("camera", 3),
        term: sealgate_portal::rules::Term::Perpetual,
    };
    open.issue_mac(&admin, &order).unwrap();
    let expected = open.balances(&admin, seller.id).unwrap();
    let second_backup = folder.path().join("backup-2");
    back_up(&places, &second_backup).unwrap();
    drop(open);

    // The first backup, and the journal knows the rest.
    let moved = on(&second);
    restore_backup(&moved, &backup, clock.clone()).unwrap();
    let open = desk::Desk::open(&moved, None, clock.clone()).unwrap();
    assert_eq!(open.balances(&admin, seller.id).unwrap(), expected);
    // New rows get numbers of their own.
    let more = sealgate_portal::rules::Counts::of("camera", 1);
    open.grant(&admin, seller.id, &more, "", None).unwrap();
    let store = PostgresStore::open(&second.address()).unwrap();
    assert!(matches!(
        verify_ledger(&store, None).unwrap(),
        LedgerVerdict::Whole { .. }
    ));
    drop(open);
    let again = restore_backup(&moved, &backup, clock.clone()).unwrap_err();
    assert_eq!(again.code(), "SG-POR-015");

    // The second backup says the same as the database did, to the letter.
    let third = Cluster::start();
    let moved = on(&third);
    restore_backup(&moved, &second_backup, clock).unwrap();
    let store = PostgresStore::open(&third.address()).unwrap();
    let kept = transact::<_, StoreError>(&store, |tx| tx.project(project.id)).unwrap();
    assert_eq!(kept.unwrap().description, "a\tb\\c\nd");
    let whole = std::fs::read(&backup).unwrap();
    let cut = folder.path().join("cut");
    std::fs::write(&cut, &whole[..whole.len() - 4]).unwrap();
    let empty = Cluster::start();
    let broken = restore_backup(&on(&empty), &cut, std::sync::Arc::new(now)).unwrap_err();
    assert_eq!(broken.code(), "SG-POR-103");
}

/// What somebody does who can write the database.
fn tamper(path: &Path, statements: &str) {
    let raw = rusqlite::Connection::open(path).unwrap();
    raw.execute_batch(
        "DROP TRIGGER ledger_is_append_only_u; DROP TRIGGER ledger_is_append_only_d;
         DROP TRIGGER ledger_chain_is_append_only_u; DROP TRIGGER ledger_chain_is_append_only_d;",
    )
    .unwrap();
    raw.execute_batch(statements).unwrap();
}

#[tokio::test]
async fn the_check_of_the_ledger_names_the_first_broken_entry() {
    let world = World::new();
    for (name, channels) in [("Nordlicht", 5), ("Sur", 6), ("Kai", 7)] {
        world.distributor(name, channels).await;
    }
    let folder = world.folder.path();
    let whole = done(folder, &["verify-ledger"]);
    let head = whole
        .split("head ")
        .nth(1)
        .unwrap()
        .trim()
        .trim_end_matches('.');
    assert!(
        whole.contains("3 entries") && head.starts_with("3:"),
        "{whole}"
    );
    done(folder, &["verify-ledger", "--noted", head]);
    let other = format!("2:{}", "00".repeat(32));
    refused(folder, &["verify-ledger", "--noted", &other], "SG-POR-102");
    refused(folder, &["verify-ledger", "--noted", "x"], "NUMBER:HASH");

    for (statements, seq, why) in [
        (
            "UPDATE ledger SET delta = 60 WHERE seq = 2",
            2,
            LedgerFault::Changed,
        ),
        ("DELETE FROM ledger WHERE seq = 1", 2, LedgerFault::Changed),
        ("DELETE FROM ledger WHERE seq = 3", 3, LedgerFault::Missing),
        (
            "INSERT INTO ledger (at_utc_ms, distributor_id, kind, delta, balance, reason, note)
             SELECT at_utc_ms, distributor_id, kind, delta, balance, reason, note
             FROM ledger WHERE seq = 1",
            4,
            LedgerFault::Unlinked,
        ),
        (
            "DELETE FROM ledger WHERE seq = 3; DELETE FROM ledger_chain WHERE seq = 3",
            3,
            LedgerFault::Missing,
        ),
    ] {
        let copy = tempfile::tempdir().unwrap();
        let path = copy.path().join("portal.db");
        back_up(&Places::in_folder(folder), &path).unwrap();
        tamper(&path, statements);
        let store: &dyn Store = &SqliteStore::open(&path).unwrap();
        let mut hash = [0; 32];
        let (_, digits) = head.split_once(':').unwrap();
        hex::decode_to_slice(digits, &mut hash).unwrap();
        let found = verify_ledger(store, Some((3, hash))).unwrap();
        assert_eq!(found, LedgerVerdict::Broken { seq, why }, "{statements}");
    }
}
