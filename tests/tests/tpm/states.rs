//! A box with a TPM, driven along every line of the table of states.

use std::{collections::BTreeSet, path::Path};

use jiff::Timestamp;
use sealgate_license::{
    attestation_quote::extended,
    entitlements::Entitlements,
    license_document::Validity,
    request_document::SignedRequest,
    state::{Event as E, LicenseState, StateKind as S, TRANSITIONS, Transition},
    tpm_wire::{NV_AUTHREAD, NV_AUTHWRITE, NV_NO_DA, TpmPublic},
};
use sealgate_supervisor::license::{CheckOutcome, LicenseBox};
use sealgate_tests::swtpm::Swtpm;

use crate::{
    bench::{Bench, Vendor, binding, clear, days, define_counter, refusal, undefine_counter},
    owner::{advance_tpm_clock, allocate_sha256_pcrs, enable, undefine_counter_command},
    proxy::{Proxy, Reaction, answer},
};

type Line = (S, E, S);

const LIFE: &[Line] = &[
    (S::NotProvisioned, E::BoxStarted, S::Provisioned),
    (S::Provisioned, E::RequestExported, S::RequestMade),
    (S::RequestMade, E::LicenseImported, S::Active),
    (S::Active, E::SigningKeyRevoked, S::KeyRevoked),
    (S::KeyRevoked, E::LicenseImported, S::Active),
    (
        S::Active,
        E::SmallerLicenseImported,
        S::ReducedReturnWaiting,
    ),
    (S::ReducedReturnWaiting, E::RequestExported, S::Active),
    (S::Active, E::EmptyLicenseImported, S::Returned),
    (S::Returned, E::LicenseImported, S::Active),
    (S::Active, E::TpmCleared, S::TpmClearedGrace),
    (S::TpmClearedGrace, E::LicenseImported, S::Active),
];
const FILES: &[Line] = &[
    (S::RequestMade, E::RevokedFileRefused, S::KeyRevoked),
    (S::RequestMade, E::FileCopiedIn, S::CounterBehind),
    (S::CounterBehind, E::LicenseImported, S::Active),
    (S::Active, E::OlderFileRestored, S::OlderLicense),
    (S::OlderLicense, E::LicenseImported, S::Active),
    (S::Active, E::FileDamaged, S::StoredLicenseUnusable),
    (S::StoredLicenseUnusable, E::LicenseImported, S::Active),
    (
        S::Active,
        E::AttestationKeyDiffers,
        S::AttestationKeyChanged,
    ),
    (S::AttestationKeyChanged, E::LicenseImported, S::Active),
    (S::Active, E::DiskMoved, S::OtherBoard),
    (S::OtherBoard, E::DiskReturned, S::Active),
    (S::OtherBoard, E::LicenseImported, S::Active),
];
const TIME: &[Line] = &[
    (S::Active, E::ClockCorrected, S::NotYetValid),
    (S::NotYetValid, E::DateReached, S::Active),
    (S::Active, E::ClockSetBack, S::ClockUnsure),
    (S::ClockUnsure, E::ClockConfirmed, S::Active),
    (S::Active, E::DateReached, S::Expired),
    (S::Expired, E::LicenseImported, S::Active),
];
const TPM: &[Line] = &[
    (S::Active, E::TpmGone, S::NoTpm),
    (S::NoTpm, E::TpmAnswers, S::Active),
    (S::Active, E::TpmLocked, S::TpmLockedOut),
    (S::TpmLockedOut, E::TpmUnlocked, S::Active),
    (S::Active, E::HierarchyTaken, S::HierarchyUnavailable),
    (S::HierarchyUnavailable, E::HierarchyFreed, S::Active),
    (S::Active, E::TpmBusy, S::TpmBusyOrFull),
    (S::TpmBusyOrFull, E::TpmAnswers, S::Active),
    (S::Active, E::TpmGarbles, S::TpmFault),
    (S::TpmFault, E::TpmAnswers, S::Active),
    (S::Active, E::CounterVanished, S::NotProvisioned),
    (S::NotProvisioned, E::BoxStarted, S::TpmClearedGrace),
    (S::Active, E::IndexTaken, S::CounterIndexForeign),
    (S::CounterIndexForeign, E::IndexFreed, S::TpmClearedGrace),
];
const SURROUNDINGS: &[Line] = &[
    (S::Active, E::SharedByOther, S::TpmShared),
    (S::TpmShared, E::BoxStarted, S::Active),
    (S::Active, E::PcrBankMissing, S::TpmSharingUnseen),
    (S::TpmSharingUnseen, E::PcrBankEnabled, S::Active),
    (S::Active, E::DataMountGone, S::DataLocked),
    (S::DataLocked, E::DataMounted, S::Active),
];
/// Driven where dongles and lists of addresses are tested.
const OTHER_BINDINGS: &[S] = &[
    S::DongleMissing,
    S::DongleAndSoftwareLicense,
    S::MacAndTpmLicense,
];

