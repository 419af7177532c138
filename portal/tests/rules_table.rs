//! The portal rules, case by case.

#![allow(clippy::unwrap_used)]

use sealgate_portal::rules::{
    Ask, Counts, Decision, MAX_OUTSTANDING, Observation, Refusal, Row, answer,
};

fn cameras(count: u32) -> Counts {
    Counts::of("camera", count)
}

fn hash(seed: u32) -> [u8; 32] {
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&seed.to_be_bytes());
    hash
}

/// A row and the requests made for it; every request has its own bytes.
#[derive(Default)]
struct Desk {
    row: Row,
    requests: u32,
}

impl Desk {
    fn request(&mut self, counter: u64, proof_of: Option<&str>) -> Observation {
        self.requests += 1;
        Observation {
            counter,
            proof_of: proof_of.map(str::to_owned),
            at_utc_s: 0,
            credits: true,
            request_sha256: hash(self.requests),
        }
    }

    /// The id and `to` handed out, and whether it is new.
    fn ask(&mut self, seen: &Observation, ask: &Ask) -> Result<(String, u64, bool), Refusal> {
        let answer = answer(&self.row, seen, ask);
        self.row = answer.row;
        match answer.decision? {
            Decision::Again(license) => Ok((license.id, license.to, false)),
            Decision::New(made) => {
                let id = format!("L{}", self.row.issued.len() + 1);
                assert_eq!(made.revision as usize, self.row.issued.len() + 1);
                assert_eq!(made.from, seen.counter);
                self.row.enter(id.clone(), seen.request_sha256, &made);
                Ok((id, made.to, true))
            }
        }
    }

    fn issue(
        &mut self,
        counter: u64,
        proof_of: Option<&str>,
        count: u32,
    ) -> Result<(String, u64, bool), Refusal> {
        let seen = self.request(counter, proof_of);
        self.ask(&seen, &Ask::Issue(cameras(count)))
    }

    fn reissue(&mut self, counter: u64) -> Result<(String, u64, bool), Refusal> {
        let seen = self.request(counter, None);
        self.ask(&seen, &Ask::Reissue)
    }
}

#[test]
fn to_is_the_next_multiple_of_8_above_all_that_is_known() {
    for (counter, expected) in [(0, 8), (1, 8), (7, 8), (8, 16), (9, 16), (1000, 1008)] {
        assert_eq!(
            Desk::default().issue(counter, None, 1).unwrap().1,
            expected,
            "{counter}"
        );
    }
    let mut desk = Desk::default();
    assert_eq!(desk.issue(1, None, 1).unwrap(), ("L1".into(), 8, true));
    assert_eq!(desk.issue(1, None, 2).unwrap(), ("L2".into(), 16, true));
    // The box imported L1 only; what was issued still counts.
    assert_eq!(
        desk.issue(8, Some("L1"), 3).unwrap(),
        ("L3".into(), 24, true)
    );
    assert_eq!(desk.issue(30, None, 4).unwrap(), ("L4".into(), 32, true));
}

#[test]
fn a_lower_counter_than_attested_is_refused() {
    let mut desk = Desk::default();
    desk.issue(9, None, 1).unwrap();
    assert_eq!(
        desk.issue(8, None, 2),
        Err(Refusal::CounterWentBack {
            counter: 8,
            highest: 9
        })
    );
    // A refused license does not undo what was attested.
    assert_eq!(desk.reissue(12), Err(Refusal::NothingToReissue));
    assert_eq!(
        desk.issue(11, None, 2),
        Err(Refusal::CounterWentBack {
            counter: 11,
            highest: 12
        })
    );
}

#[test]
fn a_counter_no_tpm_reaches_is_refused() {
    for counter in [u64::MAX, (1 << 62) + 1] {
        assert_eq!(
            Desk::default().issue(counter, None, 1),
            Err(Refusal::CounterOutOfRange { counter })
        );
    }
    assert!(Desk::default().issue(1 << 62, None, 1).is_ok());
}

#[test]
fn the_same_request_gets_the_same_file_for_ever() {
    let mut desk = Desk::default();
    let first = desk.request(1, None);
    assert_eq!(
        desk.ask(&first, &Ask::Issue(cameras(2))).unwrap(),
        ("L1".into(), 8, true)
    );
    desk.issue(20, None, 5).unwrap();
    assert_eq!(
        desk.ask(&first, &Ask::Issue(cameras(2))).unwrap(),
        ("L1".into(), 8, false)
    );
    // With other channels it is an old request.
    assert!(matches!(
        desk.ask(&first, &Ask::Issue(cameras(3))),
        Err(Refusal::CounterWentBack { .. })
    ));
    assert_eq!(desk.row.attested, 20);
}

