//! States and TPM failures in words.

use jiff::Timestamp;
use sealgate_license::state::LicenseState;
use sealgate_tpm::TpmErrorKind;
use sealgate_words::{Problem, catalog};

/// A state in words. [`LicenseState::Active`] and its like are problems in form only:
/// their cure is that nothing has to be done.
pub fn state_problem(state: &LicenseState) -> Problem {
    let mut values: Vec<(&str, String)> = Vec::new();
    match state {
        LicenseState::NoTpm
        | LicenseState::TpmLockedOut
        | LicenseState::HierarchyUnavailable
        | LicenseState::TpmBusyOrFull
        | LicenseState::NotProvisioned
        | LicenseState::CounterIndexForeign
        | LicenseState::Provisioned
        | LicenseState::ClockUnsure
        | LicenseState::DataLocked
        | LicenseState::DongleMissing
        | LicenseState::DongleAndSoftwareLicense
        | LicenseState::MacAndTpmLicense
        | LicenseState::TpmFault
        | LicenseState::TpmShared
        | LicenseState::TpmSharingUnseen => {}
        LicenseState::RequestMade { created_at } => {
            values.push(("created_at", date(*created_at)));
        }
        LicenseState::Active {
            license_id,
            revision,
            camera_channels,
        }
        | LicenseState::ReducedReturnWaiting {
            license_id,
            revision,
            camera_channels,
        } => {
            values.push(("license_id", license_id.clone()));
            values.push(("revision", revision.to_string()));
            values.push(("camera_channels", camera_channels.to_string()));
        }
        LicenseState::TpmClearedGrace {
            license_id,
            revision,
            camera_channels,
            until,
        } => {
            values.push(("license_id", license_id.clone()));
            values.push(("revision", revision.to_string()));
            values.push(("camera_channels", camera_channels.to_string()));
            values.push(("until", date(*until)));
        }
        LicenseState::Returned { license_id }
        | LicenseState::OtherBoard { license_id }
        | LicenseState::AttestationKeyChanged { license_id } => {
            values.push(("license_id", license_id.clone()));
        }
        LicenseState::OlderLicense {
            license_id,
            revision,
        }
        | LicenseState::CounterBehind {
            license_id,
            revision,
        } => {
            values.push(("license_id", license_id.clone()));
            values.push(("revision", revision.to_string()));
        }
        LicenseState::NotYetValid {
            license_id,
            not_before,
        } => {
            values.push(("license_id", license_id.clone()));
            values.push(("not_before", date(*not_before)));
        }
        LicenseState::Expired {
            license_id,
            not_after,
        } => {
            values.push(("license_id", license_id.clone()));
            values.push(("not_after", date(*not_after)));
        }
        LicenseState::KeyRevoked { key_id } => values.push(("key_id", key_id.clone())),
        LicenseState::StoredLicenseUnusable { code } => values.push(("code", code.clone())),
    }
    let values: Vec<(&str, &str)> = values
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    words(state.code(), &values)
}

/// A failure of the TPM in words.
pub fn tpm_problem(kind: TpmErrorKind) -> Problem {
    words(kind.code(), &[])
}

fn words(code: &str, values: &[(&str, &str)]) -> Problem {
    catalog::find(code)
        .expect("a test walks every state and every kind")
        .problem(values)
}

/// An absolute date that reads the same everywhere: the box does not know the reader's
/// time zone.
pub fn date(time: Timestamp) -> String {
    time.strftime("%-d %B %Y, %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use sealgate_license::state::StateKind;

    use super::*;

    fn every_state() -> Vec<LicenseState> {
        let license_id = || "L-2041".to_owned();
        let time = Timestamp::UNIX_EPOCH;
        vec![
            LicenseState::NoTpm,
            LicenseState::TpmLockedOut,
            LicenseState::HierarchyUnavailable,
            LicenseState::TpmBusyOrFull,
            LicenseState::NotProvisioned,
            LicenseState::CounterIndexForeign,
            LicenseState::Provisioned,
            LicenseState::RequestMade { created_at: time },
            LicenseState::Active {
                license_id: license_id(),
                revision: 2,
                camera_channels: 32,
            },
            LicenseState::ReducedReturnWaiting {
                license_id: license_id(),
                revision: 2,
                camera_channels: 32,
            },
            LicenseState::Returned {
                license_id: license_id(),
            },
            LicenseState::TpmClearedGrace {
                license_id: license_id(),
                revision: 2,
                camera_channels: 32,
                until: time,
            },
            LicenseState::OtherBoard {
                license_id: license_id(),
            },
            LicenseState::AttestationKeyChanged {
                license_id: license_id(),
            },
            LicenseState::OlderLicense {
                license_id: license_id(),
                revision: 2,
            },
            LicenseState::NotYetValid {
                license_id: license_id(),
                not_before: time,
            },
            LicenseState::Expired {
                license_id: license_id(),
                not_after: time,
            },
            LicenseState::ClockUnsure,
            LicenseState::KeyRevoked {
                key_id: "abc".to_owned(),
            },
            LicenseState::DataLocked,
            LicenseState::DongleMissing,
            LicenseState::DongleAndSoftwareLicense,
            LicenseState::MacAndTpmLicense,
            LicenseState::StoredLicenseUnusable {
                code: "SG-LIC-001".to_owned(),
            },
            LicenseState::CounterBehind {
                license_id: license_id(),
                revision: 2,
            },
            LicenseState::TpmFault,
            LicenseState::TpmShared,
            LicenseState::TpmSharingUnseen,
        ]
    }

    #[test]
    fn every_state_has_its_words_and_no_gap_in_them() {
        let kinds: Vec<_> = every_state().iter().map(LicenseState::kind).collect();
        assert_eq!(kinds, StateKind::ALL);
        for (number, state) in (1..).zip(every_state()) {
            assert_eq!(state.code(), format!("SG-STA-{number:03}"));
            let problem = state_problem(&state);
            for text in [&problem.cause, &problem.effect, &problem.cure] {
                assert!(!text.contains(['{', '}']), "{}: {text}", problem.code);
            }
        }
    }

    #[test]
    fn every_tpm_failure_has_its_words() {
        for kind in [
            TpmErrorKind::Absent,
            TpmErrorKind::LockedOut,
            TpmErrorKind::HierarchyUnavailable,
            TpmErrorKind::Busy,
            TpmErrorKind::NoNvSpace,
            TpmErrorKind::NotProvisioned,
            TpmErrorKind::CounterForeign,
            TpmErrorKind::CounterHalfMade,
            TpmErrorKind::Refused,
            TpmErrorKind::Garbage,
        ] {
            assert!(!tpm_problem(kind).cause.contains('{'));
        }
    }

    #[test]
    fn dates_are_absolute() {
        assert_eq!(date(Timestamp::UNIX_EPOCH), "1 January 1970, 00:00 UTC");
    }
}