fn lines(of: &[Line]) -> BTreeSet<Transition> {
    of.iter()
        .map(|&(from, event, to)| Transition { from, event, to })
        .collect()
}

#[test]
fn every_line_of_the_table_is_driven() {
    let driven: BTreeSet<_> = [LIFE, FILES, TIME, TPM, SURROUNDINGS]
        .into_iter()
        .flat_map(lines)
        .collect();
    let wanted: BTreeSet<_> = TRANSITIONS
        .iter()
        .copied()
        .filter(|line| {
            !OTHER_BINDINGS
                .iter()
                .any(|s| [line.from, line.to].contains(s))
        })
        .collect();
    assert_eq!(driven, wanted);
}

/// What happened to a box, one line after the other.
struct Story {
    now: S,
    seen: BTreeSet<Transition>,
}

impl Story {
    fn from(now: S) -> Self {
        Self {
            now,
            seen: BTreeSet::new(),
        }
    }

    /// The check after an event finds this state, or this notice, and closes or opens as
    /// the table says.
    #[track_caller]
    fn goes(&mut self, event: E, to: S, found: &CheckOutcome) {
        use sealgate_license::state::Channels;
        let noticed = found.notices.iter().any(|notice| notice.kind() == to);
        assert!(
            found.state.kind() == to || noticed,
            "{event:?} led to {:?} with {:?}",
            found.state,
            found.notices
        );
        let is_open = found.bound.is_some();
        match to.channels() {
            Channels::Open | Channels::OpenForAWeek => assert!(is_open, "{to:?}"),
            Channels::Closed => assert!(!is_open && !found.keep_last_decision, "{to:?}"),
            Channels::KeptForADay => assert!(!is_open && found.keep_last_decision, "{to:?}"),
            Channels::Unchanged => {}
        }
        let from = self.now;
        self.seen.insert(Transition { from, event, to });
        self.now = to;
    }

    /// Back to where the next event begins, without a line of its own.
    #[track_caller]
    fn is_again(&mut self, state: S, found: &CheckOutcome) {
        assert_eq!(found.state.kind(), state);
        self.now = state;
    }

    #[track_caller]
    fn was(&self, wanted: &[Line]) {
        assert_eq!(self.seen, lines(wanted));
    }
}

fn import(nvr: &mut LicenseBox, text: &str) -> CheckOutcome {
    nvr.import(text.as_bytes(), false).unwrap();
    nvr.check()
}

