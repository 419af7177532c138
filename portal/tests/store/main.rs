//! What every store promises, kept by each: SQLite in a file, PostgreSQL, and memory.
#![allow(clippy::unwrap_used)]

#[path = "../cluster/mod.rs"]
mod cluster;
mod lists;
mod others;
mod people;
mod postgres;

use std::collections::BTreeSet;

use sealgate_portal::rules::{Counts, Custody, Forgotten, Term};
use sealgate_portal::store::memory::MemoryStore;
use sealgate_portal::store::postgres::PostgresStore;
use sealgate_portal::store::sqlite::SqliteStore;
use sealgate_portal::store::{
    AuditEntry, Balance, Distributor, DistributorId, EkRootEntry, FileId, LedgerEntry,
    LedgerReason, LicenseFile, Origin, PasswordLink, Project, ProjectId, Role, Server, ServerId,
    Session, Store, StoreError, TokenHash, Tpm, TpmId, TpmIdentity, Tx, User, UserId, transact,
};
use sealgate_portal::trust::TrustClass;
use zeroize::Zeroizing;

/// Runs a promise on a new store of each kind.
fn on_each(promise: fn(&dyn Store)) {
    let folder = tempfile::tempdir().unwrap();
    promise(&SqliteStore::open(&folder.path().join("portal.db")).unwrap());
    promise(&MemoryStore::new());
    let cluster = cluster::Cluster::start();
    promise(&PostgresStore::open(&cluster.address()).unwrap());
}

fn tx<T>(store: &dyn Store, work: impl FnOnce(&mut dyn Tx) -> Result<T, StoreError>) -> T {
    transact(store, work).unwrap()
}

fn cameras(count: u32) -> Counts {
    Counts::of("camera", count)
}

/// A distributor with a project and a server.
struct Rooms {
    distributor: DistributorId,
    project: ProjectId,
    server: ServerId,
}

fn rooms(store: &dyn Store, name: &str) -> Rooms {
    let rng = &mut rand::rng();
    let rooms = Rooms {
        distributor: DistributorId::random(rng),
        project: ProjectId::random(rng),
        server: ServerId::random(rng),
    };
    tx(store, |tx| {
        tx.insert_distributor(&Distributor {
            id: rooms.distributor,
            name: name.to_owned(),
            created_utc_s: 1,
        })?;
        tx.insert_project(&project(&rooms, rooms.project, "Harbour", false))?;
        tx.insert_server(&server(&rooms, rooms.server, "Crane 1"))
    });
    rooms
}

fn project(rooms: &Rooms, id: ProjectId, name: &str, built_in: bool) -> Project {
    Project {
        id,
        distributor: rooms.distributor,
        name: name.to_owned(),
        description: "by the water".to_owned(),
        built_in,
        created_utc_s: 2,
    }
}

fn server(rooms: &Rooms, id: ServerId, name: &str) -> Server {
    Server {
        id,
        project: rooms.project,
        name: name.to_owned(),
        description: String::new(),
        created_utc_s: 3,
    }
}

fn tpm(rooms: &Rooms, ek: &str, ak: &str, license_number: u64) -> Tpm {
    Tpm {
        id: TpmId::default(),
        identity: TpmIdentity {
            ek_name: ek.to_owned(),
            ak_name: ak.to_owned(),
        },
        class: TrustClass::Firmware,
        model: "NVR-16".to_owned(),
        serial: "NVR-0207".to_owned(),
        server: rooms.server,
        license_number,
        row: sealgate_portal::rules::Row::default(),
    }
}

fn file(of: &Tpm, revision: u32, term: Term) -> LicenseFile {
    LicenseFile {
        id: of.file_id(revision),
        tpm: of.id,
        revision,
        from: u64::from(revision),
        to: u64::from(revision) * 8,
        counts: cameras(revision),
        term,
        activation_secret: Zeroizing::new([7; 32]),
        request_sha256: [8; 32],
        text: "a license".to_owned(),
        issued_utc_s: 5,
    }
}

