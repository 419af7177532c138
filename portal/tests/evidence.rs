//! TPM evidence: certificates that swtpm's authority wrote, certificates that nobody
//! should have written, and whole requests.
#![allow(clippy::unwrap_used)]

#[path = "../../kit/license/tests/support/mod.rs"]
mod support;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
};
use sealgate_license::request_document::{EndorsementKey, RequestPayload, UnsignedRequest};
use sealgate_license::tpm_wire::{EccCurve, TpmKey, TpmPublic};
use sealgate_license::vendor::Flavour;
use sealgate_portal::evidence::{
    EkCertificateError, EkRoots, EvidenceError, TpmIdentity, canonical_ek, check_request, same_key,
    verify_ek,
};
use sealgate_portal::trust::TrustClass;

/// From swtpm_setup 0.7.1: an RSA-2048 and a P-384 EK with their certificates, as they
/// stand in NV memory, signed by an authority that swtpm-localca made.
mod swtpm {
    pub const ROOT: &[u8] = include_bytes!("../testdata/swtpm/root.der");
    pub const ISSUER: &[u8] = include_bytes!("../testdata/swtpm/issuer.der");
    pub const RSA_NV: &[u8] = include_bytes!("../testdata/swtpm/ek-rsa.der");
    pub const RSA_PUBLIC: &[u8] = include_bytes!("../testdata/swtpm/ek-rsa.pub");
    pub const P384_NV: &[u8] = include_bytes!("../testdata/swtpm/ek-p384.der");
    pub const P384_PUBLIC: &[u8] = include_bytes!("../testdata/swtpm/ek-p384.pub");
    pub const P256_PUBLIC: &[u8] = include_bytes!("../testdata/swtpm/ek-p256.pub");
}

fn swtpm_roots() -> EkRoots {
    let mut roots = EkRoots::new(Flavour::Lab);
    roots.add_root(swtpm::ROOT, TrustClass::Lab).unwrap();
    roots
}

fn code(certificate: &[u8], chain: &[Vec<u8>], roots: &EkRoots) -> &'static str {
    verify_ek(certificate, chain, roots).map_or_else(|error| error.code(), |_| "ok")
}

#[test]
fn swtpm_certificates_verify() {
    let chain = [swtpm::ISSUER.to_vec()];
    let rsa = verify_ek(swtpm::RSA_NV, &chain, &swtpm_roots()).unwrap();
    assert_eq!(rsa.issuer, "CN=swtpm-localca");
    assert_eq!(rsa.trust_class, TrustClass::Lab);
    assert_eq!(rsa.manufacturer.as_deref(), Some("id:00001014"));
    assert_eq!(rsa.model.as_deref(), Some("swtpm"));
    assert_eq!(rsa.version.as_deref(), Some("id:20191023"));
    let p384 = verify_ek(swtpm::P384_NV, &chain, &swtpm_roots()).unwrap();
    assert_ne!(rsa.serial, p384.serial);

    let public = |bytes| TpmPublic::parse(bytes).unwrap();
    assert!(same_key(&rsa, &public(swtpm::RSA_PUBLIC)));
    assert!(same_key(&p384, &public(swtpm::P384_PUBLIC)));
    assert!(!same_key(&rsa, &public(swtpm::P384_PUBLIC)));
    assert!(!same_key(&p384, &public(swtpm::P256_PUBLIC)));
    assert!(!same_key(&rsa, &public(&support::ek_public())));
}

#[test]
fn rsa_with_sha384_and_an_empty_subject_verify() {
    let mut roots = EkRoots::new(Flavour::Product);
    roots
        .add_root(
            include_bytes!("../testdata/rsa_sha384/root.der"),
            TrustClass::Hardware,
        )
        .unwrap();
    let identity = verify_ek(include_bytes!("../testdata/rsa_sha384/ek.der"), &[], &roots).unwrap();
    assert_eq!(identity.trust_class, TrustClass::Hardware);
    assert_eq!(identity.model.as_deref(), Some("SLB 9670"));
}

#[test]
fn a_key_marked_for_oaep_is_an_rsa_key() {
    // rsaEncryption becomes id-RSAES-OAEP, as some makers write it: the key is read, and
    // only the signature over the changed bytes is wrong.
    let rsa = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
    let mut marked = swtpm::RSA_NV.to_vec();
    let position = marked.windows(11).position(|it| it == rsa).unwrap();
    marked[position + 10] = 7;
    let chain = [swtpm::ISSUER.to_vec()];
    assert_eq!(code(&marked, &chain, &swtpm_roots()), "SG-POR-026");
    marked[position + 10] = 10;
    assert_eq!(code(&marked, &chain, &swtpm_roots()), "SG-POR-029");
}

