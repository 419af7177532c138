//! Importing licenses, and refusing them without a trace.

use std::os::unix::fs::PermissionsExt as _;

use sealgate_license::{
    dsse::MAX_DOCUMENT_BYTES,
    entitlements::Entitlements,
    license_document::{Binding, LicensePayload, Validity},
    state::LicenseState,
    vendor::Flavour,
};
use sealgate_supervisor::license::LicenseBox;

use crate::bench::{Bench, Vendor, binding, refusal};

#[test]
fn a_license_is_requested_imported_and_active() {
    let bench = Bench::new();
    let mut nvr = bench.start();
    let outcome = nvr.boot();
    assert_eq!(outcome.state, LicenseState::Provisioned);
    assert!(outcome.bound.is_none());
    assert_eq!(outcome.tpm.unwrap().manufacturer, "IBM");
    let counter = outcome.counter.unwrap();

    let license = bench.license(32);
    assert!(matches!(
        nvr.check().state,
        LicenseState::RequestMade { .. }
    ));
    assert_eq!(license.from, counter);

    let before = bench.everything();
    let report = nvr.import(license.text.as_bytes(), true).unwrap();
    assert!(report.dry_run);
    assert_eq!(report.before, None);
    assert_eq!(report.after, Entitlements::cameras(32));
    assert_eq!(
        (report.counter_before, report.counter_after),
        (counter, license.to)
    );
    assert_eq!(bench.everything(), before, "a dry run changes nothing");

    let report = nvr.import(license.text.as_bytes(), false).unwrap();
    assert_eq!((report.license_id.as_str(), report.revision), ("L-2041", 1));
    assert_eq!(report.counter_after, license.to);
    assert_eq!(bench.tpm().counter().unwrap(), license.to);
    assert!(bench.has("active.lic") && !bench.has("pending.lic") && !bench.has("request"));
    let secret = bench.disk.path().join("secret");
    assert_eq!(std::fs::read(&secret).unwrap(), license.secret);
    let mode = std::fs::metadata(&secret).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    for outcome in [nvr.check(), bench.start().boot()] {
        assert_eq!(
            outcome.state,
            LicenseState::Active {
                license_id: "L-2041".to_owned(),
                revision: 1,
                camera_channels: 32
            }
        );
        assert_eq!(outcome.bound.unwrap().entitlements().camera_channels(), 32);
        assert_eq!(outcome.counter, Some(license.to));
    }
}

#[test]
fn the_next_license_replaces_it_and_the_old_one_never_returns() {
    let (bench, first) = Bench::licensed(32);
    let second = bench.license(16);
    assert_eq!(second.from, first.to);
    let mut nvr = bench.start();
    let report = nvr.import(second.text.as_bytes(), false).unwrap();
    assert_eq!(report.before, Some(Entitlements::cameras(32)));
    assert_eq!(report.after, Entitlements::cameras(16));

    let before = bench.everything();
    assert_eq!(
        refusal(nvr.import(first.text.as_bytes(), false)),
        "SG-LIC-011"
    );
    assert_eq!(bench.everything(), before);

    // An image of the old disk, secret and all.
    bench.put("active.lic", &first.text);
    std::fs::write(bench.disk.path().join("secret"), first.secret).unwrap();
    let outcome = bench.start().boot();
    assert!(matches!(outcome.state, LicenseState::OlderLicense { .. }));
    assert!(outcome.bound.is_none());

    // The file in use may be imported again, for instance onto a new disk.
    for name in ["active.lic", "secret"] {
        std::fs::remove_file(bench.disk.path().join(name)).unwrap();
    }
    nvr.import(second.text.as_bytes(), false).unwrap();
    assert!(nvr.check().bound.is_some());
    assert_eq!(bench.tpm().counter().unwrap(), second.to);
}

