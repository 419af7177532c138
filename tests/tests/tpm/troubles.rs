//! The TPM's own troubles: none of them panics, leaks or opens anything, and each has its
//! state. Those of the table are in `states`; these are the ones with a story.

use std::{fs, time::Duration};

use sealgate_license::{
    state::{LicenseState, StateKind as S},
    tpm_wire::COUNTER_ATTRIBUTES,
};
use sealgate_supervisor::license_desk::LicenseDesk;
use sealgate_tpm::TpmErrorKind;

use crate::{
    bench::{Bench, own, owner_command, refusal},
    owner::{ORDINARY, define, lock_out, plain_command},
    proxy::{Proxy, Reaction, answer},
};

/// How many checks [`checks_leave_nothing_behind`] makes; the long run asks for 10,000.
const CHECKS: &str = "SEALGATE_BOOT_CHECKS";

#[test]
fn a_tpm_that_locked_itself_still_proves_a_license() {
    let (bench, _) = Bench::licensed(8);
    lock_out(&bench.swtpm.address());
    // Nothing of ours is guarded against guessing, so nothing of ours is locked.
    let mut nvr = bench.start();
    assert!(nvr.boot().bound.is_some());
    fs::remove_file(bench.disk.path().join("secret")).unwrap();
    assert!(nvr.check().bound.is_some());
    let license = bench.license(4);
    nvr.import(license.text.as_bytes(), false).unwrap();
    assert!(nvr.check().bound.is_some());
}

#[test]
fn an_owners_password_matters_only_where_the_owner_is_asked() {
    let (bench, license) = Bench::licensed(8);
    own(&bench.swtpm.address());
    let mut nvr = bench.start();
    assert!(nvr.boot().bound.is_some());
    nvr.import(license.text.as_bytes(), false).unwrap();
    // A request names the owner's storage key.
    assert_eq!(nvr.export_request(0, 8).unwrap_err().code(), "SG-TPM-003");
}

#[test]
fn without_room_in_nv_memory_no_counter_is_made() {
    let bench = Bench::new();
    let address = bench.swtpm.address();
    let mut index = 0x0180_0C00;
    for (attributes, size) in [
        (ORDINARY, 2048),
        (ORDINARY, 512),
        (ORDINARY, 64),
        (ORDINARY, 1),
        // The TPM sets room aside for some counters.
        (COUNTER_ATTRIBUTES, 8),
    ] {
        while define(&address, index, attributes, size, &[]) == 0 {
            index += 1;
        }
    }
    let mut nvr = bench.start();
    let found = nvr.boot();
    assert_eq!(found.state, LicenseState::TpmBusyOrFull);
    assert_eq!(found.tpm_problem, Some(TpmErrorKind::NoNvSpace));
    assert!(found.bound.is_none() && !found.keep_last_decision);
    // The owner makes room: TPM2_NV_UndefineSpace.
    let owner = 0x4000_0001;
    assert_eq!(
        owner_command(&address, 0x122, &[owner, 0x0180_0C00], 1, &[]),
        0
    );
    assert_eq!(nvr.boot().state, LicenseState::Provisioned);
}

/// Somebody else, without a resource manager, leaves the TPM's memory full.
#[test]
fn memory_that_others_filled_is_waited_for() {
    let (mut bench, license) = Bench::licensed(8);
    let mut nvr = bench.start();
    assert!(nvr.boot().bound.is_some());

    // TPM2_StartAuthSession, policy sessions that nobody flushes: the TPM keeps three.
    let mut body = vec![0x40, 0, 0, 7, 0x40, 0, 0, 7, 0, 16];
    body.extend([1; 16]);
    body.extend([0, 0, 1, 0, 0x10, 0, 0x0B]);
    let session = plain_command(0x176, &body);
    let mut leaked = 0;
    while raw(&bench, &session) == 0 {
        leaked += 1;
    }
    assert!(leaked >= 2, "{leaked}");
    // A check needs no session; revealing the secret does.
    assert!(nvr.check().bound.is_some());
    assert_eq!(
        refusal(nvr.import(license.text.as_bytes(), false)),
        "SG-TPM-004"
    );
    fs::remove_file(bench.disk.path().join("secret")).unwrap();
    let found = nvr.check();
    assert_eq!(found.state, LicenseState::TpmBusyOrFull);
    assert!(found.keep_last_decision);

    // Keys that nobody flushes.
    bench.swtpm.power_on().unwrap();
    let mut nvr = bench.start();
    assert!(nvr.check().bound.is_some());
    let mut loaded = 0;
    while load_key(&bench) == 0 {
        loaded += 1;
    }
    assert!(loaded >= 2, "{loaded}");
    let found = nvr.check();
    assert_eq!(found.state, LicenseState::TpmBusyOrFull);
    assert!(found.bound.is_none() && found.keep_last_decision);
    bench.swtpm.power_on().unwrap();
    assert!(bench.start().check().bound.is_some());
}

