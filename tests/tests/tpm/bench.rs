//! A box with a software TPM, and a vendor that issues licenses for it.

use std::{sync::Arc, time::Duration};

use sealgate_base::FakeClock;
use sealgate_license::{
    entitlements::Entitlements,
    license_document::{Binding, LicensePayload, Names, SignedLicense, TpmBinding, Validity},
    request_document::{SignedRequest, VerifiedRequest},
    tpm_wire::{TpmName, TpmPublic},
    vendor::{
        Flavour, IssuingKey, KeyCertificate, RootEntry, RootKey, VendorRoots, VendorRootsFile,
    },
};
use sealgate_portal::evidence::make_credential;
use sealgate_supervisor::license::{BoxNames, ImportError, LicenseBox, LicenseFiles};
#[allow(
    unused_imports,
    reason = "the power cuts, which share this file, need less of it"
)]
pub use sealgate_tests::licensing::raw_tpm::{
    clear, define_counter, own, owner_command, undefine_counter, write_nv,
};
use sealgate_tests::swtpm::Swtpm;
use sealgate_tpm::{Tpm, TpmAddress};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// 24 November 2026.
const START_UTC_MS: i64 = 1_795_478_400_000;

/// A vendor with one root and one issuing key.
pub struct Vendor {
    seed: u8,
    root: RootKey,
    pub issuing: IssuingKey,
    certificate: KeyCertificate,
    flavour: Flavour,
}

impl Vendor {
    pub fn new(seed: u8, flavour: Flavour) -> Self {
        Self::with_issuing_key(seed, seed ^ 0x80, flavour)
    }

    /// The vendor of [`lab`](Self::lab) with the next issuing key.
    pub fn lab_with_next_key() -> Self {
        Self::with_issuing_key(1, 0x40, Flavour::Lab)
    }

    fn with_issuing_key(seed: u8, issuing_seed: u8, flavour: Flavour) -> Self {
        let root = RootKey::from_seed(&[seed; 32]);
        let issuing = IssuingKey::from_seed(&[issuing_seed; 32]);
        let certificate = root.certify(
            "issuing 1",
            issuing.public_key(),
            flavour,
            "2026-01-01T00:00:00Z".parse().unwrap(),
            "2028-01-01T00:00:00Z".parse().unwrap(),
        );
        Self {
            seed,
            root,
            issuing,
            certificate,
            flavour,
        }
    }

    pub fn lab() -> Self {
        Self::new(1, Flavour::Lab)
    }

    pub fn roots(&self) -> VendorRoots {
        self.roots_revoking([])
    }

    /// As a later firmware pins them, after the issuing key was lost.
    pub fn roots_revoking_itself(&self) -> VendorRoots {
        self.roots_revoking([self.issuing.key_id()])
    }

    fn roots_revoking<const N: usize>(&self, revoked: [String; N]) -> VendorRoots {
        let list = self.revocation_list(1, revoked);
        let file = VendorRootsFile {
            flavour: self.flavour,
            roots: vec![RootEntry {
                name: "root".to_owned(),
                public_key: self.root.public_key(),
                class: self.flavour,
            }],
            revocation_list: Some(list.into_bytes()),
        };
        file.for_flavour(self.flavour).unwrap()
    }

    /// A list of revoked keys, as the root makes it.
    pub fn revocation_list<const N: usize>(&self, sequence: u64, revoked: [String; N]) -> String {
        let issued_at = "2026-11-20T00:00:00Z".parse().unwrap();
        self.root
            .revoke(self.flavour, sequence, revoked.into(), issued_at)
            .to_text()
    }

    /// The same vendor with its next issuing key.
    pub fn with_next_key(&self) -> Self {
        let mut next = Self::new(self.seed, self.flavour);
        next.issuing = IssuingKey::from_seed(&[self.seed ^ 0x40; 32]);
        next.certificate = next.root.certify(
            "issuing 2",
            next.issuing.public_key(),
            next.flavour,
            "2026-11-01T00:00:00Z".parse().unwrap(),
            "2028-11-01T00:00:00Z".parse().unwrap(),
        );
        next
    }

    /// A license for who made the request, as changed by `change`.
    pub fn issue_with(
        &self,
        request: &str,
        channels: u32,
        change: impl FnOnce(&mut LicensePayload),
    ) -> Issued {
        let request: VerifiedRequest = SignedRequest::parse(request).unwrap().verify().unwrap();
        let secret: [u8; 32] = Sha256::digest(request.payload_sha256()).into();
        let (credential_blob, encrypted_secret) = wrap(request.ek(), &request.ak().name(), &secret);
        let counter = request.counter().counter;
        let mut payload = LicensePayload {
            format_version: 1,
            license_id: "L-2041".to_owned(),
            revision: 1,
            names: Names {
                server: "Dock".to_owned(),
                project: "Harbour".to_owned(),
                distributor: "North".to_owned(),
            },
            binding: Binding::Tpm(TpmBinding {
                ak_name: request.ak().name(),
                ek_name: request.ek().name(),
                credential_blob,
                encrypted_secret,
                activation_secret_sha256: Sha256::digest(secret).into(),
                from: counter,
                to: (counter / 8 + 1) * 8,
                tpm_clock_at_request_ms: request.counter().clock_ms,
            }),
            entitlements: Entitlements::cameras(channels),
            validity: Validity::default(),
            issued_at: request.payload().created_at,
            revocation_list: None,
        };
        change(&mut payload);
        let (from, to) = match &payload.binding {
            Binding::Tpm(binding) => (binding.from, binding.to),
            _ => (0, 0),
        };
        Issued {
            text: self.sign(payload),
            secret,
            from,
            to,
        }
    }

