//! The states as a table: how each is seen, what it does to the channels, and what leads
//! where. `docs/license-states.md` is made of this; a test walks it, another one drives a
//! box with a TPM along every line.

/// A [`LicenseState`](super::LicenseState) without what it names, in the order of codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StateKind {
    /// The box has no TPM that answers.
    NoTpm,
    /// The TPM refuses for a while after failed authorizations.
    TpmLockedOut,
    /// A TPM hierarchy is disabled, or has an owner's authorization.
    HierarchyUnavailable,
    /// The TPM is busy, or has no room in NV memory.
    TpmBusyOrFull,
    /// The license counter was never made.
    NotProvisioned,
    /// The counter's index belongs to something else, or was left half-made.
    CounterIndexForeign,
    /// Ready for a first license.
    Provisioned,
    /// A request was made and waits for its license.
    RequestMade,
    /// The license holds.
    Active,
    /// A smaller license is in use, and its proof has not reached the portal.
    ReducedReturnWaiting,
    /// The license was given back.
    Returned,
    /// The TPM was cleared, or its counter raised by hand; the cameras stay until then.
    TpmClearedGrace,
    /// The license is for another board: replaced, or the disk was cloned.
    OtherBoard,
    /// The same TPM shows another attestation key.
    AttestationKeyChanged,
    /// The file is older than what the counter shows, as from a restored backup.
    OlderLicense,
    /// The license starts later.
    NotYetValid,
    /// The license has ended.
    Expired,
    /// The clock disagrees with what the TPM attests.
    ClockUnsure,
    /// The key that signed the file is revoked.
    KeyRevoked,
    /// The data partition is locked.
    DataLocked,
    /// The dongle with the license is not plugged in.
    DongleMissing,
    /// A dongle is plugged in beside a software license.
    DongleAndSoftwareLicense,
    /// A MAC license stands beside a TPM license.
    MacAndTpmLicense,
    /// The stored license file can't be used: damaged, changed, or by an unknown key.
    StoredLicenseUnusable,
    /// The counter stands below the license's: the file was copied here without its
    /// import, or the TPM was set back, as a virtual one can be.
    CounterBehind,
    /// The TPM answers, but not as the specification says.
    TpmFault,
    /// Another box uses the same TPM.
    TpmShared,
    /// Whether another box uses the same TPM can't be seen: it has no SHA-256 PCRs.
    TpmSharingUnseen,
}

/// What a state does to the licensed channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channels {
    /// Those of the license may open.
    Open,
    /// They stay for seven days.
    OpenForAWeek,
    /// A busy TPM leaves them as they are for 24 hours in total; then they close.
    KeptForADay,
    /// None may open.
    Closed,
    /// The state stands beside another one that decides.
    Unchanged,
}

impl Channels {
    /// In a few words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::OpenForAWeek => "open for 7 days",
            Self::KeptForADay => "busy: as they are for 24 h in total, then closed; full: closed",
            Self::Closed => "closed",
            Self::Unchanged => "unchanged: a notice beside the state",
        }
    }
}

impl StateKind {
    /// Every one.
    pub const ALL: [Self; 28] = [
        Self::NoTpm,
        Self::TpmLockedOut,
        Self::HierarchyUnavailable,
        Self::TpmBusyOrFull,
        Self::NotProvisioned,
        Self::CounterIndexForeign,
        Self::Provisioned,
        Self::RequestMade,
        Self::Active,
        Self::ReducedReturnWaiting,
        Self::Returned,
        Self::TpmClearedGrace,
        Self::OtherBoard,
        Self::AttestationKeyChanged,
        Self::OlderLicense,
        Self::NotYetValid,
        Self::Expired,
        Self::ClockUnsure,
        Self::KeyRevoked,
        Self::DataLocked,
        Self::DongleMissing,
        Self::DongleAndSoftwareLicense,
        Self::MacAndTpmLicense,
        Self::StoredLicenseUnusable,
        Self::CounterBehind,
        Self::TpmFault,
        Self::TpmShared,
        Self::TpmSharingUnseen,
    ];