fn raw(bench: &Bench, command: &[u8]) -> u32 {
    use std::io::{Read as _, Write as _};
    let sealgate_tpm::TpmAddress::Swtpm { host, port } = bench.swtpm.address() else {
        panic!("swtpm on TCP")
    };
    let mut stream = std::net::TcpStream::connect((host.as_str(), port)).unwrap();
    stream.write_all(command).unwrap();
    let mut answer = [0; 10];
    stream.read_exact(&mut answer).unwrap();
    u32::from_be_bytes(answer[6..].try_into().unwrap())
}

/// TPM2_CreatePrimary of the attestation key, which stays loaded.
fn load_key(bench: &Bench) -> u32 {
    let template = sealgate_license::tpm_wire::AK_TEMPLATE;
    let mut parameters = vec![0, 4, 0, 0, 0, 0];
    parameters.extend((template.len() as u16).to_be_bytes());
    parameters.extend(template);
    parameters.extend([0; 6]);
    owner_command(
        &bench.swtpm.address(),
        0x131,
        &[0x4000_000B],
        1,
        &parameters,
    )
}

/// While the TPM is only busy the desk leaves the gate as it is, for a day in total.
#[tokio::test(flavor = "multi_thread")]
async fn a_busy_tpm_is_believed_for_a_day_and_no_longer() {
    let (bench, _) = Bench::licensed(8);
    let proxy = Proxy::before(&bench.swtpm.address());
    let desk = LicenseDesk::start(
        bench.start_whole(proxy.address()),
        Duration::from_secs(3600),
    )
    .unwrap();
    let mut standing = desk.watch();
    let first = standing
        .wait_for(|standing| standing.outcome.is_some())
        .await
        .unwrap()
        .clone();
    assert!(first.bound.is_some());

    // A refused import makes the desk check again.
    let check_again = async || {
        let _ = desk.import(b"{".to_vec(), false).await.unwrap();
        desk.standing()
    };
    proxy.answer_all(0x922);
    for hours in [0, 10, 13] {
        bench.clock.advance(Duration::from_hours(hours));
        let standing = check_again().await;
        let outcome = standing.outcome.as_ref().unwrap();
        assert_eq!(outcome.state, LicenseState::TpmBusyOrFull);
        assert!(standing.bound.is_some(), "{hours} hours on");
    }
    bench.clock.advance(Duration::from_hours(1));
    assert!(check_again().await.bound.is_none(), "24 hours in total");
    // Only a proof starts the day anew, and opens again.
    proxy.pass();
    assert!(check_again().await.bound.is_some());
    proxy.answer_all(0x922);
    assert!(check_again().await.bound.is_some());
    // A supervisor that starts at a busy TPM has no decision to keep.
    let late = LicenseDesk::start(
        bench.start_whole(proxy.address()),
        Duration::from_secs(3600),
    )
    .unwrap();
    let mut standing = late.watch();
    let first = standing
        .wait_for(|standing| standing.outcome.is_some())
        .await
        .unwrap()
        .clone();
    assert!(first.bound.is_none());
}

/// The TPM asks to be asked again a few times, and then answers: nobody notices.
#[test]
fn a_short_retry_is_no_trouble() {
    let (bench, _) = Bench::licensed(8);
    let proxy = Proxy::before(&bench.swtpm.address());
    for code in [0x922, 0x908, 0x90A] {
        let mut asked = 0;
        proxy.on_command(move |_, _| {
            asked += 1;
            // Each command is refused twice.
            match asked % 3 {
                0 => Reaction::Pass,
                _ => Reaction::Answer(answer(code)),
            }
        });
        let found = bench.start_on(proxy.address()).boot();
        assert!(found.bound.is_some(), "{code:#x}: {:?}", found.state);
    }
}

