//! People and what belongs to them, sub-distributors, the audit's search, the ledger's chain.

use sealgate_portal::store::people::{ApiToken, Attempts, AuditSearch, Authenticator, link};
use sealgate_portal::store::{
    AuditEntry, LedgerEntry, LedgerReason, Origin, Role, Session, Store, TokenHash, TokenId, User,
    UserId, transact,
};
use zeroize::Zeroizing;

use crate::{on_each, rooms, tx};

fn add_user(store: &dyn Store, email: &str) -> User {
    let user = User {
        id: UserId::random(&mut rand::rng()),
        email: email.to_owned(),
        name: String::new(),
        role: Role::Sales,
        distributor: None,
        password_phc: Some("phc".to_owned()),
        disabled: false,
        created_utc_s: 1,
    };
    tx(store, |tx| tx.insert_user(&user));
    user
}

#[test]
fn users_are_listed_and_changed() {
    on_each(|store| {
        let (zoe, mut ann) = (add_user(store, "Zoe@v"), add_user(store, "ann@v"));
        let emails: Vec<String> = (tx(store, |tx| tx.users()).into_iter())
            .map(|user| user.email)
            .collect();
        assert_eq!(emails, ["ann@v", "Zoe@v"]);
        (ann.name, ann.role, ann.disabled) = ("Ann".to_owned(), Role::Support, true);
        tx(store, |tx| tx.update_user(&ann));
        assert_eq!(tx(store, |tx| tx.user(ann.id)), Some(ann.clone()));
        assert_eq!(tx(store, |tx| tx.user(zoe.id)), Some(zoe.clone()));

        let session = |word: &str, created_utc_s| Session {
            token: TokenHash::of(word),
            user: zoe.id,
            csrf: "c".to_owned(),
            expires_utc_s: 100,
            created_utc_s,
            address: None,
            user_agent: Some("browser".to_owned()),
        };
        for (word, created) in [("one", 1), ("two", 2), ("three", 3)] {
            tx(store, |tx| tx.insert_session(&session(word, created), 1));
        }
        let listed = |now| tx(store, |tx| tx.sessions_of(zoe.id, now));
        assert_eq!(
            listed(5),
            [session("three", 3), session("two", 2), session("one", 1)]
        );
        assert_eq!(listed(100), []);
        assert_eq!(tx(store, |tx| tx.sessions_of(ann.id, 5)), []);
        tx(store, |tx| {
            tx.end_sessions(zoe.id, Some(&TokenHash::of("two")))
        });
        assert_eq!(listed(5), [session("two", 2)]);
        tx(store, |tx| tx.clear_password(zoe.id));
        assert_eq!(listed(5), []);
        let cleared = tx(store, |tx| tx.user(zoe.id)).unwrap();
        assert_eq!(cleared.password_phc, None);
    });
}