    /// The code in the words catalog.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoTpm => "SG-STA-001",
            Self::TpmLockedOut => "SG-STA-002",
            Self::HierarchyUnavailable => "SG-STA-003",
            Self::TpmBusyOrFull => "SG-STA-004",
            Self::NotProvisioned => "SG-STA-005",
            Self::CounterIndexForeign => "SG-STA-006",
            Self::Provisioned => "SG-STA-007",
            Self::RequestMade => "SG-STA-008",
            Self::Active => "SG-STA-009",
            Self::ReducedReturnWaiting => "SG-STA-010",
            Self::Returned => "SG-STA-011",
            Self::TpmClearedGrace => "SG-STA-012",
            Self::OtherBoard => "SG-STA-013",
            Self::AttestationKeyChanged => "SG-STA-014",
            Self::OlderLicense => "SG-STA-015",
            Self::NotYetValid => "SG-STA-016",
            Self::Expired => "SG-STA-017",
            Self::ClockUnsure => "SG-STA-018",
            Self::KeyRevoked => "SG-STA-019",
            Self::DataLocked => "SG-STA-020",
            Self::DongleMissing => "SG-STA-021",
            Self::DongleAndSoftwareLicense => "SG-STA-022",
            Self::MacAndTpmLicense => "SG-STA-023",
            Self::StoredLicenseUnusable => "SG-STA-024",
            Self::CounterBehind => "SG-STA-025",
            Self::TpmFault => "SG-STA-026",
            Self::TpmShared => "SG-STA-027",
            Self::TpmSharingUnseen => "SG-STA-028",
        }
    }

    /// How the box sees it.
    pub fn detection(self) -> &'static str {
        match self {
            Self::NoTpm => "The TPM can't be opened or doesn't answer.",
            Self::TpmLockedOut => "The TPM answers TPM_RC_LOCKOUT.",
            Self::HierarchyUnavailable => {
                "The TPM refuses an empty password, or says that the hierarchy is disabled."
            }
            Self::TpmBusyOrFull => {
                "The TPM answers with one of the retry codes, or has no NV space for the counter."
            }
            Self::NotProvisioned => {
                "NV index 0x01800A10 is undefined although the box has just made it."
            }
            Self::CounterIndexForeign => {
                "What is at NV index 0x01800A10 has other attributes, size or Name than the license counter."
            }
            Self::Provisioned => {
                "The counter is there; no license file is stored, and no request was made."
            }
            Self::RequestMade => "As above, and the note of a request is there.",
            Self::Active => {
                "Signature, activation secret, a fresh attestation of counter == `to`, and dates all hold."
            }
            Self::ReducedReturnWaiting => {
                "As active; the import lowered a count, and no request was made since."
            }
            Self::Returned => "As active, with a license of nothing.",
            Self::TpmClearedGrace => "As active, with a counter one or two past `to`.",
            Self::OtherBoard => {
                "The TPM has neither the license's attestation key nor its endorsement key."
            }
            Self::AttestationKeyChanged => {
                "The TPM has the license's endorsement key, but another attestation key."
            }
            Self::OlderLicense => "The attested counter is more than two past the license's `to`.",
            Self::NotYetValid => "The time is before the license's first instant.",
            Self::Expired => "The time is after the license's last instant.",
            Self::ClockUnsure => {
                "For a dated license: the clock is behind the attested floor, or jumped across one of its dates."
            }
            Self::KeyRevoked => {
                "A file was refused for its revoked key since the start, and no license is stored; or the key of the license in use is revoked."
            }
            Self::DataLocked => "The data folder of the configuration is no mount point.",
            Self::DongleMissing => "The stored license is bound to a dongle that doesn't answer.",
            Self::DongleAndSoftwareLicense => {
                "A dongle answers beside a license that is bound to the TPM."
            }
            Self::MacAndTpmLicense => {
                "A license that lists addresses is stored beside one that is bound to the TPM."
            }
            Self::StoredLicenseUnusable => {
                "The stored file can't be read, isn't the vendor's, or doesn't fit its activation secret."
            }
            Self::CounterBehind => "The attested counter is below the license's `to`.",
            Self::TpmFault => {
                "An answer of the TPM breaks the specification, or a signature of it doesn't verify."
            }
            Self::TpmShared => "The quoted PCR 8 isn't what this box made of it at start.",
            Self::TpmSharingUnseen => {
                "The TPM has no SHA-256 bank of PCRs, or refuses to extend or quote it."
            }
        }
    }

    /// What it does to the channels.
    pub fn channels(self) -> Channels {
        match self {
            Self::NoTpm
            | Self::TpmLockedOut
            | Self::HierarchyUnavailable
            | Self::NotProvisioned
            | Self::CounterIndexForeign
            | Self::Provisioned
            | Self::RequestMade
            | Self::Returned
            | Self::OtherBoard
            | Self::AttestationKeyChanged
            | Self::OlderLicense
            | Self::NotYetValid
            | Self::Expired
            | Self::ClockUnsure
            | Self::DataLocked
            | Self::DongleMissing
            | Self::StoredLicenseUnusable
            | Self::CounterBehind
            | Self::TpmFault
            | Self::TpmShared => Channels::Closed,
            Self::TpmBusyOrFull => Channels::KeptForADay,
            Self::Active | Self::ReducedReturnWaiting => Channels::Open,
            Self::TpmClearedGrace => Channels::OpenForAWeek,
            Self::KeyRevoked
            | Self::DongleAndSoftwareLicense
            | Self::MacAndTpmLicense
            | Self::TpmSharingUnseen => Channels::Unchanged,
        }
    }
}

