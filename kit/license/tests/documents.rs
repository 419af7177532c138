//! What happens to files on their way: mail, editors, accidents, and forgers.
#![allow(clippy::unwrap_used)]

mod support;

use proptest::prelude::*;
use sealgate_license::dsse::{Envelope, MAX_DOCUMENT_BYTES, pae};
use sealgate_license::license_document::SignedLicense;
use sealgate_license::request_document::{SignedRequest, UnsignedRequest, proof, verify_proof};
use sealgate_license::vendor::{KeyCertificate, Revocations, VendorRootsFile};
use support::{license, request, roots};

/// The code with which a license file is refused, or "ok".
fn license_code(file: impl AsRef<[u8]>) -> &'static str {
    match SignedLicense::parse(file) {
        Err(error) => error.code(),
        Ok(license) => match license.verify(&roots(), &Revocations::none()) {
            Err(error) => error.code(),
            Ok(_) => "ok",
        },
    }
}

/// The code with which a request file is refused, or "ok".
fn request_code(file: impl AsRef<[u8]>) -> &'static str {
    match SignedRequest::parse(file) {
        Err(error) => error.code(),
        Ok(request) => match request.verify() {
            Err(error) => error.code(),
            Ok(_) => "ok",
        },
    }
}

fn edit(text: &str, change: impl FnOnce(&mut Envelope)) -> String {
    let mut envelope = Envelope::parse(text).unwrap();
    change(&mut envelope);
    envelope.to_text()
}

/// Replaces text inside the payload, as someone with an editor and base64 would.
fn edit_payload(text: &str, from: &str, to: &str) -> String {
    edit(text, |envelope| {
        let payload = String::from_utf8(envelope.payload.clone()).unwrap();
        assert!(payload.contains(from), "{from:?} is not in {payload}");
        envelope.payload = payload.replacen(from, to, 1).into_bytes();
    })
}

/// DSSE protocol, "Test vectors".
#[test]
fn pre_authentication_encoding_is_that_of_the_standard() {
    assert_eq!(
        pae("http://example.com/HelloWorld", b"hello world"),
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    );
}

#[test]
fn files_survive_mail_and_editors() {
    for (text, code) in [
        (
            license().to_text(),
            license_code as fn(Vec<u8>) -> &'static str,
        ),
        (
            request().to_text(),
            request_code as fn(Vec<u8>) -> &'static str,
        ),
    ] {
        for (what, file) in [
            ("as written", text.clone()),
            ("byte order mark", format!("\u{feff}{text}")),
            ("CRLF", text.replace('\n', "\r\n")),
            ("no last line feed", text.trim_end().to_owned()),
            ("blank lines around", format!("\r\n\n{text}\n\r\n  \n")),
            (
                "both",
                format!("\u{feff}\r\n{}", text.replace('\n', "\r\n")),
            ),
            ("one line", text.lines().map(str::trim).collect()),
            ("URL-safe base64", {
                let (start, payload) = text.split_at(text.find("\"payload\"").unwrap());
                format!("{start}{}", payload.replace('+', "-").replace('/', "_"))
            }),
        ] {
            assert_eq!(code(file.into_bytes()), "ok", "{what}");
        }
    }
}

