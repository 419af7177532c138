//! Two portals on one PostgreSQL database, each with a journal of its own.

use std::sync::{Arc, Barrier};

use sealgate_license::vendor::Flavour;
use sealgate_portal::desk::{
    Actor, Desk, DeskError, EkRootFile, FirstAdmin, NewServer, Order, Paging, Places,
    PostgresPlace, add_ek_roots, initialise, open_store,
};
use sealgate_portal::rules::Ask;
use sealgate_portal::signer;
use sealgate_portal::store::lists::ServerKind;
use sealgate_portal::store::{Role, ServerId, StoreError, transact};
use sealgate_portal::trust::TrustClass;
use tempfile::TempDir;

use crate::boxes::{ROOT, RSA, SoftwareBox};
use crate::cluster::Cluster;
use crate::desks::cameras;
use crate::support::now;
use crate::world::ADMIN;

/// Fewer would rarely meet in the same instant.
const ROUNDS: u8 = 8;

fn places(cluster: &Cluster, folder: &TempDir, instance: &str) -> Places {
    let whole = Places::in_folder(folder.path());
    Places {
        journal: folder.path().join(format!("journal-{instance}")),
        postgres: Some(PostgresPlace {
            address: cluster.address(),
            instance: instance.to_owned(),
        }),
        ..whole
    }
}

fn admin(places: &Places) -> Actor {
    let (store, flavour) = open_store(places).unwrap();
    let root = EkRootFile {
        subject: "swtpm".to_owned(),
        der: ROOT.to_vec(),
    };
    add_ek_roots(&store, flavour, Some(TrustClass::Lab), vec![root], now()).unwrap();
    let user = transact::<_, StoreError>(&store, |tx| tx.user_by_email(ADMIN));
    Actor {
        user: user.unwrap().unwrap().id,
        email: ADMIN.to_owned(),
        role: Role::Admin,
        distributor: None,
        request_key: None,
    }
}

/// The same request at both at once: what each answered.
fn at_both(desks: &[Desk; 2], admin: &Actor, server: ServerId, request: &str, channels: u32) {
    let barrier = Barrier::new(2);
    std::thread::scope(|scope| {
        for desk in desks {
            scope.spawn(|| {
                let order = Order {
                    server,
                    request: request.as_bytes(),
                    ask: Ask::Issue(cameras(channels)),
                    dry_run: false,
                };
                barrier.wait();
                desk.issue(admin, &order).unwrap();
            });
        }
    });
}

#[test]
fn a_proof_at_both_at_once_is_credited_once() {
    let cluster = Cluster::start();
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (
        places(&cluster, &folder, "1"),
        places(&cluster, &folder, "2"),
    );
    let rng = &mut rand::rng();
    signer::init(&first.keys, Flavour::Lab, now(), rng).unwrap();
    initialise(&first, Flavour::Lab, ADMIN, &FirstAdmin::ByLink, now(), rng).unwrap();
    let admin = admin(&first);
    let open = |places: &Places| Desk::open(places, None, Arc::new(now)).unwrap();
    let desks = [open(&first), open(&second)];
    let (distributor, _) = desks[0]
        .add_distributor(&admin, "Nordlicht", "n@seller.test", None)
        .unwrap();
    desks[0]
        .grant(&admin, distributor.id, &cameras(100), "", None)
        .unwrap();
    let project = desks[1]
        .projects(&admin, false, &Paging::default())
        .unwrap()
        .rows[0]
        .project
        .id;
    let available = |desk: &Desk| desk.balances(&admin, distributor.id).unwrap()[0].available;

    for round in 0..ROUNDS {
        let name = format!("Harbour {round}");
        let new = NewServer {
            name: &name,
            description: "",
            kind: ServerKind::Software,
        };
        let server = desks[1].add_server(&admin, project, &new).unwrap().id;
        let mut recorder = SoftwareBox::new(RSA, 3 + round, "NVR-0207");
        let begun = available(&desks[0]);
        let newest = |desk: &Desk| {
            let files = desk.licenses(&admin, server).unwrap().files;
            (files.len(), files.into_iter().next().unwrap().1)
        };
        let request = recorder.request(None);
        at_both(&desks, &admin, server, &request, 8);
        for (made, channels, waiting, after) in [(1, 6, 2, 8), (2, 6, 0, 6)] {
            let (files, file) = newest(&desks[1]);
            assert_eq!(files, made, "one request made one file");
            recorder.counter = file.to;
            let request = recorder.request(Some(&*file.activation_secret));
            at_both(&desks, &admin, server, &request, channels);
            let (view, _) = desks[0].server(&admin, server).unwrap();
            assert_eq!(view.summary.waiting.get("camera"), waiting);
            for desk in &desks {
                assert_eq!(available(desk), begun - after, "round {round}");
            }
        }
    }

    // Who guesses at one waits at the other.
    for _ in 0..5 {
        assert!(desks[0].sign_in(ADMIN, "wrong").is_err());
    }
    let refused = desks[1].sign_in(ADMIN, "wrong");
    assert!(matches!(refused, Err(DeskError::TooManyAttempts { .. })));

    // Each portal's journal holds its own, and both open again.
    drop(desks);
    for places in [&first, &second] {
        assert_eq!(available(&open(places)), 100 - 6 * i64::from(ROUNDS));
    }
}
