//! What can happen.

use std::hash::{Hash as _, Hasher};

use sealgate_portal::rules::{Ask, Decision};

use super::configurations::Configuration;
use super::portal::{
    Entry, OTHER_BYTES, Portal, PortalRules, SmallRow, amount, counts, index, narrow, observation,
};
use super::state::{Amount, BOXES, Paper, State, covers};

/// What is asked for with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Nothing, or something that is refused: what the request proves stays known.
    Nothing,
    /// A license with this.
    License(Amount),
    /// The license the box had.
    Reissue,
}

/// One step. Boxes and licenses by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// The owner increments the counter so often.
    Increment(u8, u16),
    /// The owner increments it up to a license's `to`; so does import.
    RaiseTo(u8, u8),
    /// TPM2_NV_UndefineSpace.
    Undefine(u8),
    /// TPM2_NV_DefineSpace and the first increment.
    Define(u8),
    /// TPM2_Clear.
    Clear(u8),
    /// Import, and the power goes once `pending.lic` is written.
    ImportAndCut(u8, u8),
    /// The box starts: its index is defined, an import is rolled forward.
    Boot(u8),
    /// An old disk comes back: this license is `active.lic`.
    DiskRestored(u8, u8),
    /// The other box's disk is put in.
    DiskCloned(u8),
    /// The disk is lost.
    DiskLost(u8),
    /// A request at this counter, with the proof of this license.
    Request(u8, u16, Option<u8>, Want),
    /// A request of a foreign attestation key beside this box's endorsement key.
    ForeignRequest(u8, u16),
    /// Support writes the box off.
    WriteOff(u8),
    /// The vendor has the box, raises its counter, and it is sold again.
    HardwareBack(u8),
    /// The database is copied.
    Backup,
    /// The copy comes back, and the journal is replayed or lost.
    Restore,
}

/// A counter that a foreign key may claim.
const FOREIGN_COUNTER: u16 = 1000;

/// How often TPM2_Clear is tried: one carries a license into its grace, three out of it.
const MOST_CLEARS: u8 = 3;

fn short(number: usize) -> u8 {
    u8::try_from(number).expect("few boxes, few licenses")
}

/// All that may be possible now; [`State::after`] tells whether it is.
pub fn moves(state: &State, world: &Configuration) -> Vec<Move> {
    let mut all = Vec::new();
    for b in 0..world.boxes {
        let tpm = &state.boxes[b];
        let n = short(b);
        let licenses = || (0..tpm.papers.len()).map(short);
        all.extend(licenses().map(|number| Move::RaiseTo(n, number)));
        if world.tpm {
            // Once, and past the next license.
            all.extend([1, world.spacing].map(|by| Move::Increment(n, by)));
            all.push(Move::Undefine(n));
            all.extend([Move::Define(n), Move::Clear(n)]);
        }
        if world.disk {
            all.extend(licenses().map(|number| Move::ImportAndCut(n, number)));
            all.extend(licenses().map(|number| Move::DiskRestored(n, number)));
            all.extend([Move::Boot(n), Move::DiskCloned(n), Move::DiskLost(n)]);
        }
        if world.foreign {
            all.extend([tpm.counter, FOREIGN_COUNTER].map(|c| Move::ForeignRequest(n, c)));
        }
        if world.write_offs > 0 {
            all.extend([Move::WriteOff(n), Move::HardwareBack(n)]);
        }
        for counter in request_counters(state, b, world) {
            let proofs = (tpm.papers.iter().enumerate())
                .filter(|(_, paper)| !paper.foreign && paper.born <= counter)
                .map(|(number, _)| Some(short(number)));
            for proof in proofs.chain([None]) {
                let request = |want| Move::Request(n, counter, proof, want);
                all.extend([request(Want::Nothing), request(Want::Reissue)]);
                all.extend(world.asks.iter().map(|ask| request(Want::License(*ask))));
            }
        }
    }
    if world.restores > 0 {
        all.extend([Move::Backup, Move::Restore]);
    }
    all
}

/// The counters of requests that make a difference: now, and of old requests those at or
/// just above a license's `to`, and the oldest that the portal still takes.
fn request_counters(state: &State, b: usize, world: &Configuration) -> Vec<u16> {
    let tpm = &state.boxes[b];
    let mut counters = Vec::new();
    if tpm.defined {
        counters.push(tpm.counter);
    }
    if world.replays {
        counters.push(state.portal.rows[b].attested().max(1));
        for paper in &tpm.papers {
            counters.extend([paper.to, paper.to + 1]);
        }
    }
    counters.retain(|counter| *counter <= tpm.counter);
    counters.sort_unstable();
    counters.dedup();
    counters
}