/// What happens to a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Event {
    /// The box starts.
    BoxStarted,
    /// The counter is removed while the box looks at it.
    CounterVanished,
    /// A request is made.
    RequestExported,
    /// A license for this box is imported.
    LicenseImported,
    /// A license with less of any kind is imported.
    SmallerLicenseImported,
    /// A license of nothing is imported.
    EmptyLicenseImported,
    /// A file signed by a revoked key is refused.
    RevokedFileRefused,
    /// The key that signed the license in use is revoked.
    SigningKeyRevoked,
    /// The stored license file is damaged.
    FileDamaged,
    /// A license file is put in place by hand.
    FileCopiedIn,
    /// An older license file is restored.
    OlderFileRestored,
    /// The disk runs beside another TPM.
    DiskMoved,
    /// The disk is back beside its own TPM.
    DiskReturned,
    /// The stored license names another attestation key of this TPM.
    AttestationKeyDiffers,
    /// TPM2_Clear, or one or two increments by hand.
    TpmCleared,
    /// A date of the license is reached.
    DateReached,
    /// A time server puts a fast clock right.
    ClockCorrected,
    /// The clock is set back, or jumps across a date of the license.
    ClockSetBack,
    /// The clock is set right, and confirmed or kept by a time server.
    ClockConfirmed,
    /// The TPM stops answering.
    TpmGone,
    /// The TPM locks itself.
    TpmLocked,
    /// The lock-out ends.
    TpmUnlocked,
    /// A hierarchy gets a password or is disabled.
    HierarchyTaken,
    /// The hierarchy is enabled again, without a password.
    HierarchyFreed,
    /// The TPM asks to be asked again.
    TpmBusy,
    /// The TPM answers garbage.
    TpmGarbles,
    /// The TPM answers as it should.
    TpmAnswers,
    /// Another NV index is made in the counter's place.
    IndexTaken,
    /// That index is removed again.
    IndexFreed,
    /// Another box uses the same TPM.
    SharedByOther,
    /// The TPM runs without SHA-256 PCRs.
    PcrBankMissing,
    /// The SHA-256 PCRs are enabled.
    PcrBankEnabled,
    /// The data disk is not mounted.
    DataMountGone,
    /// The data disk is unlocked.
    DataMounted,
    /// A dongle is plugged in.
    DonglePlugged,
    /// The dongle is unplugged.
    DongleUnplugged,
    /// A license that lists addresses is imported beside the TPM's.
    MacLicenseAdded,
    /// That license is removed.
    MacLicenseRemoved,
}

