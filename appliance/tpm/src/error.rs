//! What can go wrong with a TPM, and what that means for the license.

use crate::{TpmAddress, raw::RawError, rc};

/// What a failure means, whichever operation met it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TpmErrorKind {
    /// No TPM answers at all: none fitted, switched off, or in failure mode.
    Absent,
    /// Dictionary-attack lockout.
    LockedOut,
    /// The owner or endorsement hierarchy is disabled or has a password.
    HierarchyUnavailable,
    /// The TPM asked to be asked again (the retry codes of [`crate::rc`], nothing else).
    Busy,
    /// No NV space is left for the counter.
    NoNvSpace,
    /// The license counter was never made on this TPM (or TPM2_Clear removed it).
    NotProvisioned,
    /// Something that is not our counter lives at its index.
    CounterForeign,
    /// Our counter was defined but never written: provisioning was interrupted.
    CounterHalfMade,
    /// The TPM understood and refused.
    Refused,
    /// The TPM's answer does not follow the specification, or contradicts an earlier one.
    Garbage,
}

impl TpmErrorKind {
    /// Whether asking again later may help without anybody doing anything.
    pub fn is_transient(self) -> bool {
        self == Self::Busy
    }

    /// The code in the catalog of words.
    pub fn code(self) -> &'static str {
        match self {
            Self::Absent => "SG-TPM-001",
            Self::LockedOut => "SG-TPM-002",
            Self::HierarchyUnavailable => "SG-TPM-003",
            Self::Busy => "SG-TPM-004",
            Self::NoNvSpace => "SG-TPM-005",
            Self::NotProvisioned => "SG-TPM-006",
            Self::CounterForeign | Self::CounterHalfMade => "SG-TPM-007",
            Self::Garbage => "SG-TPM-008",
            Self::Refused => "SG-TPM-010",
        }
    }
}