#[test]
fn wrapper_and_padding_of_nv_memory_are_cut_off() {
    let chain = [swtpm::ISSUER.to_vec()];
    let plain = verify_ek(swtpm::RSA_NV, &chain, &swtpm_roots()).unwrap();
    let size = (swtpm::RSA_NV.len() as u16).to_be_bytes();
    let wrapped = [&[0x10, 0x01, 0x00], &size[..], swtpm::RSA_NV].concat();
    for (what, nv) in [
        ("zeros", [swtpm::RSA_NV, &[0; 300]].concat()),
        ("ones", [swtpm::RSA_NV, &[0xff; 300]].concat()),
        ("wrapper", wrapped.clone()),
        ("wrapper and zeros", [&wrapped[..], &[0; 9]].concat()),
        ("wrapper and ones", [&wrapped[..], &[0xff; 9]].concat()),
    ] {
        assert_eq!(
            verify_ek(&nv, &chain, &swtpm_roots()),
            Ok(plain.clone()),
            "{what}"
        );
    }
    for (what, nv) in [
        ("nothing", Vec::new()),
        ("wrapper alone", wrapped[..5].to_vec()),
        ("half", swtpm::RSA_NV[..500].to_vec()),
        ("wrapper with half", wrapped[..500].to_vec()),
        ("erased memory", vec![0xff; 1000]),
        ("zeros alone", vec![0; 1000]),
        (
            "an endless length",
            vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
        ),
    ] {
        assert_eq!(code(&nv, &chain, &swtpm_roots()), "SG-POR-024", "{what}");
    }
}

#[test]
fn intermediates_come_from_the_chip_or_the_store() {
    let mut stored = swtpm_roots();
    assert_eq!(code(swtpm::RSA_NV, &[], &stored), "SG-POR-025");
    stored.add_intermediate(swtpm::ISSUER).unwrap();
    assert_eq!(code(swtpm::RSA_NV, &[], &stored), "ok");
    let roots = swtpm_roots();
    // Several certificates in one NV index, rubbish, padding.
    let joined = [swtpm::ROOT, swtpm::ISSUER, &[0; 50]].concat();
    assert_eq!(code(swtpm::RSA_NV, &[joined], &roots), "ok");
    let rubbish = [vec![1, 2, 3], Vec::new(), swtpm::ISSUER.to_vec()];
    assert_eq!(code(swtpm::RSA_NV, &rubbish, &roots), "ok");
    // A root that comes with the chip is not pinned.
    let empty = EkRoots::new(Flavour::Lab);
    let own = [swtpm::ROOT.to_vec(), swtpm::ISSUER.to_vec()];
    assert_eq!(code(swtpm::RSA_NV, &own, &empty), "SG-POR-025");
}

#[test]
fn a_product_refuses_lab_roots() {
    let mut roots = EkRoots::new(Flavour::Product);
    let refusal = roots.add_root(swtpm::ROOT, TrustClass::Lab).unwrap_err();
    assert_eq!(refusal.code(), "SG-POR-031");
    assert_eq!(roots.list().count(), 0);
    let chain = [swtpm::ISSUER.to_vec()];
    assert_eq!(code(swtpm::RSA_NV, &chain, &roots), "SG-POR-025");
    assert_eq!(
        roots
            .add_root(&[1, 2, 3], TrustClass::Hardware)
            .unwrap_err()
            .code(),
        "SG-POR-024"
    );
}

#[test]
fn no_changed_byte_of_a_certificate_gets_through() {
    let roots = swtpm_roots();
    let chain = [swtpm::ISSUER.to_vec()];
    for position in 0..swtpm::P384_NV.len() {
        let mut nv = swtpm::P384_NV.to_vec();
        nv[position] ^= 0x04;
        assert_ne!(code(&nv, &chain, &roots), "ok", "byte {position}");
        let _ = code(&nv[..position], &chain, &roots);
    }
    for position in (0..swtpm::ISSUER.len()).step_by(3) {
        let mut issuer = swtpm::ISSUER.to_vec();
        issuer[position] ^= 0x04;
        assert_ne!(code(swtpm::P384_NV, &[issuer], &roots), "ok", "{position}");
    }
}

