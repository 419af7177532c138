//! The TPM makers' roots that this portal believes.

use sealgate_license::vendor::Flavour;
use sha2::{Digest as _, Sha256};

use super::x509::Parsed;
use crate::trust::TrustClass;

/// More than all makers together have.
const MAX_ROOTS: usize = 1000;

/// Why a certificate was not taken into the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EkRootError {
    /// Not one DER certificate.
    #[error("the file is no X.509 certificate in DER")]
    Unreadable,
    /// A lab root on a product portal.
    #[error("a product portal refuses roots of class {class}")]
    Class {
        /// The class that it was to have.
        class: TrustClass,
    },
    /// A class without makers.
    #[error("no maker's root is of class {class}")]
    NoSuchRoots {
        /// The class that it was to have.
        class: TrustClass,
    },
    /// The list is full.
    #[error("more than {MAX_ROOTS} certificates")]
    Full,
}

impl EkRootError {
    /// The code in the words catalog.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable | Self::Full => "SG-POR-024",
            Self::Class { .. } => "SG-POR-031",
            Self::NoSuchRoots { .. } => "SG-POR-062",
        }
    }
}

pub(super) struct Root {
    pub(super) class: TrustClass,
    pub(super) certificate: Parsed,
}

/// Pinned roots, each with its trust class, and a store of intermediate authorities for
/// chips that carry none. A root is believed because it was pinned, whatever it says of itself.
pub struct EkRoots {
    flavour: Flavour,
    pub(super) roots: Vec<Root>,
    pub(super) intermediates: Vec<Parsed>,
    self_declared: bool,
}

impl EkRoots {
    /// An empty list for a portal of this flavour.
    pub fn new(flavour: Flavour) -> Self {
        Self {
            flavour,
            roots: Vec::new(),
            intermediates: Vec::new(),
            self_declared: false,
        }
    }

    /// Believes TPMs without a certificate, too: as [`TrustClass::SelfDeclared`].
    pub fn allow_self_declared(&mut self) {
        self.self_declared = true;
    }

    pub(super) fn self_declared_allowed(&self) -> bool {
        self.self_declared
    }

    /// Pins a root (DER).
    pub fn add_root(&mut self, der: &[u8], class: TrustClass) -> Result<(), EkRootError> {
        if !class.has_roots() {
            return Err(EkRootError::NoSuchRoots { class });
        }
        if !class.admitted_by(self.flavour) {
            return Err(EkRootError::Class { class });
        }
        if self.roots.len() >= MAX_ROOTS {
            return Err(EkRootError::Full);
        }
        let certificate = Parsed::parse(der).ok_or(EkRootError::Unreadable)?;
        self.roots.push(Root { class, certificate });
        Ok(())
    }

    /// Adds an intermediate authority (DER). It proves nothing by itself.
    pub fn add_intermediate(&mut self, der: &[u8]) -> Result<(), EkRootError> {
        if self.intermediates.len() >= MAX_ROOTS {
            return Err(EkRootError::Full);
        }
        let certificate = Parsed::parse(der).ok_or(EkRootError::Unreadable)?;
        self.intermediates.push(certificate);
        Ok(())
    }

    /// The portal's flavour.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// Subject, SHA-256 of the certificate, and class of each pinned root.
    pub fn list(&self) -> impl Iterator<Item = (String, [u8; 32], TrustClass)> + '_ {
        self.roots.iter().map(|root| {
            let subject = root.certificate.certificate.tbs_certificate().subject();
            let digest = Sha256::digest(&root.certificate.der).into();
            (subject.to_string(), digest, root.class)
        })
    }
}