impl State {
    /// What this move leads to; nothing if it can't be made or changes nothing.
    pub fn after(
        &self,
        step: Move,
        world: &Configuration,
        rules: &dyn PortalRules,
    ) -> Option<Self> {
        let mut next = self.clone();
        let possible = match step {
            Move::Request(b, counter, proof, want) => {
                next.request(b.into(), (counter, proof), want, world, rules)
            }
            Move::ForeignRequest(b, counter) => next.foreign(b.into(), counter, world, rules),
            Move::WriteOff(b) => next.write_off(b.into(), world, rules),
            Move::HardwareBack(b) => next.hardware_back(b.into(), rules),
            Move::Backup => next.back_up(world),
            Move::Restore => next.restore(world, rules),
            step => next.at_the_box(step, world),
        };
        (possible && next != *self).then_some(next)
    }

    fn at_the_box(&mut self, step: Move, world: &Configuration) -> bool {
        let (Move::Increment(b, _)
        | Move::RaiseTo(b, _)
        | Move::Undefine(b)
        | Move::Define(b)
        | Move::Clear(b)
        | Move::ImportAndCut(b, _)
        | Move::Boot(b)
        | Move::DiskRestored(b, _)
        | Move::DiskCloned(b)
        | Move::DiskLost(b)) = step
        else {
            return false;
        };
        let tpm = &mut self.boxes[usize::from(b)];
        match step {
            Move::Increment(_, by) if tpm.defined => tpm.counter += by,
            Move::RaiseTo(_, number) if tpm.defined => {
                tpm.counter = tpm.counter.max(tpm.papers[usize::from(number)].to);
            }
            Move::Undefine(_) => tpm.defined = false,
            Move::Clear(_) if tpm.clears < MOST_CLEARS => {
                tpm.defined = false;
                tpm.clears += 1;
            }
            Move::Define(_) | Move::Boot(_) => {
                tpm.counter = tpm.reads();
                tpm.defined = true;
                if let (Move::Boot(_), Some(number)) = (step, tpm.pending) {
                    let paper = &tpm.papers[usize::from(number)];
                    if tpm.importable(paper, world.most_ahead()) {
                        tpm.counter = paper.to;
                    } else if !tpm.in_grace(paper, world.grace) {
                        return true;
                    }
                    tpm.active = Some((b, number));
                    tpm.pending = None;
                }
            }
            Move::ImportAndCut(_, number) => {
                let paper = &tpm.papers[usize::from(number)];
                if !tpm.defined || !tpm.importable(paper, world.most_ahead()) {
                    return false;
                }
                tpm.pending = Some(number);
            }
            Move::DiskRestored(_, number) => tpm.active = Some((b, number)),
            Move::DiskCloned(_) => {
                let other = (usize::from(b) + 1) % BOXES;
                let active = self.boxes[other].active;
                self.boxes[usize::from(b)].active = active;
            }
            Move::DiskLost(_) => (tpm.active, tpm.pending) = (None, None),
            _ => return false,
        }
        true
    }

    fn request(
        &mut self,
        b: usize,
        (counter, proof): (u16, Option<u8>),
        want: Want,
        world: &Configuration,
        rules: &dyn PortalRules,
    ) -> bool {
        let papers = self.boxes[b].papers.len();
        let seen = observation(counter, proof);
        let mut row = self.portal.rows[b].open(&self.boxes[b].papers);
        let before = row.clone();
        if rules.upload(&mut row, &seen).is_err() {
            return false;
        }
        // Only what the portal knows proves anything.
        let proof = proof.filter(|number| self.portal.rows[b].knows((*number).into()));
        if let (Some(number), true) = (proof, row != before) {
            self.note(Entry::Proven(short(b), number, counter));
        }
        let ask = match want {
            Want::Nothing => {
                self.portal.rows[b] = SmallRow::close(&row);
                return true;
            }
            Want::License(amount) => Ask::Issue(counts(amount)),
            Want::Reissue => Ask::Reissue,
        };
        // A refusal or an old file: the same as asking for nothing.
        let Ok(Decision::New(made)) = rules.decide(&row, &seen, &ask) else {
            return false;
        };
        if papers >= world.papers {
            return false;
        }
        let rise = made.charged.above(&row.charged);
        row.enter(papers.to_string(), OTHER_BYTES, &made);
        self.boxes[b].papers.push(Paper {
            from: narrow(made.from),
            to: narrow(made.to),
            gives: amount(&made.counts),
            born: self.boxes[b].counter,
            foreign: false,
        });
        self.portal.rows[b] = SmallRow::close(&row);
        self.note(Entry::Issued(short(b), short(papers), counter));
        rise.is_empty() || covers(world.bought, self.portal.charged())
    }

    fn foreign(
        &mut self,
        b: usize,
        counter: u16,
        world: &Configuration,
        rules: &dyn PortalRules,
    ) -> bool {
        let papers = self.boxes[b].papers.len();
        let shared = rules.one_row_per_ek();
        let portal = &mut self.portal;
        let small = if shared {
            &mut portal.rows[b]
        } else {
            &mut portal.foreign[b]
        };
        let mut row = small.open(&self.boxes[b].papers);
        let seen = observation(counter, None);
        let ask = Ask::Issue(counts(world.asks[0]));
        if papers >= world.papers || rules.upload(&mut row, &seen).is_err() {
            return false;
        }
        let Ok(Decision::New(made)) = rules.decide(&row, &seen, &ask) else {
            return false;
        };
        row.enter(papers.to_string(), OTHER_BYTES, &made);
        *small = SmallRow::close(&row);
        self.boxes[b].papers.push(Paper {
            from: narrow(made.from),
            to: narrow(made.to),
            gives: amount(&made.counts),
            born: self.boxes[b].counter,
            foreign: true,
        });
        covers(world.bought, self.portal.charged())
    }