/// Authorities and certificates that a test bends.
struct Maker {
    root_key: KeyPair,
    root: CertificateParams,
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn authority(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn ek_params() -> CertificateParams {
    let mut params = named("EK");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::KeyAgreement];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(vec![2, 23, 133, 8, 1])];
    params
}

fn p256() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

fn p384() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap()
}

impl Maker {
    fn new() -> Self {
        Self {
            root_key: p384(),
            root: authority("Maker root"),
        }
    }

    fn roots(&self) -> EkRoots {
        let mut roots = EkRoots::new(Flavour::Product);
        let root = self.root.self_signed(&self.root_key).unwrap();
        roots.add_root(root.der(), TrustClass::Hardware).unwrap();
        roots
    }

    fn sign(&self, params: &CertificateParams, key: &KeyPair) -> Vec<u8> {
        let issuer = Issuer::from_params(&self.root, &self.root_key);
        params.signed_by(key, &issuer).unwrap().der().to_vec()
    }
}

fn under(params: &CertificateParams, key: &KeyPair, leaf: &CertificateParams) -> Vec<u8> {
    let issuer = Issuer::from_params(params, key);
    leaf.signed_by(&p256(), &issuer).unwrap().der().to_vec()
}

#[test]
fn ecdsa_certificates_verify() {
    let maker = Maker::new();
    for (key, curve) in [(p256(), EccCurve::P256), (p384(), EccCurve::P384)] {
        let identity = verify_ek(&maker.sign(&ek_params(), &key), &[], &maker.roots()).unwrap();
        assert!(matches!(identity.key, TpmKey::Ecc { curve: found, .. } if found == curve));
    }
    // A P-256 authority under a P-384 root.
    let key = p256();
    let intermediate = authority("Maker CA 1");
    let certificate = under(&intermediate, &key, &ek_params());
    let chain = [maker.sign(&intermediate, &key)];
    assert_eq!(code(&certificate, &chain, &maker.roots()), "ok");
}

#[test]
fn certificates_for_something_else_are_refused() {
    let maker = Maker::new();
    let bent = |bend: fn(&mut CertificateParams)| {
        let mut params = ek_params();
        bend(&mut params);
        code(&maker.sign(&params, &p256()), &[], &maker.roots())
    };
    assert_eq!(bent(|_| ()), "ok");
    assert_eq!(bent(|params| params.is_ca = IsCa::NoCa), "ok");
    assert_eq!(
        bent(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
        "SG-POR-027"
    );
    assert_eq!(
        bent(|params| params.extended_key_usages.clear()),
        "SG-POR-027"
    );
    assert_eq!(
        bent(|params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        }),
        "SG-POR-027"
    );
    assert_eq!(
        bent(|params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature]),
        "SG-POR-027"
    );
    assert_eq!(
        bent(|params| {
            let mut unknown = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 9], vec![5, 0]);
            unknown.set_criticality(true);
            params.custom_extensions.push(unknown);
        }),
        "SG-POR-027"
    );
    assert_eq!(
        bent(|params| {
            let unknown = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 9], vec![5, 0]);
            params.custom_extensions.push(unknown);
        }),
        "ok"
    );
}

#[test]
fn intermediates_must_be_authorities() {
    let maker = Maker::new();
    let through = |bend: fn(&mut CertificateParams)| {
        let key = p256();
        let mut intermediate = authority("Maker CA 1");
        bend(&mut intermediate);
        let certificate = under(&intermediate, &key, &ek_params());
        let chain = [maker.sign(&intermediate, &key)];
        code(&certificate, &chain, &maker.roots())
    };
    assert_eq!(through(|_| ()), "ok");
    assert_eq!(through(|params| params.is_ca = IsCa::NoCa), "SG-POR-025");
    assert_eq!(
        through(|params| params.is_ca = IsCa::ExplicitNoCa),
        "SG-POR-025"
    );
    assert_eq!(
        through(|params| params.key_usages = vec![KeyUsagePurpose::CrlSign]),
        "SG-POR-025"
    );
    assert_eq!(
        through(|params| {
            let mut unknown = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 9], vec![5, 0]);
            unknown.set_criticality(true);
            params.custom_extensions.push(unknown);
        }),
        "SG-POR-025"
    );
}

