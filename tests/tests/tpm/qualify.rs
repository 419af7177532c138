//! `sealgate tpm qualify` on a software TPM.

use sealgate_tests::swtpm::Swtpm;
use sealgate_tpm::qualify::{Options, TRIAL_INDEX, Verdict, qualify};
use sealgate_tpm::{Tpm, TpmErrorKind};

use crate::bench::{Bench, define_counter, own, undefine_counter};

const EVERYTHING: Options = Options { clear: true };

#[test]
fn a_software_tpm_keeps_every_promise() {
    let swtpm = Swtpm::start_fresh().unwrap();
    let mut steps = Vec::new();
    let report = qualify(&swtpm.address(), EVERYTHING, &mut |step| {
        steps.push(step.to_owned());
    })
    .unwrap();
    println!("{}", report.to_text());
    for item in &report.items {
        let expected = match item.name {
            // It says itself who made it.
            "maker" => Verdict::Remark,
            _ => Verdict::Fit,
        };
        assert_eq!(item.verdict, expected, "{item:?}");
        assert!(steps.contains(&item.name.to_owned()));
    }
    assert_eq!(report.verdict, Verdict::Remark);
    let certificates = &report.item("ek_certificate").unwrap().finding;
    assert!(certificates.contains("RSA-2048 (") && certificates.contains("P-384 ("));
    let increments = report
        .timings
        .iter()
        .find(|timing| timing.operation == "TPM2_NV_Increment")
        .unwrap();
    assert!(increments.min_us > 0 && increments.median_us <= increments.max_us);
}

/// The box may be in use: its license stays as it is.
#[test]
fn without_clear_a_licensed_box_is_none_the_worse() {
    let (bench, license) = Bench::licensed(32);
    let report = qualify(&bench.swtpm.address(), Options::default(), &mut |_| {}).unwrap();
    assert_eq!(report.verdict, Verdict::Remark);
    let clear = report.item("across_clear").unwrap();
    assert_eq!(clear.verdict, Verdict::NotTried);
    assert_eq!(bench.tpm().counter().unwrap(), license.to);
    assert!(bench.start().boot().bound.is_some());
}

#[test]
fn troubles_are_told_item_by_item() {
    let swtpm = Swtpm::start_fresh().unwrap();
    let address = swtpm.address();
    Tpm::open(&address).unwrap().provision().unwrap();
    undefine_counter(&address);
    define_counter(&address, 0x0002_0004, 8);
    let report = qualify(&address, Options::default(), &mut |_| {}).unwrap();
    assert_eq!(report.verdict, Verdict::Unfit);
    let counter = report.item("attested_counter").unwrap();
    assert_eq!(counter.verdict, Verdict::Unfit);
    assert!(counter.finding.contains("is not a license counter"));
    // The trial counter is another index, and gone again.
    let undefine = report.item("counter_across_undefine").unwrap();
    assert_eq!(undefine.verdict, Verdict::Fit, "{undefine:?}");
    assert_ne!(TRIAL_INDEX, sealgate_license::tpm_wire::COUNTER_INDEX);

    own(&address);
    let report = qualify(&address, EVERYTHING, &mut |_| {}).unwrap();
    let hierarchies = report.item("hierarchies").unwrap();
    assert_eq!(hierarchies.verdict, Verdict::Unfit);
    assert!(
        hierarchies
            .finding
            .contains("owner hierarchy has a password")
    );
    assert!(report.to_text().ends_with("NOT fit for licenses.\n"));
}

#[test]
fn without_a_tpm_there_is_no_report() {
    let nowhere = "device:/dev/no-such-tpm".parse().unwrap();
    let error = qualify(&nowhere, EVERYTHING, &mut |_| {}).unwrap_err();
    assert_eq!(error.kind(), TpmErrorKind::Absent);
}
