//! What is PostgreSQL's alone.

use sealgate_portal::store::postgres::PostgresStore;
use sealgate_portal::store::{Store, StoreError, transact};

use crate::cluster::Cluster;
use crate::tx;

#[test]
fn a_server_that_restarted_is_found_again() {
    let cluster = Cluster::start();
    let store = PostgresStore::open(&cluster.address()).unwrap();
    tx(&store, |tx| tx.set_meta("fact", "1"));
    cluster.restart();
    assert_eq!(tx(&store, |tx| tx.meta("fact")).as_deref(), Some("1"));
}

#[tokio::test]
async fn a_server_that_ends_may_drop_its_store_anywhere() {
    let opened = tokio::task::spawn_blocking(|| {
        let cluster = Cluster::start();
        let store = PostgresStore::open(&cluster.address()).unwrap();
        tx(&store, |tx| tx.set_meta("fact", "1"));
        (store, cluster)
    });
    let (store, _cluster) = opened.await.unwrap();
    drop(store);
}

#[test]
fn two_stores_migrate_and_write_in_turn() {
    let cluster = Cluster::start();
    let address = cluster.address();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let store = PostgresStore::open(&address).unwrap();
                for _ in 0..50 {
                    tx(&store, |tx| {
                        let seen: u32 = tx.meta("sum")?.map_or(0, |sum| sum.parse().unwrap());
                        tx.set_meta("sum", &(seen + 1).to_string())
                    });
                }
            });
        }
    });
    let store = PostgresStore::open(&address).unwrap();
    assert_eq!(tx(&store, |tx| tx.meta("sum")).as_deref(), Some("100"));
}

#[test]
fn nothing_is_kept_once_a_statement_was_refused() {
    let cluster = Cluster::start();
    let store = PostgresStore::open(&cluster.address()).unwrap();
    let store: &dyn Store = &store;
    let done: Result<(), StoreError> = transact(store, |tx| {
        tx.set_meta("fact", "1")?;
        let unknown = sealgate_portal::store::UserId::random(&mut rand::rng());
        let link = sealgate_portal::store::PasswordLink {
            token: sealgate_portal::store::TokenHash::of("link"),
            user: unknown,
            expires_utc_s: 1,
        };
        assert!(tx.insert_password_link(&link).is_err());
        Ok(())
    });
    assert!(done.is_err());
    assert_eq!(tx(store, |tx| tx.meta("fact")), None);
}

#[test]
fn ledger_and_audit_are_append_only() {
    let cluster = Cluster::start();
    drop(PostgresStore::open(&cluster.address()).unwrap());
    let mut client = postgres::Client::connect(&cluster.address_text(), postgres::NoTls).unwrap();
    client
        .batch_execute(
            "INSERT INTO distributors (id, name, created_utc_s) VALUES ('d', 'D', 0);
             INSERT INTO ledger (at_utc_ms, distributor_id, kind, delta, balance, reason, note)
             VALUES (0, 'd', 'camera', 5, 5, 'grant', '');
             INSERT INTO audit (at_utc_ms, action, object, detail) VALUES (0, 'a', 'o', '')",
        )
        .unwrap();
    for statement in [
        "UPDATE ledger SET delta = 6",
        "DELETE FROM ledger",
        "TRUNCATE ledger",
        "UPDATE audit SET action = 'b'",
        "DELETE FROM audit",
        "TRUNCATE audit",
    ] {
        let error = client.batch_execute(statement).unwrap_err();
        let text = error.as_db_error().unwrap().message().to_owned();
        assert!(text.contains("append-only"), "{statement}: {text}");
    }
}

#[test]
fn a_newer_schema_is_refused() {
    let cluster = Cluster::start();
    drop(PostgresStore::open(&cluster.address()).unwrap());
    let mut client = postgres::Client::connect(&cluster.address_text(), postgres::NoTls).unwrap();
    client
        .batch_execute("INSERT INTO schema_versions VALUES (999)")
        .unwrap();
    assert!(matches!(
        PostgresStore::open(&cluster.address()),
        Err(StoreError::NewerSchema { found: 999, .. })
    ));
}
