//! The portal's rows, kept small, and opened up for its rules.

use sealgate_portal::rules::{
    Counts, Custody, Decision, Forgotten, Issued, Observation, Refusal, Row, Rules, Term,
};

use super::state::{Amount, BOXES, Paper, sum};

/// The rules as the model calls them. The portal's own implement it below; a test breaks
/// one at a time.
pub trait PortalRules {
    /// See [`Rules::upload`].
    fn upload(&self, row: &mut Row, seen: &Observation) -> Result<(), Refusal>;
    /// See [`Rules::decide`].
    fn decide(
        &self,
        row: &Row,
        seen: &Observation,
        ask: &sealgate_portal::rules::Ask,
    ) -> Result<Decision, Refusal>;
    /// See [`Rules::forget`].
    fn forget(&self, row: &mut Row);
    /// See [`Rules::write_off`].
    fn write_off(&self, row: &mut Row) -> Result<(), Refusal>;
    /// See [`Rules::raised_to`].
    fn raised_to(&self, row: &Row) -> u64;
    /// See [`Rules::hardware_back`].
    fn hardware_back(&self, row: &mut Row, seen: &Observation) -> Result<(), Refusal>;
    /// Does a foreign attestation key get the row of the genuine one? It does not.
    fn one_row_per_ek(&self) -> bool {
        false
    }
}

impl PortalRules for Rules {
    fn upload(&self, row: &mut Row, seen: &Observation) -> Result<(), Refusal> {
        Rules::upload(self, row, seen)
    }
    fn decide(
        &self,
        row: &Row,
        seen: &Observation,
        ask: &sealgate_portal::rules::Ask,
    ) -> Result<Decision, Refusal> {
        Rules::decide(self, row, seen, ask)
    }
    fn forget(&self, row: &mut Row) {
        Rules::forget(self, row);
    }
    fn write_off(&self, row: &mut Row) -> Result<(), Refusal> {
        Rules::write_off(self, row)
    }
    fn raised_to(&self, row: &Row) -> u64 {
        Rules::raised_to(self, row)
    }
    fn hardware_back(&self, row: &mut Row, seen: &Observation) -> Result<(), Refusal> {
        Rules::hardware_back(self, row, seen)
    }
}

/// A row, without what the box's papers tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct SmallRow {
    attested: u16,
    proven: u16,
    credited: u16,
    void_below: u16,
    pub(super) charged: Amount,
    custody: Custody,
    forgotten: Option<(u16, Option<u16>)>,
    /// Which of the box's papers it knows: one bit each.
    known: u32,
}

/// A counter of the model, for the rules.
pub(super) fn wide(counter: u16) -> u64 {
    u64::from(counter)
}

/// Back again.
pub(super) fn narrow(counter: u64) -> u16 {
    u16::try_from(counter).expect("the model's counters stay below 2^16")
}

pub(super) fn counts(amount: Amount) -> Counts {
    [
        ("camera".to_owned(), amount[0].into()),
        ("vca".to_owned(), amount[1].into()),
    ]
    .into_iter()
    .collect()
}

pub(super) fn amount(counts: &Counts) -> Amount {
    let get = |kind| u8::try_from(counts.get(kind)).expect("the model's amounts stay below 256");
    [get("camera"), get("vca")]
}

/// A license's index from its id.
pub(super) fn index(id: &str) -> usize {
    id.parse().expect("the model names licenses by number")
}

impl SmallRow {
    pub(super) fn open(&self, papers: &[Paper]) -> Row {
        let known = (papers.iter().enumerate()).filter(|(number, _)| self.known >> number & 1 == 1);
        Row {
            attested: wide(self.attested),
            proven: wide(self.proven),
            credited: wide(self.credited),
            void_below: wide(self.void_below),
            charged: counts(self.charged),
            custody: self.custody,
            forgotten: self.forgotten.map(|(after_to, fresh_at)| Forgotten {
                after_to: wide(after_to),
                fresh_at: fresh_at.map(wide),
            }),
            issued: known
                .map(|(number, paper)| Issued {
                    id: number.to_string(),
                    from: wide(paper.from),
                    to: wide(paper.to),
                    counts: counts(paper.gives),
                    term: Term::Perpetual,
                    request_sha256: OTHER_BYTES,
                })
                .collect(),
        }
    }

    pub(super) fn close(row: &Row) -> Self {
        Self {
            attested: narrow(row.attested),
            proven: narrow(row.proven),
            credited: narrow(row.credited),
            void_below: narrow(row.void_below),
            charged: amount(&row.charged),
            custody: row.custody,
            forgotten: (row.forgotten)
                .map(|lost| (narrow(lost.after_to), lost.fresh_at.map(narrow))),
            known: (row.issued.iter()).fold(0, |bits, license| bits | 1 << index(&license.id)),
        }
    }

    pub(super) fn attested(&self) -> u16 {
        self.attested
    }

    pub(super) fn knows(&self, number: usize) -> bool {
        self.known >> number & 1 == 1
    }

    pub(super) fn learn(&mut self, number: u8) {
        self.known |= 1 << number;
    }

    pub(super) fn void_below(&self) -> u16 {
        self.void_below
    }

    pub(super) fn is_complete(&self) -> bool {
        self.forgotten.is_none()
    }

    pub(super) fn is_written_off(&self) -> bool {
        self.custody == Custody::WrittenOff
    }
}

/// What the journal holds since the backup.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Entry {
    /// Box, license, the counter of its request.
    Issued(u8, u8, u16),
    /// Box, license, counter.
    Proven(u8, u8, u16),
    /// Box.
    WrittenOff(u8),
    /// Box, counter.
    Back(u8, u16),
}

impl Entry {
    /// Of which box.
    pub(super) fn of(&self) -> usize {
        let (Self::Issued(b, ..) | Self::Proven(b, ..) | Self::WrittenOff(b) | Self::Back(b, _)) =
            self;
        usize::from(*b)
    }
}

/// All rows, and the journal since the backup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Portal {
    /// Of the boxes' own attestation keys.
    pub(super) rows: [SmallRow; BOXES],
    /// Of one foreign key each, presented beside the box's genuine endorsement key.
    pub(super) foreign: [SmallRow; BOXES],
    /// Empty while there is no backup.
    pub(super) journal: Vec<Entry>,
}

impl Portal {
    fn all(&self) -> impl Iterator<Item = &SmallRow> {
        self.rows.iter().chain(&self.foreign)
    }

    /// What all rows are charged that is no write-off.
    pub(super) fn charged(&self) -> Amount {
        self.all()
            .filter(|row| !row.is_written_off())
            .fold([0, 0], |total, row| sum(total, row.charged))
    }
}

/// Each request of the model has its own bytes: a repeated one gets the same file and
/// changes nothing. This stands for the bytes of the earlier ones.
pub(super) const OTHER_BYTES: [u8; 32] = [1; 32];

/// What a request shows.
pub(super) fn observation(counter: u16, proof_of: Option<u8>) -> Observation {
    Observation {
        at_utc_s: 0,
        counter: wide(counter),
        proof_of: proof_of.map(|number| number.to_string()),
        credits: true,
        request_sha256: [0; 32],
    }
}