#[test]
fn a_transaction_is_kept_whole_or_not_at_all() {
    on_each(|store| {
        let failed: Result<(), StoreError> = transact(store, |tx| {
            tx.set_meta("fact", "1")?;
            Err(StoreError::Poisoned)
        });
        assert!(failed.is_err());
        assert_eq!(tx(store, |tx| tx.meta("fact")), None);
        tx(store, |tx| tx.set_meta("fact", "1"));
        tx(store, |tx| tx.set_meta("fact", "2"));
        assert_eq!(tx(store, |tx| tx.meta("fact")).as_deref(), Some("2"));
    });
}

#[test]
fn names_are_taken_once_and_owners_exist() {
    on_each(|store| {
        let rooms = rooms(store, "Nordlicht");
        let rng = &mut rand::rng();
        let taken = |result: Result<(), StoreError>| {
            assert!(
                matches!(result, Err(StoreError::Taken { .. })),
                "{result:?}"
            );
        };
        let distributor = Distributor {
            id: DistributorId::random(rng),
            name: "Nordlicht".to_owned(),
            created_utc_s: 1,
        };
        taken(transact(store, |tx| tx.insert_distributor(&distributor)));
        let again = project(&rooms, ProjectId::random(rng), "Harbour", false);
        taken(transact(store, |tx| tx.insert_project(&again)));
        let again = server(&rooms, ServerId::random(rng), "Crane 1");
        taken(transact(store, |tx| tx.insert_server(&again)));

        let nowhere = Rooms {
            distributor: DistributorId::random(rng),
            project: ProjectId::random(rng),
            server: ServerId::random(rng),
        };
        let orphan = project(&nowhere, nowhere.project, "Mill", false);
        assert!(transact(store, |tx| tx.insert_project(&orphan)).is_err());
        let orphan = server(&nowhere, nowhere.server, "Gate");
        assert!(transact(store, |tx| tx.insert_server(&orphan)).is_err());
        let orphan = tpm(&nowhere, "ek", "ak", 1001);
        assert!(transact(store, |tx| tx.insert_tpm(&orphan)).is_err());
    });
}

#[test]
fn lists_are_in_order() {
    on_each(|store| {
        let rooms = rooms(store, "Nordlicht");
        let rng = &mut rand::rng();
        for (name, built_in) in [("Ungroup", true), ("Airport", false), ("Zoo", false)] {
            let project = project(&rooms, ProjectId::random(rng), name, built_in);
            tx(store, |tx| tx.insert_project(&project));
        }
        let server = server(&rooms, ServerId::random(rng), "Barge");
        tx(store, |tx| tx.insert_server(&server));
        let names: Vec<String> = tx(store, |tx| tx.projects(Some(rooms.distributor)))
            .into_iter()
            .map(|project| project.name)
            .collect();
        assert_eq!(names, ["Airport", "Harbour", "Zoo", "Ungroup"]);
        assert_eq!(tx(store, |tx| tx.projects(None)).len(), 4);
        let servers = tx(store, |tx| tx.servers(rooms.project));
        assert_eq!(servers[0], server);
        assert_eq!(servers[1].name, "Crane 1");
        assert_eq!(tx(store, |tx| tx.server(server.id)), Some(server.clone()));

        let zoo = tx(store, |tx| tx.projects(None)).remove(2).id;
        tx(store, |tx| tx.move_server(server.id, zoo));
        assert_eq!(tx(store, |tx| tx.server(server.id)).unwrap().project, zoo);
        let twin = Server {
            id: ServerId::random(rng),
            ..server.clone()
        };
        tx(store, |tx| tx.insert_server(&twin));
        assert!(matches!(
            transact(store, |tx| tx.move_server(server.id, rooms.project)),
            Err(StoreError::Taken { .. })
        ));
        let nowhere = ProjectId::random(rng);
        assert!(transact(store, |tx| tx.move_server(server.id, nowhere)).is_err());
    });
}

