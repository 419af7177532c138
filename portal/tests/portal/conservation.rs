//! Random days at the real desk, with two boxes whose owner keeps every file and every
//! secret: what the boxes could run is charged, and what is charged was bought. Portal
//! restores and power cuts are in the explicit-state model, with the same rules.

use proptest::prelude::*;
use proptest::sample::Index;
use sealgate_portal::rules::{Ask, Counts, GRACE, MAX_AHEAD, RAISED_ABOVE, Term};
use sealgate_portal::store::{LicenseFile, ServerId};
use sealgate_portal::trust::TrustClass;

use crate::boxes::{P384, RSA, SoftwareBox};
use crate::desks::{Kind, OpenDesk, cameras};

const BOUGHT: u32 = 12;

#[derive(Debug, Clone)]
enum Step {
    Issue {
        channels: u32,
        days: Option<i64>,
        proof: Option<Index>,
    },
    Reissue,
    Increment(u64),
    RaiseTo(Index),
    /// A request that was uploaded before.
    Replay(Index, u32),
    Days(i64),
    WriteOff,
    Back,
}

fn step() -> impl Strategy<Value = Step> {
    let days = prop::option::weighted(0.2, 1i64..20);
    prop_oneof![
        6 => (0u32..8, days, prop::option::weighted(0.8, any::<Index>()))
            .prop_map(|(channels, days, proof)| Step::Issue { channels, days, proof }),
        2 => Just(Step::Reissue),
        1 => (1u64..12).prop_map(Step::Increment),
        4 => any::<Index>().prop_map(Step::RaiseTo),
        2 => (any::<Index>(), 0u32..8).prop_map(|(which, channels)| Step::Replay(which, channels)),
        1 => (1i64..30).prop_map(Step::Days),
        1 => Just(Step::WriteOff),
        1 => Just(Step::Back),
    ]
}

/// A box, and all that was ever made for it.
struct Station {
    server: ServerId,
    recorder: SoftwareBox,
    files: Vec<LicenseFile>,
    requests: Vec<String>,
}

struct Days {
    open: OpenDesk,
    stations: [Station; 2],
}

impl Days {
    fn new() -> Self {
        let open = OpenDesk::new(&Kind::Memory, TrustClass::Lab, BOUGHT);
        let station = |name: &'static str, recorder| Station {
            server: open.server(name),
            recorder,
            files: Vec::new(),
            requests: Vec::new(),
        };
        let stations = [
            station("Harbour", SoftwareBox::new(RSA, 3, "NVR-1")),
            station("Depot", SoftwareBox::new(P384, 4, "NVR-2")),
        ];
        Self { open, stations }
    }

    fn upload(&mut self, at: usize, request: String, ask: Ask) {
        let station = &mut self.stations[at];
        let made = self.open.issue(station.server, &request, ask, false);
        station.requests.push(request);
        if let Some(file) = made.ok().and_then(|made| made.file)
            && !station.files.iter().any(|known| known.id == file.id)
        {
            station.files.push(file);
        }
    }

    fn play(&mut self, at: usize, step: &Step) {
        let now_utc_s = self.open.clock.now().as_second();
        let station = &mut self.stations[at];
        match step {
            Step::Issue {
                channels,
                days,
                proof,
            } => {
                let secret = (proof.as_ref()).filter(|_| !station.files.is_empty());
                let secret =
                    secret.map(|proof| proof.get(&station.files).activation_secret.clone());
                let request = station.recorder.request(secret.as_deref());
                let ask = match days {
                    None => Ask::Issue(cameras(*channels)),
                    Some(days) => {
                        let ends_utc_s = now_utc_s + days * 24 * 3600;
                        Ask::IssueFor(cameras(*channels), Term::Dated { ends_utc_s })
                    }
                };
                self.upload(at, request, ask);
            }
            Step::Reissue => {
                let request = station.recorder.request(None);
                self.upload(at, request, Ask::Reissue);
            }
            Step::Increment(by) => station.recorder.counter += by,
            Step::RaiseTo(which) if !station.files.is_empty() => {
                let to = which.get(&station.files).to;
                station.recorder.counter = station.recorder.counter.max(to);
            }
            Step::Replay(which, channels) if !station.requests.is_empty() => {
                let request = which.get(&station.requests).clone();
                self.upload(at, request, Ask::Issue(cameras(*channels)));
            }
            Step::RaiseTo(_) | Step::Replay(..) => {}
            Step::Days(days) => self.open.clock.advance(days * 24 * 3600),
            Step::WriteOff => {
                let _ = (self.open.desk).write_off(&self.open.admin, station.server, "lost");
            }
            Step::Back => {
                // The vendor raises the counter as he is told to.
                let all = station.files.iter().map(|file| file.to);
                let raised = all.max().unwrap_or(0) + RAISED_ABOVE;
                let counter = station.recorder.counter.max(raised);
                let before = std::mem::replace(&mut station.recorder.counter, counter);
                let request = station.recorder.request(None);
                let back =
                    (self.open.desk).hardware_back(&self.open.admin, request.as_bytes(), "parcel");
                if back.is_err() {
                    station.recorder.counter = before;
                }
            }
        }
    }

    /// What a box could run now: its clock is right within the slack, or set back within
    /// what its TPM has counted, which is no later than the license's end.
    fn reach(&self, station: &Station) -> Counts {
        let counter = station.recorder.counter;
        let now_utc_s = self.open.clock.now().as_second();
        (station.files.iter())
            .filter(|file| !file.term.has_ended(now_utc_s))
            .filter(|file| {
                let importable =
                    (file.from..=file.to).contains(&counter) && file.to - counter <= MAX_AHEAD;
                importable || (counter > file.to && counter - file.to <= GRACE)
            })
            .fold(Counts::none(), |reach, file| reach.max(&file.counts))
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let mut charged = 0;
        for station in &self.stations {
            let of_server = self.open.charged(station.server);
            let reach = self.reach(station).get("camera");
            prop_assert!(reach <= of_server, "{reach} run, {of_server} are charged");
            charged += of_server;
        }
        let written_off = self.open.written_off();
        prop_assert!(
            charged <= BOUGHT + written_off,
            "{charged} > {BOUGHT} + {written_off}"
        );
        let available = i64::from(BOUGHT) + i64::from(written_off) - i64::from(charged);
        prop_assert_eq!(self.open.available(), available, "the ledger adds up");
        prop_assert!(available >= 0);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]

    #[test]
    fn books_balance_at_the_desk(
        steps in prop::collection::vec((0usize..2, step()), 1..40),
    ) {
        let mut days = Days::new();
        for (at, step) in &steps {
            days.play(*at, step);
            days.check()?;
        }
    }
}