/// Answers that no TPM gives, and one changed bit in each of many real ones.
#[test]
fn garbage_opens_nothing_and_breaks_nothing() {
    let (bench, license) = Bench::licensed(8);
    let proxy = Proxy::before(&bench.swtpm.address());
    let garbage: &[&[u8]] = &[
        &[0; 10],
        &[0xFF; 10],
        &[0x80, 0x01, 0, 0, 0, 10, 0, 0, 0, 0],
        &[0x80, 0x01, 0, 0, 0, 12, 0, 0, 0, 0, 0xFF, 0xFF],
        &[0x80, 0x02, 0, 0, 0, 14, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF],
        &[0x12, 0x34, 0, 0, 0, 10, 0, 0, 0, 0],
    ];
    for bytes in garbage {
        proxy.on_command(|_, _| Reaction::Answer(bytes.to_vec()));
        let found = bench.start_on(proxy.address()).boot();
        assert!(found.bound.is_none(), "{bytes:x?}");
        assert!(
            matches!(found.state.kind(), S::NoTpm | S::TpmFault),
            "{bytes:x?}: {:?}",
            found.state
        );
        // Garbage only where the counter is certified.
        proxy.on_command(|code, _| match code {
            0x184 => Reaction::Answer(bytes.to_vec()),
            _ => Reaction::Pass,
        });
        let found = bench.start_on(proxy.address()).boot();
        assert!(found.bound.is_none(), "{bytes:x?}");
    }
    for bit in (0..1200).step_by(37) {
        proxy.on_command(move |code, _| match code {
            0x184 => Reaction::Flip(80 + bit),
            _ => Reaction::Pass,
        });
        let found = bench.start_on(proxy.address()).boot();
        // The parameter size and the sessions' tail (Part 1, 18.9) carry no proof.
        if let Some(bound) = found.bound {
            assert_eq!(bound.license_id(), "L-2041");
            assert_eq!(found.counter, Some(license.to), "bit {bit}");
        }
    }
    proxy.pass();
    assert!(bench.start_on(proxy.address()).boot().bound.is_some());
}

/// Resident memory of this process, in KiB.
fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Objects and sessions in the TPM: TPM2_GetCapability of transient and of loaded-session
/// handles, as it answers after the header.
fn loaded_handles(bench: &Bench) -> [u32; 2] {
    use std::io::{Read as _, Write as _};
    let sealgate_tpm::TpmAddress::Swtpm { host, port } = bench.swtpm.address() else {
        panic!("swtpm on TCP")
    };
    [0x8000_0000_u32, 0x0200_0000].map(|first| {
        let mut body = vec![0, 0, 0, 1];
        body.extend(first.to_be_bytes());
        body.extend(64_u32.to_be_bytes());
        let mut stream = std::net::TcpStream::connect((host.as_str(), port)).unwrap();
        stream.write_all(&plain_command(0x17A, &body)).unwrap();
        // Header, moreData, capability, count.
        let mut answer = [0; 19];
        stream.read_exact(&mut answer).unwrap();
        u32::from_be_bytes(answer[15..].try_into().unwrap())
    })
}

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn checks_leave_nothing_behind() {
    let checks: u32 = std::env::var(CHECKS)
        .ok()
        .map_or(1000, |checks| checks.parse().unwrap());
    let (bench, _) = Bench::licensed(8);
    let run = tempfile::tempdir().unwrap();
    let mut nvr = bench.start().with_run_folder(run.path());
    for _ in 0..100 {
        assert!(nvr.check().bound.is_some());
    }
    let before = (open_files(), loaded_handles(&bench));
    assert_eq!(before.1, [0, 0]);
    let resident = resident_kib();
    for check in 0..checks {
        assert!(nvr.check().bound.is_some(), "check {check}");
    }
    assert_eq!((open_files(), loaded_handles(&bench)), before);
    let grown = resident_kib().saturating_sub(resident);
    println!("{checks} checks: {resident} KiB resident before, {grown} KiB more after");
    // Flat: the allocator's own pages may move by some, a leak of 1 byte in 100 would not.
    assert!(grown < 2048, "{grown} KiB more after {checks} checks");
}
