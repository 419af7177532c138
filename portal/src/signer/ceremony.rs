//! Making the vendor's keys.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use jiff::{Timestamp, ToSpan as _};
use rand_core::CryptoRng;
use sealgate_license::vendor::{
    Flavour, IssuingKey, KeyCertificate, RootEntry, RootKey, VendorRootsFile,
};
use zeroize::Zeroizing;

use super::{CERTIFICATE_FILE, ISSUING_KEY_FILE, ROOT_KEY_FILE, ROOTS_FILE, SignerError, failed};

/// How long an issuing key signs. Then the root, from its safe, certifies the next.
const ISSUING_KEY_DAYS: i64 = 2 * 365;

/// An issuing key is believed from a day before it was made: clocks differ.
const BACKDATED_HOURS: i64 = 24;

/// What the ceremony made, for people to write down and compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceremony {
    /// Names the root.
    pub root_key_id: String,
    /// Names the issuing key.
    pub issuing_key_id: String,
    /// The last instant the issuing key may sign at.
    pub signs_until: Timestamp,
}

/// Makes root key, issuing key, certificate and `vendor-roots.json` in `folder`.
///
/// # Errors
/// One of the files is there already, or can't be written; nothing is overwritten.
pub fn init(
    folder: &Path,
    flavour: Flavour,
    now: Timestamp,
    rng: &mut dyn CryptoRng,
) -> Result<Ceremony, SignerError> {
    make_folder(
        folder,
        &[
            ROOT_KEY_FILE,
            ISSUING_KEY_FILE,
            CERTIFICATE_FILE,
            ROOTS_FILE,
        ],
    )?;
    let root_seed = seed(rng);
    let issuing_seed = seed(rng);
    let root = RootKey::from_seed(&root_seed);
    let issuing = IssuingKey::from_seed(&issuing_seed);
    let (certificate, signs_until) = certify(&root, &issuing, flavour, now);
    let roots = VendorRootsFile {
        flavour,
        roots: vec![RootEntry {
            name: format!("{flavour} root {}", root.key_id()),
            public_key: root.public_key(),
            class: flavour,
        }],
        revocation_list: None,
    };
    write_new(folder, ROOT_KEY_FILE, 0o600, pem(&root_seed).as_bytes())?;
    write_new(
        folder,
        ISSUING_KEY_FILE,
        0o600,
        pem(&issuing_seed).as_bytes(),
    )?;
    write_new(
        folder,
        CERTIFICATE_FILE,
        0o644,
        certificate.to_text().as_bytes(),
    )?;
    write_new(folder, ROOTS_FILE, 0o644, roots.to_text().as_bytes())?;
    sync(folder)?;
    Ok(Ceremony {
        root_key_id: root.key_id(),
        issuing_key_id: issuing.key_id(),
        signs_until,
    })
}

/// Makes a folder for keys, unless one of these files is there.
pub(super) fn make_folder(folder: &Path, names: &[&str]) -> Result<(), SignerError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(failed(folder, "be made"))?;
    for name in names {
        let path = folder.join(name);
        if path.symlink_metadata().is_ok() {
            return Err(SignerError::Exists { path });
        }
    }
    Ok(())
}

/// Certifies an issuing key from now on; gives the last instant it may sign at, too.
pub(super) fn certify(
    root: &RootKey,
    issuing: &IssuingKey,
    flavour: Flavour,
    now: Timestamp,
) -> (KeyCertificate, Timestamp) {
    // Whole seconds: people write these dates down.
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let signs_until = now
        .checked_add((ISSUING_KEY_DAYS * 24).hours())
        .unwrap_or(Timestamp::MAX);
    let certificate = root.certify(
        &format!("{flavour} issuing key {}", issuing.key_id()),
        issuing.public_key(),
        flavour,
        now.checked_sub(BACKDATED_HOURS.hours()).unwrap_or(now),
        signs_until,
    );
    (certificate, signs_until)
}

fn sync(folder: &Path) -> Result<(), SignerError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed(folder, "be synced"))
}

/// Puts a new version in the place of a file that anyone may read.
pub(super) fn replace(folder: &Path, name: &str, contents: &[u8]) -> Result<(), SignerError> {
    let path = folder.join(name);
    let new = folder.join(format!("{name}.new"));
    File::create(&new)
        .and_then(|mut file| file.write_all(contents).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&new, &path))
        .map_err(failed(&path, "be written"))?;
    sync(folder)
}

pub(super) fn seed(rng: &mut dyn CryptoRng) -> Zeroizing<[u8; 32]> {
    let mut seed = Zeroizing::new([0; 32]);
    rng.fill_bytes(seed.as_mut());
    seed
}

pub(super) fn pem(seed: &[u8; 32]) -> Zeroizing<String> {
    SigningKey::from_bytes(seed)
        .to_pkcs8_pem(LineEnding::LF)
        .expect("a fixed-size key always encodes")
}

pub(super) fn write_new(
    folder: &Path,
    name: &str,
    mode: u32,
    contents: &[u8],
) -> Result<(), SignerError> {
    let path = folder.join(name);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&path)
        .map_err(|source| match source.kind() {
            std::io::ErrorKind::AlreadyExists => SignerError::Exists { path: path.clone() },
            _ => failed(&path, "be made")(source),
        })?;
    file.write_all(contents)
        .and_then(|()| file.sync_all())
        .map_err(failed(&path, "be written"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::signer::Signer;

    fn now() -> Timestamp {
        "2026-11-24T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn makes_keys_that_sign_and_never_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys");
        let made = init(&keys, Flavour::Lab, now(), &mut rand::rng()).unwrap();
        for (name, mode) in [
            (ROOT_KEY_FILE, 0o600),
            (ISSUING_KEY_FILE, 0o600),
            (ROOTS_FILE, 0o644),
        ] {
            let found = fs::metadata(keys.join(name)).unwrap().permissions().mode();
            assert_eq!(found & 0o777, mode, "{name}");
        }
        let signer = Signer::open(&keys, Flavour::Lab).unwrap();
        assert_eq!(signer.key_id(), made.issuing_key_id);
        assert_eq!(signer.signs_until(), made.signs_until);
        let again = init(&keys, Flavour::Lab, now(), &mut rand::rng());
        assert!(matches!(again, Err(SignerError::Exists { .. })));

        fs::remove_file(keys.join(ROOT_KEY_FILE)).unwrap();
        Signer::open(&keys, Flavour::Lab).expect("serve needs no root key");
        assert!(matches!(
            init(&keys, Flavour::Lab, now(), &mut rand::rng()),
            Err(SignerError::Exists { .. })
        ));
    }

    #[test]
    fn a_product_portal_refuses_lab_keys_and_exposed_files() {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path();
        init(keys, Flavour::Lab, now(), &mut rand::rng()).unwrap();
        assert!(matches!(
            Signer::open(keys, Flavour::Product),
            Err(SignerError::Roots { .. })
        ));
        let key = keys.join(ISSUING_KEY_FILE);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            Signer::open(keys, Flavour::Lab),
            Err(SignerError::Exposed { mode: 0o640, .. })
        ));
    }
}