#[test]
fn what_is_no_document_is_named_as_such() {
    let license_text = license().to_text();
    for (what, file, code) in [
        ("empty", "".to_owned(), "SG-DOC-001"),
        ("a letter", "Dear customer,".to_owned(), "SG-DOC-001"),
        ("a web page", "<html></html>".to_owned(), "SG-DOC-001"),
        ("other JSON", "{\"a\": 1}".to_owned(), "SG-DOC-001"),
        ("a list", "[]".to_owned(), "SG-DOC-001"),
        (
            "another's envelope",
            license_text.replace("application/vnd.sealgate.", "application/vnd.in-toto."),
            "SG-DOC-001",
        ),
        (
            "half a file",
            license_text[..license_text.len() / 2].to_owned(),
            "SG-DOC-002",
        ),
        (
            "no signatures",
            edit(&license_text, |envelope| envelope.signatures.clear()),
            "SG-DOC-002",
        ),
        (
            "too many signatures",
            edit(&license_text, |envelope| {
                let signature = envelope.signatures[0].clone();
                envelope.signatures = vec![signature; 9];
            }),
            "SG-DOC-002",
        ),
        (
            "as many signatures as are read",
            edit(&license_text, |envelope| {
                let signature = envelope.signatures[0].clone();
                envelope.signatures = vec![signature; 8];
            }),
            "ok",
        ),
        (
            "largest that is read",
            format!(
                "{license_text}{}",
                " ".repeat(MAX_DOCUMENT_BYTES - license_text.len())
            ),
            "ok",
        ),
        (
            "one byte more",
            format!(
                "{license_text}{}",
                " ".repeat(MAX_DOCUMENT_BYTES + 1 - license_text.len())
            ),
            "SG-DOC-003",
        ),
        ("a request", request().to_text(), "SG-DOC-004"),
        (
            "a certificate",
            support::certificate().to_text(),
            "SG-DOC-004",
        ),
        (
            "a newer type",
            license_text.replace("license.v1+json", "license.v2+json"),
            "SG-DOC-005",
        ),
        // Not this version's way of writing its own number, and no newer one either.
        (
            "a type with another one",
            license_text.replace("license.v1+json", "license.v01+json"),
            "SG-DOC-004",
        ),
        (
            "a type with zero",
            license_text.replace("license.v1+json", "license.v0+json"),
            "SG-DOC-004",
        ),
        (
            "a type without a number",
            license_text.replace("license.v1+json", "license.vX+json"),
            "SG-DOC-004",
        ),
        (
            "a newer format",
            edit_payload(
                &license_text,
                "\"format_version\":1",
                "\"format_version\":2",
            ),
            "SG-DOC-005",
        ),
        (
            "a newer format that lacks what this one has",
            edit(&license_text, |envelope| {
                envelope.payload = br#"{"format_version":7}"#.to_vec();
            }),
            "SG-DOC-005",
        ),
        (
            "format zero",
            edit_payload(
                &license_text,
                "\"format_version\":1",
                "\"format_version\":0",
            ),
            "SG-DOC-002",
        ),
        (
            "payload that is no JSON",
            edit(&license_text, |envelope| envelope.payload = vec![0xff; 9]),
            "SG-DOC-002",
        ),
        (
            "nesting without end",
            edit(&license_text, |envelope| {
                envelope.payload = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
            }),
            "SG-DOC-002",
        ),
    ] {
        assert_eq!(license_code(file), code, "{what}");
    }
    assert_eq!(license_code([0xff, 0xfe, 0x00]), "SG-DOC-001");
    assert_eq!(request_code(license().to_text()), "SG-DOC-004");
}

#[test]
fn a_license_that_was_edited_is_refused() {
    let text = license().to_text();
    for (from, to) in [
        ("\"camera\":32", "\"camera\":64"),
        ("\"failover\":1", "\"failover\":9"),
        ("\"revision\":2", "\"revision\":3"),
        ("\"from\":3", "\"from\":0"),
        ("\"to\":8", "\"to\":9"),
        ("\"validity\":{}", "\"validity\":{\"not_after\":null}"),
        ("2026-11-24T10:00:00Z", "2026-11-24T10:00:01Z"),
        ("NVR-0207", "NVR-0208"),
        ("L-2041", "L-2042"),
        ("\"kind\":\"tpm\"", "\"kind\":\"none\""),
        ("\"format_version\":1,", "\"format_version\":1, "),
    ] {
        assert_eq!(
            license_code(edit_payload(&text, from, to)),
            "SG-LIC-001",
            "{from}"
        );
    }
    let spare = support::license_with(|payload| payload.revision = 9);
    let spare = Envelope::parse(spare.to_text()).unwrap();
    for (what, file, code) in [
        (
            "another license's signature",
            edit(&text, |it| it.signatures = spare.signatures.clone()),
            "SG-LIC-001",
        ),
        (
            "no signature",
            edit(&text, |it| it.signatures[0].sig.clear()),
            "SG-LIC-001",
        ),
        (
            "zero signature",
            edit(&text, |it| it.signatures[0].sig = vec![0; 64]),
            "SG-LIC-001",
        ),
        (
            "no certificate",
            edit(&text, |it| it.signatures[0].cert = None),
            "SG-LIC-002",
        ),
        (
            "a license for a certificate",
            edit(&text, |it| {
                it.signatures[0].cert = Some(text.clone().into_bytes());
            }),
            "SG-DOC-004",
        ),
        (
            "another key id",
            edit(&text, |it| it.signatures[0].keyid = "00".repeat(16)),
            "SG-LIC-001",
        ),
        (
            "certificate with a later end",
            edit(&text, |it| {
                let cert = it.signatures[0].cert.take().unwrap();
                let cert = edit_payload(std::str::from_utf8(&cert).unwrap(), "2027-12", "2029-12");
                it.signatures[0].cert = Some(cert.into_bytes());
            }),
            "SG-LIC-001",
        ),
        (
            "a damaged signature before the good one",
            edit(&text, |it| {
                let mut bad = it.signatures[0].clone();
                bad.sig[0] ^= 1;
                it.signatures.insert(0, bad);
            }),
            "ok",
        ),
    ] {
        assert_eq!(license_code(file), code, "{what}");
    }
}

