//! The EK roots in the store, kept by command.

use jiff::Timestamp;
use sealgate_license::vendor::Flavour;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::request::{ALLOWED, Makers, believed};
use super::{DeskError, fact, origin};
use crate::store::{AuditEntry, EkRootEntry, Store, transact};
use crate::trust::TrustClass;

/// A certificate to be believed.
#[derive(Debug, Clone)]
pub struct EkRootFile {
    /// Its subject, for people.
    pub subject: String,
    /// The certificate, DER.
    pub der: Vec<u8>,
}

/// Believes certificates: as roots of `class`, or as intermediate authorities for `None`.
/// One that is believed already gets the new class.
///
/// # Errors
/// A product portal refuses class lab; a certificate can't be read.
pub fn add_ek_roots(
    store: &dyn Store,
    flavour: Flavour,
    class: Option<TrustClass>,
    certificates: Vec<EkRootFile>,
    now: Timestamp,
) -> Result<(), DeskError> {
    let entries: Vec<EkRootEntry> = certificates
        .into_iter()
        .map(|certificate| EkRootEntry {
            sha256: Sha256::digest(&certificate.der).into(),
            class,
            subject: certificate.subject,
            der: certificate.der,
            added_utc_s: now.as_second(),
        })
        .collect();
    // The very check that requests will meet.
    let mut trial = crate::evidence::EkRoots::new(flavour);
    for entry in &entries {
        match class {
            Some(class) => trial.add_root(&entry.der, class)?,
            None => trial.add_intermediate(&entry.der)?,
        }
    }
    transact(store, |tx| {
        for entry in &entries {
            tx.put_ek_root(entry)?;
            tx.append_audit(&AuditEntry {
                at_utc_ms: now.as_millisecond(),
                actor: None,
                action: "roots.add".to_owned(),
                object: format!("ek_root:{}", hex::encode(entry.sha256)),
                detail: json!({ "class": class, "subject": entry.subject }).to_string(),
                origin: origin::current(),
            })?;
        }
        believed(&Makers::read(tx)?, flavour)?;
        Ok(())
    })
}

/// Believes TPMs without a certificate, or no longer. Off in a new portal: such a TPM may
/// be a program, and its returns are credited by staff only.
///
/// # Errors
/// The database failed.
pub fn set_self_declared(store: &dyn Store, allow: bool, now: Timestamp) -> Result<(), DeskError> {
    let word = if allow { ALLOWED } else { "refused" };
    transact(store, |tx| {
        tx.set_meta(fact::SELF_DECLARED_TPMS, word)?;
        tx.append_audit(&AuditEntry {
            at_utc_ms: now.as_millisecond(),
            actor: None,
            action: "roots.self_declared".to_owned(),
            object: "portal".to_owned(),
            detail: json!({ "self_declared": word }).to_string(),
            origin: origin::current(),
        })?;
        Ok(())
    })
}

/// All certificates that are believed.
///
/// # Errors
/// The database failed.
pub fn list_ek_roots(store: &dyn Store) -> Result<Vec<EkRootEntry>, DeskError> {
    transact(store, |tx| Ok(tx.ek_roots()?))
}