/// An operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum TpmError {
    /// The device node is missing or may not be opened.
    #[error("cannot open the TPM device of {address}")]
    OpenDevice {
        /// The address asked for.
        address: TpmAddress,
        /// The operating system's answer.
        #[source]
        source: std::io::Error,
    },
    /// libtss2 could not reach the TPM.
    #[error("cannot reach the TPM at {address}")]
    Open {
        /// The address asked for.
        address: TpmAddress,
        /// libtss2's answer.
        #[source]
        source: tss_esapi::Error,
    },
    /// TPM2_GetCapability (Part 3, 30.2) failed.
    #[error("cannot read what the TPM offers")]
    ReadCapability(#[source] tss_esapi::Error),
    /// TPM2_HierarchyControl (Part 3, 24.2) switched a hierarchy off.
    #[error("the TPM's {hierarchy} hierarchy is disabled")]
    HierarchyDisabled {
        /// Which one.
        hierarchy: &'static str,
    },
    /// TPM2_NV_ReadPublic (Part 3, 31.6) failed.
    #[error("cannot read the public area of NV index {index:#010x}")]
    ReadNvPublic {
        /// The NV index.
        index: u32,
        /// The TPM's answer.
        #[source]
        source: tss_esapi::Error,
    },
    /// TPM2_NV_Read (Part 3, 31.13) failed.
    #[error("cannot read NV index {index:#010x}")]
    ReadNv {
        /// The NV index.
        index: u32,
        /// The TPM's answer.
        #[source]
        source: tss_esapi::Error,
    },
    /// TPM2_NV_DefineSpace (Part 3, 31.3) failed.
    #[error("cannot define the license counter")]
    DefineCounter(#[source] tss_esapi::Error),
    /// TPM2_NV_Increment (Part 3, 31.8) failed.
    #[error("cannot increment the license counter")]
    Increment(#[source] tss_esapi::Error),
    /// TPM2_NV_UndefineSpace (Part 3, 31.4) of the trial counter failed.
    #[error("cannot remove the trial counter")]
    UndefineTrial(#[source] tss_esapi::Error),
    /// TPM2_Clear (Part 3, 24.6) failed.
    #[error("cannot clear the TPM")]
    Clear(#[source] tss_esapi::Error),
    /// TPM2_CreatePrimary (Part 3, 24.1) of the attestation key failed.
    #[error("cannot derive the attestation key")]
    CreateAk(#[source] tss_esapi::Error),
    /// TPM2_CreatePrimary of the endorsement key failed.
    #[error("cannot derive the {kind} endorsement key")]
    CreateEk {
        /// Which endorsement key.
        kind: crate::EkKind,
        /// The TPM's answer.
        #[source]
        source: tss_esapi::Error,
    },
    /// TPM2_CreatePrimary of the storage primary, whose Name is the epoch, failed.
    #[error("cannot derive the storage primary of the owner hierarchy")]
    CreateEpoch(#[source] tss_esapi::Error),
    /// TPM2_ReadPublic (Part 3, 12.4) failed.
    #[error("cannot read the public area of a key")]
    ReadPublic(#[source] tss_esapi::Error),
    /// TPM2_FlushContext (Part 3, 28.4) failed.
    #[error("cannot flush a key or session")]
    Flush(#[source] tss_esapi::Error),
    /// The session that authorises the endorsement key could not be set up.
    #[error("cannot satisfy the policy of the endorsement key")]
    EkPolicy(#[source] tss_esapi::Error),
    /// TPM2_ActivateCredential (Part 3, 12.5) failed.
    #[error("the TPM did not activate the credential")]
    Activate(#[source] tss_esapi::Error),
    /// The raw exchange for TPM2_NV_Certify (Part 3, 31.16) failed.
    #[error("cannot certify the license counter")]
    Certify(#[source] RawError),
    /// TPM2_PCR_Read, TPM2_PCR_Extend (Part 3, 22) or TPM2_Quote (18.4) failed.
    #[error("cannot read, extend or quote the PCR that shows another box")]
    Pcr(#[source] tss_esapi::Error),
    /// The credential names an endorsement key that this TPM does not have.
    #[error("none of this TPM's endorsement keys has the Name asked for")]
    NoSuchEk,
    /// The credential is longer than any TPM takes.
    #[error("the {what} is longer than a TPM takes")]
    CredentialTooLong {
        /// The part in question.
        what: &'static str,
    },
    /// The counter does not exist.
    #[error("this TPM has no license counter")]
    NotProvisioned,
    /// Something else lives at the counter's index.
    #[error(
        "NV index {index:#010x} is not a license counter (attributes {attributes:#010x}, {size} bytes)"
    )]
    CounterForeign {
        /// The NV index.
        index: u32,
        /// Its TPMA_NV.
        attributes: u32,
        /// Its size in bytes.
        size: usize,
    },
    /// The counter was defined but never incremented.
    #[error("the license counter was defined but never written")]
    CounterHalfMade,
    /// A key derived twice from the same template came out different.
    #[error("the attestation key changed between two commands")]
    AkChanged,
    /// An answer that the specification does not allow.
    #[error("the TPM's answer is not understood: {what}")]
    Garbage {
        /// What was wrong with it.
        what: &'static str,
    },
}

impl TpmError {
    /// What the failure means.
    pub fn kind(&self) -> TpmErrorKind {
        match self {
            Self::OpenDevice { .. } => TpmErrorKind::Absent,
            Self::Open { source, .. } => match rc::kind_of(source) {
                // Before the first answer there is no TPM to speak of.
                TpmErrorKind::Garbage | TpmErrorKind::Refused => TpmErrorKind::Absent,
                kind => kind,
            },
            Self::ReadCapability(source)
            | Self::ReadNvPublic { source, .. }
            | Self::DefineCounter(source)
            | Self::UndefineTrial(source)
            | Self::Clear(source)
            | Self::CreateAk(source)
            | Self::CreateEk { source, .. }
            | Self::CreateEpoch(source)
            | Self::ReadPublic(source)
            | Self::Flush(source)
            | Self::EkPolicy(source)
            | Self::Activate(source)
            | Self::Pcr(source) => rc::kind_of(source),
            Self::ReadNv { source, .. } | Self::Increment(source) => match rc::kind_of(source) {
                // Our index has no password: one that asks for it was made by somebody else.
                TpmErrorKind::HierarchyUnavailable => TpmErrorKind::CounterForeign,
                kind => kind,
            },
            Self::Certify(source) => source.kind(),
            Self::NoSuchEk | Self::CredentialTooLong { .. } => TpmErrorKind::Refused,
            Self::HierarchyDisabled { .. } => TpmErrorKind::HierarchyUnavailable,
            Self::NotProvisioned => TpmErrorKind::NotProvisioned,
            Self::CounterForeign { .. } => TpmErrorKind::CounterForeign,
            Self::CounterHalfMade => TpmErrorKind::CounterHalfMade,
            Self::AkChanged | Self::Garbage { .. } => TpmErrorKind::Garbage,
        }
    }

    /// The code in the catalog of words.
    pub fn code(&self) -> &'static str {
        self.kind().code()
    }
}