#[test]
fn a_request_that_was_edited_is_refused() {
    let text = request().to_text();
    for (from, to) in [
        ("\"wanted\":32", "\"wanted\":99"),
        ("NVR-0207", "NVR-0208"),
        ("\"revision\":1", "\"revision\":2"),
        ("2026-11-24T09:00:00Z", "2026-11-24T09:00:01Z"),
        ("\"certificate\":\"MA", "\"certificate\":\"MB"),
    ] {
        assert_eq!(
            request_code(edit_payload(&text, from, to)),
            "SG-POR-020",
            "{from}"
        );
    }
    // Another attestation key in the payload: the signature's key id is not its Name.
    let other = support::SoftwareAk::new(9);
    let mut payload = support::request_payload();
    payload.ak_public = other.public.as_bytes().to_vec();
    let unsigned = UnsignedRequest::new(payload);
    let by_first = support::ak().certify(&unsigned.qualifying_data(), 3);
    let forged = unsigned
        .sign(&by_first.attest, &by_first.signature)
        .unwrap();
    assert_eq!(request_code(forged.to_text()), "SG-POR-020");
    let renamed = edit(&text, |it| it.signatures[0].keyid = "00".repeat(34));
    assert_eq!(request_code(renamed), "SG-POR-020");
    // A key that could sign anything is no attestation key.
    let mut payload = support::request_payload();
    payload.ak_public[5] &= !0x01;
    let unsigned = UnsignedRequest::new(payload);
    let certified = support::ak().certify(&unsigned.qualifying_data(), 3);
    let free = unsigned
        .sign(&certified.attest, &certified.signature)
        .unwrap();
    assert_eq!(request_code(free.to_text()), "SG-POR-021");
    for length in [0, 1, 2, 100] {
        let cut = edit(&text, |it| it.signatures[0].sig.truncate(length));
        assert_eq!(request_code(cut), "SG-POR-020", "{length}");
    }
}

#[test]
fn no_changed_byte_gets_through() {
    for (text, code) in [
        (
            license().to_text(),
            license_code as fn(Vec<u8>) -> &'static str,
        ),
        (
            request().to_text(),
            request_code as fn(Vec<u8>) -> &'static str,
        ),
    ] {
        let original = Envelope::parse(&text).unwrap();
        for position in 0..text.len() {
            let mut file = text.clone().into_bytes();
            file[position] ^= 0x01;
            if code(file.clone()) == "ok" {
                // What is still read as signed must be exactly what was signed.
                let envelope = Envelope::parse(&file).unwrap();
                assert_eq!(envelope.payload, original.payload, "byte {position}");
                assert_eq!(envelope.payload_type, original.payload_type);
            }
        }
    }
}

#[test]
fn no_truncated_file_gets_through() {
    for (text, code) in [
        (
            license().to_text(),
            license_code as fn(Vec<u8>) -> &'static str,
        ),
        (
            request().to_text(),
            request_code as fn(Vec<u8>) -> &'static str,
        ),
    ] {
        let text = text.trim_end();
        for length in 0..text.len() {
            let code = code(text.as_bytes()[..length].to_vec());
            assert!(code.starts_with("SG-DOC-"), "{length} bytes: {code}");
        }
    }
}

#[test]
fn a_proof_needs_the_secret_and_the_nonce() {
    let made = proof(b"secret", &[7; 32]);
    assert!(verify_proof(b"secret", &[7; 32], &made));
    assert!(!verify_proof(b"secreT", &[7; 32], &made));
    assert!(!verify_proof(b"secret", &[8; 32], &made));
    assert!(!verify_proof(b"secret", &[7; 32], &made[..31]));
    assert!(!verify_proof(b"secret", &[7; 32], &[]));
}

#[test]
fn qualifying_data_changes_with_the_payload() {
    let one = UnsignedRequest::new(support::request_payload());
    let mut payload = support::request_payload();
    payload.nonce[31] ^= 1;
    let other = UnsignedRequest::new(payload);
    assert_ne!(one.qualifying_data(), other.qualifying_data());
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        let _ = Envelope::parse(&bytes);
        let _ = SignedLicense::parse(&bytes);
        let _ = SignedRequest::parse(&bytes);
        let _ = KeyCertificate::parse(&bytes);
        let _ = VendorRootsFile::parse(&bytes);
    }

    #[test]
    fn arbitrary_payloads_never_panic(payload in any::<Vec<u8>>(), sig in any::<Vec<u8>>()) {
        for text in [license().to_text(), request().to_text()] {
            let file = edit(&text, |envelope| {
                envelope.payload = payload.clone();
                envelope.signatures[0].sig = sig.clone();
            });
            prop_assert_ne!(license_code(&file), "ok");
            prop_assert_ne!(request_code(&file), "ok");
        }
    }

    #[test]
    fn envelopes_are_read_as_they_were_written(
        payload in any::<Vec<u8>>(),
        keyid in any::<String>(),
        sig in any::<Vec<u8>>(),
        cert in any::<Option<Vec<u8>>>(),
    ) {
        let text = edit(&license().to_text(), |envelope| {
            envelope.payload = payload;
            envelope.signatures[0].keyid = keyid;
            envelope.signatures[0].sig = sig;
            envelope.signatures[0].cert = cert;
        });
        prop_assert_eq!(Envelope::parse(&text).unwrap().to_text(), text);
    }
}
