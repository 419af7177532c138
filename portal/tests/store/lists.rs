//! What lists show, a page at a time.

use sealgate_portal::rules::{Counts, Term};
use sealgate_portal::store::lists::{
    DistributorFacts, ProjectKey, ServerFilter, ServerKind, ServerRow,
};
use sealgate_portal::store::{
    DistributorId, LedgerEntry, LedgerReason, Project, ProjectId, Server, ServerId, Store,
    StoreError, UserId, transact,
};

use crate::{Rooms, cameras, file, on_each, project, rooms, server, tpm, tx};

fn names(rows: &[ServerRow]) -> Vec<&str> {
    rows.iter().map(|row| row.server.name.as_str()).collect()
}

/// A TPM at this server with one license of so many channels, charged more.
fn license(store: &dyn Store, rooms: &Rooms, at: ServerId, number: u64, gives: u32, charged: u32) {
    let mut known = tpm(rooms, &format!("ek{number}"), "ak", number);
    known.server = at;
    tx(store, |tx| {
        known.id = tx.insert_tpm(&known)?;
        let mut made = file(&known, 1, Term::Perpetual);
        made.counts = cameras(gives);
        made.issued_utc_s = 50;
        tx.insert_file(&made)?;
        let mut known = tx.tpm(&known.identity)?.unwrap();
        known.row.charged = cameras(charged);
        tx.update_tpm(&known)
    });
}

#[test]
fn servers_are_listed_by_name_with_what_their_licenses_come_to() {
    on_each(|store| {
        let rooms = rooms(store, "Nordlicht");
        let rng = &mut rand::rng();
        for name in ["Crane 2", "Crane 3", "Mill 100%"] {
            let new = server(&rooms, ServerId::random(rng), name);
            tx(store, |tx| tx.insert_server(&new));
        }
        license(store, &rooms, rooms.server, 1001, 4, 6);
        let page = |find: &str, after: &str, limit| {
            let filter = ServerFilter {
                text: find.to_owned(),
                mac: None,
            };
            tx(store, |tx| {
                tx.servers_page(rooms.project, &filter, after, limit)
            })
        };
        assert_eq!(names(&page("", "", 2)), ["Crane 1", "Crane 2"]);
        assert_eq!(names(&page("", "Crane 2", 9)), ["Crane 3", "Mill 100%"]);
        for (find, found) in [("MILL", 1), ("0%", 1), ("_", 0), ("!", 0), ("nvr-0207", 1)] {
            assert_eq!(page(find, "", 9).len(), found, "{find}");
        }
        let first = page("", "", 1).remove(0);
        assert_eq!(first, tx(store, |tx| tx.server_row(rooms.server)).unwrap());
        assert_eq!(first.summary.binding, Some(ServerKind::Software));
        assert_eq!(first.summary.serial.as_deref(), Some("NVR-0207"));
        assert_eq!(first.summary.licensed, cameras(4));
        assert_eq!(
            (first.summary.charged, first.summary.waiting),
            (cameras(6), cameras(2))
        );
        assert_eq!(
            (first.modified_utc_s, first.summary.waiting_since_utc_s),
            (50, Some(50))
        );

        // The sums move with the server.
        let elsewhere = ProjectId::random(rng);
        tx(store, |tx| {
            tx.insert_project(&project(&rooms, elsewhere, "Mountain", false))
        });
        tx(store, |tx| tx.move_server(rooms.server, elsewhere));
        let sums = |id| {
            let row = tx(store, |tx| tx.project_row(id)).unwrap();
            (row.servers, row.charged, row.waiting)
        };
        assert_eq!(sums(rooms.project), (3, Counts::none(), Counts::none()));
        assert_eq!(sums(elsewhere), (1, cameras(6), cameras(2)));
        let waiting = |of: Option<&[DistributorId]>| tx(store, |tx| tx.waiting_returns(of, 9));
        assert_eq!(waiting(None), waiting(Some(&[rooms.distributor])));
        assert_eq!(
            (waiting(None).len(), &*waiting(None)[0].project),
            (1, "Mountain")
        );
        let whole = tx(store, |tx| tx.distributor_row(rooms.distributor)).unwrap();
        assert_eq!((whole.projects, whole.waiting), (2, cameras(2)));
    });
}

