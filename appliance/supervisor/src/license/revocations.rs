//! What this box knows of revoked vendor keys: from its firmware, and from the licenses
//! that it imported.
//!
//! Revocation stops imports and nothing else. The license in use is never asked about it,
//! and neither is an import that power cut short: it was asked when it began, and by now
//! the counter may have left the license before it behind.

use sealgate_base::{DurableError, read_at_most, write_durably};
use sealgate_license::{
    dsse::MAX_DOCUMENT_BYTES,
    license_document::{SignedLicense, VerifiedLicense},
    vendor::{RevocationListError, Revocations, VerifiedRevocationList, VerifyError},
};

use super::{import::ImportError, license_box::LicenseBox};

const FILE: &str = "revoked-keys.rev";
const READABLE: u32 = 0o644;

fn unused(error: &(dyn std::error::Error + 'static)) {
    tracing::warn!(error, "the stored list of revoked keys is not used");
}

/// The list that a license carries, if it does.
fn carried(
    license: &VerifiedLicense,
    on: &LicenseBox,
) -> Result<Option<VerifiedRevocationList>, RevocationListError> {
    let list = license.revocation_list()?;
    Ok(list.map(|list| list.verify(&on.roots)).transpose()?)
}

impl LicenseBox {
    /// Checks a license that is to be imported against every list there is: the
    /// firmware's, the newest that came with a license, and its own.
    pub(super) fn verify_for_import(
        &self,
        license: &SignedLicense,
    ) -> Result<VerifiedLicense, ImportError> {
        // First whether it is the vendor's at all: that says more about an edited file.
        let verified = self.verify_begun(license)?;
        let carried = carried(&verified, self)?;
        let stored = self.stored_revocations();
        let lists = self.roots.revocation_list().into_iter();
        let revocations = Revocations::of(lists.chain(&stored).chain(&carried));
        Ok(license.verify(&self.roots, &revocations)?)
    }

    /// Whether a list that this box has names the key.
    pub(super) fn is_revoked(&self, key_id: &str) -> bool {
        let stored = self.stored_revocations();
        let lists = self.roots.revocation_list().into_iter();
        Revocations::of(lists.chain(&stored)).contains(key_id)
    }

    /// Checks a license whose import has begun.
    pub(super) fn verify_begun(
        &self,
        license: &SignedLicense,
    ) -> Result<VerifiedLicense, VerifyError> {
        license.verify(&self.roots, &Revocations::none())
    }

    /// Keeps the list of a license whose counter is reached, if it is the newest so far.
    /// The import goes on where that fails: the license brings its list again.
    pub(super) fn keep_revocations(&self, license: &VerifiedLicense) {
        let Ok(Some(list)) = carried(license, self) else {
            return;
        };
        let newest = self.stored_revocations();
        if newest.is_some_and(|newest| newest.sequence() >= list.sequence()) {
            return;
        }
        let path = self.files.folder().join(FILE);
        match write_durably(&path, list.to_text().as_bytes(), READABLE) {
            Ok(()) => tracing::info!(sequence = list.sequence(), "list of revoked keys kept"),
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the list of revoked keys was not stored"
            ),
        }
    }

    /// The newest list that came with an import; none where it can't be read, or where
    /// this firmware pins another root.
    fn stored_revocations(&self) -> Option<VerifiedRevocationList> {
        let read: Result<_, DurableError> =
            read_at_most(&self.files.folder().join(FILE), MAX_DOCUMENT_BYTES as u64);
        let text = read.inspect_err(|error| unused(error)).ok()??;
        VerifiedRevocationList::read(text, &self.roots)
            .inspect_err(|error| unused(error))
            .ok()
    }
}
