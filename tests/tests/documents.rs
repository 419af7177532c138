//! The format document, held to its word: a reader in another language, written from
//! docs/documents.md alone, has to read what we write, and to refuse what we refuse.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use sealgate_license::dsse::{DocumentKind, Envelope, MAX_DOCUMENT_BYTES};
use sealgate_license::license_document::{Binding, SignedLicense};
use sealgate_license::request_document::SignedRequest;
use sealgate_license::statement_document::{SignedStatement, Subject};
use sealgate_license::tpm_wire::TpmPublic;
use sealgate_license::vendor::{
    Flavour, KeyCertificate, Revocations, VendorRoots, VendorRootsFile, VerifiedRevocationList,
    key_id,
};
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn testdata() -> PathBuf {
    root().join("kit/license/testdata")
}

/// What the other reader says about each document of a folder.
fn read_elsewhere(folder: &Path) -> BTreeMap<String, Value> {
    // Debian's own Python, which has Debian's own 'cryptography'.
    let output = Command::new("/usr/bin/python3")
        .arg(root().join("tests/reader/documents.py"))
        .arg(folder)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "the reader failed (it needs Debian's python3-cryptography): {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn roots() -> VendorRoots {
    VendorRootsFile::parse(std::fs::read(testdata().join("vendor-roots.json")).unwrap())
        .unwrap()
        .for_flavour(Flavour::Lab)
        .unwrap()
}

fn licensed(file: &[u8], roots: &VendorRoots) -> Option<Value> {
    let license = SignedLicense::parse(file).ok()?;
    let verified = license.verify(roots, &Revocations::none()).ok()?;
    let list = match verified.revocation_list().ok()? {
        Some(list) => Some(list.verify(roots).ok()?),
        None => None,
    };
    license.verify(roots, &Revocations::of(&list)).ok()?;
    let payload = verified.payload();
    let binding = match &payload.binding {
        Binding::Tpm(tpm) => json!({
            "kind": "tpm", "ak_name": tpm.ak_name, "ek_name": tpm.ek_name,
            "from": tpm.from, "to": tpm.to,
            "activation_secret_sha256": hex::encode(tpm.activation_secret_sha256),
        }),
        Binding::Dongle(dongle) => json!({
            "kind": "dongle", "serial": dongle.serial,
            "challenge": hex::encode(dongle.public_key.challenge(&[0x70; 32])),
        }),
        Binding::Mac => json!({ "kind": "mac" }),
        Binding::Other { .. } => return None,
    };
    let validity = payload.validity;
    Some(json!({
        "kind": "license",
        "license_id": payload.license_id,
        "revision": payload.revision,
        "names": [payload.names.server, payload.names.project, payload.names.distributor],
        "binding": binding,
        "entitlements": {
            "counts": payload.entitlements.counts,
            "mac_list": payload.entitlements.mac_list,
            "packages": payload.entitlements.packages,
        },
        "validity": {
            "not_before": validity.not_before,
            "not_after": validity.not_after,
            "term": validity.term,
        },
        "issued_at": payload.issued_at,
        "key_id": verified.key_id(),
        "revocation_sequence": list.map(|list| list.sequence()),
    }))
}

fn requested(file: &[u8]) -> Option<Value> {
    let request = SignedRequest::parse(file).ok()?.verify().ok()?;
    let payload = request.payload();
    Some(json!({
        "kind": "request",
        "counter": request.counter().counter,
        "clock_ms": request.counter().clock_ms,
        "ak": request.ak().name(),
        "model": payload.model,
        "serial": payload.serial,
        "firmware": payload.firmware,
        "channels": [payload.channels.used, payload.channels.wanted],
        "ek_sha256": hex::encode(&request.ek().name().as_bytes()[2..]),
        "proves_the_secret_of_the_example": request.proves(&[0x5e; 32]),
    }))
}

fn stated(file: &[u8]) -> Option<Value> {
    let statement = SignedStatement::parse(file).ok()?;
    let counter = statement.verify().ok()?;
    let payload = statement.unverified_payload();
    let subject = match &payload.subject {
        Subject::CameraReplaced {
            old_mac,
            new_mac,
            number,
            previous_sha256,
        } => json!([
            "camera_replaced",
            old_mac,
            new_mac,
            number,
            hex::encode(previous_sha256)
        ]),
        Subject::Clip {
            camera,
            file,
            from,
            to,
            size_bytes,
            sha256,
        } => json!([
            "clip",
            camera,
            file,
            from,
            to,
            size_bytes,
            hex::encode(sha256)
        ]),
    };
    Some(json!({
        "kind": "statement",
        "counter": counter.counter,
        "clock_ms": counter.clock_ms,
        "ak": TpmPublic::parse(&payload.ak_public).ok()?.name(),
        "box": [payload.model, payload.serial, payload.firmware],
        "subject": subject,
    }))
}

/// What we say about a document, in the words of the other reader; `None` if refused.
fn read_here(file: &[u8], roots: &VendorRoots) -> Option<Value> {
    let envelope = Envelope::parse(file).ok()?;
    let kind = |kind: DocumentKind| envelope.payload_type == kind.payload_type();
    if kind(DocumentKind::License) {
        licensed(file, roots)
    } else if kind(DocumentKind::Request) {
        requested(file)
    } else if kind(DocumentKind::Statement) {
        stated(file)
    } else if kind(DocumentKind::VendorKey) {
        let certificate = KeyCertificate::parse(file).ok()?;
        let certified = certificate.verify(roots).ok()?;
        Some(json!({
            "kind": "vendor-key",
            "name": certified.name,
            "key_id": key_id(&certified.public_key),
            "public_key": hex::encode(certified.public_key),
            "not_before": certified.not_before,
            "not_after": certified.not_after,
        }))
    } else {
        let list = VerifiedRevocationList::read(file, roots).ok()?;
        Some(json!({
            "kind": "revocation-list",
            "sequence": list.sequence(),
            "key_ids": list.key_ids(),
        }))
    }
}

