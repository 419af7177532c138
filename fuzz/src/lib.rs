//! What each fuzz target does with its input: nothing panics, whatever is read is written
//! again as it was, and nothing that was not signed is believed.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a find")]

#[allow(dead_code, unused_imports)]
#[path = "../../portal/src/evidence/mod.rs"]
mod evidence;
#[allow(dead_code)]
#[path = "../../portal/src/trust.rs"]
mod trust;

#[allow(dead_code)]
#[path = "../../appliance/lan/src/announcement.rs"]
mod announcement;
#[allow(dead_code)]
#[path = "../../appliance/lan/src/arp.rs"]
mod arp;
#[allow(dead_code)]
#[path = "../../appliance/lan/src/camera_list.rs"]
mod camera_list;
#[path = "../../appliance/lan/src/credentials.rs"]
mod credentials;
#[allow(dead_code)]
#[path = "../../appliance/lan/src/xml_text.rs"]
mod xml_text;

mod golden;
mod media;

pub use media::{camera_stream, recording};

use announcement::Announcement;
use camera_list::{MAX_LIST_ROWS, Place, read_camera_list, read_place, write_list};
use credentials::Credentials;
use evidence::{EkRoots, canonical_ek, make_credential, verify_ek};
use golden::{AK_PUBLIC, NONCE, ROOTS, SIGNED_NAMES, ek_roots, payload_of, sign, with_payload};
use jiff::Timestamp;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use sealgate_license::attestation::verify_counter;
use sealgate_license::binding::{DongleEvidence, DonglePublicKey};
use sealgate_license::dsse::{DocumentKind, Envelope};
use sealgate_license::license_document::SignedLicense;
use sealgate_license::request_document::{SignedRequest, UnsignedRequest};
use sealgate_license::tpm_wire::{
    Attest, EcdsaSignature, TpmName, TpmPublic, check_ak, counter_name,
};
use sealgate_license::vendor::{
    Flavour, KeyCertificate, RevocationList, Revocations, VendorRootsFile,
};

/// Any file as an envelope.
pub fn dsse(data: &[u8]) {
    let Ok(envelope) = Envelope::parse(data) else {
        return;
    };
    let text = envelope.to_text();
    let again = Envelope::parse(&text).unwrap();
    assert_eq!(again, envelope);
    assert_eq!(again.to_text(), text);
    assert!(envelope.signed_bytes().starts_with(b"DSSEv1 "));
    // Mail changes nothing.
    let mailed = format!("\u{feff}\r\n{}\r\n\r\n", text.replace('\n', "\r\n"));
    assert_eq!(Envelope::parse(mailed).unwrap(), envelope);
}

/// A file as a license; and a payload as one that somebody else, or the vendor, signed.
pub fn license(data: &[u8]) {
    check_license(data);
    let text = with_payload(golden::LICENSE, data).to_text();
    check_license(text.as_bytes());
    // What the vendor might sign by mistake is still to be read without a panic.
    let signed = sign(
        golden::LICENSE,
        DocumentKind::License,
        data,
        &golden::ISSUING,
    );
    let Ok(license) = SignedLicense::parse(signed.to_text()) else {
        return;
    };
    let Ok(verified) = license.verify(&ROOTS, &Revocations::none()) else {
        return;
    };
    assert!(
        verified.payload().validity.not_before <= verified.payload().validity.not_after
            || verified.payload().validity.not_after.is_none()
    );
    let _ = verified.revocation_list();
    let evidence = DongleEvidence { signature: data };
    assert!(
        verified
            .bind_dongle(&evidence, &NONCE, Timestamp::UNIX_EPOCH)
            .is_err()
    );
    if verified.bind_mac(Timestamp::UNIX_EPOCH).is_ok() {
        assert!(!verified.payload().entitlements.mac_list.is_empty());
    }
    for counter in [0, 8, u64::MAX] {
        if let Ok(plan) = verified.import_check(counter) {
            assert!(plan.increments <= 512);
        }
        let _ = verified.roll_forward_check(counter);
    }
}