impl Event {
    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Self::BoxStarted => "the box starts",
            Self::CounterVanished => "the counter is removed while the box looks at it",
            Self::RequestExported => "a request is made",
            Self::LicenseImported => "a license for this box is imported",
            Self::SmallerLicenseImported => "a license with less of any kind is imported",
            Self::EmptyLicenseImported => "a license of nothing is imported",
            Self::RevokedFileRefused => "a file signed by a revoked key is refused",
            Self::SigningKeyRevoked => "the key that signed the license in use is revoked",
            Self::FileDamaged => "the stored license file is damaged",
            Self::FileCopiedIn => "a license file is put in place by hand",
            Self::OlderFileRestored => "an older license file is restored",
            Self::DiskMoved => "the disk runs beside another TPM",
            Self::DiskReturned => "the disk is back beside its own TPM",
            Self::AttestationKeyDiffers => {
                "the stored license names another attestation key of this TPM"
            }
            Self::TpmCleared => "TPM2_Clear, or one or two increments by hand",
            Self::DateReached => "a date of the license is reached",
            Self::ClockCorrected => "a time server puts a fast clock right",
            Self::ClockSetBack => "the clock is set back, or jumps across a date of the license",
            Self::ClockConfirmed => {
                "the clock is set right, and confirmed or kept by a time server"
            }
            Self::TpmGone => "the TPM stops answering",
            Self::TpmLocked => "the TPM locks itself",
            Self::TpmUnlocked => "the lock-out ends",
            Self::HierarchyTaken => "a hierarchy gets a password or is disabled",
            Self::HierarchyFreed => "the hierarchy is enabled again, without a password",
            Self::TpmBusy => "the TPM asks to be asked again",
            Self::TpmGarbles => "the TPM answers garbage",
            Self::TpmAnswers => "the TPM answers as it should",
            Self::IndexTaken => "another NV index is made in the counter's place",
            Self::IndexFreed => "that index is removed again",
            Self::SharedByOther => "another box uses the same TPM",
            Self::PcrBankMissing => "the TPM runs without SHA-256 PCRs",
            Self::PcrBankEnabled => "the SHA-256 PCRs are enabled",
            Self::DataMountGone => "the data disk is not mounted",
            Self::DataMounted => "the data disk is unlocked",
            Self::DonglePlugged => "a dongle is plugged in",
            Self::DongleUnplugged => "the dongle is unplugged",
            Self::MacLicenseAdded => "a license that lists addresses is imported beside the TPM's",
            Self::MacLicenseRemoved => "that license is removed",
        }
    }
}

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Transition {
    /// From here,
    pub from: StateKind,
    /// by this,
    pub event: Event,
    /// to there.
    pub to: StateKind,
}

const fn line(from: StateKind, event: Event, to: StateKind) -> Transition {
    Transition { from, event, to }
}