/// The golden documents, by name.
fn golden() -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(testdata())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && path.extension().unwrap() != "json")
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect()
}

#[test]
fn another_reader_reads_the_golden_documents() {
    let roots = roots();
    let elsewhere = read_elsewhere(&testdata());
    let golden = golden();
    assert_eq!(golden.len(), 8);
    assert_eq!(elsewhere.len(), golden.len());
    for (name, file) in golden {
        let here = read_here(&file, &roots);
        assert_eq!(elsewhere.get(&name), here.as_ref(), "{name}");
    }
}

/// What mail does to a file, and what nobody may do to it.
fn bent(file: &[u8]) -> Vec<(String, Vec<u8>)> {
    let text = std::str::from_utf8(file).unwrap();
    let mut bent: Vec<(String, Vec<u8>)> = [
        ("crlf", text.replace('\n', "\r\n")),
        (
            "mailed",
            format!("\u{feff}\r\n\r\n{}\r\n \r\n", text.replace('\n', "\r\n")),
        ),
        ("compact", text.replace("\n", "").replace("  ", "")),
        (
            "url-safe",
            text.replace('+', "-")
                .replace('/', "_")
                .replace("application_vnd", "application/vnd")
                .replace("v1-json", "v1+json"),
        ),
        ("extra-field", text.replacen('{', "{\"comment\": 1,", 1)),
        ("twice", format!("{text}{text}")),
        ("newer", text.replace("v1+json", "v2+json")),
        ("stranger", text.replace("sealgate", "seelgate")),
        ("no-signature", text.replace("\"sig\"", "\"gis\"")),
        ("large", format!("{text}{}", " ".repeat(MAX_DOCUMENT_BYTES))),
        (
            "another-type",
            text.replace(".license.", ".request.")
                .replace(".vendor-key.", ".license."),
        ),
    ]
    .map(|(how, text)| (how.to_owned(), text.into_bytes()))
    .into();
    // One bit of every few bytes, and torn files.
    for (count, position) in (0..file.len()).step_by(23).enumerate() {
        let mut changed = file.to_vec();
        changed[position] ^= 1 << (count % 7);
        bent.push((format!("bit-{position}"), changed));
        if count % 8 == 0 {
            bent.push((format!("torn-{position}"), file[..position].to_vec()));
        }
    }
    bent
}

#[test]
fn another_reader_takes_and_refuses_the_same_files() {
    let roots = roots();
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(
        testdata().join("vendor-roots.json"),
        folder.path().join("vendor-roots.json"),
    )
    .unwrap();
    let mut here = BTreeMap::new();
    for (name, file) in golden() {
        for (how, changed) in bent(&file) {
            let name = format!("{how}-{name}");
            std::fs::write(folder.path().join(&name), &changed).unwrap();
            here.insert(name, read_here(&changed, &roots));
        }
    }
    let elsewhere = read_elsewhere(folder.path());
    assert_eq!(elsewhere.len(), here.len());
    let (mut taken, mut refused) = (0, 0);
    for (name, here) in here {
        let elsewhere = &elsewhere[&name];
        match here {
            Some(here) => {
                assert_eq!(*elsewhere, here, "{name}");
                taken += 1;
            }
            None => {
                assert!(elsewhere.get("refused").is_some(), "{name}: {elsewhere}");
                refused += 1;
            }
        }
    }
    // Five kinds of file change nothing by design: line ends, mail, white space, alphabet, unknown fields.
    assert!(taken >= 5 * 8, "{taken}");
    assert!(refused > 300, "{refused}");
}

/// The numbers of the document's worked example are those of the files.
#[test]
fn the_worked_example_is_true() {
    let text = std::fs::read_to_string(root().join("docs/documents.md")).unwrap();
    let squeezed: String = text.split_whitespace().collect();
    let mut wanted = vec![
        key_id(&roots_public()),
        hex::encode(roots_public()),
        sealgate_license::tpm_wire::counter_name().to_string(),
    ];
    for (name, file) in golden() {
        let envelope = Envelope::parse(&file).unwrap();
        use sha2::{Digest as _, Sha256};
        if matches!(
            name.as_str(),
            "issuing-key.cert" | "l-2041.lic" | "nvr-0207.req"
        ) {
            wanted.push(hex::encode(Sha256::digest(envelope.signed_bytes())));
        }
        if matches!(name.as_str(), "issuing-key.cert" | "l-2041.lic") {
            wanted.push(hex::encode(&envelope.signatures[0].sig));
        }
        if let Some(license) = licensed(&file, &roots())
            && let Some(challenge) = license["binding"]["challenge"].as_str()
        {
            wanted.push(challenge.to_owned());
        }
    }
    assert_eq!(wanted.len(), 9);
    for value in wanted {
        assert!(squeezed.contains(&value), "docs/documents.md lacks {value}");
    }
}

fn roots_public() -> [u8; 32] {
    let file = std::fs::read(testdata().join("vendor-roots.json")).unwrap();
    VendorRootsFile::parse(file).unwrap().roots[0].public_key
}
