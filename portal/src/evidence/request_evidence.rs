//! One request's evidence, all of it.

use sealgate_license::attestation::CounterEvidence;
use sealgate_license::request_document::{RequestError, VerifiedRequest};
use sealgate_license::tpm_wire::{TpmName, TpmPublic};

use super::ek_certificate::{EkCertificateError, EkIdentity, same_key, verify_ek};
use super::ek_roots::EkRoots;
use super::ek_template::{EkTemplateError, canonical_ek};
use crate::trust::TrustClass;

/// A TPM as the ledger knows it. That `ak` lives beside `ek` is only proven once a
/// license's activation secret comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TpmIdentity {
    /// The endorsement key in the one form that its template has: what
    /// [`make_credential`](super::make_credential::make_credential) takes.
    pub ek: TpmPublic,
    /// Its Name.
    pub ek_name: TpmName,
    /// The attestation key's Name.
    pub ak_name: TpmName,
    /// What the attestation key signed.
    pub counter: CounterEvidence,
    /// What the TPM's maker certified; `None` for [`TrustClass::SelfDeclared`] alone.
    pub certificate: Option<EkIdentity>,
    /// By the maker's root.
    pub trust_class: TrustClass,
}

/// Why a request's evidence is not enough.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// The request itself proves nothing.
    #[error("the request proves nothing")]
    Request(#[from] RequestError),
    /// No certificate came with the request, and this portal insists on one.
    #[error("the request holds no EK certificate")]
    NoCertificate,
    /// The certificate does not stand.
    #[error("the EK certificate does not stand")]
    Certificate(#[from] EkCertificateError),
    /// The certificate is about another key.
    #[error("the EK certificate is for another key than the request's")]
    OtherKey,
    /// The key's public area is not a template's.
    #[error("the endorsement key can't be used")]
    Template(#[from] EkTemplateError),
}

impl EvidenceError {
    /// The code in the words catalog.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Request(error) => error.code(),
            Self::NoCertificate => "SG-POR-023",
            Self::Certificate(error) => error.code(),
            Self::OtherKey => "SG-POR-028",
            Self::Template(error) => error.code(),
        }
    }
}

/// Checks the TPM behind a request whose signature was verified.
pub fn check_request(
    request: &VerifiedRequest,
    roots: &EkRoots,
) -> Result<TpmIdentity, EvidenceError> {
    let claimed = &request.payload().ek;
    let certificate = match &claimed.certificate {
        Some(certificate) => {
            let certificate = verify_ek(certificate, &claimed.chain, roots)?;
            if !same_key(&certificate, request.ek()) {
                return Err(EvidenceError::OtherKey);
            }
            Some(certificate)
        }
        // A certificate that does not stand is never the same as none.
        None if roots.self_declared_allowed() => None,
        None => return Err(EvidenceError::NoCertificate),
    };
    let ek = canonical_ek(request.ek())?;
    Ok(TpmIdentity {
        ek_name: ek.name(),
        ek,
        ak_name: request.ak().name(),
        counter: *request.counter(),
        trust_class: (certificate.as_ref()).map_or(TrustClass::SelfDeclared, |certificate| {
            certificate.trust_class
        }),
        certificate,
    })
}