#[test]
fn a_license_that_can_still_be_imported_is_handed_out_again() {
    let mut desk = Desk::default();
    desk.issue(1, None, 2).unwrap();
    assert_eq!(desk.issue(4, None, 2).unwrap(), ("L1".into(), 8, false));
    assert_eq!(
        desk.issue(8, Some("L1"), 2).unwrap(),
        ("L1".into(), 8, false)
    );
    assert_eq!(desk.issue(9, None, 2).unwrap(), ("L2".into(), 16, true));
}

#[test]
fn sixteen_may_wait_and_one_more_to_repeat() {
    let mut desk = Desk::default();
    desk.issue(1, None, 1000).unwrap();
    for count in 1..=u32::try_from(MAX_OUTSTANDING).unwrap() {
        desk.issue(9, None, count).unwrap();
    }
    assert_eq!(
        desk.issue(9, None, 99),
        Err(Refusal::TooManyOutstanding { outstanding: 16 })
    );
    assert_eq!(desk.reissue(9).unwrap(), ("L18".into(), 144, true));
    assert_eq!(
        desk.reissue(10).unwrap(),
        ("L18".into(), 144, false),
        "it is importable"
    );
    // Importing the first of them makes room for one.
    assert_eq!(
        desk.issue(16, Some("L2"), 99),
        Err(Refusal::TooManyOutstanding { outstanding: 16 })
    );
    desk.issue(24, Some("L3"), 99).unwrap();
}

#[test]
fn the_charge_rises_at_once_and_falls_on_proof_at_to() {
    let mut desk = Desk::default();
    desk.issue(1, None, 4).unwrap();
    assert_eq!(desk.row.charged, cameras(4));
    desk.issue(8, Some("L1"), 1).unwrap(); // to 16
    assert_eq!(desk.row.charged, cameras(4));
    assert_eq!(desk.row.waiting_for_return(), cameras(3));
    for (counter, proof) in [(9, None), (9, Some("L1")), (16, None)] {
        let seen = desk.request(counter, proof);
        let _ = desk.ask(&seen, &Ask::Issue(cameras(1)));
        assert_eq!(
            desk.row.charged,
            cameras(4),
            "counter {counter}, proof {proof:?}"
        );
    }
    let mut copyable = desk.request(16, Some("L2"));
    copyable.credits = false;
    desk.ask(&copyable, &Ask::Issue(cameras(1))).unwrap();
    assert_eq!(
        desk.row.charged,
        cameras(4),
        "a TPM that can be copied gets no credit"
    );
    let seen = desk.request(16, Some("L2"));
    desk.ask(&seen, &Ask::Issue(cameras(1))).unwrap();
    assert_eq!(desk.row.charged, cameras(1));
    assert!(desk.row.waiting_for_return().is_empty());
}

#[test]
fn a_fall_leaves_what_is_still_importable_charged() {
    let mut desk = Desk::default();
    desk.issue(1, None, 4).unwrap(); // to 8
    desk.issue(1, None, 1).unwrap(); // to 16
    desk.issue(1, None, 3).unwrap(); // to 24
    let seen = desk.request(16, Some("L2"));
    desk.ask(&seen, &Ask::Reissue).unwrap();
    assert_eq!(desk.row.charged, cameras(3), "L3 may yet be imported");
}

#[test]
fn a_proof_of_a_license_of_another_row_is_none() {
    let mut desk = Desk::default();
    desk.issue(1, None, 4).unwrap();
    desk.issue(8, Some("L77"), 1).unwrap();
    assert_eq!((desk.row.attested, desk.row.proven), (8, 0));
}

#[test]
fn a_reissue_repeats_what_the_box_had() {
    let mut desk = Desk::default();
    assert_eq!(desk.reissue(1), Err(Refusal::NothingToReissue));
    desk.issue(1, None, 4).unwrap(); // to 8
    desk.issue(8, Some("L1"), 6).unwrap(); // to 16, never imported
    assert_eq!(
        desk.reissue(8).unwrap(),
        ("L1".into(), 8, false),
        "disk lost"
    );
    assert_eq!(
        desk.reissue(9).unwrap(),
        ("L3".into(), 24, true),
        "TPM cleared"
    );
    assert_eq!(desk.row.issued[2].counts, cameras(4));
    assert_eq!(desk.row.charged, cameras(6), "L2 may yet be imported");
}

#[test]
fn kinds_are_charged_each_for_itself() {
    let mut desk = Desk::default();
    let ask = |pairs: &[(&str, u32)]| {
        Ask::Issue(
            pairs
                .iter()
                .map(|(kind, count)| ((*kind).to_owned(), *count))
                .collect(),
        )
    };
    let seen = desk.request(1, None);
    desk.ask(&seen, &ask(&[("camera", 4), ("vca", 1)])).unwrap();
    let seen = desk.request(1, None);
    desk.ask(&seen, &ask(&[("camera", 2), ("vca", 3)])).unwrap();
    assert_eq!(
        (desk.row.charged.get("camera"), desk.row.charged.get("vca")),
        (4, 3)
    );
}