#[test]
fn people_sessions_and_links() {
    on_each(|store| {
        let user = User {
            id: UserId::random(&mut rand::rng()),
            email: "Ada@seller.test".to_owned(),
            name: "Ada".to_owned(),
            role: Role::Admin,
            distributor: None,
            password_phc: None,
            disabled: false,
            created_utc_s: 1,
        };
        tx(store, |tx| tx.insert_user(&user));
        let twin = User {
            id: UserId::random(&mut rand::rng()),
            email: "ada@SELLER.test".to_owned(),
            ..user.clone()
        };
        assert!(matches!(
            transact(store, |tx| tx.insert_user(&twin)),
            Err(StoreError::Taken { .. })
        ));
        let found = tx(store, |tx| tx.user_by_email("ADA@seller.test"));
        assert_eq!(found.as_ref(), Some(&user));

        let session = |word: &str, expires_utc_s| Session {
            token: TokenHash::of(word),
            user: user.id,
            csrf: "c".to_owned(),
            expires_utc_s,
            created_utc_s: 1,
            address: Some("192.0.2.1".to_owned()),
            user_agent: None,
        };
        tx(store, |tx| tx.insert_session(&session("one", 10), 1));
        tx(store, |tx| tx.insert_session(&session("two", 30), 1));
        let read = |word: &str, now| tx(store, |tx| tx.session(&TokenHash::of(word), now));
        assert_eq!(read("one", 9), Some((session("one", 10), user.clone())));
        assert_eq!(read("one", 10), None);
        tx(store, |tx| tx.delete_session(&TokenHash::of("two")));
        assert_eq!(read("two", 2), None);

        let link = PasswordLink {
            token: TokenHash::of("link"),
            user: user.id,
            expires_utc_s: 10,
        };
        tx(store, |tx| tx.insert_password_link(&link));
        let read_link = |now| tx(store, |tx| tx.password_link(&link.token, now));
        assert_eq!(read_link(9), Some(link.clone()));
        assert_eq!(read_link(10), None);
        tx(store, |tx| tx.delete_password_links(user.id));
        assert_eq!(read_link(9), None);

        tx(store, |tx| tx.set_password(user.id, "phc"));
        assert_eq!(read("one", 2), None, "a new password ends sessions");
        let user = tx(store, |tx| tx.user(user.id)).unwrap();
        assert_eq!(user.password_phc.as_deref(), Some("phc"));
    });
}

#[test]
fn the_audit_of_an_object_is_newest_first() {
    on_each(|store| {
        for (action, object) in [("a", "x"), ("b", "y"), ("c", "x"), ("d", "x")] {
            let entry = AuditEntry {
                at_utc_ms: 1,
                actor: None,
                action: action.to_owned(),
                object: object.to_owned(),
                detail: "{}".to_owned(),
                origin: Origin::default(),
            };
            tx(store, |tx| tx.append_audit(&entry));
        }
        let actions: Vec<String> = tx(store, |tx| tx.audit_of("x", 2))
            .into_iter()
            .map(|entry| entry.action)
            .collect();
        assert_eq!(actions, ["d", "c"]);
    });
}

#[test]
fn ek_roots_are_known_once() {
    on_each(|store| {
        let root = |sha256, class, subject: &str| EkRootEntry {
            sha256: [sha256; 32],
            class,
            subject: subject.to_owned(),
            der: vec![1, 2],
            added_utc_s: 4,
        };
        let (b, a) = (root(1, None, "B"), root(2, Some(TrustClass::Virtual), "A"));
        for entry in [&b, &a, &root(1, Some(TrustClass::Lab), "B")] {
            tx(store, |tx| tx.put_ek_root(entry));
        }
        let expected = vec![a, root(1, Some(TrustClass::Lab), "B")];
        assert_eq!(tx(store, |tx| tx.ek_roots()), expected);
    });
}

