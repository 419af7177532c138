//! A request file from outside: read, verified, its TPM believed.

use rand_core::CryptoRng;
use sealgate_license::request_document::{SignedRequest, VerifiedRequest};
use sealgate_license::vendor::Flavour;

use super::{DeskError, fact};
use crate::evidence::{self, Credential, EkRootError, EkRoots};
use crate::store::{EkRootEntry, StoreError, TpmIdentity, Tx};
use crate::trust::TrustClass;

/// The longest model or serial number that is kept, in characters.
const MOST_CHARACTERS: usize = 80;
/// The value of [`fact::SELF_DECLARED_TPMS`] that says so.
pub(super) const ALLOWED: &str = "allowed";

/// A request whose counter its attestation key signed, from a TPM whose maker is
/// believed. That both keys are in one TPM is only proven once its license was imported.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) request: VerifiedRequest,
    pub(super) tpm: evidence::TpmIdentity,
    /// The same as the store names it.
    pub(super) identity: TpmIdentity,
    pub(super) class: TrustClass,
    /// As the box says.
    pub(super) model: String,
    /// As the box says.
    pub(super) serial: String,
}

impl Admitted {
    /// Encrypts an activation secret so that only this TPM reveals it.
    pub(super) fn seal(
        &self,
        activation_secret: &[u8; 32],
        rng: &mut dyn CryptoRng,
    ) -> Result<Credential, DeskError> {
        Ok(evidence::make_credential(
            &self.tpm.ek,
            &self.tpm.ak_name,
            activation_secret,
            rng,
        )?)
    }
}

/// What the database says about TPM makers.
pub(super) struct Makers {
    roots: Vec<EkRootEntry>,
    self_declared: bool,
}

impl Makers {
    pub(super) fn read(tx: &mut dyn Tx) -> Result<Self, StoreError> {
        Ok(Self {
            roots: tx.ek_roots()?,
            self_declared: tx.meta(fact::SELF_DECLARED_TPMS)?.as_deref() == Some(ALLOWED),
        })
    }
}

/// The stored EK roots as the evidence wants them.
pub(super) fn believed(makers: &Makers, flavour: Flavour) -> Result<EkRoots, EkRootError> {
    let mut roots = EkRoots::new(flavour);
    if makers.self_declared {
        roots.allow_self_declared();
    }
    for entry in &makers.roots {
        match entry.class {
            // A lab root in a product's database is as if it were not there.
            Some(class) if !class.admitted_by(flavour) => {}
            Some(class) => roots.add_root(&entry.der, class)?,
            None => roots.add_intermediate(&entry.der)?,
        }
    }
    Ok(roots)
}

/// Checks a request file as it was uploaded.
pub(super) fn admit(file: &[u8], makers: &Makers, flavour: Flavour) -> Result<Admitted, DeskError> {
    let request = SignedRequest::parse(file)?.verify()?;
    let tpm = evidence::check_request(&request, &believed(makers, flavour)?)?;
    Ok(Admitted {
        identity: TpmIdentity {
            ek_name: tpm.ek_name.to_string(),
            ak_name: tpm.ak_name.to_string(),
        },
        class: tpm.trust_class,
        model: one_line(&request.payload().model),
        serial: one_line(&request.payload().serial),
        request,
        tpm,
    })
}

/// What a box says about itself, fit for lists and messages.
fn one_line(text: &str) -> String {
    (text.chars())
        .filter(|c| !c.is_control())
        .take(MOST_CHARACTERS)
        .collect()
}
