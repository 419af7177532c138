//! The vendor's keys as files: the ceremony that makes them, and the issuing key in use.
//!
//! The root key signs issuing keys, and the list that revokes them. `serve` never opens it: after the
//! ceremony its file belongs offline. Private keys are PKCS#8 PEM (RFC 8410), readable by
//! their owner only.

mod ceremony;
mod rotation;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use jiff::Timestamp;
use sealgate_license::license_document::{LicensePayload, SignedLicense};
use sealgate_license::vendor::{
    Flavour, IssueError, IssuingKey, KeyCertificate, RevocationListError, Revocations, VendorRoots,
    VendorRootsError, VendorRootsFile, VerifiedRevocationList, VerifyError,
};
use zeroize::Zeroizing;

pub use ceremony::{Ceremony, init};
pub use rotation::{Revoked, renew, revoke};

/// The root's private key. Keep it offline.
pub const ROOT_KEY_FILE: &str = "root.key";
/// The issuing key's private half.
pub const ISSUING_KEY_FILE: &str = "issuing.key";
/// The issuing key's certificate, signed by the root.
pub const CERTIFICATE_FILE: &str = "issuing.cert";
/// What boxes and portals pin.
pub const ROOTS_FILE: &str = "vendor-roots.json";
/// The newest list of issuing keys that sign no more, signed by the root.
pub const REVOCATIONS_FILE: &str = "revoked-keys.rev";

/// Why the keys can't be made or used.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// A key file is there; a key that is gone can't be brought back.
    #[error("{path} exists and is not overwritten", path = path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("{path} failed to {operation}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        operation: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Others on this machine can read a private key.
    #[error("{path} can be read by others (mode {mode:o}): set it to 600", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not a PKCS#8 Ed25519 key.
    #[error("{path} holds no Ed25519 private key", path = path.display())]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gives no random numbers")]
    Random,
    /// The pinned roots can't be used by this flavour.
    #[error("the vendor roots {path} can't be used", path = path.display())]
    Roots {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: VendorRootsError,
    },
    /// The list of revoked keys is not a pinned root's.
    #[error("the list of revoked keys {path} can't be used", path = path.display())]
    Revocations {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: RevocationListError,
    },
    /// Not the name of a key.
    #[error("{key_id:?} is no key id: 32 digits of lower-case hex")]
    KeyId {
        /// What was given.
        key_id: String,
    },
    /// Boxes would refuse what this key signs.
    #[error("the issuing key's certificate {path} can't be used", path = path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: VerifyError,
    },
    /// Certificate and key are not each other's, or its dates are over.
    #[error("the issuing key can't sign")]
    Issue(#[from] IssueError),
    /// The issuing key was revoked.
    #[error("the issuing key {key_id} is revoked")]
    Revoked {
        /// The key.
        key_id: String,
    },
}

impl SignerError {
    /// The stable code of the catalog.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Exists { .. } => "SG-POR-013",
            Self::KeyId { .. } => "SG-POR-060",
            Self::Revocations { .. } => "SG-POR-061",
            _ => "SG-POR-040",
        }
    }
}

fn failed(path: &Path, operation: &'static str) -> impl FnOnce(io::Error) -> SignerError {
    let path = path.to_owned();
    move |source| SignerError::File {
        path,
        operation,
        source,
    }
}

/// The issuing key in use, with the proof that boxes will believe it.
pub struct Signer {
    key: IssuingKey,
    certificate: KeyCertificate,
    roots: VendorRoots,
    /// Travels inside every license, so that boxes without new firmware learn of it.
    revocation_list: Option<VerifiedRevocationList>,
}

impl Signer {
    /// Opens issuing key, certificate and roots in a folder that [`init`] filled. The
    /// root key is not needed and not looked for.
    ///
    /// # Errors
    /// A file is missing, exposed or not fit for a portal of this flavour.
    pub fn open(folder: &Path, flavour: Flavour) -> Result<Self, SignerError> {
        let roots_path = folder.join(ROOTS_FILE);
        let roots = fs::read(&roots_path).map_err(failed(&roots_path, "be read"))?;
        let roots = VendorRootsFile::parse(roots)
            .and_then(|file| file.for_flavour(flavour))
            .map_err(|source| SignerError::Roots {
                path: roots_path,
                source,
            })?;

        let path = folder.join(CERTIFICATE_FILE);
        let text = fs::read(&path).map_err(failed(&path, "be read"))?;
        let certificate = KeyCertificate::parse(text)
            .map_err(VerifyError::from)
            .and_then(|certificate| certificate.verify(&roots).map(|_| ()).map(|()| certificate))
            .map_err(|source| SignerError::Certificate { path, source })?;

        let key = read_key(&folder.join(ISSUING_KEY_FILE))?;
        let revocation_list = rotation::newest_list(folder, &roots)?;
        if Revocations::of(&revocation_list).contains(&key.key_id()) {
            return Err(SignerError::Revoked {
                key_id: key.key_id(),
            });
        }
        Ok(Self {
            key,
            certificate,
            roots,
            revocation_list,
        })
    }

    /// Signs a license with the newest revocation list inside, and reads the result back as a box would.
    ///
    /// # Errors
    /// The key's certificate leaves out the date of issue, or is another key's.
    pub fn sign(&self, mut payload: LicensePayload) -> Result<SignedLicense, SignerError> {
        payload.revocation_list = self
            .revocation_list
            .as_ref()
            .map(|list| list.to_text().into_bytes());
        let license = SignedLicense::issue(payload, &self.key, &self.certificate)?;
        license
            .verify(&self.roots, &Revocations::none())
            .map_err(|source| SignerError::Certificate {
                path: CERTIFICATE_FILE.into(),
                source,
            })?;
        Ok(license)
    }

    /// The last instant that licenses can be issued at.
    pub fn signs_until(&self) -> Timestamp {
        self.certificate.unverified_payload().not_after
    }

    /// Names the issuing key.
    pub fn key_id(&self) -> String {
        self.key.key_id()
    }

    /// What boxes pin.
    pub fn roots(&self) -> &VendorRoots {
        &self.roots
    }
}

fn read_key(path: &Path) -> Result<IssuingKey, SignerError> {
    Ok(IssuingKey::from_seed(&*read_seed(path)?))
}

fn read_seed(path: &Path) -> Result<Zeroizing<[u8; 32]>, SignerError> {
    let metadata = fs::metadata(path).map_err(failed(path, "be read"))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SignerError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    let pem = Zeroizing::new(fs::read_to_string(path).map_err(failed(path, "be read"))?);
    let key = SigningKey::from_pkcs8_pem(&pem).map_err(|_| SignerError::Key {
        path: path.to_owned(),
    })?;
    Ok(Zeroizing::new(key.to_bytes()))
}