#[test]
fn a_row_comes_back_as_it_was() {
    on_each(|store| {
        let rooms = rooms(store, "Nordlicht");
        let mut known = tpm(&rooms, "ek", "ak", 1001);
        assert_eq!(tx(store, |tx| tx.next_license_number()), 1001);
        known.id = tx(store, |tx| tx.insert_tpm(&known));
        assert_eq!(tx(store, |tx| tx.next_license_number()), 1002);
        let ends_utc_s = 1_900_000_000;
        let terms = [
            Term::Perpetual,
            Term::Trial { ends_utc_s },
            Term::Dated { ends_utc_s },
            Term::Overlap { ends_utc_s },
        ];
        for (revision, term) in (1..).zip(terms) {
            let file = file(&known, revision, term);
            tx(store, |tx| tx.insert_file(&file));
            known.row.issued.push(sealgate_portal::rules::Issued {
                id: file.id.0.clone(),
                from: file.from,
                to: file.to,
                counts: file.counts.clone(),
                term,
                request_sha256: file.request_sha256,
            });
            let read = tx(store, |tx| tx.file(&file.id)).unwrap();
            assert_eq!(read.0, file);
            assert_eq!(read.1.id, known.id);
        }
        (known.row.attested, known.row.proven, known.row.credited) = (9, 8, 7);
        known.row.void_below = 3;
        known.row.custody = Custody::WrittenOff;
        known.row.charged = [("camera".to_owned(), 4), ("vca".to_owned(), 1)]
            .into_iter()
            .collect();
        for fresh_at in [None, Some(9)] {
            known.row.forgotten = Some(Forgotten {
                after_to: 2,
                fresh_at,
            });
            tx(store, |tx| tx.update_tpm(&known));
            let read = tx(store, |tx| tx.tpm(&known.identity));
            assert_eq!(read.as_ref(), Some(&known));
        }
        let charge = tx(store, |tx| tx.project_charge(rooms.project));
        assert_eq!(charge, known.row.charged);

        let same = file(&known, 1, Term::Perpetual);
        assert!(transact(store, |tx| tx.insert_file(&same)).is_err());
        let same_to = LicenseFile {
            id: FileId("L-1001-9".to_owned()),
            revision: 9,
            ..same
        };
        assert!(transact(store, |tx| tx.insert_file(&same_to)).is_err());
        assert!(transact(store, |tx| tx.insert_tpm(&known)).is_err());
    });
}

#[test]
fn tpms_are_found_by_what_they_are_and_where_they_stand() {
    on_each(|store| {
        let (ours, theirs) = (rooms(store, "Nordlicht"), rooms(store, "Sued"));
        let mut all = vec![
            tpm(&ours, "ek1", "ak1", 1001),
            tpm(&ours, "ek1", "ak2", 1002),
            tpm(&theirs, "ek2", "ak1", 1003),
        ];
        for tpm in &mut all {
            tpm.id = tx(store, |tx| tx.insert_tpm(tpm));
        }
        assert_eq!(tx(store, |tx| tx.tpms()), all);
        assert_eq!(tx(store, |tx| tx.tpms_of_ek("ek1")), all[..2]);
        assert_eq!(tx(store, |tx| tx.tpms_of_server(theirs.server)), all[2..]);

        // Ended licenses: by their end, by the distributor, and only while they cost.
        for tpm in &mut all {
            let dated = file(tpm, 1, Term::Dated { ends_utc_s: 100 });
            tx(store, |tx| tx.insert_file(&dated));
            tpm.row.charged = cameras(1);
            tx(store, |tx| tx.update_tpm(tpm));
        }
        all[1].row.charged = Counts::none();
        tx(store, |tx| tx.update_tpm(&all[1]));
        let ended = |of: &Rooms, by| {
            let found = tx(store, |tx| {
                tx.tpms_with_ended_licenses(Some(of.distributor), by)
            });
            found.iter().map(|tpm| tpm.id.0).collect::<BTreeSet<_>>()
        };
        assert!(ended(&ours, 99).is_empty());
        assert_eq!(ended(&ours, 100), BTreeSet::from([all[0].id.0]));
        assert_eq!(ended(&theirs, 500), BTreeSet::from([all[2].id.0]));
        assert_eq!(
            tx(store, |tx| tx.tpms_with_ended_licenses(None, 100)).len(),
            2
        );
        // Looked at once is enough, until there is another end.
        tx(store, |tx| {
            tx.ends_were_settled(Some(theirs.distributor), 500)
        });
        assert!(ended(&theirs, 500).is_empty());
        assert_eq!(ended(&ours, 100), BTreeSet::from([all[0].id.0]));

        // Hardware moves when it is sold again.
        all[0].server = theirs.server;
        tx(store, |tx| tx.update_tpm(&all[0]));
        assert!(ended(&ours, 100).is_empty());
    });
}