/// Each refusal has its code and leaves files and counter as they were.
#[test]
fn refused_files_change_nothing() {
    let (bench, _first) = Bench::licensed(32);
    let request = bench.start().export_request(4, 48).unwrap();
    let good = bench.vendor.issue(&request, 48);
    let mut nvr = bench.start();
    let before = bench.everything();
    let mut refuses = |what: &str, document: &[u8], code: &str| {
        for dry_run in [true, false] {
            assert_eq!(refusal(nvr.import(document, dry_run)), code, "{what}");
        }
        assert_eq!(bench.everything(), before, "{what}");
    };

    let text = good.text.as_bytes();
    refuses("empty", b"", "SG-DOC-001");
    refuses("a picture", b"\x89PNG\r\n\x1a\n", "SG-DOC-001");
    refuses(
        "a page",
        b"<html>Sign in to the hotel's network</html>",
        "SG-DOC-001",
    );
    refuses("truncated", &text[..text.len() / 2], "SG-DOC-002");
    let too_large = [text, &b" ".repeat(MAX_DOCUMENT_BYTES)].concat();
    refuses("larger than 1 MiB", &too_large, "SG-DOC-003");
    refuses("a request", request.as_bytes(), "SG-DOC-004");

    // The payload with another number of channels under the old signature.
    refuses("edited", &edited(&good.text), "SG-LIC-001");
    let foreign = Vendor::new(9, Flavour::Lab).issue(&request, 48);
    refuses("of another vendor", foreign.text.as_bytes(), "SG-LIC-002");

    let elsewhere = Bench::new();
    elsewhere.start().boot();
    refuses(
        "for another box",
        elsewhere.license(8).text.as_bytes(),
        "SG-LIC-010",
    );

    let mut refuses_changed = |what: &str, code, change: fn(&mut _)| {
        let license = bench.vendor.issue_with(&request, 48, change);
        refuses(what, license.text.as_bytes(), code);
    };
    refuses_changed("older", "SG-LIC-011", |payload| {
        let binding = binding(payload);
        (binding.from, binding.to) = (1, 2);
    });
    refuses_changed("later", "SG-LIC-012", |payload| {
        binding(payload).from += 1;
    });
    refuses_changed("too far ahead", "SG-LIC-013", |payload| {
        binding(payload).to += 512;
    });
    refuses_changed("with another secret", "SG-LIC-014", |payload| {
        binding(payload).activation_secret_sha256[0] ^= 1;
    });
    refuses_changed("with a damaged blob", "SG-LIC-014", |payload| {
        binding(payload).credential_blob[10] ^= 1;
    });
    refuses_changed("with an endless blob", "SG-LIC-014", |payload| {
        binding(payload).credential_blob = vec![0; 60_000];
    });
    refuses_changed("for another endorsement key", "SG-LIC-014", |payload| {
        let binding = binding(payload);
        binding.ek_name = binding.ak_name.clone();
    });
    refuses_changed("not yet valid", "SG-LIC-015", |payload| {
        payload.validity = Validity {
            not_before: Some("2027-01-01T00:00:00Z".parse().unwrap()),
            not_after: None,
            term: None,
        };
    });
    refuses_changed("expired", "SG-LIC-016", |payload| {
        payload.validity = Validity {
            not_before: None,
            not_after: Some("2026-11-01T00:00:00Z".parse().unwrap()),
            term: None,
        };
    });
}

#[test]
fn a_binding_of_another_kind_is_refused_as_such() {
    let bench = Bench::new();
    bench.start().boot();
    let request = bench.start().export_request(0, 4).unwrap();
    let later = bench.vendor.issue_later(&request);
    assert_eq!(
        refusal(bench.start().import(later.as_bytes(), false)),
        "SG-LIC-018"
    );
}

#[test]
fn a_product_refuses_a_lab_license_and_a_revoked_key() {
    let product = Vendor::new(5, Flavour::Product);
    let mut bench = Bench::new();
    bench.start().boot();
    let request = bench.start().export_request(0, 4).unwrap();
    let lab = bench.vendor.issue(&request, 4);
    let ours = product.issue(&request, 4);
    let box_with = |roots| -> LicenseBox { bench.start_with(bench.swtpm.address(), roots) };
    assert_eq!(
        refusal(box_with(product.roots()).import(lab.text.as_bytes(), true)),
        "SG-LIC-005"
    );
    let revoked = product.roots_revoking_itself();
    assert_eq!(
        refusal(box_with(revoked.clone()).import(ours.text.as_bytes(), true)),
        "SG-LIC-003"
    );
    box_with(product.roots())
        .import(ours.text.as_bytes(), false)
        .unwrap();
    // Revocation stops imports, never the license in use.
    bench.vendor = product;
    let outcome = bench.start_with(bench.swtpm.address(), revoked).boot();
    assert!(outcome.bound.is_some());
}

#[test]
fn a_file_survives_mail() {
    let bench = Bench::new();
    bench.start().boot();
    let license = bench.license(4);
    let mailed = format!(
        "\u{feff}\r\n\r\n{}\r\n\r\n",
        license.text.replace('\n', "\r\n")
    );
    bench.start().import(mailed.as_bytes(), false).unwrap();
    assert!(bench.start().boot().bound.is_some());
}