/// Every transition that a box goes through. What the TPM, the disk or the clock does to
/// an active license, it does to a box in any other state too; the cure then leads back
/// to that one.
pub const TRANSITIONS: &[Transition] = {
    use Event as E;
    use StateKind as S;
    &[
        line(S::NotProvisioned, E::BoxStarted, S::Provisioned),
        line(S::Provisioned, E::RequestExported, S::RequestMade),
        line(S::RequestMade, E::LicenseImported, S::Active),
        line(S::RequestMade, E::RevokedFileRefused, S::KeyRevoked),
        line(S::KeyRevoked, E::LicenseImported, S::Active),
        line(S::RequestMade, E::FileCopiedIn, S::CounterBehind),
        line(S::CounterBehind, E::LicenseImported, S::Active),
        line(
            S::Active,
            E::SmallerLicenseImported,
            S::ReducedReturnWaiting,
        ),
        line(S::ReducedReturnWaiting, E::RequestExported, S::Active),
        line(S::Active, E::EmptyLicenseImported, S::Returned),
        line(S::Returned, E::LicenseImported, S::Active),
        line(S::Active, E::TpmCleared, S::TpmClearedGrace),
        line(S::TpmClearedGrace, E::LicenseImported, S::Active),
        line(S::Active, E::DiskMoved, S::OtherBoard),
        line(S::OtherBoard, E::DiskReturned, S::Active),
        line(S::OtherBoard, E::LicenseImported, S::Active),
        line(
            S::Active,
            E::AttestationKeyDiffers,
            S::AttestationKeyChanged,
        ),
        line(S::AttestationKeyChanged, E::LicenseImported, S::Active),
        line(S::Active, E::OlderFileRestored, S::OlderLicense),
        line(S::OlderLicense, E::LicenseImported, S::Active),
        line(S::Active, E::FileDamaged, S::StoredLicenseUnusable),
        line(S::StoredLicenseUnusable, E::LicenseImported, S::Active),
        line(S::Active, E::ClockCorrected, S::NotYetValid),
        line(S::NotYetValid, E::DateReached, S::Active),
        line(S::Active, E::ClockSetBack, S::ClockUnsure),
        line(S::ClockUnsure, E::ClockConfirmed, S::Active),
        line(S::Active, E::DateReached, S::Expired),
        line(S::Expired, E::LicenseImported, S::Active),
        line(S::Active, E::SigningKeyRevoked, S::KeyRevoked),
        line(S::Active, E::TpmGone, S::NoTpm),
        line(S::NoTpm, E::TpmAnswers, S::Active),
        line(S::Active, E::TpmLocked, S::TpmLockedOut),
        line(S::TpmLockedOut, E::TpmUnlocked, S::Active),
        line(S::Active, E::HierarchyTaken, S::HierarchyUnavailable),
        line(S::HierarchyUnavailable, E::HierarchyFreed, S::Active),
        line(S::Active, E::TpmBusy, S::TpmBusyOrFull),
        line(S::TpmBusyOrFull, E::TpmAnswers, S::Active),
        line(S::Active, E::TpmGarbles, S::TpmFault),
        line(S::TpmFault, E::TpmAnswers, S::Active),
        line(S::Active, E::CounterVanished, S::NotProvisioned),
        line(S::NotProvisioned, E::BoxStarted, S::TpmClearedGrace),
        line(S::Active, E::IndexTaken, S::CounterIndexForeign),
        line(S::CounterIndexForeign, E::IndexFreed, S::TpmClearedGrace),
        line(S::Active, E::SharedByOther, S::TpmShared),
        line(S::TpmShared, E::BoxStarted, S::Active),
        line(S::Active, E::PcrBankMissing, S::TpmSharingUnseen),
        line(S::TpmSharingUnseen, E::PcrBankEnabled, S::Active),
        line(S::Active, E::DataMountGone, S::DataLocked),
        line(S::DataLocked, E::DataMounted, S::Active),
        line(S::Active, E::DongleUnplugged, S::DongleMissing),
        line(S::DongleMissing, E::DonglePlugged, S::Active),
        line(S::Active, E::DonglePlugged, S::DongleAndSoftwareLicense),
        line(S::DongleAndSoftwareLicense, E::DongleUnplugged, S::Active),
        line(S::Active, E::MacLicenseAdded, S::MacAndTpmLicense),
        line(S::MacAndTpmLicense, E::MacLicenseRemoved, S::Active),
    ]
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Everything that `from` leads to along the table, or, `backwards`, what leads to it.
    fn reach(from: StateKind, backwards: bool) -> BTreeSet<StateKind> {
        let mut reached = BTreeSet::from([from]);
        loop {
            let before = reached.len();
            for line in TRANSITIONS {
                let (a, b) = if backwards {
                    (line.to, line.from)
                } else {
                    (line.from, line.to)
                };
                if reached.contains(&a) {
                    reached.insert(b);
                }
            }
            if reached.len() == before {
                return reached;
            }
        }
    }

    #[test]
    fn a_new_box_can_come_into_every_state_and_out_of_each_again() {
        let all: BTreeSet<_> = StateKind::ALL.into_iter().collect();
        assert_eq!(all.len(), StateKind::ALL.len());
        assert_eq!(reach(StateKind::NotProvisioned, false), all);
        assert_eq!(reach(StateKind::Active, true), all);
    }

    #[test]
    fn one_event_leads_to_one_state() {
        let mut seen = BTreeSet::new();
        for line in TRANSITIONS {
            // Whether a license was there before the counter vanished is known to the disk.
            let known = line.from == StateKind::NotProvisioned;
            assert!(seen.insert((line.from, line.event)) || known, "{line:?}");
            assert_ne!(line.from, line.to);
        }
    }

    #[test]
    fn codes_are_in_order() {
        let codes: Vec<_> = StateKind::ALL.map(StateKind::code).into();
        assert!(codes.is_sorted());
    }
}