fn check_license(file: &[u8]) {
    let Ok(license) = SignedLicense::parse(file) else {
        return;
    };
    let again = SignedLicense::parse(license.to_text()).unwrap();
    assert_eq!(again, license);
    if license.verify(&ROOTS, &Revocations::none()).is_ok() {
        let payload = payload_of(file);
        let known = golden::LICENSES
            .iter()
            .any(|golden| payload_of(golden) == payload);
        assert!(known, "an edited license was accepted");
    }
}

/// A file as a request; and a payload as one that the golden attestation key signs.
pub fn request(data: &[u8]) {
    if let Ok(request) = SignedRequest::parse(data) {
        assert_eq!(SignedRequest::parse(request.to_text()).unwrap(), request);
        if let Ok(verified) = request.verify() {
            check_ak(verified.ak()).unwrap();
            assert_eq!(verified.payload_sha256(), request.payload_sha256());
        }
    }
    let edited = with_payload(golden::REQUEST, data);
    if let Ok(request) = SignedRequest::parse(edited.to_text())
        && data != payload_of(golden::REQUEST)
    {
        assert!(request.verify().is_err(), "an edited request was accepted");
        let unsigned = UnsignedRequest::new(request.unverified_payload().clone());
        let attest = golden::attest(&unsigned.qualifying_data());
        let signature = golden::ak_signature(&attest);
        let signed = unsigned.sign(&attest, &signature).unwrap();
        if let Ok(verified) = SignedRequest::parse(signed.to_text()).unwrap().verify() {
            assert_eq!(verified.counter().counter, 3);
            let _ = verified.proves(&[0x5e; 32]);
        }
    }
}

/// A file as a certificate, a revocation list, and a list of roots; and a payload as what
/// a root signed.
pub fn vendor_keys(data: &[u8]) {
    if let Ok(certificate) = KeyCertificate::parse(data) {
        assert_eq!(
            KeyCertificate::parse(certificate.to_text()).unwrap(),
            certificate
        );
        if certificate.verify(&ROOTS).is_ok() {
            assert_eq!(payload_of(data), payload_of(golden::CERTIFICATE));
        }
    }
    if let Ok(list) = RevocationList::parse(data) {
        assert_eq!(RevocationList::parse(list.to_text()).unwrap(), list);
        if list.verify(&ROOTS).is_ok() {
            assert_eq!(payload_of(data), payload_of(golden::REVOCATIONS));
        }
    }
    if let Ok(file) = VendorRootsFile::parse(data) {
        assert_eq!(VendorRootsFile::parse(file.to_text()).unwrap(), file);
        for flavour in [Flavour::Lab, Flavour::Product] {
            let _ = file.for_flavour(flavour);
        }
    }
    let certificate = sign(
        golden::CERTIFICATE,
        DocumentKind::VendorKey,
        data,
        &golden::ROOT,
    );
    if let Ok(certificate) = KeyCertificate::parse(certificate.to_text()) {
        let _ = certificate.verify(&ROOTS);
    }
    let list = sign(
        golden::REVOCATIONS,
        DocumentKind::RevocationList,
        data,
        &golden::ROOT,
    );
    if let Ok(list) = RevocationList::parse(list.to_text())
        && let Ok(verified) = list.verify(&ROOTS)
    {
        let revocations = Revocations::of([&verified]);
        assert!(
            verified
                .key_ids()
                .iter()
                .all(|key_id| revocations.contains(key_id))
        );
    }
}

/// Bytes as each structure that a TPM makes.
pub fn tpm_structures(data: &[u8]) {
    let _ = EcdsaSignature::parse(data);
    let _ = DonglePublicKey::from_sec1(data);
    if let Ok(name) = TpmName::from_bytes(data) {
        assert_eq!(name.as_bytes(), data);
        assert_eq!(name.to_string().parse::<TpmName>().unwrap(), name);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = text.parse::<TpmName>();
    }
    if let Ok(public) = TpmPublic::parse(data) {
        assert_eq!(public.as_bytes(), data);
        let _ = check_ak(&public);
        if let Ok(canonical) = canonical_ek(&public) {
            assert_eq!(canonical_ek(&canonical).unwrap(), canonical);
        }
        let mut rng = StdRng::seed_from_u64(1);
        let _ = make_credential(&public, &counter_name(), &[0x5e; 32], &mut rng);
    }
    // As an attestation and its signature: the golden key did not make them.
    let at = data
        .first()
        .map_or(0, |at| usize::from(*at).min(data.len()));
    let (attest, signature) = data.split_at(at);
    assert!(verify_counter(&AK_PUBLIC, attest, signature, &NONCE).is_err());
    // As an attestation that the key did sign, perhaps for another purpose.
    let Ok(attest) = Attest::parse(data) else {
        return;
    };
    let signature = golden::ak_signature(data);
    if let Ok(evidence) = verify_counter(&AK_PUBLIC, data, &signature, &NONCE) {
        assert_eq!(attest.nv.contents, evidence.counter.to_be_bytes());
        assert_eq!(attest.nv.index_name, counter_name().as_bytes());
    }
}

