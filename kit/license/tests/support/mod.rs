//! A world in fixed keys: vendor root, issuing key, and a P-256 key that stands in for
//! a TPM's attestation key. Here, in tests, and nowhere else.
#![allow(dead_code, clippy::unwrap_used)]

use jiff::Timestamp;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use p256::ecdsa::{Signature, SigningKey};
use sealgate_license::binding::DonglePublicKey;
use sealgate_license::entitlements::{Entitlements, kind};
use sealgate_license::license_document::{
    Binding, DongleBinding, LicensePayload, Names, SignedLicense, Term, TpmBinding, Validity,
    VerifiedLicense,
};
use sealgate_license::request_document::{
    ChannelCounts, EndorsementKey, LicenseInUse, RequestPayload, SignedRequest, TpmDescription,
    UnsignedRequest, proof,
};
use sealgate_license::statement_document::{
    SignedStatement, StatementPayload, Subject, UnsignedStatement,
};
use sealgate_license::tpm_wire::{
    AK_TEMPLATE, TpmName, TpmPublic, counter_name, endorsement_primary_qualified_name,
};
use sealgate_license::vendor::{
    Flavour, IssuingKey, KeyCertificate, RevocationList, Revocations, RootEntry, RootKey,
    VendorRoots, VendorRootsFile,
};
use sha2::{Digest as _, Sha256};

pub const ACTIVATION_SECRET: [u8; 32] = [0x5e; 32];
pub const NONCE: [u8; 32] = [0x70; 32];
pub const FROM: u64 = 3;
pub const TO: u64 = 8;

pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn now() -> Timestamp {
    time("2026-11-24T12:00:00Z")
}

pub fn root() -> RootKey {
    RootKey::from_seed(&[1; 32])
}

pub fn issuing_key() -> IssuingKey {
    IssuingKey::from_seed(&[2; 32])
}

pub fn certificate_of_class(root: &RootKey, class: Flavour) -> KeyCertificate {
    root.certify(
        "Issuing key 2026",
        issuing_key().public_key(),
        class,
        time("2026-01-01T00:00:00Z"),
        time("2027-12-31T23:59:59Z"),
    )
}

pub fn certificate() -> KeyCertificate {
    certificate_of_class(&root(), Flavour::Lab)
}

pub fn roots_file() -> VendorRootsFile {
    VendorRootsFile {
        flavour: Flavour::Lab,
        roots: vec![RootEntry {
            name: "Lab root".to_owned(),
            public_key: root().public_key(),
            class: Flavour::Lab,
        }],
        revocation_list: None,
    }
}

pub fn roots() -> VendorRoots {
    roots_file().for_flavour(Flavour::Lab).unwrap()
}

/// Stands in for a TPM that holds an attestation key and the counter.
pub struct SoftwareAk {
    key: SigningKey,
    pub public: TpmPublic,
}

pub struct Certified {
    pub attest: Vec<u8>,
    pub signature: Vec<u8>,
}

impl SoftwareAk {
    pub fn new(seed: u8) -> Self {
        let key = SigningKey::from_slice(&[seed; 32]).unwrap();
        let point = key.verifying_key().to_sec1_point(false);
        let (_, xy) = point.as_bytes().split_first().unwrap();
        let mut public = AK_TEMPLATE[..20].to_vec();
        for coordinate in xy.chunks(32) {
            public.extend([0, 32]);
            public.extend(coordinate);
        }
        Self {
            key,
            public: TpmPublic::parse(&public).unwrap(),
        }
    }

    pub fn qualified_name(&self) -> TpmName {
        endorsement_primary_qualified_name(&self.public.name())
    }

    /// What TPM2_NV_Certify returns.
    pub fn certify(&self, qualifying: &[u8], counter: u64) -> Certified {
        self.sign(&attest(
            self.qualified_name().as_bytes(),
            qualifying,
            counter_name().as_bytes(),
            0,
            &counter.to_be_bytes(),
        ))
    }