#[test]
fn the_life_of_a_license() {
    let mut story = Story::from(S::NotProvisioned);
    let mut bench = Bench::new();
    let mut nvr = bench.start();
    story.goes(E::BoxStarted, S::Provisioned, &nvr.boot());
    let license = bench.license(64);
    story.goes(E::RequestExported, S::RequestMade, &nvr.check());
    let found = import(&mut nvr, &license.text);
    story.goes(E::LicenseImported, S::Active, &found);

    // A later firmware revokes the key: the license in use goes on.
    let revoking = bench.vendor.roots_revoking_itself();
    let mut nvr = bench.start_with(bench.swtpm.address(), revoking.clone());
    let found = nvr.boot();
    assert!(matches!(found.state, LicenseState::Active { .. }) && found.bound.is_some());
    story.goes(E::SigningKeyRevoked, S::KeyRevoked, &found);
    bench.vendor = Vendor::lab_with_next_key();
    let renewed = bench.license(64);
    let found = import(&mut nvr, &renewed.text);
    assert!(found.notices.is_empty());
    story.goes(E::LicenseImported, S::Active, &found);

    // 64 -> 32: waiting, until a request carries the proof.
    let reduced = bench.license(32);
    let found = import(&mut nvr, &reduced.text);
    assert_eq!(
        found
            .bound
            .as_ref()
            .unwrap()
            .entitlements()
            .camera_channels(),
        32
    );
    story.goes(E::SmallerLicenseImported, S::ReducedReturnWaiting, &found);
    // The same file again changes nothing of that; nor does a restart.
    let found = import(&mut nvr, &reduced.text);
    story.is_again(S::ReducedReturnWaiting, &found);
    let mut nvr = bench.start_with(bench.swtpm.address(), revoking);
    story.is_again(S::ReducedReturnWaiting, &nvr.boot());
    let request = SignedRequest::parse(nvr.export_request(32, 32).unwrap()).unwrap();
    assert!(request.verify().unwrap().proves(&reduced.secret));
    story.goes(E::RequestExported, S::Active, &nvr.check());

    // Everything is given back.
    let empty = bench.license(0);
    let found = import(&mut nvr, &empty.text);
    assert_eq!(found.notices.len(), 1, "the return is not proven yet");
    story.goes(E::EmptyLicenseImported, S::Returned, &found);
    let more = bench.license(8);
    assert!(nvr.check().notices.is_empty(), "the request was the proof");
    let found = import(&mut nvr, &more.text);
    story.goes(E::LicenseImported, S::Active, &found);

    clear(&bench.swtpm.address());
    story.goes(E::TpmCleared, S::TpmClearedGrace, &nvr.check());
    let again = bench.license(8);
    let found = import(&mut nvr, &again.text);
    story.goes(E::LicenseImported, S::Active, &found);
    story.was(LIFE);
}

/// Fewer of any kind is a return; more of another kind makes no difference.
#[test]
fn less_of_any_kind_is_a_return() {
    let counts = |pairs: &[(&str, u32)]| Entitlements {
        counts: pairs
            .iter()
            .map(|(kind, n)| ((*kind).to_owned(), *n))
            .collect(),
        ..Entitlements::default()
    };
    let before = counts(&[("camera", 32), ("vca", 4)]);
    for (after, is_less) in [
        (counts(&[("camera", 32), ("vca", 4)]), false),
        (counts(&[("camera", 64), ("vca", 3)]), true),
        (counts(&[("camera", 64)]), true),
        (counts(&[("camera", 32), ("vca", 4), ("pos", 1)]), false),
    ] {
        assert_eq!(after.is_less_than(&before), is_less, "{after:?}");
    }
    assert!(counts(&[("camera", 0)]).is_nothing());
    assert!(!before.is_nothing());
}

#[test]
fn files_and_boards() {
    let mut story = Story::from(S::RequestMade);
    let bench = Bench::new();
    let mut nvr = bench.start();
    nvr.boot();
    let first = bench.license(32);
    let mut revoking =
        bench.start_with(bench.swtpm.address(), bench.vendor.roots_revoking_itself());
    assert_eq!(
        refusal(revoking.import(first.text.as_bytes(), true)),
        "SG-LIC-003"
    );
    story.goes(E::RevokedFileRefused, S::KeyRevoked, &revoking.check());

    bench.put("active.lic", &first.text);
    story.now = S::RequestMade;
    story.goes(E::FileCopiedIn, S::CounterBehind, &nvr.check());
    let found = import(&mut nvr, &first.text);
    story.goes(E::LicenseImported, S::Active, &found);

    let second = bench.license(32);
    let found = import(&mut nvr, &second.text);
    story.is_again(S::Active, &found);
    bench.put("active.lic", &first.text);
    story.goes(E::OlderFileRestored, S::OlderLicense, &nvr.check());
    let found = import(&mut nvr, &second.text);
    story.goes(E::LicenseImported, S::Active, &found);

    bench.put("active.lic", &second.text[..300]);
    story.goes(E::FileDamaged, S::StoredLicenseUnusable, &nvr.check());
    let found = import(&mut nvr, &second.text);
    story.goes(E::LicenseImported, S::Active, &found);

    // As if a new firmware of the TPM derived another key.
    let request = nvr.export_request(0, 32).unwrap();
    let foreign = bench.vendor.issue_with(&request, 32, |payload| {
        let binding = binding(payload);
        binding.ak_name = binding.ek_name.clone();
    });
    bench.put("active.lic", &foreign.text);
    story.goes(
        E::AttestationKeyDiffers,
        S::AttestationKeyChanged,
        &nvr.check(),
    );
    let found = import(&mut nvr, &second.text);
    story.goes(E::LicenseImported, S::Active, &found);

    let other = Swtpm::start_fresh().unwrap();
    let mut moved = bench.start_on(other.address());
    story.goes(E::DiskMoved, S::OtherBoard, &moved.boot());
    story.goes(E::DiskReturned, S::Active, &nvr.check());
    story.is_again(S::OtherBoard, &moved.check());
    let request = moved.export_request(0, 32).unwrap();
    let license = bench.vendor.issue(&request, 32);
    let found = import(&mut moved, &license.text);
    story.goes(E::LicenseImported, S::Active, &found);
    story.was(FILES);
}