#[test]
fn second_factors_tokens_and_waits() {
    on_each(|store| {
        let (ann, zoe) = (add_user(store, "ann@v"), add_user(store, "zoe@v"));
        let app = |byte, last_step| Authenticator {
            key: Zeroizing::new([byte; 20]),
            last_step,
        };
        let read = |in_use| tx(store, |tx| tx.authenticator(ann.id, in_use));
        tx(store, |tx| tx.put_authenticator(ann.id, false, &app(1, 0)));
        assert_eq!((read(false), read(true)), (Some(app(1, 0)), None));
        tx(store, |tx| tx.put_authenticator(ann.id, true, &app(2, 5)));
        tx(store, |tx| tx.put_authenticator(ann.id, true, &app(2, 6)));
        assert_eq!(
            (read(false), read(true)),
            (Some(app(1, 0)), Some(app(2, 6)))
        );
        tx(store, |tx| {
            tx.set_recovery_codes(ann.id, &[[1; 32], [2; 32]])
        });
        tx(store, |tx| tx.set_recovery_codes(zoe.id, &[[1; 32]]));
        let take = |code| tx(store, |tx| tx.take_recovery_code(ann.id, &[code; 32]));
        assert_eq!((take(1), take(1), take(3)), (true, false, false));
        let left = |user: UserId| tx(store, |tx| tx.recovery_codes(user));
        assert_eq!((left(ann.id), left(zoe.id)), (1, 1));
        tx(store, |tx| tx.remove_authenticators(ann.id));
        assert_eq!((read(false), read(true), left(ann.id)), (None, None, 0));

        let step = TokenHash::of("step");
        tx(store, |tx| tx.insert_second_step(&step, ann.id, 10, 1));
        let of_step = |now| tx(store, |tx| tx.second_step(&step, now));
        assert_eq!((of_step(9), of_step(10)), (Some(ann.id), None));
        tx(store, |tx| tx.delete_second_step(&step));
        assert_eq!(of_step(9), None);

        let token = |word: &str, expires_utc_s| ApiToken {
            id: TokenId::random(&mut rand::rng()),
            token: TokenHash::of(word),
            user: ann.id,
            name: word.to_owned(),
            scopes: vec!["see".to_owned(), "work".to_owned()],
            created_utc_s: expires_utc_s,
            expires_utc_s,
        };
        let (short, long) = (token("short", 10), token("long", 20));
        tx(store, |tx| tx.insert_api_token(&short, 1));
        tx(store, |tx| tx.insert_api_token(&long, 1));
        let found = |word: &str, now| tx(store, |tx| tx.api_token(&TokenHash::of(word), now));
        assert_eq!(found("short", 9), Some((short.clone(), ann.clone())));
        assert_eq!(found("short", 10), None);
        let own = |now| tx(store, |tx| tx.api_tokens_of(ann.id, now));
        assert_eq!(
            (own(9), own(10)),
            (vec![long.clone(), short], vec![long.clone()])
        );
        assert_eq!(tx(store, |tx| tx.api_tokens_of(zoe.id, 9)), []);
        tx(store, |tx| tx.delete_api_token(long.id));
        assert_eq!(own(10), []);

        let attempts = |count, last_utc_s| Attempts { count, last_utc_s };
        let of = |subject| tx(store, |tx| tx.attempts(&[subject; 32]));
        tx(store, |tx| tx.put_attempts(&[1; 32], attempts(1, 5), 0));
        tx(store, |tx| tx.put_attempts(&[1; 32], attempts(2, 6), 0));
        tx(store, |tx| tx.put_attempts(&[2; 32], attempts(1, 60), 6));
        assert_eq!(
            (of(1), of(2)),
            (Some(attempts(2, 6)), Some(attempts(1, 60)))
        );
        tx(store, |tx| tx.put_attempts(&[2; 32], attempts(2, 61), 7));
        assert_eq!(of(1), None, "what is old is forgotten");
        tx(store, |tx| tx.delete_attempts(&[2; 32]));
        assert_eq!(of(2), None);
    });
}

#[test]
fn a_subtree_is_a_distributor_with_all_below_it() {
    on_each(|store| {
        let [top, middle, low, other] =
            ["Top", "Middle", "Low", "Other"].map(|name| rooms(store, name).distributor);
        tx(store, |tx| tx.set_parent(middle, top));
        tx(store, |tx| tx.set_parent(low, middle));
        assert!(
            transact(store, |tx| tx.set_parent(low, other)).is_err(),
            "for good"
        );
        assert!(transact(store, |tx| tx.set_parent(other, other)).is_err());
        let below = |root| {
            let mut ids = tx(store, |tx| tx.subtree(root));
            ids.sort();
            ids
        };
        let sorted = |mut ids: Vec<_>| {
            ids.sort();
            ids
        };
        assert_eq!(below(top), sorted(vec![top, middle, low]));
        assert_eq!(below(middle), sorted(vec![middle, low]));
        assert_eq!(below(other), [other]);
        let parent = |of| tx(store, |tx| tx.parent(of));
        assert_eq!((parent(low), parent(top)), (Some(middle), None));
        let nobody = sealgate_portal::store::DistributorId::random(&mut rand::rng());
        assert_eq!(below(nobody), []);
    });
}

