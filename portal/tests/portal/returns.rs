//! The return flow of the guide: 64 channels become 32, and the other 32 are credited
//! once, when the box has proven that it imported the smaller license; in whatever order
//! and however often the files are uploaded.

use proptest::prelude::*;
use proptest::sample::Index;
use sealgate_portal::rules::Ask;
use sealgate_portal::store::ServerId;
use sealgate_portal::trust::TrustClass;

use crate::boxes::{RSA, SoftwareBox};
use crate::desks::{Kind, OpenDesk, cameras};

struct Flow {
    open: OpenDesk,
    server: ServerId,
    recorder: SoftwareBox,
    /// The box's requests so far, with what was asked for when each was new.
    requests: Vec<(String, u32)>,
    /// What should be available.
    expected: i64,
}

impl Flow {
    fn new(kind: &Kind, class: TrustClass) -> Self {
        let open = OpenDesk::new(kind, class, 100);
        let server = open.server("Harbour 1");
        Self {
            open,
            server,
            recorder: SoftwareBox::new(RSA, 3, "NVR-0207"),
            requests: Vec::new(),
            expected: 100,
        }
    }

    /// The owner's next step: the first license, the smaller one, its proof.
    fn step(&mut self) -> Result<(), TestCaseError> {
        let (channels, expected) = match self.requests.len() {
            0 => (64, 36),
            1 => (32, 36),
            2 => (32, 68),
            _ => return Ok(()),
        };
        let newest = self.open.files(self.server).into_iter().next();
        if let Some(newest) = &newest {
            self.recorder.counter = newest.to;
        }
        let secret = newest.map(|newest| *newest.activation_secret);
        let request = self.recorder.request(secret.as_ref());
        self.requests.push((request.clone(), channels));
        let ask = Ask::Issue(cameras(channels));
        let made = self.open.issue(self.server, &request, ask, false);
        let made = made.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let waiting = if self.requests.len() == 2 { 32 } else { 0 };
        prop_assert_eq!(made.waiting_for_return.get("camera"), waiting);
        self.expected = expected;
        self.check()
    }

    /// Any of the requests so far, once more.
    fn again(&mut self, which: Index, how: u8) -> Result<(), TestCaseError> {
        if self.requests.is_empty() {
            return Ok(());
        }
        let (request, channels) = which.get(&self.requests).clone();
        let ask = match how % 2 {
            0 => Ask::Issue(cameras(channels)),
            _ => Ask::Reissue,
        };
        // An old one may be refused; it changes nothing either way.
        let files = self.open.files(self.server).len();
        let _ = self.open.issue(self.server, &request, ask, how >= 128);
        prop_assert_eq!(self.open.files(self.server).len(), files);
        self.check()
    }

    fn check(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.open.available(), self.expected);
        Ok(())
    }

    fn play(&mut self, uploads: &[(bool, Index, u8)]) -> Result<(), TestCaseError> {
        for (on, which, how) in uploads {
            if *on {
                self.step()?;
            } else {
                self.again(*which, *how)?;
            }
        }
        for _ in 0..3 {
            self.step()?;
        }
        for (_, which, how) in uploads {
            self.again(*which, *how)?;
        }
        prop_assert_eq!(self.open.available(), 68);
        Ok(())
    }
}

fn uploads() -> impl Strategy<Value = Vec<(bool, Index, u8)>> {
    let upload = (prop::bool::weighted(0.3), any::<Index>(), any::<u8>());
    prop::collection::vec(upload, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn thirty_two_come_back_once_in_memory(uploads in uploads()) {
        Flow::new(&Kind::Memory, TrustClass::Lab).play(&uploads)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn thirty_two_come_back_once_in_sqlite(uploads in uploads()) {
        Flow::new(&Kind::Sqlite, TrustClass::Lab).play(&uploads)?;
    }
}

#[test]
fn thirty_two_come_back_once_in_postgres() {
    let mut flow = Flow::new(&Kind::Postgres, TrustClass::Lab);
    flow.play(&[]).unwrap();
    for which in 0..3 {
        let (request, channels) = flow.requests[which].clone();
        let ask = Ask::Issue(cameras(channels));
        let _ = flow.open.issue(flow.server, &request, ask, false);
        flow.check().unwrap();
    }
}

#[test]
fn a_tpm_that_can_be_copied_gets_no_credit_by_file() {
    for (class, available) in [
        (TrustClass::Virtual, 36),
        (TrustClass::Firmware, 68),
        (TrustClass::Hardware, 68),
    ] {
        let mut flow = Flow::new(&Kind::Memory, class);
        for _ in 0..2 {
            flow.step().unwrap();
        }
        let newest = flow.open.files(flow.server).swap_remove(0);
        flow.recorder.counter = newest.to;
        let request = flow.recorder.request(Some(&newest.activation_secret));
        let ask = Ask::Issue(cameras(32));
        flow.open.issue(flow.server, &request, ask, false).unwrap();
        assert_eq!(flow.open.available(), available, "{class}");
    }
}
