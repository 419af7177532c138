//! Finding a dongle among tokens, and believing nothing but its signature.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use sealgate_dongle::{DongleErrorKind, DongleReader};
use sealgate_tests::dongle::{PcscWorld, PivModel, VirtualToken, until};

const NONCE: [u8; 32] = [7; 32];

fn kind(reader: &mut DongleReader, token: &VirtualToken) -> Option<DongleErrorKind> {
    reader
        .answer(&token.public_key(), &NONCE)
        .err()
        .map(|error| error.kind())
}

#[test]
fn a_box_without_the_service_says_so_and_recovers() {
    let mut world = PcscWorld::enter().unwrap();
    let token = VirtualToken::new(PivModel::WithSerial, 1949).unwrap();
    let mut reader = DongleReader::new();
    assert_eq!(kind(&mut reader, &token), Some(DongleErrorKind::NoService));
    let error = reader.survey().unwrap_err();
    assert_eq!(error.code(), "SG-DGL-001");

    world.start().unwrap();
    assert_eq!(reader.survey().unwrap(), []);
    assert_eq!(kind(&mut reader, &token), Some(DongleErrorKind::NoToken));
    let plugged = world.plug(0, &token).unwrap();
    until("the token", || {
        reader.answer(&token.public_key(), &NONCE).ok()
    });

    world.stop();
    assert_eq!(kind(&mut reader, &token), Some(DongleErrorKind::NoService));
    drop(plugged);
}

#[test]
fn tokens_of_both_kinds_are_listed_and_answer() {
    let world = PcscWorld::with_service().unwrap();
    let with_serial = VirtualToken::new(PivModel::WithSerial, 1949).unwrap();
    let plain = VirtualToken::new(PivModel::Plain, 2).unwrap();
    let _first = world.plug(0, &with_serial).unwrap();
    let _second = world.plug(1, &plain).unwrap();
    let mut reader = DongleReader::new();
    let tokens = until("two tokens", || {
        reader.survey().ok().filter(|tokens| tokens.len() == 2)
    });
    assert_eq!(tokens[0].serial.as_deref(), Some("1949"));
    assert_eq!(tokens[0].public_key, with_serial.public_key());
    assert_eq!(
        tokens[1].serial.as_deref(),
        Some("00000000000000000000000000000002")
    );
    assert_eq!(tokens[1].public_key, plain.public_key());

    for token in [&with_serial, &plain] {
        let key = token.public_key();
        let answer = reader.answer(&key, &NONCE).unwrap();
        assert!(key.answers(&NONCE, &answer.signature));
        assert!(
            !key.answers(&[8; 32], &answer.signature),
            "another question"
        );
    }
}

#[test]
fn a_pulled_token_is_missed_and_comes_back() {
    let world = PcscWorld::with_service().unwrap();
    let token = VirtualToken::new(PivModel::WithSerial, 1949).unwrap();
    let mut reader = DongleReader::new();
    for _ in 0..2 {
        let plugged = world.plug(0, &token).unwrap();
        until("the token", || {
            reader.answer(&token.public_key(), &NONCE).ok()
        });
        drop(plugged);
        until("its absence", || {
            (kind(&mut reader, &token) == Some(DongleErrorKind::NoToken)).then_some(())
        });
    }
}