/// The same envelope with one more digit in the number of channels.
fn edited(license: &str) -> Vec<u8> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let mut envelope: serde_json::Value = serde_json::from_str(license).unwrap();
    let payload = STANDARD
        .decode(envelope["payload"].as_str().unwrap())
        .unwrap();
    let payload = String::from_utf8(payload).unwrap();
    let changed = payload.replace("\"camera\":48", "\"camera\":480");
    assert_ne!(changed, payload);
    envelope["payload"] = STANDARD.encode(changed).into();
    envelope.to_string().into_bytes()
}

impl Vendor {
    /// A license with a binding of a later version, which this one can't check.
    fn issue_later(&self, request: &str) -> String {
        let change = |payload: &mut LicensePayload| {
            payload.binding = Binding::Other {
                kind: "enclave".to_owned(),
                value: [("kind".to_owned(), "enclave".into())]
                    .into_iter()
                    .collect(),
            };
        };
        self.issue_with(request, 4, change).text
    }
}

/// A list of revoked keys that came with an import is kept, and stops the next import;
/// nothing else, and only if the import succeeded.
#[test]
fn a_license_brings_the_list_of_revoked_keys() {
    let mut bench = Bench::new();
    bench.start().boot();
    let first = bench.license(4);
    bench.start().import(first.text.as_bytes(), false).unwrap();
    let request = bench.start().export_request(0, 8).unwrap();

    // The vendor lost the first issuing key, and signs with the next one.
    let old = bench.vendor.issue(&request, 8);
    let list = bench
        .vendor
        .revocation_list(7, [bench.vendor.issuing.key_id()]);
    let next = bench.vendor.with_next_key();
    let carrying = |list: &str| {
        let list = list.as_bytes().to_vec();
        next.issue_with(&request, 8, |payload| payload.revocation_list = Some(list))
    };

    // A refused import teaches nothing: neither a dry run, nor a file for another counter.
    let renewed = carrying(&list);
    bench.start().import(renewed.text.as_bytes(), true).unwrap();
    assert!(!bench.has("revoked-keys.rev"));
    bench.start().import(old.text.as_bytes(), true).unwrap();

    // A list that is not the root's stops the license that carries it.
    let stranger = Vendor::new(9, Flavour::Lab).revocation_list(9, []);
    for bad in [stranger.as_str(), "{}"] {
        let bad = carrying(bad);
        assert_eq!(
            refusal(bench.start().import(bad.text.as_bytes(), false)),
            "SG-LIC-022"
        );
    }
    // A license can't bring the revocation of its own key and be imported.
    let own = bench.vendor.revocation_list(8, [next.issuing.key_id()]);
    let own = carrying(&own);
    assert_eq!(
        refusal(bench.start().import(own.text.as_bytes(), false)),
        "SG-LIC-003"
    );
    assert!(!bench.has("revoked-keys.rev"));

    bench
        .start()
        .import(renewed.text.as_bytes(), false)
        .unwrap();
    assert!(bench.has("revoked-keys.rev"));
    let request = bench.start().export_request(8, 16).unwrap();
    let by_old = bench.vendor.issue(&request, 16);
    let by_next = next.issue(&request, 16);
    assert_eq!(
        refusal(bench.start().import(by_old.text.as_bytes(), true)),
        "SG-LIC-003"
    );
    bench.start().import(by_next.text.as_bytes(), true).unwrap();

    // An older list does not take the place of a newer one.
    let older = bench.vendor.revocation_list(6, []);
    let older = next.issue_with(&request, 16, |payload| {
        payload.revocation_list = Some(older.into_bytes());
    });
    bench.start().import(older.text.as_bytes(), false).unwrap();
    let request = bench.start().export_request(16, 16).unwrap();
    let by_old = bench.vendor.issue(&request, 20);
    assert_eq!(
        refusal(bench.start().import(by_old.text.as_bytes(), true)),
        "SG-LIC-003"
    );
    // A list that the disk has lost or torn locks nobody out.
    bench.put("revoked-keys.rev", "torn");
    bench.start().import(by_old.text.as_bytes(), false).unwrap();
    assert!(bench.start().boot().bound.is_some());
    bench.vendor = next;
}

/// The import was judged when it began. By the time it is finished, the firmware may know
/// better; but the counter has left the license before it behind.
#[test]
fn an_import_that_has_begun_is_finished_whatever_was_revoked_since() {
    let (bench, _) = Bench::licensed(4);
    let next = bench.license(8);
    bench.put("pending.lic", &next.text);
    let revoking = bench.vendor.roots_revoking_itself();
    let outcome = bench.start_with(bench.swtpm.address(), revoking).boot();
    assert_eq!(
        outcome.bound.unwrap().entitlements().camera_channels(),
        8,
        "{:?}",
        outcome.state
    );
    assert!(bench.has("active.lic") && !bench.has("pending.lic"));
}