    pub fn sign(&self, attest: &[u8]) -> Certified {
        let signature: Signature = self.key.sign(attest);
        let (r, s) = signature.split_bytes();
        let mut bytes = vec![0x00, 0x18, 0x00, 0x0b];
        for scalar in [r, s] {
            bytes.extend([0, 32]);
            bytes.extend(scalar);
        }
        Certified {
            attest: attest.to_vec(),
            signature: bytes,
        }
    }
}

/// A TPMS_ATTEST of type TPM_ST_ATTEST_NV.
pub fn attest(signer: &[u8], extra: &[u8], name: &[u8], offset: u16, contents: &[u8]) -> Vec<u8> {
    let sized = |bytes: &[u8]| {
        let mut sized = (bytes.len() as u16).to_be_bytes().to_vec();
        sized.extend(bytes);
        sized
    };
    [
        &[0xff, 0x54, 0x43, 0x47, 0x80, 0x14][..],
        &sized(signer),
        &sized(extra),
        &5_000_000_u64.to_be_bytes(),
        &7_u32.to_be_bytes(),
        &2_u32.to_be_bytes(),
        &[1],
        &0x2019_1023_0016_3636_u64.to_be_bytes(),
        &sized(name),
        &offset.to_be_bytes(),
        &sized(contents),
    ]
    .concat()
}

pub fn ak() -> SoftwareAk {
    SoftwareAk::new(3)
}

/// The public area of an RSA-2048 EK; its modulus is a pattern, as nothing is encrypted to it.
pub fn ek_public() -> Vec<u8> {
    let policy = "837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa";
    [
        hex::decode("0001000b000300b20020").unwrap(),
        hex::decode(policy).unwrap(),
        hex::decode("00060080004300100800000000000100").unwrap(),
        (0..=255).map(|index| index ^ 0x80).collect(),
    ]
    .concat()
}

pub fn license_payload() -> LicensePayload {
    let mut entitlements = Entitlements::cameras(32);
    entitlements.counts.insert(kind::FAILOVER.to_owned(), 1);
    LicensePayload {
        format_version: 1,
        license_id: "L-2041".to_owned(),
        revision: 2,
        names: Names {
            server: "NVR-0207".to_owned(),
            project: "Harbour".to_owned(),
            distributor: "Nordlicht GmbH".to_owned(),
        },
        binding: Binding::Tpm(TpmBinding {
            ak_name: ak().public.name(),
            ek_name: TpmPublic::parse(&ek_public()).unwrap().name(),
            credential_blob: vec![0x11; 68],
            encrypted_secret: vec![0x22; 256],
            activation_secret_sha256: Sha256::digest(ACTIVATION_SECRET).into(),
            from: FROM,
            to: TO,
            tpm_clock_at_request_ms: 4_000_000,
        }),
        entitlements,
        validity: Validity::default(),
        issued_at: time("2026-11-24T10:00:00Z"),
        revocation_list: None,
    }
}

pub const DONGLE_SERIAL: &str = "11842037";

/// Stands in for a dongle's slot 9E key.
pub struct SoftwareDongle(SigningKey);

impl SoftwareDongle {
    pub fn new(seed: u8) -> Self {
        Self(SigningKey::from_slice(&[seed; 32]).unwrap())
    }

    pub fn public_key(&self) -> DonglePublicKey {
        DonglePublicKey::from_sec1(self.0.verifying_key().to_sec1_point(false).as_bytes()).unwrap()
    }

    /// What PIV's GENERAL AUTHENTICATE returns for this digest.
    pub fn sign(&self, digest: &[u8; 32]) -> Vec<u8> {
        let signature: Signature = self.0.sign_prehash(digest).unwrap();
        signature.to_der().as_bytes().to_vec()
    }
}

pub fn dongle() -> SoftwareDongle {
    SoftwareDongle::new(4)
}

/// A sold, dated license on a dongle, with a revocation list on board.
pub fn dongle_license() -> SignedLicense {
    license_with(|payload| {
        payload.license_id = "D-0007".to_owned();
        payload.revision = 1;
        payload.binding = Binding::Dongle(DongleBinding {
            serial: DONGLE_SERIAL.to_owned(),
            public_key: dongle().public_key(),
        });
        payload.validity = Validity {
            not_before: None,
            not_after: Some(time("2027-11-24T00:00:00Z")),
            term: Some(Term::Dated),
        };
        payload.revocation_list = Some(revocation_list().to_text().into_bytes());
    })
}