fn at(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

#[test]
fn a_license_with_dates() {
    let mut story = Story::from(S::Active);
    let bench = Bench::new();
    let mut nvr = bench.start();
    nvr.boot();
    let request = nvr.export_request(0, 8).unwrap();
    let dated = bench.vendor.issue_with(&request, 8, |payload| {
        payload.validity = Validity {
            not_before: Some("2026-11-26T00:00:00Z".parse().unwrap()),
            not_after: Some("2026-12-24T00:00:00Z".parse().unwrap()),
            ..Validity::default()
        };
    });
    assert_eq!(
        refusal(nvr.import(dated.text.as_bytes(), true)),
        "SG-LIC-015"
    );
    // The clock is fast, as a time server finds out later.
    bench.clock.set_utc_ms(at("2026-11-27T00:00:00Z"));
    let found = import(&mut nvr, &dated.text);
    story.is_again(S::Active, &found);
    bench.clock.set_utc_ms(at("2026-11-24T08:00:00Z"));
    story.goes(E::ClockCorrected, S::NotYetValid, &nvr.check());
    bench.clock.set_utc_ms(at("2026-11-26T08:00:00Z"));
    story.goes(E::DateReached, S::Active, &nvr.check());

    // Without a time server, ten days on.
    bench.clock.set_synchronised(false);
    let ten_days_ms = 10 * 24 * 3_600_000;
    advance_tpm_clock(&bench, ten_days_ms);
    bench.clock.advance(days(10));
    story.is_again(S::Active, &nvr.check());
    bench.clock.set_utc_ms(at("2026-11-27T00:00:00Z"));
    story.goes(E::ClockSetBack, S::ClockUnsure, &nvr.check());
    assert_eq!(nvr.confirm_clock().unwrap_err().code(), "SG-LIC-030");
    assert_eq!(nvr.check().state, LicenseState::ClockUnsure);
    // A restart forgets nothing of it.
    assert_eq!(bench.start().boot().state, LicenseState::ClockUnsure);

    // The owner mistypes the year, and then the clock is right again.
    bench.clock.set_utc_ms(at("2062-12-06T08:00:00Z"));
    assert_eq!(nvr.check().state, LicenseState::ClockUnsure);
    nvr.confirm_clock().unwrap();
    assert!(matches!(nvr.check().state, LicenseState::Expired { .. }));
    bench.clock.set_utc_ms(at("2026-12-06T08:00:00Z"));
    story.is_again(S::ClockUnsure, &nvr.check());
    nvr.confirm_clock().unwrap();
    story.goes(E::ClockConfirmed, S::Active, &nvr.check());

    bench.clock.set_synchronised(true);
    bench.clock.advance(days(20));
    story.goes(E::DateReached, S::Expired, &nvr.check());
    let perpetual = bench.license(8);
    let found = import(&mut nvr, &perpetual.text);
    story.goes(E::LicenseImported, S::Active, &found);
    story.was(TIME);

    // No clock touches a perpetual license.
    bench.clock.set_synchronised(false);
    for wrong in ["1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z"] {
        bench.clock.set_utc_ms(at(wrong));
        let found = bench.start().boot();
        assert!(matches!(found.state, LicenseState::Active { .. }) && found.bound.is_some());
    }
}

/// The clock alone neither ends nor prolongs the days of grace; the TPM's own time does.
#[test]
fn the_grace_is_counted_by_the_tpm() {
    let (bench, _) = Bench::licensed(8);
    clear(&bench.swtpm.address());
    bench.clock.set_synchronised(false);
    assert!(bench.start().boot().bound.is_some());
    for wrong in ["2100-01-01T00:00:00Z", "1970-01-01T00:00:00Z"] {
        bench.clock.set_utc_ms(at(wrong));
        assert!(bench.start().boot().bound.is_some(), "{wrong}");
    }
    advance_tpm_clock(&bench, 6 * 24 * 3_600_000);
    assert!(bench.start().boot().bound.is_some());
    // Cleared once more, the TPM's clock begins anew: the six days stay used.
    clear(&bench.swtpm.address());
    assert!(bench.start().boot().bound.is_some());
    advance_tpm_clock(&bench, 25 * 3_600_000);
    let found = bench.start().boot();
    assert_eq!(found.state.kind(), S::TpmClearedGrace);
    assert!(found.bound.is_none());
}

#[test]
fn what_the_tpm_does() {
    let mut story = Story::from(S::Active);
    let (mut bench, _) = Bench::licensed(8);
    let proxy = Proxy::before(&bench.swtpm.address());
    let mut nvr = bench.start_on(proxy.address());
    story.is_again(S::Active, &nvr.boot());
    let address = bench.swtpm.address();

    proxy.answer_all(0x921);
    story.goes(E::TpmLocked, S::TpmLockedOut, &nvr.check());
    proxy.pass();
    story.goes(E::TpmUnlocked, S::Active, &nvr.check());

    for owner in [true, false] {
        enable(&address, owner, false);
        story.goes(E::HierarchyTaken, S::HierarchyUnavailable, &nvr.check());
        enable(&address, owner, true);
        story.goes(E::HierarchyFreed, S::Active, &nvr.check());
    }

    for code in [0x922, 0x908, 0x90A, 0x923, 0x920] {
        proxy.answer_all(code);
        story.goes(E::TpmBusy, S::TpmBusyOrFull, &nvr.check());
        proxy.pass();
        story.goes(E::TpmAnswers, S::Active, &nvr.check());
    }

    // The proof of another question.
    proxy.on_command(|code, _| match code {
        0x184 => Reaction::Flip(8 * 100),
        _ => Reaction::Pass,
    });
    story.goes(E::TpmGarbles, S::TpmFault, &nvr.check());
    proxy.pass();
    story.goes(E::TpmAnswers, S::Active, &nvr.check());

    // Somebody removes the counter between two looks at it.
    let mut looks = 0;
    proxy.on_command(move |code, command| {
        // TPM2_GetCapability of handles.
        looks += u32::from(code == 0x17A && command[13] == 1);
        match looks {
            2 => {
                looks = 100;
                Reaction::First(undefine_counter_command())
            }
            _ => Reaction::Pass,
        }
    });
    let found = nvr.check();
    proxy.pass();
    story.goes(E::CounterVanished, S::NotProvisioned, &found);
    story.goes(E::BoxStarted, S::TpmClearedGrace, &bench.start().boot());
    let again = bench.license(8);
    let found = import(&mut nvr, &again.text);
    story.is_again(S::Active, &found);

    undefine_counter(&address);
    define_counter(&address, NV_AUTHWRITE | NV_AUTHREAD | NV_NO_DA, 8);
    story.goes(E::IndexTaken, S::CounterIndexForeign, &nvr.check());
    undefine_counter(&address);
    story.goes(E::IndexFreed, S::TpmClearedGrace, &nvr.check());
    let again = bench.license(8);
    let found = import(&mut nvr, &again.text);
    story.is_again(S::Active, &found);

    bench.swtpm.cut_power().unwrap();
    story.goes(E::TpmGone, S::NoTpm, &nvr.check());
    bench.swtpm.power_on().unwrap();
    story.goes(E::TpmAnswers, S::Active, &bench.start().check());

    story.was(TPM);
}

fn tied(bench: &Bench, run: &Path) -> LicenseBox {
    bench.start().with_run_folder(run)
}

#[test]
fn what_is_around_the_box() {
    let mut story = Story::from(S::Active);
    let (mut bench, _) = Bench::licensed(8);
    let run = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        // A supervisor that is started again goes on with the note.
        let mut nvr = tied(&bench, run.path());
        for _ in 0..2 {
            let found = nvr.check();
            assert!(found.notices.is_empty());
            story.is_again(S::Active, &found);
        }
    }
    let marked = bench.tpm().sharing_pcr().unwrap();
    assert_ne!(marked, Some([0; 32]));

    // Another box with the same TPM: its own disk and its own run folder.
    let elsewhere = tempfile::tempdir().unwrap();
    assert_eq!(
        tied(&bench, elsewhere.path()).boot().state.kind(),
        S::Active
    );
    story.goes(
        E::SharedByOther,
        S::TpmShared,
        &tied(&bench, run.path()).check(),
    );
    // It stays so for a supervisor that is started again.
    story.is_again(S::TpmShared, &tied(&bench, run.path()).boot());
    // The machine is restarted: the TPM is reset, the run folder is empty.
    bench.swtpm.power_on().unwrap();
    let run = tempfile::tempdir().unwrap();
    story.goes(E::BoxStarted, S::Active, &tied(&bench, run.path()).boot());

    // Woken from hibernation: the TPM was reset, the run folder was not.
    bench.swtpm.power_on().unwrap();
    let mut nvr = tied(&bench, run.path());
    let found = nvr.check();
    assert!(found.notices.is_empty());
    story.is_again(S::Active, &found);
    story.is_again(S::Active, &nvr.check());

    // A PCR bank that is not there is no reason to stop recording.
    allocate_sha256_pcrs(&bench.swtpm.address(), false);
    bench.swtpm.power_on().unwrap();
    let found = tied(&bench, run.path()).check();
    assert!(found.bound.is_some());
    story.goes(E::PcrBankMissing, S::TpmSharingUnseen, &found);
    allocate_sha256_pcrs(&bench.swtpm.address(), true);
    bench.swtpm.power_on().unwrap();
    let found = tied(&bench, run.path()).check();
    assert!(found.notices.is_empty());
    story.goes(E::PcrBankEnabled, S::Active, &found);

    let folder = tempfile::tempdir().unwrap();
    let found = bench.start().with_data_mount(folder.path()).check();
    story.goes(E::DataMountGone, S::DataLocked, &found);
    let found = bench.start().with_data_mount("/proc").check();
    story.goes(E::DataMounted, S::Active, &found);
    story.was(SURROUNDINGS);
}