    /// Whatever it says.
    pub fn sign(&self, payload: LicensePayload) -> String {
        SignedLicense::issue(payload, &self.issuing, &self.certificate)
            .unwrap()
            .to_text()
    }

    pub fn issue(&self, request: &str, channels: u32) -> Issued {
        self.issue_with(request, channels, |_| {})
    }
}

/// TPM2_MakeCredential, as the portal does it.
pub fn wrap(ek: &TpmPublic, ak_name: &TpmName, secret: &[u8; 32]) -> (Vec<u8>, Vec<u8>) {
    let credential = make_credential(ek, ak_name, secret, &mut rand::rng()).unwrap();
    (credential.credential_blob, credential.encrypted_secret)
}

/// Changes the TPM binding of a license that is being made.
pub fn binding(payload: &mut LicensePayload) -> &mut TpmBinding {
    match &mut payload.binding {
        Binding::Tpm(binding) => binding,
        _ => panic!("only TPM licenses here"),
    }
}

/// An issued license, and what only its portal knows.
pub struct Issued {
    pub text: String,
    pub secret: [u8; 32],
    pub from: u64,
    pub to: u64,
}

/// A box with a TPM of its own.
pub struct Bench {
    pub swtpm: Swtpm,
    pub disk: TempDir,
    pub clock: Arc<FakeClock>,
    pub vendor: Vendor,
}

impl Bench {
    /// A box that was never started.
    pub fn new() -> Self {
        Self {
            swtpm: Swtpm::start_fresh().unwrap(),
            disk: tempfile::tempdir().unwrap(),
            clock: Arc::new(FakeClock::at_utc_ms(START_UTC_MS)),
            vendor: Vendor::lab(),
        }
    }

    /// The box after a start, which is only memory: everything else is on disk and in the TPM.
    pub fn start(&self) -> LicenseBox {
        self.start_on(self.swtpm.address())
    }

    /// The same disk beside another TPM.
    pub fn start_on(&self, tpm: TpmAddress) -> LicenseBox {
        self.start_with(tpm, self.vendor.roots())
    }

    pub fn start_with(&self, tpm: TpmAddress, roots: VendorRoots) -> LicenseBox {
        let names = BoxNames {
            model: "NVR-32".to_owned(),
            serial: "NVR-0193".to_owned(),
            firmware: "0.1.0".to_owned(),
        };
        let clock = Arc::clone(&self.clock);
        LicenseBox::new(
            tpm,
            LicenseFiles::new(self.disk.path()),
            roots,
            names,
            clock,
        )
    }

    pub fn tpm(&self) -> Tpm {
        Tpm::open(&self.swtpm.address()).unwrap()
    }

    /// A license for this box with this many camera channels.
    pub fn license(&self, channels: u32) -> Issued {
        let request = self.start().export_request(0, channels).unwrap();
        self.vendor.issue(&request, channels)
    }

    /// A box with an active license.
    pub fn licensed(channels: u32) -> (Self, Issued) {
        let bench = Self::new();
        bench.start().boot();
        let license = bench.license(channels);
        bench
            .start()
            .import(license.text.as_bytes(), false)
            .unwrap();
        (bench, license)
    }

    /// Everything that an import may change: the files with their contents, the counter.
    pub fn everything(&self) -> (Vec<(String, Vec<u8>)>, u64) {
        let mut files: Vec<_> = std::fs::read_dir(self.disk.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                (name, std::fs::read(&path).unwrap())
            })
            .collect();
        files.sort();
        (files, self.tpm().counter().unwrap())
    }

    pub fn put(&self, name: &str, text: &str) {
        std::fs::write(self.disk.path().join(name), text).unwrap();
    }

    pub fn has(&self, name: &str) -> bool {
        self.disk.path().join(name).exists()
    }
}

/// The code of a refused import.
pub fn refusal(result: Result<impl Sized, ImportError>) -> &'static str {
    match result {
        Ok(_) => panic!("the import was not refused"),
        Err(error) => error.code(),
    }
}

/// Days on the box's clock.
pub fn days(days: u64) -> Duration {
    Duration::from_hours(24 * days)
}