#[test]
fn the_audit_is_searched_by_whatever_is_asked() {
    on_each(|store| {
        let (ann, zoe) = (add_user(store, "ann@v").id, add_user(store, "zoe@v").id);
        for (at_utc_ms, actor, object, reference) in [
            (10, Some(ann), "x", Some("r1")),
            (20, Some(zoe), "y", Some("r2")),
            (30, None, "x", None),
            (40, Some(ann), "y", Some("r2")),
        ] {
            let entry = AuditEntry {
                at_utc_ms,
                actor,
                action: "a".to_owned(),
                object: object.to_owned(),
                detail: "{}".to_owned(),
                origin: Origin {
                    address: Some("192.0.2.1".to_owned()),
                    user_agent: None,
                    reference: reference.map(str::to_owned),
                },
            };
            tx(store, |tx| tx.append_audit(&entry));
        }
        let found = |search: AuditSearch| -> Vec<i64> {
            let lines = tx(store, |tx| tx.search_audit(&search, 3));
            lines
                .into_iter()
                .map(|(_, entry)| entry.at_utc_ms)
                .collect()
        };
        let all = AuditSearch::default();
        assert_eq!(
            found(all.clone()),
            [40, 30, 20],
            "newest first, no more than asked"
        );
        let third = tx(store, |tx| tx.search_audit(&all, 3)).pop().unwrap();
        assert_eq!(third.1.origin.address.as_deref(), Some("192.0.2.1"));
        let search = AuditSearch {
            before: Some(third.0),
            ..all.clone()
        };
        assert_eq!(found(search), [10]);
        let search = AuditSearch {
            reference: Some("r2".to_owned()),
            actor: Some(ann),
            ..all.clone()
        };
        assert_eq!(found(search), [40]);
        let search = AuditSearch {
            object: Some("x".to_owned()),
            from_utc_ms: Some(10),
            until_utc_ms: Some(30),
            ..all
        };
        assert_eq!(found(search), [10]);
    });
}

#[test]
fn the_ledger_is_chained_as_it_is_written() {
    on_each(|store| {
        let rooms = rooms(store, "Nordlicht");
        let entry = |delta| LedgerEntry {
            at_utc_ms: 1,
            distributor: rooms.distributor,
            kind: "camera".to_owned(),
            delta,
            reason: LedgerReason::Grant,
            tpm: None,
            note: "a \"note\"".to_owned(),
            actor: None,
            idempotency_key: None,
        };
        assert_eq!(tx(store, |tx| tx.newest_link()), None);
        for delta in [5, 6, 7] {
            tx(store, |tx| tx.append_ledger(&entry(delta)));
        }
        tx(store, |tx| tx.begin_ledger_chain());
        let chain = tx(store, |tx| tx.ledger_chain(0, 10));
        assert_eq!(chain.len(), 3);
        let mut before = [0; 32];
        for (chained, delta) in chain.iter().zip([5, 6, 7]) {
            assert_eq!(chained.entry, entry(delta));
            before = link(&before, chained.seq, &chained.entry);
            assert_eq!(chained.sha256, Some(before));
        }
        let last = chain.last().unwrap().seq;
        assert_eq!(tx(store, |tx| tx.newest_link()), Some(last));
        assert_eq!(
            tx(store, |tx| tx.ledger_chain(chain[0].seq, 1)),
            chain[1..2]
        );
        let totals = tx(store, |tx| tx.totals());
        assert!(totals.counts.contains(&("ledger_entries", 3)));
        assert!(totals.counts.contains(&("distributors", 1)));
    });
}