#[test]
fn the_ledger_adds_up() {
    on_each(|store| {
        let rooms = rooms(store, "Nordlicht");
        let mut known = tpm(&rooms, "ek", "ak", 1001);
        known.id = tx(store, |tx| tx.insert_tpm(&known));
        let entry = |kind: &str, delta, reason, key: Option<&str>| LedgerEntry {
            at_utc_ms: 1,
            distributor: rooms.distributor,
            kind: kind.to_owned(),
            delta,
            reason,
            tpm: (reason != LedgerReason::Grant).then_some(known.id),
            note: String::new(),
            actor: None,
            idempotency_key: key.map(str::to_owned),
        };
        for entry in [
            entry("camera", 10, LedgerReason::Grant, Some("order 1")),
            entry("vca", 2, LedgerReason::Grant, Some("order 1")),
            entry("camera", -8, LedgerReason::Charge, None),
            entry("camera", 3, LedgerReason::Credit, None),
            entry("camera", 5, LedgerReason::WriteOff, None),
        ] {
            tx(store, |tx| tx.append_ledger(&entry));
        }
        let balance = |kind: &str, available, granted, written_off| Balance {
            kind: kind.to_owned(),
            available,
            granted,
            written_off,
        };
        assert_eq!(
            tx(store, |tx| tx.balances(rooms.distributor)),
            [balance("camera", 10, 10, 5), balance("vca", 2, 2, 0)]
        );
        let page = |before, limit| {
            let rows = tx(store, |tx| tx.ledger_page(rooms.distributor, before, limit));
            let lines = rows.iter().map(|row| (row.entry.delta, row.balance));
            (lines.collect::<Vec<_>>(), rows.last().map(|row| row.seq))
        };
        let (lines, last) = page(None, 3);
        assert_eq!(lines, [(5, 10), (3, 5), (-8, 2)]);
        assert_eq!(page(last, 9).0, [(2, 2), (10, 10)]);
        let newest = tx(store, |tx| tx.ledger_page(rooms.distributor, None, 1)).remove(0);
        assert_eq!(
            newest.entry,
            entry("camera", 5, LedgerReason::WriteOff, None)
        );
        let has = |key| tx(store, |tx| tx.has_grant(rooms.distributor, key));
        assert!(has("order 1") && !has("order 2"));
        let unfit = [
            entry("camera", 0, LedgerReason::Credit, None),
            LedgerEntry {
                tpm: None,
                ..entry("camera", 1, LedgerReason::WriteOff, None)
            },
        ];
        for entry in unfit {
            assert!(transact(store, |tx| tx.append_ledger(&entry)).is_err());
        }
    });
}

#[test]
fn a_write_off_limit_is_replaced_as_a_whole() {
    on_each(|store| {
        let rooms = rooms(store, "Nordlicht");
        let read = || tx(store, |tx| tx.write_off_limit(rooms.distributor));
        assert_eq!(read(), Counts::none());
        for limit in [cameras(4), Counts::of("vca", 2), Counts::none()] {
            tx(store, |tx| {
                tx.set_write_off_limit(rooms.distributor, &limit)
            });
            assert_eq!(read(), limit);
        }
    });
}
