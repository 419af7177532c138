//! What the root does after the first ceremony, on the offline machine: the next issuing
//! key, and the list of those that sign no more.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use rand_core::CryptoRng;
use sealgate_license::vendor::{
    IssuingKey, RevocationListError, RootKey, VendorRoots, VendorRootsFile, VerifiedRevocationList,
};

use super::ceremony::{certify, make_folder, pem, replace, seed, write_new};
use super::{
    CERTIFICATE_FILE, Ceremony, ISSUING_KEY_FILE, REVOCATIONS_FILE, ROOT_KEY_FILE, ROOTS_FILE,
    SignerError, failed, read_seed,
};

/// What a revocation made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Of the new list.
    pub sequence: u64,
    /// All keys on it.
    pub key_ids: BTreeSet<String>,
}

/// The root key with what images pin, and the newest list, as a folder holds them.
struct RootFolder {
    root: RootKey,
    file: VendorRootsFile,
    list: Option<VerifiedRevocationList>,
}

/// Reads `vendor-roots.json` of a folder; the flavour is the file's own.
pub(super) fn read_roots(folder: &Path) -> Result<(VendorRootsFile, VendorRoots), SignerError> {
    let path = folder.join(ROOTS_FILE);
    let text = fs::read(&path).map_err(failed(&path, "be read"))?;
    VendorRootsFile::parse(text)
        .and_then(|file| {
            let roots = file.for_flavour(file.flavour)?;
            Ok((file, roots))
        })
        .map_err(|source| SignerError::Roots { path, source })
}

