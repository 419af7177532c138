//! The portal rules against an owner who tries everything: he keeps every file, every
//! activation secret and every request he ever could have made, and moves his TPM's
//! counter as he likes. Whatever he does, what his box could run is charged.

use proptest::prelude::*;
use sealgate_portal::rules::{
    Ask, Counts, Decision, MAX_AHEAD, MAX_OUTSTANDING, Observation, Row, SPACING, answer,
};

/// The box's grace: an active license outlives this many further increments.
const GRACE: u64 = 2;

#[derive(Debug, Clone)]
enum Step {
    Increment(u8),
    IncrementTo(prop::sample::Index),
    Upload {
        request: Request,
        ask: Option<[u8; 2]>,
    },
}

#[derive(Debug, Clone)]
struct Request {
    /// How far back from the present counter the request was made.
    age: u64,
    proof: Option<prop::sample::Index>,
    /// Reuse the bytes of an earlier upload instead of new ones.
    repeat: Option<prop::sample::Index>,
}

fn step() -> impl Strategy<Value = Step> {
    let request = (
        prop_oneof![4 => Just(0u64), 1 => 0u64..20],
        prop::option::of(any::<prop::sample::Index>()),
        prop::option::weighted(0.1, any::<prop::sample::Index>()),
    )
        .prop_map(|(age, proof, repeat)| Request { age, proof, repeat });
    prop_oneof![
        2 => (1u8..4).prop_map(Step::Increment),
        3 => any::<prop::sample::Index>().prop_map(Step::IncrementTo),
        6 => (request, prop::option::weighted(0.8, prop::array::uniform2(0u8..4)))
            .prop_map(|(request, ask)| Step::Upload { request, ask }),
    ]
}

#[derive(Debug, Default)]
struct World {
    counter: u64,
    row: Row,
    /// The TPM's counter when each license came out: its secret proves nothing older.
    born: Vec<u64>,
    uploads: Vec<(Observation, Ask)>,
}

impl World {
    fn reach(&self) -> Counts {
        self.row
            .issued
            .iter()
            .filter(|license| {
                license.importable_at(self.counter)
                    || (self.counter > license.to && self.counter - license.to <= GRACE)
            })
            .fold(Counts::none(), |reach, license| reach.max(&license.counts))
    }

    fn upload(&mut self, request: &Request, ask: Option<[u8; 2]>) -> Result<(), TestCaseError> {
        let counter = self.counter.saturating_sub(request.age);
        let proof_of = request.proof.and_then(|index| {
            let usable: Vec<&str> = (self.row.issued.iter().zip(&self.born))
                .filter(|(_, born)| **born <= counter)
                .map(|(license, _)| license.id.as_str())
                .collect();
            (!usable.is_empty()).then(|| index.get(&usable).to_string())
        });
        let mut request_sha256 = [0; 32];
        request_sha256[..8].copy_from_slice(&(self.uploads.len() as u64).to_be_bytes());
        let fresh = Observation {
            counter,
            proof_of,
            at_utc_s: 0,
            credits: true,
            request_sha256,
        };
        let ask = match ask {
            Some([camera, vca]) => Ask::Issue(
                [
                    ("camera".to_owned(), camera.into()),
                    ("vca".to_owned(), vca.into()),
                ]
                .into_iter()
                .collect(),
            ),
            None => Ask::Reissue,
        };
        let (seen, ask) = match request.repeat {
            Some(index) if !self.uploads.is_empty() => index.get(&self.uploads).clone(),
            _ => (fresh, ask),
        };
        self.uploads.push((seen.clone(), ask.clone()));

        let before = self.row.clone();
        let answer = answer(&self.row, &seen, &ask);
        self.row = answer.row;
        prop_assert_eq!(&self.row.issued, &before.issued);
        prop_assert!(self.row.attested >= before.attested && self.row.proven >= before.proven);
        prop_assert!(self.row.proven <= self.row.attested && self.row.attested <= self.counter);
        match answer.decision {
            Ok(Decision::Again(license)) => prop_assert!(self.row.issued.contains(&license)),
            Ok(Decision::New(made)) => {
                let highest = before
                    .issued
                    .iter()
                    .map(|license| license.to)
                    .max()
                    .unwrap_or(0);
                prop_assert!(made.to % SPACING == 0 && made.to > highest && made.to > seen.counter);
                prop_assert!(made.to - made.from <= MAX_AHEAD, "the box would refuse it");
                prop_assert!(made.charged.covers(&self.row.charged));
                self.row.enter(
                    format!("L{}", before.issued.len()),
                    seen.request_sha256,
                    &made,
                );
                self.born.push(self.counter);
                prop_assert!(self.row.outstanding() <= MAX_OUTSTANDING + 1);
                let again =
                    sealgate_portal::rules::decide(&self.row, &seen, &Ask::Issue(made.counts))
                        .expect("just issued");
                prop_assert!(matches!(again, Decision::Again(license) if license.to == made.to));
            }
            Err(_) => {}
        }
        Ok(())
    }

    /// Disk and files are lost; the honest owner asks for what he had.
    fn honest_reissue(&self) -> Result<(), TestCaseError> {
        let Some(had) = self.row.newest_up_to(self.counter, 0) else {
            return Ok(());
        };
        let seen = Observation {
            counter: self.counter,
            proof_of: None,
            at_utc_s: 0,
            credits: true,
            request_sha256: [0xff; 32],
        };
        match answer(&self.row, &seen, &Ask::Reissue).decision {
            Ok(Decision::Again(license)) => {
                prop_assert!(license.importable_at(self.counter));
                prop_assert_eq!(&license.counts, &had.counts);
            }
            Ok(Decision::New(made)) => {
                prop_assert_eq!(&made.counts, &had.counts);
                prop_assert!(made.from == self.counter);
                prop_assert!(
                    made.charged == self.row.charged || !self.row.charged.covers(&had.counts)
                );
            }
            Err(refusal) => prop_assert!(false, "an honest owner was refused: {refusal}"),
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_runs_uncharged_and_nobody_is_locked_out(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World { counter: 1, ..World::default() };
        for step in &steps {
            match step {
                Step::Increment(by) => world.counter += u64::from(*by),
                Step::IncrementTo(index) if !world.row.issued.is_empty() => {
                    world.counter = world.counter.max(index.get(&world.row.issued).to);
                }
                Step::IncrementTo(_) => {}
                Step::Upload { request, ask } => world.upload(request, *ask)?,
            }
            prop_assert!(
                world.row.charged.covers(&world.reach()),
                "counter {}: {:?} runs, {:?} is charged", world.counter, world.reach(), world.row.charged
            );
            prop_assert!(world.row.charged.covers(&world.row.due(world.row.proven, 0)));
            world.honest_reissue()?;
        }
    }
}
