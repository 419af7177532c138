//! What the owner could run, and what that may cost.

use super::configurations::Configuration;
use super::state::{Amount, State, covers, most};

impl State {
    /// What box `b` could run, given every license that was ever made for it.
    pub fn reach(&self, b: usize, world: &Configuration) -> Amount {
        let tpm = &self.boxes[b];
        tpm.papers
            .iter()
            .filter(|paper| {
                tpm.importable(paper, world.most_ahead()) || tpm.in_grace(paper, world.grace)
            })
            .fold([0, 0], |reach, paper| most(reach, paper.gives))
    }

    /// What its boot check lets it run with the files on its disk.
    pub fn usable(&self, b: usize, world: &Configuration) -> Option<u8> {
        let tpm = &self.boxes[b];
        let (owner, number) = tpm.active?;
        let paper = tpm.papers.get(usize::from(number))?;
        let ours = usize::from(owner) == b && tpm.defined && !paper.foreign;
        let stands = tpm.counter == paper.to || tpm.in_grace(paper, world.grace);
        (ours && stands).then_some(number)
    }

    /// Nothing runs that is not charged, nothing is charged that was not bought.
    pub fn safe(&self, world: &Configuration) -> Result<(), String> {
        for b in 0..world.boxes {
            let row = &self.portal.rows[b];
            let reach = self.reach(b, world);
            if let Some(number) = self.usable(b, world)
                && !covers(reach, self.boxes[b].papers[usize::from(number)].gives)
            {
                return Err(format!("box {b} runs license {number} and could not"));
            }
            if row.is_complete() && !covers(row.charged, reach) {
                return Err(format!(
                    "box {b} could run {reach:?} and is charged {:?}",
                    row.charged
                ));
            }
        }
        for (row, approved) in self.portal.rows.iter().zip(self.approved) {
            if row.is_written_off() && !self.lost && !covers(approved, row.charged) {
                return Err(format!(
                    "{:?} are written off and {approved:?} were approved",
                    row.charged
                ));
            }
        }
        let charged = self.portal.charged();
        if !self.lost && !covers(world.bought, charged) {
            return Err(format!(
                "{charged:?} are charged and {:?} were bought",
                world.bought
            ));
        }
        Ok(())
    }
}
