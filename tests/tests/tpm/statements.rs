//! What a box states, and the journal of its replaced cameras.

use sealgate_camera::MacAddress;
use sealgate_gate::Replacement;
use sealgate_license::statement_document::{SignedStatement, Subject};
use sealgate_license::tpm_wire::{TpmName, TpmPublic};
use sealgate_supervisor::replacements::Replacements;

use crate::bench::Bench;

fn mac(last: u8) -> MacAddress {
    MacAddress::from_octets([2, 0, 0, 0, 0, last]).unwrap()
}

fn moved(old: u8, new: u8) -> Replacement {
    Replacement {
        old: mac(old),
        new: mac(new),
    }
}

fn ak_name(bench: &Bench) -> TpmName {
    TpmPublic::parse(&bench.tpm().ak_public().unwrap())
        .unwrap()
        .name()
}

/// Has the box state the replacement, and adds it to the journal.
fn replace(bench: &Bench, journal: &Replacements, old: u8, new: u8) -> SignedStatement {
    let subject = journal.next(mac(old), mac(new));
    let statement = bench.start().state(subject).unwrap();
    assert!(journal.append(statement.clone()).unwrap());
    statement
}

#[test]
fn a_statement_is_signed_by_the_tpm_with_its_counter() {
    let (bench, license) = Bench::licensed(2);
    let journal = Replacements::read(bench.disk.path().join("replacements"));
    let statement = bench.start().state(journal.next(mac(1), mac(2))).unwrap();
    let read = SignedStatement::parse(statement.to_text()).unwrap();
    let key = TpmPublic::parse(&bench.tpm().ak_public().unwrap()).unwrap();
    assert_eq!(read.verify_of(&key).unwrap().counter, license.to);
    assert_eq!(read.unverified_payload().model, "NVR-32");
    let other = Bench::new();
    let key = TpmPublic::parse(&other.tpm().ak_public().unwrap()).unwrap();
    assert_eq!(read.verify_of(&key).unwrap_err().code(), "SG-DOC-007");
}

#[test]
fn the_journal_is_read_again_as_it_was_written() {
    let (bench, _) = Bench::licensed(2);
    let folder = bench.disk.path().join("replacements");
    std::fs::create_dir(&folder).unwrap();
    let journal = Replacements::read(&folder);
    assert_eq!(journal.moves(None), []);
    replace(&bench, &journal, 1, 3);
    replace(&bench, &journal, 3, 4);
    let again = Replacements::read(&folder);
    assert_eq!(again.moves(None), [moved(1, 3), moved(3, 4)]);
    assert_eq!(again.statements(), journal.statements());
    // A license of this TPM goes by this TPM's word alone.
    assert_eq!(again.moves(Some(ak_name(&bench))).len(), 2);
    assert_eq!(again.moves(Some(ak_name(&Bench::new()))), []);
}

#[test]
fn what_does_not_continue_the_journal_moves_nothing() {
    let (bench, _) = Bench::licensed(2);
    let folder = bench.disk.path().join("replacements");
    std::fs::create_dir(&folder).unwrap();
    let journal = Replacements::read(&folder);
    replace(&bench, &journal, 1, 3);
    let again = replace(&bench, &journal, 2, 4);
    assert!(!journal.append(again).unwrap(), "a statement counts once");
    let other_subject = Subject::Clip {
        camera: "020000000001-1".into(),
        file: "a.mp4".into(),
        from: jiff::Timestamp::UNIX_EPOCH,
        to: jiff::Timestamp::UNIX_EPOCH,
        size_bytes: 1,
        sha256: [0; 32],
    };
    let clip = bench.start().state(other_subject).unwrap();
    assert!(!journal.append(clip).unwrap());
    assert_eq!(journal.moves(None).len(), 2);

    // One byte of the second: the first still counts. Of the first: neither does.
    for (name, left) in [("0002.sgs", 1), ("0001.sgs", 0)] {
        let path = folder.join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replacen("\"sig\": \"A", "\"sig\": \"B", 1)).unwrap();
        assert_eq!(
            Replacements::read(&folder).moves(None).len(),
            left,
            "{name}"
        );
    }
    std::fs::remove_file(folder.join("0001.sgs")).unwrap();
    assert_eq!(Replacements::read(&folder).moves(None), []);
}

#[test]
fn anyone_can_tell_whether_a_clip_is_as_its_box_made_it() {
    use sha2::{Digest as _, Sha256};

    let (bench, _) = Bench::licensed(2);
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("dock.mp4");
    let video = b"a clip, as far as this test goes";
    std::fs::write(&clip, video).unwrap();
    let subject = Subject::Clip {
        camera: "020000000001-1".into(),
        file: "dock.mp4".into(),
        from: jiff::Timestamp::UNIX_EPOCH,
        to: jiff::Timestamp::UNIX_EPOCH,
        size_bytes: video.len() as u64,
        sha256: Sha256::digest(video).into(),
    };
    let statement = bench.start().state(subject).unwrap().to_text();
    let beside = folder.path().join("dock.mp4.sgs");
    std::fs::write(&beside, &statement).unwrap();
    let verify = || {
        let mut said = Vec::new();
        let arguments = ["sealgate", "clip", "verify", clip.to_str().unwrap()];
        let status = sealgate_cli::status(arguments, &mut said, &mut Vec::new());
        (status, String::from_utf8(said).unwrap())
    };
    let (status, said) = verify();
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("is as box NVR-0193 made it"), "{said}");
    std::fs::write(&clip, b"a clip, as far as THIS test goes").unwrap();
    assert!(verify().1.contains("is NOT the clip"));
    assert_eq!(verify().0, 1);
    std::fs::write(&clip, video).unwrap();
    std::fs::write(
        &beside,
        statement.replacen("\"sig\": \"A", "\"sig\": \"B", 1),
    )
    .unwrap();
    assert!(verify().1.contains("SG-DOC-006"), "{}", verify().1);
    std::fs::write(&beside, "{}").unwrap();
    assert!(verify().1.contains("SG-DOC-001"), "{}", verify().1);
}
