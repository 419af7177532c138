//! What a box states, and what becomes of it in other hands.
#![allow(clippy::unwrap_used)]

mod support;

use sealgate_license::dsse::Envelope;
use sealgate_license::statement_document::SignedStatement;
use support::{SoftwareAk, ak, clip, statement_by};

fn code(file: &str) -> &'static str {
    match SignedStatement::parse(file) {
        Err(error) => error.code(),
        Ok(statement) => statement
            .verify()
            .map_or_else(|error| error.code(), |_| "ok"),
    }
}

#[test]
fn says_what_the_tpm_signed() {
    let statement = statement_by(&ak(), clip());
    let read = SignedStatement::parse(statement.to_text()).unwrap();
    assert_eq!(read, statement);
    assert_eq!(read.unverified_payload().subject, clip());
    assert_eq!(read.verify().unwrap().counter, support::FROM);
    assert_eq!(read.payload_sha256(), statement.payload_sha256());
}

#[test]
fn a_changed_statement_proves_nothing() {
    let text = statement_by(&ak(), clip()).to_text();
    assert_eq!(code(&text), "ok");
    let mut envelope = Envelope::parse(&text).unwrap();
    let payload = String::from_utf8(envelope.payload).unwrap();
    for (from, to) in [
        ("Dock-", "Gate-"),
        ("22500000", "22500001"),
        ("05:04:38", "06:04:38"),
        ("NVR-0207", "NVR-0208"),
    ] {
        assert!(payload.contains(from), "{payload}");
        envelope.payload = payload.replacen(from, to, 1).into_bytes();
        assert_eq!(code(&envelope.to_text()), "SG-DOC-006", "{from}");
    }
}

#[test]
fn another_documents_signature_is_no_statements() {
    let request = support::request().to_text();
    assert_eq!(code(&request), "SG-DOC-004");
    let payload_type = Envelope::parse(statement_by(&ak(), clip()).to_text())
        .unwrap()
        .payload_type;
    let mut envelope = Envelope::parse(&request).unwrap();
    envelope.payload_type = payload_type;
    assert_eq!(code(&envelope.to_text()), "SG-DOC-002");
}

#[test]
fn is_of_one_box() {
    let other = SoftwareAk::new(9);
    let statement = statement_by(&ak(), clip());
    assert!(statement.verify_of(&ak().public).is_ok());
    let refused = statement.verify_of(&other.public).unwrap_err();
    assert_eq!(refused.code(), "SG-DOC-007");

    // Signed by one key, naming another.
    let mut envelope = Envelope::parse(statement.to_text()).unwrap();
    envelope.signatures = Envelope::parse(statement_by(&other, clip()).to_text())
        .unwrap()
        .signatures;
    assert_eq!(code(&envelope.to_text()), "SG-DOC-006");
}