#[test]
fn path_lengths_are_kept() {
    let maker = Maker::new();
    for (first, expected) in [(0, "SG-POR-025"), (1, "ok")] {
        let (key_1, key_2) = (p256(), p256());
        let mut ca_1 = authority("Maker CA 1");
        ca_1.is_ca = IsCa::Ca(BasicConstraints::Constrained(first));
        let ca_2 = authority("Maker CA 2");
        let chain = [maker.sign(&ca_1, &key_1), {
            let issuer = Issuer::from_params(&ca_1, &key_1);
            ca_2.signed_by(&key_2, &issuer).unwrap().der().to_vec()
        }];
        let certificate = under(&ca_2, &key_2, &ek_params());
        assert_eq!(
            code(&certificate, &chain, &maker.roots()),
            expected,
            "path length {first}"
        );
    }
}

#[test]
fn an_authority_of_the_right_name_is_not_enough() {
    let maker = Maker::new();
    let impostor = Maker::new();
    let certificate = impostor.sign(&ek_params(), &p256());
    assert_eq!(
        verify_ek(&certificate, &[], &maker.roots()),
        Err(EkCertificateError::Signature)
    );
}

#[test]
fn certificates_that_lead_in_circles_come_to_an_end() {
    // Every authority certifies every other one under one name.
    let keys: Vec<KeyPair> = (0..8).map(|_| p256()).collect();
    let ring = authority("Ring");
    let mut other = authority("Ring of rings");
    other.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let mut chain = Vec::new();
    for (index, key) in keys.iter().enumerate() {
        let (subject, issuer) = if index % 2 == 0 {
            (&ring, &other)
        } else {
            (&other, &ring)
        };
        let issuer = Issuer::from_params(issuer, &keys[(index + 1) % 8]);
        chain.push(subject.signed_by(key, &issuer).unwrap().der().to_vec());
    }
    let certificate = under(&ring, &keys[0], &ek_params());
    assert_ne!(code(&certificate, &chain, &Maker::new().roots()), "ok");
}

#[test]
fn one_endorsement_key_has_one_name() {
    for bytes in [swtpm::RSA_PUBLIC, swtpm::P256_PUBLIC, swtpm::P384_PUBLIC] {
        let ek = TpmPublic::parse(bytes).unwrap();
        assert_eq!(canonical_ek(&ek), Ok(ek));
    }
    // The exponent written out is the same key under another Name.
    let mut written_out = swtpm::RSA_PUBLIC.to_vec();
    written_out[52..56].copy_from_slice(&65537_u32.to_be_bytes());
    let ek = TpmPublic::parse(&written_out).unwrap();
    let canonical = canonical_ek(&ek).unwrap();
    assert_ne!(ek.name(), canonical.name());
    assert_eq!(canonical.as_bytes(), swtpm::RSA_PUBLIC);

    let refused = |bytes: &[u8], position: usize, mask: u8| {
        let mut bytes = bytes.to_vec();
        bytes[position] ^= mask;
        canonical_ek(&TpmPublic::parse(&bytes).unwrap())
            .unwrap_err()
            .code()
    };
    // An attribute, the policy, the symmetric key's size, the exponent, the key's size.
    assert_eq!(refused(swtpm::RSA_PUBLIC, 7, 0x40), "SG-POR-030");
    assert_eq!(refused(swtpm::RSA_PUBLIC, 20, 0x01), "SG-POR-030");
    assert_eq!(refused(swtpm::P256_PUBLIC, 45, 0x80), "SG-POR-030");
    assert_eq!(refused(swtpm::RSA_PUBLIC, 55, 0x03), "SG-POR-029");
    assert_eq!(refused(swtpm::RSA_PUBLIC, 50, 0x04), "SG-POR-029");
}

fn requested(change: impl FnOnce(&mut RequestPayload)) -> Result<TpmIdentity, EvidenceError> {
    requested_of(&swtpm_roots(), change)
}

fn requested_of(
    roots: &EkRoots,
    change: impl FnOnce(&mut RequestPayload),
) -> Result<TpmIdentity, EvidenceError> {
    let mut payload = RequestPayload {
        ek: EndorsementKey {
            public: swtpm::RSA_PUBLIC.to_vec(),
            certificate: Some(swtpm::RSA_NV.to_vec()),
            chain: vec![swtpm::ISSUER.to_vec()],
        },
        ..support::request_payload()
    };
    change(&mut payload);
    let unsigned = UnsignedRequest::new(payload);
    let certified = support::ak().certify(&unsigned.qualifying_data(), 5);
    let request = unsigned
        .sign(&certified.attest, &certified.signature)
        .unwrap();
    check_request(&request.verify()?, roots)
}