/// The supervisor is killed between its note and the extension of the PCR.
#[test]
fn killed_before_the_pcr_was_extended() {
    let (bench, _) = Bench::licensed(8);
    let run = tempfile::tempdir().unwrap();
    let request = bench.start().export_request(0, 8).unwrap();
    let request = SignedRequest::parse(request).unwrap().verify().unwrap();
    let ak = TpmPublic::parse(&bench.tpm().ak_public().unwrap()).unwrap();
    let before = bench.tpm().sharing_pcr().unwrap().unwrap();
    let note = serde_json::json!({
        "ak_name": ak.name().to_string(),
        "reset_count": request.counter().reset_count,
        "restart_count": request.counter().restart_count,
        "before": before,
        "by": vec![7; 32],
    });
    std::fs::write(run.path().join("pcr"), note.to_string()).unwrap();
    let found = tied(&bench, run.path()).boot();
    assert_eq!(found.state.kind(), S::Active);
    assert_eq!(
        bench.tpm().sharing_pcr().unwrap(),
        Some(extended(&before, &[7; 32]))
    );
    // A torn note is as good as none.
    std::fs::write(run.path().join("pcr"), &note.to_string()[..40]).unwrap();
    let found = tied(&bench, run.path()).boot();
    assert_eq!(found.state.kind(), S::Active);
}

/// A TPM that refuses its PCRs proves nothing against the owner.
#[test]
fn a_tpm_that_refuses_a_quote_closes_nothing() {
    let (bench, _) = Bench::licensed(8);
    let run = tempfile::tempdir().unwrap();
    let proxy = Proxy::before(&bench.swtpm.address());
    // TPM2_Quote.
    proxy.on_command(|code, _| match code {
        0x158 => Reaction::Answer(answer(0x143)),
        _ => Reaction::Pass,
    });
    let mut nvr = bench.start_on(proxy.address()).with_run_folder(run.path());
    let found = nvr.boot();
    assert!(found.bound.is_some());
    assert_eq!(found.notices, [LicenseState::TpmSharingUnseen]);
    // A quote with a bit changed is another matter.
    proxy.on_command(|code, _| match code {
        0x158 => Reaction::Flip(8 * 60),
        _ => Reaction::Pass,
    });
    let found = nvr.check();
    assert_eq!(found.state, LicenseState::TpmFault);
    // Nothing of all this is asked where no license is.
    let fresh = Bench::new();
    let mut nvr = fresh.start().with_run_folder(run.path());
    assert_eq!(nvr.boot().state, LicenseState::Provisioned);
}
