//! What an honest owner must get, from every state.

use sealgate_portal::rules::{Ask, Decision};

use super::configurations::Configuration;
use super::portal::{OTHER_BYTES, PortalRules, amount, index, narrow, observation};
use super::state::{Amount, Paper, State};

/// So many exchanges a row needs that has forgotten licenses.
const CATCHING_UP: usize = 3;

impl State {
    /// From here an honest owner gets back what he had with one exchange, and is charged
    /// for no more than he keeps once he has given channels back.
    pub fn fair(&self, world: &Configuration, rules: &dyn PortalRules) -> Result<(), String> {
        for b in 0..world.boxes {
            if !self.portal.rows[b].is_written_off() {
                self.reissues(b, world, rules)?;
                self.credits(b, world, rules)?;
            }
        }
        Ok(())
    }

    /// What the box had: the newest license that it could have imported.
    fn had(&self, b: usize) -> Option<&Paper> {
        let (tpm, row) = (&self.boxes[b], &self.portal.rows[b]);
        (tpm.papers.iter().enumerate())
            // Nobody can get back what was forgotten.
            .filter(|(number, _)| row.is_complete() && !self.lost || row.knows(*number))
            .map(|(_, paper)| paper)
            .filter(|paper| !paper.foreign && paper.to <= tpm.reads())
            .filter(|paper| paper.to >= row.void_below())
            .max_by_key(|paper| paper.to)
    }

    /// Disk and files are lost; the box is set up anew and its owner asks.
    fn reissues(
        &self,
        b: usize,
        world: &Configuration,
        rules: &dyn PortalRules,
    ) -> Result<(), String> {
        let Some(had) = self.had(b) else {
            return Ok(());
        };
        let mut tpm = self.boxes[b].clone();
        tpm.counter = tpm.reads();
        tpm.defined = true;
        let mut row = self.portal.rows[b].open(&tpm.papers);
        let before = amount(&row.charged);
        let seen = observation(tpm.counter, None);
        rules
            .upload(&mut row, &seen)
            .map_err(|refusal| format!("box {b}, honest, was refused: {refusal}"))?;
        let paper = match rules.decide(&row, &seen, &Ask::Reissue) {
            Err(refusal) => return Err(format!("box {b}, honest, was refused: {refusal}")),
            Ok(Decision::Again(license)) => tpm.papers[index(&license.id)].clone(),
            Ok(Decision::New(made)) => {
                if amount(&made.charged) != before {
                    return Err(format!("box {b}, honest, is charged for a re-issue"));
                }
                Paper {
                    from: narrow(made.from),
                    to: narrow(made.to),
                    gives: amount(&made.counts),
                    born: tpm.counter,
                    foreign: false,
                }
            }
        };
        if paper.gives != had.gives {
            return Err(format!(
                "box {b} had {:?} and gets {:?}",
                had.gives, paper.gives
            ));
        }
        if !tpm.importable(&paper, world.most_ahead()) {
            return Err(format!("box {b} can't import what it gets: {paper:?}"));
        }
        Ok(())
    }

    /// The owner imports the newest he has, gives everything back and proves it.
    fn credits(
        &self,
        b: usize,
        world: &Configuration,
        rules: &dyn PortalRules,
    ) -> Result<(), String> {
        const NOTHING: Amount = [0, 0];
        let mut tpm = self.boxes[b].clone();
        let mut row = self.portal.rows[b].open(&tpm.papers);
        let Some(newest) = row.newest().filter(|newest| newest.to >= row.void_below) else {
            return Ok(());
        };
        tpm.counter = tpm.reads().max(narrow(newest.to));
        tpm.defined = true;
        let mut holds = u8::try_from(index(&newest.id)).expect("few licenses");
        let rounds = match row.forgotten {
            None => 1,
            Some(_) => CATCHING_UP,
        };
        for round in 0..=rounds {
            let seen = observation(tpm.counter, Some(holds));
            rules
                .upload(&mut row, &seen)
                .map_err(|refusal| format!("box {b}, honest, was refused: {refusal}"))?;
            let ask = Ask::Issue(super::portal::counts(NOTHING));
            if round == rounds {
                break;
            }
            match rules.decide(&row, &seen, &ask) {
                Err(refusal) => return Err(format!("box {b}, honest, was refused: {refusal}")),
                Ok(Decision::Again(license)) => {
                    holds = u8::try_from(index(&license.id)).expect("few licenses");
                    tpm.counter = narrow(license.to);
                }
                Ok(Decision::New(made)) => {
                    if narrow(made.to) - tpm.counter > world.most_ahead() {
                        return Err(format!("box {b} can't import license to {}", made.to));
                    }
                    holds = u8::try_from(tpm.papers.len()).expect("few licenses");
                    tpm.papers.push(Paper {
                        from: tpm.counter,
                        to: narrow(made.to),
                        gives: NOTHING,
                        born: tpm.counter,
                        foreign: false,
                    });
                    row.enter(holds.to_string(), OTHER_BYTES, &made);
                    tpm.counter = narrow(made.to);
                }
            }
        }
        if amount(&row.charged) != NOTHING {
            return Err(format!(
                "box {b} gave everything back and is charged {:?}",
                amount(&row.charged)
            ));
        }
        Ok(())
    }
}