    fn write_off(&mut self, b: usize, world: &Configuration, rules: &dyn PortalRules) -> bool {
        let mut row = self.portal.rows[b].open(&self.boxes[b].papers);
        if self.write_offs >= world.write_offs || rules.write_off(&mut row).is_err() {
            return false;
        }
        self.write_offs += 1;
        self.approved[b] = amount(&row.charged);
        self.portal.rows[b] = SmallRow::close(&row);
        self.note(Entry::WrittenOff(short(b)));
        true
    }

    fn hardware_back(&mut self, b: usize, rules: &dyn PortalRules) -> bool {
        let tpm = &mut self.boxes[b];
        let mut row = self.portal.rows[b].open(&tpm.papers);
        tpm.counter = tpm.reads();
        tpm.defined = true;
        // On arrival the box makes a request, which bounds what was forgotten; it is
        // refused, and what it attests stays known.
        if rules
            .upload(&mut row, &observation(tpm.counter, None))
            .is_err()
        {
            return false;
        }
        tpm.counter = tpm.counter.max(narrow(rules.raised_to(&row)));
        let counter = tpm.counter;
        if rules
            .hardware_back(&mut row, &observation(counter, None))
            .is_err()
        {
            return false;
        }
        self.approved[b] = [0, 0];
        self.portal.rows[b] = SmallRow::close(&row);
        self.note(Entry::Back(short(b), counter));
        true
    }

    /// The journal is only looked at behind a backup.
    fn note(&mut self, entry: Entry) {
        if self.backup.is_some() {
            self.portal.journal.push(entry);
        }
    }

    fn back_up(&mut self, world: &Configuration) -> bool {
        self.portal.journal.clear();
        self.backup = Some(self.portal.clone());
        // One is as good as two with no restore between them.
        self.restores < world.restores
    }

    fn restore(&mut self, world: &Configuration, rules: &dyn PortalRules) -> bool {
        let Some(backup) = self.backup.clone() else {
            return false;
        };
        if self.restores >= world.restores {
            return false;
        }
        self.restores += 1;
        let journal = std::mem::replace(&mut self.portal, backup).journal;
        if world.journal_lost {
            self.lost = true;
            let portal = &mut self.portal;
            for b in 0..world.boxes {
                let papers = &self.boxes[b].papers;
                for small in [&mut portal.rows[b], &mut portal.foreign[b]] {
                    let mut row = small.open(papers);
                    rules.forget(&mut row);
                    *small = SmallRow::close(&row);
                }
            }
        } else {
            for entry in &journal {
                self.replay(entry, rules);
            }
            self.portal.journal = journal;
        }
        true
    }

    fn replay(&mut self, entry: &Entry, rules: &dyn PortalRules) {
        let (Entry::Issued(b, ..)
        | Entry::Proven(b, ..)
        | Entry::WrittenOff(b)
        | Entry::Back(b, _)) = *entry;
        let papers = &self.boxes[usize::from(b)].papers;
        let mut row = self.portal.rows[usize::from(b)].open(papers);
        match *entry {
            Entry::Issued(_, number, counter) => {
                let mut all = self.portal.rows[usize::from(b)].clone();
                all.learn(number);
                let issued = (all.open(papers).issued.into_iter())
                    .find(|license| index(&license.id) == usize::from(number))
                    .expect("just learnt");
                row.replay(issued, counter.into(), 0);
            }
            Entry::Proven(_, number, counter) => {
                let _ = rules.upload(&mut row, &observation(counter, Some(number)));
            }
            Entry::WrittenOff(_) => {
                let _ = rules.write_off(&mut row);
            }
            Entry::Back(_, counter) => {
                let _ = rules.hardware_back(&mut row, &observation(counter, None));
            }
        }
        self.portal.rows[usize::from(b)] = SmallRow::close(&row);
    }

    /// One box and all that belongs to it.
    pub(super) fn hash_box(&self, b: usize, hasher: &mut impl Hasher) {
        let row = |portal: &Portal| (portal.rows[b].clone(), portal.foreign[b].clone());
        self.boxes[b].hash(hasher);
        self.approved[b].hash(hasher);
        row(&self.portal).hash(hasher);
        self.backup.as_ref().map(row).hash(hasher);
        for entry in &self.portal.journal {
            if entry.of() == b {
                entry.hash(hasher);
            }
        }
    }

    /// The rest. The order of journal entries of different boxes makes no difference.
    pub(super) fn hash_rest(&self, hasher: &mut impl Hasher) {
        (self.restores, self.lost, self.write_offs).hash(hasher);
    }
}