#[test]
fn projects_and_distributors_come_in_pages() {
    on_each(|store| {
        let (north, south) = (rooms(store, "Nordlicht"), rooms(store, "Sued"));
        let rng = &mut rand::rng();
        for (name, built_in) in [("Ungroup", true), ("Zoo", false)] {
            let new = project(&north, ProjectId::random(rng), name, built_in);
            tx(store, |tx| tx.insert_project(&new));
        }
        let page = |of: Option<&[DistributorId]>, after: Option<&ProjectKey>, limit| {
            tx(store, |tx| tx.projects_page(of, false, after, limit))
        };
        let all = page(None, None, 9);
        let listed: Vec<&str> = all.iter().map(|row| row.project.name.as_str()).collect();
        assert_eq!(listed, ["Harbour", "Harbour", "Zoo", "Ungroup"]);
        let mut after = None;
        for row in &all {
            let next = page(None, after.as_ref(), 1).remove(0);
            assert_eq!(next, *row);
            after = Some(ProjectKey {
                built_in: next.project.built_in,
                name: next.project.name,
                id: next.project.id,
            });
        }
        assert!(page(None, after.as_ref(), 1).is_empty());
        assert_eq!(page(Some(&[south.distributor]), None, 9).len(), 1);
        let both = [south.distributor, north.distributor];
        assert_eq!(page(Some(&both), None, 9), all);
        assert!(page(Some(&[]), None, 9).is_empty());

        let entry = LedgerEntry {
            at_utc_ms: 1,
            distributor: south.distributor,
            kind: "camera".to_owned(),
            delta: 9,
            reason: LedgerReason::Grant,
            tpm: None,
            note: String::new(),
            actor: None,
            idempotency_key: None,
        };
        tx(store, |tx| tx.append_ledger(&entry));
        let known = tpm(&south, "ek", "ak", 1001);
        tx(store, |tx| {
            let charge = LedgerEntry {
                delta: -4,
                reason: LedgerReason::Charge,
                tpm: Some(tx.insert_tpm(&known)?),
                ..entry.clone()
            };
            tx.append_ledger(&charge)
        });
        let first = tx(store, |tx| tx.distributors_page("", 1)).remove(0);
        assert_eq!((&*first.distributor.name, first.projects), ("Nordlicht", 3));
        let second = tx(store, |tx| tx.distributors_page("Nordlicht", 9)).remove(0);
        assert_eq!(
            (second.distributor.id, second.used),
            (south.distributor, cameras(4))
        );
    });
}

#[test]
fn who_changes_an_older_version_changes_nothing() {
    on_each(|store| {
        let rooms = rooms(store, "Nordlicht");
        let facts = DistributorFacts {
            email: "n@seller.test".to_owned(),
            ..DistributorFacts::default()
        };
        let describe = |version| {
            tx(store, |tx| {
                tx.describe_distributor(rooms.distributor, &facts, version)
            })
        };
        assert!(describe(1) && !describe(1) && describe(2));
        let row = tx(store, |tx| tx.distributor_row(rooms.distributor)).unwrap();
        assert_eq!((row.facts.clone(), row.version), (facts.clone(), 3));

        let renamed = project(&rooms, rooms.project, "Port", false);
        let change = |project: &Project, archived, version| {
            transact::<_, StoreError>(store, |tx| tx.change_project(project, archived, version))
        };
        assert!(change(&renamed, true, 1).unwrap());
        assert!(!change(&renamed, false, 1).unwrap());
        let row = tx(store, |tx| tx.project_row(rooms.project)).unwrap();
        assert!(row.archived && row.project.name == "Port" && row.version == 2);
        assert_eq!(
            tx(store, |tx| tx.projects_page(None, true, None, 9)).len(),
            1
        );
        assert!(tx(store, |tx| tx.projects_page(None, false, None, 9)).is_empty());
        let rng = &mut rand::rng();
        let other = project(&rooms, ProjectId::random(rng), "Zoo", false);
        tx(store, |tx| tx.insert_project(&other));
        let taken = Project {
            name: "Port".to_owned(),
            ..other
        };
        assert!(matches!(
            change(&taken, false, 1),
            Err(StoreError::Taken { .. })
        ));

        let renamed = server(&rooms, rooms.server, "Crane 9");
        let change = |server: &Server, version| {
            transact::<_, StoreError>(store, |tx| tx.change_server(server, version))
        };
        assert!(change(&renamed, 1).unwrap() && !change(&renamed, 1).unwrap());
        let row = tx(store, |tx| tx.server_row(rooms.server)).unwrap();
        assert_eq!((&*row.server.name, row.version), ("Crane 9", 2));
        tx(store, |tx| tx.set_intended(rooms.server, ServerKind::Mac));
        let row = tx(store, |tx| tx.server_row(rooms.server)).unwrap();
        assert_eq!(row.intended, ServerKind::Mac);
        let nobody = server(&rooms, ServerId::random(rng), "Crane 8");
        assert!(!change(&nobody, 1).unwrap());
    });
}