/// Bytes as an EK certificate from NV memory, with a chain behind it: the first byte says,
/// in steps of 16 bytes, where the chain begins.
pub fn ek_certificate(data: &[u8]) {
    thread_local! {
        static ROOTS: EkRoots = ek_roots();
    }
    ROOTS.with(|roots| {
        let believed = |certificate: &[u8], chain: &[Vec<u8>]| {
            if let Ok(identity) = verify_ek(certificate, chain, roots) {
                let name = hex::encode(identity.sha256);
                assert!(
                    SIGNED_NAMES.contains(&name.as_str()),
                    "an edited certificate: {name}"
                );
            }
        };
        let chain = [golden::EK_ISSUER.to_vec()];
        believed(data, &chain);
        let at = data
            .first()
            .map_or(0, |at| (16 * usize::from(*at)).min(data.len()));
        let (certificate, rest) = data.split_at(at);
        believed(certificate.get(1..).unwrap_or_default(), &[rest.to_vec()]);
        believed(golden::EK_RSA, &[data.to_vec(), data.to_vec()]);
    });
}

/// A datagram as an answer to a probe.
pub fn announcement(data: &[u8]) {
    let Ok(found) = Announcement::parse(data) else {
        return;
    };
    assert!(found.len() <= 16);
    for device in found {
        assert!(device.xaddrs.len() <= 8);
        let scopes = &device.scopes;
        let shown = [&scopes.name, &scopes.hardware, &scopes.manufacturer];
        let texts = shown.into_iter().flatten().chain([&device.endpoint]);
        for text in texts {
            assert!(text.chars().count() <= 128);
            assert!(!text.chars().any(char::is_control));
        }
    }
}

/// A file as a list of cameras. What is read means the same when it is written and read
/// again, and no field that is written is a formula.
pub fn camera_list(data: &[u8]) {
    let Ok(rows) = read_camera_list(data) else {
        return;
    };
    assert!(rows.len() <= MAX_LIST_ROWS);
    for camera in rows.into_iter().filter_map(|row| row.verdict.ok()) {
        let place = match &camera.place {
            Place::Address { ip, port: None } => ip.to_string(),
            Place::Address { ip, port: Some(port) } => format!("{ip}:{port}"),
            Place::Service(url) | Place::Stream(url) => url.clone(),
        };
        assert!(camera.place.ip().is_some(), "{place}");
        let (again, credentials) = read_place(&place).unwrap();
        assert_eq!((&again, credentials), (&camera.place, None), "{place}");
        let name = camera.name.clone().unwrap_or_default();
        let Credentials { user, password } = camera.credentials.clone().unwrap_or(Credentials {
            user: String::new(),
            password: String::new(),
        });
        let line = write_list([&[place.as_str(), &name, &user, &password][..]]);
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(line.as_bytes());
        let written = reader.records().next().unwrap().unwrap();
        for field in &written {
            let first = field.trim_start_matches([' ', '"']).chars().next();
            assert!(!matches!(first, Some('=' | '+' | '-' | '@')), "{line}");
        }
        assert_eq!(read_camera_list(line.as_bytes()).unwrap().len(), 1, "{line}");
    }
}

/// A frame as an ARP packet.
pub fn arp(data: &[u8]) {
    if let Some(claim) = arp::claim(data) {
        assert_eq!(data[6..12], claim.mac.octets());
        assert_eq!(data[28..32], claim.ip.octets());
        assert!(!claim.ip.is_unspecified());
    }
}