#[test]
fn a_whole_request_is_judged() {
    let identity = requested(|_| ()).unwrap();
    assert_eq!(identity.counter.counter, 5);
    assert_eq!(identity.trust_class, TrustClass::Lab);
    assert_eq!(identity.ak_name, support::ak().public.name());
    assert_eq!(
        identity.ek_name,
        TpmPublic::parse(swtpm::RSA_PUBLIC).unwrap().name()
    );
    let code = |change: fn(&mut RequestPayload)| requested(change).unwrap_err().code();
    assert_eq!(code(|it| it.ek.certificate = None), "SG-POR-023");
    assert_eq!(code(|it| it.ek.certificate = Some(vec![1])), "SG-POR-024");
    assert_eq!(code(|it| it.ek.chain.clear()), "SG-POR-025");
    assert_eq!(
        code(|it| it.ek.certificate = Some(swtpm::P384_NV.to_vec())),
        "SG-POR-028"
    );
    assert_eq!(code(|it| it.ek.public[7] ^= 0x40), "SG-POR-030");
    assert_eq!(code(|it| it.ek.public.truncate(9)), "SG-POR-030");
    assert_eq!(code(|it| it.ak_public[7] ^= 0x40), "SG-POR-021");
}

/// Nobody vouches for a TPM without a certificate: it is believed only where the vendor
/// said so, and its returns are never credited by themselves.
#[test]
fn a_tpm_without_a_certificate_is_self_declared_where_that_is_allowed() {
    let mut roots = swtpm_roots();
    let without = |it: &mut RequestPayload| it.ek.certificate = None;
    assert_eq!(
        requested_of(&roots, without).unwrap_err().code(),
        "SG-POR-023"
    );
    roots.allow_self_declared();
    let identity = requested_of(&roots, without).unwrap();
    assert_eq!(identity.trust_class, TrustClass::SelfDeclared);
    assert_eq!(identity.certificate, None);
    assert_eq!(
        identity.ek_name,
        TpmPublic::parse(swtpm::RSA_PUBLIC).unwrap().name()
    );
    // One with a certificate is what the certificate says, or nothing.
    let identity = requested_of(&roots, |_| ()).unwrap();
    assert_eq!(identity.trust_class, TrustClass::Lab);
    let refused =
        |change: fn(&mut RequestPayload)| requested_of(&roots, change).unwrap_err().code();
    assert_eq!(refused(|it| it.ek.chain.clear()), "SG-POR-025");
    assert_eq!(
        refused(|it| it.ek.certificate = Some(vec![1])),
        "SG-POR-024"
    );
    assert_eq!(
        refused(|it| {
            it.ek.certificate = None;
            it.ek.public[7] ^= 0x40;
        }),
        "SG-POR-030"
    );
    for class in TrustClass::ALL {
        assert_eq!(class.as_str().parse(), Ok(class));
        let copyable = matches!(class, TrustClass::Virtual | TrustClass::SelfDeclared);
        assert_eq!(class.credits(), !copyable, "{class}");
    }
    let refusal = roots
        .add_root(swtpm::ROOT, TrustClass::SelfDeclared)
        .unwrap_err();
    assert_eq!(refusal.code(), "SG-POR-062");
}

/// A chip stays what its maker certified: no owner is locked out by a date.
#[test]
fn an_expired_certificate_still_says_who_made_the_chip() {
    let maker = Maker::new();
    let mut leaf = ek_params();
    leaf.not_before = rcgen::date_time_ymd(2010, 1, 1);
    leaf.not_after = rcgen::date_time_ymd(2012, 1, 1);
    assert_eq!(code(&maker.sign(&leaf, &p256()), &[], &maker.roots()), "ok");
    // Nor by an authority's.
    let key = p384();
    let mut intermediate = authority("Maker CA 1");
    intermediate.not_before = rcgen::date_time_ymd(2010, 1, 1);
    intermediate.not_after = rcgen::date_time_ymd(2012, 1, 1);
    let chain = [maker.sign(&intermediate, &key)];
    let certificate = under(&intermediate, &key, &ek_params());
    assert_eq!(code(&certificate, &chain, &maker.roots()), "ok");
    // A chain that is another maker's does not help.
    let other = maker.sign(&authority("Maker CA 2"), &p384());
    assert_eq!(code(&certificate, &[other], &maker.roots()), "SG-POR-025");
    assert_eq!(code(&certificate, &[], &maker.roots()), "SG-POR-025");
}