#[test]
fn an_answer_is_kept_once_for_each_user_and_key() {
    use sealgate_portal::store::{Role, User};
    on_each(|store| {
        let user = User {
            id: UserId::random(&mut rand::rng()),
            email: "a@vendor.test".to_owned(),
            name: String::new(),
            disabled: false,
            role: Role::Admin,
            distributor: None,
            password_phc: None,
            created_utc_s: 1,
        };
        tx(store, |tx| tx.insert_user(&user));
        assert_eq!(tx(store, |tx| tx.answer(user.id, "key 1")), None);
        tx(store, |tx| {
            tx.insert_answer(user.id, "key 1", &[7; 32], "L-1", 5)
        });
        assert_eq!(
            tx(store, |tx| tx.answer(user.id, "key 1")),
            Some(([7; 32], "L-1".to_owned()))
        );
        assert_eq!(tx(store, |tx| tx.answer(user.id, "key 2")), None);
        let twice = transact::<_, StoreError>(store, |tx| {
            tx.insert_answer(user.id, "key 1", &[8; 32], "L-2", 6)
        });
        assert!(matches!(twice, Err(StoreError::Taken { .. })));
    });
}

#[test]
fn a_claim_is_used_and_a_report_decided_once() {
    use sealgate_portal::store::work::Claim;
    use sealgate_portal::store::{Role, User};
    on_each(|store| {
        let rooms = rooms(store, "Nordlicht");
        let user = User {
            id: UserId::random(&mut rand::rng()),
            email: "a@vendor.test".to_owned(),
            name: String::new(),
            disabled: false,
            role: Role::Admin,
            distributor: None,
            password_phc: None,
            created_utc_s: 1,
        };
        tx(store, |tx| tx.insert_user(&user));
        let mut claim = Claim {
            code_sha256: [7; 32],
            server: rooms.server,
            user: user.id,
            counts: cameras(4),
            created_utc_s: 1,
            expires_utc_s: 9,
            used_by: None,
        };
        tx(store, |tx| tx.insert_claim(&claim));
        assert_eq!(tx(store, |tx| tx.claim(&[7; 32])), Some(claim.clone()));
        assert_eq!(tx(store, |tx| tx.claim(&[8; 32])), None);
        tx(store, |tx| tx.use_claim(&[7; 32], "ak"));
        claim.used_by = Some("ak".to_owned());
        assert_eq!(tx(store, |tx| tx.claim(&[7; 32])), Some(claim));

        tx(store, |tx| {
            tx.insert_report(rooms.server, user.id, "it burnt", 5)
        });
        let open = tx(store, |tx| tx.open_reports(None, 9));
        assert_eq!(open, tx(store, |tx| tx.open_reports(Some(rooms.server), 9)));
        let report = &open[0];
        let told = (
            &*report.note,
            &*report.by,
            &*report.distributor,
            report.at_utc_s,
        );
        assert_eq!(told, ("it burnt", "a@vendor.test", "Nordlicht", 5));
        let decide = || tx(store, |tx| tx.decide_report(report.id, true, "yes", 6));
        assert_eq!((decide(), decide()), (Some(rooms.server), None));
        assert!(tx(store, |tx| tx.open_reports(None, 9)).is_empty());
    });
}