/// A trial for two listed cameras on any box.
pub fn mac_license() -> SignedLicense {
    license_with(|payload| {
        payload.license_id = "M-0031".to_owned();
        payload.revision = 1;
        payload.binding = Binding::Mac;
        payload.entitlements = Entitlements::cameras(2);
        payload.entitlements.mac_list = ["00:40:8c:12:34:56", "00:40:8c:12:34:57"]
            .map(|mac| mac.parse().unwrap())
            .to_vec();
        payload.validity = Validity {
            not_before: Some(time("2026-11-24T00:00:00Z")),
            not_after: Some(time("2026-12-24T00:00:00Z")),
            term: Some(Term::Trial),
        };
    })
}

/// Revokes a key that is not the one in use here.
pub fn revocation_list() -> RevocationList {
    let lost = IssuingKey::from_seed(&[5; 32]).key_id();
    root().revoke(Flavour::Lab, 3, [lost].into(), time("2026-11-20T08:00:00Z"))
}

pub fn license_with(change: impl FnOnce(&mut LicensePayload)) -> SignedLicense {
    let mut payload = license_payload();
    change(&mut payload);
    SignedLicense::issue(payload, &issuing_key(), &certificate()).unwrap()
}

pub fn license() -> SignedLicense {
    license_with(|_| ())
}

pub fn verified(license: &SignedLicense) -> VerifiedLicense {
    license.verify(&roots(), &Revocations::none()).unwrap()
}

pub fn request_payload() -> RequestPayload {
    RequestPayload {
        format_version: 1,
        model: "SG-32".to_owned(),
        serial: "NVR-0207".to_owned(),
        firmware: "0.1.0".to_owned(),
        ek: EndorsementKey {
            public: ek_public(),
            certificate: Some(vec![0x30, 0x03, 0x02, 0x01, 0x00]),
            chain: vec![vec![0x30, 0x00]],
        },
        ak_public: ak().public.as_bytes().to_vec(),
        epoch_name: TpmPublic::parse(&ek_public()).unwrap().name(),
        nonce: NONCE,
        license: Some(LicenseInUse {
            id: "L-2041".to_owned(),
            revision: 1,
        }),
        tpm: TpmDescription {
            manufacturer: "IBM".to_owned(),
            firmware: "20191023".to_owned(),
        },
        channels: ChannelCounts {
            used: 28,
            wanted: 32,
        },
        proof: Some(proof(&ACTIVATION_SECRET, &NONCE).to_vec()),
        created_at: time("2026-11-24T09:00:00Z"),
    }
}

pub fn request() -> SignedRequest {
    let unsigned = UnsignedRequest::new(request_payload());
    let certified = ak().certify(&unsigned.qualifying_data(), FROM);
    unsigned
        .sign(&certified.attest, &certified.signature)
        .unwrap()
}

pub fn clip() -> Subject {
    Subject::Clip {
        camera: "02000000000a-1".into(),
        file: "Dock-2026-11-24.mp4".into(),
        from: time("2026-11-24T05:03:38.123Z"),
        to: time("2026-11-24T05:04:38Z"),
        size_bytes: 22_500_000,
        sha256: [7; 32],
    }
}

pub fn replacement() -> Subject {
    Subject::CameraReplaced {
        old_mac: "02:00:00:00:00:0a".parse().unwrap(),
        new_mac: "02:00:00:00:00:0b".parse().unwrap(),
        number: 1,
        previous_sha256: [0; 32],
    }
}

pub fn statement_by(ak: &SoftwareAk, subject: Subject) -> SignedStatement {
    let statement = UnsignedStatement::new(StatementPayload {
        format_version: 1,
        model: "SG-X86".into(),
        serial: "NVR-0207".into(),
        firmware: "1.0.0".into(),
        ak_public: ak.public.as_bytes().to_vec(),
        subject,
        created_at: time("2026-11-24T10:00:00Z"),
    });
    let certified = ak.certify(&statement.qualifying_data(), FROM);
    statement
        .sign(&certified.attest, &certified.signature)
        .unwrap()
}