/// Another token says that it is the license's, and even has its serial number.
#[test]
fn another_token_is_not_believed() {
    let world = PcscWorld::with_service().unwrap();
    let licensed = VirtualToken::new(PivModel::WithSerial, 1949).unwrap();
    let other = VirtualToken::new(PivModel::WithSerial, 1949).unwrap();
    let point = *licensed.public_key().as_bytes();
    other.lie(move |command| {
        (command[1] == 0xf7).then(|| [&[0x04, 67, 0x86, 65][..], &point, &[0x90, 0]].concat())
    });
    let _plugged = world.plug(0, &other).unwrap();
    let mut reader = DongleReader::new();
    let claimed = until("a token", || reader.survey().ok()?.pop());
    assert_eq!(claimed.public_key, licensed.public_key(), "only a claim");
    assert_eq!(
        kind(&mut reader, &licensed),
        Some(DongleErrorKind::OtherToken)
    );

    // An old answer is no answer to a new question.
    let old = licensed.sign(&licensed.public_key().challenge(&[9; 32]));
    let length = u8::try_from(old.len()).unwrap();
    other.lie(move |command| {
        (command[1] == 0x87)
            .then(|| [&[0x7c, length + 2, 0x82, length][..], &old, &[0x90, 0]].concat())
    });
    assert_eq!(
        kind(&mut reader, &licensed),
        Some(DongleErrorKind::OtherToken)
    );

    // The right one beside it is found.
    let _right = world.plug(1, &licensed).unwrap();
    until("the right token", || {
        reader.answer(&licensed.public_key(), &NONCE).ok()
    });
}

#[test]
fn what_a_token_says_is_bounded() {
    let world = PcscWorld::with_service().unwrap();
    let token = VirtualToken::new(PivModel::WithSerial, 1949).unwrap();
    let _plugged = world.plug(0, &token).unwrap();
    let mut reader = DongleReader::new();
    until("the token", || {
        reader.answer(&token.public_key(), &NONCE).ok()
    });

    type Lie = fn(&[u8]) -> Option<Vec<u8>>;
    let garbage: [(&str, Lie); 6] = [
        ("endless", |command| {
            (command[1] == 0x87 || command[1] == 0xc0).then(|| [&[0; 256][..], &[0x61, 0]].concat())
        }),
        ("endless and empty", |command| {
            (command[1] == 0x87 || command[1] == 0xc0).then(|| vec![0x61, 0])
        }),
        ("always another length", |command| {
            (command[1] == 0x87).then(|| vec![0x6c, 1])
        }),
        ("no template", |command| {
            (command[1] == 0x87).then(|| vec![1, 2, 3, 0x90, 0])
        }),
        ("an empty signature", |command| {
            (command[1] == 0x87).then(|| vec![0x7c, 2, 0x82, 0, 0x90, 0])
        }),
        ("a broken length", |command| {
            (command[1] == 0x87).then(|| vec![0x7c, 0x82, 0xff, 0xff, 0x82, 0x90, 0])
        }),
    ];
    for (what, lie) in garbage {
        token.lie(lie);
        assert_eq!(
            kind(&mut reader, &token),
            Some(DongleErrorKind::Garbage),
            "{what}"
        );
    }
    token.lie(|command| (command[1] == 0x87).then(|| vec![0x6a, 0x80]));
    assert_eq!(kind(&mut reader, &token), Some(DongleErrorKind::OtherToken));
    token.lie(|_| Some(vec![0x6a, 0x82]));
    assert_eq!(reader.survey().unwrap(), [], "a card that is no PIV");
}

/// A token that never answers holds up nobody but itself.
#[test]
fn a_silent_token_is_waited_for_only_so_long() {
    let world = PcscWorld::with_service().unwrap();
    let token = VirtualToken::new(PivModel::WithSerial, 1949).unwrap();
    let _plugged = world.plug(0, &token).unwrap();
    let mut reader = DongleReader::new();
    until("the token", || {
        reader.answer(&token.public_key(), &NONCE).ok()
    });

    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let wait = Arc::clone(&gate);
    token.lie(move |_| {
        let mut open = wait.0.lock().unwrap();
        while !*open {
            open = wait.1.wait(open).unwrap();
        }
        None
    });
    let mut reader = DongleReader::new().with_patience(Duration::from_millis(300));
    for _ in 0..3 {
        let error = reader.answer(&token.public_key(), &NONCE).unwrap_err();
        assert_eq!(error.code(), "SG-DGL-005");
    }
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    let mut reader = reader.with_patience(Duration::from_secs(10));
    until("its answer", || {
        reader.answer(&token.public_key(), &NONCE).ok()
    });
}
