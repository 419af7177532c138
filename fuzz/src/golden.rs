//! The golden documents and keys that inputs are compared with. The keys are those of
//! `kit/license/tests/support`.

use std::sync::LazyLock;

use ed25519_dalek::{Signer as _, SigningKey};
use p256::ecdsa::Signature;
use sealgate_license::dsse::{DocumentKind, Envelope};
use sealgate_license::tpm_wire::{
    AK_TEMPLATE, TpmPublic, counter_name, endorsement_primary_qualified_name,
};
use sealgate_license::vendor::{Flavour, VendorRoots, VendorRootsFile};

use crate::evidence::EkRoots;
use crate::trust::TrustClass;

pub const LICENSE: &[u8] = include_bytes!("../../kit/license/testdata/l-2041.lic");
pub const LICENSES: [&[u8]; 3] = [
    LICENSE,
    include_bytes!("../../kit/license/testdata/d-0007.lic"),
    include_bytes!("../../kit/license/testdata/m-0031.lic"),
];
pub const REQUEST: &[u8] = include_bytes!("../../kit/license/testdata/nvr-0207.req");
pub const CERTIFICATE: &[u8] = include_bytes!("../../kit/license/testdata/issuing-key.cert");
pub const REVOCATIONS: &[u8] = include_bytes!("../../kit/license/testdata/revoked-keys.rev");
const ROOTS_FILE: &[u8] = include_bytes!("../../kit/license/testdata/vendor-roots.json");
pub const EK_RSA: &[u8] = include_bytes!("../../portal/testdata/swtpm/ek-rsa.der");
pub const EK_ISSUER: &[u8] = include_bytes!("../../portal/testdata/swtpm/issuer.der");
const EK_ROOT: &[u8] = include_bytes!("../../portal/testdata/swtpm/root.der");

/// SHA-256 of the two certificates that swtpm's authority signed.
pub const SIGNED_NAMES: [&str; 2] = [
    "0a151e49531fdcda52c91e1c964a868a7f9476cc5cbe3ae27de9fb45738b6066",
    "963c821b1e94d7355d496676861b6c420bf84330e0bb803a461d252ad665ebe7",
];

pub const NONCE: [u8; 32] = [0x70; 32];
pub const ROOT: [u8; 32] = [1; 32];
pub const ISSUING: [u8; 32] = [2; 32];

pub static ROOTS: LazyLock<VendorRoots> = LazyLock::new(|| {
    let file = VendorRootsFile::parse(ROOTS_FILE).unwrap();
    file.for_flavour(Flavour::Lab).unwrap()
});

pub fn ek_roots() -> EkRoots {
    let mut roots = EkRoots::new(Flavour::Lab);
    roots.add_root(EK_ROOT, TrustClass::Lab).unwrap();
    roots
}

/// The payload in a file that was read.
pub fn payload_of(file: &[u8]) -> Vec<u8> {
    Envelope::parse(file).unwrap().payload
}

/// A golden file with another payload under its signature.
pub fn with_payload(golden: &[u8], payload: &[u8]) -> Envelope {
    let mut envelope = Envelope::parse(golden).unwrap();
    envelope.payload = payload.to_vec();
    envelope
}

/// A golden file with another payload, properly signed.
pub fn sign(golden: &[u8], kind: DocumentKind, payload: &[u8], seed: &[u8; 32]) -> Envelope {
    let mut envelope = with_payload(golden, payload);
    assert_eq!(envelope.payload_type, kind.payload_type());
    let signature = SigningKey::from_bytes(seed).sign(&envelope.signed_bytes());
    envelope.signatures[0].sig = signature.to_bytes().to_vec();
    envelope
}

static AK: LazyLock<p256::ecdsa::SigningKey> =
    LazyLock::new(|| p256::ecdsa::SigningKey::from_slice(&[3; 32]).unwrap());

pub static AK_PUBLIC: LazyLock<TpmPublic> = LazyLock::new(|| {
    let point = AK.verifying_key().to_sec1_point(false);
    let mut public = AK_TEMPLATE[..20].to_vec();
    for coordinate in point.as_bytes()[1..].chunks(32) {
        public.extend([0, 32]);
        public.extend(coordinate);
    }
    TpmPublic::parse(&public).unwrap()
});

/// TPMS_ATTEST of counter 3.
pub fn attest(qualifying: &[u8; 32]) -> Vec<u8> {
    let signer = endorsement_primary_qualified_name(&AK_PUBLIC.name());
    [
        &[0xff, 0x54, 0x43, 0x47, 0x80, 0x14, 0, 34][..],
        signer.as_bytes(),
        &[0, 32],
        qualifying,
        &[0; 25],
        &[0, 34],
        counter_name().as_bytes(),
        &[0, 0, 0, 8],
        &3_u64.to_be_bytes(),
    ]
    .concat()
}

/// TPMT_SIGNATURE of the golden attestation key.
pub fn ak_signature(attest: &[u8]) -> Vec<u8> {
    let signature: Signature = AK.sign(attest);
    let (r, s) = signature.split_bytes();
    [&[0x00, 0x18, 0x00, 0x0b, 0, 32][..], &r, &[0, 32], &s].concat()
}