/// The newest list that a folder holds: its file, or the one beside the roots.
pub(super) fn newest_list(
    folder: &Path,
    roots: &VendorRoots,
) -> Result<Option<VerifiedRevocationList>, SignerError> {
    let path = folder.join(REVOCATIONS_FILE);
    let ours = match fs::read(&path) {
        Ok(text) => Some(
            VerifiedRevocationList::read(text, roots)
                .map_err(|source| SignerError::Revocations { path, source })?,
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(failed(&path, "be read")(source)),
    };
    let pinned = roots.revocation_list().cloned();
    Ok(ours
        .into_iter()
        .chain(pinned)
        .max_by_key(VerifiedRevocationList::sequence))
}

fn open(folder: &Path) -> Result<RootFolder, SignerError> {
    let (file, roots) = read_roots(folder)?;
    let root = RootKey::from_seed(&*read_seed(&folder.join(ROOT_KEY_FILE))?);
    let list = newest_list(folder, &roots)?;
    Ok(RootFolder { root, file, list })
}

/// Adds issuing keys to the revocation list in the folder of the root key, and puts the
/// list beside the roots that the next firmware pins.
///
/// # Errors
/// The folder's root key, roots or list can't be used, a key id is none, or a file can't
/// be written.
pub fn revoke(
    root_folder: &Path,
    key_ids: impl IntoIterator<Item = String>,
    now: Timestamp,
) -> Result<Revoked, SignerError> {
    let RootFolder {
        root,
        mut file,
        list,
    } = open(root_folder)?;
    let mut all: BTreeSet<String> = list
        .iter()
        .flat_map(|list| list.key_ids().iter().cloned())
        .collect();
    for key_id in key_ids {
        let digits = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if key_id.len() != 32 || !key_id.chars().all(digits) {
            return Err(SignerError::KeyId { key_id });
        }
        all.insert(key_id);
    }
    let sequence = list.as_ref().map_or(0, VerifiedRevocationList::sequence) + 1;
    let issued_at = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let text = root
        .revoke(file.flavour, sequence, all.clone(), issued_at)
        .to_text();
    file.revocation_list = Some(text.clone().into_bytes());
    // A root that is not among the pinned ones would revoke nothing anywhere.
    let roots = file
        .for_flavour(file.flavour)
        .map_err(|source| SignerError::Roots {
            path: root_folder.join(ROOTS_FILE),
            source,
        })?;
    VerifiedRevocationList::read(&text, &roots).map_err(|source: RevocationListError| {
        SignerError::Revocations {
            path: root_folder.join(ROOT_KEY_FILE),
            source,
        }
    })?;
    replace(root_folder, REVOCATIONS_FILE, text.as_bytes())?;
    replace(root_folder, ROOTS_FILE, file.to_text().as_bytes())?;
    Ok(Revoked {
        sequence,
        key_ids: all,
    })
}

/// Makes the next issuing key with its certificate in a new folder, with roots and
/// revocation list beside it: what `serve` needs, and no root key. The old key goes on
/// until its certificate's end, or until the portal is given the new folder.
///
/// # Errors
/// As for [`revoke`]; nothing is overwritten.
pub fn renew(
    root_folder: &Path,
    folder: &Path,
    now: Timestamp,
    rng: &mut dyn CryptoRng,
) -> Result<Ceremony, SignerError> {
    let RootFolder { root, file, list } = open(root_folder)?;
    make_folder(
        folder,
        &[
            ISSUING_KEY_FILE,
            CERTIFICATE_FILE,
            ROOTS_FILE,
            REVOCATIONS_FILE,
        ],
    )?;
    let issuing_seed = seed(rng);
    let issuing = IssuingKey::from_seed(&issuing_seed);
    let (certificate, signs_until) = certify(&root, &issuing, file.flavour, now);
    let key = pem(&issuing_seed);
    write_new(folder, ISSUING_KEY_FILE, 0o600, key.as_bytes())?;
    write_new(
        folder,
        CERTIFICATE_FILE,
        0o644,
        certificate.to_text().as_bytes(),
    )?;
    write_new(folder, ROOTS_FILE, 0o644, file.to_text().as_bytes())?;
    if let Some(list) = list {
        write_new(folder, REVOCATIONS_FILE, 0o644, list.to_text().as_bytes())?;
    }
    Ok(Ceremony {
        root_key_id: root.key_id(),
        issuing_key_id: issuing.key_id(),
        signs_until,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use sealgate_license::license_document::{
        Binding, LicensePayload, Names, SignedLicense, Validity,
    };
    use sealgate_license::vendor::{Flavour, Revocations};

    use super::*;
    use crate::signer::{Signer, init};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn payload(issued_at: Timestamp) -> LicensePayload {
        LicensePayload {
            format_version: 1,
            license_id: "M-1".to_owned(),
            revision: 1,
            names: Names {
                server: String::new(),
                project: String::new(),
                distributor: String::new(),
            },
            binding: Binding::Mac,
            entitlements: Default::default(),
            validity: Validity::default(),
            issued_at,
            revocation_list: None,
        }
    }

    #[test]
    fn keys_are_renewed_and_revoked_offline_and_licenses_carry_the_list() {
        let folder = tempfile::tempdir().unwrap();
        let (offline, next) = (folder.path().join("offline"), folder.path().join("next"));
        let mut rng = rand::rng();
        let first = init(
            &offline,
            Flavour::Product,
            at("2026-11-24T00:00:00Z"),
            &mut rng,
        )
        .unwrap();
        let second = renew(&offline, &next, at("2028-10-01T00:00:00Z"), &mut rng).unwrap();
        assert_eq!(second.root_key_id, first.root_key_id);
        assert!(second.signs_until > first.signs_until);

        // Both sign in the weeks that their dates share; boxes believe both.
        let shared = at("2028-10-02T00:00:00Z");
        let old = Signer::open(&offline, Flavour::Product).unwrap();
        let new = Signer::open(&next, Flavour::Product).unwrap();
        assert_eq!(new.key_id(), second.issuing_key_id);
        let by_old = old.sign(payload(shared)).unwrap();
        let by_new = new.sign(payload(shared)).unwrap();
        assert_eq!(by_new.unverified_payload().revocation_list, None);
        for license in [&by_old, &by_new] {
            license.verify(old.roots(), &Revocations::none()).unwrap();
        }
        let late = at("2029-01-01T00:00:00Z");
        assert!(matches!(
            old.sign(payload(late)),
            Err(SignerError::Issue(_))
        ));
        new.sign(payload(late)).unwrap();

        let made = revoke(&offline, [first.issuing_key_id.clone()], shared).unwrap();
        assert_eq!(made.sequence, 1);
        assert!(matches!(
            Signer::open(&offline, Flavour::Product),
            Err(SignerError::Revoked { .. })
        ));
        // The list reaches the portal as a file; what it signs from then on carries it.
        fs::copy(offline.join(REVOCATIONS_FILE), next.join(REVOCATIONS_FILE)).unwrap();
        let new = Signer::open(&next, Flavour::Product).unwrap();
        let text = new.sign(payload(late)).unwrap().to_text();
        let license = SignedLicense::parse(text).unwrap();
        let license = license.verify(old.roots(), &Revocations::none()).unwrap();
        let list = license.revocation_list().unwrap().unwrap();
        let list = list.verify(old.roots()).unwrap();
        assert!(list.key_ids().contains(&first.issuing_key_id));
        // And firmware that pins the folder's roots knows it too.
        let (_, pinned) = read_roots(&offline).unwrap();
        let refused = by_old.verify(&pinned, &pinned.revocations()).unwrap_err();
        assert_eq!(refused.code(), "SG-LIC-003");
        by_new.verify(&pinned, &pinned.revocations()).unwrap();

        // The next list repeats the first one's keys.
        let other = "00".repeat(16);
        let made = revoke(&offline, [other.clone()], late).unwrap();
        assert_eq!(made.sequence, 2);
        assert_eq!(made.key_ids.len(), 2);
        for bad in ["", "xyz", &"0A".repeat(16), &"0".repeat(31)] {
            assert!(matches!(
                revoke(&offline, [bad.to_owned()], late),
                Err(SignerError::KeyId { .. })
            ));
        }
        assert!(matches!(
            renew(&offline, &next, late, &mut rng),
            Err(SignerError::Exists { .. })
        ));
    }

    #[test]
    fn a_list_of_another_root_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, theirs) = (folder.path().join("ours"), folder.path().join("theirs"));
        let now = at("2026-11-24T00:00:00Z");
        for folder in [&ours, &theirs] {
            init(folder, Flavour::Lab, now, &mut rand::rng()).unwrap();
        }
        revoke(&theirs, ["00".repeat(16)], now).unwrap();
        fs::copy(theirs.join(REVOCATIONS_FILE), ours.join(REVOCATIONS_FILE)).unwrap();
        assert!(matches!(
            Signer::open(&ours, Flavour::Lab),
            Err(SignerError::Revocations { .. })
        ));
        // A root key that no image pins signs a list that none would take.
        fs::remove_file(ours.join(REVOCATIONS_FILE)).unwrap();
        fs::copy(theirs.join(ROOT_KEY_FILE), ours.join(ROOT_KEY_FILE)).unwrap();
        assert!(revoke(&ours, ["00".repeat(16)], now).is_err());
        assert!(!ours.join(REVOCATIONS_FILE).exists());
        Signer::open(&ours, Flavour::Lab).unwrap();
    }
}
