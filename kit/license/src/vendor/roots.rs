//! The roots that an image or a portal pins (`vendor-roots.json`), and revoked keys.

use std::collections::BTreeSet;
use std::fmt;

use ed25519_dalek::VerifyingKey;
use serde::{Deserialize, Serialize};

use super::keys::key_id;
use super::revocation::{RevocationListError, VerifiedRevocationList};
use crate::encoding;

/// Which world a build, a root or an EK root belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flavour {
    /// Development and tests: keys anyone may hold.
    Lab,
    /// What customers run.
    Product,
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lab => "lab",
            Self::Product => "product",
        })
    }
}

/// One root in `vendor-roots.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootEntry {
    /// For people.
    pub name: String,
    /// Ed25519.
    #[serde(with = "encoding::base64_array")]
    pub public_key: [u8; 32],
    /// A product box or portal refuses lab roots.
    pub class: Flavour,
}

/// `vendor-roots.json` as it stands: nothing can be verified with it until
/// [`for_flavour`](Self::for_flavour) has looked at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VendorRootsFile {
    /// The flavour of image or portal that the file was made for.
    pub flavour: Flavour,
    /// The pinned roots.
    pub roots: Vec<RootEntry>,
    /// The newest [`RevocationList`](super::RevocationList) when the file was made, a whole
    /// file.
    #[serde(
        default,
        with = "encoding::base64_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub revocation_list: Option<Vec<u8>>,
}

/// Why pinned roots can't be used.
#[derive(Debug, thiserror::Error)]
pub enum VendorRootsError {
    /// Not the JSON of `vendor-roots.json`.
    #[error("the vendor roots can't be read")]
    Unreadable(#[source] serde_json::Error),
    /// The file was made for the other flavour.
    #[error("the vendor roots are for {found}, and this is {expected}")]
    OtherFlavour {
        /// This build's flavour.
        expected: Flavour,
        /// The file's flavour.
        found: Flavour,
    },
    /// A lab root on a product box or portal.
    #[error("vendor root {name:?} is a lab root, which a product refuses")]
    LabRoot {
        /// The root's name.
        name: String,
    },
    /// 32 bytes that are no Ed25519 public key, or one of small order.
    #[error("vendor root {name:?} is no usable Ed25519 key")]
    Key {
        /// The root's name.
        name: String,
    },
    /// The list of revoked keys is not of one of the roots beside it.
    #[error("the revocation list beside the vendor roots can't be used")]
    RevocationList(#[source] RevocationListError),
    /// Nothing could ever be verified.
    #[error("the file lists no vendor root")]
    Empty,
}

impl VendorRootsFile {
    /// Reads `vendor-roots.json`.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, VendorRootsError> {
        serde_json::from_slice(text.as_ref()).map_err(VendorRootsError::Unreadable)
    }

    /// The file: JSON text that ends with a line feed.
    pub fn to_text(&self) -> String {
        let mut text =
            serde_json::to_string_pretty(self).expect("strings and lists always serialise");
        text.push('\n');
        text
    }

    /// Admits the roots to a build of this flavour: a product refuses a file for the
    /// lab and any lab root.
    pub fn for_flavour(&self, flavour: Flavour) -> Result<VendorRoots, VendorRootsError> {
        if self.flavour != flavour {
            return Err(VendorRootsError::OtherFlavour {
                expected: flavour,
                found: self.flavour,
            });
        }
        let roots = self
            .roots
            .iter()
            .map(|root| {
                if flavour == Flavour::Product && root.class == Flavour::Lab {
                    return Err(VendorRootsError::LabRoot {
                        name: root.name.clone(),
                    });
                }
                VerifyingKey::from_bytes(&root.public_key)
                    .ok()
                    .filter(|key| !key.is_weak())
                    .map(|key| PinnedRoot {
                        key_id: key_id(&root.public_key),
                        class: root.class,
                        key,
                    })
                    .ok_or_else(|| VendorRootsError::Key {
                        name: root.name.clone(),
                    })
            })
            .collect::<Result<Vec<_>, _>>()?;
        if roots.is_empty() {
            return Err(VendorRootsError::Empty);
        }
        let mut roots = VendorRoots {
            flavour,
            roots,
            revocation_list: None,
        };
        if let Some(file) = &self.revocation_list {
            let list = VerifiedRevocationList::read(file, &roots)
                .map_err(VendorRootsError::RevocationList)?;
            roots.revocation_list = Some(list);
        }
        Ok(roots)
    }
}

#[derive(Debug, Clone)]
pub(super) struct PinnedRoot {
    key_id: String,
    pub(super) class: Flavour,
    pub(super) key: VerifyingKey,
}

/// The roots that this box or portal believes, fit for its flavour.
#[derive(Debug, Clone)]
pub struct VendorRoots {
    flavour: Flavour,
    roots: Vec<PinnedRoot>,
    revocation_list: Option<VerifiedRevocationList>,
}

impl VendorRoots {
    /// The flavour of the box or portal.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// The revocation list that came with the roots.
    pub fn revocation_list(&self) -> Option<&VerifiedRevocationList> {
        self.revocation_list.as_ref()
    }

    /// What the firmware knows to be revoked.
    pub fn revocations(&self) -> Revocations {
        Revocations::of(self.revocation_list())
    }

    pub(super) fn find(&self, key_id: &str) -> Option<&PinnedRoot> {
        self.roots.iter().find(|root| root.key_id == key_id)
    }
}

/// Issuing keys that sign no more. Revocation stops imports, never a license in use:
/// pass [`Revocations::none`] when checking the active license.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revocations(BTreeSet<String>);

impl Revocations {
    /// No key is revoked.
    pub fn none() -> Self {
        Self::default()
    }

    /// These key ids (see [`key_id`]) are revoked.
    pub fn new(key_ids: impl IntoIterator<Item = String>) -> Self {
        Self(key_ids.into_iter().collect())
    }

    /// What any of these lists revokes.
    pub fn of<'a>(lists: impl IntoIterator<Item = &'a VerifiedRevocationList>) -> Self {
        Self::new(
            lists
                .into_iter()
                .flat_map(|list| list.key_ids().iter().cloned()),
        )
    }

    /// Whether this key is revoked.
    pub fn contains(&self, key_id: &str) -> bool {
        self.0.contains(key_id)
    }
}
