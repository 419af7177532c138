//! The box's own certificate: made on the first start, kept with the data.

use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use sealgate_base::{DurableError, read_at_most, write_durably};
use sha2::{Digest, Sha256};

/// Key and certificate in one file, so that a power cut can't pair an old one with a new one.
const FILE: &str = "box.pem";

/// Far above any certificate and key.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Certificate and key of the pages.
#[derive(Clone)]
pub struct TlsMaterial {
    pem: String,
    fingerprint: String,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file can't be read or written.
    #[error("the certificate of the pages can't be read or written")]
    File(#[from] DurableError),
    /// The certificate can't be made.
    #[error("the certificate of the pages can't be made")]
    Make(#[from] rcgen::Error),
    /// The file is not what this box wrote.
    #[error("{0} holds no certificate and key; remove it and start again to get new ones")]
    Foreign(PathBuf),
}

impl TlsMaterial {
    /// The certificate in `folder`; makes and keeps one for `names` (host names and
    /// addresses) if there is none.
    ///
    /// # Errors
    /// The file can't be read, written or understood. Blocking.
    pub fn load_or_create(folder: &Path, names: &[String]) -> Result<Self, TlsError> {
        let path = folder.join(FILE);
        if let Some(bytes) = read_at_most(&path, MAX_FILE_BYTES)? {
            return String::from_utf8(bytes)
                .ok()
                .and_then(Self::from_pem)
                .ok_or(TlsError::Foreign(path));
        }
        let material = Self::temporary(names)?;
        write_durably(&path, material.pem.as_bytes(), 0o600)?;
        tracing::info!(path = %path.display(), "made a certificate for the pages");
        Ok(material)
    }

    /// A certificate that is kept nowhere: for a box whose data can't be read.
    ///
    /// # Errors
    /// It could not be made.
    pub fn temporary(names: &[String]) -> Result<Self, TlsError> {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(
            DnType::CommonName,
            names.first().map_or("sealgate", String::as_str),
        );
        // Not from the clock: on a first start it may stand anywhere.
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2049, 12, 31);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let pem = format!("{}{}", key.serialize_pem(), certificate.pem());
        Ok(Self {
            fingerprint: fingerprint(certificate.der()),
            pem,
        })
    }

    fn from_pem(pem: String) -> Option<Self> {
        let certificate = pem
            .split_once("-----BEGIN CERTIFICATE-----")?
            .1
            .split_once("-----END CERTIFICATE-----")?
            .0;
        let base64: String = certificate.split_whitespace().collect();
        let der = BASE64_STANDARD.decode(base64).ok()?;
        pem.contains("PRIVATE KEY-----").then(|| Self {
            fingerprint: fingerprint(&der),
            pem,
        })
    }

    /// SHA-256 of the certificate as browsers show it: upper case, with colons.
    pub fn fingerprint_sha256(&self) -> &str {
        &self.fingerprint
    }

    pub(crate) fn pem(&self) -> &[u8] {
        self.pem.as_bytes()
    }
}

impl std::fmt::Debug for TlsMaterial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsMaterial")
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

fn fingerprint(der: &[u8]) -> String {
    Sha256::digest(der)
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect::<Vec<_>>()
        .join(":")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["nvr-0207".to_owned(), "192.0.2.7".to_owned()];
        let made = TlsMaterial::load_or_create(folder.path(), &names).unwrap();
        let kept = TlsMaterial::load_or_create(folder.path(), &names).unwrap();
        assert_eq!(made.fingerprint_sha256(), kept.fingerprint_sha256());
        assert_eq!(made.pem(), kept.pem());
        assert_eq!(made.fingerprint_sha256().len(), 32 * 3 - 1);
        let mode = std::fs::metadata(folder.path().join(FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!format!("{made:?}").contains("PRIVATE"));
    }

    #[test]
    fn does_not_replace_what_it_cannot_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "something else").unwrap();
        assert!(matches!(
            TlsMaterial::load_or_create(folder.path(), &[]),
            Err(TlsError::Foreign(_))
        ));
    }
}
